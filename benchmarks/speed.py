"""Speed beside that of the peers, in one run; prints tables, writes benchmarks/results/speed.json.

    python -m benchmarks.speed                 all of it; `make bench` makes the environments first
    python -m benchmarks.speed --data FOLDER   where the shared data are, ../shared/data by default

What is timed stands in `clearing.py`, `equations.py` and `lots.py`, and for each peer in its runner
in `peers/`. A peer gets the same book or the same sessions. Whether it clears a book correctly is
judged by its volume, against an optimum computed apart: equal to the Wh on both sides, or not.

A number that could not be measured is null, and the reason stands in `details.missing`. Exits with
1 when a bar was missed, which a busy machine can be the reason for: `details` has the spread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import scipy

from benchmarks import clearing, equations, lots
from benchmarks.peers import environments
from benchmarks.timing import Timing
from trading.market import MECHANISMS, OrderBook

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
DATA = ROOT.parent / "shared" / "data"

MECHANISM = "uniform-price"
RATIO_ORDERS = 10_000
BAR_RATIO = 300.0

#: What each peer clears and how often: (peer, orders, runs, mechanisms).
PEER_CLEARINGS = (
    ("assume", 1_000, 5, ("pay_as_clear", "pay_as_bid", "complex_clearing")),
    ("assume", RATIO_ORDERS, 5, ("pay_as_clear", "pay_as_bid")),
    ("assume", RATIO_ORDERS, 1, ("complex_clearing",)),
    ("pymarket", 1_000, 5, ("huang", "muda")),
    ("pymarket", RATIO_ORDERS, 1, ("huang", "muda")),
)

#: Minutes of a period of ACN-Sim: what its papers and examples use, and our interval.
ACN_PERIODS_MIN = (5, 15)

#: Less is noise of a peer's floating point, in Wh of some 10**8.
SAME_WH = 1.0

KEYS = (
    "clearing_100k_ms",
    "clearing_1m_ms",
    "clearing_ratio_best_peer",
    "equations_1m_ms",
    "caltech_30d_s",
    "caltech_ratio_acnportal",
    "optimum_day_s",
)


@dataclass(slots=True)
class Report:
    """What was measured so far."""

    numbers: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(KEYS))
    details: dict[str, Any] = field(default_factory=lambda: {"missing": {}})
    missed: list[str] = field(default_factory=list)

    def at_most(self, key: str, value: float, bar: float) -> str:
        """Note a number that has to be small; return the verdict as text."""
        return self._noted(key, value, value <= bar, f"bar {bar:g}")

    def at_least(self, key: str, value: float, bar: float) -> str:
        """Note a number that has to be large; return the verdict as text."""
        return self._noted(key, value, value >= bar, f"bar at least {bar:g}")

    def skip(self, what: str, reason: object) -> None:
        self.details["missing"][what] = str(reason)
        print(f"{what}: {reason}")

    def _noted(self, key: str, value: float, holds: bool, bar: str) -> str:
        self.numbers[key] = float(f"{value:.4g}")
        if not holds:
            self.missed.append(f"{key} is {value:.4g}, {bar}")
        return f"  {bar}: {'holds' if holds else 'MISSED'}"


def main(argv: list[str] | None = None) -> int:
    """Run all of it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the shared data")
    parser.add_argument("--repeats", type=int, default=9, help="runs behind each median of ours")
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    report = Report()
    report.details["machine"] = machine()
    print(", ".join(f"{name} {value}" for name, value in report.details["machine"].items()))
    clear_books(report, options.repeats)
    report_equations(report, options.repeats)
    report_day(report, options.repeats)
    report_month(report, options.data, options.repeats)
    report_lots(report)
    report.details["load_average_at_end"] = round(os.getloadavg()[0], 1)
    report.details["seconds"] = round(time.perf_counter() - start)
    print(f"\n{report.details['seconds']} s, load average {report.details['load_average_at_end']}")
    if not options.no_write:
        RESULTS.parent.mkdir(exist_ok=True)
        written = {**report.numbers, "details": report.details}
        RESULTS.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    for missed in report.missed:
        print(f"bar missed: {missed}", file=sys.stderr)
    return 1 if report.missed else 0


