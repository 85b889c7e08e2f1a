"""The store of sessions: quick and plain ways in are one, and a table is read by what changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from trading.errors import TableError
from trading.store import Database, open_database
from trading.store.requests import SessionIn, contents, is_sound, sessions_frame
from trading.store.schema import SESSIONS
from trading.store.sessions import SessionStore, Tabulated, sessions_table
from trading.units import MAX_U32

ZONES = st.sampled_from(
    [dt.UTC, dt.timezone(dt.timedelta(hours=-7)), dt.timezone(dt.timedelta(hours=5, minutes=45))]
)
TIMES = st.datetimes(dt.datetime(2019, 1, 1), dt.datetime(2019, 1, 3), timezones=ZONES)
FRACTIONS = st.floats(0, 1, allow_subnormal=False)


def lists_of(least: int, departures: Callable[[dt.datetime], st.SearchStrategy[dt.datetime]]):
    """Lists of sessions of a few ids, whose powers and capacities are `least` or more."""
    whole = st.integers(least, 3) | st.integers(least, MAX_U32)
    session = TIMES.flatmap(
        lambda arrival: st.builds(
            SessionIn,
            session_id=st.sampled_from(["a", "b", "c d", "é"]),
            arrival=st.just(arrival),
            departure=departures(arrival),
            estimated_departure=st.none() | TIMES,
            battery_capacity_wh=whole,
            soc_arrival=FRACTIONS,
            soc_source=st.sampled_from(["charger", "telematics", "declared", "inferred"]),
            need_wh=whole,
            charge_power_w=whole,
            discharge_power_w=whole,
            reserve_soc=FRACTIONS,
            v2g_cap_wh=st.none() | st.just(MAX_U32) | whole,
        )
    )
    unique_by = None if least == 0 else lambda one: one.session_id
    return st.lists(session, min_size=1, max_size=3, unique_by=unique_by)


any_sessions = lists_of(0, lambda _arrival: TIMES)
sound_sessions = lists_of(
    1,
    lambda arrival: st.timedeltas(dt.timedelta(microseconds=1), dt.timedelta(days=2)).map(
        lambda stay: arrival + stay
    ),
)
each = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(str(tmp_path / "own.db")) as opened:
        yield opened


def stored(database: Database) -> list[tuple[str, str]]:
    with database.look() as connection:
        columns = SESSIONS.c
        rows = connection.execute(
            select(columns.session_id, columns.content).order_by(columns.session_id)
        )
        return [(row.session_id, row.content) for row in rows]


def emptied(database: Database) -> SessionStore:
    with database.begin() as connection:
        connection.execute(SESSIONS.delete())
    return SessionStore(database)


@each
@given(any_sessions | sound_sessions)
def test_what_is_called_sound_is_a_table_and_stored_as_one(
    database: Database, sessions: list[SessionIn]
) -> None:
    try:
        emptied(database).add(sessions_frame(sessions))
        as_table = stored(database)
    except TableError:
        assert not is_sound(sessions)
        return
    assert is_sound(sessions)
    emptied(database).add_rows(contents(sessions))
    assert stored(database) == as_table


@each
@given(st.lists(sound_sessions, min_size=2, max_size=4))
def test_both_ways_take_change_and_refuse_the_same(
    database: Database, parts: list[list[SessionIn]]
) -> None:
    plain = emptied(database)
    of_tables = [plain.add(sessions_frame(part)) for part in parts]
    as_tables = stored(database)
    quick = emptied(database)
    assert [quick.add_rows(contents(part)) for part in parts] == of_tables
    assert stored(database) == as_tables


@each
@given(st.lists(st.tuples(sound_sessions, st.booleans()), min_size=1, max_size=5))
def test_a_table_that_is_kept_is_the_table_as_read_anew(
    database: Database, steps: list[tuple[list[SessionIn], bool]]
) -> None:
    store, kept = emptied(database), Tabulated()
    for sessions, is_erased in steps:
        if is_erased:
            store.erase(sessions[0].session_id)
        else:
            store.add_rows(contents(sessions))
        with database.look() as connection:
            found = kept.read(connection)
            assert kept.read(connection) is found
        anew = sessions_table(content for _, content in stored(database))
        pd.testing.assert_frame_equal(found, anew)


def test_more_sessions_than_are_asked_for_at_once(database: Database) -> None:
    start = dt.datetime(2019, 10, 29, 15, tzinfo=dt.UTC)
    many = [
        SessionIn(
            session_id=f"s{n}",
            arrival=start,
            departure=start + dt.timedelta(hours=1 + n % 5),
            battery_capacity_wh=60_000,
            soc_arrival=0.4,
            soc_source="charger",
            need_wh=1_000,
            charge_power_w=7_000,
            discharge_power_w=0,
            reserve_soc=0.0,
        )
        for n in range(1_203)
    ]
    store = SessionStore(database)
    assert len(store.add_rows(contents(many)).new) == 1_203
    again = store.add_rows(contents(many))
    assert (again.new, again.changed, again.refused) == ((), (), {})
    assert len(store.frame()) == 1_203


def test_what_came_before_its_id_was_refused_stays_and_new_ones_are_refused(
    database: Database,
) -> None:
    """Earlier versions took ids with a slash in."""
    start = dt.datetime(2019, 10, 29, 15, tzinfo=dt.UTC)
    one = SessionIn(
        session_id="a/b",
        arrival=start,
        departure=start + dt.timedelta(hours=1),
        battery_capacity_wh=60_000,
        soc_arrival=0.4,
        soc_source="charger",
        need_wh=1_000,
        charge_power_w=7_000,
        discharge_power_w=0,
        reserve_soc=0.0,
    )
    SessionStore(database).add_rows(contents([one]))
    store = SessionStore(database)
    assert list(store.frame()["session_id"]) == ["a/b"]
    more = [one.model_copy(update={"session_id": name}) for name in ("c/d", "..", "e")]
    taken = store.add(sessions_frame(more))
    assert taken.new == ("e",)
    assert set(taken.refused) == {"c/d", ".."}
    assert list(store.frame()["session_id"]) == ["a/b", "e"]
