"""The mirror of a consortium in a database: an indexer that follows the chain from its first block.

Events are kept as they came, with the hashes of their blocks; balances, votes and states are folded
from them (`trading.chain.rebuild`) and written beside them in the same SQL transaction. So a look
that is interrupted leaves nothing half done, a block that left the chain takes its events with it,
and a mirror that is thrown away is rebuilt to the same content.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from trading.chain import Consortium, LedgerEvent, Submission
from trading.chain.rebuild import Fold, Ledger, RebuiltBatch
from trading.chain.records import Account
from trading.chain.words import batch_id as batch_id_of
from trading.chain.words import decode
from trading.errors import LedgerUnreachableError, StoreError, WrongLedgerError
from trading.store.database import Database
from trading.store.schema import (
    MIRROR,
    MIRROR_ACCOUNTS,
    MIRROR_BATCHES,
    MIRROR_BLOCKS,
    MIRROR_EVENTS,
    MIRROR_OPERATORS,
    MIRROR_VOTES,
)

HEADS_KEPT = 256
"""Blocks without events that are kept, each where a look ended; reorganisations are shorter."""

BLOCKS_AT_ONCE = 500
"""Blocks whose events are read and written together."""


class Mirror:
    """One contract's mirror in one database.

    Attributes:
        head: number of the last block that it has seen; one before the contract's first at first.
        reorganisations: how often blocks that it had seen left the chain.
    """

    def __init__(
        self, database: Database, consortium: Consortium, *, is_final: bool = True
    ) -> None:
        """Open the mirror and take in again what is stored of it.

        Args:
            database: where it is.
            consortium: the contract.
            is_final: whether a block that exists stays (QBFT, IBFT). Where it may not, as on
                Clique, blocks that leave the chain take their events with them.

        Raises:
            StoreError: the database belongs to another contract, chain or genesis.
        """
        self._database = database
        self._consortium = consortium
        self._is_final = is_final
        database.belong(identity_of(consortium))
        self.reorganisations = 0
        self._load()

    @property
    def ledger(self) -> Ledger:
        """The state of the consortium at `head`."""
        return self._fold.ledger()

    def follow(self, to_block: int | None = None) -> list[LedgerEvent]:
        """Take in all that happened since the last look.

        Args:
            to_block: where to stop; None for the latest block.

        Returns:
            The new events in chain order. After a reorganisation those of all blocks that came
            instead are among them.

        Raises:
            LedgerUnreachableError: the node cannot be reached, or is behind what was seen before.
            WrongLedgerError: blocks that were final are not there.
            StoreError: the database failed.
        """
        network = self._consortium.network
        last = network.block_number() if to_block is None else to_block
        if not self._still_there(last):
            self._rewind()
        elif to_block is None and last < self.head:
            raise LedgerUnreachableError(
                f"{network.name} is at block {last}, and block {self.head} was seen before: it is "
                "still catching up; it is asked again, or give the address of another node."
            )
        found: list[LedgerEvent] = []
        while self.head < last:
            first, until = self.head + 1, min(self.head + BLOCKS_AT_ONCE, last)
            found += self._take(first, until)
        return found

    def throw_away(self) -> None:
        """Delete the mirror, and nothing else; the next `follow` rebuilds it."""
        with self._database.begin() as connection:
            for table in MIRROR:
                connection.execute(delete(table))
        self._load()

    # ------------------------------------------------------------------ blocks come and go

    def _take(self, first: int, until: int) -> list[LedgerEvent]:
        network = self._consortium.network
        before = network.block_hash(until)
        events = self._consortium.events(first, until)
        blocks = sorted({event.block for event in events} | {until})
        hashes = {number: network.block_hash(number) for number in blocks}
        if before is None or hashes[until] != before or None in hashes.values():
            # It changed while it was read: nothing is taken, the next look reads again.
            raise LedgerUnreachableError(
                f"{network.name} replaced blocks {first} to {until} while they were read; they are "
                "read again."
            )
        self._check_ids(events)
        for event in events:
            self._fold.apply(event)
        try:
            with self._database.begin() as connection:
                connection.execute(
                    insert(MIRROR_BLOCKS), [{"number": n, "hash": hashes[n]} for n in blocks]
                )
                if events:
                    connection.execute(insert(MIRROR_EVENTS), [_event_row(e) for e in events])
                self._forget_heads(connection)
                self._write_state(connection)
        except StoreError:
            # The fold is ahead of what is stored.
            self._load()
            raise
        self._known.update({n: str(hashes[n]) for n in blocks})
        self.head = until
        if not events or events[-1].block != until:
            self._heads.append(until)
        return events

    def _check_ids(self, events: Sequence[LedgerEvent]) -> None:
        """Whether each batch has the id that its trades give: an operator signs no more than it."""
        consortium = self._consortium
        for event in events:
            if event.name != "BatchSubmitted":
                continue
            submission = Submission.of(event)
            due = batch_id_of(
                chain_id=consortium.network.chain_id,
                contract=consortium.address,
                submitter=submission.submitter,
                deadline=submission.deadline,
                words=submission.words,
            )
            if due != submission.batch_id:
                raise LedgerUnreachableError(
                    f"{consortium.network.name} shows other trades of batch {submission.batch_id} "
                    "than its id stands for; give the address of another node."
                )

    def _forget_heads(self, connection: Connection) -> None:
        """Keep no more blocks than reorganisations need, and those with events."""
        while len(self._heads) > HEADS_KEPT:
            old = self._heads.popleft()
            self._known.pop(old, None)
            connection.execute(delete(MIRROR_BLOCKS).where(MIRROR_BLOCKS.c.number == old))

    def _still_there(self, last: int) -> bool:
        """Whether the newest block that is known, and that the node must have, is the same."""
        newest: int | None = self.head
        if self.head not in self._known or self.head > last:
            newest = max((number for number in self._known if number <= last), default=None)
        if newest is None:
            return True
        network = self._consortium.network
        found = network.block_hash(newest)
        if found is None:
            raise LedgerUnreachableError(
                f"{network.name} says it is at block {last}, and does not know block {newest}: it "
                "is still catching up; it is asked again, or give the address of another node."
            )
        return bool(found == self._known[newest])

    def _rewind(self) -> None:
        """Forget the blocks that are no longer on the chain."""
        network = self._consortium.network
        if self._is_final:
            raise WrongLedgerError(
                f"{network.name} has other blocks than were seen before, up to block {self.head}: "
                "its chain was started anew, or it left the consortium's. Give the address of a "
                "node of the consortium; if the network replaces blocks, say --reorganises."
            )
        kept = -1
        for number in sorted(self._known, reverse=True):
            if network.block_hash(number) == self._known[number]:
                kept = number
                break
        with self._database.begin() as connection:
            connection.execute(delete(MIRROR_BLOCKS).where(MIRROR_BLOCKS.c.number > kept))
            connection.execute(delete(MIRROR_EVENTS).where(MIRROR_EVENTS.c.block > kept))
            for table in (MIRROR_BATCHES, MIRROR_VOTES, MIRROR_ACCOUNTS, MIRROR_OPERATORS):
                connection.execute(delete(table))
            self._read(connection)
            self._write_state(connection)
        self.reorganisations += 1

    # ------------------------------------------------------------------ fold and rows

    def _load(self) -> None:
        with self._database.begin() as connection:
            self._read(connection)
        # What is stored is what the fold gives, so nothing needs to be written again.
        self._mark_written()

    def _read(self, connection: Connection) -> None:
        self._fold = Fold()
        self._written_accounts: dict[int, Account] = {}
        self._written_batches: dict[str, RebuiltBatch] = {}
        self._written_seats: dict[int, str] = {}
        with_events = set()
        for event in stored_events(connection):
            self._fold.apply(event)
            with_events.add(event.block)
        rows = connection.execute(select(MIRROR_BLOCKS.c.number, MIRROR_BLOCKS.c.hash))
        self._known = {row.number: row.hash for row in rows}
        self._heads = deque(sorted(self._known.keys() - with_events))
        self.head = max(self._known, default=self._consortium.first_block - 1)

    def _mark_written(self) -> None:
        self._written_accounts = dict(self._fold.accounts)
        self._written_batches = dict(self._fold.batches)
        self._written_seats = dict(self._fold.seats)

    def _write_state(self, connection: Connection) -> None:
        """Write what the fold changed; its records are replaced, never altered."""
        fold = self._fold
        accounts = [a for n, a in fold.accounts.items() if self._written_accounts.get(n) is not a]
        _replace(
            connection,
            MIRROR_ACCOUNTS,
            MIRROR_ACCOUNTS.c.account.in_([account.number for account in accounts]),
            [_account_row(account) for account in accounts],
        )
        batches = [b for i, b in fold.batches.items() if self._written_batches.get(i) is not b]
        ids = [batch.submission.batch_id for batch in batches]
        _replace(
            connection,
            MIRROR_BATCHES,
            MIRROR_BATCHES.c.batch_id.in_(ids),
            [_batch_row(batch) for batch in batches],
        )
        _replace(
            connection,
            MIRROR_VOTES,
            MIRROR_VOTES.c.batch_id.in_(ids),
            [row for batch in batches for row in _vote_rows(batch)],
        )
        if fold.seats != self._written_seats:
            seats = [{"seat": seat, "address": who} for seat, who in sorted(fold.seats.items())]
            _replace(connection, MIRROR_OPERATORS, MIRROR_OPERATORS.c.seat >= 0, seats)
        self._mark_written()


def identity_of(consortium: Consortium) -> dict[str, str]:
    """What a database of this contract is bound to: chain, first block's hash, contract."""
    return {
        "chain": str(consortium.network.chain_id),
        "genesis": str(consortium.network.block_hash(0)),
        "contract": consortium.address,
    }


