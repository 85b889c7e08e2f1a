"""V1G held against ACN-Sim: both charge the same sessions under one limit of the connection.

ACN-Sim runs its own schedulers, ours its strategies and the optimum. Arrivals and departures are
cut down to whole periods for both, every charger has 6,656 W, nobody trades, and no battery slows
down near full. So the two differ by rounding and by whom they serve while not all can be.

Of each session whose energy differs by more than the tolerance the cause is looked for, in what the
run that gave it less did in every period of its stay:

- `limit`: whenever its charger could have given it more, the connection was full: others came
  first. A run in which this holds for all that go short wastes nothing. For the optimum it follows
  from serving the most; a scheduler may serve less in all, by serving the wrong ones first.
  Two runs of one rule can also take two equally urgent vehicles in another order, by rounding.
- `waited`: it drew less than it could though the connection had room, as `latest` and `cheapest`
  do by design.
- none: it got more than the other from nothing. There is to be no such session.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks import lots
from benchmarks.peers import environments
from trading.lot import Lot, LotRules, Profile, Site, Stays, Terms, intervals_of
from trading.lot.optimal import best_charging
from trading.units import Int64Array

POWER_W = 6_656
PERIOD_MIN = 15
LIMITS_W = (20_000, 40_000)
STRATEGIES = ("at-once", "latest", "cheapest")
OPTIMUM = "V1G optimum"
#: Ours and theirs that follow one rule: who could least make up for it later is served first.
SAME_RULE = ("at-once", "least laxity first")
LIMIT, WAITED = "limit", "waited"

#: Wh by which two runs of one rule may differ in a session. Ours counts whole Wh in each period;
#: ACN-Sim's search for a current ends within 0.01 A, which is half a Wh in a period of 15 min.
SAME_WH = 10.0

#: Wh below which a connection is full: round robin goes in steps of 0.1 A, 5.2 Wh in 15 min.
FULL_WH = 6.0

#: EUR/kWh by the hour of the day, for `cheapest`: dear from 8 to 18 h. Energy is compared, no cost.
TARIFF_UEUR_PER_KWH = [300_000] * 8 + [500_000] * 10 + [300_000] * 6
ZONE = "America/Los_Angeles"

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What each session drew when, ours or theirs.

    Attributes:
        name: of the scheduler, strategy or optimum.
        limit_w: of the connection.
        drawn_wh: shape (sessions, periods), sessions in the order of their ids.
        possible_wh: what the charger alone allows, the same shape.
    """

    name: str
    limit_w: int
    drawn_wh: Float64Array
    possible_wh: Float64Array

    @property
    def energy_wh(self) -> Float64Array:
        return self.drawn_wh.sum(axis=1)

    @property
    def full_wh(self) -> float:
        """What the connection carries in a period."""
        return self.limit_w * PERIOD_MIN / 60

    @property
    def peak_w(self) -> float:
        """Highest mean power of a period."""
        return float(self.drawn_wh.sum(axis=0).max()) * 60 / PERIOD_MIN

    def could_have_more(self, needed_wh: Float64Array) -> npt.NDArray[np.bool_]:
        """In which periods a session could have drawn more, by its charger, its need and a limit.

        Shape (sessions, periods). A connection with less room than `FULL_WH` counts as full.
        """
        has_room = self.drawn_wh.sum(axis=0) < self.full_wh - FULL_WH
        is_short = self.energy_wh < needed_wh - SAME_WH
        below = self.drawn_wh < self.possible_wh - FULL_WH
        could: npt.NDArray[np.bool_] = below & has_room[None, :] & is_short[:, None]
        return could


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs under one limit, session by session.

    Attributes:
        ours, theirs: names.
        same: sessions that differ by `SAME_WH` or less.
        causes: how many of the others have which cause, "" for none.
        error_wh: ours less theirs.
    """

    ours: str
    theirs: str
    limit_w: int
    same: int
    causes: dict[str, int]
    error_wh: Float64Array

    @property
    def largest_wh(self) -> float:
        return float(np.abs(self.error_wh).max())


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The whole comparison: all runs, ours and theirs in pairs, and what breaks a rule."""

    needed_wh: float
    runs: list[Run]
    pairs: list[Pair]
    faults: list[str]


