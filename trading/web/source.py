"""What the routes read: the engine's database, the lot's published market, folders of runs.

The service writes to none of them. Sessions that come in go to the engine, which alone writes to
its database; everything else is a look that waits for nobody (`Database.look`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Row,
    cast,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)

from trading.chain import BatchState, LedgerEvent
from trading.chain.rebuild import Fold, Ledger, RebuiltBatch
from trading.chain.records import Account, Mandate, Submission
from trading.chain.words import WORD_BYTES
from trading.engine.live import FLOWS, first_interval
from trading.operators import TagOf
from trading.publication import Publication
from trading.store import Database
from trading.store.schema import (
    BATCHES,
    IDENTITY,
    INTERVALS,
    LOOKED_AT,
    MIRROR_ACCOUNTS,
    MIRROR_BATCHES,
    MIRROR_BLOCKS,
    MIRROR_EVENTS,
    SESSIONS,
    TRADES,
)
from trading.store.sessions import Tabulated
from trading.web.auth import Principal
from trading.web.bays import bays_of
from trading.web.chain import ChainDoor
from trading.web.door import SessionDoor
from trading.web.kept import Kept, Remembered
from trading.web.nodes import Nodes
from trading.web.pages import plainly
from trading.web.runs import Runs

if TYPE_CHECKING:
    from trading.web.studies import Studies

KEPT_S = 1.0
"""How old what was computed for one caller may be when another asks for the same."""
REMEMBERED = 64
"""Values that are remembered as long as nothing changed that they follow from."""

Place = tuple[int, int, str]
"""Block, position and the transaction's hash, or how that begins."""

