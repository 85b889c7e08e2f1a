"""The supply-demand ratio: the scarcer the energy, the nearer its price to the grid's."""

from __future__ import annotations

from trading.market.book import PeerPrice
from trading.market.pricing.elsewhere import elsewhere
from trading.market.pricing.tariffs import BookTotals, Tariffs, within_limits


def supply_demand_ratio(totals: BookTotals, tariffs: Tariffs, /) -> PeerPrice | None:
    """The internal selling price of Liu et al. (2017), charged for peers' energy alone.

    With R = supply / demand, f what sellers need and the grid at b less the lot's fee, sellers get
    f * b / ((b - f) * R + f) while R <= 1, which is b at R = 0, and f beyond. It is rounded down.
    In the paper f is what feeding in brings; vehicles, whose energy costs its replacement, need
    that: the greater of the two counts, and `tariffs` without a floor gives the published price.

    In the paper, buyers pay one rate for all of their energy, a blend of peers' energy at this
    price and grid energy at b. Charged for a trade between peers, that blend would pay for the grid
    energy twice or leave a deficit. So a trade costs this price (the fee on top), grid energy costs
    the grid's price, and `blended` gives the paper's rate over both.

    A negative price for feeding in counts as 0: sellers then give away what they would have to pay
    to get rid of. None where there is no supply, no demand, or no room between the grid's prices.

    >>> tariffs = Tariffs(buy=300_000, feed_in=100_000)
    >>> supply_demand_ratio(BookTotals(demand_wh=8_000, supply_wh=4_000), tariffs)
    PeerPrice(buyer_ueur_per_kwh=150000, seller_ueur_per_kwh=150000)
    >>> supply_demand_ratio(BookTotals(demand_wh=4_000, supply_wh=8_000), tariffs)
    PeerPrice(buyer_ueur_per_kwh=100000, seller_ueur_per_kwh=100000)
    """
    low, high = max(tariffs.least_to_seller, 0), tariffs.most_to_seller
    if totals.demand_wh == 0 or totals.supply_wh == 0 or high < low:
        return None
    if totals.supply_wh >= totals.demand_wh or high == 0:
        return within_limits(low, tariffs)
    # The formula, both parts of the fraction times the demand: whole numbers, exactly rounded.
    below = (high - low) * totals.supply_wh + low * totals.demand_wh
    return within_limits(low * high * totals.demand_wh // below, tariffs)


ELSEWHERE = elsewhere(supply_demand_ratio, example="0.30")
