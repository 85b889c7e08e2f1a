"""schemathesis against a lot that runs: acts and changes do what is said of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.live.lot import opened, trade
from tests.tools import PATIENCE_S
from tests.web.test_description import DESCRIPTION, ON_CHAIN
from trading.live import LiveLot

schema = schemathesis.openapi.from_dict(DESCRIPTION).include(path_regex=ON_CHAIN)


@pytest.fixture(scope="module")
def lot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLot]:
    with opened(tmp_path_factory.mktemp("live")) as found:
        trade(found)
        yield found


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_an_act_does_what_its_description_says(case, lot):
    role = "authority" if "changes" in case.path else "driver"
    token = lot.issuer.token(role, sessions=["b-1", "b-2", "s-1", "s-2"])
    case.call_and_validate(
        # An address in mixed case carries a checksum, which a description cannot say.
        excluded_checks=[positive_data_acceptance] if case.method == "POST" else [],
        base_url=lot.address,
        headers={"Authorization": f"Bearer {token}"},
        timeout=PATIENCE_S,
    )
