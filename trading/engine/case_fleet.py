"""The case study's vehicles: what is drawn, what is assumed, and how they stand in a lot.

FLOW D5.5 section 2.2.4 gives capacities and ranges of state of charge; everything else here is an
assumption of ours, and the report lists it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from trading.engine.case_load import Chargers
from trading.engine.consensus import Consensus
from trading.errors import OptionError
from trading.fleet import DEFAULT_THRESHOLDS, Thresholds, role_arrays
from trading.lot import Efficiency, LotRules, Terms
from trading.market import DEFAULT_MECHANISM, mechanism_named
from trading.tables import UTC_TIME
from trading.units import MAX_U32, hash_units

CAPACITIES_KWH = (40.0, 60.0, 80.0, 100.0)
BUYERS_SOC = (0.30, 0.60)
SELLERS_SOC = (0.80, 0.95)
SOC_STEP = 1_000
"""Assumption: state of charge is known to a tenth of a percent, so every energy is a whole Wh."""

MAX_VEHICLES = 999
MIN_PRICE = 1_000
"""Below it 1 Wh costs nothing, and the ledger takes no trade without a cost."""

INTERVAL_S = 3_600
BARE = Efficiency(charge_ppm=1_000_000, discharge_ppm=1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStudyOptions:
    """What decides the case study; the source gives none of these but the ranges of the draws.

    Attributes:
        buyers, sellers: how many vehicles are drawn from the buyers' and the sellers' range.
        seed: of the draws.
        price: P of Equation (5), ueur per kWh, what the buyer pays and the seller gets.
        grid_tariff: what the grid costs in the lot, ueur per kWh.
        replacement: what a seller pays at home for what it sold, ueur per kWh.
        wear: what a seller's battery loses by a kWh sold, ueur; counted in the truth table only.
        mechanism: matches bids and asks.
        thresholds: T_b and T_s of Equation (1).
        consensus: operators, quorum and network.
        chargers: power, step and order of the load over time.
        start: when the vehicles plug in, a whole hour in UTC.

    Raises:
        OptionError: a value is outside what is said here.
    """

    buyers: int = 20
    sellers: int = 20
    seed: int = 0
    price: int = 400_000
    grid_tariff: int = 500_000
    replacement: int = 250_000
    wear: int = 50_000
    mechanism: str = DEFAULT_MECHANISM
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    consensus: Consensus = field(default_factory=Consensus)
    chargers: Chargers = field(default_factory=Chargers)
    start: pd.Timestamp = field(default_factory=lambda: pd.Timestamp("2024-06-03T08:00Z"))

    def __post_init__(self) -> None:
        for name in ("buyers", "sellers"):
            if not 1 <= getattr(self, name) <= MAX_VEHICLES:
                raise OptionError(name, getattr(self, name), f"1 to {MAX_VEHICLES} vehicles")
        if not MIN_PRICE <= self.price <= MAX_U32 // 2:
            raise OptionError("price", self.price / 1e6, "a price of 0.001 EUR/kWh or more")
        if not 0 <= self.grid_tariff <= MAX_U32 // 2:
            raise OptionError("grid_tariff", self.grid_tariff / 1e6, "a price in EUR/kWh")
        if self.start.tzinfo is None or self.start.timestamp() % INTERVAL_S:
            raise OptionError("start", self.start, "a whole hour, with its zone")
        if self.chargers.power_w < 1_000 or self.chargers.step_s < 1:
            raise OptionError("chargers", self.chargers, "1 kW and 1 s or more")
        mechanism_named(self.mechanism, option="priority")

    def rules(self) -> LotRules:
        """The lot that applies the bare equations: one interval, no losses, no power limits."""
        return LotRules(
            interval_s=INTERVAL_S,
            gate_lead_s=0,
            thresholds=self.thresholds,
            smallest_trade_wh=1,
            efficiency=BARE,
            acceptance=None,
            seed=self.seed,
        )

    def terms(self) -> Terms:
        """What things cost: one price for both parties, and nobody keeps anyone from trading."""
        return Terms(
            lot_tariff=self.grid_tariff,
            replacement=self.replacement,
            wear=0,
            lot_fee=0,
            price=self.price,
            limits=False,
        )


def fleet_of(*, buyers: int, sellers: int, seed: int) -> pd.DataFrame:
    """The fleet of the case study: `buyers` vehicles of 30 to 60 %, `sellers` of 80 to 95 %.

    Capacity and state of charge are draws by (seed, vehicle) alone: more vehicles change nothing of
    those that are there already.

    Returns:
        FLEET table in order of id: `B001` and so on for those drawn as buyers, `S001` for sellers.

    >>> print(fleet_of(buyers=1, sellers=1, seed=0).to_string(index=False))
    vehicle_id  battery_capacity_kwh   soc
          B001                 100.0 0.438
          S001                  60.0 0.894
    """
    ids = [f"B{n + 1:03d}" for n in range(buyers)] + [f"S{n + 1:03d}" for n in range(sellers)]
    low, high = (
        np.repeat([of_buyers, of_sellers], [buyers, sellers])
        for of_buyers, of_sellers in zip(BUYERS_SOC, SELLERS_SOC, strict=True)
    )
    size = hash_units(seed, "case study capacity", ids) * len(CAPACITIES_KWH)
    soc = low + (high - low) * hash_units(seed, "case study soc", ids)
    return pd.DataFrame(
        {
            "vehicle_id": pd.Series(ids, dtype="str"),
            "battery_capacity_kwh": np.array(CAPACITIES_KWH)[size.astype(np.int64)],
            "soc": np.rint(soc * SOC_STEP) / SOC_STEP,
        }
    )


def sessions_of(
    fleet: pd.DataFrame,
    options: CaseStudyOptions,
    *,
    efficiency: Efficiency = BARE,
    until_full: bool = False,
) -> pd.DataFrame:
    """The fleet as stays of one interval, at chargers that move in it whatever there is to move.

    Args:
        fleet: FLEET table.
        options: thresholds and start.
        efficiency: of the stays; it sizes what a buyer has to draw at its meter.
        until_full: buyers need a full battery; without it they need what Equation (2) says.

    Returns:
        SESSIONS table in the order of the fleet. Only buyers need anything.
    """
    soc = fleet["soc"].to_numpy(np.float64)
    capacity_kwh = fleet["battery_capacity_kwh"].to_numpy(np.float64)
    capacity_wh = np.rint(capacity_kwh * 1_000).astype(np.int64)
    equations = role_arrays(soc.copy(), capacity_kwh, options.thresholds)
    wanted = equations.required_wh
    if until_full:
        room = capacity_wh - np.rint(soc * capacity_wh).astype(np.int64)
        wanted = np.where(equations.required_wh > 0, room, 0)
    # Twice what could ever move in the interval, so that power never decides.
    power_w = 2 * capacity_wh * 3_600 // INTERVAL_S
    start = options.start.tz_convert("UTC")
    return pd.DataFrame(
        {
            "session_id": fleet["vehicle_id"],
            "arrival": pd.Series(start, index=fleet.index, dtype=UTC_TIME),
            "departure": pd.Series(
                start + pd.Timedelta(seconds=INTERVAL_S), index=fleet.index, dtype=UTC_TIME
            ),
            "estimated_departure": pd.Series(pd.NaT, index=fleet.index, dtype=UTC_TIME),
            "battery_capacity_wh": capacity_wh,
            "soc_arrival": soc,
            "soc_source": "declared",
            "need_wh": efficiency.charge_for(wanted),
            "charge_power_w": power_w,
            "discharge_power_w": power_w,
            "reserve_soc": 0.0,
        }
    )
