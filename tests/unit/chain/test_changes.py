"""What a change of the authority is said to do is what the contract then does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner

from tests.durable.lot import AUTHORITY, found
from trading.chain import Consortium, Key, open_network
from trading.chain.changes import Change, command_of, differences_of, preview
from trading.chain.governance import governance_of
from trading.cli import app
from trading.errors import LedgerRevertedError

CHANGE: TypeAdapter[Change] = TypeAdapter(Change)
PEOPLE = [Key.demonstration(0, f"operator {n}").address for n in range(1, 7)]


@pytest.fixture(scope="module")
def consortium() -> Iterator[Consortium]:
    with open_network("embedded", genesis_time=1_700_000_000) as network:
        yield found(network)


def changes() -> st.SearchStrategy[dict[str, object]]:
    who = st.sampled_from(PEOPLE)
    price = st.integers(0, 2_000_000)

    def one(name: str, **fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
        return st.fixed_dictionaries({"change": st.just(name), **fields})

    return st.one_of(
        one("add-operator", operator=who),
        one("remove-operator", operator=who),
        one("rotate-operator", old=who, new=who),
        one("set-quorum", quorum=st.integers(0, 7)),
        one("set-price-band", lowest_ueur_per_kwh=price, highest_ueur_per_kwh=price),
        one("set-largest-spread", spread_ueur_per_kwh=price),
        one("set-lot", lot=st.integers(0, 3), account=st.integers(0, 2)),
        one("set-aggregator", aggregator=who, admitted=st.booleans()),
        one("pause"),
        one("unpause"),
        one("propose-authority", proposed=st.none() | who),
    )


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(asked=st.lists(changes(), min_size=8, max_size=8))
def test_what_is_shown_is_what_happens(
    consortium: Consortium, asked: list[dict[str, object]]
) -> None:
    for fields in asked:
        change = CHANGE.validate_python(fields)
        before = governance_of(consortium)
        shown = preview(consortium, change, before)
        assert shown.sender == AUTHORITY.address
        call = consortium.call(change.function, *change.arguments(), by=AUTHORITY)
        assert (call.data, call.gas) == (shown.calldata, shown.gas)
        if shown.refusal is None:
            consortium.send_all([call])
            assert differences_of(before, governance_of(consortium)) == shown.differences
        else:
            with pytest.raises(LedgerRevertedError) as refused:
                consortium.send_all([call])
            assert refused.value.name == shown.refusal.name
            assert str(refused.value) == str(shown.refusal)
            assert shown.differences == ()


def test_a_preview_of_another_state_has_another_digest(consortium: Consortium) -> None:
    change = CHANGE.validate_python({"change": "set-largest-spread", "spread_ueur_per_kwh": 12_345})
    first = preview(consortium, change, governance_of(consortium))
    assert preview(consortium, change, governance_of(consortium)).digest == first.digest
    consortium.set_quorum(consortium.quorum() % 2 + 1, by=AUTHORITY)
    assert preview(consortium, change, governance_of(consortium)).digest != first.digest


def test_candidates_give_the_same_governance_as_events(consortium: Consortium) -> None:
    told = governance_of(consortium, lots=range(5), aggregators=[*PEOPLE, AUTHORITY.address])
    whole = governance_of(consortium)
    assert set(told.aggregators) <= set(whole.aggregators)
    assert told.lots == whole.lots


@settings(max_examples=60, deadline=None, derandomize=True)
@given(fields=changes())
def test_the_command_that_is_named_exists(fields: dict[str, object]) -> None:
    change = CHANGE.validate_python(fields)
    environment = {"PEERCHARGE_KEYSTORE": "", "PEERCHARGE_NETWORK": "", "PEERCHARGE_DEPLOYMENT": ""}
    words = command_of(change).split()
    result = CliRunner().invoke(
        app, [*words, "--deployment", "nowhere.json", "--network", "http://x"], env=environment
    )
    is_refused_as_such = change.change == "set-quorum" and not 1 <= change.quorum <= 96
    is_refused_as_such |= change.change == "set-price-band" and (
        change.lowest_ueur_per_kwh > change.highest_ueur_per_kwh
    )
    if not is_refused_as_such:
        # It gets as far as to look for the key.
        assert "PEERCHARGE_KEYSTORE" in result.output, result.output


def test_an_address_with_a_mistyped_letter_is_refused() -> None:
    wrong = PEOPLE[0][:-1] + ("0" if PEOPLE[0][-1] != "0" else "1")
    if wrong.lower() == wrong:
        pytest.skip("this address has no letters whose case could show it")
    with pytest.raises(ValidationError, match="mistyped"):
        CHANGE.validate_python({"change": "add-operator", "operator": wrong})
