"""Cursors: no row twice, none lost, whatever is added meanwhile; and no cursor but ours."""

from __future__ import annotations

import base64
import json

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, insert, select

from tests.durable.small import small_sessions
from tests.web.lot import api_over
from trading.store import open_database
from trading.store.schema import MIRROR_EVENTS
from trading.store.sessions import SessionStore
from trading.web.pages import _cut, page_of_query, page_of_rows
from trading.web.problems import Problem

ROWS = Table(
    "rows",
    MetaData(),
    Column("at", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
)
keys = st.tuples(st.integers(0, 5), st.text("ab\u00e9\U0001f697", max_size=2))


def cut(cursor, limit, is_descending):
    """The page that a request with this cursor asks for."""
    query = b"limit=3" if not is_descending else b"order=desc"
    scope = {"type": "http", "path": "/rows", "query_string": query, "headers": [],
             "server": ("a", 1), "scheme": "http", "root_path": ""}  # fmt: skip
    order = "desc" if is_descending else "asc"
    # It waits for nothing, and so it ends at its first step.
    with pytest.raises(StopIteration) as ended:
        _cut(Request(scope), limit=limit, order=order, cursor=cursor).send(None)
    return ended.value.value


@given(
    there=st.sets(keys, max_size=25),
    added=st.lists(st.sets(keys, max_size=4), max_size=12),
    limit=st.integers(1, 6),
    is_descending=st.booleans(),
)
def test_no_row_comes_twice_and_none_is_lost_while_rows_are_added(
    there, added, limit, is_descending
):
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        ROWS.create(connection)
        table = set(there)
        if there:
            connection.execute(insert(ROWS), [{"at": a, "name": n} for a, n in there])
        seen, from_memory, cursor, memory_cursor = [], [], None, None
        more = iter(added)
        while True:
            page = page_of_query(
                connection,
                select(ROWS),
                [ROWS.c.at, ROWS.c.name],
                cut(cursor, limit, is_descending),
            )
            same = page_of_rows(
                sorted(table), lambda row: row, cut(memory_cursor, limit, is_descending)
            )
            assert [tuple(row) for row in page.rows] == same.rows
            assert page.next == same.next
            seen += [tuple(row) for row in page.rows]
            from_memory += same.rows
            cursor, memory_cursor = page.next, same.next
            if cursor is None:
                break
            new = next(more, set()) - table
            if new:
                connection.execute(insert(ROWS), [{"at": a, "name": n} for a, n in new])
                table |= new
    assert len(set(seen)) == len(seen)
    assert set(there) <= set(seen) <= table
    assert seen == sorted(seen, reverse=is_descending)
    engine.dispose()


@given(junk=st.text(max_size=40) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_a_cursor_that_is_not_ours_is_refused(junk):
    with pytest.raises(Problem) as refused:
        cut(junk, 3, False)
    assert refused.value.status == 404


@pytest.mark.parametrize("key", [[1.5], [None], [[1]], [True], [2**64], ["\ud800"], ["a\0"], {}])
def test_a_cursor_with_another_kind_of_key_is_refused(key):
    scope = cut(None, 3, False).scope
    told = base64.urlsafe_b64encode(json.dumps([scope, *key]).encode()).decode()
    with pytest.raises(Problem):
        page_of_rows([(1, "a")], lambda row: row, cut(told, 3, False))


def test_a_cursor_of_another_list_or_filter_is_refused(api):
    told = api.get("/trades", params={"limit": 2}).json()
    params = {"cursor": told["next"], "limit": 50}
    assert api.get("/trades", params=params).status_code == 200
    for path, other in (("/batches", {}), ("/trades", {"state": "settled"}),
                        ("/trades", {"order": "desc"})):  # fmt: skip
        answer = api.get(path, params=params | other)
        assert answer.status_code == 404
        assert "cursor" in answer.json()["hint"]


@pytest.mark.parametrize("path", ["/trades", "/batches", "/accounts", "/events", "/sessions"])
def test_pages_of_any_size_are_the_same_list(api, path):
    whole = api.all_items(path, limit=1000)
    assert api.all_items(path, limit=7) == whole
    assert api.all_items(path, limit=7, params={"order": "desc"}) == whole[::-1]


def test_the_next_page_is_in_the_header_too(api):
    answer = api.get("/trades", params={"limit": 3}, headers={"Accept": "text/csv"})
    link = answer.headers["link"]
    assert link.endswith('>; rel="next"')
    following = api.client.get(link[1 : link.index(">")], headers=api.bearer("operator"))
    assert following.json()["items"] == api.items("/trades", params={"limit": 6})[3:6]


def test_paging_goes_on_while_an_engine_writes(copied):
    """Events that the mirror adds between two pages neither move nor hide a row."""
    with api_over(copied) as api, open_database(copied) as database:
        before = [event["id"] for event in api.all_items("/events", limit=1000)]
        seen, cursor, number = [], None, 0
        while True:
            told = api.get(
                "/events", params={"limit": 40} | ({"cursor": cursor} if cursor else {})
            ).json()
            seen += [event["id"] for event in told["items"]]
            cursor = told["next"]
            if cursor is None:
                break
            if number < 3:
                number += 1
                with database.begin() as connection:
                    last = connection.execute(
                        select(MIRROR_EVENTS).order_by(MIRROR_EVENTS.c.block.desc()).limit(1)
                    ).one()
                    row = dict(last._mapping) | {
                        "block": last.block + 1,
                        "hash": f"0x{number:064x}",
                    }
                    connection.execute(insert(MIRROR_EVENTS).values(**row))
        assert seen[: len(before)] == before
        assert len(set(seen)) == len(seen) == len(before) + number


def test_ids_are_in_the_order_of_their_code_points(copied):
    """Whatever order the database's language has for them."""
    names = ["b", "B", "a-1", "a1", "A 2", "é", "_", "a_1", "Z", "a-1-1"]
    frame = small_sessions().head(1)
    with open_database(copied) as database:
        store = SessionStore(database)
        for name in names:
            store.add(frame.assign(session_id=name))
    with api_over(copied) as api:
        for order in ("asc", "desc"):
            rows = api.all_items("/sessions", limit=3, params={"order": order})
            shown = [row["session_id"] for row in rows]
            assert shown == sorted(shown, reverse=order == "desc")
            assert set(names) <= set(shown)
        arrival = frame["arrival"].iloc[0].isoformat()
        before = api.items("/sessions", params={"until": arrival, "limit": 1000})
        after = api.items("/sessions", params={"since": arrival, "limit": 1000})
        assert not set(names) & {row["session_id"] for row in before}, "they come at its end"
        assert set(names) <= {row["session_id"] for row in after}
