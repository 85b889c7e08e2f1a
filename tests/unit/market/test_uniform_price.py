from __future__ import annotations

from fractions import Fraction

import pytest

from tests.unit.market.books import Row, book_of, rows_of
from trading.errors import OptionError
from trading.market import PeerPrice
from trading.market.crossing import crossing
from trading.market.uniform_price import uniform_price
from trading.units import MAX_U32

FREE = PeerPrice.same(0)

CASES: dict[str, tuple[list[Row], list[Row], int, tuple[int, int] | None]] = {
    "empty": ([], [], 0, None),
    "only buyers": ([(5, 30), (5, 20)], [], 0, (30, 30)),
    "only sellers": ([], [(5, 10)], 0, (10, 10)),
    "apart": ([(5, 10)], [(5, 20)], 0, (10, 20)),
    "touching": ([(5, 20)], [(5, 20)], 5, (20, 20)),
    "one pair of a size": ([(5, 30)], [(5, 10)], 5, (10, 30)),
    "a buyer in part": ([(9, 30)], [(5, 10)], 5, (30, 30)),
    "a seller in part": ([(5, 30)], [(9, 10)], 5, (10, 10)),
    "bounded by who is left out": ([(5, 40), (5, 20)], [(5, 10), (5, 30)], 5, (20, 30)),
    "all at one price": ([(3, 7), (4, 7)], [(5, 7), (6, 7)], 7, (7, 7)),
    "everything free": ([(3, 0)], [(5, 0)], 3, (0, 0)),
    "the whole scale": ([(3, MAX_U32)], [(3, 0)], 3, (0, MAX_U32)),
}


@pytest.mark.parametrize(("bids", "asks", "volume_wh", "interval"), CASES.values(), ids=CASES)
def test_volume_and_interval_of_a_book(
    bids: list[Row], asks: list[Row], volume_wh: int, interval: tuple[int, int] | None
) -> None:
    crossed = crossing(book_of(bids, asks))
    assert crossed.volume_wh == volume_wh
    assert crossed.price_interval() == interval
    fills = uniform_price(book_of(bids, asks), FREE)
    assert fills.energy_wh.sum() == volume_wh
    if volume_wh and interval:
        assert set(fills.price_ueur_per_kwh.tolist()) == {sum(interval) // 2}


@pytest.mark.parametrize(
    ("k", "price"), [(0, 10), (1, 31), (0.5, 20), (Fraction(1, 3), 17), (0.999, 30)]
)
def test_k_says_where_in_the_interval_the_price_is(k: float | Fraction, price: int) -> None:
    fills = uniform_price(book_of([(5, 31)], [(5, 10)]), FREE, k=k)
    assert fills.price_ueur_per_kwh.tolist() == [price]


@pytest.mark.parametrize("k", [-0.1, 1.1, float("nan")])
def test_k_is_refused_outside_0_to_1(k: float) -> None:
    with pytest.raises(OptionError, match="expected a share from 0 to 1"):
        uniform_price(book_of([(5, 31)], [(5, 10)]), FREE, k=k)


def test_of_equal_limits_the_smaller_id_trades_first_and_one_order_in_part() -> None:
    fills = uniform_price(book_of([(4, 30), (4, 30), (4, 30)], [(6, 10)]), FREE)
    assert rows_of(fills) == [(0, 3, 4, 30, 30), (1, 3, 2, 30, 30)]


def test_the_fee_is_between_the_two_prices_and_keeps_out_who_cannot_pay_it() -> None:
    fee = PeerPrice(buyer_ueur_per_kwh=5, seller_ueur_per_kwh=0)
    fills = uniform_price(book_of([(4, 30), (4, 14)], [(4, 10), (4, 10)]), fee)
    assert rows_of(fills) == [(0, 2, 4, 15, 10)]
