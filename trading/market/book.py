"""What a market mechanism takes and gives: an order book of plain arrays, priced fills.

Vehicles are integer codes, the ranks of their ids in ascending order. A side is kept in ascending
order of code whatever order its rows came in, so a mechanism that breaks ties by position breaks
them by vehicle id, and the order of rows can change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from trading.errors import OptionError
from trading.fleet import Float64Array
from trading.units import MAX_U32, Int64Array

BoolArray = npt.NDArray[np.bool_]

# Sums with an interval's length stay within 63 bits.
ALWAYS_S = (-(2**40), 2**40)
"""Unix times that stand for no earliest and no latest time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """One side of the book: bids or asks, in ascending order of `code`, all of them above 0 Wh.

    Make it with `order_side`, which brings rows into this form.

    What is None was not said by anyone; `OrderBook` turns absent limits into numbers.

    Attributes:
        code: rank of the vehicle's id, unique over both sides of a book.
        energy_wh: what is asked for or offered, at least 1 Wh.
        soc: state of charge from 0 to 1.
        arrival: place in the queue, smaller is earlier (Unix time, or any rank).
        limit_price_ueur_per_kwh: the most a buyer pays, the least a seller takes. None: buyers pay
            up to the largest price, 2**32 - 1, and sellers sell from 0.
        earliest_s: Unix time before which nothing flows; `ALWAYS_S[0]` or None for no such time.
        latest_s: Unix time after which nothing flows; `ALWAYS_S[1]` or None for no such time.
        power_limit_w: the most power at the charger's meter; None for no limit.
        group: code of the group the vehicle belongs to, such as a company; -1 for none.
        energy_source: code of the source a seller sells from and a buyer prefers; -1 for none.
    """

    code: Int64Array
    energy_wh: Int64Array
    soc: Float64Array
    arrival: Int64Array
    limit_price_ueur_per_kwh: Int64Array | None = None
    earliest_s: Int64Array | None = None
    latest_s: Int64Array | None = None
    power_limit_w: Int64Array | None = None
    group: Int64Array | None = None
    energy_source: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.code)

    def take(self, rows: Int64Array | BoolArray) -> Orders:
        """The orders at `rows`, which have to keep the order of codes."""

        def of(values: Int64Array | None) -> Int64Array | None:
            return None if values is None else values[rows]

        return Orders(
            code=self.code[rows],
            energy_wh=self.energy_wh[rows],
            soc=self.soc[rows],
            arrival=self.arrival[rows],
            limit_price_ueur_per_kwh=of(self.limit_price_ueur_per_kwh),
            earliest_s=of(self.earliest_s),
            latest_s=of(self.latest_s),
            power_limit_w=of(self.power_limit_w),
            group=of(self.group),
            energy_source=of(self.energy_source),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """The two sides of one clearing."""

    buyers: Orders
    sellers: Orders

    def ceilings(self) -> Int64Array:
        """The most each buyer pays; the largest price where the book has no limits."""
        limit = self.buyers.limit_price_ueur_per_kwh
        return np.full(len(self.buyers), MAX_U32, dtype=np.int64) if limit is None else limit

    def floors(self) -> Int64Array:
        """The least each seller takes; 0 where the book has no limits."""
        limit = self.sellers.limit_price_ueur_per_kwh
        return np.zeros(len(self.sellers), dtype=np.int64) if limit is None else limit


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPrice:
    """The price of a trade to its two parties, in whole micro-euro per kWh.

    Attributes:
        buyer_ueur_per_kwh: what the buyer pays.
        seller_ueur_per_kwh: what the seller gets; never above the buyer's, for nobody would pay
            the difference. What it is below goes to the lot's operator.

    Raises:
        OptionError: a price is not a whole number from 0 to 2**32 - 1, or the seller's is higher.
    """

    buyer_ueur_per_kwh: int
    seller_ueur_per_kwh: int

    def __post_init__(self) -> None:
        for name in ("buyer_ueur_per_kwh", "seller_ueur_per_kwh"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise OptionError(name, value, "a whole number of micro-euro per kWh")
            if not 0 <= value <= MAX_U32:
                raise OptionError(name, value, f"micro-euro per kWh from 0 to {MAX_U32}")
        if self.seller_ueur_per_kwh > self.buyer_ueur_per_kwh:
            raise OptionError(
                "seller_ueur_per_kwh",
                self.seller_ueur_per_kwh,
                f"at most buyer_ueur_per_kwh={self.buyer_ueur_per_kwh!r}; "
                "a seller cannot get more than its buyer pays",
            )

    @classmethod
    def same(cls, ueur_per_kwh: int) -> PeerPrice:
        """One price for both parties, without a spread.

        >>> PeerPrice.same(250_000)
        PeerPrice(buyer_ueur_per_kwh=250000, seller_ueur_per_kwh=250000)
        """
        return cls(buyer_ueur_per_kwh=ueur_per_kwh, seller_ueur_per_kwh=ueur_per_kwh)

    @property
    def spread_ueur_per_kwh(self) -> int:
        """What the lot keeps of each kWh: its fee."""
        return int(self.buyer_ueur_per_kwh) - int(self.seller_ueur_per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fills:
    """Equation (4): what was traded, one element a pair, in the order the mechanism states.

    Attributes:
        buyer: code of the buyer.
        seller: code of the seller.
        energy_wh: energy traded, at least 1 Wh.
        price_ueur_per_kwh: what the buyer pays.
        seller_price_ueur_per_kwh: what the seller gets.
    """

    buyer: Int64Array
    seller: Int64Array
    energy_wh: Int64Array
    price_ueur_per_kwh: Int64Array
    seller_price_ueur_per_kwh: Int64Array

    def __len__(self) -> int:
        return len(self.energy_wh)

    def take(self, rows: Int64Array | BoolArray) -> Fills:
        """The fills at `rows`."""
        return Fills(**{name: getattr(self, name)[rows] for name in FILL_COLUMNS})

    @classmethod
    def joined(cls, parts: Iterable[Fills]) -> Fills:
        """All fills of `parts` in order; of none, no fills."""
        some = list(parts)
        none = np.zeros(0, np.int64)
        return cls(
            **{
                name: np.concatenate([none, *(getattr(part, name) for part in some)])
                for name in FILL_COLUMNS
            }
        )


FILL_COLUMNS = ("buyer", "seller", "energy_wh", "price_ueur_per_kwh", "seller_price_ueur_per_kwh")


class Mechanism(Protocol):
    """A pure function from a book to its fills.

    Its contract, which the shared tests hold every registered mechanism to: no vehicle trades more
    than its order, a pair appears at most once, every fill is above 0 Wh, no buyer pays more than
    its limit and no seller gets less, the lot's fee (the spread of `price`) is in every fill, the
    book is left as it was, and the same book gives the same fills.
    """

    def __call__(self, book: OrderBook, price: PeerPrice, /) -> Fills:
        """Clear `book`; a mechanism that finds its own price takes only the fee from `price`."""
        ...


def order_side(
    *,
    code: Int64Array,
    energy_wh: Int64Array,
    soc: Float64Array,
    arrival: Int64Array | None = None,
    limit_price_ueur_per_kwh: Int64Array | None = None,
    earliest_s: Int64Array | None = None,
    latest_s: Int64Array | None = None,
    power_limit_w: Int64Array | None = None,
    group: Int64Array | None = None,
    energy_source: Int64Array | None = None,
) -> Orders:
    """One side of a book from rows in any order; orders of 0 Wh are dropped.

    Args:
        code: rank of each vehicle's id, without duplicates.
        energy_wh: Wh asked for or offered, 0 or more.
        soc: state of charge from 0 to 1.
        arrival: place in the queue; without it all arrive at once and ids decide.
        limit_price_ueur_per_kwh: as in `Orders`, and so are the others; all may be absent.
        earliest_s: Unix time from which energy may flow.
        latest_s: Unix time until which energy may flow.
        power_limit_w: most power of the vehicle.
        group: code of the vehicle's group.
        energy_source: code of what is sold or preferred.

    Raises:
        OptionError: two orders have the same code.
    """
    if arrival is None:
        arrival = np.zeros(len(code), dtype=np.int64)
    side = Orders(
        code=code,
        energy_wh=energy_wh,
        soc=soc,
        arrival=arrival,
        limit_price_ueur_per_kwh=limit_price_ueur_per_kwh,
        earliest_s=earliest_s,
        latest_s=latest_s,
        power_limit_w=power_limit_w,
        group=group,
        energy_source=energy_source,
    )
    if (code[1:] > code[:-1]).all():
        rows = np.flatnonzero(energy_wh)
        return side if len(rows) == len(code) else side.take(rows)
    rows = np.argsort(code, kind="stable")
    ascending = code[rows]
    twice = ascending[1:][ascending[1:] == ascending[:-1]]
    if len(twice):
        raise OptionError("code", int(twice[0]), "one order a vehicle, found two")
    return side.take(rows[energy_wh[rows] > 0])


def order_book(
    *,
    required_wh: Int64Array,
    available_wh: Int64Array,
    soc: Float64Array,
    arrival: Int64Array | None = None,
    code: Int64Array | None = None,
) -> OrderBook:
    """The book of a fleet from Equations (2) and (3): a bid or an ask a vehicle, none for 0 Wh.

    Args:
        required_wh: E_req of each vehicle, shape (n,).
        available_wh: E_av of each vehicle, shape (n,); 0 where `required_wh` is not.
        soc: state of charge from 0 to 1, shape (n,).
        arrival: place in the queue, shape (n,); without it all arrive at once and ids decide.
        code: rank of each vehicle's id, shape (n,); without it the rows are in order of id.

    >>> import numpy as np
    >>> book = order_book(
    ...     required_wh=np.array([500, 0, 0]),
    ...     available_wh=np.array([0, 0, 800]),
    ...     soc=np.array([0.5, 0.7, 0.9]),
    ... )
    >>> book.buyers.code.tolist(), book.sellers.code.tolist()
    ([0], [2])
    """
    buying, selling = np.flatnonzero(required_wh), np.flatnonzero(available_wh)
    return OrderBook(
        buyers=order_side(
            code=buying if code is None else code[buying],
            energy_wh=required_wh[buying],
            soc=soc[buying],
            arrival=None if arrival is None else arrival[buying],
        ),
        sellers=order_side(
            code=selling if code is None else code[selling],
            energy_wh=available_wh[selling],
            soc=soc[selling],
            arrival=None if arrival is None else arrival[selling],
        ),
    )
