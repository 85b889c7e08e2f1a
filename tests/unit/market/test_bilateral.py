from __future__ import annotations

import numpy as np
import pytest

from tests.unit.market.books import rows_of, side
from trading.errors import OptionError
from trading.market import OrderBook, PeerPrice
from trading.market.bilateral import bilateral

PRICE = PeerPrice(buyer_ueur_per_kwh=22, seller_ueur_per_kwh=20)

# Buyers 0 and 1, sellers 2 to 4; group 7 is a company, source 1 is solar.
BOOK = OrderBook(
    buyers=side([(6, 50), (9, 40)], 0, group=[7, -1], energy_source=[-1, 1]),
    sellers=side([(4, 10), (5, 25), (9, 5)], 2, group=[-1, 7, -1], energy_source=[1, -1, 0]),
)


def test_the_group_comes_first_then_the_source_then_anyone() -> None:
    assert rows_of(bilateral(BOOK, PRICE)) == [
        (0, 3, 5, 27, 25),
        (1, 2, 4, 22, 20),
        (0, 4, 1, 22, 20),
        (1, 4, 5, 22, 20),
    ]


def test_the_order_of_preferences_is_a_choice() -> None:
    first = bilateral(BOOK, PRICE, preferences=("energy_source",))
    assert rows_of(first)[0] == (1, 2, 4, 22, 20)
    assert rows_of(bilateral(BOOK, PRICE, preferences=()))[0] == (0, 4, 6, 22, 20)


def test_a_pair_can_meet_in_the_middle() -> None:
    fills = bilateral(BOOK, PRICE, pair_price="midpoint")
    assert fills.price_ueur_per_kwh.tolist() == [38, 26, 28, 23]
    assert fills.seller_price_ueur_per_kwh.tolist() == [36, 24, 26, 21]


def test_groups_may_be_any_numbers() -> None:
    book = OrderBook(
        buyers=side([(6, 50)], 0, group=[2**62]),
        sellers=side([(6, 1), (6, 9)], 1, group=[5, 2**62]),
    )
    assert bilateral(book, PRICE).seller.tolist() == [2]


def test_a_book_without_preferences_trades_as_one() -> None:
    book = OrderBook(buyers=side([(6, 50)], 0), sellers=side([(6, 1), (6, 9)], 1))
    assert bilateral(book, PRICE).seller.tolist() == [1]
    assert np.array_equal(bilateral(book, PRICE).energy_wh, [6])


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(OptionError, match="preferences='colour': expected group or energy_source"):
        bilateral(BOOK, PRICE, preferences=("colour",))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="pair_price='low': expected posted or midpoint"):
        bilateral(BOOK, PRICE, pair_price="low")  # type: ignore[arg-type]
