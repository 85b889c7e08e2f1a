from __future__ import annotations

import pandas as pd
import pytest

from trading.errors import OptionError, TableError
from trading.fleet import roles
from trading.market import MECHANISMS, PeerPrice, clear, mechanism_named, orders_of
from trading.tables import ORDERS, TRADES
from trading.units import MAX_U32

PRICE = PeerPrice.same(250_000)
LOSSY = ("mcafee", "muda")
NEEDED = [name for name, column in ORDERS.columns.items() if column.required]

# Vehicle, side, Wh, SoC, arrival. Each rule serves this book in another order.
BOOK = pd.DataFrame(
    [
        ("b1", "buy", 5_000, 0.40, 3),
        ("b2", "buy", 9_000, 0.50, 2),
        ("b3", "buy", 4_000, 0.20, 2),
        ("s1", "sell", 6_000, 0.85, 9),
        ("s2", "sell", 3_000, 0.95, 1),
    ],
    columns=NEEDED,
)


def pairs(trades: pd.DataFrame) -> list[tuple[str, str, int]]:
    return list(trades[["buyer_id", "seller_id", "energy_wh"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("mechanism", "expected"),
    [
        ("arrival", [("b2", "s2", 3_000), ("b2", "s1", 6_000)]),
        ("neediest", [("b3", "s2", 3_000), ("b3", "s1", 1_000), ("b1", "s1", 5_000)]),
        ("largest", [("b2", "s1", 6_000), ("b2", "s2", 3_000)]),
        (
            "pro-rata",
            [("b1", "s1", 2_500), ("b2", "s1", 3_500), ("b2", "s2", 1_000), ("b3", "s2", 2_000)],
        ),
    ],
)
def test_each_rule_serves_the_same_book_in_its_own_order(
    mechanism: str, expected: list[tuple[str, str, int]]
) -> None:
    assert pairs(clear(BOOK, mechanism=mechanism, price=PRICE)) == expected


def test_sellers_share_when_there_is_more_to_sell_than_to_buy() -> None:
    book = BOOK[BOOK["vehicle_id"].isin(["b3", "s1", "s2"])]
    # 4000 * 6000 / 9000 = 2666 2/3 and 4000 * 3000 / 9000 = 1333 1/3.
    assert pairs(clear(book, price=PRICE)) == [("b3", "s1", 2_667), ("b3", "s2", 1_333)]


def test_equal_remainders_go_to_the_first_vehicle_id() -> None:
    book = pd.DataFrame(
        [
            ("c", "buy", 5, 0.1, 0),
            ("a", "buy", 5, 0.1, 0),
            ("b", "buy", 5, 0.1, 0),
            ("s", "sell", 10, 0.9, 0),
        ],
        columns=NEEDED,
    )
    assert pairs(clear(book, price=PRICE)) == [("a", "s", 4), ("b", "s", 3), ("c", "s", 3)]


def test_shares_are_exact_when_products_pass_63_bits() -> None:
    book = pd.DataFrame(
        [(f"b{i}", "buy", MAX_U32 - i, 0.1, 0) for i in range(3)]
        + [(f"s{i}", "sell", MAX_U32, 0.9, 0) for i in range(2)],
        columns=NEEDED,
    )
    bought = clear(book, price=PRICE).groupby("buyer_id")["energy_wh"].sum()
    demand, supply = 3 * MAX_U32 - 3, 2 * MAX_U32
    exact = [(MAX_U32 - i) * supply / demand for i in range(3)]
    assert bought.sum() == supply
    assert bought.tolist() == pytest.approx(exact, abs=1.0)


def test_both_prices_and_both_sums_are_in_the_trades() -> None:
    price = PeerPrice(buyer_ueur_per_kwh=300_001, seller_ueur_per_kwh=200_003)
    trades = clear(BOOK, mechanism="arrival", price=price)
    assert trades["price_ueur_per_kwh"].tolist() == [300_001, 300_001]
    assert trades["cost_ueur"].tolist() == [900_003, 1_800_006]
    assert trades["seller_price_ueur_per_kwh"].tolist() == [200_003, 200_003]
    assert trades["income_ueur"].tolist() == [600_009, 1_200_018]


def test_cost_is_rounded_down() -> None:
    book = pd.DataFrame([("b", "buy", 1, 0.1, 0), ("s", "sell", 1, 0.9, 0)], columns=NEEDED)
    assert clear(book, price=PeerPrice.same(1_999))["cost_ueur"].tolist() == [1]


def test_a_price_of_zero_is_a_price() -> None:
    assert clear(BOOK, price=PeerPrice.same(0))["cost_ueur"].eq(0).all()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    "book",
    [
        pd.DataFrame(columns=NEEDED),
        BOOK.iloc[:0],
        BOOK[BOOK["side"] == "buy"],
        BOOK[BOOK["side"] == "sell"],
        BOOK.iloc[[0]],
    ],
    ids=["no columns' types", "no rows", "only buyers", "only sellers", "one order"],
)
def test_there_are_no_trades_when_a_side_is_empty(mechanism: str, book: pd.DataFrame) -> None:
    trades = clear(book, mechanism=mechanism, price=PRICE)
    full = clear(BOOK, mechanism=mechanism, price=PRICE)
    assert len(trades) == 0
    assert list(trades) == list(TRADES.columns)
    assert trades.dtypes.to_dict() == full.dtypes.to_dict()


# McAfee leaves out the last pair when there is no next one; MUDA deals these two into two halves.
@pytest.mark.parametrize("mechanism", [name for name in MECHANISMS if name not in LOSSY])
def test_one_buyer_and_one_seller_of_the_same_size_make_one_trade(mechanism: str) -> None:
    book = BOOK.iloc[[0, 3]].assign(energy_wh=7)
    assert pairs(clear(book, mechanism=mechanism, price=PRICE)) == [("b1", "s1", 7)]


def test_the_orders_are_left_as_they_were() -> None:
    before = BOOK.copy(deep=True)
    clear(BOOK, price=PRICE)
    pd.testing.assert_frame_equal(BOOK, before)


def test_a_misspelt_mechanism_is_refused_with_the_nearest() -> None:
    with pytest.raises(OptionError) as caught:
        clear(BOOK, mechanism="prorata", price=PRICE)
    assert str(caught.value) == (
        f"mechanism='prorata': expected one of {', '.join(MECHANISMS)}; did you mean 'pro-rata'?"
    )
    with pytest.raises(OptionError) as caught:
        clear(BOOK, mechanism="zzz", price=PRICE)
    assert "did you mean" not in str(caught.value)


def test_an_auction_is_refused_where_a_posted_price_is_needed() -> None:
    with pytest.raises(OptionError) as caught:
        mechanism_named("uniform-price", option="priority")
    assert str(caught.value) == (
        "priority='uniform-price': expected one of pro-rata, arrival, neediest, largest; "
        "uniform-price finds its price from limit prices, and there are none here"
    )


def test_orders_are_refused_when_a_vehicle_is_on_both_sides() -> None:
    book = BOOK.assign(vehicle_id=["x", "b2", "b3", "s1", "x"])
    with pytest.raises(TableError, match="row 4, column 'vehicle_id': found 'x', expected an id"):
        clear(book, price=PRICE)


def test_orders_are_refused_when_a_column_is_missing() -> None:
    with pytest.raises(TableError, match="column 'soc': expected this column, but it is missing"):
        clear(BOOK.iloc[:0].drop(columns="soc"), price=PRICE)


@pytest.mark.parametrize(
    ("buyer", "seller", "message"),
    [
        (-1, 0, f"buyer_ueur_per_kwh=-1: expected micro-euro per kWh from 0 to {MAX_U32}"),
        (MAX_U32 + 1, 0, f"expected micro-euro per kWh from 0 to {MAX_U32}"),
        (5, -1, "seller_ueur_per_kwh=-1: expected micro-euro"),
        (0.25, 0, "buyer_ueur_per_kwh=0.25: expected a whole number"),
        (True, 0, "buyer_ueur_per_kwh=True: expected a whole number"),
        (5, 6, "seller_ueur_per_kwh=6: expected at most buyer_ueur_per_kwh=5; a seller cannot"),
    ],
)
def test_a_price_is_refused(buyer: int, seller: int, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        PeerPrice(buyer_ueur_per_kwh=buyer, seller_ueur_per_kwh=seller)
    assert message in str(caught.value)


FLEET = pd.DataFrame(
    {
        "vehicle_id": ["z", "y", "x", "w"],
        "battery_capacity_kwh": [50.0, 50.0, 50.0, 50.0],
        "soc": [0.5, 0.5, 0.9, 0.6],
    }
)


def test_orders_of_a_fleet_leave_out_who_has_nothing_to_trade() -> None:
    orders = orders_of(roles(FLEET), FLEET)
    assert orders.to_dict("list") == {
        "vehicle_id": ["z", "y", "x"],
        "side": ["buy", "buy", "sell"],
        "energy_wh": [5_000, 5_000, 5_000],
        "soc": [0.5, 0.5, 0.9],
        "arrival": [0, 0, 0],
    }


@pytest.mark.parametrize(
    ("arrival", "first"),
    [
        (None, "y"),
        ([1, 2, 3, 4], "z"),
        ([2, 1, 3, 4], "y"),
        (pd.to_datetime(["2019-10-29T07:00:00.1Z", "2019-10-29T07:00:00.2Z"] * 2), "z"),
    ],
    ids=["no column", "z came first", "y came first", "z came first within a second"],
)
def test_arrival_goes_by_the_column_and_then_by_vehicle_id(arrival: object, first: str) -> None:
    fleet = FLEET if arrival is None else FLEET.assign(arrival=arrival)
    trades = clear(orders_of(roles(fleet), fleet), mechanism="arrival", price=PRICE)
    assert pairs(trades) == [(first, "x", 5_000)]


@pytest.mark.parametrize(
    "arrival",
    [
        ["7:00", "8:00", "9:00", "10:00"],
        [1.5, 2.0, 3.0, 4.0],
        pd.to_datetime(["2019-10-29T07:00:00"] * 4),
        pd.to_datetime(["2019-10-29T07:00:00Z", None] * 2),
    ],
    ids=["text", "fractions", "no zone", "a gap"],
)
def test_an_arrival_column_is_refused_when_it_orders_nothing(arrival: object) -> None:
    fleet = FLEET.assign(arrival=arrival)
    with pytest.raises(TableError, match="column 'arrival': expected times with a zone or whole"):
        orders_of(roles(fleet), fleet)


def test_orders_are_refused_when_roles_and_fleet_differ() -> None:
    with pytest.raises(TableError, match="the vehicles of the fleet table, found 'w'"):
        orders_of(roles(FLEET), FLEET.iloc[:3])
    with pytest.raises(TableError, match="the vehicles of the fleet table, found 1 fewer"):
        orders_of(roles(FLEET.iloc[:3]), FLEET)
