"""The stays of a day as arrays: who may trade (Equations (1) to (3)) and what each stay can move.

One row a session, in the order of `session_id`, so that a row's number is its code in the market's
order book. Both the lot and each operator build their own from their own copy of the sessions.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import OptionError
from trading.fleet import BUYER, DEFAULT_THRESHOLDS, SELLER, Thresholds, role_arrays
from trading.lot.course import course_of
from trading.lot.physics import Acceptance, Efficiency, Taper, movable_wh
from trading.lot.presence import ByInterval, Presence
from trading.lot.site import Site
from trading.lot.terms import GUARANTEES, Guarantee
from trading.tables import SESSIONS, check
from trading.units import MAX_U32, Int64Array, hash_units, is_fraction

BoolArray = npt.NDArray[np.bool_]
Departures = Literal["actual", "estimated"]
StrategyName = Literal["at-once", "latest", "cheapest"]
STRATEGY_NAMES: tuple[StrategyName, ...] = ("at-once", "latest", "cheapest")
Rows = Int64Array | slice
ALL = slice(None)
PUBLISHED_V2G_SHARE = 0.11
"""Share of V2G-capable vehicles in a published fleet (DC; on AC it is none)."""
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
        merge_small: whether small trades of a vehicle are first brought together where they can be.
        efficiency: losses between meter and battery.
        acceptance: how charging slows down as a battery nears full; None for no such thing.
        site: the lot's equipment.
        strategy: when grid energy is drawn.
        arbitrage: whether a seller may also sell what it drew from the grid in its stay.
        v2g_cap_wh: the most that any seller sells in a stay, at its meter; None for no cap but its
            owner's.
        reserve_soc: state of charge below which no seller goes; its owner's counts if higher.
        meter_s: length of a meter interval, which divides the market interval; None for the same.
        settlement_s: length of a settlement interval, a multiple of the market interval; None for
            the same.
        seed: of every draw.
    """

    interval_s: int = 900
    gate_lead_s: int = 300
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    guarantee: Guarantee = "consent"
    v2g_share: float = 1.0
    departures: Departures = "actual"
    smallest_trade_wh: int = 100
    merge_small: bool = False
    efficiency: Efficiency = field(default_factory=Efficiency)
    acceptance: Acceptance | None = field(default_factory=Acceptance)
    site: Site = field(default_factory=Site)
    strategy: StrategyName = "at-once"
    arbitrage: bool = False
    v2g_cap_wh: int | None = None
    reserve_soc: float = 0.0
    meter_s: int | None = None
    settlement_s: int | None = None
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
        if self.strategy not in STRATEGY_NAMES:
            raise OptionError("strategy", self.strategy, "one of " + ", ".join(STRATEGY_NAMES))
        if self.v2g_cap_wh is not None and not 0 <= self.v2g_cap_wh <= MAX_U32:
            expected = f"Wh from 0 to {MAX_U32}, or None for no cap"
            raise OptionError("v2g_cap_wh", self.v2g_cap_wh, expected)
        if not is_fraction(self.reserve_soc):
            raise OptionError("reserve_soc", self.reserve_soc, "a state of charge from 0 to 1")
        if self.meter_s is not None and (
            not 60 <= self.meter_s <= self.interval_s or self.interval_s % self.meter_s
        ):
            expected = f"60 s or more that divide the market interval of {self.interval_s} s evenly"
            raise OptionError("meter_interval", f"{self.meter_s} s", expected)
        if self.settlement_s is not None and (
            self.settlement_s < self.interval_s
            or self.settlement_s % self.interval_s
            or 86_400 % self.settlement_s
        ):
            expected = (
                f"a multiple of the market interval of {self.interval_s} s that divides a day"
            )
            raise OptionError("settlement_interval", f"{self.settlement_s} s", expected)

    @property
    def metered_s(self) -> int:
        """Length of a meter interval in seconds."""
        return self.meter_s or self.interval_s

    def settled_from_s(self, start_s: int) -> int:
        """When the trades of the interval that begins at `start_s` may be settled, Unix s."""
        step = self.settlement_s or self.interval_s
        return (start_s + self.interval_s + step - 1) // step * step


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
        kept_wh: battery content below which a seller never goes.
        v2g_cap_wh: the most that each vehicle may sell in its stay, by the lot and by its owner.
        charge_w, discharge_w: what vehicle and charger move at most.
        arrival_s, departure_s: Unix seconds; `arrival_s` is when a charger was free, and the
            departure where none ever was.
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
        charger = rules.site.charger
        self.charge_w: Int64Array = table["charge_power_w"].to_numpy(np.int64)
        if charger is not None:
            self.charge_w = np.minimum(self.charge_w, charger.charge_w)
        self.need_wh: Int64Array = np.minimum(
            table["need_wh"].to_numpy(np.int64),
            efficiency.charge_within(self.capacity_wh - self.content_wh),
        )
        self.arrival_s = _seconds(table["arrival"])
        self.departure_s = _seconds(table["departure"])
        if rules.site.chargers is not None:
            self.arrival_s = _plugged_in_s(
                self.arrival_s, self.departure_s, chargers=rules.site.chargers
            )
        self.planned_s: Int64Array = self.departure_s
        if rules.departures == "estimated":
            known = table["estimated_departure"].notna().to_numpy()
            estimate = _seconds(table["estimated_departure"].fillna(table["departure"]))
            self.planned_s = np.where(known, estimate, UNKNOWN)

        v2g = hash_units(rules.seed, "v2g", self.ids) < rules.v2g_share
        self.discharge_w: Int64Array = np.where(
            v2g, table["discharge_power_w"].to_numpy(np.int64), 0
        )
        if charger is not None:
            self.discharge_w = np.minimum(self.discharge_w, charger.discharge_w)
        equations = role_arrays(self.soc_arrival, self.capacity_wh / 1000, rules.thresholds)
        self.is_buyer: BoolArray = equations.role == BUYER
        self.is_seller: BoolArray = (equations.role == SELLER) & (self.discharge_w > 0)
        self.role = np.where(self.is_buyer, "buyer", np.where(self.is_seller, "seller", "neutral"))

        # The integer content above both floors, so that no rounding ever takes a seller below one;
        # to a millionth of a Wh, below which a product of doubles is noise (0.81 * 40_000).
        kept = np.maximum(rules.thresholds.seller, table["reserve_soc"].to_numpy(np.float64))
        kept = np.maximum(kept, rules.reserve_soc)
        self.kept_wh: Int64Array = np.ceil((kept * self.capacity_wh).round(6)).astype(np.int64)
        spare = self.content_wh - self.kept_wh
        spare = np.minimum(equations.available_wh, np.maximum(spare, 0))
        required = np.minimum(efficiency.charge_for(equations.required_wh), self.need_wh)
        self.bid_cap_wh: Int64Array = np.where(self.is_buyer, required, 0)
        most_wh = MAX_U32 if rules.v2g_cap_wh is None else rules.v2g_cap_wh
        self.v2g_cap_wh: Int64Array = np.full(len(table), most_wh, np.int64)
        if "v2g_cap_wh" in table:
            own_wh = table["v2g_cap_wh"].to_numpy(np.int64)
            self.v2g_cap_wh = np.minimum(self.v2g_cap_wh, own_wh)
        saleable = np.minimum(efficiency.discharge_from(spare), self.v2g_cap_wh)
        self.ask_cap_wh: Int64Array = np.where(self.is_seller, saleable, 0)

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

    def is_there(self, start_s: int | Int64Array, rows: Rows = ALL) -> BoolArray:
        """Who may trade in the interval that begins at `start_s`, as known at its gate closure.

        Whoever has arrived and not left by then, and is not expected to leave before the start; a
        departure between the two that nobody announced is not known.
        """
        gate_s = start_s - self.rules.gate_lead_s
        there = (self.arrival_s[rows] <= gate_s) & (self.departure_s[rows] > gate_s)
        is_there: BoolArray = there & (self.known_departure(gate_s, rows) > start_s)
        return is_there

    @cached_property
    def presence(self) -> Presence:
        """Who is there in each market interval."""
        return Presence(self)

    @cached_property
    def course(self) -> ByInterval | None:
        """What each vehicle draws in each meter interval as long as it sells nothing.

        None where that cannot be told ahead.
        """
        return course_of(self)

    @cached_property
    def may_sell(self) -> BoolArray:
        """Sellers that have something to sell, or may come to have it in their stay."""
        if not self.rules.arbitrage:
            return self.ask_cap_wh > 0
        return self.is_seller & (self.v2g_cap_wh > 0)

    @cached_property
    def tapers_from_wh(self) -> Int64Array:
        """Battery content above which a charger feeds less than its power."""
        acceptance = self.rules.acceptance
        if acceptance is None:
            return self.capacity_wh
        into_w = self.charge_w * self.rules.efficiency.charge_ppm // 1_000_000
        return acceptance.full_power_until_wh(into_w, self.capacity_wh)

    @cached_property
    def may_taper(self) -> Int64Array:
        """Positions of the vehicles that come near full when their need is met."""
        final_wh = self.content_wh + self.rules.efficiency.stored(self.need_wh)
        return np.flatnonzero(final_wh > self.tapers_from_wh)

    @cached_property
    def taper_place(self) -> Int64Array:
        """Position of each session in `may_taper`, -1 for those that are not in it."""
        place = np.full(len(self), -1)
        place[self.may_taper] = np.arange(len(self.may_taper))
        return place

    @cached_property
    def taper(self) -> Taper | None:
        """How those of `may_taper` go on from the knee, in that order; None where none does."""
        acceptance, rows = self.rules.acceptance, self.may_taper
        if acceptance is None or not len(rows):
            return None
        return Taper(
            power_w=self.charge_w[rows],
            from_wh=self.tapers_from_wh[rows],
            capacity_wh=self.capacity_wh[rows],
            acceptance=acceptance,
            charge_ppm=self.rules.efficiency.charge_ppm,
        )

    @cached_property
    def bids_may_taper(self) -> bool:
        """Whether any buyer comes near full with what it may buy."""
        final_wh = self.content_wh + self.rules.efficiency.stored(self.bid_cap_wh)
        return bool(((final_wh > self.tapers_from_wh) & (self.bid_cap_wh > 0)).any())

    @cached_property
    def sure_charge_w(self) -> Int64Array:
        """Power at the meter that each battery is sure to take until its need is met."""
        acceptance = self.rules.acceptance
        if acceptance is None:
            return self.charge_w
        efficiency = self.rules.efficiency
        final_wh = self.content_wh + efficiency.stored(self.need_wh)
        least_w = acceptance.most_w(final_wh, self.capacity_wh) * 1_000_000 // efficiency.charge_ppm
        return np.minimum(self.charge_w, least_w)

    def chargeable_wh(
        self,
        since_s: int | Int64Array,
        until_s: int | Int64Array,
        *,
        planned: bool = False,
        rows: Rows = ALL,
    ) -> Int64Array:
        """What each charger can feed its vehicle between two instants, within the stay.

        By power and presence alone; near full a battery takes less (`accepted_wh`).
        """
        return self._movable(self.charge_w, since_s, until_s, planned, rows)

    def accepted_wh(
        self,
        most_wh: Int64Array,
        content_of: Callable[[Int64Array], Int64Array],
        since_s: int | Int64Array,
        until_s: int | Int64Array,
        *,
        planned: bool = False,
        rows: Rows = ALL,
    ) -> Int64Array:
        """What batteries take of `most_wh` between two instants; less of it as they near full.

        Args:
            most_wh: what each charger can feed, of `rows`; it may be overwritten.
            content_of: what the batteries of some codes hold at the first instant.
            since_s: Unix seconds.
            until_s: Unix seconds.
            planned: whether stays end as plans know it.
            rows: positions of the sessions that are asked about.
        """
        taper = self.taper
        if taper is None:
            return most_wh
        place = self.taper_place[rows]
        i = ((most_wh > 0) & (place >= 0)).nonzero()[0]
        if not len(i):
            return most_wh
        who = i if isinstance(rows, slice) else rows[i]
        content = content_of(who)
        final = content + self.rules.efficiency.stored(most_wh[i])
        nears = final > self.tapers_from_wh[who]
        if not nears.any():
            return most_wh
        i, who, content = i[nears], who[nears], content[nears]
        begins = since_s if isinstance(since_s, int) else since_s[i]
        ends = until_s if isinstance(until_s, int) else until_s[i]
        leaves = self.known_departure(begins, who) if planned else self.departure_s[who]
        seconds = np.minimum(ends, leaves) - np.maximum(begins, self.arrival_s[who])
        most_wh[i] = np.minimum(most_wh[i], taper.charged_wh(place[i], content, seconds))
        return most_wh

    def surely_chargeable_wh(
        self, since_s: int | Int64Array, until_s: int | Int64Array, *, rows: Rows = ALL
    ) -> Int64Array:
        """What each charger feeds its vehicle at least between two instants, as plans know it."""
        return self._movable(self.sure_charge_w, since_s, until_s, True, rows)

    def dischargeable_wh(
        self,
        since_s: int | Int64Array,
        until_s: int | Int64Array,
        *,
        planned: bool = False,
        rows: Rows = ALL,
    ) -> Int64Array:
        """What each charger can take from its vehicle between two instants, within the stay."""
        return self._movable(self.discharge_w, since_s, until_s, planned, rows)

    def _movable(
        self,
        power_w: Int64Array,
        since_s: int | Int64Array,
        until_s: int | Int64Array,
        planned: bool,
        rows: Rows,
    ) -> Int64Array:
        arrival = self.arrival_s[rows]
        leaves = self.known_departure(since_s, rows) if planned else self.departure_s[rows]
        since = np.maximum(since_s, arrival)
        until = np.minimum(until_s, leaves)
        return movable_wh(power_w[rows], since - arrival, until - arrival)

    def known_departure(self, at_s: int | Int64Array, rows: Rows = ALL) -> Int64Array:
        """Departure as plans know it at `at_s`: an estimate that has lapsed tells nothing more."""
        planned = self.planned_s[rows]
        return np.where(planned > at_s, planned, UNKNOWN)


def _plugged_in_s(arrival_s: Int64Array, departure_s: Int64Array, *, chargers: int) -> Int64Array:
    """When each vehicle gets a charger: who came first goes first, the others wait for one.

    A vehicle for which none is free before it leaves gets its departure: a stay of no length.
    """
    plugged = arrival_s.copy()
    free_s: list[int] = []
    for i in np.lexsort((np.arange(len(arrival_s)), arrival_s)):
        if len(free_s) < chargers:
            heapq.heappush(free_s, int(departure_s[i]))
            continue
        plugged[i] = min(max(int(arrival_s[i]), free_s[0]), int(departure_s[i]))
        if plugged[i] < departure_s[i]:
            heapq.heapreplace(free_s, int(departure_s[i]))
    return plugged


def _seconds(times: pd.Series) -> Int64Array:
    """Whole Unix seconds; a stay is counted from and to the second it is recorded in."""
    seconds: Int64Array = times.dt.as_unit("s").astype("int64").to_numpy(np.int64)
    return seconds
