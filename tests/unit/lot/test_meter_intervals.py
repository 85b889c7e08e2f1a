"""Trades spread over meter intervals shorter than the market's."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trading.data import load_sessions, sample_path
from trading.lot import Interval, Lot, LotRules, Site, Stays, Terms, simulate_lot
from trading.market import PRIORITIES, Fills

START = pd.Timestamp("2019-10-29T16:00Z")
START_S = int(START.timestamp())
N = 10


def test_what_peers_are_to_deliver_is_not_drawn_from_the_grid_before():
    sessions = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    run = simulate_lot(
        sessions, rules=LotRules(meter_s=300), terms=Terms(), mechanism=PRIORITIES["pro-rata"]
    )
    # Whole Wh leave at most one a trade behind; drawing at once would leave hundreds.
    assert run.shortfall_wh <= len(run.trades)


def test_rounded_shares_of_many_trades_never_pass_the_cables():
    kinds = [("b", 0.3, 15_000), ("s", 0.9, 0)]
    frame = pd.DataFrame(
        [
            {
                "session_id": f"{kind}{number}",
                "arrival": START - pd.Timedelta(hours=1),
                "departure": START + pd.Timedelta(hours=6),
                "estimated_departure": pd.NaT,
                "battery_capacity_wh": 60_000,
                "soc_arrival": soc,
                "soc_source": "declared",
                "need_wh": need,
                "charge_power_w": 6_656,
                "discharge_power_w": 6_656,
                "reserve_soc": 0.0,
            }
            for kind, soc, need in kinds
            for number in range(N)
        ]
    )
    frame["estimated_departure"] = pd.to_datetime(frame["estimated_departure"], utc=True)
    site = Site(cable_w=20_000)
    rules = LotRules(interval_s=1_800, meter_s=300, site=site)
    lot = Lot(Stays(frame, rules), Terms())
    codes, price = np.arange(N), np.full(N, 400_000)
    fills = Fills(
        buyer=codes,
        seller=codes + N,
        energy_wh=np.full(N, 999),
        price_ueur_per_kwh=price,
        seller_price_ueur_per_kwh=price,
    )
    interval = Interval(start_s=START_S, end_s=START_S + 1_800, gate_s=START_S - 300)
    lot.flow(interval, fills)
    flows = lot.flows
    # 167 Wh of each of ten trades are 4 Wh more than five minutes at 20 kW.
    assert (flows.peers_wh + flows.grid_wh).max() <= 20_000 * 300 // 3_600
    assert flows.peers_wh.sum() + lot.shortfall_wh == N * 999
