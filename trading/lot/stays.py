"""The stays of a day as arrays: who may trade (Equations (1) to (3)) and what each stay can move.

One row a session, in the order of `session_id`, so that a row's number is its code in the market's
order book. Both the lot and each operator build their own from their own copy of the sessions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import OptionError
from trading.fleet import BUYER, DEFAULT_THRESHOLDS, SELLER, Thresholds, role_arrays
from trading.lot.physics import Efficiency, movable_wh
from trading.lot.terms import GUARANTEES, Guarantee
from trading.tables import SESSIONS, check
from trading.units import Int64Array, hash_units, is_fraction

BoolArray = npt.NDArray[np.bool_]
Departures = Literal["actual", "estimated"]
UNKNOWN = np.iinfo(np.int64).max
"""A planned departure that nobody has told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRules:
    """How a lot trades; every field is an assumption of ours unless it says otherwise.

    Attributes:
        interval_s: length of a market interval; intervals begin at whole multiples of it in UTC.
        gate_lead_s: trades of an interval are agreed this long before it begins (gate closure).
        thresholds: T_b and T_s of Equation (1).
        guarantee: `consent`, sellers may leave with as little as max(T_s, reserve); or `whole`,
            nobody leaves with less than without trading.
        v2g_share: share of the vehicles that can discharge, drawn by (seed, session).
        departures: whether plans know the actual departures or only the drivers' estimates.
        smallest_trade_wh: smaller trades are left as residual (dust).
        efficiency: losses between meter and battery.
        seed: of every draw.
    """

    interval_s: int = 900
    gate_lead_s: int = 300
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    guarantee: Guarantee = "consent"
    v2g_share: float = 1.0
    departures: Departures = "actual"
    smallest_trade_wh: int = 100
    efficiency: Efficiency = field(default_factory=Efficiency)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 60 <= self.interval_s <= 3600 or 86_400 % self.interval_s:
            raise OptionError(
                "interval", f"{self.interval_s} s", "1 to 60 minutes that divide the day evenly"
            )
        if self.guarantee not in GUARANTEES:
            raise OptionError("guarantee", self.guarantee, "consent or whole")
        if self.departures not in ("actual", "estimated"):
            raise OptionError("departures", self.departures, "actual or estimated")
        if not is_fraction(self.v2g_share):
            raise OptionError("v2g_share", self.v2g_share, "a share from 0 to 1")
        if self.gate_lead_s < 0:
            raise OptionError("gate_lead_s", self.gate_lead_s, "0 or more seconds")
        if self.smallest_trade_wh < 1:
            raise OptionError("smallest_trade_wh", self.smallest_trade_wh, "1 Wh or more")