def against_schedulers(data: Path) -> Found:
    """Ours and ACN-Sim's runs of the 30 days, under each limit.

    Raises:
        NoDataError: the sessions are not there.
        PeerMissingError: ACN-Sim is not there, or fails.
    """
    sessions = in_periods(lots.month(data))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.json"
        lots.write_sessions(sessions, data, path)
        limits = [str(limit) for limit in LIMITS_W]
        printed = environments.run(
            "acnportal", str(path), str(PERIOD_MIN), *limits, script="run_acnportal_v1g.py"
        )
    runs, pairs, faults = [], [], []
    for limit_w in LIMITS_W:
        ours = our_runs(sessions, limit_w)
        stays = _stays(sessions, limit_w, "at-once")
        theirs = [
            _their_run(run, stays, ours[0].possible_wh)
            for run in printed["runs"]
            if run["limit_w"] == limit_w
        ]
        needed = np.minimum(stays.need_wh, ours[0].possible_wh.sum(axis=1))
        runs += [*ours, *theirs]
        pairs += [paired(our, their, needed) for our in ours for their in theirs]
        faults += faults_of(ours, theirs, needed)
    for pair in pairs:
        where = f"{pair.ours} and {pair.theirs} at {pair.limit_w} W"
        if pair.causes[""]:
            faults.append(f"{where}: {pair.causes['']} sessions differ without a cause")
        if (pair.ours, pair.theirs) == SAME_RULE and pair.largest_wh > POWER_W * PERIOD_MIN / 60:
            faults.append(f"{where}: one session differs by {pair.largest_wh:.0f} Wh")
    return Found(needed_wh=float(needed.sum()), runs=runs, pairs=pairs, faults=faults)


def in_periods(sessions: pd.DataFrame) -> pd.DataFrame:
    """The sessions with times cut down to whole periods, at least one, as ACN-Sim has them."""
    step = f"{PERIOD_MIN}min"
    arrival = sessions["arrival"].dt.floor(step)
    departure = sessions["departure"].dt.floor(step)
    departure = departure.where(departure > arrival, arrival + pd.Timedelta(step))
    return sessions.assign(
        arrival=arrival,
        departure=departure,
        charge_power_w=POWER_W,
        discharge_power_w=POWER_W,
    )


def _stays(sessions: pd.DataFrame, limit_w: int, strategy: str) -> Stays:
    rules = LotRules(
        interval_s=PERIOD_MIN * 60,
        v2g_share=0.0,
        acceptance=None,
        site=Site(connection_w=limit_w),
        strategy=strategy,  # type: ignore[arg-type]
    )
    return Stays(sessions, rules)


def our_runs(sessions: pd.DataFrame, limit_w: int) -> list[Run]:
    """Each strategy, then the optimum."""
    runs = []
    terms = Terms(tariff=Profile.daily(TARIFF_UEUR_PER_KWH, zone=ZONE))
    for strategy in STRATEGIES:
        stays = _stays(sessions, limit_w, strategy)
        lot, before, drawn = Lot(stays, terms), np.zeros(len(stays), np.int64), []
        for interval in intervals_of(stays):
            lot.flow(interval, None)
            drawn.append(lot.drawn_wh - before)
            before = lot.drawn_wh.copy()
        runs.append(_run(strategy, limit_w, stays, np.array(drawn).T))
    stays = _stays(sessions, limit_w, "at-once")
    starts = np.array([interval.start_s for interval in intervals_of(stays)])
    edges = np.append(starts, starts[-1] + PERIOD_MIN * 60)
    best = best_charging(
        stays,
        interval_s=PERIOD_MIN * 60,
        tariff_ueur_per_kwh=terms.buy_over(edges),
        limit_wh=stays.rules.site.connection_wh(edges),
    )
    drawn_wh = np.zeros((len(stays), len(starts)), np.int64)
    drawn_wh[best.flows.session, best.flows.interval] = best.flows.grid_wh
    runs.append(_run(OPTIMUM, limit_w, stays, drawn_wh))
    return runs


