"""What things cost in a lot, and the limits outside which no party would trade.

A seller's floor is what its energy costs it to replace, losses included, plus the wear of its
battery; a buyer's ceiling is the lot's own tariff (DESIGN: "Rational limits").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trading.errors import OptionError
from trading.lot.physics import Efficiency
from trading.market import PeerPrice

HIGHEST = 1_000_000_000
"""A thousand euro per kWh: floors computed from any price below it still fit a trade word."""
Guarantee = Literal["consent", "whole"]
GUARANTEES: tuple[Guarantee, ...] = ("consent", "whole")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Prices in micro-euro per kWh.

    Assumption: lot tariff 0.50, replacement at home 0.25, wear 0.05, lot fee 0.01 EUR/kWh; the
    source gives none.

    Attributes:
        lot_tariff: what a driver pays the lot for grid energy, at the charger's meter.
        replacement: what a driver pays at home for energy missing at departure.
        wear: what a seller's battery loses in value for a kWh sold, at the charger's meter.
        lot_fee: the spread between a trade's two prices, the lot operator's.
        price: the buyer's price; None for the middle of floor and ceiling.
        limits: whether trades outside floor and ceiling are blocked.
    """

    lot_tariff: int = 500_000
    replacement: int = 250_000
    wear: int = 50_000
    lot_fee: int = 10_000
    price: int | None = None
    limits: bool = True

    def __post_init__(self) -> None:
        for name in ("lot_tariff", "replacement", "wear", "lot_fee"):
            if not 0 <= getattr(self, name) <= HIGHEST:
                expected = f"micro-euro per kWh from 0 to {HIGHEST}"
                raise OptionError(name, getattr(self, name), expected)
        if self.price is not None and not 0 <= self.price <= HIGHEST:
            expected = f"micro-euro per kWh from 0 to {HIGHEST}, or None for the middle"
            raise OptionError("price", self.price, expected)

    def floor(self, guarantee: Guarantee, efficiency: Efficiency) -> int:
        """The least a seller accepts per kWh at its meter: replacement over round trip, plus wear.

        Under `whole` the energy is replaced before departure at the lot's own tariff.
        """
        replacement = self.lot_tariff if guarantee == "whole" else self.replacement
        scale = efficiency.charge_ppm * efficiency.discharge_ppm
        return -(-replacement * 10**12 // scale) + self.wear

    def ceiling(self) -> int:
        """The most a buyer pays per kWh at its meter: the lot's tariff for the same kWh."""
        return self.lot_tariff

    def peer_price(self, guarantee: Guarantee, efficiency: Efficiency) -> PeerPrice:
        """The posted price of a trade: what the buyer pays, and what the seller gets of it.

        Without a price given it is the middle of floor and ceiling, or as much above it as leaves
        the seller its floor after the lot's fee, where the ceiling allows that.
        """
        buyer = self.price
        if buyer is None:
            floor, ceiling = self.floor(guarantee, efficiency), self.ceiling()
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
