"""Rules that give ACN-Data sessions what the data lacks: battery capacity and state of charge.

The default is "anchored departure". A vehicle that stops charging long before it leaves, below what
its driver asked for, was probably full or at a limit that the driver had set; that anchors its
state of charge at departure, and the energy delivered leads back to the one at arrival. This is an
inference, not a measurement. Every rule reproduces the energy delivered:
`soc_departure - soc_arrival = efficiency * delivered / capacity`.

Every draw is a hash of (seed, field, session id), so filters and row order change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa

from trading.errors import Fault, OptionError, TableError
from trading.tables import UTC_TIME, check
from trading.units import MAX_U32, Int64Array, hash_units

Floats = npt.NDArray[np.float64]

MAX_SWING = 0.85
"""Assumption: one stay fills at most 85 % of the battery, so a capacity is at least e / 0.85."""
MIN_SOC_ARRIVAL = 0.1
"""Assumption: nobody arrives below 10 %, unless no capacity of the mix leaves room for that."""
MET_SHARE = 0.95
"""Assumption: a request is met from 95 % of it on; meters and drivers round."""
IDLE_S = 3600
"""Assumption: an hour plugged in without need of it, at full power, tells a full battery."""
MAX_SHORTFALL = 0.5
"""Assumption: a stay cut short ends at most half a battery below the limit; requests exaggerate."""
LIMITS = (0.8, 0.9, 1.0)
LIMIT_ODDS = (0.3, 0.2, 0.5)
"""Assumption: charge limits that drivers set, and how many set each."""


RECORDS = pa.DataFrameSchema(
    {
        "session_id": pa.Column(
            str, pa.Check(lambda s: s.str.len() > 0, error="a text that is not empty"), unique=True
        ),
        "arrival": pa.Column(UTC_TIME),
        "departure": pa.Column(UTC_TIME),
        "delivered_wh": pa.Column(
            "int64", pa.Check.in_range(0, MAX_U32, error=f"whole Wh from 0 to {MAX_U32}")
        ),
        "requested_wh": pa.Column(
            float, pa.Check(np.isfinite, error="a finite number of Wh, or none"), nullable=True
        ),
    },
    checks=pa.Check(
        lambda frame: frame["arrival"] < frame["departure"],
        error="a departure later than the arrival",
        name="departure",
    ),
    name="charging records",
    strict="filter",
)
"""What a charging network records of a session; `requested_wh` is NaN where nobody asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityMix:
    """Battery capacities of a fleet and their odds, which need not add up to one."""

    capacities_wh: tuple[int, ...]
    odds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.capacities_wh or min(self.capacities_wh) < 1:
            raise OptionError("capacities_wh", self.capacities_wh, "one or more, each 1 Wh or more")
        is_odds = all(np.isfinite(self.odds)) and min(self.odds, default=-1) >= 0 < sum(self.odds)
        if len(self.odds) != len(self.capacities_wh) or not is_odds:
            expected = "one number a capacity, 0 or more, and not all 0"
            raise OptionError("odds", self.odds, expected)


CASE_STUDY_MIX = CapacityMix(capacities_wh=(40_000, 60_000, 80_000, 100_000), odds=(1, 1, 1, 1))
"""The case study's capacities at equal odds."""
MIX_2019 = CapacityMix(
    capacities_wh=(12_000, 30_000, 40_000, 60_000, 75_000, 90_000),
    odds=(0.25, 0.15, 0.15, 0.25, 0.12, 0.08),
)
"""Assumption: a fleet as workplaces had it in 2019, a quarter of it plug-in hybrids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """What a state-of-charge rule sees, one entry a session in every array.

    `energy_wh` is what went into the battery, `requested_wh` is NaN where nobody asked, and `stop`
    is "met", "full" or "cut".
    """

    session_ids: list[str]
    capacity_wh: Int64Array
    energy_wh: Floats
    delivered_wh: Int64Array
    requested_wh: Floats
    stop: npt.NDArray[np.str_]
    efficiency: float


class SocRule(Protocol):
    """State of charge at departure, before the bounds that every rule shares."""

    def __call__(self, stays: Stays, *, seed: int) -> Floats:
        """One state of charge a stay."""
        ...


def anchored_departure(stays: Stays, *, seed: int) -> Floats:
    """At the driver's limit if the vehicle stood full; below it by what was missing if cut short.

    A met request says nothing of the battery, so its departure is uniform in [0.5, 1).
    """
    limit = _choose(_draws(seed, "limit", stays), np.array(LIMITS), np.array([LIMIT_ODDS]))
    missing = stays.efficiency * (stays.requested_wh - stays.delivered_wh) / stays.capacity_wh
    return np.select(
        [stays.stop == "full", stays.stop == "met"],
        [limit, 0.5 + 0.5 * _draws(seed, "departure", stays)],
        limit - np.minimum(MAX_SHORTFALL, missing),
    )


def uniform_arrival(stays: Stays, *, seed: int) -> Floats:
    """Arrival uniform between 10 % and what leaves room for the energy delivered."""
    swing = stays.energy_wh / stays.capacity_wh
    room = np.maximum(1 - swing - MIN_SOC_ARRIVAL, 0)
    return MIN_SOC_ARRIVAL + room * _draws(seed, "arrival", stays) + swing


def full_departure(stays: Stays, *, seed: int) -> Floats:  # noqa: ARG001 (nothing is drawn)
    """Everybody leaves with a full battery."""
    return np.ones(len(stays.session_ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One rule and its parameters.

    Attributes:
        description: one line for reports.
        soc_rule: state of charge at departure.
        mix: capacities to draw from.
        need: whether a session needs what was delivered or what its driver asked for. A request is
            cut to what the battery can hold, not to what the stay allows. Requests are not needs:
            at Caltech the median of delivered / requested is 0.54.
        is_idle_unclaimed_full: True to call a session that nobody claimed "full" where it stood
            idle for an hour, False to know nothing about it ("met").
        efficiency: share of the energy at the meter that reaches the battery.
        charger_power_w: power of a bay.
    """

    description: str
    soc_rule: SocRule = anchored_departure
    mix: CapacityMix = CASE_STUDY_MIX
    need: Literal["delivered", "requested"] = "delivered"
    is_idle_unclaimed_full: bool = False
    efficiency: float = 0.933
    charger_power_w: int = 6_656

    def __post_init__(self) -> None:
        if self.need not in ("delivered", "requested"):
            raise OptionError("need", self.need, "delivered or requested")
        if not 0 < self.efficiency <= 1:
            raise OptionError("efficiency", self.efficiency, "a share above 0 and at most 1")
        if self.charger_power_w < 1:
            raise OptionError("charger_power_w", self.charger_power_w, "1 W or more")

    @property
    def max_delivered_wh(self) -> int:
        """The most that a session may have drawn: the mix's largest battery, from empty to full."""
        return int(max(self.mix.capacities_wh) / self.efficiency)


