"""What sellers could get elsewhere, where a scheme is told so instead of taking their floor."""

from __future__ import annotations

from dataclasses import replace

from trading.market.book import PeerPrice
from trading.market.pricing.tariffs import BookTotals, Parameter, Pricing, Tariffs
from trading.units import price_ueur_per_kwh

FEED_IN = "feed-in"
"""Stands for what the grid pays for energy fed in, as in the publications."""


def elsewhere(scheme: Pricing, *, example: str) -> Parameter:
    """The parameter of a scheme that begins at what sellers could get elsewhere."""

    def bound(text: str) -> Pricing:
        floor = None if text == FEED_IN else price_ueur_per_kwh(text)

        def told(totals: BookTotals, tariffs: Tariffs, /) -> PeerPrice | None:
            return scheme(totals, replace(tariffs, floor=floor))

        return told

    return Parameter(
        example=example,
        expected=f"what sellers could get elsewhere in EUR/kWh, 0 or more, or {FEED_IN}",
        bound=bound,
    )
