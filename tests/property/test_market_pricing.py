"""The contract of every registered pricing scheme, and money that balances to the micro-euro."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests import reference
from tests.strategies import any_wh, books
from trading.market import MECHANISMS, PRIORITIES, OrderBook, PeerPrice
from trading.market.pricing import (
    PRICINGS,
    BookTotals,
    Tariffs,
    blended,
    pricing_named,
    supply_demand_ratio,
)
from trading.units import MAX_U32

grid_prices = st.integers(-6, 6) | st.integers(-500_000, 1_000_000) | st.integers(-MAX_U32, MAX_U32)
totals = st.builds(BookTotals, demand_wh=st.just(0) | any_wh, supply_wh=st.just(0) | any_wh)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariffs:
    low, high = sorted([draw(grid_prices), draw(grid_prices)])
    fee = draw(st.integers(0, 3) | st.integers(0, 20_000) | st.integers(0, MAX_U32))
    floor = draw(st.none() | st.integers(0, 600_000) | st.integers(0, MAX_U32))
    return Tariffs(buy=high, feed_in=low, lot_fee=fee, floor=floor)


@pytest.mark.parametrize("name", PRICINGS)
@given(totals=totals, grid=tariffs())
@example(totals=BookTotals(demand_wh=5, supply_wh=3), grid=Tariffs(buy=0, feed_in=0))
def test_a_price_leaves_nobody_worse_off_than_on_the_grid(
    name: str, totals: BookTotals, grid: Tariffs
) -> None:
    price = PRICINGS[name](totals, grid)
    if price is not None:
        assert price.spread_ueur_per_kwh == grid.lot_fee
        # What sellers need counts unless they are told otherwise.
        assert max(0, grid.least_to_seller) <= price.seller_ueur_per_kwh
        assert price.buyer_ueur_per_kwh <= grid.buy
    elif name in ("mid-market", "supply-demand") and totals.demand_wh and totals.supply_wh:
        # There is none only where the fee leaves no room above nothing and above feeding in.
        room = grid.most_to_seller - max(0, grid.least_to_seller)
        assert room < 0 or (name == "mid-market" and grid.most_to_seller < -grid.feed_in)


@pytest.mark.parametrize("name", PRICINGS)
@given(totals=totals, grid=tariffs(), dearer=st.integers(0, 300_000))
def test_a_scheme_without_a_number_has_a_price_wherever_one_suits_both(
    name: str, totals: BookTotals, grid: Tariffs, dearer: int
) -> None:
    suits_both = max(0, grid.least_to_seller) <= grid.most_to_seller
    has_both_sides = totals.demand_wh > 0 and totals.supply_wh > 0
    if grid.floor is not None and suits_both and (name != "supply-demand" or has_both_sides):
        assert PRICINGS[name](totals, grid) is not None
    # And a fixed price is the same in cheaper hours, where it may suit nobody.
    least = Tariffs(buy=MAX_U32, feed_in=-MAX_U32, lot_fee=grid.lot_fee, floor=grid.floor)
    highest = min(max(grid.buy, 0) + dearer, MAX_U32)
    hours = [replace(least, buy=buy, highest_buy=highest) for buy in (highest, highest - dearer)]
    prices = {PRICINGS["fixed"](totals, hour) for hour in hours} - {None}
    assert len(prices) <= 1


@pytest.mark.parametrize("name", ["mid-market", "supply-demand"])
@given(totals=totals, grid=tariffs())
def test_what_sellers_could_get_elsewhere_can_be_told(
    name: str, totals: BookTotals, grid: Tariffs
) -> None:
    published = replace(grid, floor=None)
    assert pricing_named(f"{name}:feed-in")(totals, grid) == PRICINGS[name](totals, published)
    told = replace(grid, floor=120_000)
    assert pricing_named(f"{name}:0.12")(totals, grid) == PRICINGS[name](totals, told)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", PRICINGS)
@given(book=books(), grid=tariffs())
def test_money_balances_to_the_micro_euro(
    name: str, mechanism: str, book: OrderBook, grid: Tariffs
) -> None:
    totals = BookTotals.of(book)
    price = PRICINGS[name](totals, grid)
    if price is None:
        return
    fills = MECHANISMS[mechanism](book, price)
    bill = blended(fills, totals, grid)
    energy_wh = fills.energy_wh.tolist()
    paid = [
        reference.cost_ueur(wh, each)
        for wh, each in zip(energy_wh, fills.price_ueur_per_kwh.tolist(), strict=True)
    ]
    got = [
        reference.cost_ueur(wh, each)
        for wh, each in zip(energy_wh, fills.seller_price_ueur_per_kwh.tolist(), strict=True)
    ]
    assert all(one >= other for one, other in zip(paid, got, strict=True))
    assert bill.to_peers_ueur == sum(paid)
    assert bill.to_peers_ueur == bill.to_sellers_ueur + bill.to_lot_ueur
    assert bill.to_sellers_ueur == sum(got)
    assert bill.peers_wh + bill.grid_wh == totals.demand_wh
    assert bill.peers_wh + bill.feed_in_wh == totals.supply_wh
    assert bill.to_grid_ueur == ceil(Fraction(bill.grid_wh * grid.buy, 1_000))
    assert bill.from_grid_ueur == floor(Fraction(bill.feed_in_wh * grid.feed_in, 1_000))
    if mechanism in PRIORITIES:
        # At a posted price buyers as a whole pay no more than with the grid alone.
        assert bill.buyers_pay_ueur <= ceil(Fraction(totals.demand_wh * grid.buy, 1_000))


@given(demand_wh=any_wh, supply_wh=any_wh, more_wh=any_wh, grid=tariffs())
def test_the_ratio_is_exact_and_falls_with_supply(
    demand_wh: int, supply_wh: int, more_wh: int, grid: Tariffs
) -> None:
    price = supply_demand_ratio(BookTotals(demand_wh=demand_wh, supply_wh=supply_wh), grid)
    later = supply_demand_ratio(
        BookTotals(demand_wh=demand_wh, supply_wh=supply_wh + more_wh), grid
    )
    assert (price is None) == (later is None)
    if price is None or later is None:
        return
    assert later.seller_ueur_per_kwh <= price.seller_ueur_per_kwh
    low, high = max(0, grid.least_to_seller), grid.most_to_seller
    ratio = min(Fraction(1), Fraction(supply_wh, demand_wh))
    exact = Fraction(low * high) / ((high - low) * ratio + low) if high else Fraction(0)
    assert price == PeerPrice(
        buyer_ueur_per_kwh=floor(exact) + grid.lot_fee, seller_ueur_per_kwh=floor(exact)
    )