_ANCHORED = Assignment(
    description="departure anchored by why charging stopped; 40, 60, 80, 100 kWh at equal odds"
)

ASSIGNMENTS: Mapping[str, Assignment] = MappingProxyType(
    {
        "anchored-departure": _ANCHORED,
        "anchored-departure-2019-mix": replace(
            _ANCHORED,
            description="as anchored-departure, with a fleet of 2019: 12 to 90 kWh",
            mix=MIX_2019,
        ),
        "anchored-departure-unclaimed-full": replace(
            _ANCHORED,
            description="as anchored-departure, unclaimed sessions idle for an hour were full",
            is_idle_unclaimed_full=True,
        ),
        "anchored-departure-requested": replace(
            _ANCHORED,
            description="as anchored-departure, and drivers need what they asked for",
            need="requested",
        ),
        "uniform-arrival": replace(
            _ANCHORED,
            description="SoC at arrival uniform between 10 % and what leaves room",
            soc_rule=uniform_arrival,
        ),
        "full-departure": replace(
            _ANCHORED,
            description="everybody leaves full",
            soc_rule=full_departure,
        ),
    }
)
"""The variants of the sensitivity table. A new one is one line here."""


def assignment_named(name: str) -> Assignment:
    """The registered rule of that name.

    Raises:
        OptionError: no such rule; names the known ones and the nearest.
    """
    if name in ASSIGNMENTS:
        return ASSIGNMENTS[name]
    near = get_close_matches(name, ASSIGNMENTS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise OptionError("assignment", name, "one of " + ", ".join(ASSIGNMENTS) + hint)


def assign(
    records: pd.DataFrame, *, seed: int = 0, assignment: Assignment = _ANCHORED
) -> pd.DataFrame:
    """Capacity, state of charge, need and power of recorded sessions.

    A bay gives `charger_power_w`, except where the record itself needs more: then just enough, in
    whole watts rounded up. Discharge power equals charge power.

    Args:
        records: one row a session, in the schema `RECORDS`; not changed. An unclaimed session has
            no `requested_wh`.
        seed: seed of the draws.
        assignment: the rule.

    Returns:
        `session_id`, `battery_capacity_wh`, `soc_arrival`, `soc_departure`, `stop` ("met", "full"
        or "cut"), `need_wh`, `charge_power_w`, `discharge_power_w`, and `is_capacity_short` (True
        where even the largest capacity is below e / 0.85, so that the largest was taken), with the
        index and order of `records`.

    Raises:
        TableError: the records break their schema, or drew more than the largest battery holds.

    >>> records = pd.DataFrame({
    ...     "session_id": ["a"],
    ...     "arrival": pd.to_datetime(["2019-10-29T15:00Z"]),
    ...     "departure": pd.to_datetime(["2019-10-29T23:00Z"]),
    ...     "delivered_wh": [8_000],
    ...     "requested_wh": [20_000.0],
    ... })
    >>> assign(records)[["battery_capacity_wh", "stop", "charge_power_w"]].values.tolist()
    [[60000, 'full', 6656]]
    """
    table = check(records, RECORDS)
    delivered_wh = table["delivered_wh"].to_numpy(dtype=np.int64)
    requested_wh = table["requested_wh"].to_numpy(dtype=np.float64)
    _check_energies(delivered_wh, assignment)
    ids = table["session_id"].to_list()
    stay = table["departure"] - table["arrival"]
    stay_us: Int64Array = stay.to_numpy(dtype="timedelta64[us]").astype(np.int64)
    energy_wh = assignment.efficiency * delivered_wh
    capacity_wh, is_short = _capacities(ids, energy_wh, assignment.mix, seed)
    stop = _stops(delivered_wh, requested_wh, stay_us, assignment)
    stays = Stays(
        session_ids=ids,
        capacity_wh=capacity_wh,
        energy_wh=energy_wh,
        delivered_wh=delivered_wh,
        requested_wh=requested_wh,
        stop=stop,
        efficiency=assignment.efficiency,
    )
    swing = energy_wh / capacity_wh
    wanted = assignment.soc_rule(stays, seed=seed)
    soc_departure = np.minimum(np.maximum(wanted, MIN_SOC_ARRIVAL + swing), 1.0)
    soc_arrival = soc_departure - swing
    power_w = _powers_w(delivered_wh, stay_us, assignment.charger_power_w)
    return pd.DataFrame(
        {
            "session_id": records["session_id"],
            "battery_capacity_wh": capacity_wh,
            "soc_arrival": soc_arrival,
            "soc_departure": soc_departure,
            "stop": stop,
            "need_wh": _needs_wh(stays, soc_arrival, assignment),
            "charge_power_w": power_w,
            "discharge_power_w": power_w,
            "is_capacity_short": is_short,
        },
        index=records.index,
    )


def _check_energies(delivered_wh: Int64Array, rule: Assignment) -> None:
    """Beyond the largest battery the state of charge would fall below zero."""
    limit = rule.max_delivered_wh
    faults = [
        Fault(
            row=int(position),
            column="delivered_wh",
            value=int(delivered_wh[position]),
            expected=f"0 to {limit} Wh, what the largest battery of the mix takes",
        )
        for position in np.flatnonzero(delivered_wh > limit)
    ]
    if faults:
        raise TableError(f"{RECORDS.name} table", faults)


def _draws(seed: int, field: str, stays: Stays) -> Floats:
    return hash_units(seed, field, stays.session_ids)


def _choose(draws: Floats, values: Floats, odds: Floats) -> Floats:
    """For each draw from [0, 1) one of `values`; `odds` has one row for all or one row a draw."""
    bounds = np.cumsum(odds, axis=1)
    passed = bounds[:, :-1] <= draws[:, None] * bounds[:, -1:]
    chosen: Floats = values[passed.sum(axis=1)]
    return chosen


def _capacities(
    ids: list[str], energy_wh: Floats, mix: CapacityMix, seed: int
) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    order = np.argsort(mix.capacities_wh)
    sizes_wh = np.array(mix.capacities_wh, dtype=np.float64)[order]
    fits = sizes_wh[None, :] >= (energy_wh / MAX_SWING)[:, None]
    is_short: npt.NDArray[np.bool_] = np.logical_not(fits.any(axis=1))
    fits[is_short, -1] = True
    odds = fits * np.array(mix.odds, dtype=np.float64)[order]
    draws = hash_units(seed, "capacity", ids)
    return _choose(draws, sizes_wh, odds).astype(np.int64), is_short


def _stops(
    delivered_wh: Int64Array, requested_wh: Floats, stay_us: Int64Array, rule: Assignment
) -> npt.NDArray[np.str_]:
    """Why charging stopped. An unclaimed session has no request that could have been missed."""
    is_unclaimed = np.isnan(requested_wh)
    is_met = is_unclaimed | (delivered_wh >= MET_SHARE * requested_wh)
    charging_s = delivered_wh * 3600 / rule.charger_power_w
    is_full = stay_us / 1e6 - charging_s >= IDLE_S
    if rule.is_idle_unclaimed_full:
        is_met &= ~(is_unclaimed & is_full)
    return np.where(is_met, "met", np.where(is_full, "full", "cut"))


def _needs_wh(stays: Stays, soc_arrival: Floats, rule: Assignment) -> Int64Array:
    if rule.need == "delivered":
        return stays.delivered_wh
    room_wh = np.floor((1 - soc_arrival) * stays.capacity_wh / rule.efficiency)
    asked_wh = np.clip(np.round(stays.requested_wh), 0, room_wh)
    return np.where(np.isnan(asked_wh), stays.delivered_wh, asked_wh).astype(np.int64)


def _powers_w(delivered_wh: Int64Array, stay_us: Int64Array, charger_power_w: int) -> Int64Array:
    """Integers throughout: a float would round a watt down and leave the need out of reach."""
    needed_w = -(-(delivered_wh * 3_600_000_000) // stay_us)
    powers_w: Int64Array = np.maximum(needed_w, charger_power_w)
    return powers_w
