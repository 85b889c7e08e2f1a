"""The sessions of a party: each taken once, in the order in which they came.

A session that comes again, as when a file is read again, changes nothing but its departure: what
was planned becomes what was. Anything else that differs is refused, and what came first stands.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import delete, insert, select, update

from trading.store.database import Database
from trading.store.schema import SESSIONS as ROWS
from trading.tables import SESSIONS, UTC_TIME, check
from trading.units import MAX_U32

_TIMES = ("arrival", "departure", "estimated_departure")
_MAY_CHANGE = ("departure",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of sessions that came.

    Attributes:
        new: ids of those not seen before.
        changed: ids of those whose departure is another now.
        refused: id to a sentence, for those that contradict what is stored.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    refused: dict[str, str]


class SessionStore:
    """The sessions in one database."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self.version = 0

    def add(self, sessions: pd.DataFrame) -> Taken:
        """Take sessions in.

        Args:
            sessions: a SESSIONS table.

        Raises:
            TableError: the table breaks its schema; none of it is taken.
        """
        rows = _plain(check(sessions, SESSIONS))
        new, changed, refused = [], [], {}
        with self._database.begin() as connection:
            known = {row.session_id: row.content for row in connection.execute(select(ROWS))}
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
        if new or changed:
            self.version += 1
        return Taken(new=tuple(new), changed=tuple(changed), refused=refused)

    def frame(self) -> pd.DataFrame:
        """All sessions as a SESSIONS table, sorted by id."""
        with self._database.look() as connection:
            contents = connection.execute(select(ROWS.c.content).order_by(ROWS.c.session_id))
            return sessions_table([row.content for row in contents])

    def erase(self, session_id: str) -> bool:
        """Delete a session: who was where is not needed once its trades are settled."""
        with self._database.begin() as connection:
            gone = connection.execute(delete(ROWS).where(ROWS.c.session_id == session_id))
            self.version += 1
            return bool(gone.rowcount)


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    texts = {
        name: frame[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ").where(frame[name].notna(), None)
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


def sessions_table(contents: Iterable[str]) -> pd.DataFrame:
    """The SESSIONS table of what is stored of sessions, in their order."""
    rows = [json.loads(content) for content in contents]
    frame = pd.DataFrame(rows, columns=list(SESSIONS.columns))
    # Who said nothing of a cap has none.
    frame["v2g_cap_wh"] = frame["v2g_cap_wh"].astype("Int64").fillna(MAX_U32).astype("int64")
    times = {name: pd.to_datetime(frame[name], utc=True).astype(UTC_TIME) for name in _TIMES}
    return check(frame.assign(**times), SESSIONS) if rows else frame.assign(**times)
