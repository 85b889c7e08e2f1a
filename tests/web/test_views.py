"""The lot as it is follows from who is there: who comes later changes nothing before."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import select

from tests.web.lot import api_over
from trading.store import open_database
from trading.store.schema import BATCHES
from trading.store.sessions import SessionStore
from trading.tables import UTC_TIME

TIMES = ("arrival", "departure", "estimated_departure")


def come_later(file, start_s):
    """Give the lot its vehicles once more, an hour and more after `start_s`."""
    with open_database(str(file)) as database:
        store = SessionStore(database)
        frame = store.frame()
        by = pd.Timestamp(start_s + 3600, unit="s", tz="UTC") - frame["arrival"].min()
        later = {name: (frame[name] + by).astype(UTC_TIME) for name in TIMES}
        store.add(frame.assign(session_id="later " + frame["session_id"], **later))


def traded_starts(file):
    with open_database(str(file), alone=False) as database, database.look() as connection:
        return sorted(set(connection.execute(select(BATCHES.c.start_s)).scalars()))


def shown(file, start_s):
    at = pd.Timestamp(start_s - 900, unit="s", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    end = pd.Timestamp(start_s + 900, unit="s", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    with api_over(file) as api:
        told = {
            path: api.items(path, params={"at": at, "limit": 1000})
            for path in ("/vehicles", "/orders")
        }
        return told | {
            path: api.items(path, params={"until": end, "limit": 1000})
            for path in ("/load", "/prices")
        }


def test_who_comes_later_changes_nothing_before(filled, copied):
    starts = traded_starts(copied)
    some = (starts[0], starts[len(starts) // 2], starts[-1])
    before = [shown(copied, start_s) for start_s in some]
    assert any(told["/orders"] for told in before)
    come_later(copied, starts[-1])
    assert [shown(copied, start_s) for start_s in some] == before


def test_what_comes_while_one_looks_is_shown(filled, copied):
    start_s = traded_starts(copied)[0]
    at = pd.Timestamp(start_s + 4 * 86_400, unit="s", tz="UTC")
    with api_over(copied, kept_s=0.0) as api:
        params = {"at": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        assert api.items("/vehicles", params=params) == []
        come_later(copied, start_s + 4 * 86_400 - 3600 - 1)
        assert api.items("/vehicles", params=params)


def test_an_empty_lot_draws_nothing_up_to_now_and_between_two_days(filled, copied):
    """A row for every meter interval, 0 while nobody stands there, and none of what is to come."""
    come_later(copied, traded_starts(copied)[0] + 2 * 86_400)
    with api_over(copied) as api:
        told = api.get("/lot").json()
        last = pd.Timestamp(told["last"]) + pd.Timedelta(minutes=15)
    now = last + pd.Timedelta(minutes=100)
    with api_over(copied, replay=False, clock=lambda: now.timestamp()) as api:
        params = {"since": told["first"], "until": (now + pd.Timedelta(days=1)).isoformat()}
        rows = api.items("/load", params=params | {"limit": 1000})
        sessions = api.items("/sessions", params={"limit": 1000})
        late = api.items("/load", params={"since": last.isoformat()} | {"limit": 1000})
    times = [pd.Timestamp(row["time"]) for row in rows]
    step = pd.Timedelta(seconds=told["meter_s"])
    assert times == list(pd.date_range(told["first"], now, freq=step))
    stays = [(pd.Timestamp(one["arrival"]), pd.Timestamp(one["departure"])) for one in sessions]
    empty = [
        row
        for row, at in zip(rows, times, strict=True)
        if not any(came < at + step and went > at for came, went in stays)
    ]
    assert len(empty) > 48
    assert all(row["grid_only_w"] == row["with_p2p_w"] == row["p2p_w"] == 0 for row in empty)
    assert any(row["with_p2p_w"] for row in rows[len(rows) // 2 :])
    assert late == rows[-len(late) :]
    assert len(late) == 7
