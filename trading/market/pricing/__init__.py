"""What a posted price follows: nothing, the grid's tariff, or how scarce energy is."""

from __future__ import annotations

from difflib import get_close_matches

from trading.errors import OptionError
from trading.market.pricing.blend import Blend, blended
from trading.market.pricing.fixed import fixed
from trading.market.pricing.fraction import fraction_of_tariff
from trading.market.pricing.mid_market import mid_market
from trading.market.pricing.supply_demand import supply_demand_ratio
from trading.market.pricing.tariffs import BookTotals, Pricing, Tariffs, within_limits

__all__ = [
    "PRICINGS",
    "Blend",
    "BookTotals",
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


def pricing_named(name: str, *, option: str = "pricing") -> Pricing:
    """The scheme of that name, which the user gave as `option`.

    Raises:
        OptionError: there is none; the message lists those there are, and the nearest.
    """
    if name in PRICINGS:
        return PRICINGS[name]
    expected = "one of " + ", ".join(PRICINGS)
    near = get_close_matches(str(name).lower(), PRICINGS, n=1)
    if near:
        expected += f"; did you mean {near[0]!r}?"
    raise OptionError(option, name, expected)
