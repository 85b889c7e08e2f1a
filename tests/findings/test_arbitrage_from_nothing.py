"""2026-11-22: under arbitrage who arrives with nothing may come to have something to sell.

Such sellers were not enrolled on the chain, so that a day on chain ended with a conversion error at
their first trade; and intervals in which they alone could sell were passed over.
"""

from __future__ import annotations

import pandas as pd

from trading.engine.enrolment import Cast
from trading.lot import LotRules, Stays, Terms, simulate_lot
from trading.market import PRIORITIES

NOON = pd.Timestamp("2019-10-29T12:00Z")
SESSIONS = pd.DataFrame(
    {
        "session_id": ["buyer", "seller"],
        "arrival": [NOON, NOON],
        "departure": [NOON + pd.Timedelta(hours=10)] * 2,
        "estimated_departure": pd.to_datetime([None, None], utc=True),
        "battery_capacity_wh": [60_000, 60_000],
        "soc_arrival": [0.1, 0.8],
        "soc_source": ["declared"] * 2,
        "need_wh": [30_000, 5_000],
        "charge_power_w": [3_000, 6_656],
        "discharge_power_w": [3_000, 6_656],
        "reserve_soc": [0.0, 0.0],
    }
)


def test_who_charges_first_and_sells_then_is_enrolled_and_trades() -> None:
    rules = LotRules(arbitrage=True)
    stays = Stays(SESSIONS, rules)
    assert stays.ask_cap_wh.tolist() == [0, 0]
    assert set(Cast.demonstration(0, operators=4, stays=stays).drivers) == {"buyer", "seller"}
    run = simulate_lot(SESSIONS, rules=rules, terms=Terms(), mechanism=PRIORITIES["pro-rata"])
    assert run.trades["energy_wh"].sum() > 1_000


def test_without_arbitrage_it_has_no_part_in_the_market() -> None:
    stays = Stays(SESSIONS, LotRules())
    assert set(Cast.demonstration(0, operators=4, stays=stays).drivers) == {"buyer"}
