"""A lot through time: 30 days of Caltech beside ACN-Sim, and the cost of more lots.

The 30 days are 15 October to 13 November 2019, the change of the clocks included, read from the
shared data; the lots are the week that ships with the package, each with draws of its own. Timed:
`simulate_lot` from a table of sessions to the finished run, trades agreed each 15 minutes and
physics on; trading's default mechanism, rules and prices. The same run without trading, to compare
with, is part of it. Not timed: reading the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.timing import Timing, peak_mb, timed
from trading.data import load_sessions, sample_path
from trading.lot import LotRules, LotRun, Terms, simulate_lot
from trading.market import DEFAULT_MECHANISM, PRIORITIES

CALTECH = Path("acn") / "caltech" / "2019-09-01_2019-12-31.csv.gz"
FIRST_DAY, LAST_DAY, DAYS = "2019-10-15", "2019-11-13", 30
LOTS = (1, 3, 10, 30, 100)

#: Seconds, and the ratio to acnportal, that issue 4 allows and asks for.
BAR_S = 0.5
BAR_RATIO = 8.0


class NoDataError(Exception):
    """The shared data are not there; the message says where they were looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The 30 days, run."""

    sessions: int
    intervals: int
    trades: int
    from_peers_wh: int
    timing: Timing
    peak_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """A week of several lots, one after another in one process."""

    lots: int
    sessions: int
    timing: Timing

    @property
    def ms_per_lot(self) -> float:
        return self.timing.median_ms / self.lots


def month(data: Path) -> pd.DataFrame:
    """The sessions of the 30 days.

    Raises:
        NoDataError: the file is not there.
    """
    return load_sessions(
        caltech_file(data), format="acn", from_date=FIRST_DAY, to_date=LAST_DAY
    ).frame


def caltech_file(data: Path) -> Path:
    """Where ACN-Data's file of autumn 2019 is in the shared data.

    Raises:
        NoDataError: the file is not there.
    """
    path = data / CALTECH
    if not path.is_file():
        raise NoDataError(f"no {CALTECH} in the data folder; say where it is with --data")
    return path


def write_sessions(sessions: pd.DataFrame, data: Path, path: Path) -> None:
    """The same sessions for ACN-Sim, as JSON, with the charger that each stood at."""
    stations = pd.read_csv(caltech_file(data), usecols=["session_id", "station_id"])
    stations = stations.drop_duplicates("session_id").set_index("session_id")
    table = pd.DataFrame(
        {
            "session_id": sessions["session_id"],
            "station_id": stations.loc[sessions["session_id"], "station_id"].to_numpy(),
            "arrival_s": sessions["arrival"].dt.as_unit("s").astype("int64"),
            "departure_s": sessions["departure"].dt.as_unit("s").astype("int64"),
            "need_wh": sessions["need_wh"],
            "power_w": sessions["charge_power_w"],
        }
    )
    path.write_text(json.dumps(table.to_dict("records")), encoding="utf-8")


def run(sessions: pd.DataFrame, *, seed: int = 0) -> LotRun:
    return simulate_lot(
        sessions,
        rules=LotRules(seed=seed),
        terms=Terms(),
        mechanism=PRIORITIES[DEFAULT_MECHANISM],
    )


def measure_month(sessions: pd.DataFrame, *, repeats: int) -> Month:
    result = run(sessions)
    return Month(
        sessions=len(sessions),
        intervals=len(result.start_s),
        trades=len(result.trades),
        from_peers_wh=int(result.from_peers_wh.sum()),
        timing=timed(lambda: run(sessions), repeats=repeats),
        peak_mb=peak_mb(lambda: run(sessions)),
    )


def measure_many() -> list[Many]:
    """The sample's week in 1 to 100 lots; the fewer they are, the more often."""
    weeks = [
        load_sessions(sample_path(), format="acn", seed=seed).frame for seed in range(LOTS[-1])
    ]

    def run_first(n: int) -> None:
        for seed, week in enumerate(weeks[:n]):
            run(week, seed=seed)

    run_first(1)
    return [
        Many(
            lots=n,
            sessions=sum(len(week) for week in weeks[:n]),
            timing=timed(lambda n=n: run_first(n), repeats=1, warm_up=False),
        )
        for n in LOTS
    ]
