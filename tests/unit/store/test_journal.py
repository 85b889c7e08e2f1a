"""The journal: kept with what it tells, in the order in which that is kept, numbers given once."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from trading.errors import StoreError
from trading.store import Database, open_database, upgrade
from trading.store.journal import mark_of, note
from trading.store.requests import SessionIn, contents
from trading.store.schema import JOURNAL, metadata
from trading.store.sessions import SessionStore

ARRIVAL = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
POSTGRES = os.environ.get("PEERCHARGE_TEST_POSTGRES", "")


def session(name: str, *, hours: int = 8, need_wh: int = 20_000) -> SessionIn:
    return SessionIn(
        session_id=name,
        arrival=ARRIVAL,
        departure=ARRIVAL + dt.timedelta(hours=hours),
        estimated_departure=None,
        battery_capacity_wh=60_000,
        soc_arrival=0.4,
        soc_source="charger",
        need_wh=need_wh,
        charge_power_w=11_000,
        discharge_power_w=11_000,
        reserve_soc=0.2,
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(str(tmp_path / "own.db")) as opened:
        yield opened


def entries(database: Database, *names: str) -> list[tuple[Any, ...]]:
    with database.look() as connection:
        rows = connection.execute(select(JOURNAL).order_by(JOURNAL.c.number)).all()
    return [tuple(getattr(row, name) for name in names) for row in rows]


def test_sessions_are_noted_when_they_come_and_when_they_change(database: Database) -> None:
    store = SessionStore(database, clock=lambda: 5.0)
    store.add_rows(contents([session("a"), session("b")]))
    store.add_rows(contents([session("a"), session("c")]))
    store.add_rows(contents([session("b", hours=9), session("c", need_wh=1)]))
    assert entries(database, "name", "session_id", "at") == [
        ("SessionTaken", "a", 5.0),
        ("SessionTaken", "b", 5.0),
        ("SessionTaken", "c", 5.0),
        ("SessionChanged", "b", 5.0),
    ]


def test_an_entry_is_kept_with_what_it_tells_or_not_at_all(database: Database) -> None:
    def broken() -> None:
        with database.begin() as connection:
            note(connection, "SessionTaken", {"session_id": "a"}, at=1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert entries(database, "name") == []


def test_what_is_erased_leaves_no_entry_and_no_number_to_others(database: Database) -> None:
    store = SessionStore(database)
    store.add_rows(contents([session("a"), session("b")]))
    store.erase("b")
    store.add_rows(contents([session("c")]))
    assert entries(database, "number", "session_id") == [(1, "a"), (3, "c")]


def test_entries_that_differ_in_anything_have_other_marks(database: Database) -> None:
    kinds = [{"session_id": "a"}, {"session_id": "b"}, {"batch_id": "a"},
             {"lot": 1, "start_s": 2, "outcome": "traded"}, {"lot": 2, "start_s": 1}]  # fmt: skip
    with database.begin() as connection:
        for at in (1.0, 2.0):
            for entry in kinds:
                note(connection, "SessionTaken", entry, at=at)
        marks = [mark_of(row) for row in connection.execute(select(JOURNAL))]
    assert len(set(marks)) == len(marks) == 2 * len(kinds)


def test_an_upgrade_knows_what_happened_before(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"
    with open_database(str(file)) as database:
        SessionStore(database, clock=lambda: 2.0).add_rows(contents([session("a"), session("b")]))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(
            "DROP TABLE journal; UPDATE alembic_version SET version_num = '0002';"
            "INSERT INTO intervals VALUES (1, 900, 'traded', 3.0), (1, 0, 'nothing', 1.0);"
            "INSERT INTO batches VALUES "
            "('0x1', 1, 900, 1800, 900, '0xA', x'00', 0, 3.0, 0, '', '');"
        )
    with pytest.raises(StoreError, match="peercharge database upgrade"), open_database(str(file)):
        pass
    assert upgrade(str(file)) == ("0002", "0003")
    with open_database(str(file)) as database:
        assert entries(database, "at", "name", "session_id", "batch_id", "start_s", "outcome") == [
            (1.0, "IntervalCleared", None, None, 0, "nothing"),
            (2.0, "SessionTaken", "a", None, None, ""),
            (2.0, "SessionTaken", "b", None, None, ""),
            (3.0, "IntervalCleared", None, None, 900, "traded"),
            (3.0, "BatchWritten", None, "0x1", 900, ""),
        ]
        SessionStore(database, clock=lambda: 4.0).add_rows(contents([session("c")]))
        assert entries(database, "number")[-1] == (6,)


@pytest.mark.node
@pytest.mark.skipif(not POSTGRES, reason="PEERCHARGE_TEST_POSTGRES names no database")
def test_on_postgres_numbers_follow_the_order_in_which_entries_are_kept() -> None:
    with open_database(POSTGRES) as database:
        is_noted, may_end, seen = threading.Event(), threading.Event(), []

        def slow() -> None:
            with database.begin() as connection:
                note(connection, "SessionTaken", {"session_id": "slow"}, at=1.0)
                is_noted.set()
                may_end.wait(10)

        def quick() -> None:
            with database.begin() as connection:
                note(connection, "SessionTaken", {"session_id": "quick"}, at=1.0)
            seen.append(entries(database, "session_id"))

        threads = [threading.Thread(target=slow), threading.Thread(target=quick)]
        threads[0].start()
        assert is_noted.wait(10)
        threads[1].start()
        threads[1].join(0.5)
        # The later number is not to be seen before the earlier one.
        assert seen == []
        assert entries(database, "session_id") == []
        may_end.set()
        for thread in threads:
            thread.join(10)
        assert seen == [[("slow",), ("quick",)]]
    plain = create_engine(POSTGRES)
    metadata.drop_all(plain)
    with plain.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    plain.dispose()
