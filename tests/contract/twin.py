"""The contract and its reference model side by side: every call goes to both, and both must agree.

An `Act` is one transaction in the model's terms. `Twin.do` sends it through `trading.chain`, calls
the model, and compares the outcome, the events and, after a success, everything both can tell.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.contract.observe import Scope, all_of, read_contract, read_model, touched
from tests.contract.signing import owner_signature, seat_signature, with_arithmetic
from tests.reference_consortium import ReferenceConsortium
from tests.reference_records import (
    Mandate,
    Refusal,
    SeatSignature,
    Signature,
    State,
    Trade,
    batch_id,
    trades_hash,
)
from trading.chain import Consortium, Key, Network, PriceBand, Submission, decode
from trading.chain import Mandate as ChainMandate
from trading.chain.contract import Contract
from trading.chain.records import Receipt
from trading.chain.typed import SeatSignature as ChainSeatSignature
from trading.errors import LedgerRevertedError

SIGNED = ("deadline", "signature")
WHOLE_STATE_EVERY = 6
"""Successes after which all is compared, and not only what the last call may have touched."""

TOKEN_FUNCTIONS = ("mint", "approve", "transfer")


@dataclass(frozen=True, slots=True)
class Act:
    """One transaction: the function in snake case, who sends it, its arguments in model terms."""

    function: str
    by: Key
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.function}{self.arguments} by {self.by.name}"


class Disagreement(AssertionError):  # noqa: N818 - what a failed comparison is called here
    """The contract and the model did not do the same."""


class Twin:
    """One consortium, twice.

    Attributes:
        people: every key that may act, by address.
        counts: outcomes and landmarks reached since the counter was made.
    """

    def __init__(
        self,
        consortium: Consortium,
        model: ReferenceConsortium,
        people: dict[str, Key],
        counts: Counter[str],
    ) -> None:
        self.consortium = consortium
        self.network: Network = consortium.network
        self.model = model
        self.people = people
        self.counts = counts
        self._successes = 0
        self.words_charged: set[int] = {
            trade.word for batch in model.batches.values() for trade in batch.trades
        }

    def do(self, act: Act) -> str | None:
        """Let both do it and compare; returns the name of the refusal, None for a success."""
        act = with_arithmetic(act, self.model, self.people)
        model = self.model
        before = {name: batch.state(self.network.now()) for name, batch in model.batches.items()}
        expected: Refusal | None = None
        try:
            events = model.call(
                act.function, act.by.address, act.arguments, now=self.network.now() + 1
            )
        except Refusal as refusal:
            expected, events = refusal, []
        try:
            receipt = self._send(act)
        except LedgerRevertedError as error:
            self.counts[error.name] += 1
            if expected is None:
                raise Disagreement(f"{act}: the contract refuses it: {error}") from error
            _same(f"refusal of {act}", (error.name, error.arguments), _named(expected))
            return error.name
        if expected is not None:
            raise Disagreement(f"{act}: the contract does it, the model says {expected}")
        if act.function not in TOKEN_FUNCTIONS:
            emitted = [(event.name, dict(event.arguments)) for event in receipt.events]
            _same(f"events of {act}", emitted, [(e.name, dict(e.arguments)) for e in events])
        self._count(act, before)
        self._successes += 1
        is_turn = self._successes % WHOLE_STATE_EVERY == 0
        self.compare(after=str(act), scope=None if is_turn else touched(self, act.by.address))
        return None

    def travel_to(self, second: int) -> None:
        """Let time pass until this second; who asks for the past gets the next second."""
        self.network.travel_to(max(second, self.network.now() + 1))
        self.model.now, self.model.events = self.network.now(), []
        self.compare(after=f"travelling to {second}", scope=touched(self, self.model.authority))

    def compare(self, *, after: str, scope: Scope | None = None) -> None:
        """What the contract's views tell against the model, and the invariants on it."""
        found = read_contract(self, scope or all_of(self))
        _same(f"state after {after}", found, read_model(self, scope or all_of(self)))
        check_invariants(self, found)

    def copy_model(self) -> ReferenceConsortium:
        """The model as it is now, for `Twin`s that start from here."""
        return copy.deepcopy(self.model)

    def _send(self, act: Act) -> Receipt:
        contract: Contract = self.consortium
        if act.function in TOKEN_FUNCTIONS:
            contract = self.consortium.token
        elif (door := DOORS.get(act.function)) is not None:
            receipt = door(self, act)
            if receipt is not None:
                return receipt
        values = [self.chain_value(value) for value in act.arguments]
        return contract.send_all([contract.call(_camel(act.function), *values, by=act.by)])[0]

    def chain_value(self, value: Any) -> Any:
        """An argument of the model as `trading.chain` takes it."""
        if isinstance(value, Mandate):
            return ChainMandate(
                max_buy_ueur_per_kwh=value.max_buy_price,
                min_sell_ueur_per_kwh=value.min_sell_price,
                valid_until=value.valid_until,
                aggregator=value.aggregator,
                open_to_buyers=value.open_to_buyers,
            )
        if isinstance(value, Signature):
            return owner_signature(value, self.people)
        if isinstance(value, tuple):
            return [self.chain_value(part) for part in value]
        if isinstance(value, SeatSignature):
            r, vs = seat_signature(value.signature, self.people)
            return value.seat, r, vs
        return value.word if isinstance(value, Trade) else value

    def _count(self, act: Act, before: dict[str, State]) -> None:
        counts, model = self.counts, self.model
        counts[act.function] += 1
        for event in model.events:
            identity = event.arguments.get("batchId")
            match event.name:
                case "BatchRefunded":
                    counts[f"refunded {before[identity].name.lower()}"] += 1
                case "BatchSettled":
                    counts["settled"] += 1
                    counts["spread paid"] += event.arguments["spread"] > 0
                case "BatchConfirmed" | "BatchRejected":
                    counts[f"{event.name} by {act.function}"] += 1
                case "OperatorAdded":
                    counts["seat given again"] += event.arguments["seat"] in model.vacated
                case "OperatorRotated":
                    counts["seat given again"] += event.arguments["newSeat"] in model.vacated


