"""Peers' energy and grid energy side by side: the bills of an interval, and the rates over both."""

from __future__ import annotations

from dataclasses import dataclass

from trading.errors import OptionError
from trading.market.book import Fills
from trading.market.pricing.tariffs import BookTotals, Tariffs
from trading.units import WH_PER_KWH, cost_ueur


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """Who pays whom in an interval, in whole micro-euro; grid sums are negative at such prices.

    Attributes:
        peers_wh: energy traded between peers.
        grid_wh: what buyers take from the grid, their demand less peers' energy.
        feed_in_wh: what sellers feed in, their supply less peers' energy.
        to_peers_ueur: what buyers pay for peers' energy.
        to_sellers_ueur: what sellers get of it.
        to_lot_ueur: what the lot gets of it: fee, auction surplus, and what rounding leaves.
        to_grid_ueur: what buyers pay for grid energy.
        from_grid_ueur: what sellers get for feeding in.
    """

    peers_wh: int
    grid_wh: int
    feed_in_wh: int
    to_peers_ueur: int
    to_sellers_ueur: int
    to_lot_ueur: int
    to_grid_ueur: int
    from_grid_ueur: int

    @property
    def buyers_pay_ueur(self) -> int:
        """All that buyers pay."""
        return self.to_peers_ueur + self.to_grid_ueur

    @property
    def sellers_get_ueur(self) -> int:
        """All that sellers get."""
        return self.to_sellers_ueur + self.from_grid_ueur

    @property
    def buyers_ueur_per_kwh(self) -> float | None:
        """What a kWh costs buyers over peers and grid: the published rate, to be shown only."""
        return _rate(self.buyers_pay_ueur, self.peers_wh + self.grid_wh)

    @property
    def sellers_ueur_per_kwh(self) -> float | None:
        """What sellers get for a kWh over peers and grid, to be shown only."""
        return _rate(self.sellers_get_ueur, self.peers_wh + self.feed_in_wh)


def blended(fills: Fills, totals: BookTotals, tariffs: Tariffs) -> Blend:
    """The bills of an interval: peers' energy at the prices of `fills`, the rest at the grid's.

    Trades are rounded down one by one, as they are settled. Each of the two grid sums is rounded
    once, in the grid's favour.

    Raises:
        OptionError: the fills trade more than the totals hold.
    """
    peers_wh = int(fills.energy_wh.sum())
    if peers_wh > min(totals.demand_wh, totals.supply_wh):
        raise OptionError("totals", totals, f"at least the {peers_wh} Wh that were traded")
    to_peers = int(cost_ueur(fills.energy_wh, fills.price_ueur_per_kwh).sum())
    to_sellers = int(cost_ueur(fills.energy_wh, fills.seller_price_ueur_per_kwh).sum())
    grid_wh, feed_in_wh = totals.demand_wh - peers_wh, totals.supply_wh - peers_wh
    return Blend(
        peers_wh=peers_wh,
        grid_wh=grid_wh,
        feed_in_wh=feed_in_wh,
        to_peers_ueur=to_peers,
        to_sellers_ueur=to_sellers,
        to_lot_ueur=to_peers - to_sellers,
        to_grid_ueur=-(-grid_wh * tariffs.buy // WH_PER_KWH),
        from_grid_ueur=feed_in_wh * tariffs.feed_in // WH_PER_KWH,
    )


def _rate(ueur: int, wh: int) -> float | None:
    return None if wh == 0 else ueur * WH_PER_KWH / wh
