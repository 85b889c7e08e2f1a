"""Charging held against ACN-Sim, uncontrolled and V1G, and against recorded fast-charging sessions.

    python -m benchmarks.validation                 print all; `make bench-peers` first
    python -m benchmarks.validation --data FOLDER   where the shared data are

ACN-Sim: the same 926 sessions of Caltech, every charger at 6,656 W (32 A at 208 V), nobody trades.
Energy is compared session by session and power quarter of an hour by quarter of an hour, with
ACN-Sim at periods of 1, 5 and 15 minutes. It cuts arrival and departure down to whole periods; ours
counts seconds. So a session may differ by what one period at full power holds, and only where a
stay is too short for its need. Exits with 1 where a session differs by more, or where ACN-Sim does
not deliver what the need and the stay in whole periods explain. V1G under a limit of the connection
is in `benchmarks/smart_charging.py`; a session that differs there without a cause exits with 1 too.

DESL: time and power only. Its battery capacity is derived from energy and change of state of
charge, so a comparison of states of charge would only find its own derivation.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import lots, smart_charging
from benchmarks.peers import environments
from trading.data import load_sessions
from trading.lot import LotRules, LotRun, Terms, simulate_lot
from trading.market import DEFAULT_MECHANISM, PRIORITIES

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
DESL = Path("desl_level3") / "Session_data.csv"

POWER_W = 6_656
PERIODS_MIN = (1, 5, 15)

#: ACN-Sim calls a vehicle full when 1 Wh is missing; ours counts whole Wh.
SAME_WH = 1.0 + 1e-6

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)

#: Per cent, by which recorded sessions are sorted.
SOC_EDGES = (60, 80, 90)
_SOC_NAMES = ("below 60 %", "from 60 %", "from 80 %", "at 90 % or above")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Ours less ACN-Sim's, at one length of its period.

    Attributes:
        error_wh: of each session.
        cut_short: sessions whose stay in whole periods is too short for their need.
        unexplained: sessions to which ACN-Sim gives neither their need nor, if that is less, what
            full power gives in the stay in whole periods.
        beyond: sessions that differ by more than one period at full power.
        total_wh: energy of all sessions, ours.
        load_error_w: of each quarter of an hour in which either of the two charges.
        peak_w: the highest quarter of an hour, ours and ACN-Sim's.
    """

    period_min: int
    error_wh: pd.Series
    cut_short: int
    unexplained: int
    beyond: int
    total_wh: int
    load_error_w: pd.Series
    peak_w: tuple[float, float]


