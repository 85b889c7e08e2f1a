"""Generated stays for tests of the lot: valid by construction, times within two days."""

from __future__ import annotations

import pandas as pd
from hypothesis import strategies as st

from trading.units import MAX_U32

DAY_START = pd.Timestamp("2019-10-29T07:00Z")


@st.composite
def sessions(draw: st.DrawFn, *, max_stays: int = 12) -> pd.DataFrame:
    """A SESSIONS table of 1 to `max_stays` stays."""
    rows = []
    for number in range(draw(st.integers(1, max_stays))):
        arrival = DAY_START + pd.Timedelta(seconds=draw(st.integers(0, 40_000)))
        departure = arrival + pd.Timedelta(seconds=draw(st.integers(1, 50_000)))
        guess = draw(st.none() | st.integers(1, 60_000))
        power = draw(st.sampled_from([1_000, 6_656, 11_000]))
        rows.append(
            {
                "session_id": f"s{number:02d}",
                "arrival": arrival,
                "departure": departure,
                "estimated_departure": pd.NaT
                if guess is None
                else arrival + pd.Timedelta(seconds=guess),
                "battery_capacity_wh": draw(st.integers(5_000, 100_000)),
                "soc_arrival": draw(st.floats(0.0, 1.0)),
                "soc_source": "declared",
                "need_wh": draw(st.integers(0, 30_000)),
                "charge_power_w": power,
                "discharge_power_w": draw(st.sampled_from([0, power])),
                "reserve_soc": draw(st.sampled_from([0.0, 0.85, 1.0])),
            }
        )
    frame = pd.DataFrame(rows)
    if draw(st.booleans()):
        caps = st.sampled_from([0, 1, 777, 5_000, MAX_U32])
        frame["v2g_cap_wh"] = draw(st.lists(caps, min_size=len(frame), max_size=len(frame)))
    for column in ("arrival", "departure", "estimated_departure"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame
