"""Run ACN-Sim without control; run by `benchmarks/speed.py` in acnportal's environment.

    python run_acnportal.py SESSIONS.json REPEATS PERIOD_MIN...

Timed: from a list of sessions to the end of `Simulator.run`, as ours is timed from a table of them;
making the network, the vehicles and their events takes little of it. Sessions become events as
acnportal's own reader makes them: a battery of the session's energy, empty on arrival, and times
cut to whole periods. The network is Caltech's, as in acnportal's tutorials, with basic chargers.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import sys
import time
import warnings
from pathlib import Path

from acnportal.acnsim import ChargingNetwork, Simulator
from acnportal.acnsim.events import EventQueue, PluginEvent
from acnportal.acnsim.models import EV, Battery
from acnportal.acnsim.network.sites import caltech_acn
from acnportal.algorithms import BaseAlgorithm, UncontrolledCharging
from memory import peak_mb

VOLTAGE = 208


def main(path: str, repeats: int, periods_min: list[int]) -> None:
    sessions = json.loads(Path(path).read_text(encoding="utf-8"))
    # It warns of each period in which uncontrolled charging breaks a limit, which it is to do.
    warnings.simplefilter("ignore")
    runs = []
    for period_min in periods_min:
        wall_s: list[float] = []
        cpu_s: list[float] = []
        for _ in range(repeats):
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            simulator = simulator_of(sessions, period_min)
            simulator.run()
            cpu_s.append(time.process_time() - cpu)
            wall_s.append(time.perf_counter() - wall)
        runs.append(
            {
                "period_min": period_min,
                "wall_s": wall_s,
                "cpu_s": cpu_s,
                "periods": simulator.iteration,
                "first_s": min(s["arrival_s"] for s in sessions)
                // (period_min * 60)
                * period_min
                * 60,
                # Of all chargers together, in each period; rates are in ampere.
                "load_w": (simulator.charging_rates.sum(axis=0) * VOLTAGE).tolist(),
                "delivered_kwh": {
                    name: ev.energy_delivered for name, ev in simulator.ev_history.items()
                },
                "stay_s": {
                    name: (ev.departure - ev.arrival) * period_min * 60
                    for name, ev in simulator.ev_history.items()
                },
            }
        )
    print(json.dumps({"runs": runs, "peak_mb": peak_mb()}))


def simulator_of(
    sessions: list[dict],
    period_min: int,
    *,
    network: ChargingNetwork | None = None,
    scheduler: BaseAlgorithm | None = None,
) -> Simulator:
    """A simulator that is ready to run; Caltech's network and no control unless told otherwise."""
    period_s = period_min * 60
    first = min(session["arrival_s"] for session in sessions) // period_s
    events = []
    for session in sessions:
        arrival = session["arrival_s"] // period_s - first
        departure = session["departure_s"] // period_s - first
        # A stay within one period would never be unplugged before it is plugged in.
        if departure <= arrival:
            departure = arrival + 1
        need_kwh = session["need_wh"] / 1000
        battery = Battery(need_kwh, 0, session["power_w"] / 1000)
        station, name = session["station_id"], session["session_id"]
        vehicle = EV(arrival, departure, need_kwh, station, name, battery)
        events.append(PluginEvent(arrival, vehicle))
    return Simulator(
        network or caltech_acn(basic_evse=True, voltage=VOLTAGE),
        scheduler or UncontrolledCharging(),
        EventQueue(events),
        dt.datetime.fromtimestamp(first * period_s, tz=dt.UTC),
        period=period_min,
        verbose=False,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(period) for period in sys.argv[3:]])
