"""The lot's page: what its slider covers."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from trading.pages.lot import WINDOW, LotView
from trading.web.auth import Principal, Role

HOURS = st.integers(0, 24 * 400)


def view(now: dt.datetime, first: dt.datetime | None) -> LotView:
    who = Principal(subject="somebody", roles=frozenset({Role.AGGREGATOR}), expires_at=0)
    found = LotView(SimpleNamespace(who=SimpleNamespace(principal=who)))
    found._now = {"now": now.isoformat(), "first": first.isoformat() if first else None}
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