def state_rows(ledger: Ledger) -> dict[Table, list[dict[str, Any]]]:
    """What the state tables of a mirror hold for a ledger."""
    return {
        MIRROR_ACCOUNTS: [_account_row(account) for account in ledger.accounts.values()],
        MIRROR_BATCHES: [_batch_row(batch) for batch in ledger.batches.values()],
        MIRROR_VOTES: [row for batch in ledger.batches.values() for row in _vote_rows(batch)],
        MIRROR_OPERATORS: [
            {"seat": seat, "address": who} for seat, who in sorted(ledger.seats.items())
        ],
    }


def stored_events(connection: Connection) -> Iterable[LedgerEvent]:
    """The mirror's events, in chain order."""
    columns = MIRROR_EVENTS.c
    for row in connection.execute(select(MIRROR_EVENTS).order_by(columns.block, columns.position)):
        yield LedgerEvent(
            name=row.name,
            arguments={
                name: tuple(value) if isinstance(value, list) else value
                for name, value in json.loads(row.arguments).items()
            },
            block=row.block,
            time=row.time,
            transaction=row.hash,
            position=row.position,
            actor=row.actor,
        )


def _replace(
    connection: Connection, table: Table, which: Any, rows: Sequence[dict[str, Any]]
) -> None:
    if rows:
        connection.execute(delete(table).where(which))
        connection.execute(insert(table), list(rows))


