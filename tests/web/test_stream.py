"""Server-sent events: everything once, resumed where it was cut off, reset where blocks left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, insert, select

from tests.tools import PATIENCE_S
from tests.web.lot import Api, api_over
from trading.store import open_database
from trading.store.schema import MIRROR_EVENTS


@contextmanager
def stream(api: Api, role="operator", last=None, **more) -> Iterator[Iterator[dict]]:
    params = more.pop("params", {})
    headers = api.bearer(role, **more) | {"Accept": "text/event-stream"}
    if last is not None:
        headers["Last-Event-ID"] = last
    with api.client.stream("GET", "/api/v1/events", headers=headers, params=params) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[dict]:
    told: dict = {}
    for line in lines:
        if not line:
            if "data" in told:
                yield told
            told = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            told[name] = value


def take(stream, n):
    return [next(stream) for _ in range(n)]


def add_event(file, *, block_after=1, transaction):
    with open_database(str(file)) as database, database.begin() as connection:
        last = connection.execute(
            select(MIRROR_EVENTS).order_by(MIRROR_EVENTS.c.block.desc()).limit(1)
        ).one()
        row = dict(last._mapping) | {"block": last.block + block_after, "hash": transaction}
        connection.execute(insert(MIRROR_EVENTS).values(**row))


def test_a_stream_from_the_beginning_tells_every_event_in_order(api):
    listed = api.all_items("/events", limit=1000)
    with stream(api, last="0") as told:
        found = take(told, len(listed))
    assert [json.loads(one["data"]) for one in found] == listed
    assert [one["id"] for one in found] == [row["id"] for row in listed]
    assert [one["event"] for one in found] == [row["name"] for row in listed]


@pytest.mark.parametrize("cut_at", [1, 7, 50])
def test_a_stream_that_was_cut_off_goes_on_without_gap_or_repetition(api, cut_at):
    listed = [row["id"] for row in api.all_items("/events", limit=1000)]
    with stream(api, last="0") as told:
        first = [one["id"] for one in take(told, cut_at)]
    with stream(api, last=first[-1]) as told:
        rest = [one["id"] for one in take(told, len(listed) - cut_at)]
    assert first + rest == listed


def test_a_stream_without_an_id_begins_now(copied):
    with api_over(copied) as api, stream(api) as told:
        add_event(copied, transaction="0x" + "ab" * 32)
        assert next(told)["id"].endswith("-abababab")


def test_a_stream_says_so_where_its_last_event_left_the_chain(copied):
    with api_over(copied) as api:
        last = api.items("/events", params={"order": "desc", "limit": 1})[0]["id"]
        with stream(api, last=last) as told:
            with open_database(str(copied)) as database, database.begin() as connection:
                block = int(last.split("-")[0])
                connection.execute(delete(MIRROR_EVENTS).where(MIRROR_EVENTS.c.block == block))
            add_event(copied, transaction="0x" + "cd" * 32)
            reset = next(told)
            assert reset["event"] == "reset"
            assert json.loads(reset["data"])["after"].endswith("-cdcdcdcd")
        with stream(api, last=last) as told:
            assert next(told)["event"] == "reset"


def test_a_filter_is_kept_while_ids_go_on(api):
    wanted = api.all_items("/events", params={"name": "BatchSettled"}, limit=100)
    with stream(api, last="0", params={"name": "BatchSettled"}) as told:
        assert [one["id"] for one in take(told, len(wanted))] == [row["id"] for row in wanted]


def test_a_drivers_stream_is_its_own(api, filled):
    mine = api.all_items("/events", "driver", sessions=[filled.driver], limit=100)
    with stream(api, "driver", last="0", sessions=[filled.driver]) as told:
        assert [json.loads(one["data"]) for one in take(told, len(mine))] == mine


def test_a_stream_ends_with_its_token(filled):
    with api_over(filled.file, clock=lambda: 4e9) as api:
        headers = api.bearer("operator") | {"Accept": "text/event-stream"}
        answer = api.client.get("/api/v1/events", headers=headers)
        assert answer.status_code == 200
        assert "event:" not in answer.text


@pytest.mark.parametrize("last", ["1", "x", "1-2", "1-2-zz", "-1-2-00000000"])
def test_an_id_that_is_none_is_refused(api, last):
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
    assert api.get("/events", headers=headers).status_code == 422


def test_one_caller_has_so_many_streams_and_no_more(filled, monkeypatch):
    monkeypatch.setattr("trading.web.app.MOST_STREAMS", 2)
    with api_over(filled.file) as api:
        headers = api.bearer("operator") | {"Accept": "text/event-stream"}

        def another() -> int:
            with api.client.stream("GET", "/api/v1/events", headers=headers) as answer:
                if answer.status_code != 200:
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert "retry-after" in answer.headers
                return answer.status_code

        with stream(api), stream(api):
            assert another() == 429
            # Others have their own, and a list is no stream.
            with stream(api, "authority"):
                assert api.get("/events").status_code == 200
        # Their places are free again once the service has seen them leave.
        until = time.monotonic() + PATIENCE_S
        while another() != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
