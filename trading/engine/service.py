"""`peercharge run`: the engine as a service that can be ended and started at any moment.

One thread does all that matters: it takes sessions in, trades each interval at its gate closure,
and lets the clerk bring every batch on. Each of these is one SQL transaction or can be repeated, so
nothing depends on where the last process stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import structlog
from sqlalchemy import Connection, delete, func, insert, select

from trading.chain import Consortium, Key, Standstill
from trading.chain.words import last_start_s
from trading.data.intake import Intake
from trading.engine.clerk import Clerk, trades_of
from trading.engine.live import Lie, first_interval, interval_trades, last_interval
from trading.errors import LedgerError, NotAllowedError, WrongStateError
from trading.looking import POLL_S, Beat, keep_looking
from trading.operators import TagOf
from trading.publication import Publication
from trading.store import Database, Mirror, Outbox, journal
from trading.store.schema import INTERVALS
from trading.store.sessions import KnownSessions, SessionStore

log = structlog.get_logger(__name__)

REPLAY_LIFETIME_S = 120
"""How long operators may vote where a past day is replayed."""

QUIET = 0.25
"""What an interval without trades takes of a replay's pace."""


class GivenOnce:
    """Sessions that are there from the start, such as recorded days."""

    def __init__(self, sessions: pd.DataFrame) -> None:
        self._sessions: pd.DataFrame | None = sessions

    def poll(self) -> pd.DataFrame | None:
        """All of them at the first look, then nothing."""
        given, self._sessions = self._sessions, None
        return given


TOLD_EVERY_S = 10.0
"""How often the database is told that the engine looked."""


@dataclass(slots=True)
class Heartbeat(Beat):
    """What health and metrics show of an engine.

    Attributes:
        open_batches: how many have not come to their end.
        traded: intervals that were traded since the start.
    """

    open_batches: int = 0
    traded: int = 0


