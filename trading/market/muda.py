"""MUDA: truthful for orders of any size, because each half of the market sets the other's price."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trading.market.book import BoolArray, Fills, OrderBook, Orders, PeerPrice
from trading.market.crossing import crossing
from trading.market.queues import walk
from trading.units import MAX_U32, Int64Array


def muda(book: OrderBook, price: PeerPrice, /, *, seed: int = 0) -> Fills:
    """Multi-Unit Double Auction with a lottery (Segal-Halevi, Hassidim and Aumann, 2018).

    Vehicles are dealt into two halves by a hash of (seed, code). The clearing price of each half,
    the middle of its interval, is posted in the other. There everyone who is willing trades; the
    side with too much is served in the order of another hash until the other side ends. So no
    limit price and no size changes the price or the queue that its own vehicle faces.

    There is one price in a half and the fee is all of the spread: the budget is balanced without a
    surplus. The halves do not trade with each other, and what a half could have traded at a price
    of its own is lost: MUDA approaches the optimum as a book grows, and may be far below it in a
    small one.

    The hash goes by the rank of a vehicle's id among the ids of the book, and so does not depend on
    anything that is said in an order.

    Args:
        book: the orders with their limit prices.
        price: only its spread is used: the lot's fee.
        seed: of the split and of both lotteries, 0 to 2**32 - 1.

    Returns:
        Fills of the one half, then of the other, each in the order of its buyers' lottery.
    """
    fee = price.spread_ueur_per_kwh
    halves = [_half(book, seed=seed, is_second=is_second) for is_second in (False, True)]
    prices = [_clearing_price(half, fee) for half in halves]
    fills = [
        _posted(half, foreign, fee, seed=seed)
        for half, foreign in zip(halves, reversed(prices), strict=True)
    ]
    return Fills(
        **{
            name: np.concatenate([getattr(part, name) for part in fills])
            for name in Fills.__slots__
        }
    )


def dealt(code: Int64Array, *, seed: int, draw: int) -> npt.NDArray[np.uint64]:
    """A hash of (seed, draw, code) in 64 bits: splitmix64, which is a bijection of its input.

    Args:
        code: ranks of vehicles' ids, 0 to 2**32 - 1.
        seed: 0 to 2**32 - 1; two seeds give unrelated hashes.
        draw: number of the draw; each is unrelated to the others.
    """
    # Codes, once multiplied, spread over all bits; a seed that is only added would shift them.
    start = np.uint64(((seed * 0xD1342543DE82EF95) ^ (draw << 32)) % 2**64)
    z = (code.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) ^ _mixed(start)
    return _mixed(z)


def _mixed(z: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    z = np.atleast_1d(z)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _half(book: OrderBook, *, seed: int, is_second: bool) -> OrderBook:
    def of(side: Orders) -> Orders:
        is_odd: BoolArray = (dealt(side.code, seed=seed, draw=0) & np.uint64(1)).astype(bool)
        return side.take(np.flatnonzero(is_odd == is_second))

    return OrderBook(buyers=of(book.buyers), sellers=of(book.sellers))


def _clearing_price(half: OrderBook, fee: int) -> int | None:
    interval = crossing(half, fee=fee).price_interval()
    return None if interval is None else sum(interval) // 2


def _posted(half: OrderBook, paid: int | None, fee: int, *, seed: int) -> Fills:
    if paid is None or not fee <= paid <= MAX_U32:
        nobody = np.empty(0, dtype=np.int64)
        half = OrderBook(buyers=half.buyers.take(nobody), sellers=half.sellers.take(nobody))
        paid = fee
    return walk(
        half,
        PeerPrice(buyer_ueur_per_kwh=paid, seller_ueur_per_kwh=paid - fee),
        buyer_queue=np.argsort(dealt(half.buyers.code, seed=seed, draw=1), kind="stable"),
        seller_queue=np.argsort(dealt(half.sellers.code, seed=seed, draw=1), kind="stable"),
    )
