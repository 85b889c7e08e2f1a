"""The break-even map: replacement price against lot tariff, for each price of wear.

No trade is rational where the seller's floor and the lot's fee together pass the buyer's ceiling:
floor = replacement / round-trip efficiency + wear, ceiling = the lot's tariff. These cells are
known beforehand and not run.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from trading.study.experiments.options import Over, StudyOptions, Tables, in_turn
from trading.study.scenario import Scenario, evaluate
from trading.units import WH_PER_KWH

TARIFFS = tuple(range(200_000, 801_000, 75_000))
REPLACEMENTS = tuple(range(100_000, 501_000, 50_000))
WEARS = (0, 50_000, 100_000)


def break_even(
    options: StudyOptions,
    *,
    tariffs: tuple[int, ...] = TARIFFS,
    replacements: tuple[int, ...] = REPLACEMENTS,
    wears: tuple[int, ...] = WEARS,
    over: Over = in_turn,
) -> Tables:
    """What all drivers together save a kWh traded, replacement, wear and fee paid.

    Args:
        options: days and draws; every cell is run over all of them.
        tariffs: lot's tariffs, ueur per kWh.
        replacements: prices at home, ueur per kWh.
        wears: prices of wear, ueur per kWh.
        over: who computes.

    Returns:
        `map`: a row a cell: prices, floor, `is_rational`, `traded_wh` and `saving_ueur` a day, and
        `saving_ueur_per_kwh` traded, missing where nothing was.
    """
    runs = options.runs()
    cells = [(w, r, t) for w in wears for r in replacements for t in tariffs]
    tasks = [
        replace(
            run,
            wear_ueur_per_kwh=w,
            replacement_ueur_per_kwh=r,
            lot_tariff_ueur_per_kwh=t,
        )
        for w, r, t in cells
        for run in runs
    ]
    results = iter(over(_saving, [task for task in tasks if is_rational(task)]))
    rows = []
    for n, (w, r, t) in enumerate(cells):
        task = tasks[n * len(runs)]
        found = [next(results) for _ in runs] if is_rational(task) else [(0, 0)]
        traded, saved = (sum(column) for column in zip(*found, strict=True))
        rows.append(
            {
                "wear_ueur_per_kwh": w,
                "replacement_ueur_per_kwh": r,
                "lot_tariff_ueur_per_kwh": t,
                "floor_ueur_per_kwh": _floor(task),
                "is_rational": is_rational(task),
                "traded_wh": traded / len(found),
                "saving_ueur": saved / len(found),
                "saving_ueur_per_kwh": saved * WH_PER_KWH / traded if traded else float("nan"),
            }
        )
    return {"map": pd.DataFrame(rows)}


def is_rational(scenario: Scenario) -> bool:
    """Whether some price leaves a seller its floor, the lot its fee, and a buyer no worse off."""
    return _floor(scenario) + scenario.lot_fee_ueur_per_kwh <= scenario.lot_tariff_ueur_per_kwh


def _floor(scenario: Scenario) -> int:
    rules = scenario.rules()
    return scenario.terms().floor(rules.guarantee, rules.efficiency)


def _saving(scenario: Scenario) -> tuple[int, int]:
    results = evaluate(scenario)
    return int(results["traded_wh"]), int(results["cost_grid_only_ueur"]) - int(
        results["cost_ueur"]
    )