def main(argv: list[str] | None = None) -> int:
    """Print all comparisons; 1 where a session is outside the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the shared data")
    data = parser.parse_args(argv).data
    try:
        differences = against_acnportal(data)
        for difference in differences:
            print(described(difference))
        limited = smart_charging.against_schedulers(data)
        print(smart_charging.described(limited))
        print(desl_errors(data))
    except (environments.PeerMissingError, lots.NoDataError) as missing:
        print(f"skipped: {missing}")
        return 0
    return int(bool(limited.faults) or any(d.unexplained or d.beyond for d in differences))


def against_acnportal(data: Path) -> list[Difference]:
    """Ours and ACN-Sim's run of the 30 days, for each length of its period.

    Raises:
        NoDataError: the sessions are not there.
        PeerMissingError: ACN-Sim is not there, or fails.
    """
    sessions = lots.month(data).assign(charge_power_w=POWER_W, discharge_power_w=POWER_W)
    ours = uncontrolled(sessions)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.json"
        lots.write_sessions(sessions, data, path)
        periods = [str(period) for period in PERIODS_MIN]
        printed = environments.run("acnportal", str(path), "1", *periods)
    return [_difference(ours, sessions, run) for run in printed["runs"]]


def uncontrolled(sessions: pd.DataFrame) -> LotRun:
    """A run in which nobody can sell, so that every vehicle charges at once from the grid.

    Without tapering, since ACN-Sim's plain battery has none.
    """
    return simulate_lot(
        sessions,
        rules=LotRules(v2g_share=0.0, acceptance=None),
        terms=Terms(),
        mechanism=PRIORITIES[DEFAULT_MECHANISM],
    )


def _difference(ours: LotRun, sessions: pd.DataFrame, theirs: dict[str, Any]) -> Difference:
    delivered_wh = pd.Series(ours.from_grid_wh, index=ours.stays.ids)
    needed_wh = sessions.set_index("session_id")["need_wh"]
    acn_wh = pd.Series(theirs["delivered_kwh"]).reindex(delivered_wh.index) * 1e3
    room_wh = pd.Series(theirs["stay_s"]).reindex(delivered_wh.index) * POWER_W / 3600
    error_wh = delivered_wh - acn_wh
    is_cut = room_wh < needed_wh.reindex(delivered_wh.index)
    explained_wh = np.minimum(needed_wh.reindex(delivered_wh.index), room_wh)
    our_load, acn_load = _loads_w(ours, theirs)
    charging = (our_load > 0) | (acn_load > 0)
    return Difference(
        period_min=theirs["period_min"],
        error_wh=error_wh,
        cut_short=int(is_cut.sum()),
        unexplained=int(((acn_wh - explained_wh).abs() > SAME_WH).sum()),
        beyond=int((error_wh.abs() > POWER_W * theirs["period_min"] / 60 + SAME_WH).sum()),
        total_wh=int(delivered_wh.sum()),
        load_error_w=(our_load - acn_load)[charging],
        peak_w=(float(our_load.max()), float(acn_load.max())),
    )


def _loads_w(ours: LotRun, theirs: dict[str, Any]) -> tuple[pd.Series, pd.Series]:
    """Mean power of the lot in each quarter of an hour, by its start in Unix seconds."""
    our_load = pd.Series(ours.grid_wh * 4.0, index=ours.start_s)
    period_s = theirs["period_min"] * 60
    start_s = theirs["first_s"] + period_s * np.arange(len(theirs["load_w"]))
    acn_load = pd.Series(theirs["load_w"]).groupby(start_s // 900 * 900).sum() * period_s / 900
    every = our_load.index.union(acn_load.index)
    return our_load.reindex(every, fill_value=0.0), acn_load.reindex(every, fill_value=0.0)


def described(found: Difference) -> str:
    """The difference as text."""
    error = found.error_wh
    same = int((error.abs() <= SAME_WH).sum())
    load = found.load_error_w
    return "\n".join(
        [
            f"ACN-Sim at {found.period_min} min, {len(error)} sessions: {same} the same to 1 Wh, "
            f"{found.cut_short} cut short by its periods, {found.unexplained} unexplained, "
            f"{found.beyond} beyond one period",
            f"  energy, ours less theirs, Wh: {_percentiles(error)}; sum {error.sum():,.0f} of "
            f"{found.total_wh:,} ({error.sum() / found.total_wh:.3%})",
            f"  power of a quarter of an hour, W: {_percentiles(load)}; mean of sizes "
            f"{load.abs().mean():,.0f}; highest {found.peak_w[0]:,.0f} and {found.peak_w[1]:,.0f}",
        ]
    )


def desl_errors(data: Path) -> str:
    """How long our constant power takes for the energy of each session, against the record.

    Raises:
        NoDataError: the file is not there.
    """
    path = data / DESL
    if not path.is_file():
        raise lots.NoDataError(f"no {DESL} in the data folder; say where it is with --data")
    sessions = load_sessions(path, format="desl").frame
    predicted_s = sessions["need_wh"] * 3600 / sessions["charge_power_w"]
    # The record counts both of the minutes it begins and ends in.
    recorded_s = (sessions["departure"] - sessions["arrival"]).dt.total_seconds() + 60
    minutes = (predicted_s - recorded_s) / 60
    # As the charger read it, which is no derivation, and only to sort sessions by.
    recorded = pd.read_csv(path, dtype={"Session": str}).set_index("Session")
    soc_at_end = recorded.loc[sessions["session_id"], "SOC departure"].to_numpy()
    ratio = (predicted_s / recorded_s).groupby(np.digitize(soc_at_end, SOC_EDGES))
    return "\n".join(
        [
            f"DESL, {len(sessions)} sessions at the highest power of each:",
            f"  time, predicted over recorded: {_percentiles(predicted_s / recorded_s, '.2f')}",
            f"  time, predicted less recorded, min: {_percentiles(minutes, '.1f')}",
            f"  energy in the recorded time, predicted over recorded: "
            f"{_percentiles(recorded_s / predicted_s, '.2f')}",
            *(
                f"  {len(values)} that end {_SOC_NAMES[at]}: median of the time's ratio "
                f"{values.median():.2f}"
                for at, values in ratio
            ),
        ]
    )


def _percentiles(values: pd.Series, form: str = ",.0f") -> str:
    found = np.percentile(values, PERCENTILES)
    # Adding 0 turns a rounded -0 into 0.
    parts = (
        f"p{p} {round(float(value), 2) + 0.0:{form}}"
        for p, value in zip(PERCENTILES, found, strict=True)
    )
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
