"""Who bears what does not flow because a seller left early, worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from trading.lot import LotRules, Terms, accounts_of, simulate_lot
from trading.market import PRIORITIES

START = pd.Timestamp("2019-10-29T16:00Z")
HOURS = pd.Timedelta(hours=1)


def stays() -> pd.DataFrame:
    """A buyer who stays, and a seller who says it stays and leaves six minutes into the hour."""
    return pd.DataFrame(
        {
            "session_id": ["buyer", "seller"],
            "arrival": [START - HOURS] * 2,
            "departure": [START + 8 * HOURS, START + 0.1 * HOURS],
            "estimated_departure": [START + 8 * HOURS] * 2,
            "battery_capacity_wh": [60_000, 60_000],
            "soc_arrival": [0.3, 0.9],
            "soc_source": ["declared"] * 2,
            "need_wh": [15_000, 0],
            "charge_power_w": [4_000] * 2,
            "discharge_power_w": [4_000] * 2,
            "reserve_soc": [0.0] * 2,
        }
    )


@pytest.mark.parametrize("strategy", ["at-once", "latest"])
@pytest.mark.parametrize("shortfall", ["leaver", "lot"])
def test_a_seller_who_left_or_the_lot_pays_for_what_it_did_not_deliver(strategy, shortfall):
    rules = LotRules(interval_s=3600, departures="estimated", strategy=strategy)
    terms = Terms(shortfall=shortfall)
    run = simulate_lot(stays(), rules=rules, terms=terms, mechanism=PRIORITIES["pro-rata"])
    agreed = int(run.trades["energy_wh"].iloc[-1])
    flowed = 400  # six minutes at 4 kW
    assert run.trades["interval_start"].iloc[-1] == START
    assert run.shortfall_wh == agreed - flowed
    assert run.covered_wh.tolist() == [agreed - flowed, 0]
    worth = (agreed - flowed) * terms.lot_tariff // 1_000
    books = accounts_of(run)
    vehicles = books.vehicles.set_index("session_id")
    own_grid_wh = int(vehicles.loc["buyer", "from_grid_wh"]) - (agreed - flowed)
    assert vehicles.loc["buyer", "paid_grid_ueur"] == own_grid_wh * terms.lot_tariff // 1_000
    assert vehicles.loc["seller", "paid_grid_ueur"] == (worth if shortfall == "leaver" else 0)
    assert run.owed_wh.tolist() == [0, agreed - flowed if shortfall == "leaver" else 0]
    assert books.money.residual_ueur == 0


def test_a_seller_of_whom_the_ledger_agreed_too_much_offers_nothing_more():
    def agree_to_more(_start_s: int, trades: pd.DataFrame) -> pd.DataFrame:
        return trades.assign(energy_wh=trades["energy_wh"] * 10)

    sessions = stays().assign(departure=[START + 8 * HOURS] * 2)
    run = simulate_lot(
        sessions,
        rules=LotRules(),
        terms=Terms(pricing="supply-demand", limits=False),
        mechanism=PRIORITIES["pro-rata"],
        agree=agree_to_more,
    )
    assert run.trades["energy_wh"].sum() > run.stays.ask_cap_wh.sum()
    assert run.shortfall_wh > 0
    assert accounts_of(run).energy.residual_wh == 0
