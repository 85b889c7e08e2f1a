"""From events alone: every balance, mandate, state and vote, after a long random run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest

from tests.contract.founding import found
from tests.contract.observe import LOTS
from tests.contract.steps import WEIGHTED, take
from tests.contract.twin import Twin
from tests.contract.world import GENESIS_TIME
from tests.tools import ROOT
from trading.chain import open_network
from trading.chain.rebuild import EVENTS, Ledger, rebuild
from trading.errors import LedgerError

STEPS = 240
SEED = 3
MANY_STEPS = 1_500

REACHED = {
    "settled",
    "spread paid",
    "refunded rejected",
    "refunded cancelled",
    "refunded expired",
    "finalize",
    "seat given again",
    "rotate_operator",
    "remove_operator",
    "accept_authority",
    "pause",
    "enroll",
    "set_mandate_by_signature",
    "revoke_mandate_by_signature",
    "withdraw_by_signature",
    "deposit",
}
"""What the run has to have been through, or its events say little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A consortium that has lived, what was met on the way, and what its events tell."""

    twin: Twin
    met: Counter[str]
    ledger: Ledger


def live(seed: int, steps: int) -> Iterator[Lived]:
    with open_network("embedded", genesis_time=GENESIS_TIME) as network:
        twin = found(network)
        twin.counts = Counter()
        chance = Random(seed)
        for _ in range(steps):
            take(twin, chance.choice(WEIGHTED), chance)
        twin.compare(after=f"{steps} steps from seed {seed}")
        ledger = rebuild(twin.consortium.events())
        yield Lived(twin=twin, met=+twin.counts, ledger=ledger)


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    yield from live(SEED, STEPS)


def assert_rebuilt(lived: Lived) -> None:
    """Every table of the ledger, against the contract's own views."""
    consortium, ledger = lived.twin.consortium, lived.ledger
    now = consortium.network.now()
    assert len(ledger.accounts) == consortium.account_count() > 0
    for number, account in ledger.accounts.items():
        assert account == consortium.account(number)
    for owner in lived.twin.people:
        assert ledger.nonces.get(owner, 0) == consortium.nonce_of(owner)
        assert (owner in ledger.aggregators) == consortium.is_aggregator(owner)
    assert ledger.batches.keys() == lived.twin.model.batches.keys()
    for identity, batch in ledger.batches.items():
        viewed = consortium.batch(identity)
        assert batch.state(now) is viewed.state
        assert (batch.confirmed_by, batch.rejected_by) == (viewed.confirmed_by, viewed.rejected_by)
        assert len(batch.submission.words) == viewed.size
        assert batch.submission.deadline == viewed.deadline
    assert ledger.seats == {found.seat: found.address for found in consortium.operators()}
    for lot in LOTS:
        assert ledger.lots.get(lot) == consortium.spread_account(lot)
        admitted = ledger.lots[lot] if lot in ledger.open_lots else None
        assert admitted == consortium.lot_account(lot)
    assert ledger.tracked_ueur == consortium.tracked_deposits()
    assert ledger.authority == consortium.authority()
    assert ledger.pending_authority == consortium.pending_authority()
    assert ledger.quorum == consortium.quorum()
    assert ledger.band == consortium.price_band()
    assert ledger.largest_spread_ueur_per_kwh == consortium.largest_spread()
    assert ledger.is_paused == consortium.paused()


def test_run_went_through_what_matters(lived: Lived) -> None:
    assert lived.met.keys() >= REACHED, sorted(REACHED - lived.met.keys())


def test_events_alone_rebuild_the_ledger(lived: Lived) -> None:
    assert_rebuilt(lived)


def test_votes_are_rebuilt_with_who_cast_them_and_why(lived: Lived) -> None:
    votes = [vote for batch in lived.ledger.batches.values() for vote in batch.votes]
    assert {vote.is_confirmation for vote in votes} == {True, False}
    assert all(vote.operator in lived.twin.people for vote in votes)
    assert any(vote.reason for vote in votes if not vote.is_confirmation)
    assert not any(vote.reason for vote in votes if vote.is_confirmation)


def test_batches_are_rebuilt_with_their_trades_and_end(lived: Lived) -> None:
    submissions = lived.twin.consortium.submissions()
    assert [batch.submission for batch in lived.ledger.batches.values()] == submissions
    for batch in lived.ledger.batches.values():
        assert (batch.closed_at is not None) == (batch.stored.value in ("settled", "refunded"))


def test_rebuild_knows_every_event_of_the_contract() -> None:
    path = ROOT / "contracts" / "artifacts" / "EnergyConsortium.json"
    abi = json.loads(path.read_text(encoding="utf-8"))["abi"]
    names = {entry["name"] for entry in abi if entry["type"] == "event"}
    # Declared by EIP-5267, which the contract inherits; its domain never changes.
    assert names - {"EIP712DomainChanged"} == EVENTS


def test_rebuild_refuses_events_with_a_gap(lived: Lived) -> None:
    events = lived.twin.consortium.events()
    without = [event for event in events if event.name != "AccountRegistered"]
    with pytest.raises(LedgerError, match=r"MandateSet in block \d+ is about 1, which no event"):
        rebuild(without)


def test_rebuild_refuses_an_event_it_does_not_know(lived: Lived) -> None:
    first = lived.twin.consortium.events()[0]
    with pytest.raises(LedgerError, match="event Melted in block"):
        rebuild([replace(first, name="Melted")])


@pytest.mark.full
@pytest.mark.parametrize("seed", [101, 102])
def test_events_alone_rebuild_the_ledger_after_a_very_long_run(seed: int) -> None:
    for lived in live(seed, MANY_STEPS):
        assert_rebuilt(lived)
