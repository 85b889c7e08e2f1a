"""The outbox: transactions are signed and written down before they are sent.

Number and bytes of a transaction are in the database first, in the same SQL transaction as the
reason for it. So whatever happens afterwards can be repeated: a node takes the same bytes once, and
a process that starts again sends what has no receipt. A key has one lane of numbers without a gap;
one process holds the database, and so the lane.

States of a row: `written` -> `sent` -> `mined` or `refused` (it reverted). `overtaken` is a row
whose number was used by other bytes: by another attempt of ours at a higher price, or by a foreign
transaction of the same key, whereupon the call is written again under a new number.

A node may count a transaction before it shows its receipt, one that replaces blocks may take a
number back, and of several nodes one may be behind. So what a count says is believed when it says
so twice. Where the contract refuses a call that was written under several numbers, the receipts of
the others tell whether it is done; and where a number below all that is under way is free again, it
is used, since nothing after it could be mined.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from trading.chain.abi import Interface
from trading.chain.contract import Contract
from trading.chain.keys import Key
from trading.chain.networks import Network
from trading.chain.sender import Call, explained, sign
from trading.errors import LedgerError
from trading.store.database import Database
from trading.store.schema import TRANSACTIONS

log = structlog.get_logger(__name__)

RESEND_AFTER_S = 5.0
"""A transaction without a receipt for this long is sent again; several block times."""

DEARER = 1.25
"""By how much a stuck transaction offers more for gas, where gas has a price; nodes ask for 1.1."""

FINALITY_BLOCKS = 64
"""Receipts of blocks younger than this are looked at again, on engines that reorganise."""

_OPEN = ("written", "sent")
_COLUMNS = TRANSACTIONS.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A transaction that came to its end since the last look.

    Attributes:
        purpose: the contract's function.
        subject: the batch, or an empty text.
        succeeded: False where the contract refused it.
        refusal: why, as a sentence.
        error: name of the contract's error; empty if it succeeded.
        arguments: the error's arguments.
    """

    purpose: str
    subject: str
    succeeded: bool
    refusal: str
    error: str
    arguments: dict[str, Any]


