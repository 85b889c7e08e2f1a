"""Charts of the lot: what they draw of what the API tells."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from trading.pages.charts import drawn_load
from trading.pages.shown import Shown
from trading.pages.texts import Texts

VISIT = SimpleNamespace(text=Texts("en"), shown=Shown("en", ZoneInfo("UTC")))
START = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
STEP = dt.timedelta(minutes=15)


def load(*watts: int) -> list[dict]:
    return [
        {"time": (START + n * STEP).isoformat(), "grid_only_w": w + 1000, "with_p2p_w": w}
        for n, w in enumerate(watts)
    ]


def drawn(rows, minutes: int) -> dict:
    at = START + dt.timedelta(minutes=minutes)
    return json.loads(drawn_load(rows, at, 10_000, VISIT).told)


def test_the_last_load_is_drawn_up_to_now_and_no_further():
    told = drawn(load(2000, 3000), 22)
    assert told["minutes"] == [0, 15, 22]
    assert told["series"]["traded"] == [2, 3, 3]
    assert told["series"]["limit"] == [10, 10, 10]


def test_of_what_is_to_come_only_the_limit_is_drawn():
    told = drawn(load(2000, 3000, 4000), 20)
    assert told["minutes"] == [0, 15, 20, 30]
    assert told["series"]["alone"] == [3, 4, 4]
    assert told["series"]["limit"] == [10] * 4
    assert drawn(load(2000, 3000), 15)["minutes"] == [0, 15]
    assert drawn([], 15)["minutes"] == []