def _event_row(event: LedgerEvent) -> dict[str, Any]:
    return {
        "block": event.block,
        "position": event.position,
        "time": event.time,
        "name": event.name,
        "arguments": json.dumps(dict(event.arguments)),
        "batch_id": event.batch_id,
        "hash": event.transaction,
        "actor": event.actor,
    }


def _account_row(account: Account) -> dict[str, Any]:
    mandate = account.mandate
    return {
        "account": account.number,
        "owner": account.owner,
        "tag": account.tag,
        "free_ueur": account.free_ueur,
        "locked_ueur": account.locked_ueur,
        "sequence": account.sequence,
        "max_buy_ueur_per_kwh": mandate.max_buy_ueur_per_kwh if mandate else None,
        "min_sell_ueur_per_kwh": mandate.min_sell_ueur_per_kwh if mandate else None,
        "valid_until": mandate.valid_until if mandate else None,
        "aggregator": mandate.aggregator if mandate else None,
        "open_to_buyers": mandate.open_to_buyers if mandate else None,
    }


def _batch_row(batch: RebuiltBatch) -> dict[str, Any]:
    submission = batch.submission
    return {
        "batch_id": submission.batch_id,
        "state": batch.stored.value,
        "was": "" if batch.was is None else batch.was.value,
        "submitter": submission.submitter,
        "deadline": submission.deadline,
        "trades": len(submission.words),
        "energy_wh": int(decode(submission.words)["energy_wh"].sum()),
        "locked_ueur": submission.locked_ueur,
        "submitted_block": submission.block,
        "submitted_at": submission.time,
        "closed_at": batch.closed_at,
    }


def _vote_rows(batch: RebuiltBatch) -> list[dict[str, Any]]:
    by_seat = {vote.seat: vote for vote in batch.votes}
    return [
        {
            "batch_id": batch.submission.batch_id,
            "seat": seat,
            "operator": vote.operator,
            "is_confirmation": vote.is_confirmation,
            "reason": vote.reason,
            "voted_at": vote.time,
        }
        for seat, vote in sorted(by_seat.items())
    ]
