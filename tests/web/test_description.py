"""schemathesis against the description: what it says of every route is what the route does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.durable.lot import MARKET, PSEUDONYMS
from tests.tools import PATIENCE_S
from tests.web.lot import Api, api_over, door_to
from trading.web import DevelopmentIssuer, Source, create_app

DESCRIPTION = create_app(
    Source(database=None, publication=MARKET, tag_of=PSEUDONYMS.find),  # type: ignore[arg-type]
    DevelopmentIssuer().tokens(),
).openapi()
ON_CHAIN = "/(acts|deposits|changes|wallet|outlook)"
"""Routes that speak to a chain: those are tried on a lot that runs (`tests/live`)."""

schema = schemathesis.openapi.from_dict(DESCRIPTION).exclude(path_regex=ON_CHAIN)

RELATED = (
    "POST /api/v1/sessions",
    "POST /api/v1/studies",
    "GET /api/v1/load",
    "GET /api/v1/prices",
    "GET /api/v1/savings",
)
"""Here two values of a request must fit one another (arrival and departure, since and until), which
a description cannot say: such a request may be refused although each value is right."""


@pytest.fixture(scope="module")
def taking(filled, tmp_path_factory) -> Iterator[Api]:
    """The service with an engine behind it that takes sessions, and a folder of runs."""
    with (
        door_to(tmp_path_factory.mktemp("door") / "other.db") as door,
        api_over(filled.file, door=door) as opened,
    ):
        yield opened


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_a_route_does_what_its_description_says(case, taking):
    operation = f"{case.method} {case.path}"
    case.call_and_validate(
        excluded_checks=[positive_data_acceptance] if operation in RELATED else [],
        base_url=str(taking.client.base_url),
        headers=taking.bearer("aggregator"),
        timeout=PATIENCE_S,
    )
