"""What a trader gains, in exact integers, and what it would gain by saying something else.

Money is in micro-euro times 1000 / kWh, that is Wh times micro-euro per kWh, so that nothing is
rounded: truthfulness is a property of the prices, and flooring a cost would blur it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trading.market import Fills, Mechanism, OrderBook, Orders, PeerPrice
from trading.units import MAX_U32


@dataclass(frozen=True)
class Trader:
    """An order as it truly is: its place in the book and what it is worth to its owner."""

    code: int
    is_buyer: bool
    energy_wh: int
    value: int


def traders(book: OrderBook) -> list[Trader]:
    return [
        Trader(code, is_buyer, energy_wh, value)
        for side, limits, is_buyer in (
            (book.buyers, book.ceilings(), True),
            (book.sellers, book.floors(), False),
        )
        for code, energy_wh, value in zip(
            side.code.tolist(), side.energy_wh.tolist(), limits.tolist(), strict=True
        )
    ]


def gain(trader: Trader, fills: Fills) -> int:
    """What the trades are worth to it, less what it pays or loses.

    Energy beyond what a buyer needs is worth nothing to it, and a seller that has sold more than
    it can spare pays the largest price for the difference.
    """
    code = fills.buyer if trader.is_buyer else fills.seller
    price = fills.price_ueur_per_kwh if trader.is_buyer else fills.seller_price_ueur_per_kwh
    mine = code == trader.code
    traded_wh = sum(fills.energy_wh[mine].tolist())
    pairs = zip(fills.energy_wh[mine].tolist(), price[mine].tolist(), strict=True)
    money = sum(wh * each for wh, each in pairs)
    meant_wh = min(traded_wh, trader.energy_wh)
    if trader.is_buyer:
        return trader.value * meant_wh - money
    return money - trader.value * meant_wh - MAX_U32 * (traded_wh - meant_wh)


def said(
    book: OrderBook, trader: Trader, *, limit: int | None = None, energy_wh: int | None = None
) -> OrderBook:
    """The book in which that trader says something else."""

    def other(side: Orders, limits: np.ndarray) -> Orders:
        at = side.code == trader.code
        return replace(
            side,
            limit_price_ueur_per_kwh=limits if limit is None else np.where(at, limit, limits),
            energy_wh=side.energy_wh
            if energy_wh is None
            else np.where(at, energy_wh, side.energy_wh),
        )

    if trader.is_buyer:
        return OrderBook(buyers=other(book.buyers, book.ceilings()), sellers=book.sellers)
    return OrderBook(buyers=book.buyers, sellers=other(book.sellers, book.floors()))


def gain_of_saying(
    mechanism: Mechanism,
    book: OrderBook,
    price: PeerPrice,
    trader: Trader,
    *,
    limit: int | None = None,
    energy_wh: int | None = None,
) -> int:
    """What `trader` gains by saying that in place of the truth, which `book` holds."""
    lie = said(book, trader, limit=limit, energy_wh=energy_wh)
    return gain(trader, mechanism(lie, price)) - gain(trader, mechanism(book, price))


def welfare(book: OrderBook, fills: Fills, *, fee: int = 0) -> int:
    """Sum of (ceiling - floor - fee) * Wh; what the parties pay each other does not count."""
    ceiling = dict(zip(book.buyers.code.tolist(), book.ceilings().tolist(), strict=True))
    floor = dict(zip(book.sellers.code.tolist(), book.floors().tolist(), strict=True))
    trades = zip(fills.buyer.tolist(), fills.seller.tolist(), fills.energy_wh.tolist(), strict=True)
    return sum((ceiling[buyer] - floor[seller] - fee) * wh for buyer, seller, wh in trades)
