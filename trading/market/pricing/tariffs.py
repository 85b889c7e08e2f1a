"""What a pricing scheme is given, what it returns, and the limits that all schemes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from trading.errors import OptionError
from trading.market.book import OrderBook, PeerPrice
from trading.units import MAX_U32


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTotals:
    """How much is asked for and offered in an interval.

    Attributes:
        demand_wh: sum of the bids.
        supply_wh: sum of the asks.
    """

    demand_wh: int
    supply_wh: int

    def __post_init__(self) -> None:
        for name in ("demand_wh", "supply_wh"):
            if getattr(self, name) < 0:
                raise OptionError(name, getattr(self, name), "0 Wh or more")

    @classmethod
    def of(cls, book: OrderBook) -> BookTotals:
        """The totals of a book, whatever the limit prices in it."""
        return cls(
            demand_wh=int(book.buyers.energy_wh.sum()), supply_wh=int(book.sellers.energy_wh.sum())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariffs:
    """What energy costs outside the market in an interval, in whole micro-euro per kWh.

    Attributes:
        buy: what a driver pays for grid energy; may be negative.
        feed_in: what a driver gets for energy fed into the grid; may be negative, never above
            `buy`, for one could then buy and sell at once without end.
        lot_fee: what the lot keeps of each kWh that peers trade.
        floor: what a kWh costs its seller to replace, 0 or more; None for sellers who have only the
            grid to sell to.
        highest_buy: the most that grid energy costs at any time; None for `buy`.
    """

    buy: int
    feed_in: int
    lot_fee: int = 0
    floor: int | None = None
    highest_buy: int | None = None

    def __post_init__(self) -> None:
        for name in ("buy", "feed_in"):
            value = getattr(self, name)
            if not -MAX_U32 <= value <= MAX_U32:
                raise OptionError(name, value, f"a price from {-MAX_U32} to {MAX_U32}")
        if self.feed_in > self.buy:
            raise OptionError("feed_in", self.feed_in, f"at most buy={self.buy}")
        if not 0 <= self.lot_fee <= MAX_U32:
            raise OptionError("lot_fee", self.lot_fee, f"a price from 0 to {MAX_U32}")

        if self.floor is not None and self.floor < 0:
            raise OptionError("floor", self.floor, "a price of 0 or more, or None")

    @property
    def least_to_seller(self) -> int:
        """Below this a seller has something better to do: feed in, or keep its energy."""
        return self.feed_in if self.floor is None else max(self.feed_in, self.floor)

    @property
    def most_to_seller(self) -> int:
        """What sellers get at most: buyers pay the fee on top, and never more than the grid's."""
        return self.buy - self.lot_fee


class Pricing(Protocol):
    """A pure function from totals and tariffs to the posted price of an interval.

    Its contract, which the shared tests hold every registered scheme to: the spread is the lot's
    fee, sellers get 0 or more and no less than for feeding in, buyers pay no more than for grid
    energy; and None, so that everyone stays on the grid, where the scheme has no such price.
    """

    def __call__(self, totals: BookTotals, tariffs: Tariffs, /) -> PeerPrice | None:
        """The price of the interval."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What may stand behind a scheme's name, as in `fixed:0.40`.

    Attributes:
        example: such a text.
        expected: what it means, and its unit.
        bound: the scheme with that text as its parameter; raises ValueError for another text.
    """

    example: str
    expected: str
    bound: Callable[[str], Pricing]


def within_limits(to_seller: int, tariffs: Tariffs) -> PeerPrice | None:
    """That price with the lot's fee on top, or None where one of the two would do better outside.

    >>> within_limits(200_000, Tariffs(buy=300_000, feed_in=80_000, lot_fee=10_000))
    PeerPrice(buyer_ueur_per_kwh=210000, seller_ueur_per_kwh=200000)
    >>> within_limits(200_000, Tariffs(buy=-50_000, feed_in=-80_000)) is None
    True
    """
    if not max(tariffs.feed_in, 0) <= to_seller <= tariffs.most_to_seller:
        return None
    return PeerPrice(buyer_ueur_per_kwh=to_seller + tariffs.lot_fee, seller_ueur_per_kwh=to_seller)
