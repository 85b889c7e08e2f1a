from __future__ import annotations

import numpy as np
import pytest

from tests import reference
from trading.market import order_book, order_side
from trading.market.pro_rata import shares_wh
from trading.units import MAX_U32


def test_a_side_is_in_order_of_code_and_without_orders_of_nothing() -> None:
    side = order_side(
        code=np.array([7, 3, 5, 1]),
        energy_wh=np.array([70, 0, 50, 10]),
        soc=np.array([0.7, 0.3, 0.5, 0.1]),
        arrival=np.array([17, 13, 15, 11]),
    )
    assert len(side) == 3
    assert side.code.tolist() == [1, 5, 7]
    assert side.energy_wh.tolist() == [10, 50, 70]
    assert side.soc.tolist() == [0.1, 0.5, 0.7]
    assert side.arrival.tolist() == [11, 15, 17]


def test_orders_of_nothing_are_dropped_when_codes_are_in_order_already() -> None:
    side = order_side(
        code=np.array([1, 3, 5]), energy_wh=np.array([10, 0, 50]), soc=np.array([0.1, 0.3, 0.5])
    )
    assert side.code.tolist() == [1, 5]
    assert side.energy_wh.tolist() == [10, 50]
    assert side.arrival.tolist() == [0, 0]


def test_a_book_takes_its_codes_from_the_rows_or_as_given() -> None:
    energies = {
        "required_wh": np.array([0, 500, 0, 300]),
        "available_wh": np.array([800, 0, 0, 0]),
        "soc": np.array([0.9, 0.5, 0.7, 0.4]),
    }
    by_row = order_book(**energies)
    assert by_row.buyers.code.tolist() == [1, 3]
    assert by_row.sellers.code.tolist() == [0]
    given = order_book(**energies, code=np.array([9, 8, 7, 6]), arrival=np.array([4, 3, 2, 1]))
    assert given.buyers.code.tolist() == [6, 8]
    assert given.buyers.arrival.tolist() == [1, 3]
    assert given.buyers.energy_wh.tolist() == [300, 500]
    assert given.sellers.code.tolist() == [9]


@pytest.mark.parametrize("total_wh", [2**31 - 1, 2**31, 2**31 + 1, MAX_U32 - 2, 2 * MAX_U32 - 1])
def test_shares_are_exact_on_both_sides_of_63_bits(total_wh: int) -> None:
    sizes = [MAX_U32, MAX_U32, 3]
    queue = [reference.Order(str(i), wh, 0.5, 0) for i, wh in enumerate(sizes)]
    expected = [order.energy_wh for order in reference.shares(queue, total_wh)]
    assert shares_wh(np.array(sizes), total_wh).tolist() == expected
