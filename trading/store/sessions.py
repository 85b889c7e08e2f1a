"""The sessions of a party: each taken once, in the order in which they came.

A session that comes again, as when a file is read again, changes nothing but its departure: what
was planned becomes what was. Anything else that differs is refused, and what came first stands.
An implausible session is refused too, and those that came with it are taken.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import structlog
from sqlalchemy import Connection, delete, insert, select, update

from trading.data.ids import LONGEST_ID, unfit
from trading.data.intake import Intake
from trading.store.database import Database
from trading.store.journal import note
from trading.store.schema import JOURNAL
from trading.store.schema import SESSIONS as ROWS
from trading.tables import SESSIONS, UTC_TIME, check
from trading.units import MAX_U32

Content = dict[str, Any]
"""A session as it is stored, in JSON: the columns of SESSIONS in their order, times as texts in UTC
(`TIME_FORMAT`), without `v2g_cap_wh` where there is no cap."""

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_ASKED_AT_ONCE = 500
log = structlog.get_logger(__name__)

_TIMES = ("arrival", "departure", "estimated_departure")
_MAY_CHANGE = ("departure",)

FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
END_OF_TIMES = datetime(2100, 1, 1, tzinfo=UTC)
LONGEST_STAY = timedelta(days=31)
"""Work and memory grow with a stay. Assumption: nobody charges and trades for more than a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of sessions that came.

    Attributes:
        new: ids of those not seen before.
        changed: ids of those whose departure is another now.
        refused: id to a sentence, for those that are implausible or contradict what is stored.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    refused: dict[str, str]


