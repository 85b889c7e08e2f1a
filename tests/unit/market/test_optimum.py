from __future__ import annotations

import numpy as np
import pytest

from tests.unit.market.books import rows_of, side
from trading.errors import OptionError
from trading.market import MECHANISMS, OrderBook, PeerPrice
from trading.market.optimum import optimum
from trading.market.schedule import GridSupply, Horizon, best_day

PRICE = PeerPrice(buyer_ueur_per_kwh=22, seller_ueur_per_kwh=20)

# The cheap seller leaves before the first buyer comes, so the dear one has to serve it.
DAY = OrderBook(
    buyers=side([(500, 50), (400, 40)], 0, earliest_s=[1_800, 0], latest_s=[3_600, 900]),
    sellers=side([(600, 10), (600, 30)], 2, earliest_s=[0, 900], latest_s=[900, 3_600]),
)


def test_who_is_not_there_together_does_not_trade() -> None:
    assert rows_of(MECHANISMS["optimum"](DAY, PRICE)) == [
        (0, 3, 500, 41, 39),
        (1, 2, 400, 26, 24),
    ]


def test_power_limits_what_flows_in_the_time_there_is() -> None:
    buyers = side([(500, 50)], 0, earliest_s=[450], latest_s=[900], power_limit_w=[1_600])
    sellers = side([(600, 10)], 1, earliest_s=[0], latest_s=[600])
    book = OrderBook(buyers=buyers, sellers=sellers)
    # 1600 W from 450 s to the interval's end; the seller's own end is within the interval.
    assert optimum(book, PRICE).energy_wh.tolist() == [200]


def test_the_most_energy_is_among_those_willing_at_the_posted_price() -> None:
    fills = optimum(DAY, PRICE, goal="energy")
    assert rows_of(fills) == [(1, 2, 400, 22, 20)]


def test_the_grid_fills_in_up_to_the_transformer_limit() -> None:
    horizon = Horizon(start_s=0, interval_s=900, n_intervals=4)
    grid = GridSupply(price_ueur_per_kwh=np.array([45, 20, 20, 60]), limit_w=800)
    day = best_day(DAY, PRICE, horizon=horizon, grid=grid)
    # Buyer 0 is there in the last two intervals: 200 Wh at 20, the rest from the seller at 32.
    assert day.grid_wh.tolist() == [0, 0, 200, 0]
    assert day.sold_wh.tolist() == [[400, 0, 0, 0], [0, 0, *day.sold_wh[1, 2:]]]
    assert day.sold_wh[1].sum() == 300


def test_a_grid_that_pays_for_taking_energy_is_used_first() -> None:
    horizon = Horizon(start_s=0, interval_s=900, n_intervals=4)
    day = best_day(DAY, PRICE, horizon=horizon, grid=GridSupply(price_ueur_per_kwh=-5))
    assert day.grid_wh.sum() == 900
    assert day.sold_wh.sum() == 0


def test_a_lot_of_55_chargers_and_96_intervals_is_solved_in_whole_wh() -> None:
    random = np.random.default_rng(1)
    n = 55
    earliest = random.integers(0, 60_000, n)
    columns = {
        "earliest_s": earliest,
        "latest_s": earliest + random.integers(3_600, 30_000, n),
        "power_limit_w": np.full(n, 11_000),
    }
    rows = np.column_stack(
        (random.integers(1_000, 40_000, n), random.integers(100_000, 500_000, n))
    )
    book = OrderBook(
        buyers=side(rows[:30], 0, **{name: values[:30] for name, values in columns.items()}),
        sellers=side(rows[30:], 30, **{name: values[30:] for name, values in columns.items()}),
    )
    day = best_day(book, PRICE, horizon=Horizon(start_s=0, interval_s=900, n_intervals=96))
    assert day.sold_wh.sum() == day.bought_wh.sum() > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimum(DAY, PRICE, goal="peace"), "goal='peace': expected welfare or energy"),
        (lambda: optimum(DAY, PRICE, interval_s=0), "interval_s=0: expected 1 s or more"),
        (
            lambda: Horizon(start_s=0, interval_s=1, n_intervals=20_000),
            "n_intervals=20000: expected 1 to 10000 intervals",
        ),
        (
            lambda: best_day(
                DAY,
                PRICE,
                horizon=Horizon(start_s=0, interval_s=900, n_intervals=4),
                grid=GridSupply(price_ueur_per_kwh=np.array([1, 2])),
            ),
            "price_ueur_per_kwh=(2,): expected one number, or 4 of them",
        ),
    ],
)
def test_what_makes_no_day_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OptionError) as caught:
        call()
    assert message in str(caught.value)
