"""The audit: every balance and trade from the chain's events alone, beside what others say of it.

The events are read anew from a node and folded (`trading.chain.rebuild`); no database has a part
in that. The result is compared with the contract's own views, with a database's mirror and batches,
and with the `trades.csv` of a run. Whatever differs is one line that says where, what and what not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select

from trading.chain import BatchState, Consortium, LedgerEvent
from trading.chain.rebuild import Ledger, RebuiltBatch, rebuild
from trading.engine.clerk import batch_trades
from trading.errors import Fault, InputError, TableError
from trading.store.database import Database
from trading.store.mirror import state_rows, stored_events
from trading.store.schema import BATCHES, MIRROR_BLOCKS
from trading.units import cost_ueur

TRIES = 5
"""How often the contract's views are read again because the chain moved meanwhile."""

CSV_COLUMNS = (
    "batch_id",
    "energy_wh",
    "price_ueur_per_kwh",
    "cost_ueur",
    "seller_price_ueur_per_kwh",
    "income_ueur",
    "status",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One disagreement: where it is, what the chain says, and what was found there."""

    where: str
    what: str
    chain: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: the chain says {self.chain}, found {self.found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit looked at and found.

    Attributes:
        differences: every disagreement; none if all is well.
        block: the last block that was read.
        events, accounts, batches, trades: how many were compared.
        tracked_ueur: deposits less withdrawals.
    """

    differences: tuple[Difference, ...]
    block: int
    events: int
    accounts: int
    batches: int
    trades: int
    tracked_ueur: int


def audit(
    consortium: Consortium, *, database: Database | None = None, trades: Path | None = None
) -> Audit:
    """Compare what the chain's events say with everything else that is given.

    Args:
        consortium: the contract; all of its events are read from its node.
        database: an engine's or an operator's.
        trades: `trades.csv` of a run whose batches are all that the contract ever had.

    Raises:
        LedgerError: the node cannot be reached, or its events do not follow from one another.
        InputError: the file cannot be read, or (TableError) lacks a column.
    """
    events, block, seen = _views(consortium)
    ledger = rebuild(events)
    differences = [*seen, *_conservation(consortium, ledger)]
    if database is not None:
        with database.look() as connection:
            differences += _mirror(connection, events)
            differences += _batches(connection, ledger)
    if trades is not None:
        differences += _csv(trades, ledger)
    return Audit(
        differences=tuple(differences),
        block=block,
        events=len(events),
        accounts=len(ledger.accounts),
        batches=len(ledger.batches),
        trades=sum(len(batch.submission.words) for batch in ledger.batches.values()),
        tracked_ueur=ledger.tracked_ueur,
    )


# ---------------------------------------------------------------------- the contract's own views


def _views(consortium: Consortium) -> tuple[list[LedgerEvent], int, list[Difference]]:
    """All events up to a block, and where views of just that state disagree with them."""
    network = consortium.network
    differences: list[Difference] = []
    for _ in range(TRIES):
        block = network.block_number()
        events = consortium.events(to_block=block)
        differences = list(_compared_views(consortium, rebuild(events)))
        after = network.block_number()
        if not differences or after == block or not consortium.events(block + 1, after):
            break
    return events, block, differences


def _compared_views(consortium: Consortium, ledger: Ledger) -> Iterator[Difference]:
    def differ(what: str, folded: object, view: object) -> Iterator[Difference]:
        if folded != view:
            yield Difference(
                where="contract", what=what, chain=f"{folded} by its events", found=f"{view}"
            )

    yield from differ("number of accounts", len(ledger.accounts), consortium.account_count())
    for number, account in ledger.accounts.items():
        yield from differ(f"account {number}", account, consortium.account(number))
    yield from differ("deposits", ledger.tracked_ueur, consortium.tracked_deposits())
    yield from differ("quorum", ledger.quorum, consortium.quorum())
    seats = {operator.seat: operator.address for operator in consortium.operators()}
    yield from differ("operators", dict(ledger.seats), seats)
    for batch_id, batch in ledger.batches.items():
        stored = consortium.batch(batch_id)
        name = f"batch {batch_id}"
        # Expiry is no event: which second counts is the asked node's.
        state = BatchState.PENDING if stored.state is BatchState.EXPIRED else stored.state
        yield from differ(f"{name}: state", batch.stored.value, state.value)
        yield from differ(f"{name}: confirmed by", batch.confirmed_by, stored.confirmed_by)
        yield from differ(f"{name}: rejected by", batch.rejected_by, stored.rejected_by)


def _conservation(consortium: Consortium, ledger: Ledger) -> Iterator[Difference]:
    held = sum(account.free_ueur + account.locked_ueur for account in ledger.accounts.values())
    if held != ledger.tracked_ueur:
        yield Difference(
            where="contract",
            what="sum of all accounts, ueur",
            chain=f"{ledger.tracked_ueur} paid in and not out",
            found=str(held),
        )
    tokens = consortium.token.balance_of(consortium.address)
    if tokens < ledger.tracked_ueur:
        yield Difference(
            where="contract",
            what="tokens that it holds, ueur",
            chain=f"{ledger.tracked_ueur} paid in and not out",
            found=str(tokens),
        )


# ---------------------------------------------------------------------- a database


def _mirror(connection: Connection, events: list[LedgerEvent]) -> Iterator[Difference]:
    """The mirror as far as it has come; it may be behind the chain, never beside it."""
    heads = connection.execute(select(MIRROR_BLOCKS.c.number)).scalars().all()
    if not heads:
        return
    head = max(heads)
    known = [event for event in events if event.block <= head]
    stored = list(stored_events(connection))
    if stored != known:
        at = next(
            (n for n, (a, b) in enumerate(zip(stored, known, strict=False)) if a != b),
            min(len(stored), len(known)),
        )
        yield Difference(
            where="database, mirror_events",
            what=f"event {at}",
            chain=_named(known, at),
            found=_named(stored, at),
        )
    for table, rows in state_rows(rebuild(known)).items():
        keys = [column.name for column in table.primary_key]
        expected = {tuple(row[key] for key in keys): row for row in rows}
        found = {
            tuple(row[key] for key in keys): dict(row)
            for row in connection.execute(select(table)).mappings()
        }
        for key in sorted(expected.keys() | found.keys(), key=str):
            if expected.get(key) != found.get(key):
                yield Difference(
                    where=f"database, {table.name}",
                    what=", ".join(f"{n} {v}" for n, v in zip(keys, key, strict=True)),
                    chain=_changed(expected.get(key), found.get(key)),
                    found=_changed(found.get(key), expected.get(key)),
                )


def _batches(connection: Connection, ledger: Ledger) -> Iterator[Difference]:
    """The engine's own batches: each on the chain as it was written, and no trade twice."""
    rows = connection.execute(select(BATCHES)).all()
    submitters = {row.submitter for row in rows}
    known = {row.batch_id for row in rows}
    alive: Counter[str] = Counter()
    for row in rows:
        name = f"batch {row.batch_id}"
        batch = ledger.batches.get(row.batch_id)
        trades = batch_trades(connection, row)
        if row.outcome != "refused":
            alive.update(trades["trade_id"])
        if batch is None:
            if row.is_closed and row.outcome != "refused":
                yield _difference(name, "submitted", "never", row.outcome)
            continue
        if row.outcome == "refused":
            yield _difference(name, "state", batch.stored.value, "refused by the contract")
        elif row.is_closed and row.outcome != batch.stored.value:
            yield _difference(name, "state", batch.stored.value, row.outcome)
        on_chain = batch.submission.trades
        if not on_chain.equals(trades[list(on_chain.columns)]):
            yield _difference(name, "trades", f"{len(on_chain)} others", f"{len(trades)}")
        if row.locked_ueur != batch.submission.locked_ueur:
            yield _difference(name, "locked", batch.submission.locked_ueur, row.locked_ueur)
    for trade, times in alive.items():
        if times > 1:
            yield _difference(f"trade {trade}", "batches that hold it", "one", times)
    for batch_id, batch in ledger.batches.items():
        if batch.submission.submitter in submitters and batch_id not in known:
            yield _difference(f"batch {batch_id}", "state", batch.stored.value, "no such batch")


# ---------------------------------------------------------------------- a run's trades.csv


def _csv(path: Path, ledger: Ledger) -> Iterator[Difference]:
    table = _read(path)
    where = path.name
    for batch_id, rows in table.groupby("batch_id", sort=False):
        batch = ledger.batches.get(str(batch_id))
        if batch is None:
            yield Difference(
                where=where, what=f"batch {batch_id}", chain="none", found=f"{len(rows)} trades"
            )
            continue
        expected = _priced(batch)
        if len(expected) != len(rows):
            yield Difference(
                where=where,
                what=f"batch {batch_id}: trades",
                chain=str(len(expected)),
                found=str(len(rows)),
            )
            continue
        for position, (line, row) in enumerate(rows.iterrows()):
            for name in CSV_COLUMNS[1:]:
                due, found = str(expected[name].iloc[position]), str(row[name])
                if due != found:
                    # The first row of a file is its header.
                    what = f"line {int(str(line)) + 2}, {name}"
                    yield Difference(where=where, what=what, chain=due, found=found)
    missing = set(ledger.batches) - set(table["batch_id"])
    for batch_id in sorted(missing):
        size = len(ledger.batches[batch_id].submission.words)
        yield Difference(
            where=where, what=f"batch {batch_id}", chain=f"{size} trades", found="none"
        )


def _priced(batch: RebuiltBatch) -> pd.DataFrame:
    trades = batch.submission.trades
    energy = trades["energy_wh"].to_numpy()
    return trades.assign(
        cost_ueur=cost_ueur(energy, trades["price_ueur_per_kwh"].to_numpy()),
        income_ueur=cost_ueur(energy, trades["seller_price_ueur_per_kwh"].to_numpy()),
        status=batch.fate,
    )


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    missing = [name for name in CSV_COLUMNS if name not in table]
    if missing:
        faults = [Fault(column=name, expected="a column of this name") for name in missing]
        raise TableError(str(path), faults)
    return table


def _difference(where: str, what: str, chain: object, found: object) -> Difference:
    return Difference(where=f"database, {where}", what=what, chain=str(chain), found=str(found))


def _named(events: list[LedgerEvent], at: int) -> str:
    if at >= len(events):
        return "none"
    event = events[at]
    return f"{event.name} in block {event.block} ({event.detail})"


def _changed(row: dict[str, Any] | None, other: dict[str, Any] | None) -> str:
    if row is None:
        return "no such row"
    if other is None:
        return "a row"
    return ", ".join(f"{name} {value}" for name, value in row.items() if other[name] != value)
