"""The consortium contract: one method a function, with the domain's own types on both sides.

A method that changes something takes `by`, the key that signs, and returns the receipt of a
transaction that succeeded; a refusal is raised as an error of `trading.errors` and changed nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any, cast

import pandas as pd

from trading.chain import words
from trading.chain.contract import NOBODY, Contract
from trading.chain.events import decode_logs
from trading.chain.keys import Key
from trading.chain.networks import Network
from trading.chain.reach import reaching
from trading.chain.records import (
    Account,
    Batch,
    LedgerEvent,
    Limits,
    Mandate,
    Operator,
    PriceBand,
    Receipt,
    RegisterReceipt,
    SeatReceipt,
    Submission,
    SubmitReceipt,
    record_table,
)
from trading.chain.reverts import as_error
from trading.chain.states import BatchState
from trading.chain.token import Token
from trading.chain.typed import Domain, SeatSignature


class Consortium(Contract):
    """One consortium contract on one network; made by `deploy` or `attach`.

    Attributes:
        network: where it is.
        address: the contract.
        first_block: the block from which its events are read.
    """

    artifact_name = "EnergyConsortium"

    def __init__(self, network: Network, address: str, *, first_block: int = 0) -> None:
        super().__init__(network, address)
        self.first_block = first_block

    @property
    def domain(self) -> Domain:
        """What signatures for this contract are bound to."""
        return Domain(chain_id=self.network.chain_id, contract=self.address)

    # Batches

    def submit(self, trades: pd.DataFrame, *, deadline: int, by: Key) -> SubmitReceipt:
        """None -> pending: lock each buyer's cost and put the trades up for confirmation.

        Args:
            trades: a CHAIN table (`trading.chain.words`), 1 to `limits.max_trades` rows.
            deadline: Unix seconds, the last in which operators may vote.
            by: the owner of every buyer's account, or an admitted aggregator that all mandates
                name.

        Raises:
            TableError: a value does not fit a trade word.
            BadTradeError: a trade is refused; `trade_index` says which.
            LedgerRevertedError: the batch is refused for another reason.
        """
        return cast(SubmitReceipt, self._transact("submit", trades, deadline, by=by))

    def confirm(self, batch_id: str, *, by: Key) -> Receipt:
        """Confirm a pending batch as an operator; at the quorum it becomes confirmed."""
        return self._transact("confirm", batch_id, by=by)

    def confirm_with_signatures(
        self, batch_id: str, signatures: Sequence[SeatSignature], *, by: Key
    ) -> Receipt:
        """Hand in confirmations that operators signed off chain; at the quorum it is confirmed.

        Args:
            batch_id: the pending batch.
            signatures: in any order; they are sorted by signer, as the contract asks.
            by: anyone.
        """
        return self._transact("confirmWithSignatures", batch_id, _sorted(signatures), by=by)

    def reject(self, batch_id: str, reason: str, *, by: Key) -> Receipt:
        """Reject a pending batch as an operator; once no quorum is possible it is rejected."""
        return self._transact("reject", batch_id, reason, by=by)

    def cancel(self, batch: Submission, *, by: Key) -> Receipt:
        """Pending -> cancelled, by its submitter."""
        return self._transact("cancel", batch.batch_id, words.trades_hash(batch.words), by=by)

    def finalize(self, batch_id: str, *, by: Key) -> Receipt:
        """Count the votes of a pending batch again, after seats or quorum changed. Anyone."""
        return self._transact("finalize", batch_id, by=by)

    def settle(self, batch: Submission, *, by: Key) -> Receipt:
        """Confirmed -> settled: pay the sellers and the lots. Anyone."""
        return self._transact("settle", batch.submitter, batch.deadline, batch.words, by=by)

    def refund(self, batch: Submission, *, by: Key) -> Receipt:
        """Rejected, cancelled or expired -> refunded: give the buyers back their money. Anyone."""
        return self._transact("refund", batch.submitter, batch.deadline, batch.words, by=by)

    def batch_id_of(self, trades: pd.DataFrame, *, deadline: int, submitter: str) -> str:
        """The id that a batch has or would have; computed here, without asking the contract."""
        return words.batch_id(
            chain_id=self.network.chain_id,
            contract=self.address,
            submitter=submitter,
            deadline=deadline,
            words=words.encode(trades),
        )

    def batch(self, batch_id: str) -> Batch:
        """What is stored of a batch."""
        state, size, deadline, confirmations, rejections = self._read("batch", batch_id)
        return Batch(
            batch_id=batch_id,
            state=BatchState.of(state),
            size=size,
            deadline=deadline,
            confirmed_by=_seats(confirmations),
            rejected_by=_seats(rejections),
        )

    def state_of(self, batch_id: str) -> BatchState:
        """Where a batch stands, `expired` included."""
        return BatchState.of(self._read("stateOf", batch_id))

    # Accounts

    def register(self, tag: str | bytes, *, by: Key) -> RegisterReceipt:
        """Open an account for `by`; `tag` is 32 bytes that the operators know the holder by."""
        return cast(RegisterReceipt, self._transact("register", tag, by=by))

    def enroll(
        self,
        owner: str,
        tag: str | bytes,
        mandate: Mandate,
        *,
        deadline: int,
        signature: bytes,
        by: Key,
    ) -> RegisterReceipt:
        """Open an account with limits for an owner who signed both (`typed.sign_enrollment`)."""
        receipt = self._transact("enroll", owner, tag, mandate, deadline, signature, by=by)
        return cast(RegisterReceipt, receipt)

    def set_mandate(self, account: int, mandate: Mandate, *, by: Key) -> Receipt:
        """Replace the standing limits of an account, by its owner."""
        return self._transact("setMandate", account, mandate, by=by)

    def set_mandate_by_signature(
        self, account: int, mandate: Mandate, *, deadline: int, signature: bytes, by: Key
    ) -> Receipt:
        """Replace the standing limits of an account whose owner signed (`typed.sign_mandate`)."""
        return self._transact("setMandateBySignature", account, mandate, deadline, signature, by=by)

    def revoke_mandate_by_signature(
        self, account: int, *, deadline: int, signature: bytes, by: Key
    ) -> Receipt:
        """Withdraw the limits of an account whose owner signed (`typed.sign_revocation`)."""
        return self._transact("revokeMandateBySignature", account, deadline, signature, by=by)

    def revoke_mandate(self, account: int, *, by: Key) -> Receipt:
        """Withdraw the standing limits of an account, by its owner."""
        return self._transact("revokeMandate", account, by=by)

    def deposit(self, account: int, amount_ueur: int, *, by: Key) -> Receipt:
        """Credit tokens that `by` has approved to any account."""
        return self._transact("deposit", account, amount_ueur, by=by)

    def withdraw(self, account: int, amount_ueur: int, *, to: str, by: Key) -> Receipt:
        """Pay out of the free balance of an account, by its owner."""
        return self._transact("withdraw", account, amount_ueur, to, by=by)

    def withdraw_by_signature(
        self, account: int, amount_ueur: int, *, to: str, deadline: int, signature: bytes, by: Key
    ) -> Receipt:
        """Pay out of an account whose owner signed amount and address (`typed.sign_withdrawal`)."""
        return self._transact(
            "withdrawBySignature", account, amount_ueur, to, deadline, signature, by=by
        )

    def nonce_of(self, owner: str) -> int:
        """The nonce of the next message that this owner signs."""
        return int(self._read("nonces", owner))

    def account(self, number: int) -> Account:
        """Everything the ledger knows of an account.

        Raises:
            BadArgumentError: there is none with this number.
        """
        owner, free, locked, sequence, tag, mandate = self._read("account", number)
        if owner == NOBODY:
            raise as_error("AccountUnknown", {"account": number})
        return Account(
            number=number,
            owner=owner,
            free_ueur=free,
            locked_ueur=locked,
            sequence=sequence,
            tag=tag,
            mandate=_mandate(mandate),
        )

    def account_count(self) -> int:
        """How many accounts exist; they are numbered from 1."""
        return int(self._read("accountCount"))

    def accounts(self) -> pd.DataFrame:
        """All accounts: `account, owner, tag, free_ueur, locked_ueur, sequence`, one row each."""
        found = [self.account(number) for number in range(1, self.account_count() + 1)]
        rows = [(a.number, a.owner, a.tag, a.free_ueur, a.locked_ueur, a.sequence) for a in found]
        columns = ["account", "owner", "tag", "free_ueur", "locked_ueur", "sequence"]
        return pd.DataFrame(rows, columns=columns)

    def mandate_of(self, account: int) -> Mandate | None:
        """The standing limits of an account; None when it has none."""
        return _mandate(self._read("mandateOf", account))

    def tag_of(self, account: int) -> str:
        """What the operators know the holder of an account by, in hexadecimal."""
        return str(self._read("tagOf", account))

    def tracked_deposits(self) -> int:
        """Sum of all accounts' free and locked balances, in micro-euro."""
        return int(self._read("trackedDeposits"))

    # Governance

    def add_operator(self, operator: str, *, by: Key) -> SeatReceipt:
        """Give an operator the lowest seat that is free."""
        return cast(SeatReceipt, self._transact("addOperator", operator, by=by))

    def remove_operator(self, operator: str, *, by: Key) -> Receipt:
        """Take an operator's seat; at least the quorum must remain."""
        return self._transact("removeOperator", operator, by=by)

    def rotate_operator(self, old: str, new: str, *, by: Key) -> SeatReceipt:
        """Replace an operator's key; the new one has a new seat."""
        return cast(SeatReceipt, self._transact("rotateOperator", old, new, by=by))

    def set_quorum(self, quorum: int, *, by: Key) -> Receipt:
        """Set how many current seats must confirm a batch."""
        return self._transact("setQuorum", quorum, by=by)

    def set_price_band(self, band: PriceBand, *, by: Key) -> Receipt:
        """Set the prices a trade may have."""
        lowest, highest = band.lowest_ueur_per_kwh, band.highest_ueur_per_kwh
        return self._transact("setPriceBand", lowest, highest, by=by)

    def set_largest_spread(self, spread_ueur_per_kwh: int, *, by: Key) -> Receipt:
        """Set the largest difference between a trade's two prices."""
        return self._transact("setLargestSpread", spread_ueur_per_kwh, by=by)

    def set_lot(self, lot: int, account: int, *, by: Key) -> Receipt:
        """Admit a lot and name the account that receives its spread; account 0 removes it."""
        return self._transact("setLot", lot, account, by=by)

    def set_aggregator(self, aggregator: str, admitted: bool, *, by: Key) -> Receipt:
        """Admit or dismiss an aggregator."""
        return self._transact("setAggregator", aggregator, admitted, by=by)

    def pause(self, *, by: Key) -> Receipt:
        """Stop deposits, submissions and new mandates."""
        return self._transact("pause", by=by)

    def unpause(self, *, by: Key) -> Receipt:
        """End the pause."""
        return self._transact("unpause", by=by)

    def propose_authority(self, proposed: str | None, *, by: Key) -> Receipt:
        """Offer the authority to an address; None takes the offer back."""
        return self._transact("proposeAuthority", proposed or NOBODY, by=by)

    def accept_authority(self, *, by: Key) -> Receipt:
        """Take the authority over that was offered to `by`."""
        return self._transact("acceptAuthority", by=by)

    def authority(self) -> str:
        """Who governs the consortium."""
        return str(self._read("authority"))

    def pending_authority(self) -> str | None:
        """Who has been offered the authority and has not accepted."""
        found = str(self._read("pendingAuthority"))
        return None if found == NOBODY else found

    def paused(self) -> bool:
        """Whether deposits, submissions and new mandates are stopped."""
        return bool(self._read("paused"))

    def quorum(self) -> int:
        """How many current seats must confirm a batch."""
        return int(self._read("quorum"))

    def operators(self) -> tuple[Operator, ...]:
        """The operators in the order of their seats."""
        return tuple(Operator(address=a, seat=s) for a, s in self._read("operators"))

    def is_operator(self, address: str) -> bool:
        """Whether an address holds a seat."""
        return bool(self._read("isOperator", address))

    def seat_of(self, operator: str) -> int:
        """The seat of an operator.

        Raises:
            NotAllowedError: the address holds none.
        """
        return int(self._read("seatOf", operator))

    def price_band(self) -> PriceBand:
        """The prices a trade may have."""
        lowest, highest = self._read("priceBand")
        return PriceBand(lowest_ueur_per_kwh=lowest, highest_ueur_per_kwh=highest)

    def largest_spread(self) -> int:
        """The largest difference between a trade's two prices, in micro-euro per kWh."""
        return int(self._read("largestSpread"))

    def lot_account(self, lot: int) -> int | None:
        """The account of an admitted lot; None when it is not admitted."""
        return int(self._read("lotAccount", lot)) or None

    def spread_account(self, lot: int) -> int | None:
        """The account that trades of a lot pay their spread to, also after its removal."""
        return int(self._read("spreadAccount", lot)) or None

    def is_aggregator(self, address: str) -> bool:
        """Whether an address is an admitted aggregator."""
        return bool(self._read("isAggregator", address))

    @cached_property
    def token(self) -> Token:
        """The settlement token."""
        return Token(self.network, self._read("token"))

    @cached_property
    def limits(self) -> Limits:
        """The constants of the contract."""
        return Limits(
            max_trades=self._read("MAX_TRADES"),
            max_lifetime_s=self._read("MAX_LIFETIME"),
            max_sequence_step=self._read("MAX_SEQUENCE_STEP"),
            max_reason_bytes=self._read("MAX_REASON_LENGTH"),
            max_deposits_ueur=self._read("MAX_DEPOSITS"),
            max_seats=self._read("MAX_SEATS"),
        )

    # The chain's own account of it all

    def events(
        self,
        from_block: int | None = None,
        to_block: int | None = None,
        *,
        names: Collection[str] = (),
    ) -> list[LedgerEvent]:
        """Events of the contract, whoever caused them, in chain order.

        Args:
            from_block: first block; None for the contract's first.
            to_block: last block, included; None for the latest.
            names: of the events that are wanted, such as `LotSet`; none for all.
        """
        topics = [self.interface.topic_of(name) for name in names]
        first = self.first_block if from_block is None else from_block
        last = self.network.block_number() if to_block is None else to_block
        logs = self.network.logs(self.address, first, last, topics=topics)
        with reaching(self.network.name):
            return decode_logs(self.interface, logs)

    def submissions(
        self, from_block: int | None = None, to_block: int | None = None
    ) -> list[Submission]:
        """The batches submitted in these blocks, in chain order; arguments as for `events`."""
        found = self.events(from_block, to_block)
        return [Submission.of(event) for event in found if event.name == "BatchSubmitted"]

    def record(self) -> pd.DataFrame:
        """All events so far as a table: `block,time,transaction,event,batch_id,actor,detail`."""
        return record_table(self.events())


def _sorted(signatures: Sequence[SeatSignature]) -> list[tuple[int, bytes, bytes]]:
    return [signed.words() for signed in sorted(signatures, key=lambda one: int(one.signer, 16))]


def _seats(bits: int) -> tuple[int, ...]:
    return tuple(seat for seat in range(bits.bit_length()) if bits >> seat & 1)


def _mandate(found: tuple[Any, ...]) -> Mandate | None:
    max_buy, min_sell, valid_until, aggregator, open_to_buyers = found
    if valid_until == 0:
        return None
    return Mandate(
        max_buy_ueur_per_kwh=max_buy,
        min_sell_ueur_per_kwh=min_sell,
        valid_until=valid_until,
        aggregator=None if aggregator == NOBODY else aggregator,
        open_to_buyers=open_to_buyers,
    )
