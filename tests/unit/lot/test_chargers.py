"""Who waits for a charger, to the edges of the day."""

from __future__ import annotations

import pandas as pd

from trading.lot import LotRules, Site, Terms, simulate_lot
from trading.market import PRIORITIES

START = pd.Timestamp("2019-10-29T16:00Z")


def test_who_never_gets_a_charger_draws_nothing_even_at_the_end_of_the_day():
    sessions = pd.DataFrame(
        {
            "session_id": ["early", "late"],
            "arrival": [START, START + pd.Timedelta(minutes=15)],
            # On the last edge of an interval: its stay has no length there.
            "departure": [START + pd.Timedelta(hours=2)] * 2,
            "estimated_departure": [START + pd.Timedelta(hours=2)] * 2,
            "battery_capacity_wh": [60_000] * 2,
            "soc_arrival": [0.3] * 2,
            "soc_source": ["declared"] * 2,
            "need_wh": [5_000] * 2,
            "charge_power_w": [6_656] * 2,
            "discharge_power_w": [6_656] * 2,
            "reserve_soc": [0.0] * 2,
        }
    )
    rules = LotRules(site=Site(chargers=1))
    run = simulate_lot(sessions, rules=rules, terms=Terms(), mechanism=PRIORITIES["pro-rata"])
    assert run.alone_wh.tolist() == [5_000, 0]
    assert run.from_grid_wh.tolist() == [5_000, 0]
