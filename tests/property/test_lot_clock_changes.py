"""Days on which the clocks change, 25 and 23 hours long: books close to the Wh and the ueur."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.data import select_days
from trading.lot import LotRules, Profile, Site, Terms, accounts_of, simulate_lot
from trading.lot.physics import SECONDS_PER_HOUR
from trading.market import MECHANISMS

ZONE = ZoneInfo("America/Los_Angeles")
DAYS = {"2019-11-03": 25, "2019-03-10": 23, "2019-10-29": 24}
# Each hour of the day has a price of its own, so that no hour can be taken for another.
TARIFF = [400_000 + 10_000 * hour for hour in range(24)]
SUN_W = [0] * 6 + [2_000] * 12 + [0] * 6


def midnight(day: str) -> pd.Timestamp:
    return pd.Timestamp(day).tz_localize(ZONE).tz_convert("UTC")


@st.composite
def stays_of(draw: st.DrawFn, day: str) -> pd.DataFrame:
    """Stays that begin on a local day, most of them in its first hours; one on the day after."""
    rows = []
    for number in range(draw(st.integers(2, 8))):
        arrival = midnight(day) + pd.Timedelta(seconds=draw(st.integers(0, DAYS[day] * 3600 - 1)))
        arrival = draw(st.sampled_from([arrival, midnight(day)]))
        rows.append(
            {
                "session_id": f"s{number}",
                "arrival": arrival,
                "departure": arrival + pd.Timedelta(seconds=draw(st.integers(1_800, 40_000))),
                "battery_capacity_wh": 60_000,
                "soc_arrival": draw(st.sampled_from([0.2, 0.5, 0.9, 1.0])),
                "need_wh": draw(st.integers(0, 20_000)),
            }
        )
    after = midnight(day) + pd.Timedelta(hours=DAYS[day])
    rows.append(
        rows[0] | {"session_id": "z", "arrival": after, "departure": after + pd.Timedelta("1h")}
    )
    frame = pd.DataFrame(rows).assign(
        estimated_departure=pd.NaT,
        soc_source="declared",
        charge_power_w=6_656,
        discharge_power_w=6_656,
        reserve_soc=0.0,
    )
    for name in ("arrival", "departure", "estimated_departure"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame


@pytest.mark.parametrize("day", DAYS)
@given(data=st.data())
def test_the_books_of_a_day_close_whatever_its_clocks_do(day: str, data: st.DataObject) -> None:
    every = data.draw(stays_of(day))
    table = select_days(every, zone=str(ZONE), date=day)
    assert set(every["session_id"]) - set(table["session_id"]) == {"z"}
    rules = LotRules(
        interval_s=data.draw(st.sampled_from([900, 3_600])),
        strategy=data.draw(st.sampled_from(["at-once", "latest", "cheapest"])),
        site=Site(
            connection_w=data.draw(st.sampled_from([None, 12_000])),
            pv_w=Profile.daily(SUN_W, zone=str(ZONE)),
        ),
    )
    terms = Terms(tariff=Profile.daily(TARIFF, zone=str(ZONE)), network_charge=30_000)
    mechanism = data.draw(st.sampled_from(["pro-rata", "uniform-price"]))
    run = simulate_lot(table, rules=rules, terms=terms, mechanism=MECHANISMS[mechanism])
    books = accounts_of(run)
    assert books.energy.residual_wh == 0
    assert books.money.residual_ueur == 0
    assert (np.diff(run.start_s) == rules.interval_s).all()
    # Every interval's price and sun are those of the hour that a clock on the wall shows.
    hours = [datetime.fromtimestamp(s, UTC).astimezone(ZONE).hour for s in run.start_s.tolist()]
    edges = np.append(run.start_s, run.start_s[-1] + rules.interval_s)
    assert terms.buy_over(edges).tolist() == [TARIFF[hour] for hour in hours]
    roof_wh = [SUN_W[hour] * rules.interval_s // SECONDS_PER_HOUR for hour in hours]
    assert (run.pv_wh + run.export_wh).tolist() == roof_wh


@pytest.mark.parametrize(("day", "length"), DAYS.items())
def test_a_day_has_its_hours_and_each_its_price(day: str, length: int) -> None:
    """A vehicle that charges around the clock pays for each hour there is, and for no other."""
    begins = midnight(day)
    table = pd.DataFrame(
        {
            "session_id": ["a"],
            "arrival": [begins],
            "departure": [begins + pd.Timedelta(hours=length)],
            "estimated_departure": pd.to_datetime([None], utc=True),
            "battery_capacity_wh": [1_000_000],
            "soc_arrival": [0.0],
            "soc_source": ["declared"],
            "need_wh": [1_000 * length],
            "charge_power_w": [1_000],
            "discharge_power_w": [0],
            "reserve_soc": [0.0],
        }
    )
    assert begins + pd.Timedelta(hours=length) == midnight(
        str((pd.Timestamp(day) + pd.Timedelta(days=1)).date())
    )
    terms = Terms(tariff=Profile.daily(TARIFF, zone=str(ZONE)))
    run = simulate_lot(
        table, rules=LotRules(acceptance=None), terms=terms, mechanism=MECHANISMS["pro-rata"]
    )
    repeated = {25: TARIFF[1], 23: -TARIFF[2], 24: 0}[length]
    assert run.grid_bill_ueur.tolist() == [sum(TARIFF) + repeated]
    assert len(run.start_s) == 4 * length