GOVERNANCE = (
    "AuthorityProposed", "AuthorityTransferred", "OperatorAdded", "OperatorRemoved",
    "OperatorRotated", "QuorumSet", "PriceBandSet", "LargestSpreadSet", "LotSet", "AggregatorSet",
    "Paused", "Unpaused",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What belongs to a caller."""

    sessions: frozenset[str]
    accounts: frozenset[int]


@dataclass(kw_only=True)
class Source:
    """Everything that the routes read.

    Attributes:
        database: of an engine.
        publication: the lot's market.
        tag_of: what a session's account is registered under.
        door: where sessions that come in go; None where none are taken.
        nodes: of operators, for which people may act; None where none are reached.
        runs: folders of finished runs; None without.
        studies: runs comparisons; None where none can be run.
        chain: the way to the chain; None where nothing is shown of what could be sent, nor sent.
        replay: whether the engine replays past days; then the lot's clock is where trading is.
        clock: Unix seconds.
        kept_s: see `KEPT_S`.
    """

    database: Database
    publication: Publication
    tag_of: TagOf
    door: SessionDoor | None = None
    nodes: Nodes | None = None
    runs: Runs | None = None
    studies: Studies | None = None
    chain: ChainDoor | None = None
    replay: bool = False
    clock: Callable[[], float] = time.time
    kept_s: float = KEPT_S
    _fold: Fold = field(default_factory=Fold)
    _folded: Place | None = None
    _fold_lock: threading.Lock = field(default_factory=threading.Lock)
    _sessions: Tabulated = field(default_factory=Tabulated)
    _bays: tuple[pd.DataFrame, dict[str, int]] | None = None

    def __post_init__(self) -> None:
        self.kept = Kept(self.kept_s)
        self.remembered = Remembered(REMEMBERED)

    def look(self) -> AbstractContextManager[Connection]:
        """One snapshot of the database.

        Raises:
            StoreError: it cannot be read.
        """
        return self.database.look()

    # ------------------------------------------------------------------ whose is what

    def own(self, connection: Connection, who: Principal) -> Own:
        """A caller's sessions and accounts; for whoever sees all vehicles too it is just theirs."""
        if not who.owners and not who.sessions:
            return Own(sessions=frozenset(), accounts=frozenset())
        by_tag = self.sessions_by_tag(connection)
        known = set(
            connection.execute(
                select(SESSIONS.c.session_id).where(SESSIONS.c.session_id.in_(who.sessions))
            ).scalars()
        )
        tags = [tag for name in known if (tag := self.tag_of(name)) is not None]
        columns = MIRROR_ACCOUNTS.c
        rows = connection.execute(
            select(columns.account, columns.tag).where(
                func.lower(columns.owner).in_(who.owners) | columns.tag.in_(tags)
            )
        ).all()
        return Own(
            sessions=frozenset(known | {by_tag[row.tag] for row in rows if row.tag in by_tag}),
            accounts=frozenset(row.account for row in rows),
        )

    def sessions_by_tag(self, connection: Connection) -> dict[str, str]:
        """Every session that is known by what its account is registered under."""

        def read() -> dict[str, str]:
            names = connection.execute(select(SESSIONS.c.session_id)).scalars()
            tagged = ((self.tag_of(name), name) for name in names)
            return {tag: name for tag, name in tagged if tag is not None}

        found: dict[str, str] = self.kept.get("tags", read)
        return found

    # ------------------------------------------------------------------ the lot

    def lot_time_s(self, connection: Connection) -> int:
        """Now in the lot, Unix seconds: the wall's clock, or where a replay has come to.

        That is the last interval that is decided: before, nobody knows what flows in it.
        """
        latest = self.replayed_s(connection)
        if latest is not None:
            return latest
        if self.replay:
            first = first_interval(self.publication, self.sessions(connection))
            if first is not None:
                # Nothing is traded yet: the replay stands where it begins.
                return first
        return int(self.clock())

    def replayed_s(self, connection: Connection) -> int | None:
        """The last interval that a replay has decided, Unix seconds; None without one."""
        if not self.replay:
            return None
        lot = self.publication.lot
        undecided = connection.execute(
            select(func.min(BATCHES.c.start_s))
            .outerjoin(MIRROR_BATCHES, BATCHES.c.batch_id == MIRROR_BATCHES.c.batch_id)
            .where(
                BATCHES.c.lot == lot,
                BATCHES.c.is_closed.is_(False),
                func.coalesce(MIRROR_BATCHES.c.state, "pending") == "pending",
            )
        ).scalar_one()
        query = select(func.max(INTERVALS.c.start_s)).where(INTERVALS.c.lot == lot)
        if undecided is not None:
            query = query.where(INTERVALS.c.start_s < undecided)
        latest = connection.execute(query).scalar_one()
        return None if latest is None else int(latest)

    def sessions(self, connection: Connection) -> pd.DataFrame:
        """Every session that came, a SESSIONS table by id; not to be changed."""
        found: pd.DataFrame = self.kept.get("sessions", lambda: self._sessions.read(connection))
        return found

    def bays(self, connection: Connection) -> dict[str, int]:
        """Where each session's vehicle is drawn, see `bays_of`; not to be changed."""
        frame = self.sessions(connection)
        if self._bays is None or self._bays[0] is not frame:
            self._bays = (frame, bays_of(frame))
        return self._bays[1]

    def ledger(self, connection: Connection, there: pd.DataFrame) -> Ledger:
        """The consortium, with the accounts of these sessions and trades since they came.

        Args:
            connection: to the database.
            there: a SESSIONS table, not empty.
        """
        tags = [tag for name in there["session_id"] if (tag := self.tag_of(str(name))) is not None]
        rows = connection.execute(
            select(MIRROR_ACCOUNTS).where(MIRROR_ACCOUNTS.c.tag.in_(tags))
        ).all()
        since_s = int(there["arrival"].min().timestamp()) - self.publication.rules.interval_s
        return replace(
            self.consortium(connection),
            accounts={row.account: _account(row) for row in rows},
            batches={
                **_own_batches(connection, since_s),
                **_foreign_batches(connection, 0 if self.replay else since_s),
            },
        )

    # ------------------------------------------------------------------ the consortium

    def consortium(self, connection: Connection) -> Ledger:
        """What the authority set; without accounts and batches."""
        columns = MIRROR_EVENTS.c
        with self._fold_lock:
            if self._folded is not None and not _is_there(connection, self._folded):
                self._fold, self._folded = Fold(), None
            newest = self.newest_event(connection)
            if newest is not None and newest != self._folded:
                rows = connection.execute(
                    select(MIRROR_EVENTS)
                    .where(columns.name.in_(GOVERNANCE), after(self._folded))
                    .order_by(columns.block, columns.position)
                )
                for row in rows:
                    self._fold.apply(event_of(row))
                self._folded = newest
            return self._fold.ledger()

    def chain_time_s(self, connection: Connection) -> int:
        """Now on the chain, Unix seconds, also while the lot replays a past day.

        Chains keep the wall's time. Where a block is ahead of it, that is the latest known.
        """
        latest = connection.execute(select(func.max(MIRROR_EVENTS.c.time))).scalar_one()
        return max(int(self.clock()), int(latest or 0))

    def identity(self, connection: Connection) -> dict[str, str]:
        """Which contract on which chain it is."""
        return {row.name: row.value for row in connection.execute(select(IDENTITY))}

    def looked_at(self, connection: Connection) -> float | None:
        """When the engine last looked at the chain, Unix seconds; None before it did."""
        value = self.identity(connection).get(LOOKED_AT)
        return None if value is None else float(value)

    def newest_event(self, connection: Connection) -> Place | None:
        """The last event of the contract; the whole mirror follows from it and those before."""
        columns = MIRROR_EVENTS.c
        row = connection.execute(
            select(columns.block, columns.position, columns.hash)
            .order_by(columns.block.desc(), columns.position.desc())
            .limit(1)
        ).first()
        return None if row is None else (row.block, row.position, row.hash)

    def head(self, connection: Connection) -> int | None:
        """Last block that the engine has seen."""
        head = connection.execute(select(func.max(MIRROR_BLOCKS.c.number))).scalar_one()
        return None if head is None else int(head)


def json_text(connection: Connection, column: ColumnElement[Any], name: str) -> ColumnElement[str]:
    """A text in a column that holds JSON."""
    return plainly(connection, _json(connection, column)[name].as_string())


def json_whole(connection: Connection, column: ColumnElement[Any], name: str) -> ColumnElement[int]:
    """A whole number in a column that holds JSON."""
    found: ColumnElement[int] = _json(connection, column)[name].as_integer()
    return found


def _json(connection: Connection, column: ColumnElement[Any]) -> Any:
    # PostgreSQL needs a text to be called JSON; SQLite would turn it into a number.
    is_sqlite = connection.dialect.name == "sqlite"
    return type_coerce(column, JSON) if is_sqlite else cast(column, JSON)


def after(place: Place | None) -> ColumnElement[bool]:
    """The events that came later than one: block, position, transaction."""
    block, position = place[:2] if place is not None else (-1, -1)
    return tuple_(MIRROR_EVENTS.c.block, MIRROR_EVENTS.c.position) > tuple_(
        literal(block), literal(position)
    )


def _is_there(connection: Connection, place: Place) -> bool:
    """Whether an event is still on the chain."""
    columns = MIRROR_EVENTS.c
    which = (columns.block == place[0]) & (columns.position == place[1])
    return connection.execute(select(columns.hash).where(which)).scalar() == place[2]


def event_of(row: Row[Any]) -> LedgerEvent:
    """A row of the mirror as an event."""
    return LedgerEvent(
        name=row.name,
        arguments=json.loads(row.arguments),
        block=row.block,
        time=row.time,
        transaction=row.hash,
        position=row.position,
        actor=row.actor,
    )


def _own_batches(connection: Connection, since_s: int) -> dict[str, RebuiltBatch]:
    rows = connection.execute(
        select(BATCHES, MIRROR_BATCHES.c.state)
        .join(MIRROR_BATCHES, BATCHES.c.batch_id == MIRROR_BATCHES.c.batch_id)
        .where(MIRROR_BATCHES.c.state.in_(FLOWS), BATCHES.c.start_s >= since_s)
        .order_by(BATCHES.c.start_s, BATCHES.c.batch_id)
    )
    return {
        row.batch_id: RebuiltBatch(
            submission=Submission(
                batch_id=row.batch_id,
                submitter=row.submitter,
                deadline=row.deadline,
                words=words_in(row.words),
                locked_ueur=row.locked_ueur,
                block=0,
                time=int(row.written_at),
            ),
            stored=BatchState(row.state),
        )
        for row in rows
    }


def _foreign_batches(connection: Connection, since_s: int) -> dict[str, RebuiltBatch]:
    """Batches that others submitted, such as a buyer its own."""
    columns = MIRROR_BATCHES.c
    rows = connection.execute(
        select(MIRROR_EVENTS, columns.state)
        .join(MIRROR_BATCHES, columns.batch_id == MIRROR_EVENTS.c.batch_id)
        .where(
            MIRROR_EVENTS.c.name == "BatchSubmitted",
            columns.state.in_(FLOWS),
            columns.deadline >= since_s,
            columns.batch_id.not_in(select(BATCHES.c.batch_id)),
        )
        .order_by(MIRROR_EVENTS.c.block, MIRROR_EVENTS.c.position)
    )
    return {
        row.batch_id: RebuiltBatch(
            submission=Submission.of(event_of(row)), stored=BatchState(row.state)
        )
        for row in rows
    }


def batches_of(connection: Connection, ids: set[str], own: Own) -> set[str]:
    """Which of these batches hold a trade of the caller's."""
    if not own.sessions:
        return set()
    columns = TRADES.c
    is_party = columns.buyer_id.in_(own.sessions) | columns.seller_id.in_(own.sessions)
    return set(
        connection.execute(
            select(columns.batch_id)
            .join(BATCHES, BATCHES.c.batch_id == columns.batch_id)
            .where(columns.batch_id.in_(ids), is_party)
        ).scalars()
    )


def words_in(packed: bytes) -> tuple[int, ...]:
    """A batch's trade words as they are stored."""
    starts = range(0, len(packed), WORD_BYTES)
    return tuple(int.from_bytes(packed[at : at + WORD_BYTES], "big") for at in starts)


def _account(row: Row[Any]) -> Account:
    has_mandate = row.valid_until is not None
    return Account(
        number=row.account,
        owner=row.owner,
        free_ueur=row.free_ueur,
        locked_ueur=row.locked_ueur,
        sequence=row.sequence,
        tag=row.tag,
        mandate=Mandate(
            max_buy_ueur_per_kwh=row.max_buy_ueur_per_kwh,
            min_sell_ueur_per_kwh=row.min_sell_ueur_per_kwh,
            valid_until=row.valid_until,
            aggregator=row.aggregator,
            open_to_buyers=row.open_to_buyers,
        )
        if has_mandate
        else None,
    )
