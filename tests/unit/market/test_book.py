from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests import reference
from trading.errors import OptionError, TableError
from trading.market import order_book, order_side
from trading.market.book import ALWAYS_S
from trading.market.orders import coded_book
from trading.market.pro_rata import shares_wh
from trading.tables import ORDERS, check
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


def test_an_order_that_comes_twice_is_refused() -> None:
    with pytest.raises(OptionError, match="code=3: expected one order a vehicle, found two"):
        order_side(code=np.array([3, 1, 3]), energy_wh=np.array([1, 1, 1]), soc=np.zeros(3))


def test_a_book_without_limits_takes_any_price() -> None:
    book = order_book(
        required_wh=np.array([1, 0]), available_wh=np.array([0, 1]), soc=np.array([0.1, 0.9])
    )
    assert book.ceilings().tolist() == [MAX_U32]
    assert book.floors().tolist() == [0]


def test_optional_columns_go_along_with_their_orders() -> None:
    names = ("limit_price_ueur_per_kwh", "earliest_s", "latest_s", "power_limit_w", "group")
    columns = {name: np.array([7, 3, 5]) + 10 * i for i, name in enumerate(names)}
    side = order_side(
        code=np.array([7, 3, 5]), energy_wh=np.array([1, 0, 1]), soc=np.zeros(3), **columns
    )
    for i, name in enumerate(names):
        assert getattr(side, name).tolist() == [5 + 10 * i, 7 + 10 * i]
    assert side.energy_source is None


ORDER_TABLE = pd.DataFrame(
    {
        "vehicle_id": ["b", "a", "c"],
        "side": ["buy", "sell", "buy"],
        "energy_wh": 1,
        "soc": 0.5,
        "arrival": 0,
        "limit_price_ueur_per_kwh": [5, 3, 4],
        "earliest": pd.to_datetime(["2019-10-29T08:00Z", None, "2019-10-29T09:00Z"]),
        "latest": pd.to_datetime(["2019-10-29T09:00Z", None, None]),
        "power_limit_w": [11_000, 22_000, 7_400],
        "group": ["X", None, ""],
        "energy_source": ["solar", "solar", "wind"],
    }
)


def test_optional_columns_of_a_table_reach_the_book() -> None:
    book = coded_book(check(ORDER_TABLE, ORDERS)).book
    buyers, sellers = book.buyers, book.sellers
    assert book.ceilings().tolist() == [5, 4]
    assert book.floors().tolist() == [3]
    nine = 1_572_339_600
    assert buyers.earliest_s is not None
    assert buyers.earliest_s.tolist() == [nine - 3_600, nine]
    assert buyers.latest_s is not None
    assert buyers.latest_s.tolist() == [nine, ALWAYS_S[1]]
    assert sellers.earliest_s is not None
    assert sellers.earliest_s.tolist() == [ALWAYS_S[0]]
    assert buyers.power_limit_w is not None
    assert buyers.power_limit_w.tolist() == [11_000, 7_400]
    assert buyers.group is not None
    assert buyers.group.tolist() == [0, -1]
    assert sellers.group is not None
    assert sellers.group.tolist() == [-1]
    assert buyers.energy_source is not None
    assert buyers.energy_source.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("limit_price_ueur_per_kwh", [5, -1, 4], "whole micro-euro per kWh from 0"),
        ("power_limit_w", [1, 1, 0], "whole W from 1"),
        ("latest", pd.to_datetime(["2019-10-29T08:00Z"] * 3), "a time later than `earliest`"),
    ],
)
def test_an_optional_column_is_checked_where_it_is_there(
    column: str, value: object, expected: str
) -> None:
    with pytest.raises(TableError, match=expected):
        check(ORDER_TABLE.assign(**{column: value}), ORDERS)
