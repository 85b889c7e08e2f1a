"""A price that stays the same whatever happens in the market or on the grid."""

from __future__ import annotations

from functools import partial

from trading.errors import OptionError
from trading.market.book import PeerPrice
from trading.market.pricing.tariffs import (
    BookTotals,
    Parameter,
    Pricing,
    Tariffs,
    within_limits,
)
from trading.units import MAX_U32, price_ueur_per_kwh


def fixed(
    totals: BookTotals,  # noqa: ARG001
    tariffs: Tariffs,
    /,
    *,
    buyer_ueur_per_kwh: int | None = None,
) -> PeerPrice | None:
    """Buyers pay `buyer_ueur_per_kwh`, sellers get it less the lot's fee.

    Without a price of your own it is the middle between what sellers need and the highest price of
    grid energy, at least what leaves sellers that after the fee: the same at all times too.

    None where that is above the price of grid energy or below that of feeding in.

    Raises:
        OptionError: the price is not from 0 to 2**32 - 1.

    >>> totals = BookTotals(demand_wh=5_000, supply_wh=9_000)
    >>> tariffs = Tariffs(buy=300_000, feed_in=80_000, lot_fee=10_000)
    >>> fixed(totals, tariffs, buyer_ueur_per_kwh=250_000)
    PeerPrice(buyer_ueur_per_kwh=250000, seller_ueur_per_kwh=240000)
    >>> fixed(totals, tariffs, buyer_ueur_per_kwh=310_000) is None
    True
    >>> fixed(totals, tariffs)
    PeerPrice(buyer_ueur_per_kwh=190000, seller_ueur_per_kwh=180000)
    """
    if buyer_ueur_per_kwh is None:
        least = max(tariffs.least_to_seller, 0)
        highest = tariffs.buy if tariffs.highest_buy is None else tariffs.highest_buy
        buyer_ueur_per_kwh = max((least + highest) // 2, least + tariffs.lot_fee)
    elif not 0 <= buyer_ueur_per_kwh <= MAX_U32:
        raise OptionError(
            "buyer_ueur_per_kwh", buyer_ueur_per_kwh, f"micro-euro per kWh from 0 to {MAX_U32}"
        )
    return within_limits(buyer_ueur_per_kwh - tariffs.lot_fee, tariffs)


def _bound(text: str) -> Pricing:
    return partial(fixed, buyer_ueur_per_kwh=price_ueur_per_kwh(text))


PRICE = Parameter(
    example="0.40", expected="what buyers pay, in EUR/kWh from 0 to 4294.967295", bound=_bound
)
