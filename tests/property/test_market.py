"""The contract that every registered mechanism keeps, whatever the book.

A new mechanism joins by being registered; it needs an entry in `tests/reference.py`.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import reference, reference_auctions
from tests.strategies import books, fleets, order_tables, peer_prices, thresholds
from trading.fleet import Thresholds, roles
from trading.market import (
    MECHANISMS,
    PRIORITIES,
    Fills,
    OrderBook,
    Orders,
    PeerPrice,
    clear,
    orders_of,
)
from trading.market.pro_rata import shares_wh
from trading.tables import TRADES, check
from trading.units import MAX_U32

PRICE = PeerPrice(buyer_ueur_per_kwh=300_001, seller_ueur_per_kwh=249_999)
EXHAUSTIVE = tuple(PRIORITIES)
"""Mechanisms that promise to trade whatever both sides allow."""

# A table through pandera and pandas takes a hundred times as long as a book.
few = settings(max_examples=settings().max_examples // 4)
every_mechanism = pytest.mark.parametrize("name", MECHANISMS)


def as_orders(side: Orders, limits: np.ndarray) -> list[reference.Order]:
    none = np.full(len(side), -1)
    columns = (
        side.code,
        side.energy_wh,
        side.soc,
        side.arrival,
        limits,
        none if side.group is None else side.group,
        none if side.energy_source is None else side.energy_source,
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [reference.Order(f"{code:04}", *others) for code, *others in rows]


def totals(codes: np.ndarray, energy_wh: np.ndarray) -> Counter[int]:
    sums: Counter[int] = Counter()
    for code, energy in zip(codes.tolist(), energy_wh.tolist(), strict=True):
        sums[code] += energy
    return sums


def as_lists(fills: Fills) -> list[list[int]]:
    return [getattr(fills, name).tolist() for name in Fills.__slots__]


@every_mechanism
@given(book=books(), price=peer_prices())
def test_fills_agree_with_the_reference_trade_by_trade(
    name: str, book: OrderBook, price: PeerPrice
) -> None:
    found = [
        reference_auctions.Priced(f"{buyer:04}", f"{seller:04}", *others)
        for buyer, seller, *others in zip(*as_lists(MECHANISMS[name](book, price)), strict=True)
    ]
    expected = reference_auctions.MECHANISMS[name](
        as_orders(book.buyers, book.ceilings()),
        as_orders(book.sellers, book.floors()),
        price.buyer_ueur_per_kwh,
        price.seller_ueur_per_kwh,
    )
    assert found == expected


@every_mechanism
@given(book=books(), price=peer_prices())
def test_nobody_trades_more_than_its_order(name: str, book: OrderBook, price: PeerPrice) -> None:
    fills = MECHANISMS[name](book, price)
    for side, codes in ((book.buyers, fills.buyer), (book.sellers, fills.seller)):
        allowed = totals(side.code, side.energy_wh)
        assert all(wh <= allowed[code] for code, wh in totals(codes, fills.energy_wh).items())


@every_mechanism
@given(book=books(), price=peer_prices())
def test_fills_keep_the_contract_of_a_mechanism(
    name: str, book: OrderBook, price: PeerPrice
) -> None:
    fills = MECHANISMS[name](book, price)
    lists = as_lists(fills)
    assert {len(values) for values in lists} == {len(fills)}
    assert all(getattr(fills, column).dtype == np.int64 for column in Fills.__slots__)
    assert (fills.energy_wh > 0).all()
    spread = fills.price_ueur_per_kwh - fills.seller_price_ueur_per_kwh
    assert (spread >= price.spread_ueur_per_kwh).all()
    assert len(set(zip(*lists[:2], strict=True))) == len(fills)
    assert as_lists(MECHANISMS[name](book, price)) == lists


@every_mechanism
@given(book=books(), price=peer_prices())
def test_nobody_trades_beyond_its_limit(name: str, book: OrderBook, price: PeerPrice) -> None:
    fills = MECHANISMS[name](book, price)
    ceiling = dict(zip(book.buyers.code.tolist(), book.ceilings().tolist(), strict=True))
    floor = dict(zip(book.sellers.code.tolist(), book.floors().tolist(), strict=True))
    for buyer, seller, _, paid, received in zip(*as_lists(fills), strict=True):
        assert floor[seller] <= received
        assert paid <= ceiling[buyer]


@pytest.mark.parametrize("name", EXHAUSTIVE)
@given(book=books(has_limits=False))
def test_total_is_the_smaller_of_both_sides(name: str, book: OrderBook) -> None:
    total_wh = int(MECHANISMS[name](book, PRICE).energy_wh.sum())
    assert total_wh == min(int(book.buyers.energy_wh.sum()), int(book.sellers.energy_wh.sum()))


@every_mechanism
@few
@given(table=order_tables(), data=st.data())
def test_reordering_rows_changes_nothing(
    name: str, table: pd.DataFrame, data: st.DataObject
) -> None:
    shuffled = table.iloc[data.draw(st.permutations(range(len(table))))]
    trades = clear(table, mechanism=name, price=PRICE)
    pd.testing.assert_frame_equal(clear(shuffled, mechanism=name, price=PRICE), trades)


@every_mechanism
@few
@given(table=order_tables())
def test_renaming_in_order_changes_only_labels(name: str, table: pd.DataFrame) -> None:
    renamed = {old: f"ev-{rank:03}" for rank, old in enumerate(sorted(table["vehicle_id"]))}
    other = table.assign(vehicle_id=table["vehicle_id"].map(renamed))
    trades = clear(table, mechanism=name, price=PRICE)
    expected = trades.assign(
        buyer_id=trades["buyer_id"].map(renamed), seller_id=trades["seller_id"].map(renamed)
    )
    pd.testing.assert_frame_equal(
        clear(other, mechanism=name, price=PRICE), expected, check_dtype=False
    )


@every_mechanism
@few
@given(table=order_tables(), price=peer_prices())
def test_trades_cost_energy_times_price_rounded_down(
    name: str, table: pd.DataFrame, price: PeerPrice
) -> None:
    trades = clear(table, mechanism=name, price=price)
    for row in trades.itertuples():
        assert row.cost_ueur == reference.cost_ueur(row.energy_wh, row.price_ueur_per_kwh)
        assert row.income_ueur == reference.cost_ueur(row.energy_wh, row.seller_price_ueur_per_kwh)
        assert row.income_ueur <= row.cost_ueur
    if len(trades):
        check(trades, TRADES)


@every_mechanism
@few
@given(fleet=fleets(), limits=thresholds())
def test_a_fleet_trades_what_equations_2_and_3_allow(
    name: str, fleet: pd.DataFrame, limits: Thresholds
) -> None:
    table = roles(fleet, buyer_threshold=limits.buyer, seller_threshold=limits.seller)
    trades = clear(orders_of(table, fleet), mechanism=name, price=PRICE)
    by_id = table.set_index("vehicle_id")
    for side, column in (("buyer_id", "required_wh"), ("seller_id", "available_wh")):
        traded = trades.groupby(side)["energy_wh"].sum()
        assert (traded <= by_id.loc[traded.index, column]).all()
    if name in EXHAUSTIVE:
        expected = min(table["required_wh"].sum(), table["available_wh"].sum())
        assert trades["energy_wh"].sum() == expected


@given(
    wh=st.lists(st.integers(0, 6) | st.integers(0, MAX_U32), min_size=1, max_size=12),
    part=st.fractions(0, 1),
)
@example(wh=[MAX_U32] * 5, part=0.4)
@example(wh=[0, 0], part=0)
def test_shares_are_whole_proportional_and_exact(wh: list[int], part: float) -> None:
    total_wh = int(sum(wh) * part)
    shares = shares_wh(np.array(wh, dtype=np.int64), total_wh).tolist()
    assert sum(shares) == total_wh
    for order_wh, share_wh in zip(wh, shares, strict=True):
        assert share_wh <= order_wh
        # Quota rule: the exact share, rounded down or up.
        assert abs(share_wh * sum(wh) - order_wh * total_wh) < max(1, sum(wh))
