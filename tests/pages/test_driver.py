"""A driver's stays: which one the page opens with, and what the chooser calls them."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from tests.pages.test_acts import CONSORTIUM, OUTLOOK, FakeVisit
from trading.pages.driver import _build, current_stay
from trading.pages.parts import PageChooser

NOW = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
STAYS = st.lists(st.tuples(st.integers(-30, 30), st.integers(1, 20)), min_size=1, max_size=8)


def stay(name: str, begins_h: int, hours: int) -> dict:
    arrival = NOW + dt.timedelta(hours=begins_h)
    return {
        "session_id": name,
        "arrival": arrival.isoformat(),
        "departure": (arrival + dt.timedelta(hours=hours)).isoformat(),
    }


@given(STAYS)
def test_the_stay_that_is_here_comes_before_the_next_and_that_before_the_last(times):
    stays = [stay(str(n), *one) for n, one in enumerate(times)]
    begins, hours = times[int(current_stay(stays, NOW)["session_id"])]
    if any(at <= 0 < at + long for at, long in times):
        assert begins <= 0 < begins + hours
    elif any(at > 0 for at, _ in times):
        assert begins == min(at for at, _ in times if at > 0)
    else:
        assert begins + hours == max(at + long for at, long in times)


def test_the_page_opens_with_the_current_stay_and_names_days(client):
    stays = [stay("b", -30, 2), stay("a", -1, 3), stay("c", 40, 2), stay("not mine", -1, 3)]
    visit = FakeVisit(
        {
            "/me": {"sessions": ["a", "b", "c"]},
            "/sessions": stays,
            "/lot": {"now": NOW.isoformat(), "is_replay": False},
            "/consortium": CONSORTIUM,
            "/sessions/a/outlook": OUTLOOK | {"account": None},
        }
    )
    visit.request = SimpleNamespace(query_params={})
    client.run(_build(visit))
    assert "/sessions/a/outlook" in visit.asked
    (chooser,) = (one for one in client.elements.values() if isinstance(one, PageChooser))
    assert chooser.props["value"] == "a"
    assert [one["label"] for one in chooser.props["options"]] == [
        "4 Jan 2026 · c", "2 Jan 2026 · a", "1 Jan 2026 · b",
    ]  # fmt: skip
    assert chooser.props["options"][0]["href"] == "/driver?session=c"
