"""The source's case study: a made-up fleet, the bare equations, and a consortium that confirms.

FLOW D5.5 section 2.2.4 gives capacities and ranges of state of charge, and claims that trading
lowers the load on the grid and covers the buyers' requirement at lower cost. Roles, energies,
trades and costs here are Equations (1) to (5) without losses, power or time. So that lot, operators
and ledger serve unchanged, the fleet stands for one market interval at chargers that move
everything in it, with efficiencies of 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd

from trading.chain import open_network
from trading.engine.case_claims import claims_of, truth_table
from trading.engine.case_load import Chargers, load_over_time
from trading.engine.day import (
    GENESIS_MARGIN_S,
    SECONDS_PER_ENROLMENT,
    Consensus,
    Progress,
    package_version,
)
from trading.engine.desk import SettlementDesk
from trading.engine.enrolment import LOT, Cast, Enrolment, found, pay_out
from trading.engine.result import FINAL_STATUSES
from trading.errors import OptionError
from trading.fleet import DEFAULT_THRESHOLDS, Thresholds, roles
from trading.lot import Accounts, Efficiency, LotRules, LotRun, Stays, Terms, accounts_of
from trading.lot import simulate_lot as simulate
from trading.market import DEFAULT_MECHANISM, mechanism_named
from trading.operators import OperatorNode
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseStudyResult:
    """The case study's result; tables have the columns of the files that they are written to.

    Attributes:
        options: what decided it.
        fleet: FLEET table.
        roles: ROLES table, Equations (1) to (3).
        run: the one interval in the lot.
        accounts: its closed books.
        trades: `TRADE_COLUMNS`, Equations (4) and (5), with what became of each on chain.
        transactions: one row a buyer's batch: `TRANSACTION_COLUMNS`.
        chain: every event of the contract.
        operators: a row an operator, with its votes.
        wallets: what everyone deposited and withdrew.
        load: load over time at the assumed charger power.
        claims: the claims with their numbers, and what stands beside them.
        truth_table: which claim holds under which assumption.
        summary: `summary.json`.
        assumptions: sentences: every figure of ours that the source does not give.
    """

    options: CaseStudyOptions
    fleet: pd.DataFrame
    roles: pd.DataFrame
    run: LotRun
    accounts: Accounts
    trades: pd.DataFrame
    transactions: pd.DataFrame
    chain: pd.DataFrame
    operators: pd.DataFrame
    wallets: pd.DataFrame
    load: pd.DataFrame
    claims: pd.DataFrame
    truth_table: pd.DataFrame
    summary: dict[str, int | str | float]
    assumptions: tuple[str, ...]


def fleet_of(*, buyers: int, sellers: int, seed: int) -> pd.DataFrame:
    """The fleet of the case study: `buyers` vehicles of 30 to 60 %, `sellers` of 80 to 95 %.

    Capacity and state of charge are draws by (seed, vehicle) alone: more vehicles change nothing of
    those that are there already.

    Returns:
        FLEET table in order of id: `B001` and so on for those drawn as buyers, `S001` for sellers.

    >>> print(fleet_of(buyers=1, sellers=1, seed=0).to_string(index=False))
    vehicle_id  battery_capacity_kwh   soc
          B001                  60.0 0.311
          S001                 100.0 0.890
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
