"""The contract of every registered pricing scheme, and money that balances to the micro-euro."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests import reference
from tests.strategies import any_wh, books
from trading.market import MECHANISMS, PRIORITIES, OrderBook, PeerPrice
from trading.market.pricing import PRICINGS, BookTotals, Tariffs, blended, supply_demand_ratio
from trading.units import MAX_U32

grid_prices = st.integers(-6, 6) | st.integers(-500_000, 1_000_000) | st.integers(-MAX_U32, MAX_U32)
totals = st.builds(BookTotals, demand_wh=st.just(0) | any_wh, supply_wh=st.just(0) | any_wh)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariffs:
    low, high = sorted([draw(grid_prices), draw(grid_prices)])
    fee = draw(st.integers(0, 3) | st.integers(0, 20_000) | st.integers(0, MAX_U32))
    return Tariffs(buy=high, feed_in=low, lot_fee=fee)


@pytest.mark.parametrize("name", PRICINGS)
@given(totals=totals, grid=tariffs())
@example(totals=BookTotals(demand_wh=5, supply_wh=3), grid=Tariffs(buy=0, feed_in=0))
def test_a_price_leaves_nobody_worse_off_than_on_the_grid(
    name: str, totals: BookTotals, grid: Tariffs
) -> None:
    price = PRICINGS[name](totals, grid)
    if price is not None:
        assert price.spread_ueur_per_kwh == grid.lot_fee
        assert max(0, grid.feed_in) <= price.seller_ueur_per_kwh
        assert price.buyer_ueur_per_kwh <= grid.buy
    elif name in ("mid-market", "supply-demand") and totals.demand_wh and totals.supply_wh:
        # There is none only where the fee leaves no room above nothing and above feeding in.
        room = grid.buy - grid.lot_fee - max(0, grid.feed_in)
        assert room < 0 or (name == "mid-market" and grid.buy - grid.lot_fee < -grid.feed_in)


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
    low, high = max(0, grid.feed_in), grid.buy - grid.lot_fee
    ratio = min(Fraction(1), Fraction(supply_wh, demand_wh))
    exact = Fraction(low * high) / ((high - low) * ratio + low) if high else Fraction(0)
    assert price == PeerPrice(
        buyer_ueur_per_kwh=floor(exact) + grid.lot_fee, seller_ueur_per_kwh=floor(exact)
    )
