"""The mid-market rate: halfway between buying from the grid and feeding into it."""

from __future__ import annotations

from trading.market.book import PeerPrice
from trading.market.pricing.tariffs import BookTotals, Tariffs, within_limits


def mid_market(totals: BookTotals, tariffs: Tariffs, /) -> PeerPrice | None:  # noqa: ARG001
    """Sellers get the middle of feeding in and of the grid's price less the lot's fee.

    So both parties gain the same per kWh, after the fee. The rate is rounded down. What the scheme
    is known to pay for energy without a partner (Tushar et al., 2018, blend it into one rate) stays
    grid energy here, at the grid's prices; `blended` gives the rate over both.

    None where the fee leaves no room between the grid's two prices, or the middle is negative.

    >>> totals = BookTotals(demand_wh=5_000, supply_wh=9_000)
    >>> mid_market(totals, Tariffs(buy=300_000, feed_in=80_000, lot_fee=10_000))
    PeerPrice(buyer_ueur_per_kwh=195000, seller_ueur_per_kwh=185000)
    """
    return within_limits((tariffs.feed_in + tariffs.most_to_seller) // 2, tariffs)
