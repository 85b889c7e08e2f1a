"""The lot's page: what its slider covers, from a day or up to now."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from trading.pages.lot import WINDOW, LotView
from trading.pages.shown import Shown
from trading.web.auth import Principal, Role

HOURS = st.integers(0, 24 * 400)


def view(now: dt.datetime, first: dt.datetime | None, zone: str = "UTC") -> LotView:
    who = Principal(subject="somebody", roles=frozenset({Role.AGGREGATOR}), expires_at=0)
    shown = Shown(language="en", zone=ZoneInfo(zone))
    found = LotView(SimpleNamespace(who=SimpleNamespace(principal=who), shown=shown))
    found._now = {
        "now": now.isoformat(),
        "first": first.isoformat() if first else None,
        "interval_s": 900,
    }
    return found


@given(HOURS, st.none() | HOURS)
def test_the_slider_never_begins_after_now_also_where_every_session_is_to_come(now, first):
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    at = start + dt.timedelta(hours=now)
    begins = None if first is None else start + dt.timedelta(hours=first)
    since, until = view(at, begins)._range()
    assert until == at
    assert at - WINDOW <= since <= at
    if begins is not None and begins <= at:
        assert since >= begins


ZONES = st.sampled_from(["UTC", "Europe/Copenhagen", "Asia/Kolkata", "America/Los_Angeles"])


@given(HOURS, HOURS, st.integers(0, 30), ZONES)
def test_a_day_is_covered_from_its_midnight_to_its_last_interval(now, first, after, zone):
    """By the visitor's calendar, within what there is, also where a day has 23 or 25 hours."""
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    begins, at = (start + dt.timedelta(hours=hour) for hour in sorted((first, now)))
    found = view(at, begins, zone)
    earliest, latest = found._days()
    assert earliest <= latest
    found.day = min(earliest + dt.timedelta(days=after), latest)
    since, until = found._range()
    assert begins <= since <= until <= at or since == until
    days = {when.astimezone(ZoneInfo(zone)).date() for when in (since, until)}
    assert days == {found.day}
    if earliest < found.day < latest:
        local = [when.astimezone(ZoneInfo(zone)).time() for when in (since, until)]
        assert local == [dt.time(0, 0), dt.time(23, 45)]


def test_what_comes_from_the_grid_is_of_this_meter_interval_and_of_no_older_one():
    at = dt.datetime(2026, 1, 1, 13, 44, tzinfo=dt.UTC)
    found = view(at, None)
    found._now["meter_s"] = 900
    names = ("here", "from_peers", "grid_now", "grid_alone", "buyers_saved", "sellers_income")
    found.figures = {name: Said() for name in names}
    saved = dict.fromkeys(("energy_wh", "buyers_saved_ueur", "sellers_income_ueur"), 0)

    def said(*times: str) -> str:
        load = [{"time": f"2026-01-01T{time}Z", "with_p2p_w": 2200, "grid_only_w": 0}
                for time in times]  # fmt: skip
        found._show_figures(at, [], saved, load)
        return found.figures["grid_now"].text

    assert said("12:00:00") == said() == "0.0 kW"
    assert said("12:00:00", "13:30:00", "13:45:00") == "2.2 kW"


class Said:
    """An element that holds a text."""

    text = ""

    def set_text(self, text: str) -> None:
        self.text = text
