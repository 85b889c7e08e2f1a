"""The whole state of a consortium from its events alone, without asking a view.

What an indexer, an audit or a second opinion needs: fold the events in chain order, and every
balance, mandate, vote and state is known. Nothing is trusted but the log; a log that cannot have
come from the contract is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from trading.chain.contract import NOBODY
from trading.chain.records import Account, LedgerEvent, Mandate, PriceBand, Submission
from trading.chain.states import BatchState
from trading.chain.words import decode
from trading.errors import LedgerError
from trading.units import cost_ueur


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One operator's vote on one batch.

    Attributes:
        operator: its address when it voted.
        seat: the seat it voted from.
        is_confirmation: False for a rejection.
        reason: of a rejection, as it was given.
        time: Unix seconds.
    """

    operator: str
    seat: int
    is_confirmation: bool
    reason: str
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltBatch:
    """One batch: what was submitted, who voted, where it stands.

    Attributes:
        submission: its trades, submitter, deadline and what it locked.
        stored: where it was put last; a batch past its deadline is pending in here.
        votes: in chain order.
        closed_at: Unix seconds of its settlement or refund; None before.
        was: what a refunded batch was before: rejected, cancelled, or pending, if it expired.
    """

    submission: Submission
    stored: BatchState = BatchState.PENDING
    votes: tuple[Vote, ...] = ()
    closed_at: int | None = None
    was: BatchState | None = None

    @property
    def fate(self) -> str:
        """The word for how it ended, as in `trades.csv`: of a refunded batch, why it was."""
        return fate(self.stored.value, "" if self.was is None else self.was.value)

    def state(self, now: int) -> BatchState:
        """Where it stands at Unix second `now`, expiry included."""
        late = self.stored is BatchState.PENDING and now > self.submission.deadline
        return BatchState.EXPIRED if late else self.stored

    @property
    def confirmed_by(self) -> tuple[int, ...]:
        """Seats that confirmed it, ascending."""
        return tuple(sorted(vote.seat for vote in self.votes if vote.is_confirmation))

    @property
    def rejected_by(self) -> tuple[int, ...]:
        """Seats that rejected it, ascending."""
        return tuple(sorted(vote.seat for vote in self.votes if not vote.is_confirmation))


