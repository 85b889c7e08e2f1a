"""Equation (4): two queues served against each other, without a loop over vehicles.

E_ij = min(remaining E_req,i, remaining E_av,j), both remainders reduced by it, is what happens
where two rulers of stacked orders lie side by side: every mark on either ruler ends a trade. So the
trades are the gaps between the marks of both, taken together and sorted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trading.market.book import Fills, OrderBook, PeerPrice
from trading.units import Int64Array


def walk(
    book: OrderBook,
    price: PeerPrice,
    *,
    buyer_queue: Int64Array | None = None,
    seller_queue: Int64Array | None = None,
    bought_wh: Int64Array | None = None,
    sold_wh: Int64Array | None = None,
) -> Fills:
    """Serve the first buyer from the first seller, move on when either is done, till a side ends.

    Equation (4) of FLOW D5.5 section 2.2.4, reconstructed.

    Args:
        book: the orders.
        price: what every trade costs.
        buyer_queue: positions of `book.buyers` in the order they are served; by code without it.
        seller_queue: positions of `book.sellers` in the order they serve; by code without it.
        bought_wh: energy to serve in place of each buyer's order (position by position, 0 allowed).
        sold_wh: energy to take in place of each seller's order.

    Returns:
        Fills in the order of the buyers' queue, then of the sellers'. Their sum is the smaller of
        the two sides' sums, and there are fewer of them than orders on both sides together. Who
        has a limit price that `price` breaks is passed over.
    """
    willing_bought_wh, willing_sold_wh = willing_wh(book, price, bought_wh, sold_wh)
    buyers, demand_wh = _queued(book.buyers.code, willing_bought_wh, buyer_queue)
    sellers, supply_wh = _queued(book.sellers.code, willing_sold_wh, seller_queue)
    return served(price, buyers, demand_wh, sellers, supply_wh)


def served(
    price: PeerPrice,
    buyers: Int64Array,
    demand_wh: Int64Array,
    sellers: Int64Array,
    supply_wh: Int64Array,
) -> Fills:
    """`walk` over two queues of codes and the energy that each of them is willing to trade."""
    pairs = pair(demand_wh, supply_wh)
    n = len(pairs.energy_wh)
    return Fills(
        buyer=buyers[pairs.buyer],
        seller=sellers[pairs.seller],
        energy_wh=pairs.energy_wh,
        price_ueur_per_kwh=np.full(n, price.buyer_ueur_per_kwh, dtype=np.int64),
        seller_price_ueur_per_kwh=np.full(n, price.seller_ueur_per_kwh, dtype=np.int64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Who trades with whom, as positions in the two queues, in their order."""

    buyer: Int64Array
    seller: Int64Array
    energy_wh: Int64Array


def pair(demand_wh: Int64Array, supply_wh: Int64Array) -> Pairs:
    """Equation (4) on two queues of energies, 0 allowed; both may be longer than is traded."""
    # Each mark is where an order ends. Orders fit 32 bits, so sums fit 63 for 2**31 of them.
    marks = np.concatenate((demand_wh.cumsum(), supply_wh.cumsum()))
    # Timsort merges two ascending runs in one pass.
    order = marks.argsort(kind="stable")
    marks = marks[order]
    is_buyer_mark = order < len(demand_wh)
    # Position of the order that runs up to a mark: how many of its side ended before that mark.
    buyer_at: Int64Array = is_buyer_mark.cumsum() - is_buyer_mark
    seller_at = np.arange(len(marks)) - buyer_at
    energy_wh = marks.copy()
    energy_wh[1:] -= marks[:-1]
    # A gap of 0 is where both sides end at once, or an order of nothing; past the shorter side
    # there is nobody to trade with.
    traded = (
        (energy_wh > 0) & (buyer_at < len(demand_wh)) & (seller_at < len(supply_wh))
    ).nonzero()[0]
    return Pairs(buyer=buyer_at[traded], seller=seller_at[traded], energy_wh=energy_wh[traded])


def willing_wh(
    book: OrderBook,
    price: PeerPrice,
    bought_wh: Int64Array | None = None,
    sold_wh: Int64Array | None = None,
) -> tuple[Int64Array, Int64Array]:
    """What buyers and sellers trade at `price` at most: their orders, or 0 Wh beyond a limit."""
    bought = book.buyers.energy_wh if bought_wh is None else bought_wh
    sold = book.sellers.energy_wh if sold_wh is None else sold_wh
    ceiling = book.buyers.limit_price_ueur_per_kwh
    floor = book.sellers.limit_price_ueur_per_kwh
    return (
        bought if ceiling is None else np.where(ceiling >= price.buyer_ueur_per_kwh, bought, 0),
        sold if floor is None else np.where(floor <= price.seller_ueur_per_kwh, sold, 0),
    )


def _queued(
    code: Int64Array, energy_wh: Int64Array, queue: Int64Array | None
) -> tuple[Int64Array, Int64Array]:
    return (code, energy_wh) if queue is None else (code[queue], energy_wh[queue])