class Stays:
    """A day's sessions under a lot's rules; nothing in it changes after it is built.

    Attributes:
        ids: session ids, sorted; a session's position is its code.
        role: "buyer", "seller" or "neutral", latched for the stay: Equation (1) on arrival. A
            vehicle without V2G is never a seller.
        need_wh: energy at the meter to be drawn by departure, at most what the battery can take.
        content_wh: battery content on arrival.
        bid_cap_wh: what a buyer may buy in its stay: Equation (2) at the meter, within its need.
        ask_cap_wh: what a seller may sell in its stay: Equation (3) at the meter, above its
            reserve, out of what it arrived with.
        arrival_s, departure_s: Unix seconds.
        planned_s: departure as plans know it, `UNKNOWN` where nobody has told.
    """

    def __init__(self, sessions: pd.DataFrame, rules: LotRules) -> None:
        """Read a SESSIONS table.

        Raises:
            TableError: the table breaks its schema.
        """
        table = check(sessions, SESSIONS).sort_values("session_id", kind="stable")
        table = table.reset_index(drop=True)
        efficiency = rules.efficiency
        self.rules = rules
        self.table = table
        self.ids: npt.NDArray[np.object_] = table["session_id"].to_numpy(dtype=object)
        self.capacity_wh: Int64Array = table["battery_capacity_wh"].to_numpy(np.int64)
        self.soc_arrival = table["soc_arrival"].to_numpy(np.float64)
        self.content_wh: Int64Array = np.rint(self.soc_arrival * self.capacity_wh).astype(np.int64)
        self.charge_w: Int64Array = table["charge_power_w"].to_numpy(np.int64)
        self.need_wh: Int64Array = np.minimum(
            table["need_wh"].to_numpy(np.int64),
            efficiency.charge_within(self.capacity_wh - self.content_wh),
        )
        self.arrival_s = _seconds(table["arrival"])
        self.departure_s = _seconds(table["departure"])
        self.planned_s: Int64Array = self.departure_s
        if rules.departures == "estimated":
            known = table["estimated_departure"].notna().to_numpy()
            estimate = _seconds(table["estimated_departure"].fillna(table["departure"]))
            self.planned_s = np.where(known, estimate, UNKNOWN)

        v2g = hash_units(rules.seed, "v2g", self.ids) < rules.v2g_share
        self.discharge_w: Int64Array = np.where(
            v2g, table["discharge_power_w"].to_numpy(np.int64), 0
        )
        equations = role_arrays(self.soc_arrival, self.capacity_wh / 1000, rules.thresholds)
        self.is_buyer: BoolArray = equations.role == BUYER
        self.is_seller: BoolArray = (equations.role == SELLER) & (self.discharge_w > 0)
        self.role = np.where(self.is_buyer, "buyer", np.where(self.is_seller, "seller", "neutral"))

        # The integer content above both floors, so that no rounding ever takes a seller below one;
        # to a millionth of a Wh, below which a product of doubles is noise (0.81 * 40_000).
        kept = np.maximum(rules.thresholds.seller, table["reserve_soc"].to_numpy(np.float64))
        kept_wh = np.ceil((kept * self.capacity_wh).round(6)).astype(np.int64)
        spare = self.content_wh - kept_wh
        spare = np.minimum(equations.available_wh, np.maximum(spare, 0))
        required = np.minimum(efficiency.charge_for(equations.required_wh), self.need_wh)
        self.bid_cap_wh: Int64Array = np.where(self.is_buyer, required, 0)
        self.ask_cap_wh: Int64Array = np.where(self.is_seller, efficiency.discharge_from(spare), 0)

    def __len__(self) -> int:
        return len(self.ids)

    def code_of(self, session_id: str) -> int:
        """Position of a session in every array.

        Raises:
            KeyError: no session has this id.
        """
        code = int(np.searchsorted(self.ids, session_id))
        if code == len(self) or self.ids[code] != session_id:
            raise KeyError(session_id)
        return code

    def is_there(self, start_s: int) -> BoolArray:
        """Who may trade in the interval that begins at `start_s`, as known at its gate closure.

        Whoever has arrived and not left by then, and is not expected to leave before the start; a
        departure between the two that nobody announced is not known.
        """
        gate_s = start_s - self.rules.gate_lead_s
        there = (self.arrival_s <= gate_s) & (self.departure_s > gate_s)
        return there & (self.known_departure(gate_s) > start_s)

    def grid_only_wh(self, at_s: int | Int64Array) -> Int64Array:
        """Energy drawn by `at_s` when every vehicle charges at once and nobody trades."""
        return np.minimum(self.need_wh, self.chargeable_wh(self.arrival_s, at_s))

    def chargeable_wh(
        self, since_s: int | Int64Array, until_s: int | Int64Array, *, planned: bool = False
    ) -> Int64Array:
        """What each charger can feed its vehicle between two instants, within the stay."""
        return self._movable(self.charge_w, since_s, until_s, planned)

    def dischargeable_wh(
        self, since_s: int | Int64Array, until_s: int | Int64Array, *, planned: bool = False
    ) -> Int64Array:
        """What each charger can take from its vehicle between two instants, within the stay."""
        return self._movable(self.discharge_w, since_s, until_s, planned)

    def _movable(
        self,
        power_w: Int64Array,
        since_s: int | Int64Array,
        until_s: int | Int64Array,
        planned: bool,
    ) -> Int64Array:
        leaves = self.known_departure(since_s) if planned else self.departure_s
        since = np.maximum(since_s, self.arrival_s)
        until = np.minimum(until_s, leaves)
        return movable_wh(power_w, since - self.arrival_s, until - self.arrival_s)

    def known_departure(self, at_s: int | Int64Array) -> Int64Array:
        """Departure as plans know it at `at_s`: an estimate that has lapsed tells nothing more."""
        return np.where(self.planned_s > at_s, self.planned_s, UNKNOWN)


def _seconds(times: pd.Series) -> Int64Array:
    """Whole Unix seconds; a stay is counted from and to the second it is recorded in."""
    seconds: Int64Array = times.dt.as_unit("s").astype("int64").to_numpy(np.int64)
    return seconds
