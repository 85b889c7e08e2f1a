"""The cost of forecast error: plans that know departures against plans that know estimates.

What a driver told on arrival is the estimate; sessions that nobody claimed have none. Vehicles
leave when they left in either case.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from trading.lot import simulate_lot
from trading.study.experiments.intervals import means
from trading.study.experiments.options import Over, StudyOptions, Tables, in_turn
from trading.study.scenario import Scenario, results_of, sessions_of

PLANS = ("actual", "estimated")
CHARGING = ("at-once", "latest")
"""When the grid's energy is drawn; `latest` leans on the forecast most."""
QUANTITIES = (
    "peers_wh",
    "grid_wh",
    "cost_ueur",
    "missing_wh",
    "unserved_wh",
    "shortfall_wh",
    "peak_w",
)


def forecast(options: StudyOptions, *, over: Over = in_turn) -> Tables:
    """Every day under both kinds of plan and both ways to draw the grid's energy.

    Returns:
        `days`: a row a day, seed, strategy and plan; `plans`: their means; `error_cost`: means of
        what estimates change on the same day and draw (estimated less actual).
    """
    tasks = [
        replace(run, departures=plan, strategy=strategy)
        for run in options.runs()
        for strategy in CHARGING
        for plan in PLANS
    ]
    days = pd.DataFrame(over(_row, tasks))
    by = ["strategy", "departures"]
    return {
        "days": days,
        "plans": means(days, by=by, of=QUANTITIES),
        "error_cost": _difference(days),
    }


def _row(scenario: Scenario) -> dict[str, object]:
    run = simulate_lot(
        sessions_of(scenario),
        rules=scenario.rules(),
        terms=scenario.terms(),
        mechanism=scenario.mechanism_run(),
    )
    results = results_of(run)
    unserved = run.stays.need_wh - run.from_grid_wh - run.from_peers_wh
    return {
        "lot": scenario.lot,
        "day": scenario.from_date,
        "seed": scenario.seed,
        "strategy": scenario.strategy,
        "departures": scenario.departures,
        "vehicles": results["vehicles"],
        "without_estimate": int(run.stays.table["estimated_departure"].isna().sum()),
        "unserved_wh": int(unserved.clip(min=0).sum()),
        **{name: results[name] for name in QUANTITIES if name in results},
    }


def _difference(days: pd.DataFrame) -> pd.DataFrame:
    keys = ["lot", "day", "seed", "strategy"]
    actual, estimated = (days[days["departures"] == plan].set_index(keys) for plan in PLANS)
    change = (estimated[list(QUANTITIES)] - actual[list(QUANTITIES)]).reset_index()
    return means(change, by=["strategy"], of=QUANTITIES)
