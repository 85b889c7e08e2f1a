"""The mid-market rate: halfway between what sellers need and what grid energy costs."""

from __future__ import annotations

from trading.market.book import PeerPrice
from trading.market.pricing.elsewhere import elsewhere
from trading.market.pricing.tariffs import BookTotals, Tariffs, within_limits


def mid_market(totals: BookTotals, tariffs: Tariffs, /) -> PeerPrice | None:  # noqa: ARG001
    """Sellers get the middle of what they need and of the grid's price less the lot's fee.

    So both parties gain the same per kWh, after the fee. The rate is rounded down. As published
    (Tushar et al., 2018) sellers could feed in instead; vehicles, whose energy costs its
    replacement, need that: the greater of the two counts, and `tariffs` without a floor gives the
    published rate. What the scheme is known to pay for energy without a partner, blended into one
    rate, stays grid energy here, at the grid's prices; `blended` gives the rate over both.

    None where the fee leaves no room between the two prices, or the middle is negative.

    >>> totals = BookTotals(demand_wh=5_000, supply_wh=9_000)
    >>> mid_market(totals, Tariffs(buy=300_000, feed_in=80_000, lot_fee=10_000))
    PeerPrice(buyer_ueur_per_kwh=195000, seller_ueur_per_kwh=185000)
    >>> mid_market(totals, Tariffs(buy=300_000, feed_in=80_000, lot_fee=10_000, floor=220_000))
    PeerPrice(buyer_ueur_per_kwh=265000, seller_ueur_per_kwh=255000)
    """
    return within_limits((tariffs.least_to_seller + tariffs.most_to_seller) // 2, tariffs)


ELSEWHERE = elsewhere(mid_market, example="feed-in")
