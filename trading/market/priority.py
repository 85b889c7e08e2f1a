"""Mechanisms that serve orders one after another, by a rule that says who is first.

Equal vehicles are served in order of vehicle id: a side of the book is in that order, and the sorts
are stable.
"""

from __future__ import annotations

import numpy as np

from trading.market.book import Fills, OrderBook, PeerPrice
from trading.market.queues import walk


def arrival(book: OrderBook, price: PeerPrice, /) -> Fills:
    """Who came first trades first, on both sides."""
    return walk(
        book,
        price,
        buyer_queue=np.argsort(book.buyers.arrival, kind="stable"),
        seller_queue=np.argsort(book.sellers.arrival, kind="stable"),
    )


def neediest(book: OrderBook, price: PeerPrice, /) -> Fills:
    """The buyer with the lowest SoC and the seller with the highest trade first."""
    return walk(
        book,
        price,
        buyer_queue=np.argsort(book.buyers.soc, kind="stable"),
        seller_queue=np.argsort(-book.sellers.soc, kind="stable"),
    )


def largest(book: OrderBook, price: PeerPrice, /) -> Fills:
    """The biggest order trades first, on both sides."""
    return walk(
        book,
        price,
        buyer_queue=np.argsort(-book.buyers.energy_wh, kind="stable"),
        seller_queue=np.argsort(-book.sellers.energy_wh, kind="stable"),
    )
