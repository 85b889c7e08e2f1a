"""A price that stays the same whatever happens in the market or on the grid."""

from __future__ import annotations

from trading.errors import OptionError
from trading.market.book import PeerPrice
from trading.market.pricing.tariffs import BookTotals, Tariffs, within_limits
from trading.units import MAX_U32

# Assumption: half of the lot tariff that `trading.lot` assumes; the source gives no price.
DEFAULT_UEUR_PER_KWH = 250_000


def fixed(
    totals: BookTotals,  # noqa: ARG001
    tariffs: Tariffs,
    /,
    *,
    buyer_ueur_per_kwh: int = DEFAULT_UEUR_PER_KWH,
) -> PeerPrice | None:
    """Buyers pay `buyer_ueur_per_kwh`, sellers get it less the lot's fee.

    None where that is above the price of grid energy or below that of feeding in.

    Raises:
        OptionError: the price is not from 0 to 2**32 - 1.

    >>> totals = BookTotals(demand_wh=5_000, supply_wh=9_000)
    >>> fixed(totals, Tariffs(buy=300_000, feed_in=80_000, lot_fee=10_000))
    PeerPrice(buyer_ueur_per_kwh=250000, seller_ueur_per_kwh=240000)
    >>> fixed(totals, Tariffs(buy=200_000, feed_in=80_000)) is None
    True
    """
    if not 0 <= buyer_ueur_per_kwh <= MAX_U32:
        raise OptionError(
            "buyer_ueur_per_kwh", buyer_ueur_per_kwh, f"micro-euro per kWh from 0 to {MAX_U32}"
        )
    return within_limits(buyer_ueur_per_kwh - tariffs.lot_fee, tariffs)