def fate(state: str, was: str) -> str:
    """How a batch ended: a refunded one that was still pending had expired."""
    if state != BatchState.REFUNDED:
        return state
    return BatchState.EXPIRED.value if was == BatchState.PENDING else was


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The state of a consortium after some events; tables are read-only.

    Attributes:
        accounts: by number.
        batches: by id.
        seats: operator by occupied seat.
        lots: account by lot that ever was admitted; what its spread goes to.
        open_lots: lots that are admitted.
        aggregators: addresses that are admitted.
        nonces: by owner, the next one; an owner that used none is not in it.
        tracked_ueur: deposits minus withdrawals.
    """

    accounts: Mapping[int, Account]
    batches: Mapping[str, RebuiltBatch]
    seats: Mapping[int, str]
    lots: Mapping[int, int]
    open_lots: frozenset[int]
    aggregators: frozenset[str]
    nonces: Mapping[str, int]
    tracked_ueur: int
    authority: str
    pending_authority: str | None
    quorum: int
    band: PriceBand
    largest_spread_ueur_per_kwh: int
    is_paused: bool


def rebuild(events: Iterable[LedgerEvent]) -> Ledger:
    """Fold all events of a consortium, from its deployment on, in chain order.

    Args:
        events: as `Consortium.events()` returns them.

    Raises:
        LedgerError: an event does not follow from those before it: some are missing, or they are
            not in order, or not of one contract.
    """
    fold = Fold()
    for event in events:
        fold.apply(event)
    return fold.ledger()


_NO_BAND = PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=0)


@dataclass(slots=True)
class Fold:
    """The state so far; `apply` takes one event more, by the method that is named after it."""

    accounts: dict[int, Account] = field(default_factory=dict)
    batches: dict[str, RebuiltBatch] = field(default_factory=dict)
    seats: dict[int, str] = field(default_factory=dict)
    lots: dict[int, int] = field(default_factory=dict)
    open_lots: set[int] = field(default_factory=set)
    aggregators: set[str] = field(default_factory=set)
    nonces: dict[str, int] = field(default_factory=dict)
    tracked_ueur: int = 0
    authority: str = NOBODY
    pending_authority: str | None = None
    quorum: int = 0
    band: PriceBand = _NO_BAND
    largest_spread: int = 0
    is_paused: bool = False

    def apply(self, event: LedgerEvent) -> None:
        """Take in the next event.

        Raises:
            As `rebuild`.
        """
        change = _APPLY.get(event.name)
        if change is None:
            raise LedgerError(
                f"event {event.name} in block {event.block} is not one that this version knows; "
                "use the version of peercharge that belongs to the contract."
            )
        try:
            change(self, event)
        except KeyError as error:
            raise LedgerError(
                f"event {event.name} in block {event.block} is about {error.args[0]}, which no "
                "event before it mentions; read the events from the contract's first block on."
            ) from error

    def ledger(self) -> Ledger:
        """The state, a live view: it moves with further events."""
        return Ledger(
            accounts=MappingProxyType(self.accounts),
            batches=MappingProxyType(self.batches),
            seats=MappingProxyType(dict(sorted(self.seats.items()))),
            lots=MappingProxyType(self.lots),
            open_lots=frozenset(self.open_lots),
            aggregators=frozenset(self.aggregators),
            nonces=MappingProxyType(self.nonces),
            tracked_ueur=self.tracked_ueur,
            authority=self.authority,
            pending_authority=self.pending_authority,
            quorum=self.quorum,
            band=self.band,
            largest_spread_ueur_per_kwh=self.largest_spread,
            is_paused=self.is_paused,
        )

    # Governance

    def _authority_proposed(self, event: LedgerEvent) -> None:
        proposed = event.arguments["proposed"]
        self.pending_authority = None if proposed == NOBODY else proposed

    def _authority_transferred(self, event: LedgerEvent) -> None:
        self.authority, self.pending_authority = event.arguments["authority"], None

    def _operator_added(self, event: LedgerEvent) -> None:
        self.seats[event.arguments["seat"]] = event.arguments["operator"]

    def _operator_removed(self, event: LedgerEvent) -> None:
        del self.seats[event.arguments["seat"]]

    def _operator_rotated(self, event: LedgerEvent) -> None:
        del self.seats[event.arguments["oldSeat"]]
        self.seats[event.arguments["newSeat"]] = event.arguments["to"]

    def _quorum_set(self, event: LedgerEvent) -> None:
        self.quorum = event.arguments["quorum"]

    def _price_band_set(self, event: LedgerEvent) -> None:
        self.band = PriceBand(
            lowest_ueur_per_kwh=event.arguments["lowest"],
            highest_ueur_per_kwh=event.arguments["highest"],
        )

    def _largest_spread_set(self, event: LedgerEvent) -> None:
        self.largest_spread = event.arguments["spread"]

    def _lot_set(self, event: LedgerEvent) -> None:
        lot, account = event.arguments["lot"], event.arguments["account"]
        if account:
            self.lots[lot] = account
            self.open_lots.add(lot)
        else:
            self.open_lots.discard(lot)

    def _aggregator_set(self, event: LedgerEvent) -> None:
        change = self.aggregators.add if event.arguments["admitted"] else self.aggregators.discard
        change(event.arguments["aggregator"])

    def _paused(self, _event: LedgerEvent) -> None:
        self.is_paused = True

    def _unpaused(self, _event: LedgerEvent) -> None:
        self.is_paused = False

    # Accounts

    def _account_registered(self, event: LedgerEvent) -> None:
        found = event.arguments
        self.accounts[found["account"]] = Account(
            number=found["account"],
            owner=found["owner"],
            free_ueur=0,
            locked_ueur=0,
            sequence=0,
            tag=found["tag"],
            mandate=None,
        )

    def _mandate_set(self, event: LedgerEvent) -> None:
        found = event.arguments
        mandate = Mandate(
            max_buy_ueur_per_kwh=found["maxBuyPrice"],
            min_sell_ueur_per_kwh=found["minSellPrice"],
            valid_until=found["validUntil"],
            aggregator=None if found["aggregator"] == NOBODY else found["aggregator"],
            open_to_buyers=found["openToBuyers"],
        )
        self._change(found["account"], mandate=mandate)

    def _mandate_revoked(self, event: LedgerEvent) -> None:
        self._change(event.arguments["account"], mandate=None)

    def _nonce_used(self, event: LedgerEvent) -> None:
        self.nonces[event.arguments["owner"]] = event.arguments["nonce"] + 1

    def _deposited(self, event: LedgerEvent) -> None:
        self._move(event.arguments["account"], free=event.arguments["amount"])
        self.tracked_ueur += event.arguments["amount"]

    def _withdrawn(self, event: LedgerEvent) -> None:
        self._move(event.arguments["account"], free=-event.arguments["amount"])
        self.tracked_ueur -= event.arguments["amount"]

    # Batches

    def _batch_submitted(self, event: LedgerEvent) -> None:
        submission = Submission.of(event)
        self.batches[event.batch_id] = RebuiltBatch(submission=submission)
        for trade in _amounts(submission):
            self._move(trade.buyer, free=-trade.cost, locked=trade.cost)
            self._change(trade.buyer, sequence=trade.sequence)

    def _batch_confirmed_by(self, event: LedgerEvent) -> None:
        self._vote(event, is_confirmation=True, reason="")

    def _batch_rejected_by(self, event: LedgerEvent) -> None:
        self._vote(event, is_confirmation=False, reason=event.arguments["reason"])

    def _batch_confirmed(self, event: LedgerEvent) -> None:
        self._put(event, stored=BatchState.CONFIRMED)

    def _batch_rejected(self, event: LedgerEvent) -> None:
        self._put(event, stored=BatchState.REJECTED)

    def _batch_cancelled(self, event: LedgerEvent) -> None:
        self._put(event, stored=BatchState.CANCELLED)

    def _batch_settled(self, event: LedgerEvent) -> None:
        for trade in _amounts(self.batches[event.batch_id].submission):
            self._move(trade.buyer, locked=-trade.cost)
            self._move(trade.seller, free=trade.income)
            self._move(self.lots[trade.lot], free=trade.cost - trade.income)
        self._put(event, stored=BatchState.SETTLED, closed_at=event.time)

    def _batch_refunded(self, event: LedgerEvent) -> None:
        for trade in _amounts(self.batches[event.batch_id].submission):
            self._move(trade.buyer, free=trade.cost, locked=-trade.cost)
        was = self.batches[event.batch_id].stored
        self._put(event, stored=BatchState.REFUNDED, closed_at=event.time, was=was)

    def _vote(self, event: LedgerEvent, *, is_confirmation: bool, reason: str) -> None:
        vote = Vote(
            operator=event.arguments["operator"],
            seat=event.arguments["seat"],
            is_confirmation=is_confirmation,
            reason=reason,
            time=event.time,
        )
        self._put(event, votes=(*self.batches[event.batch_id].votes, vote))

    def _put(self, event: LedgerEvent, **changes: Any) -> None:
        self.batches[event.batch_id] = replace(self.batches[event.batch_id], **changes)

    def _move(self, number: int, *, free: int = 0, locked: int = 0) -> None:
        account = self.accounts[number]
        self._change(
            number, free_ueur=account.free_ueur + free, locked_ueur=account.locked_ueur + locked
        )

    def _change(self, number: int, **changes: Any) -> None:
        self.accounts[number] = replace(self.accounts[number], **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amounts:
    """What one trade moves, and between whom."""

    buyer: int
    seller: int
    lot: int
    sequence: int
    cost: int
    income: int


def _amounts(submission: Submission) -> list[_Amounts]:
    trades = decode(submission.words)
    energy_wh = trades["energy_wh"].to_numpy()
    costs = cost_ueur(energy_wh, trades["price_ueur_per_kwh"].to_numpy())
    incomes = cost_ueur(energy_wh, trades["seller_price_ueur_per_kwh"].to_numpy())
    columns = ("buyer_account", "seller_account", "lot", "sequence")
    rows = zip(*(trades[name].tolist() for name in columns), costs, incomes, strict=True)
    return [
        _Amounts(
            buyer=buyer,
            seller=seller,
            lot=lot,
            sequence=sequence,
            cost=int(cost),
            income=int(income),
        )
        for buyer, seller, lot, sequence, cost, income in rows
    ]


_APPLY: Mapping[str, Callable[[Fold, LedgerEvent], None]] = {
    "AuthorityProposed": Fold._authority_proposed,
    "AuthorityTransferred": Fold._authority_transferred,
    "OperatorAdded": Fold._operator_added,
    "OperatorRemoved": Fold._operator_removed,
    "OperatorRotated": Fold._operator_rotated,
    "QuorumSet": Fold._quorum_set,
    "PriceBandSet": Fold._price_band_set,
    "LargestSpreadSet": Fold._largest_spread_set,
    "LotSet": Fold._lot_set,
    "AggregatorSet": Fold._aggregator_set,
    "Paused": Fold._paused,
    "Unpaused": Fold._unpaused,
    "AccountRegistered": Fold._account_registered,
    "MandateSet": Fold._mandate_set,
    "MandateRevoked": Fold._mandate_revoked,
    "NonceUsed": Fold._nonce_used,
    "Deposited": Fold._deposited,
    "Withdrawn": Fold._withdrawn,
    "BatchSubmitted": Fold._batch_submitted,
    "BatchConfirmedBy": Fold._batch_confirmed_by,
    "BatchRejectedBy": Fold._batch_rejected_by,
    "BatchConfirmed": Fold._batch_confirmed,
    "BatchRejected": Fold._batch_rejected,
    "BatchCancelled": Fold._batch_cancelled,
    "BatchSettled": Fold._batch_settled,
    "BatchRefunded": Fold._batch_refunded,
}

EVENTS = frozenset(_APPLY)
"""Every event that `rebuild` knows; a test compares it with the contract's."""
