"""What a posted price follows: nothing, the grid's tariff, or how scarce energy is.

A scheme is named as in `PRICINGS`, or with a number of your own behind a colon: `fixed:0.40`.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache

from trading.errors import OptionError
from trading.market.pricing.blend import Blend, blended
from trading.market.pricing.fixed import PRICE, fixed
from trading.market.pricing.fraction import FRACTION, fraction_of_tariff
from trading.market.pricing.mid_market import ELSEWHERE as MID_MARKET
from trading.market.pricing.mid_market import mid_market
from trading.market.pricing.supply_demand import ELSEWHERE as SUPPLY_DEMAND
from trading.market.pricing.supply_demand import supply_demand_ratio
from trading.market.pricing.tariffs import (
    BookTotals,
    Parameter,
    Pricing,
    Tariffs,
    within_limits,
)

__all__ = [
    "PARAMETERS",
    "PRICINGS",
    "Blend",
    "BookTotals",
    "Parameter",
    "Pricing",
    "Tariffs",
    "blended",
    "fixed",
    "fraction_of_tariff",
    "mid_market",
    "pricing_named",
    "supply_demand_ratio",
    "within_limits",
]

PRICINGS: dict[str, Pricing] = {
    "fixed": fixed,
    "fraction": fraction_of_tariff,
    "mid-market": mid_market,
    "supply-demand": supply_demand_ratio,
}
"""Every pricing scheme by the name that users type. A new one is a file and a line here."""


PARAMETERS: dict[str, Parameter] = {
    "fixed": PRICE,
    "fraction": FRACTION,
    "mid-market": MID_MARKET,
    "supply-demand": SUPPLY_DEMAND,
}
"""What may stand behind a name; a scheme without a line here takes nothing."""


def pricing_named(name: str, *, option: str = "pricing") -> Pricing:
    """The scheme of that name, or of `NAME:VALUE`, which the user gave as `option`.

    Raises:
        OptionError: there is none, or the value is none for it; the message lists the schemes and
            the nearest, or says what the value has to be.

    >>> pricing_named("fixed:0.40")(
    ...     BookTotals(demand_wh=1, supply_wh=1), Tariffs(buy=500_000, feed_in=0, lot_fee=10_000)
    ... )
    PeerPrice(buyer_ueur_per_kwh=400000, seller_ueur_per_kwh=390000)
    """
    scheme, colon, value = str(name).partition(":")
    if scheme not in PRICINGS:
        expected = "one of " + ", ".join(PRICINGS)
        near = get_close_matches(scheme.lower(), PRICINGS, n=1)
        if near:
            expected += f"; did you mean {near[0]!r}?"
        raise OptionError(option, name, expected)
    if not colon:
        return PRICINGS[scheme]
    if scheme not in PARAMETERS:
        raise OptionError(option, name, f"{scheme} alone, which takes no number")
    parameter = PARAMETERS[scheme]
    try:
        return _bound(scheme, value)
    except ValueError:
        expected = f"behind the colon {parameter.expected}, as in {scheme}:{parameter.example}"
        raise OptionError(option, name, expected) from None


@lru_cache(maxsize=256)
def _bound(scheme: str, value: str) -> Pricing:
    """The scheme with its parameter; a lot asks for it in every interval."""
    return PARAMETERS[scheme].bound(value)
