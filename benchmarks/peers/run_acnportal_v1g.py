"""Run ACN-Sim's schedulers under a limit of the connection; run by `benchmarks.smart_charging`.

    python run_acnportal_v1g.py SESSIONS.json PERIOD_MIN LIMIT_W...

The network is acnportal's simplest, in which one constraint holds all chargers together: so many
ampere at 208 V. Its schedulers decide anew in every period; they know departures and needs. Each
runs with its own defaults. Printed: what each session drew in each period of its stay.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

from acnportal.acnsim.network.sites import simple_acn
from acnportal.algorithms import (
    RoundRobin,
    SortedSchedulingAlgo,
    earliest_deadline_first,
    first_come_first_served,
    least_laxity_first,
)
from run_acnportal import VOLTAGE, simulator_of

SCHEDULERS = {
    "least laxity first": lambda: SortedSchedulingAlgo(least_laxity_first),
    "earliest deadline first": lambda: SortedSchedulingAlgo(earliest_deadline_first),
    "round robin": lambda: RoundRobin(first_come_first_served),
}


def main(path: str, period_min: int, limits_w: list[int]) -> None:
    sessions = json.loads(Path(path).read_text(encoding="utf-8"))
    # It warns where rounding breaks the limit by less than its own tolerance.
    warnings.simplefilter("ignore")
    stations = sorted({session["station_id"] for session in sessions})
    runs = []
    for limit_w in limits_w:
        for name, scheduler in SCHEDULERS.items():
            began_s = time.perf_counter()
            network = simple_acn(stations, voltage=VOLTAGE, aggregate_cap=limit_w / 1_000)
            simulator = simulator_of(sessions, period_min, network=network, scheduler=scheduler())
            simulator.run()
            watts = simulator.charging_rates * VOLTAGE
            row = {station: i for i, station in enumerate(simulator.network.station_ids)}
            runs.append(
                {
                    "scheduler": name,
                    "limit_w": limit_w,
                    "took_s": time.perf_counter() - began_s,
                    "power_w": {
                        name: watts[row[ev.station_id], ev.arrival : ev.departure].tolist()
                        for name, ev in simulator.ev_history.items()
                    },
                }
            )
    print(json.dumps({"runs": runs}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(limit) for limit in sys.argv[3:]])
