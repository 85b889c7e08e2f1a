"""The table of `docs/mechanisms.md`: what is claimed to hold is tried, what is not is shown once.

Individual rationality and budget balance hold for every registered mechanism and are part of the
contract in `test_market.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference_auctions
from tests.incentives import Trader, gain_of_saying, traders, welfare
from tests.property.test_market import as_orders
from tests.strategies import books
from tests.tools import ROOT
from tests.unit.market.books import Row, book_of, side
from trading.market import MECHANISMS, PRIORITIES, OrderBook, PeerPrice

TRUTHFUL_IN_PRICE = (*PRIORITIES, "muda")
"""Nobody gains by another limit price."""

TRUTHFUL_IN_ENERGY = ("arrival", "neediest", "pay-as-bid", "bilateral", "muda")
"""Nobody gains by another energy, its limit price being true."""

TRUTHFUL_IN_BOTH = ("arrival", "neediest", "muda")
"""Nor by both at once."""

EFFICIENT = ("uniform-price", "pay-as-bid", "optimum")

FREE = PeerPrice.same(3)
fees = st.integers(0, 2).map(
    lambda fee: PeerPrice(buyer_ueur_per_kwh=3 + fee, seller_ueur_per_kwh=3)
)
lies = st.integers(0, 8)
limited = books(max_size=6, has_limits=True, energy_wh=st.integers(1, 8))
single_units = books(max_size=6, has_limits=True, energy_wh=st.just(1))


def some_trader(data: st.DataObject, book: OrderBook) -> Trader | None:
    found = traders(book)
    return data.draw(st.sampled_from(found)) if found else None


@pytest.mark.parametrize("name", TRUTHFUL_IN_PRICE)
@given(book=limited, price=fees, limit=lies, data=st.data())
def test_no_other_limit_price_gains(
    name: str, book: OrderBook, price: PeerPrice, limit: int, data: st.DataObject
) -> None:
    trader = some_trader(data, book)
    if trader:
        assert gain_of_saying(MECHANISMS[name], book, price, trader, limit=limit) <= 0


@given(book=single_units, price=fees, limit=lies, data=st.data())
def test_no_other_limit_price_gains_under_mcafee_when_orders_are_of_one_size(
    book: OrderBook, price: PeerPrice, limit: int, data: st.DataObject
) -> None:
    trader = some_trader(data, book)
    if trader:
        assert gain_of_saying(MECHANISMS["mcafee"], book, price, trader, limit=limit) <= 0


@pytest.mark.parametrize("name", TRUTHFUL_IN_ENERGY)
@given(book=limited, price=fees, energy_wh=st.integers(1, 20), data=st.data())
def test_no_other_energy_gains(
    name: str, book: OrderBook, price: PeerPrice, energy_wh: int, data: st.DataObject
) -> None:
    trader = some_trader(data, book)
    if trader:
        gained = gain_of_saying(MECHANISMS[name], book, price, trader, energy_wh=energy_wh)
        assert gained <= 0


@pytest.mark.parametrize("name", TRUTHFUL_IN_BOTH)
@given(book=limited, price=fees, limit=lies, energy_wh=st.integers(1, 20), data=st.data())
def test_no_other_energy_and_limit_price_gain(
    name: str,
    book: OrderBook,
    price: PeerPrice,
    limit: int,
    energy_wh: int,
    data: st.DataObject,
) -> None:
    trader = some_trader(data, book)
    if trader:
        gained = gain_of_saying(
            MECHANISMS[name], book, price, trader, limit=limit, energy_wh=energy_wh
        )
        assert gained <= 0


@pytest.mark.parametrize("name", EFFICIENT)
@given(book=books(), price=fees)
def test_welfare_is_the_largest_there_is(name: str, book: OrderBook, price: PeerPrice) -> None:
    fee = price.spread_ueur_per_kwh
    best = reference_auctions.best_welfare(
        as_orders(book.buyers, book.ceilings()), as_orders(book.sellers, book.floors()), fee
    )
    assert welfare(book, MECHANISMS[name](book, price), fee=fee) == best


@pytest.mark.parametrize("name", [name for name in MECHANISMS if name != "mcafee"])
@given(book=books(), price=fees)
def test_the_spread_is_the_fee_alone(name: str, book: OrderBook, price: PeerPrice) -> None:
    fills = MECHANISMS[name](book, price)
    spread = fills.price_ueur_per_kwh - fills.seller_price_ueur_per_kwh
    assert (spread == price.spread_ueur_per_kwh).all()


@given(book=books(), price=fees)
def test_mcafee_loses_at_most_the_orders_at_the_margin(book: OrderBook, price: PeerPrice) -> None:
    whole = MECHANISMS["uniform-price"](book, price)
    reduced = MECHANISMS["mcafee"](book, price)
    lost_wh = int(whole.energy_wh.sum() - reduced.energy_wh.sum())
    margin = 0
    if len(whole):
        last = ((book.buyers, whole.buyer[-1]), (book.sellers, whole.seller[-1]))
        margin = max(int(side.energy_wh[side.code == code][0]) for side, code in last)
    assert 0 <= lost_wh <= margin


# ---------------------------------------------------------------- what does not hold, shown once


@dataclass(frozen=True)
class Lie:
    mechanism: str
    bids: list[Row]
    asks: list[Row]
    liar: int
    gain: int
    limit: int | None = None
    energy_wh: int | None = None


LIES = {
    "asking for more gets a larger share": Lie(
        "pro-rata", [(4, 9), (4, 9)], [(4, 0)], liar=0, energy_wh=12, gain=6
    ),
    "asking for more gets served first": Lie(
        "largest", [(5, 9), (4, 9)], [(4, 0)], liar=1, energy_wh=6, gain=24
    ),
    "the last buyer lowers the price": Lie(
        "uniform-price", [(5, 40), (5, 10)], [(5, 20)], liar=0, limit=22, gain=45
    ),
    "a seller keeps back a part": Lie(
        "uniform-price", [(5, 40), (5, 30)], [(10, 10)], liar=2, energy_wh=9, gain=80
    ),
    "what the optimum knows it was told": Lie(
        "optimum", [(5, 40), (5, 10)], [(5, 20)], liar=0, limit=22, gain=45
    ),
    "who is served in part sets the price": Lie(
        "optimum", [(4, 30)], [(2, 5)], liar=0, energy_wh=1, gain=25
    ),
    "who asks for less is not the one that is left out": Lie(
        "mcafee", [(6, 40), (1, 20)], [(5, 35), (2, 25)], liar=0, energy_wh=1, gain=13
    ),
    "saying less costs less": Lie("pay-as-bid", [(5, 40)], [(5, 10)], liar=0, limit=12, gain=70),
    "a lower ceiling than the posted price is met": Lie(
        "bilateral", [(5, 40)], [(5, 1)], liar=0, limit=2, gain=5
    ),
    "a place in the queue is worth having when sizes differ": Lie(
        "mcafee",
        [(5, 40), (5, 39), (1, 20)],
        [(6, 10), (1, 18), (5, 45)],
        liar=1,
        limit=41,
        gain=21,
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_gains(lie: Lie) -> None:
    book = book_of(lie.bids, lie.asks)
    liar = next(trader for trader in traders(book) if trader.code == lie.liar)
    gained = gain_of_saying(
        MECHANISMS[lie.mechanism], book, FREE, liar, limit=lie.limit, energy_wh=lie.energy_wh
    )
    assert gained == lie.gain


def test_a_lower_state_of_charge_gets_served_first_by_the_neediest() -> None:
    asks = side([(4, 0)], 2)
    bids = side([(4, 9), (4, 9)], 0)
    truth = OrderBook(buyers=replace(bids, soc=np.array([0.3, 0.2])), sellers=asks)
    lie = OrderBook(buyers=replace(bids, soc=np.array([0.1, 0.2])), sellers=asks)
    assert MECHANISMS["neediest"](truth, FREE).buyer.tolist() == [1]
    assert MECHANISMS["neediest"](lie, FREE).buyer.tolist() == [0]


LOSSES: dict[str, tuple[list[Row], list[Row], int]] = {
    # A posted price of 20 keeps out a buyer who would pay more than the seller asks.
    **dict.fromkeys(PRIORITIES, ([(5, 40), (5, 15)], [(10, 10)], 5 * 5)),
    "mcafee": ([(5, 40), (5, 30)], [(5, 10), (5, 20)], 10 * 5),
    "muda": ([(5, 40)], [(5, 10)], 30 * 5),
}


def test_welfare_is_lost_when_partners_of_one_group_keep_two_others_apart() -> None:
    # The buyer of group 0 prefers the dear seller of its group; the cheap one is left alone.
    bids, asks = side([(5, 40)], 0, group=[0]), side([(5, 30), (5, 10)], 1, group=[0, 1])
    book = OrderBook(buyers=bids, sellers=asks)
    best = welfare(book, MECHANISMS["uniform-price"](book, FREE))
    assert best - welfare(book, MECHANISMS["bilateral"](book, FREE)) == 20 * 5


@pytest.mark.parametrize("name", LOSSES)
def test_welfare_is_lost(name: str) -> None:
    bids, asks, lost = LOSSES[name]
    book = book_of(bids, asks)
    best = welfare(book, MECHANISMS["uniform-price"](book, FREE))
    price = PeerPrice.same(20)
    assert best - welfare(book, MECHANISMS[name](book, price)) == lost


def test_the_spread_of_mcafee_can_hold_a_surplus() -> None:
    fills = MECHANISMS["mcafee"](book_of([(5, 40), (5, 30)], [(5, 10), (5, 20)]), FREE)
    assert (fills.price_ueur_per_kwh - fills.seller_price_ueur_per_kwh).tolist() == [10]


def test_the_page_claims_what_is_tried_here() -> None:
    page = (ROOT / "docs" / "mechanisms.md").read_text(encoding="utf-8")
    claims = page.split("## Claims")[1].split("## The auctions")[0]
    rows = [line.strip("| ").split(" | ") for line in claims.splitlines() if line.startswith("| `")]
    cells = {row[0].strip("`"): row[1:] for row in rows}
    assert list(cells) == list(MECHANISMS)
    for name, (price, energy, rational, budget, efficient) in cells.items():
        assert price.startswith("yes") == (name in TRUTHFUL_IN_PRICE)
        assert energy.startswith("yes") == (name in TRUTHFUL_IN_ENERGY)
        assert rational == "yes"
        assert budget.startswith("balanced") == (name != "mcafee")
        assert efficient.startswith("yes") == (name in EFFICIENT)
        # Whatever is not so has its counterexample above.
        lies_here = [lie for lie in LIES.values() if lie.mechanism == name]
        assert price.startswith("yes") or any(lie.limit is not None for lie in lies_here)
        assert energy.startswith("yes") or any(lie.energy_wh is not None for lie in lies_here)
        assert efficient.startswith("yes") or name in (*LOSSES, "bilateral")
