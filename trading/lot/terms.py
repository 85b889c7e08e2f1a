"""What things cost in a lot, and the limits outside which no party would trade.

A seller's floor is what its energy costs it to replace, losses included, plus the wear of its
battery; a buyer's ceiling is the lot's own tariff (DESIGN: "Rational limits").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from trading.errors import OptionError
from trading.lot.physics import Efficiency
from trading.lot.profile import Profile
from trading.market import PeerPrice
from trading.market.pricing import BookTotals, Tariffs, pricing_named
from trading.units import Int64Array, hash_units, is_fraction

HIGHEST = 1_000_000_000
"""A thousand euro per kWh: floors computed from any price below it still fit a trade word."""
FEED_IN = 80_000
"""Assumption: what the grid pays for energy fed in, micro-euro per kWh."""
Guarantee = Literal["consent", "whole"]
GUARANTEES: tuple[Guarantee, ...] = ("consent", "whole")
Bearer = Literal["leaver", "lot"]
BEARERS: tuple[Bearer, ...] = ("leaver", "lot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Prices in micro-euro per kWh.

    Assumption: lot tariff 0.50, replacement at home 0.25, wear 0.05, lot fee 0.01, feeding in 0.08
    EUR/kWh; the source gives none.

    Attributes:
        lot_tariff: what a driver pays the lot for grid energy, at the charger's meter.
        tariff: the same where it changes in time, negative prices included; it then takes the
            place of `lot_tariff`.
        feed_in: what the grid pays for energy fed in at the connection point; a profile if it
            changes in time.
        network_charge: what the lot pays the network for energy drawn at the connection point,
            once; peers' energy does not pass it.
        replacement: what a driver pays at home for energy missing at departure.
        wear: what a seller's battery loses in value for a kWh sold, at the charger's meter.
        lot_fee: the spread between a trade's two prices, the lot operator's.
        price: the buyer's price; None for the middle of floor and ceiling.
        pricing: name of a scheme that posts the price of each interval instead, as in
            `trading.market.pricing.PRICINGS`, with a number of its own or without: `fixed:0.40`.
        replacement_spread: how much drivers' prices at home differ: each is drawn by (seed,
            session) from `replacement` less to plus this share of it.
        shortfall: who bears what does not flow because a party left before its time: whoever
            left, or the lot.
        limits: whether trades outside floor and ceiling are blocked.
    """

    lot_tariff: int = 500_000
    replacement: int = 250_000
    wear: int = 50_000
    lot_fee: int = 10_000
    price: int | None = None
    limits: bool = True
    tariff: Profile | None = None
    feed_in: int | Profile = FEED_IN
    network_charge: int = 0
    pricing: str | None = None
    replacement_spread: float = 0.0
    shortfall: Bearer = "leaver"

    def __post_init__(self) -> None:
        for name in ("lot_tariff", "replacement", "wear", "lot_fee", "network_charge"):
            if not 0 <= getattr(self, name) <= HIGHEST:
                expected = f"micro-euro per kWh from 0 to {HIGHEST}"
                raise OptionError(name, getattr(self, name), expected)
        if self.price is not None and not 0 <= self.price <= HIGHEST:
            expected = f"micro-euro per kWh from 0 to {HIGHEST}, or None for the middle"
            raise OptionError("price", self.price, expected)
        for name, prices in (("tariff", self.tariff), ("feed_in", self._feed_in)):
            if prices is not None and not -HIGHEST <= prices.lowest <= prices.highest <= HIGHEST:
                expected = f"micro-euro per kWh from {-HIGHEST} to {HIGHEST} at all times"
                raise OptionError(name, f"{prices.lowest} to {prices.highest}", expected)
        if self.pricing is not None:
            pricing_named(self.pricing)
            if self.price is not None:
                expected = "none beside a pricing scheme; leave one of the two out"
                raise OptionError("price", self.price, expected)
        if not is_fraction(self.replacement_spread):
            expected = "a share from 0 to 1"
            raise OptionError("replacement_spread", self.replacement_spread, expected)
        if self.shortfall not in BEARERS:
            raise OptionError("shortfall", self.shortfall, "one of " + ", ".join(BEARERS))

    @property
    def _feed_in(self) -> Profile:
        return self.feed_in if isinstance(self.feed_in, Profile) else Profile.constant(self.feed_in)

    def buy_over(self, edges_s: Int64Array) -> Int64Array:
        """Mean tariff between each two Unix times, rounded down, shape (n - 1,)."""
        if self.tariff is None:
            return np.full(len(edges_s) - 1, self.lot_tariff, dtype=np.int64)
        mean: Int64Array = self.tariff.over(edges_s) // np.diff(edges_s)
        return mean

    def feed_in_over(self, edges_s: Int64Array) -> Int64Array:
        """Mean of what feeding in is paid, as `buy_over`."""
        mean: Int64Array = self._feed_in.over(edges_s) // np.diff(edges_s)
        return mean

    def check_covers(self, since_s: int, until_s: int) -> None:
        """Refuse prices in time that do not cover a run between two Unix times.

        Raises:
            OptionError: a series is shorter; names it, its span and the run's.
        """
        for prices in (self.tariff, self._feed_in):
            if prices is not None:
                prices.check_covers(since_s, until_s)

    @property
    def highest_tariff(self) -> int:
        """The most that grid energy ever costs in the lot, never below 0."""
        return self.lot_tariff if self.tariff is None else max(self.tariff.highest, 0)

    def replacements(self, ids: npt.NDArray[np.object_], seed: int) -> Int64Array:
        """What each driver pays at home, shape of `ids`."""
        flat = np.full(len(ids), self.replacement, dtype=np.int64)
        if self.replacement_spread == 0:
            return flat
        share = self.replacement_spread * (2 * hash_units(seed, "replacement", ids) - 1)
        drawn: Int64Array = flat + np.rint(share * self.replacement).astype(np.int64)
        return drawn

    def floors(
        self, replacements: Int64Array, guarantee: Guarantee, efficiency: Efficiency
    ) -> Int64Array:
        """`floor` of drivers who pay `replacements` at home."""
        if guarantee == "whole":
            return np.full(len(replacements), self.floor(guarantee, efficiency), dtype=np.int64)
        scale = efficiency.charge_ppm * efficiency.discharge_ppm
        # A thousand euro a kWh times 10**12 passes 63 bits, whole parts and rests do not.
        whole, rest = np.divmod(replacements * 10**6, scale)
        floors: Int64Array = whole * 10**6 - (-rest * 10**6 // scale) + self.wear
        return floors

    def floor(self, guarantee: Guarantee, efficiency: Efficiency) -> int:
        """The least a seller accepts per kWh at its meter: replacement over round trip, plus wear.

        Under `whole` the energy is replaced before departure at the lot's own tariff, which is
        taken to be the highest of the day.
        """
        replacement = self.highest_tariff if guarantee == "whole" else self.replacement
        scale = efficiency.charge_ppm * efficiency.discharge_ppm
        return -(-replacement * 10**12 // scale) + self.wear

    def ceiling(self) -> int:
        """The most a buyer ever pays per kWh at its meter: the lot's tariff for the same kWh."""
        return self.highest_tariff

    def quote(
        self,
        guarantee: Guarantee,
        efficiency: Efficiency,
        *,
        tariff: int,
        feed_in: int,
        totals: BookTotals,
    ) -> PeerPrice | None:
        """What the pricing scheme posts for an interval, or None where all stay on the grid.

        Args:
            guarantee: what sellers are promised, which their floor hangs on.
            efficiency: of the round trip, which their floor hangs on too.
            tariff: of the interval; it may be negative, a peer price never is.
            feed_in: of the interval; it may be negative too.
            totals: of the interval's bids and asks.

        Raises:
            OptionError: the terms have no pricing scheme.
        """
        if feed_in > tariff:
            return None
        grid = Tariffs(
            buy=tariff,
            feed_in=feed_in,
            lot_fee=self.lot_fee,
            floor=self.floor(guarantee, efficiency) if self.limits else None,
            highest_buy=self.highest_tariff,
        )
        return pricing_named(str(self.pricing))(totals, grid)

    def standing_price(
        self, guarantee: Guarantee, efficiency: Efficiency, *, tariff: int
    ) -> PeerPrice | None:
        """What is posted at that tariff without a scheme, or None where all stay on the grid."""
        return None if tariff < 0 else self.peer_price(guarantee, efficiency, tariff=tariff)

    def peer_price(
        self, guarantee: Guarantee, efficiency: Efficiency, *, tariff: int | None = None
    ) -> PeerPrice:
        """The posted price of a trade: what the buyer pays, and what the seller gets of it.

        Without a price given it is the middle of floor and ceiling, or as much above it as leaves
        the seller its floor after the lot's fee, where the ceiling allows that. The ceiling is
        `tariff`, or without it the highest tariff.
        """
        buyer = self.price
        if buyer is None:
            floor = self.floor(guarantee, efficiency)
            ceiling = self.ceiling() if tariff is None else tariff
            buyer = (floor + ceiling) // 2
            if buyer < floor + self.lot_fee <= ceiling:
                buyer = floor + self.lot_fee
        return PeerPrice(buyer_ueur_per_kwh=buyer, seller_ueur_per_kwh=max(buyer - self.lot_fee, 0))

    def is_rational(self, price: PeerPrice, guarantee: Guarantee, efficiency: Efficiency) -> bool:
        """Whether both parties gain, or lose nothing, at `price`."""
        return (
            price.seller_ueur_per_kwh >= self.floor(guarantee, efficiency)
            and price.buyer_ueur_per_kwh <= self.ceiling()
        )