def check_invariants(twin: Twin, found: dict[str, Any]) -> None:
    """Invariants 1, 2, 3, 6, 7 and 9, on what the contract says of itself.

    With sums from the model: that each part of them is equal was compared before.
    """
    model, now = twin.model, twin.model.now
    accounts = [value for key, value in found.items() if key.startswith("account ")]
    held = sum(account[1] + account[2] for account in accounts)
    assert held == found["tracked deposits"] <= found[f"tokens of {model.domain.contract}"], "1"
    assert held <= 2**56 - 1, "1"
    open_states = (State.PENDING, State.CONFIRMED, State.REJECTED, State.CANCELLED, State.EXPIRED)
    waiting = sum(b.cost for b in model.batches.values() if b.state(now) in open_states)
    assert sum(account[2] for account in accounts) == waiting, "2"
    assert 0 < found["quorum"] <= found["operator count"], "7"
    for event in model.events:
        if event.name == "BatchConfirmed":
            votes = found[f"batch {event.arguments['batchId']}"][3] & found["current seats"]
            assert votes.bit_count() >= found["quorum"], "3"
        elif event.name == "BatchSubmitted":
            words = event.arguments["trades"]
            assert len(set(words)) == len(words), "6"
            assert twin.words_charged.isdisjoint(words), "6"
            twin.words_charged.update(words)
        elif event.name == "BatchSettled":
            trades = model.batches[event.arguments["batchId"]].trades
            assert all(t.cost == t.income + t.spread and t.spread >= 0 for t in trades), "9"
            assert event.arguments["paid"] == sum(t.cost for t in trades), "9"
            assert event.arguments["spread"] == sum(t.spread for t in trades), "9"
    model.events = []


def _same(what: str, found: Any, expected: Any) -> None:
    if found == expected:
        return
    if isinstance(found, dict):
        keys = [key for key in {**found, **expected} if found.get(key) != expected.get(key)]
        found = {key: found.get(key) for key in keys}
        expected = {key: expected.get(key) for key in keys}
    raise Disagreement(f"{what}\n  contract: {found}\n  model:    {expected}")


