"""Bays: no two vehicles in one at a time, as few as can be, and a stay keeps its own."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from trading.web.bays import bays_of

stays = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), max_size=30)


def table(found):
    times = [pd.Timestamp(3600 * at, unit="s", tz="UTC") for at, _ in found]
    ends = [pd.Timestamp(3600 * (at + hours), unit="s", tz="UTC") for at, hours in found]
    return pd.DataFrame(
        {
            "session_id": [f"s{n}" for n in range(len(found))],
            "arrival": pd.Series(times, dtype="datetime64[us, UTC]"),
            "departure": pd.Series(ends, dtype="datetime64[us, UTC]"),
        }
    )


@given(stays)
def test_a_bay_holds_one_vehicle_and_there_are_as_few_as_can_be(found):
    bays = bays_of(table(found))
    assert len(bays) == len(found)
    busiest = 0
    for hour in range(81):
        here = [bays[f"s{n}"] for n, (at, hours) in enumerate(found) if at <= hour < at + hours]
        assert len(here) == len(set(here))
        busiest = max(busiest, len(here))
    assert max(bays.values(), default=0) == busiest


@given(stays, st.integers(51, 60))
def test_who_comes_later_moves_nobody(found, later):
    before, after = bays_of(table(found)), bays_of(table([*found, (later, 5)]))
    assert {name: after[name] for name in before} == before
