from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_market import totals
from tests.strategies import books
from tests.unit.market.books import book_of, rows_of
from trading.errors import OptionError
from trading.market import MECHANISMS, OrderBook, PeerPrice
from trading.market.small import leave_small, merge_small

PRICE = PeerPrice.same(3)


@pytest.mark.parametrize("name", ["pro-rata", "uniform-price", "bilateral"])
@given(book=books(), smallest_wh=st.integers(0, 6))
def test_nothing_small_stays_and_no_energy_is_made(
    name: str, book: OrderBook, smallest_wh: int
) -> None:
    fills = MECHANISMS[name](book, PRICE)
    total_wh = int(fills.energy_wh.sum())
    left, merged = (
        leave_small(fills, smallest_wh=smallest_wh),
        merge_small(book, fills, smallest_wh=smallest_wh),
    )
    for result in (left, merged):
        assert (result.fills.energy_wh >= smallest_wh).all()
        assert int(result.fills.energy_wh.sum()) + result.residual_wh == total_wh
        assert len(result.fills) + result.n_merged + result.n_left == len(fills)
        for side, codes in (
            (book.buyers, result.fills.buyer),
            (book.sellers, result.fills.seller),
        ):
            traded = totals(codes, result.fills.energy_wh)
            assert traded <= totals(side.code, side.energy_wh)
        prices = Counter(row[:2] + row[3:] for row in rows_of(fills))
        assert Counter(row[:2] + row[3:] for row in rows_of(result.fills)) <= prices
    assert merged.residual_wh <= left.residual_wh


def test_a_small_trade_goes_to_the_buyers_other_seller_who_has_some_left() -> None:
    book = book_of([(1_050, 9)], [(50, 1), (2_000, 2)])
    fills = MECHANISMS["uniform-price"](book, PRICE)
    assert [row[:3] for row in rows_of(fills)] == [(0, 1, 50), (0, 2, 1_000)]
    merged = merge_small(book, fills)
    assert [row[:3] for row in rows_of(merged.fills)] == [(0, 2, 1_050)]
    assert (merged.n_merged, merged.n_left, merged.residual_wh) == (1, 0, 0)
    assert leave_small(fills).residual_wh == 50


def test_a_small_trade_is_left_when_nobody_has_room() -> None:
    book = book_of([(1_050, 9)], [(50, 1), (1_000, 2)])
    merged = merge_small(book, MECHANISMS["uniform-price"](book, PRICE))
    assert (merged.n_merged, merged.n_left, merged.residual_wh) == (0, 1, 50)


def test_a_negative_size_is_refused() -> None:
    fills = MECHANISMS["arrival"](book_of([], []), PRICE)
    with pytest.raises(OptionError, match="smallest_wh=-1: expected 0 Wh or more"):
        leave_small(fills, smallest_wh=-1)
    assert np.array_equal(leave_small(fills).fills.energy_wh, [])