def _run(name: str, limit_w: int, stays: Stays, drawn_wh: Int64Array) -> Run:
    possible = [stays.chargeable_wh(each.start_s, each.end_s) for each in intervals_of(stays)]
    return Run(
        name=name,
        limit_w=limit_w,
        drawn_wh=drawn_wh.astype(np.float64),
        possible_wh=np.array(possible, np.float64).T,
    )


def _their_run(printed: dict, stays: Stays, possible_wh: Float64Array) -> Run:
    """ACN-Sim's powers in each session's stay, put where ours has its intervals."""
    drawn = np.zeros_like(possible_wh)
    first_s = intervals_of(stays)[0].start_s
    for name, power_w in printed["power_w"].items():
        code = stays.code_of(name)
        at = (int(stays.arrival_s[code]) - first_s) // (PERIOD_MIN * 60)
        drawn[code, at : at + len(power_w)] = np.array(power_w) * PERIOD_MIN / 60
    return Run(
        name=printed["scheduler"],
        limit_w=printed["limit_w"],
        drawn_wh=drawn,
        possible_wh=possible_wh,
    )


def paired(ours: Run, theirs: Run, needed_wh: Float64Array) -> Pair:
    """Every session of two runs, and the cause where they differ."""
    error = ours.energy_wh - theirs.energy_wh
    differs = np.abs(error) > SAME_WH
    causes = {LIMIT: 0, WAITED: 0, "": 0}
    waits = {id(run): run.could_have_more(needed_wh).any(axis=1) for run in (ours, theirs)}
    for i in np.flatnonzero(differs):
        less = ours if error[i] < 0 else theirs
        if less.energy_wh[i] >= needed_wh[i] - SAME_WH:
            cause = ""
        else:
            cause = WAITED if waits[id(less)][i] else LIMIT
        causes[cause] += 1
    return Pair(
        ours=ours.name,
        theirs=theirs.name,
        limit_w=ours.limit_w,
        same=int((~differs).sum()),
        causes=causes,
        error_wh=error,
    )


def faults_of(ours: list[Run], theirs: list[Run], needed_wh: Float64Array) -> list[str]:
    """What no run may do, and what the two say of one another."""
    found = []
    for run in [*ours, *theirs]:
        where = f"{run.name} at {run.limit_w} W"
        if run.peak_w > run.limit_w + 1:
            found.append(f"{where}: {run.peak_w:.0f} W is above the limit")
        if (run.drawn_wh > run.possible_wh + 1).any():
            found.append(f"{where}: a charger gives more than it has")
        if (run.energy_wh > needed_wh + SAME_WH).any():
            found.append(f"{where}: a session gets more than its need")
        waits = run.could_have_more(needed_wh).any()
        if waits and run.name not in ("latest", "cheapest"):
            found.append(f"{where}: a session goes short while the connection has room")
    best = ours[-1].energy_wh.sum()
    found += [
        f"{run.name} at {run.limit_w} W serves {run.energy_wh.sum() - best:.0f} Wh above the most"
        for run in [*ours, *theirs]
        if run.energy_wh.sum() > best + SAME_WH
    ]
    return found


def described(found: Found) -> str:
    """The comparison as text."""
    lines = [
        f"V1G and ACN-Sim's schedulers, {len(found.runs[0].drawn_wh)} sessions in periods of "
        f"{PERIOD_MIN} min; {found.needed_wh:,.0f} Wh fit needs and stays"
    ]
    for run in found.runs:
        share = run.energy_wh.sum() / found.needed_wh
        lines.append(
            f"  {run.limit_w / 1000:.0f} kW {run.name}: {run.energy_wh.sum():,.0f} Wh "
            f"({share:.2%}), highest period {run.peak_w:,.0f} W"
        )
    for pair in found.pairs:
        causes = ", ".join(f"{n} {name or 'unexplained'}" for name, n in pair.causes.items())
        lines.append(
            f"  {pair.limit_w / 1000:.0f} kW {pair.ours} less {pair.theirs}: {pair.same} within "
            f"{SAME_WH:.0f} Wh; {causes}; largest {pair.largest_wh:,.0f} Wh, "
            f"sum {pair.error_wh.sum():,.0f} Wh"
        )
    lines += [f"  FAULT: {fault}" for fault in found.faults]
    return "\n".join(lines)