def _named(refusal: Refusal) -> tuple[str, dict[str, Any]]:
    return refusal.name, refusal.arguments


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _submission(submitter: str, deadline: int, trades: tuple[Trade, ...], twin: Twin) -> Submission:
    return Submission(
        batch_id=batch_id(twin.model.domain, submitter, deadline, trades_hash(trades)),
        submitter=submitter,
        deadline=deadline,
        words=tuple(trade.word for trade in trades),
        locked_ueur=0,
        block=0,
        time=0,
    )


def _submit(twin: Twin, act: Act) -> Receipt | None:
    trades, deadline = act.arguments
    if not trades or any(trade.spare for trade in trades):
        return None  # no table can say it
    table = decode([trade.word for trade in trades])
    return twin.consortium.submit(table, deadline=deadline, by=act.by)


def _cancel(twin: Twin, act: Act) -> Receipt | None:
    identity, hash_of_trades = act.arguments
    batch = twin.model.batches.get(identity)
    if batch is None or trades_hash(batch.trades) != hash_of_trades:
        return None
    known = _submission(batch.submitter, batch.deadline, batch.trades, twin)
    return twin.consortium.cancel(replace(known, batch_id=identity), by=act.by)


def _confirm_bundle(twin: Twin, act: Act) -> Receipt | None:
    identity, bundle = act.arguments
    signers = [int(one.signature.signer, 16) for one in bundle]
    if signers != sorted(signers) or any(one.signature.is_spoiled for one in bundle):
        return None  # the door sorts, which would put right what is meant to be wrong
    signatures = []
    for one in bundle:
        r, vs = seat_signature(one.signature, twin.people)
        signatures.append(
            ChainSeatSignature(
                batch_id=identity, seat=one.seat, signer=one.signature.signer, r=r, vs=vs
            )
        )
    return twin.consortium.confirm_with_signatures(identity, signatures, by=act.by)


def _by_name(method: str, positional: int, *names: str) -> Callable[[Twin, Act], Receipt | None]:
    """A method that takes the contract's first arguments by place and the others by these names."""

    def send(twin: Twin, act: Act) -> Receipt | None:
        values = [twin.chain_value(value) for value in act.arguments]
        named = dict(zip(names, values[positional:], strict=True))
        door = getattr(twin.consortium, method)
        receipt: Receipt = door(*values[:positional], **named, by=act.by)
        return receipt

    return send


PLAIN = {
    0: "pause unpause accept_authority",
    1: "confirm finalize register revoke_mandate add_operator remove_operator set_quorum "
    "set_largest_spread propose_authority",
    2: "reject set_mandate deposit rotate_operator set_lot set_aggregator",
}
"""Methods that take the contract's arguments by place, by how many there are."""

DOORS: dict[str, Callable[[Twin, Act], Receipt | None]] = {
    "submit": _submit,
    "cancel": _cancel,
    "confirm_with_signatures": _confirm_bundle,
    "settle": lambda twin, act: twin.consortium.settle(
        _submission(*act.arguments, twin), by=act.by
    ),
    "refund": lambda twin, act: twin.consortium.refund(
        _submission(*act.arguments, twin), by=act.by
    ),
    "withdraw": _by_name("withdraw", 2, "to"),
    "withdraw_by_signature": _by_name("withdraw_by_signature", 2, "to", *SIGNED),
    "enroll": _by_name("enroll", 3, *SIGNED),
    "set_mandate_by_signature": _by_name("set_mandate_by_signature", 2, *SIGNED),
    "revoke_mandate_by_signature": _by_name("revoke_mandate_by_signature", 1, *SIGNED),
    "set_price_band": lambda twin, act: twin.consortium.set_price_band(
        PriceBand(lowest_ueur_per_kwh=act.arguments[0], highest_ueur_per_kwh=act.arguments[1]),
        by=act.by,
    ),
    **{name: _by_name(name, n) for n, names in PLAIN.items() for name in names.split()},
}
"""How `trading.chain` says it; a door that answers None has no words for the arguments."""
