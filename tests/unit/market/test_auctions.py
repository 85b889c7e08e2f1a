from __future__ import annotations

import numpy as np
import pytest

from tests.unit.market.books import Row, book_of, rows_of
from trading.errors import OptionError
from trading.market import OrderBook, Orders, PeerPrice, order_side
from trading.market.mcafee import mcafee
from trading.market.muda import dealt, muda
from trading.market.pay_as_bid import pay_as_bid

FREE = PeerPrice.same(0)
FEE_5 = PeerPrice(buyer_ueur_per_kwh=5, seller_ueur_per_kwh=0)


def test_a_pair_pays_the_middle_of_what_the_two_said() -> None:
    book = book_of([(5, 41), (5, 30)], [(5, 10), (5, 20)])
    assert rows_of(pay_as_bid(book, FREE)) == [(0, 2, 5, 25, 25), (1, 3, 5, 25, 25)]
    assert rows_of(pay_as_bid(book, FEE_5)) == [(0, 2, 5, 28, 23), (1, 3, 5, 27, 22)]


def test_the_lot_gets_the_difference_where_that_is_the_rule() -> None:
    book = book_of([(5, 41), (5, 30)], [(5, 10), (5, 20)])
    expected = [(0, 2, 5, 41, 10), (1, 3, 5, 30, 20)]
    assert rows_of(pay_as_bid(book, FEE_5, surplus_to="lot")) == expected


def test_an_unknown_rule_for_the_surplus_is_refused() -> None:
    with pytest.raises(OptionError, match="surplus_to='bank': expected pair or lot"):
        pay_as_bid(book_of([], []), FREE, surplus_to="bank")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bids", "asks", "expected"),
    [
        # The next bid and ask, 22 and 28, have a middle that suits the last pair.
        ([(5, 40), (5, 22)], [(5, 10), (5, 28)], [(0, 2, 5, 25, 25)]),
        # Their middle, 19, does not suit the last seller: the pair is left out and sets the prices.
        (
            [(5, 40), (5, 30), (5, 8)],
            [(5, 10), (5, 20), (5, 30)],
            [(0, 3, 5, 30, 20)],
        ),
        # There is no next ask.
        ([(5, 40), (5, 30), (5, 8)], [(5, 10), (5, 20)], [(0, 3, 5, 30, 20)]),
        # One trade is the one that is lost.
        ([(5, 40)], [(5, 10)], []),
        # Where the sides that are left differ, the last order of the longer one goes short.
        ([(5, 40), (5, 35), (5, 30)], [(7, 10), (8, 20)], [(0, 3, 5, 30, 20), (1, 3, 2, 30, 20)]),
    ],
)
def test_mcafee_leaves_out_the_last_pair_unless_the_next_one_gives_a_price(
    bids: list[Row], asks: list[Row], expected: list[tuple[int, ...]]
) -> None:
    assert rows_of(mcafee(book_of(bids, asks), FREE)) == expected


def test_the_spread_of_mcafee_holds_its_surplus_and_the_fee() -> None:
    fills = mcafee(book_of([(5, 40), (5, 30)], [(5, 10), (5, 20)]), FEE_5)
    assert rows_of(fills) == [(0, 2, 5, 30, 20)]


def test_each_half_of_muda_pays_the_price_of_the_other() -> None:
    halves = dealt(np.arange(8), seed=0, draw=0) % np.uint64(2)
    first, second = np.flatnonzero(halves == 0).tolist(), np.flatnonzero(halves == 1).tolist()
    assert min(len(first), len(second)) >= 2
    # A buyer and a seller in each half: 20 to 30 clears the first, 24 to 40 the second.
    said = {first[0]: (1, 30), first[-1]: (0, 20), second[0]: (1, 40), second[-1]: (0, 24)}
    buyers = [code for code in said if said[code][0]]
    sellers = [code for code in said if not said[code][0]]
    book = _book(buyers, sellers, {code: limit for code, (_, limit) in said.items()})
    fills = muda(book, FREE)
    found = dict(zip(fills.buyer.tolist(), fills.price_ueur_per_kwh.tolist(), strict=True))
    # 32 is above what the first buyer pays, so that half does not trade.
    assert found == {second[0]: 25}


def _book(buyers: list[int], sellers: list[int], limit: dict[int, int]) -> OrderBook:
    def of(codes: list[int]) -> Orders:
        return order_side(
            code=np.array(codes),
            energy_wh=np.full(len(codes), 5),
            soc=np.zeros(len(codes)),
            limit_price_ueur_per_kwh=np.array([limit[code] for code in codes]),
        )

    return OrderBook(buyers=of(buyers), sellers=of(sellers))


def test_the_seed_deals_other_halves_and_another_lottery() -> None:
    code = np.arange(10_000)
    for draw in (0, 1):
        bits = [dealt(code, seed=seed, draw=draw) & np.uint64(1) for seed in (0, 1, 2, 2**32 - 1)]
        for i, one in enumerate(bits):
            assert abs(float(one.mean()) - 0.5) < 0.02
            for other in bits[:i]:
                assert abs(float((one == other).mean()) - 0.5) < 0.02
    assert len(np.unique(dealt(code, seed=7, draw=1))) == len(code)
