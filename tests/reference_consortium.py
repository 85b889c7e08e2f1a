"""The reference model of the consortium contract: batches, on top of accounts and governance.

Dictionaries and integers, one method a function of the contract under the same name, checks in the
order that `IEnergyConsortium.sol` documents. Each method takes the caller's address first, raises a
`Refusal` before it has changed anything, and otherwise appends what would be emitted to `events`.
A caller named `_by` may be anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.reference_accounts import Accounts
from tests.reference_governance import MAX_LIFETIME_S
from tests.reference_records import (
    NOBODY,
    Account,
    Batch,
    Domain,
    Event,
    Refusal,
    SeatSignature,
    State,
    Statement,
    Trade,
    batch_id,
    trades_hash,
)

MAX_TRADES = 512
MAX_SEQUENCE_STEP = 65_536
MAX_REASON_BYTES = 256
REFUNDABLE = (State.REJECTED, State.CANCELLED, State.EXPIRED)


class ReferenceConsortium(Accounts):
    """The whole contract.

    Attributes:
        batches: by id.
    """

    def __init__(self, domain: Domain, **founding: Any) -> None:
        super().__init__(domain, **founding)
        self.batches: dict[str, Batch] = {}

    def call(self, function: str, by: str, arguments: Sequence[Any], *, now: int) -> list[Event]:
        """What one transaction in a block of this second emits.

        Raises:
            Refusal: the contract would refuse it; nothing changed.
        """
        self.now, self.events = now, []
        getattr(self, function)(by, *arguments)
        return self.events

    def submit(self, by: str, trades: tuple[Trade, ...], deadline: int) -> None:
        identity = self._check_submission(by, trades, deadline)
        self._lock(identity, by, trades, deadline)

    def submit_with_signatures(
        self,
        by: str,
        trades: tuple[Trade, ...],
        deadline: int,
        signatures: tuple[SeatSignature, ...],
    ) -> None:
        identity = self._check_submission(by, trades, deadline)
        seats = self._check_bundle(identity, signatures)
        self._lock(identity, by, trades, deadline)
        self._count_bundle(identity, seats)

    def confirm(self, by: str, identity: str) -> None:
        seat = self._ballot(by, identity)
        self.batches[identity].confirmed_by.add(seat)
        self.emit("BatchConfirmedBy", batchId=identity, operator=by, seat=seat)
        self._decide(identity)

    def confirm_with_signatures(
        self, _by: str, identity: str, signatures: tuple[SeatSignature, ...]
    ) -> None:
        self._expect(identity, State.PENDING)
        self._count_bundle(identity, self._check_bundle(identity, signatures))

    def reject(self, by: str, identity: str, reason: str) -> None:
        length = len(reason.encode())
        if length > MAX_REASON_BYTES:
            raise Refusal("BatchReasonTooLong", length=length, largest=MAX_REASON_BYTES)
        seat = self._ballot(by, identity)
        self.batches[identity].rejected_by.add(seat)
        self.emit("BatchRejectedBy", batchId=identity, operator=by, seat=seat, reason=reason)
        self._decide(identity)

    def cancel(self, by: str, identity: str, hash_of_trades: str) -> None:
        self._expect(identity, State.PENDING)
        batch = self.batches[identity]
        if batch_id(self.domain, by, batch.deadline, hash_of_trades) != identity:
            raise Refusal(
                "BatchSubmitterOnly", batchId=identity, caller=by, tradesHash=hash_of_trades
            )
        batch.stored = State.CANCELLED
        self.emit("BatchCancelled", batchId=identity)

    def finalize(self, _by: str, identity: str) -> None:
        self._expect(identity, State.PENDING)
        if not self._decide(identity):
            confirmed, possible = self._tally(identity)
            raise Refusal(
                "BatchUndecided",
                batchId=identity,
                confirmations=confirmed,
                possible=possible,
                quorum=self.quorum,
            )

    def settle(self, _by: str, submitter: str, deadline: int, trades: tuple[Trade, ...]) -> None:
        identity = batch_id(self.domain, submitter, deadline, trades_hash(trades))
        self._expect(identity, State.CONFIRMED)
        for trade in trades:
            self.accounts[trade.buyer].locked -= trade.cost
            self.accounts[trade.seller].free += trade.income
            self.accounts[self.lots[trade.lot]].free += trade.spread
        self.batches[identity].stored = State.SETTLED
        paid, spread = sum(t.cost for t in trades), sum(t.spread for t in trades)
        self.emit("BatchSettled", batchId=identity, paid=paid, spread=spread)

    def refund(self, _by: str, submitter: str, deadline: int, trades: tuple[Trade, ...]) -> None:
        identity = batch_id(self.domain, submitter, deadline, trades_hash(trades))
        self._expect(identity, *REFUNDABLE)
        for trade in trades:
            self.accounts[trade.buyer].locked -= trade.cost
            self.accounts[trade.buyer].free += trade.cost
        batch = self.batches[identity]
        batch.stored = State.REFUNDED
        self.emit("BatchRefunded", batchId=identity, refunded=batch.cost)

    def state_of(self, identity: str) -> State:
        batch = self.batches.get(identity)
        return batch.state(self.now) if batch else State.NONE

    def _expect(self, identity: str, *accepted: State) -> None:
        state = self.state_of(identity)
        if state not in accepted:
            raise Refusal(
                "BatchUnexpectedState",
                batchId=identity,
                current=int(state),
                accepted=sum(1 << wanted for wanted in accepted),
            )

    # Submitting

    def _check_submission(self, by: str, trades: tuple[Trade, ...], deadline: int) -> str:
        """The id of the batch, once nothing speaks against it."""
        self._not_paused()
        if not 1 <= len(trades) <= MAX_TRADES:
            raise Refusal("BatchSizeOutOfRange", size=len(trades), largest=MAX_TRADES)
        earliest, latest = self.now + 1, self.now + MAX_LIFETIME_S
        if not earliest <= deadline <= latest:
            raise Refusal(
                "BatchDeadlineOutOfRange", deadline=deadline, earliest=earliest, latest=latest
            )
        identity = batch_id(self.domain, by, deadline, trades_hash(trades))
        self._expect(identity, State.NONE)
        free = {number: account.free for number, account in self.accounts.items()}
        last = {number: account.sequence for number, account in self.accounts.items()}
        for index, trade in enumerate(trades):
            if trade.spare != 0:
                raise Refusal("TradeSpareNotZero", index=index, spare=trade.spare)
            buyer = self._party(index, trade.buyer)
            if not (self._names(buyer, by) or buyer.owner == by):
                self._refuse_submitter(index, trade.buyer, by)
            seller = self._party(index, trade.seller)
            if trade.seller == trade.buyer:
                raise Refusal("TradePartiesEqual", index=index, account=trade.seller)
            is_open = seller.mandate.open_to_buyers and buyer.owner == by
            if not (self._names(seller, by) or is_open):
                self._refuse_submitter(index, trade.seller, by)
            self._check_prices(index, trade, buyer, seller)
            lowest = last[trade.buyer] + 1
            highest = last[trade.buyer] + MAX_SEQUENCE_STEP
            if not lowest <= trade.sequence <= highest:
                raise Refusal(
                    "TradeSequenceOutOfRange",
                    index=index,
                    buyer=trade.buyer,
                    sequence=trade.sequence,
                    lowest=lowest,
                    highest=highest,
                )
            if trade.cost > free[trade.buyer]:
                raise Refusal(
                    "TradeBuyerBalanceTooLow",
                    index=index,
                    buyer=trade.buyer,
                    free=free[trade.buyer],
                    needed=trade.cost,
                )
            last[trade.buyer] = trade.sequence
            free[trade.buyer] -= trade.cost
        return identity

    def _party(self, index: int, number: int) -> Account:
        account = self.accounts.get(number)
        if account is None:
            raise Refusal("TradePartyUnknown", index=index, account=number)
        until = account.mandate.valid_until if account.mandate else 0
        if until < self.now:
            raise Refusal(
                "TradeMandateExpired",
                index=index,
                account=number,
                validUntil=until,
                timestamp=self.now,
            )
        return account

    def _names(self, party: Account, submitter: str) -> bool:
        """Whether the submitter is an admitted aggregator that the party's mandate names."""
        return party.mandate.aggregator == submitter and self.is_aggregator(submitter)

    def _refuse_submitter(self, index: int, number: int, submitter: str) -> None:
        raise Refusal("TradeSubmitterNotAllowed", index=index, account=number, submitter=submitter)

    def _check_prices(self, index: int, trade: Trade, buyer: Account, seller: Account) -> None:
        """Everything about a trade but its parties, its number and the buyer's money."""
        paid, got = trade.buyer_price, trade.seller_price
        least, most = seller.mandate.min_sell_price, buyer.mandate.max_buy_price
        if got < least:
            raise Refusal(
                "TradeSellerPriceTooLow", index=index, seller=trade.seller, price=got, lowest=least
            )
        if paid > most:
            raise Refusal(
                "TradeBuyerPriceTooHigh", index=index, buyer=trade.buyer, price=paid, highest=most
            )
        if trade.lot not in self.open_lots:
            raise Refusal("TradeLotUnknown", index=index, lot=trade.lot)
        if trade.energy_wh == 0:
            raise Refusal("TradeEnergyZero", index=index)
        if trade.cost == 0:
            raise Refusal("TradeCostZero", index=index, energyWh=trade.energy_wh, price=paid)
        if got > paid:
            raise Refusal("TradePricesCrossed", index=index, buyerPrice=paid, sellerPrice=got)
        lowest, highest = self.band
        if paid > highest or got < lowest:
            raise Refusal(
                "TradePriceOutOfBand",
                index=index,
                price=paid if paid > highest else got,
                lowest=lowest,
                highest=highest,
            )
        if paid - got > self.largest_spread:
            raise Refusal(
                "TradeSpreadTooLarge", index=index, spread=paid - got, largest=self.largest_spread
            )

    def _lock(self, identity: str, by: str, trades: tuple[Trade, ...], deadline: int) -> None:
        for trade in trades:
            buyer = self.accounts[trade.buyer]
            buyer.free -= trade.cost
            buyer.locked += trade.cost
            buyer.sequence = trade.sequence
        batch = Batch(submitter=by, deadline=deadline, trades=trades)
        self.batches[identity] = batch
        self.emit(
            "BatchSubmitted",
            batchId=identity,
            submitter=by,
            deadline=deadline,
            locked=batch.cost,
            trades=tuple(trade.word for trade in trades),
        )

    # Voting

    def _ballot(self, by: str, identity: str) -> int:
        """The seat that `by` may now vote from."""
        seat = self.seat_of(by)
        self._expect(identity, State.PENDING)
        batch = self.batches[identity]
        if seat in batch.confirmed_by | batch.rejected_by:
            raise Refusal(
                "BatchAlreadyVoted",
                batchId=identity,
                operator=by,
                seat=seat,
                confirmed=seat in batch.confirmed_by,
            )
        return seat

    def _check_bundle(self, identity: str, signatures: tuple[SeatSignature, ...]) -> list[int]:
        """The seats whose operators signed, in the bundle's order."""
        if not signatures:
            raise Refusal("ConfirmationsMissing", batchId=identity)
        previous = NOBODY
        for position, (seat, signature) in enumerate((s.seat, s.signature) for s in signatures):
            wanted = Statement(domain=self.domain, kind="Confirmation", content=(identity, seat))
            signer = signature.signer_of(wanted)
            if int(signer, 16) <= int(previous, 16):
                raise Refusal(
                    "ConfirmationsUnsorted",
                    position=position,
                    seat=seat,
                    signer=signer,
                    previous=previous,
                )
            holder = self.seats.get(seat, NOBODY)
            if signer != holder:
                raise Refusal(
                    "ConfirmationSignerInvalid",
                    position=position,
                    seat=seat,
                    signer=signer,
                    holder=holder,
                )
            previous = signer
        return [one.seat for one in signatures]

    def _count_bundle(self, identity: str, seats: list[int]) -> None:
        """Record the votes of seats that have not voted yet; the others are passed over."""
        batch = self.batches[identity]
        for seat in seats:
            if seat not in batch.confirmed_by | batch.rejected_by:
                batch.confirmed_by.add(seat)
                operator = self.seats[seat]
                self.emit("BatchConfirmedBy", batchId=identity, operator=operator, seat=seat)
        self._decide(identity)

    def _tally(self, identity: str) -> tuple[int, int]:
        """How many current seats confirmed, and how many did or still may."""
        batch = self.batches[identity]
        confirmed = sum(seat in batch.confirmed_by for seat in self.seats)
        possible = sum(seat not in batch.rejected_by for seat in self.seats)
        return confirmed, possible

    def _decide(self, identity: str) -> bool:
        confirmed, possible = self._tally(identity)
        batch = self.batches[identity]
        if confirmed >= self.quorum:
            batch.stored = State.CONFIRMED
            self.emit("BatchConfirmed", batchId=identity)
        elif possible < self.quorum:
            batch.stored = State.REJECTED
            self.emit("BatchRejected", batchId=identity)
        return batch.stored is not State.PENDING
