"""Trades too small to settle: moved to another trade of the same vehicle, or left as residual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trading.errors import OptionError
from trading.market.book import BoolArray, Fills, OrderBook
from trading.units import MAX_U32, Int64Array

# Assumption: under 100 Wh a trade's cents do not pay for its place in a batch.
SMALLEST_WH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutSmall:
    """Fills none of which is small, and what became of those that were.

    Attributes:
        fills: in the order they were in.
        n_merged: small trades whose energy another trade carries now.
        n_left: small trades left out.
        residual_wh: their energy, which buyers then take from the grid.
    """

    fills: Fills
    n_merged: int
    n_left: int
    residual_wh: int


def leave_small(fills: Fills, *, smallest_wh: int = SMALLEST_WH) -> WithoutSmall:
    """Leave out every trade below `smallest_wh`.

    Raises:
        OptionError: `smallest_wh` is negative.
    """
    is_small = _is_small(fills, smallest_wh)
    return WithoutSmall(
        fills=_where(fills, ~is_small, fills.energy_wh),
        n_merged=0,
        n_left=int(is_small.sum()),
        residual_wh=int(fills.energy_wh[is_small].sum()),
    )


def merge_small(book: OrderBook, fills: Fills, *, smallest_wh: int = SMALLEST_WH) -> WithoutSmall:
    """Move the energy of each trade below `smallest_wh` to one that is not, where that is allowed.

    It goes to the largest other trade of the same buyer whose seller has as much unsold, otherwise
    to the largest other trade of the same seller whose buyer wants as much more; the first of equal
    ones. Prices stay those of the trade it goes to, which both of its parties have agreed to, and
    no order is exceeded. What fits nowhere is left out as in `leave_small`. Small trades are taken
    in their order.

    Args:
        book: what `fills` were made from.
        fills: a mechanism's.
        smallest_wh: the least that a trade may be.

    Raises:
        OptionError: `smallest_wh` is negative.
    """
    is_small = _is_small(fills, smallest_wh)
    energy_wh = fills.energy_wh.copy()
    spare_wh = {
        name: _spare_wh(side.code, side.energy_wh, codes, energy_wh)
        for name, side, codes in (
            ("buyer", book.buyers, fills.buyer),
            ("seller", book.sellers, fills.seller),
        )
    }
    n_merged = 0
    for row in np.flatnonzero(is_small).tolist():
        wh = int(energy_wh[row])
        for same, other in (("buyer", "seller"), ("seller", "buyer")):
            into = _room_for(fills, energy_wh, is_small, row, same, spare_wh[other], other)
            if into is None:
                continue
            energy_wh[into] += wh
            # The one side stays as it is; the other changes partners, and the old one is free.
            spare_wh[other][int(getattr(fills, other)[into])] -= wh
            spare_wh[other][int(getattr(fills, other)[row])] += wh
            energy_wh[row] = 0
            n_merged += 1
            break
    residual_wh = int(energy_wh[is_small].sum())
    return WithoutSmall(
        fills=_where(fills, ~is_small, energy_wh),
        n_merged=n_merged,
        n_left=int(is_small.sum()) - n_merged,
        residual_wh=residual_wh,
    )


def _is_small(fills: Fills, smallest_wh: int) -> BoolArray:
    if smallest_wh < 0:
        raise OptionError("smallest_wh", smallest_wh, "0 Wh or more")
    return fills.energy_wh < smallest_wh


def _spare_wh(
    code: Int64Array, order_wh: Int64Array, traded: Int64Array, traded_wh: Int64Array
) -> dict[int, int]:
    left_wh = order_wh.copy()
    np.subtract.at(left_wh, np.searchsorted(code, traded), traded_wh)
    return dict(zip(code.tolist(), left_wh.tolist(), strict=True))


def _room_for(
    fills: Fills,
    energy_wh: Int64Array,
    is_small: BoolArray,
    row: int,
    same: str,
    spare_wh: dict[int, int],
    other: str,
) -> int | None:
    """The largest trade that is not small, has the same `same`, and whose `other` has room."""
    vehicles, partners = getattr(fills, same), getattr(fills, other)
    wh = int(energy_wh[row])
    best: int | None = None
    for at in np.flatnonzero((vehicles == vehicles[row]) & ~is_small).tolist():
        fits = spare_wh[int(partners[at])] >= wh and energy_wh[at] + wh <= MAX_U32
        if fits and (best is None or energy_wh[at] > energy_wh[best]):
            best = at
    return best


def _where(fills: Fills, kept: BoolArray, energy_wh: Int64Array) -> Fills:
    return Fills(
        buyer=fills.buyer[kept],
        seller=fills.seller[kept],
        energy_wh=energy_wh[kept],
        price_ueur_per_kwh=fills.price_ueur_per_kwh[kept],
        seller_price_ueur_per_kwh=fills.seller_price_ueur_per_kwh[kept],
    )
