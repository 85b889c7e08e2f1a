"""What is said above every page of an engine that stands still, and of a pause."""

from __future__ import annotations

import pytest

from tests.pages.test_acts import CONSORTIUM, FakeVisit, shown
from trading.pages.standing import Standing
from trading.web.problems import Problem

LOOKED_S = 1_767_225_600  # 2026-01-01T00:00:00Z


def said(client, after_s, *, says_pause=True, is_over=False, **changes):
    told = CONSORTIUM | {"looked_at": "2026-01-01T00:00:00Z"} | changes
    visit = FakeVisit({"/lot": {"is_over": is_over}, "/consortium": told})

    async def look():
        standing = Standing(visit, says_pause=says_pause, clock=lambda: LOOKED_S + after_s)
        await standing.look()
        found = shown(client)
        # What is refused changes nothing.
        visit.answers["/lot"] = Problem(503, "the database cannot be read")
        await standing.look()
        assert shown(client) == found
        return " ".join(found)

    return client.run(look())


def test_an_engine_that_looks_is_not_spoken_of(client):
    assert said(client, 59) == ""


def test_an_engine_that_stands_still_is_told_with_the_time_since(client):
    assert "not looked at the chain since 1 Jan, 00:00" in said(client, 61)


@pytest.mark.parametrize("known", [{"is_over": True}, {"looked_at": None}])
def test_a_day_that_is_over_needs_no_engine_and_of_an_old_one_nothing_is_known(client, known):
    assert said(client, 9_999, **known) == ""


@pytest.mark.parametrize("says_pause", [True, False])
def test_a_pause_is_told_where_the_page_does_not_say_so_itself(client, says_pause):
    assert ("is paused" in said(client, 1, is_paused=True, says_pause=says_pause)) == says_pause