class SessionStore:
    """The sessions in one database."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._tabulated = Tabulated()
        self.version = 0

    def add(self, sessions: pd.DataFrame) -> Taken:
        """Take sessions in.

        Args:
            sessions: a SESSIONS table.

        Raises:
            TableError: the table breaks its schema; none of it is taken.
        """
        checked = check(sessions, SESSIONS)
        unlikely = _unlikely(checked)
        rows = _plain(checked)
        taken = self.add_rows([row for row in rows if row["session_id"] not in unlikely])
        return Taken(new=taken.new, changed=taken.changed, refused=unlikely | taken.refused)

    def add_rows(self, rows: Sequence[Content]) -> Taken:
        """Take in sessions that are known to be sound: of the schema, with no id twice, plausible.

        A table costs milliseconds to check however short it is; a service that takes sessions one
        by one checks them as they come.

        Args:
            rows: as they are stored.
        """
        new, changed, refused = [], [], {}
        with self._database.begin() as connection:
            known = _contents_of(connection, [str(row["session_id"]) for row in rows])
            for row in rows:
                name, content = str(row["session_id"]), json.dumps(row)
                if name not in known:
                    connection.execute(
                        insert(ROWS).values(
                            session_id=name, content=content, received_at=self._clock()
                        )
                    )
                    new.append(name)
                    continue
                before = json.loads(known[name])
                differs = [key for key in row if row[key] != before.get(key)]
                if not differs:
                    continue
                if set(differs) <= set(_MAY_CHANGE):
                    connection.execute(
                        update(ROWS).where(ROWS.c.session_id == name).values(content=content)
                    )
                    changed.append(name)
                    continue
                key = next(one for one in differs if one not in _MAY_CHANGE)
                refused[name] = (
                    f"session {name} came before with {key} {before.get(key)}, now it has "
                    f"{row[key]}; only a departure may change. What came first stands."
                )
            now = self._clock()
            note(connection, "SessionTaken", *({"session_id": name} for name in new), at=now)
            note(connection, "SessionChanged", *({"session_id": one} for one in changed), at=now)
        if new or changed:
            self.version += 1
        return Taken(new=tuple(new), changed=tuple(changed), refused=refused)

    def frame(self) -> pd.DataFrame:
        """All sessions as a SESSIONS table, sorted by id; not to be changed."""
        with self._database.look() as connection:
            return self._tabulated.read(connection)

    def erase(self, session_id: str) -> bool:
        """Delete a session: who was where is not needed once its trades are settled."""
        with self._database.begin() as connection:
            gone = connection.execute(delete(ROWS).where(ROWS.c.session_id == session_id))
            connection.execute(delete(JOURNAL).where(JOURNAL.c.session_id == session_id))
            self.version += 1
            return bool(gone.rowcount)


class KnownSessions:
    """All sessions that came to a service, as one table.

    Attributes:
        frame: a SESSIONS table, replaced as a whole, never changed.
    """

    def __init__(self, store: SessionStore, intakes: Sequence[Intake]) -> None:
        """Begin with what is stored.

        Args:
            store: where sessions are.
            intakes: where they come from; may grow.
        """
        self._store, self._intakes = store, intakes
        self._version = store.version
        self.frame = store.frame()

    def follow(self) -> bool:
        """Take in what came since the last call, here or by another thread; True if anything did.

        Raises:
            StoreError: the database failed.
        """
        for intake in self._intakes:
            came = intake.poll()
            if came is None or came.empty:
                continue
            taken = self._store.add(came)
            for sentence in taken.refused.values():
                log.warning("session refused", reason=sentence)
            if taken.new:
                log.info("sessions came", sessions=len(taken.new))
        if self._store.version == self._version:
            return False
        # The version first: what another thread adds in between is read at the next look.
        self._version = self._store.version
        self.frame = self._store.frame()
        return True


def implausible(
    session_id: str, arrival: datetime, departure: datetime, estimated: datetime | None
) -> str:
    """Why no lot can have had such a session, as a sentence; empty where it can.

    Times are aware. A party takes no session in that this refuses: one with a stay of centuries
    would be stored first, and then keep the party from all others.

    >>> implausible("a", datetime(1970, 1, 1, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC), None)
    "session 'a': arrival 1970-01-01T00:00:00+00:00 is outside the years 2000 to 2099."
    """
    if why_not := unfit(session_id):
        cut = "..." if len(session_id) > LONGEST_ID else ""
        shown = session_id[:40] if cut else session_id
        return f"session {shown!r}{cut}: its id {why_not}."
    times = {"arrival": arrival, "departure": departure, "estimated_departure": estimated}
    for name, time_ in times.items():
        if time_ is None:
            continue
        if not FIRST_TIME <= time_ < END_OF_TIMES:
            years = f"{FIRST_TIME.year} to {END_OF_TIMES.year - 1}"
            return (
                f"session {session_id!r}: {name} {time_.isoformat()} is outside the years {years}."
            )
        if time_ - arrival > LONGEST_STAY:
            return (
                f"session {session_id!r}: {name} {time_.isoformat()} is more than "
                f"{LONGEST_STAY.days} days after the arrival."
            )
    return ""


def _unlikely(frame: pd.DataFrame) -> dict[str, str]:
    columns = (frame[name] for name in ("session_id", *_TIMES))
    return {
        name: why_not
        for name, arrival, departure, estimated in zip(*columns, strict=True)
        if (
            why_not := implausible(
                name, arrival, departure, None if pd.isna(estimated) else estimated
            )
        )
    }


def _contents_of(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """What is stored of these sessions, by id."""
    found: dict[str, str] = {}
    for first in range(0, len(names), _ASKED_AT_ONCE):
        some = ROWS.c.session_id.in_(names[first : first + _ASKED_AT_ONCE])
        rows = connection.execute(select(ROWS.c.session_id, ROWS.c.content).where(some))
        found |= {row.session_id: row.content for row in rows}
    return found


def _plain(frame: pd.DataFrame) -> list[Content]:
    texts = {
        name: frame[name].dt.strftime(TIME_FORMAT).where(frame[name].notna(), None)
        for name in _TIMES
    }
    return [
        {
            str(name): None if pd.isna(value) else value
            for name, value in row.items()
            # No cap, said or unsaid, is the same.
            if name != "v2g_cap_wh" or value != MAX_U32
        }
        for row in frame.assign(**texts).to_dict(orient="records")
    ]


class Tabulated:
    """The SESSIONS table of a database; a look costs what came or changed since the one before."""

    def __init__(self) -> None:
        self._contents: dict[str, str] = {}
        self._frame = sessions_table([])
        self._lock = threading.Lock()

    def read(self, connection: Connection) -> pd.DataFrame:
        """All sessions, sorted by id; the same object while nothing changes, and not to be changed.

        Args:
            connection: to the database; a snapshot.
        """
        query = select(ROWS.c.session_id, ROWS.c.content)
        contents = {row.session_id: row.content for row in connection.execute(query)}
        with self._lock:
            if contents != self._contents:
                self._frame = self._assembled(contents)
                self._contents = contents
            return self._frame

    def _assembled(self, contents: dict[str, str]) -> pd.DataFrame:
        before = self._contents
        changed = [name for name, content in contents.items() if before.get(name) != content]
        if len(changed) == len(contents):
            return sessions_table(contents[name] for name in sorted(contents))
        place = {name: at for at, name in enumerate(self._frame["session_id"])}
        place |= {name: len(place) + at for at, name in enumerate(changed)}
        parts = [self._frame, sessions_table(contents[name] for name in changed)]
        whole = pd.concat(parts, ignore_index=True) if changed else self._frame
        rows: pd.DataFrame = whole.iloc[[place[name] for name in sorted(contents)]]
        return rows.reset_index(drop=True)


def sessions_table(contents: Iterable[str]) -> pd.DataFrame:
    """The SESSIONS table of what is stored of sessions, in their order."""
    rows = [json.loads(content) for content in contents]
    frame = pd.DataFrame(rows, columns=list(SESSIONS.columns))
    # Who said nothing of a cap has none.
    frame["v2g_cap_wh"] = frame["v2g_cap_wh"].astype("Int64").fillna(MAX_U32).astype("int64")
    times = {name: pd.to_datetime(frame[name], utc=True).astype(UTC_TIME) for name in _TIMES}
    return check(frame.assign(**times), SESSIONS) if rows else frame.assign(**times)
