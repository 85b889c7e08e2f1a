"""The day's optimum, held to its limits in whole Wh and to a plain search for the best flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference_flow
from tests.incentives import welfare
from tests.strategies import books
from tests.unit.market.books import rows_of
from trading.market import MECHANISMS, OrderBook, Orders, PeerPrice
from trading.market.optimum import fills_of, optimum
from trading.market.schedule import Goal, GridSupply, Horizon, Schedule, best_day

HORIZON = Horizon(start_s=0, interval_s=900, n_intervals=3)
prices = st.integers(0, 2).map(
    lambda fee: PeerPrice(buyer_ueur_per_kwh=3 + fee, seller_ueur_per_kwh=3)
)
goals = st.sampled_from(["welfare", "energy"])


@st.composite
def days(draw: st.DrawFn) -> OrderBook:
    """Orders of a few Wh with times around three quarters of an hour; power limits bind often."""
    book = draw(books(max_size=4, has_limits=True, energy_wh=st.integers(1, 8)))

    def timed(side: Orders) -> Orders:
        n = len(side)

        def ints(low: int, high: int) -> np.ndarray:
            return np.array(
                draw(st.lists(st.integers(low, high), min_size=n, max_size=n)), np.int64
            )

        earliest = ints(-400, 2_400)
        return replace(
            side,
            earliest_s=earliest,
            latest_s=earliest + ints(1, 2_000),
            power_limit_w=ints(1, 24) if draw(st.booleans()) else None,
        )

    return OrderBook(buyers=timed(book.buyers), sellers=timed(book.sellers))


@st.composite
def supplies(draw: st.DrawFn) -> GridSupply | None:
    if draw(st.booleans()):
        return None
    three = st.lists(st.integers(-3, 8), min_size=3, max_size=3)
    limit = st.lists(st.integers(0, 24), min_size=3, max_size=3)
    return GridSupply(
        price_ueur_per_kwh=np.array(draw(three)),
        limit_w=draw(st.none() | limit.map(np.array)),
    )


def plain_gain(book: OrderBook, price: PeerPrice, grid: GridSupply | None, goal: Goal) -> int:
    """The same program with loops and Python's integers."""

    def most_wh(side: Orders) -> list[list[int]]:
        rows = []
        for row in range(len(side)):
            assert side.earliest_s is not None
            assert side.latest_s is not None
            wh = int(side.energy_wh[row])
            cells = []
            for start in (0, 900, 1_800):
                until = min(start + 900, int(side.latest_s[row]))
                seconds = max(0, until - max(start, int(side.earliest_s[row])))
                power = side.power_limit_w
                cells.append(
                    min(wh, int(power[row]) * seconds // 3_600)
                    if power is not None
                    else wh * (seconds > 0)
                )
            rows.append(cells)
        return rows

    is_energy, fee = goal == "energy", price.spread_ueur_per_kwh
    ceilings, floors = book.ceilings().tolist(), book.floors().tolist()
    buyers = list(zip(book.buyers.energy_wh.tolist(), ceilings, strict=True))
    sellers = list(zip(book.sellers.energy_wh.tolist(), floors, strict=True))
    if is_energy:
        buyers = [(wh * (most >= price.buyer_ueur_per_kwh), 0) for wh, most in buyers]
        sellers = [(wh * (least <= price.seller_ueur_per_kwh), -2) for wh, least in sellers]
    else:
        sellers = [(wh, least + fee) for wh, least in sellers]
    supply = []
    if grid is not None:
        limit = [10**6] * 3 if grid.limit_w is None else (np.asarray(grid.limit_w) // 4).tolist()
        costs = [-1] * 3 if is_energy else np.asarray(grid.price_ueur_per_kwh).tolist()
        supply = list(zip(limit, costs, strict=True))
    return reference_flow.best_gain(
        buyers=buyers,
        sellers=sellers,
        buyers_most_wh=most_wh(book.buyers),
        sellers_most_wh=most_wh(book.sellers),
        grid=supply,
    )


def gain(
    book: OrderBook, price: PeerPrice, grid: GridSupply | None, goal: Goal, day: Schedule
) -> int:
    if goal == "energy":
        return int(2 * day.sold_wh.sum() + day.grid_wh.sum())
    bought, sold = day.bought_wh.sum(axis=1), day.sold_wh.sum(axis=1)
    grid_price = np.zeros(3, np.int64) if grid is None else np.asarray(grid.price_ueur_per_kwh)
    costs = book.floors() + price.spread_ueur_per_kwh
    return int(bought @ book.ceilings() - sold @ costs - day.grid_wh @ grid_price)


@given(book=days(), price=prices, grid=supplies(), goal=goals)
def test_a_day_is_the_best_there_is_in_whole_wh(
    book: OrderBook, price: PeerPrice, grid: GridSupply | None, goal: Goal
) -> None:
    day = best_day(book, price, horizon=HORIZON, goal=goal, grid=grid)
    assert gain(book, price, grid, goal, day) == plain_gain(book, price, grid, goal)


@given(book=days(), price=prices, grid=supplies(), goal=goals)
def test_a_day_keeps_every_limit_and_conserves_energy(
    book: OrderBook, price: PeerPrice, grid: GridSupply | None, goal: Goal
) -> None:
    day = best_day(book, price, horizon=HORIZON, goal=goal, grid=grid)
    assert (day.bought_wh.sum(axis=0) == day.sold_wh.sum(axis=0) + day.grid_wh).all()
    for side, wh in ((book.buyers, day.bought_wh), (book.sellers, day.sold_wh)):
        assert wh.dtype == np.int64
        assert (wh >= 0).all()
        assert (wh <= HORIZON.most_wh(side, side.energy_wh)).all()
        assert (wh.sum(axis=1) <= side.energy_wh).all()
    if grid is None:
        assert (day.grid_wh == 0).all()
    elif grid.limit_w is not None:
        assert (day.grid_wh * 3_600 <= np.asarray(grid.limit_w) * 900).all()


@given(book=days(), price=prices, goal=goals)
def test_fills_of_a_day_keep_the_contract_of_a_mechanism(
    book: OrderBook, price: PeerPrice, goal: Goal
) -> None:
    day = best_day(book, price, horizon=HORIZON, goal=goal)
    fills = fills_of(day, book, price, goal=goal)
    assert int(fills.energy_wh.sum()) == int(day.sold_wh.sum())
    ceiling = dict(zip(book.buyers.code.tolist(), book.ceilings().tolist(), strict=True))
    floor = dict(zip(book.sellers.code.tolist(), book.floors().tolist(), strict=True))
    assert len({row[:2] for row in rows_of(fills)}) == len(fills)
    for buyer, seller, wh, paid, received in rows_of(fills):
        assert wh > 0
        assert floor[seller] <= received == paid - price.spread_ueur_per_kwh
        assert paid <= ceiling[buyer]


@given(book=books(max_size=5, has_limits=True, energy_wh=st.integers(1, 8)), price=prices)
def test_a_day_of_one_interval_has_the_welfare_of_the_uniform_price(
    book: OrderBook, price: PeerPrice
) -> None:
    fee = price.spread_ueur_per_kwh
    day = best_day(book, price, horizon=replace(HORIZON, n_intervals=1))
    best = welfare(book, MECHANISMS["uniform-price"](book, price), fee=fee)
    assert welfare(book, fills_of(day, book, price, goal="welfare"), fee=fee) == best


@pytest.mark.parametrize("name", [name for name in MECHANISMS if name != "optimum"])
@given(book=books(max_size=6, has_limits=True), price=prices)
def test_no_mechanism_has_more_welfare_than_the_optimum(
    name: str, book: OrderBook, price: PeerPrice
) -> None:
    fee = price.spread_ueur_per_kwh
    assert welfare(book, MECHANISMS[name](book, price), fee=fee) <= welfare(
        book, optimum(book, price), fee=fee
    )
