"""How long the best charging takes: V1G and V1G with peers, by days, with and without a limit.

    python benchmarks/baselines.py                                   the days of the sample
    python benchmarks/baselines.py FILE --from 2019-10-01 --to 2019-10-30 --no-days

FILE is an ACN-Data CSV. Timed: from stays to a schedule; not timed: reading the file, and scipy's
import. Seconds of the processor stand beside those of the clock, since other work on the machine
slows the clock's. All at a flat tariff of 0.50 EUR/kWh, in intervals of 15 min.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

from trading.data import load_sessions, sample_path
from trading.lot import LotRules, Stays, Terms
from trading.lot.optimal import Optimum, PeerCosts, best_charging

INTERVAL_S = 900
LIMIT_W = 24_000


def solved(stays: Stays, peers: PeerCosts | None, limit_w: int | None) -> Optimum:
    optimum = best_charging(
        stays,
        interval_s=INTERVAL_S,
        tariff_ueur_per_kwh=Terms().lot_tariff,
        limit_wh=None if limit_w is None else limit_w * INTERVAL_S // 3_600,
        peers=peers,
    )
    served = optimum.from_grid_wh + optimum.from_peers_wh
    assert (served + optimum.unserved_wh == stays.need_wh).all()
    return optimum


def row(name: str, stays: Stays, peers: PeerCosts | None, limit_w: int | None, runs: int) -> str:
    clock, processor = [], []
    for _ in range(runs):
        began = time.perf_counter(), time.process_time()
        optimum = solved(stays, peers, limit_w)
        clock.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    return (
        f"{name:>10} {len(stays):>8} {len(optimum.start_s):>9} "
        f"{'peers' if peers else 'V1G':>5} {limit_w or '-':>7} {optimum.cost_ueur / 1e6:>9.2f} "
        f"{optimum.grid_wh.max() * 3_600 / INTERVAL_S / 1_000:>7.1f} "
        f"{optimum.unserved_wh.sum() / 1_000:>8.1f} {'yes' if optimum.is_proven else 'no':>6} "
        f"{statistics.median(processor):>7.2f} {statistics.median(clock):>7.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default=sample_path())
    parser.add_argument("--from", dest="from_date")
    parser.add_argument("--to", dest="to_date")
    parser.add_argument("--days", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    rules = LotRules(interval_s=INTERVAL_S)
    peers = PeerCosts(floor_ueur_per_kwh=Terms().floor("consent", rules.efficiency))
    sessions = load_sessions(
        options.file, format="acn", from_date=options.from_date, to_date=options.to_date
    )
    days = sessions.frame["arrival"].dt.tz_convert(sessions.zone).dt.date
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, load {load:.1f}")
    print(
        f"{'days':>10} sessions intervals       {'limit W':>7} {'EUR':>9} {'peak kW':>7} "
        f"{'uns. kWh':>8} proven {'cpu s':>7} {'clock s':>7}"
    )
    tables = [(str(day), sessions.frame[days == day]) for day in sorted(set(days))]
    solved(Stays(sessions.frame.iloc[:1], rules), None, None)
    for name, table in [*(tables if options.days else ()), ("all", sessions.frame)]:
        stays = Stays(table, rules)
        for limit_w in (None, LIMIT_W):
            for costs in (None, peers):
                # A month with peers under a limit takes minutes.
                if name != "all" or costs is None or limit_w is None:
                    print(row(name, stays, costs, limit_w, options.runs), flush=True)


if __name__ == "__main__":
    main()