@dataclass(kw_only=True)
class Engine:
    """A lot's engine on its database, its consortium and its sessions.

    Attributes:
        database: of this engine alone.
        consortium: the contract.
        key: the engine's; an admitted aggregator.
        publication: the lot's market.
        tag_of: what a session's account is registered under (`Pseudonyms.find`); a session
            without a tag takes no part.
        intakes: where sessions come from.
        replay: whether a past day is traded as fast as it is decided, instead of now.
        is_final: whether the network's blocks stay once they exist.
        enrol: opens accounts for sessions; told all of them at each look, it says whether it is
            done. None where drivers open their own.
        pace_s: of a replay, the least time on the wall's clock between two market intervals, so
            that people can watch; 0 for as fast as they are decided.
        lie: a dishonest engine's change to what it matched, for demonstrations; None for an honest
            one.
        clock: Unix seconds.
        poll_s: pause between two looks.
    """

    database: Database
    consortium: Consortium
    key: Key
    publication: Publication
    tag_of: TagOf
    intakes: list[Intake] = field(default_factory=list)
    replay: bool = False
    is_final: bool = True
    enrol: Callable[[Engine, pd.DataFrame], bool] | None = None
    pace_s: float = 0.0
    lie: Lie | None = None
    clock: Callable[[], float] = time.time
    poll_s: float = POLL_S

    def __post_init__(self) -> None:
        self._not_before = self._told_at = 0.0
        self.mirror = Mirror(self.database, self.consortium, is_final=self.is_final)
        self.outbox = Outbox(self.database, self.consortium, self.key, is_final=self.is_final)
        self.clerk = Clerk(
            self.database,
            self.consortium,
            self.key,
            mirror=self.mirror,
            outbox=self.outbox,
            clock=self.clock,
        )
        self.sessions = SessionStore(self.database, clock=self.clock)
        self.heartbeat = Heartbeat()
        self._watch = Standstill(self.consortium.network)
        self.wake = threading.Event()
        self._known = KnownSessions(self.sessions, self.intakes)
        self._bound()

    def check(self) -> None:
        """Whether the consortium lets this engine trade; asked once, before it starts.

        Raises:
            NotAllowedError: the key is no admitted aggregator.
            WrongStateError: the lot is not admitted.
            LedgerError: gas has a price, and the key has no money for it.
        """
        consortium, lot = self.consortium, self.publication.lot
        address = self.key.address
        if not consortium.is_aggregator(address):
            raise NotAllowedError(
                "AggregatorUnknown",
                {"aggregator": address},
                f"{address} is no admitted aggregator of {consortium.address}; have the authority "
                f"admit it (`peercharge admin set-aggregator`), or use the engine's own key.",
            )
        if consortium.lot_account(lot) is None:
            raise WrongStateError(
                "LotUnknown",
                {"lot": lot},
                f"lot {lot} is not admitted by {consortium.address}; have the authority admit it "
                "(`peercharge admin set-lot`), or correct `lot` in the market file.",
            )
        if consortium.network.is_broke(address):
            raise LedgerError(
                f"gas has a price on {consortium.network.name}, and {address} has no money for a "
                "batch; send it some, then start again."
            )

    def run(self, stop: threading.Event, *, until_done: bool = False) -> None:
        """Serve until `stop` is set; with `until_done` also until all that came is settled.

        A node that does not answer is asked again, ever more slowly, and nothing is lost.

        Raises:
            StoreError: the database failed.
            WrongLedgerError, NotAllowedError, BalanceError: nothing that waiting could mend.
        """
        keep_looking(
            self.look,
            beat=self.heartbeat,
            stop=stop,
            wake=self.wake,
            poll_s=self.poll_s,
            is_done=lambda: until_done and self.is_done(),
        )

    def look(self) -> bool:
        """Take in what came, trade what is due, bring batches on; True if anything was traded."""
        self._take_sessions()
        self.clerk.step(self._lot_time())
        self._take_up()
        traded = self._trade_due()
        self.outbox.push()
        self._watch.saw(self.mirror.head)
        self.heartbeat.head = self.mirror.head
        self.heartbeat.open_batches = self.clerk.open_count()
        self.heartbeat.looked_at = self.clock()
        self.heartbeat.problem = ""
        self._tell_readers(self.heartbeat.looked_at)
        return traded

    def _tell_readers(self, now_s: float) -> None:
        """Let whoever only reads the database know that this engine goes on."""
        if abs(now_s - self._told_at) >= TOLD_EVERY_S:
            self.database.looked(now_s)
            self._told_at = now_s

    def is_done(self) -> bool:
        """Whether every interval of the sessions is dealt with, and every batch at its end."""
        has_looked = self.heartbeat.looked_at > 0
        return has_looked and self._next_interval() is None and self.clerk.open_count() == 0

    def trades(self) -> pd.DataFrame:
        """Every trade of this engine with its batch and status; columns `TRADE_COLUMNS`."""
        with self.database.begin() as connection:
            return trades_of(connection)

    # ------------------------------------------------------------------ sessions

    def _take_sessions(self) -> None:
        if self._known.follow():
            self._bound()

    def _bound(self) -> None:
        """Between which intervals the sessions are."""
        self._first = first_interval(self.publication, self._known.frame)
        self._last = last_interval(self.publication, self._known.frame)

    # ------------------------------------------------------------------ an older backup

    def _take_up(self) -> None:
        """Take up this engine's batches that only the chain knows: its database is a backup.

        Their intervals count as traded, so that nothing of them is traded twice.
        """
        strangers = self.clerk.strangers()
        if not strangers:
            return
        ledger, rules = self.mirror.ledger, self.publication.rules
        tags = {self.tag_of(str(name)): str(name) for name in self._known.frame["session_id"]}
        session_of = {
            number: tags[account.tag]
            for number, account in ledger.accounts.items()
            if account.tag in tags
        }
        for submission in strangers:
            start_s = last_start_s(submission.words)
            row = self._row(start_s, "traded")
            which = (INTERVALS.c.lot == row["lot"]) & (INTERVALS.c.start_s == start_s)
            with self.database.begin() as connection:
                connection.execute(delete(INTERVALS).where(which))
                self._keep(connection, row)
                self.clerk.take_up(
                    connection,
                    submission,
                    start_s=start_s,
                    settle_from_s=rules.settled_from_s(start_s),
                    session_of=session_of,
                )

    # ------------------------------------------------------------------ intervals

    def _lot_time(self) -> float:
        """Now in the lot: the wall's clock, or in a replay where trading has come to."""
        if not self.replay:
            return self.clock()
        upcoming = self._next_interval()
        rules = self.publication.rules
        if upcoming is not None:
            return upcoming - rules.gate_lead_s
        return 0.0 if self._last is None else rules.settled_from_s(self._last)

    def _next_interval(self) -> int | None:
        """Start of the next interval to deal with; None when all of these sessions' are."""
        if self._first is None or self._last is None:
            return None
        with self.database.begin() as connection:
            latest = connection.execute(
                select(func.max(INTERVALS.c.start_s)).where(INTERVALS.c.lot == self.publication.lot)
            ).scalar_one()
        upcoming = self._first
        if latest is not None:
            upcoming = max(upcoming, int(latest) + self.publication.rules.interval_s)
        elif not self.replay:
            # What was over before this engine first started is not its business.
            step = self.publication.rules.interval_s
            upcoming = max(upcoming, int(self.clock()) // step * step + step)
        return upcoming if upcoming <= self._last else None

    def _trade_due(self) -> bool:
        """Trade the next interval if its gate closes, and all before it is decided."""
        upcoming = self._next_interval()
        if upcoming is None:
            return False
        rules = self.publication.rules
        if not self.replay:
            now = self.clock()
            # Those whose gate closed while nobody traded are over; the grid served them.
            while upcoming <= now:
                self._mark(upcoming, "missed")
                upcoming += rules.interval_s
            if now < upcoming - rules.gate_lead_s:
                return False
        is_enrolled = self.enrol is None or self.enrol(self, self._known.frame)
        if self.clerk.undecided() or (self.replay and not is_enrolled):
            return False
        if self.replay and self.clock() < self._not_before:
            return False
        trades = interval_trades(
            self.publication,
            self._known.frame,
            self.mirror.ledger,
            tag_of=self.tag_of,
            start_s=upcoming,
            lie=self.lie,
        )
        self._not_before = self.clock() + self.pace_s * (QUIET if trades is None else 1)
        if trades is None:
            self._mark(upcoming, "nothing")
            return self.replay
        deadline = upcoming
        if self.replay:
            deadline = self.consortium.network.now() + REPLAY_LIFETIME_S
        with self.database.begin() as connection:
            self._keep(connection, self._row(upcoming, "traded"))
            self.clerk.submit(
                connection,
                trades,
                lot=self.publication.lot,
                start_s=upcoming,
                deadline=deadline,
                settle_from_s=rules.settled_from_s(upcoming),
            )
        self.heartbeat.traded += 1
        return True

    def _mark(self, start_s: int, outcome: str) -> None:
        with self.database.begin() as connection:
            self._keep(connection, self._row(start_s, outcome))
        if outcome == "missed":
            log.warning("interval missed", interval=start_s)

    def _keep(self, connection: Connection, row: dict[str, Any]) -> None:
        """Mark an interval as dealt with, in the SQL transaction of what was done about it."""
        connection.execute(insert(INTERVALS).values(**row))
        entry = {name: row[name] for name in ("lot", "start_s", "outcome")}
        journal.note(connection, "IntervalCleared", entry, at=row["decided_at"])

    def _row(self, start_s: int, outcome: str) -> dict[str, Any]:
        return {
            "lot": self.publication.lot,
            "start_s": start_s,
            "outcome": outcome,
            "decided_at": self.clock(),
        }
