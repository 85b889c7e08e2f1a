"""A fraction of what grid energy costs, so that peers follow an hourly tariff."""

from __future__ import annotations

import re
from fractions import Fraction
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

# Assumption: buyers save a fifth; the source says only that peers are cheaper than the grid.
DEFAULT_FRACTION = Fraction(4, 5)

_FRACTION = re.compile(r"\d?\.\d{1,9}|\d|\d{1,9}/\d{1,9}", re.ASCII)


def fraction_of_tariff(
    totals: BookTotals,  # noqa: ARG001
    tariffs: Tariffs,
    /,
    *,
    fraction: Fraction | float | None = None,
) -> PeerPrice | None:
    """Buyers pay that fraction of the grid's price, rounded down; sellers the lot's fee less.

    Without a fraction of your own it is 4/5, or more where only more leaves sellers what they need.

    None where sellers would get less than for feeding in, or less than nothing.

    Raises:
        OptionError: the fraction is not from 0 to 1.

    >>> totals = BookTotals(demand_wh=5_000, supply_wh=9_000)
    >>> fraction_of_tariff(totals, Tariffs(buy=300_000, feed_in=80_000, lot_fee=10_000))
    PeerPrice(buyer_ueur_per_kwh=240000, seller_ueur_per_kwh=230000)
    >>> fraction_of_tariff(totals, Tariffs(buy=300_000, feed_in=80_000, floor=250_000))
    PeerPrice(buyer_ueur_per_kwh=250000, seller_ueur_per_kwh=250000)
    """
    if fraction is None:
        to_seller = _rounded(DEFAULT_FRACTION, tariffs)
        if tariffs.floor is not None:
            to_seller = max(to_seller, tariffs.floor)
    elif not 0 <= fraction <= 1:
        raise OptionError("fraction", fraction, "a fraction from 0 to 1")
    else:
        to_seller = _rounded(Fraction(fraction), tariffs)
    return within_limits(to_seller, tariffs)


def _rounded(fraction: Fraction, tariffs: Tariffs) -> int:
    exact = fraction * tariffs.buy
    return exact.numerator // exact.denominator - tariffs.lot_fee


def _bound(text: str) -> Pricing:
    if _FRACTION.fullmatch(text) is None:
        raise ValueError(text)
    try:
        fraction = Fraction(text)
    except ZeroDivisionError:
        raise ValueError(text) from None
    if fraction > 1:
        raise ValueError(text)
    return partial(fraction_of_tariff, fraction=fraction)


FRACTION = Parameter(
    example="0.85",
    expected="the share of the grid's price that buyers pay, from 0 to 1",
    bound=_bound,
)
