"""A fraction of what grid energy costs, so that peers follow an hourly tariff."""

from __future__ import annotations

from fractions import Fraction

from trading.errors import OptionError
from trading.market.book import PeerPrice
from trading.market.pricing.tariffs import BookTotals, Tariffs, within_limits

# Assumption: buyers save a fifth; the source says only that peers are cheaper than the grid.
DEFAULT_FRACTION = Fraction(4, 5)


def fraction_of_tariff(
    totals: BookTotals,  # noqa: ARG001
    tariffs: Tariffs,
    /,
    *,
    fraction: Fraction | float = DEFAULT_FRACTION,
) -> PeerPrice | None:
    """Buyers pay that fraction of the grid's price, rounded down; sellers the lot's fee less.

    None where sellers would get less than for feeding in, or less than nothing.

    Raises:
        OptionError: the fraction is not from 0 to 1.

    >>> totals = BookTotals(demand_wh=5_000, supply_wh=9_000)
    >>> fraction_of_tariff(totals, Tariffs(buy=300_000, feed_in=80_000, lot_fee=10_000))
    PeerPrice(buyer_ueur_per_kwh=240000, seller_ueur_per_kwh=230000)
    """
    if not 0 <= fraction <= 1:
        raise OptionError("fraction", fraction, "a fraction from 0 to 1")
    exact = Fraction(fraction) * tariffs.buy
    return within_limits(exact.numerator // exact.denominator - tariffs.lot_fee, tariffs)
