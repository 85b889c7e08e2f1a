"""The connection's limit: how long it binds and what stays unserved, with and without trading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from trading.lot import accounts_of, simulate_lot
from trading.lot.physics import SECONDS_PER_HOUR
from trading.study.experiments.intervals import means
from trading.study.experiments.options import Over, StudyOptions, Tables, in_turn
from trading.study.scenario import Scenario, sessions_of
from trading.units import Int64Array

LIMITS_W: tuple[int | None, ...] = (*range(30_000, 101_000, 10_000), None)
"""What is swept; None for a connection without limit."""
QUANTITIES = ("binding_h", "unserved_wh", "peak_w", "grid_wh", "missing_wh", "peers_wh")


def connection(
    options: StudyOptions, *, limits_w: tuple[int | None, ...] = LIMITS_W, over: Over = in_turn
) -> Tables:
    """Every day under every limit, without trading and with it.

    Energy that a limit cuts in an interval is drawn later where the stay allows it. `unserved_wh`
    is what was not drawn by departure of what drivers needed, at the chargers' meters;
    `binding_h` the hours in which something was cut.

    Returns:
        `days`: a row a day, seed, limit and "grid only" or "with peers"; `limits`: their means. No
        limit is an empty cell.
    """
    tasks = [replace(run, connection_w=limit) for run in options.runs() for limit in limits_w]
    days = pd.DataFrame([row for rows in over(_rows, tasks) for row in rows])
    days["connection_w"] = days["connection_w"].astype("Int64")
    limits = means(days, by=["connection_w", "charging"], of=QUANTITIES)
    limits["connection_w"] = limits["connection_w"].astype("Int64")
    return {"days": days, "limits": limits}


def _rows(scenario: Scenario) -> list[dict[str, object]]:
    run = simulate_lot(
        sessions_of(scenario),
        rules=scenario.rules(),
        terms=scenario.terms(),
        mechanism=scenario.mechanism_run(),
    )
    books, need = accounts_of(run), run.stays.need_wh
    step_h = run.stays.rules.metered_s / SECONDS_PER_HOUR
    head = {
        "lot": scenario.lot,
        "day": scenario.from_date,
        "seed": scenario.seed,
        "connection_w": scenario.connection_w,
    }

    def row(
        charging: str, curtailed: Int64Array, drawn: Int64Array, grid: Int64Array
    ) -> dict[str, object]:
        is_with = charging == "with peers"
        return {
            **head,
            "charging": charging,
            "binding_h": int(np.count_nonzero(curtailed)) * step_h,
            "unserved_wh": int(np.maximum(need - drawn, 0).sum()),
            "peak_w": books.peak_with_p2p_w if is_with else books.peak_grid_only_w,
            "grid_wh": int(grid.sum()),
            "missing_wh": books.missing_wh if is_with else books.missing_grid_only_wh,
            "peers_wh": books.energy.buyers_wh if is_with else 0,
        }

    drawn = run.from_grid_wh + run.from_peers_wh
    return [
        row("grid only", run.curtailed_grid_only_wh, run.alone_wh, run.grid_only_wh),
        row("with peers", run.curtailed_wh, drawn, run.grid_wh),
    ]