class Outbox:
    """The outbox of one key on one contract.

    Attributes:
        resend_after_s: patience with a transaction that is in no block.
    """

    def __init__(
        self,
        database: Database,
        contract: Contract,
        key: Key,
        *,
        resend_after_s: float = RESEND_AFTER_S,
        is_final: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the outbox of `key`.

        Args:
            database: where it is written.
            contract: what the calls go to, and what explains refusals.
            key: signs; no other process may send with it.
            resend_after_s: patience with a transaction that is in no block.
            is_final: whether a block that exists stays (QBFT, IBFT), so that a receipt is the end.
            clock: Unix seconds, for what is written into rows.
        """
        self._database = database
        self._contract = contract
        self._key = key
        self.resend_after_s = resend_after_s
        self._is_final = is_final
        self._clock = clock
        self._floor: int | None = None
        self._gas_price: int | None = None
        self._doubted: set[int] = set()

    @property
    def _network(self) -> Network:
        return self._contract.network

    @property
    def _interface(self) -> Interface:
        return self._contract.interface

    def write(self, connection: Connection, call: Call, *, subject: str = "") -> None:
        """Sign a call under the next number of the key and write it down; it is sent by `push`.

        Args:
            connection: the SQL transaction in which the reason for the call is written too.
            call: what to do, signed by this outbox's key.
            subject: what it is about, such as a batch id.

        Raises:
            LedgerUnreachableError: the key's first number, or the price of gas, is not known.
        """
        highest = connection.execute(
            select(func.max(_COLUMNS.nonce)).where(_COLUMNS.sender == self._key.address)
        ).scalar_one()
        nonce = max(self._known_count(), -1 if highest is None else int(highest) + 1)
        self._insert(connection, call, nonce=nonce, attempt=0, subject=subject)

    def has_open(self, connection: Connection, subject: str, purpose: str | None = None) -> bool:
        """Whether something about `subject` is still under way."""
        which = and_(_COLUMNS.subject == subject, _COLUMNS.state.in_(_OPEN))
        if purpose is not None:
            which = and_(which, _COLUMNS.purpose == purpose)
        return connection.execute(select(_COLUMNS.id).where(which).limit(1)).first() is not None

    def push(self) -> int:
        """Send what is written, in the order of its numbers; returns how many the node took.

        What a node does not take stays written, with its objection, and is sent again.

        Raises:
            LedgerUnreachableError: no answer; the same call later sends it again.
        """
        with self._database.begin() as connection:
            rows = connection.execute(
                select(TRANSACTIONS)
                .where(_COLUMNS.sender == self._key.address, _COLUMNS.state == "written")
                .order_by(_COLUMNS.nonce, _COLUMNS.attempt)
            ).all()
        if not rows:
            return 0
        objections = self._network.offer([row.raw for row in rows])
        now = self._clock()
        with self._database.begin() as connection:
            for row, objection in zip(rows, objections, strict=True):
                taken = not objection or _is_count_passed(objection)
                if objection:
                    log.warning(
                        "node objects",
                        batch=row.subject,
                        purpose=row.purpose,
                        nonce=row.nonce,
                        objection=objection,
                    )
                connection.execute(
                    update(TRANSACTIONS)
                    .where(_COLUMNS.id == row.id)
                    .values(
                        state="sent" if taken else "written",
                        sent_at=now,
                        refusal="" if taken else objection,
                    )
                )
        return sum(not one for one in objections)

    def collect(self, on_end: Callable[[Connection, Ended], None] | None = None) -> list[Ended]:
        """Look for receipts, and write again or send again what is stuck.

        Args:
            on_end: told of each transaction that came to its end, in the SQL transaction that
                closes it: either both happen or neither, and then it is told again.

        Returns:
            What came to its end since the last look, in the order of its numbers.

        Raises:
            LedgerUnreachableError: no answer; nothing was changed.
        """
        with self._database.begin() as connection:
            rows = connection.execute(
                select(TRANSACTIONS)
                .where(_COLUMNS.sender == self._key.address, self._unsettled(connection))
                .order_by(_COLUMNS.nonce, _COLUMNS.attempt)
            ).all()
        if not rows:
            return []
        count = self._network.mined_count(self._key.address)
        outcomes = self._network.outcomes([row.hash for row in rows])
        ended: list[Ended] = []
        done = {row.nonce for row, found in zip(rows, outcomes, strict=True) if found is not None}
        head = 0 if self._is_final else self._network.block_number()
        newest = {row.nonce: row.attempt for row in rows}
        first = min((row.nonce for row in rows if row.state in _OPEN), default=None)
        now = self._clock()
        for row, found in zip(rows, outcomes, strict=True):
            if found is not None:
                is_young = not self._is_final and found.block > head - FINALITY_BLOCKS
                if is_young and not found.succeeded:
                    # On an engine that replaces blocks a refusal may yet become a success.
                    continue
                if row.state in _OPEN or row.block_hash != found.block_hash:
                    end = self._close(row, found, on_end)
                    if end is not None:
                        ended.append(end)
            elif row.nonce in done:
                self._set(row, state="overtaken")
            elif row.state == "sent" and now - row.sent_at > self.resend_after_s:
                if row.attempt == newest[row.nonce]:
                    self._again(row, count, is_first=row.nonce == first)
            elif row.state in ("mined", "refused"):
                log.warning("block gone", batch=row.subject, purpose=row.purpose, block=row.block)
                self._set(row, state="written", block=None, block_hash=None)
        return ended

    def waiting(self) -> list[Row[Any]]:
        """Rows that are written or sent and have no receipt, in the order of their numbers."""
        with self._database.begin() as connection:
            return list(
                connection.execute(
                    select(TRANSACTIONS)
                    .where(_COLUMNS.sender == self._key.address, _COLUMNS.state.in_(_OPEN))
                    .order_by(_COLUMNS.nonce, _COLUMNS.attempt)
                )
            )

    # ------------------------------------------------------------------ one row

    def _close(
        self, row: Row[Any], found: Any, on_end: Callable[[Connection, Ended], None] | None
    ) -> Ended | None:
        """Note a receipt, and tell of it; None where this call's end was told before."""
        if not found.succeeded:
            done = self._done_otherwise(row)
            if done is not None:
                self._set(row, state="overtaken", gas_used=found.gas_used)
                other, found = done
                return None if other.state == "mined" else self._close(other, found, on_end)
        error = None
        if not found.succeeded:
            error = explained(
                self._network,
                self._interface,
                sender=row.sender,
                to=row.target,
                data=row.data,
                gas=row.gas,
                block=found.block,
                gas_used=found.gas_used,
            )
        ended = Ended(
            purpose=row.purpose,
            subject=row.subject,
            succeeded=found.succeeded,
            refusal="" if error is None else str(error),
            error="" if error is None else error.name,
            arguments={} if error is None else error.arguments,
        )
        with self._database.begin() as connection:
            connection.execute(
                update(TRANSACTIONS)
                .where(_COLUMNS.id == row.id)
                .values(
                    state="mined" if found.succeeded else "refused",
                    block=found.block,
                    block_hash=found.block_hash,
                    gas_used=found.gas_used,
                    refusal=ended.refusal,
                )
            )
            if on_end is not None:
                on_end(connection, ended)
        return ended

    def _done_otherwise(self, row: Row[Any]) -> tuple[Row[Any], Any] | None:
        """The same call under another number, with the receipt that says that it was done."""
        with self._database.begin() as connection:
            others = connection.execute(
                select(TRANSACTIONS)
                .where(
                    _COLUMNS.sender == row.sender,
                    _COLUMNS.subject == row.subject,
                    _COLUMNS.purpose == row.purpose,
                    _COLUMNS.target == row.target,
                    _COLUMNS.data == row.data,
                    _COLUMNS.nonce != row.nonce,
                    _COLUMNS.state.in_(("overtaken", "mined")),
                )
                .order_by(_COLUMNS.nonce, _COLUMNS.attempt)
            ).all()
        if not others:
            return None
        outcomes = zip(others, self._network.outcomes([one.hash for one in others]), strict=True)
        done = ((one, found) for one, found in outcomes if found is not None and found.succeeded)
        return next(done, None)

    def _again(self, row: Row[Any], count: int, *, is_first: bool) -> None:
        """Send a stuck transaction again; dearer, or under another number, where that is needed."""
        call = Call(
            key=self._key,
            to=row.target,
            data=row.data,
            gas=row.gas,
            interface=self._interface,
            function=row.purpose,
        )
        is_odd = count > row.nonce or (is_first and count < row.nonce)
        if is_odd and row.id not in self._doubted:
            self._doubted.add(row.id)
            self._set(row, sent_at=self._clock())
            return
        self._doubted.discard(row.id)
        if count > row.nonce:
            # Another transaction of this key has the number. What this one asks for can happen
            # only once on chain, so asking again is safe even if the node was merely behind.
            log.warning("number taken", batch=row.subject, purpose=row.purpose, nonce=row.nonce)
            self._floor = None
            with self._database.begin() as connection:
                connection.execute(
                    update(TRANSACTIONS)
                    .where(
                        _COLUMNS.sender == row.sender,
                        _COLUMNS.nonce == row.nonce,
                        _COLUMNS.state.in_(_OPEN),
                    )
                    .values(state="overtaken")
                )
                self.write(connection, call, subject=row.subject)
            return
        if is_odd:
            self._fill(row, call, count)
        price = self._network.gas_price()
        if row.gas_price == 0 or row.gas_price >= price * DEARER:
            self._set(row, state="written")
            return
        dearer = max(price, int(row.gas_price * DEARER) + 1)
        log.warning("offers more gas", batch=row.subject, purpose=row.purpose, wei=dearer)
        with self._database.begin() as connection:
            # The first attempt stays in the race: either of the two may be mined.
            connection.execute(
                update(TRANSACTIONS).where(_COLUMNS.id == row.id).values(sent_at=self._clock())
            )
            self._insert(
                connection,
                call,
                nonce=row.nonce,
                attempt=row.attempt + 1,
                subject=row.subject,
                gas_price=dearer,
            )

    def _fill(self, row: Row[Any], call: Call, nonce: int) -> None:
        """Use a number below all that is under way, which no block of the chain has any more."""
        with self._database.begin() as connection:
            ours = connection.execute(
                select(_COLUMNS.id, _COLUMNS.state)
                .where(_COLUMNS.sender == row.sender, _COLUMNS.nonce == nonce)
                .order_by(_COLUMNS.attempt.desc())
            ).all()
            if any(one.state != "overtaken" for one in ours):
                # The node is behind: it does not know yet what has a receipt here.
                return
            log.warning("number free again", batch=row.subject, purpose=row.purpose, nonce=nonce)
            if ours:
                connection.execute(
                    update(TRANSACTIONS).where(_COLUMNS.id == ours[0].id).values(state="written")
                )
            else:
                self._insert(connection, call, nonce=nonce, attempt=0, subject=row.subject)

    def _insert(
        self,
        connection: Connection,
        call: Call,
        *,
        nonce: int,
        attempt: int,
        subject: str,
        gas_price: int | None = None,
    ) -> None:
        if call.key != self._key:
            raise LedgerError(f"the outbox of {self._key} cannot send for {call.key}.")
        price = self._price() if gas_price is None else gas_price
        signed = sign(self._network, call, nonce, price)
        connection.execute(
            insert(TRANSACTIONS).values(
                sender=self._key.address,
                nonce=nonce,
                attempt=attempt,
                purpose=call.function,
                subject=subject,
                target=call.to,
                data=call.data,
                gas=call.gas,
                gas_price=price,
                raw=signed.raw,
                hash=signed.transaction,
                state="written",
                written_at=self._clock(),
            )
        )

    def _set(self, row: Row[Any], **values: Any) -> None:
        with self._database.begin() as connection:
            connection.execute(update(TRANSACTIONS).where(_COLUMNS.id == row.id).values(**values))

    def _unsettled(self, connection: Connection) -> Any:
        """Which rows to look at: those under way, and on some engines those of young blocks."""
        is_open = _COLUMNS.state.in_(_OPEN)
        if self._is_final:
            return is_open
        highest = connection.execute(select(func.max(_COLUMNS.block))).scalar_one()
        if highest is None:
            return is_open
        return or_(is_open, _COLUMNS.block > int(highest) - FINALITY_BLOCKS)

    def _known_count(self) -> int:
        """The key's count on chain when this process first asked: a lower bound of numbers."""
        if self._floor is None:
            self._floor = self._network.mined_count(self._key.address)
        return self._floor

    def _price(self) -> int:
        """What to offer for gas, asked anew each time that it is not free."""
        if self._gas_price != 0:
            self._gas_price = self._network.gas_price()
        return self._gas_price


def _is_count_passed(objection: str) -> bool:
    """Whether the node has blocks with this number already: then its receipt tells the rest."""
    return "nonce too low" in objection.lower() or "nonce is too low" in objection.lower()
