"""The journal over HTTP: what the engine did, in order, resumed and reset like the chain's."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, select

from tests.unit.store.test_journal import session
from tests.web.lot import api_over
from tests.web.test_stream import events, take
from trading.store import open_database
from trading.store.journal import note
from trading.store.requests import contents
from trading.store.schema import BATCHES, INTERVALS, JOURNAL, SESSIONS
from trading.store.sessions import SessionStore


@contextmanager
def stream(api, role="operator", last=None, params=None, **more):
    headers = api.bearer(role, **more) | {"Accept": "text/event-stream"}
    if last is not None:
        headers["Last-Event-ID"] = last
    place = "/api/v1/journal"
    with api.client.stream("GET", place, headers=headers, params=params or {}) as answer:
        assert answer.status_code == 200
        yield events(answer.iter_lines())


def take_in(file, *names, hours=8):
    with open_database(str(file)) as database:
        SessionStore(database).add_rows(contents([session(name, hours=hours) for name in names]))


def test_the_journal_tells_all_that_the_database_holds(api):
    listed = api.all_items("/journal", limit=50)
    with api.source.look() as connection:
        sessions = set(connection.execute(select(SESSIONS.c.session_id)).scalars())
        batches = set(connection.execute(select(BATCHES.c.batch_id)).scalars())
        outcomes = {row.start_s: row.outcome for row in connection.execute(select(INTERVALS))}
    assert {row["session_id"] for row in listed if row["name"] == "SessionTaken"} == sessions
    assert {row["batch_id"] for row in listed if row["name"] == "BatchWritten"} == batches
    cleared = [row for row in listed if row["name"] == "IntervalCleared"]
    assert [row["outcome"] for row in cleared] == [outcomes[one] for one in sorted(outcomes)]
    assert len(listed) == len(sessions) + len(batches) + len(outcomes)


def test_a_batch_comes_after_its_interval_and_before_the_chain_has_it(api):
    listed = api.all_items("/journal", limit=100)
    places = {(row["name"], row["interval_start"]): n for n, row in enumerate(listed) if row["lot"]}
    for (name, start), place in places.items():
        if name == "BatchWritten":
            assert places["IntervalCleared", start] == place - 1
    as_csv = api.get("/journal", headers={"Accept": "text/csv"}).text
    assert as_csv.startswith("id,time,name,session_id,batch_id,lot,interval_start,outcome\n")


@pytest.mark.parametrize("cut_at", [1, 20])
def test_a_stream_that_was_cut_off_goes_on_without_gap_or_repetition(api, cut_at):
    listed = api.all_items("/journal", limit=1000)
    with stream(api, last="0") as told:
        first = take(told, cut_at)
    with stream(api, last=first[-1]["id"]) as told:
        rest = take(told, len(listed) - cut_at)
    found = first + rest
    assert [json.loads(one["data"]) for one in found] == listed
    assert [(one["id"], one["event"]) for one in found] == [(r["id"], r["name"]) for r in listed]


def test_a_stream_tells_of_sessions_as_they_come_and_change(copied):
    with api_over(copied) as api, stream(api) as told:
        take_in(copied, "bay 7")
        take_in(copied, "bay 7", hours=9)
        found = take(told, 2)
    assert [one["event"] for one in found] == ["SessionTaken", "SessionChanged"]
    assert {json.loads(one["data"])["session_id"] for one in found} == {"bay 7"}


def test_a_filter_is_kept_while_ids_go_on(api):
    wanted = api.all_items("/journal", params={"name": "BatchWritten"}, limit=100)
    with stream(api, last="0", params={"name": "BatchWritten"}) as told:
        assert [one["id"] for one in take(told, len(wanted))] == [row["id"] for row in wanted]


def test_a_drivers_stream_is_its_own(copied, filled):
    with api_over(copied) as api:
        mine = api.all_items("/journal", "driver", sessions=[filled.driver], limit=100)
        who = {"role": "driver", "sessions": [filled.driver, "bay 7"]}
        with stream(api, last="0", **who) as told:
            found = [json.loads(one["data"]) for one in take(told, len(mine))]
            take_in(copied, "bay 6", "bay 7")
            assert json.loads(next(told)["data"])["session_id"] == "bay 7"
    assert found == mine
    assert {row["session_id"] for row in found} == {filled.driver, None}


def test_the_authoritys_stream_names_no_session(copied):
    with api_over(copied) as api, stream(api, "authority") as told:
        take_in(copied, "bay 7")
        with open_database(str(copied)) as database, database.begin() as connection:
            entry = {"lot": 1, "start_s": 4_000_000_000, "outcome": "nothing"}
            note(connection, "IntervalCleared", entry, at=1.0)
        assert next(told)["event"] == "IntervalCleared"


def test_a_stream_says_so_where_an_older_backup_was_restored(copied):
    with api_over(copied) as api:
        last = api.items("/journal", params={"order": "desc", "limit": 1})[0]["id"]
        number = int(last.partition("-")[0])
        with open_database(str(copied)) as database, database.begin() as connection:
            connection.execute(delete(JOURNAL).where(JOURNAL.c.number == number))
        with stream(api, last=last) as told:
            reset = next(told)
            assert reset["event"] == "reset"
            assert reset["id"].startswith(f"{number - 1}-")
        # The number is another entry's now, as in a copy that went on from there.
        with open_database(str(copied)) as database, database.begin() as connection:
            entry = {"number": number, "session_id": "another"}
            note(connection, "SessionTaken", entry, at=1.0)
        with stream(api, last=last) as told:
            assert next(told)["event"] == "reset"
            take_in(copied, "bay 7")
            assert json.loads(next(told)["data"])["session_id"] == "bay 7"


@pytest.mark.parametrize("last", ["1", "x", "1-2", "1-2-00000000", "-1-00000000"])
def test_an_id_that_is_none_is_refused(api, last):
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
    assert api.get("/journal", headers=headers).status_code == 422