def machine() -> dict[str, str]:
    """What the numbers depend on besides the code."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "load average": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "scipy": scipy.__version__,
    }


# ------------------------------------------------------------------------------------ clearing


def clear_books(report: Report, repeats: int) -> None:
    """Ours at every size, the peers on the same books at the sizes that they get through."""
    _title("Clearing a random book, half bids and half asks")
    print(clearing.heading())
    details: list[dict[str, Any]] = []
    ours: dict[int, Timing] = {}
    for n_orders in clearing.SIZES:
        book = clearing.random_book(n_orders)
        row = clearing.measure(MECHANISM, MECHANISMS[MECHANISM], book, repeats=repeats)
        ours[n_orders] = row.table
        verdict = ""
        if n_orders in clearing.BARS_MS:
            key = "clearing_100k_ms" if n_orders == 100_000 else "clearing_1m_ms"
            verdict = report.at_most(key, row.table.median_ms, clearing.BARS_MS[n_orders])
        print(clearing.line(row) + verdict)
        details.append(
            {
                "who": "peercharge",
                "mechanism": MECHANISM,
                "orders": n_orders,
                "trades": row.trades,
                "match": row.match.as_json(),
                "table": row.table.as_json(),
                "volume_wh": row.volume_wh,
                "optimum_wh": row.optimum_wh,
                "peak_allocated_mb": round(row.peak_mb, 1),
                "is_right": row.volume_wh == row.optimum_wh,
            }
        )
    for peer, n_orders, runs, mechanisms in PEER_CLEARINGS:
        try:
            details += _peer_rows(peer, clearing.random_book(n_orders), runs, mechanisms)
        except environments.PeerMissingError as missing:
            report.skip(f"{peer}, {n_orders:,} orders, {', '.join(mechanisms)}", missing)
    right = [
        row
        for row in details
        if row["who"] != "peercharge" and row["orders"] == RATIO_ORDERS and row["is_right"]
    ]
    if right:
        best = min(right, key=lambda row: row["clear"]["cpu_ms"])
        ratio = best["clear"]["cpu_ms"] / (ours[RATIO_ORDERS].cpu_s * 1e3)
        verdict = report.at_least("clearing_ratio_best_peer", ratio, BAR_RATIO)
        print(
            f"{RATIO_ORDERS:,} orders: {ratio:,.0f} times faster than {best['who']} "
            f"{best['mechanism']}, the fastest peer whose volume is right{verdict}"
        )
    else:
        report.skip("clearing_ratio_best_peer", "no peer cleared the book correctly")
    report.details["clearing"] = details
    report.details["peers"] = {
        name: {"version": environments.version_of(name), "packages": environments.versions_of(name)}
        for name in environments.PEERS
    }


def _peer_rows(
    peer: str, book: OrderBook, runs: int, mechanisms: tuple[str, ...]
) -> list[dict[str, Any]]:
    n_orders, optimum_wh = len(book.buyers) + len(book.sellers), clearing.optimum_wh(book)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.npz"
        np.savez(
            path,
            buy_wh=book.buyers.energy_wh,
            buy_ueur_per_kwh=book.ceilings(),
            sell_wh=book.sellers.energy_wh,
            sell_ueur_per_kwh=book.floors(),
        )
        printed = environments.run(peer, str(path), str(runs), *mechanisms)
    rows = []
    for run in printed["runs"]:
        timing = Timing.of(run["wall_s"], run["cpu_s"])
        errors_wh = [run[side] - optimum_wh for side in ("bought_wh", "sold_wh")]
        rows.append(
            {
                "who": peer,
                "mechanism": run["mechanism"],
                "orders": n_orders,
                "clear": timing.as_json(),
                "volume_wh": run["bought_wh"],
                "optimum_wh": optimum_wh,
                "is_right": max(map(abs, errors_wh)) <= SAME_WH,
                "peak_process_mb": _rounded(printed["peak_mb"]),
            }
        )
        print(
            f"{peer + ' ' + run['mechanism']:<26}{n_orders:>10,}{'':>12}"
            f"{timing.median_ms:>9.1f} ms{timing.cpu_s * 1e3:>9.1f} ms{'':>10}"
            f"{run['bought_wh'] / optimum_wh:>12.4%} of best"
        )
    return rows


# ----------------------------------------------------------------------------- equations, a day


def report_equations(report: Report, repeats: int) -> None:
    _title("Equations (1) to (5) over a fleet")
    row = equations.measure(repeats=repeats)
    verdict = report.at_most("equations_1m_ms", row.timing.median_ms, equations.BAR_MS)
    print(
        f"{row.vehicles:,} vehicles, {row.trades:,} trades: {row.timing.median_ms:.1f} ms, "
        f"peak {row.peak_mb:.0f} MB{verdict}"
    )
    report.details["equations"] = {
        "vehicles": row.vehicles,
        "trades": row.trades,
        "energy_wh": row.energy_wh,
        "cost_ueur": row.cost_ueur,
        **row.timing.as_json(),
        "peak_allocated_mb": round(row.peak_mb, 1),
    }


def report_day(report: Report, repeats: int) -> None:
    _title("Optimum of a day, 55 chargers, 96 intervals")
    timing = clearing.measure_day(repeats=repeats)
    verdict = report.at_most("optimum_day_s", timing.median_s, clearing.DAY_BAR_S)
    print(f"{timing.median_s:.3f} s{verdict}")
    report.details["optimum_day"] = timing.as_json()


# --------------------------------------------------------------------------------- lots


def report_month(report: Report, data: Path, repeats: int) -> None:
    """Our 30 days, then ACN-Sim's run of the same sessions, which does not trade."""
    _title("30 days of Caltech")
    try:
        sessions = lots.month(data)
    except lots.NoDataError as missing:
        report.skip("caltech_30d_s", missing)
        report.skip("caltech_ratio_acnportal", missing)
        return
    row = lots.measure_month(sessions, repeats=repeats)
    verdict = report.at_most("caltech_30d_s", row.timing.median_s, lots.BAR_S)
    print(f"{'':<30}{'median':>10}{'CPU':>10}{'peak':>10}")
    print(
        f"{'peercharge, trading, 15 min':<30}{_seconds(row.timing)}{row.peak_mb:>7.1f} MB{verdict}"
    )
    found: dict[str, Any] = {
        "sessions": row.sessions,
        "intervals": row.intervals,
        "trades": row.trades,
        "from_peers_wh": row.from_peers_wh,
        "peercharge": row.timing.as_json(),
        "peak_allocated_mb": round(row.peak_mb, 1),
    }
    report.details["caltech_30d"] = found
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "sessions.json"
            lots.write_sessions(sessions, data, path)
            periods = [str(period) for period in ACN_PERIODS_MIN]
            printed = environments.run("acnportal", str(path), "5", *periods)
    except environments.PeerMissingError as missing:
        report.skip("caltech_ratio_acnportal", missing)
        return
    for run in printed["runs"]:
        timing, period_min = Timing.of(run["wall_s"], run["cpu_s"]), run["period_min"]
        print(f"{f'acnportal, uncontrolled, {period_min} min':<30}{_seconds(timing)}")
        ratio = timing.cpu_s / row.timing.cpu_s
        found[f"acnportal_{period_min}_min"] = {
            **timing.as_json(),
            "periods": run["periods"],
            "ratio": round(ratio, 2),
            "delivered_wh": round(1e3 * sum(run["delivered_kwh"].values())),
        }
        note = ""
        if period_min == ACN_PERIODS_MIN[0]:
            found["ratio_acnportal_period_min"] = period_min
            note = report.at_least("caltech_ratio_acnportal", ratio, lots.BAR_RATIO)
        print(f"  ours is {ratio:.1f} times faster{note}")
    found["acnportal_peak_process_mb"] = _rounded(printed["peak_mb"])


def report_lots(report: Report) -> None:
    _title("A week of several lots, one after another")
    print(f"{'lots':>6}{'sessions':>10}{'median':>12}{'a lot':>12}")
    rows = lots.measure_many()
    for row in rows:
        took = f"{row.timing.median_s:>10.2f} s{row.ms_per_lot:>9.1f} ms"
        print(f"{row.lots:>6}{row.sessions:>10,}{took}")
    report.details["lots"] = [
        {
            "lots": row.lots,
            "sessions": row.sessions,
            **row.timing.as_json(),
            "ms_per_lot": round(row.ms_per_lot, 2),
        }
        for row in rows
    ]


def _rounded(mb: float | None) -> float | None:
    return None if mb is None else round(mb, 1)


def _seconds(timing: Timing) -> str:
    return f"{timing.median_s:>8.3f} s{timing.cpu_s:>8.3f} s"


def _title(text: str) -> None:
    print(f"\n{text}")


if __name__ == "__main__":
    sys.exit(main())
