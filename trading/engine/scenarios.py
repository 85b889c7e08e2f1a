"""The honest comparison that leads every report: the same day under each guarantee and V2G share.

No chain is involved: with honest operators every trade is agreed, which a test holds against the
run on chain. The sensitivity table repeats the day under other seeds and other assignment rules,
because state of charge and capacity are inferred and results depend on how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from trading.lot import Accounts, Guarantee, LotRules, LotRun, Terms, accounts_of, simulate_lot
from trading.lot.stays import PUBLISHED_V2G_SHARE
from trading.market import Mechanism

COLUMNS = (
    "scenario",
    "v2g_share",
    "trades",
    "blocked",
    "peers_wh",
    "grid_wh",
    "peak_w",
    "drivers_cost_ueur",
    "buyers_gain_ueur",
    "sellers_gain_ueur",
    "missing_wh",
    "replacement_cost_ueur",
)
"""Columns of the comparison: energy at the chargers' meters, `missing_wh` in the batteries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the comparison."""

    name: str
    rules: LotRules
    terms: Terms


def guarantee_scenarios(
    rules: LotRules, terms: Terms, shares: Sequence[float] | None = None
) -> list[Scenario]:
    """`consent`, `whole`, and the physical potential of `whole`, at each V2G share.

    Under a flat tariff `whole` has no rational trade, since what is sold is bought back at the
    price it competes with; so its potential without limits stands beside it.
    """
    if shares is None:
        shares = sorted({1.0, PUBLISHED_V2G_SHARE, rules.v2g_share}, reverse=True)
    free = replace(terms, limits=False)
    rows: list[tuple[str, Guarantee, Terms]] = [
        ("consent", "consent", terms),
        ("whole", "whole", terms),
        ("whole, no limits", "whole", free),
    ]
    return [
        Scenario(
            name=name, rules=replace(rules, guarantee=guarantee, v2g_share=share), terms=terms_here
        )
        for share in shares
        for name, guarantee, terms_here in rows
    ]


def compare(
    sessions: pd.DataFrame, scenarios: Iterable[Scenario], mechanism: Mechanism
) -> pd.DataFrame:
    """The comparison: uncontrolled charging first, then a row a scenario; columns `COLUMNS`.

    Args:
        sessions: a SESSIONS table.
        scenarios: what to compare; none gives a table without rows.
        mechanism: matches every interval.
    """
    rows: list[dict[str, object]] = []
    for scenario in scenarios:
        run = simulate_lot(
            sessions, rules=scenario.rules, terms=scenario.terms, mechanism=mechanism
        )
        books = accounts_of(run)
        if not rows:
            rows.append(_uncontrolled(run, books))
        rows.append(_row(scenario, run, books))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _uncontrolled(run: LotRun, books: Accounts) -> dict[str, object]:
    missing = books.missing_grid_only_wh
    energy = int(run.grid_only_wh.sum())
    return {
        "scenario": "uncontrolled",
        "v2g_share": np.nan,
        "trades": 0,
        "blocked": 0,
        "peers_wh": 0,
        "grid_wh": energy,
        "peak_w": books.peak_grid_only_w,
        "drivers_cost_ueur": books.cost_grid_only_ueur,
        "buyers_gain_ueur": 0,
        "sellers_gain_ueur": 0,
        "missing_wh": missing,
        "replacement_cost_ueur": books.replacement_grid_only_ueur,
    }


def _row(scenario: Scenario, run: LotRun, books: Accounts) -> dict[str, object]:
    return {
        "scenario": scenario.name,
        "v2g_share": scenario.rules.v2g_share,
        "trades": len(run.trades),
        "blocked": run.blocked,
        "peers_wh": books.energy.buyers_wh,
        "grid_wh": books.energy.grid_wh,
        "peak_w": books.peak_with_p2p_w,
        "drivers_cost_ueur": books.cost_ueur,
        "buyers_gain_ueur": books.buyers_gain_ueur,
        "sellers_gain_ueur": books.sellers_gain_ueur,
        "missing_wh": books.missing_wh,
        "replacement_cost_ueur": books.replacement_ueur,
    }


SENSITIVITY_SEEDS = 5
SENSITIVITY_COLUMNS = (
    "assignment",
    "seeds",
    "peers_wh_low",
    "peers_wh_mean",
    "peers_wh_high",
    "peak_w_mean",
    "grid_only_peak_w_mean",
    "saving_ueur_mean",
)


def sensitivity(
    load: Callable[[str, int], pd.DataFrame],
    assignments: Iterable[str],
    *,
    rules: LotRules,
    terms: Terms,
    mechanism: Mechanism,
    seeds: int = SENSITIVITY_SEEDS,
) -> pd.DataFrame:
    """How much the day's result depends on what had to be inferred.

    Args:
        load: (assignment rule, seed) -> the same day's SESSIONS table under that rule.
        assignments: names of assignment rules.
        rules: of the main run; their seed is replaced.
        terms: of the main run.
        mechanism: of the main run.
        seeds: how many seeds to take, counted from the main run's.

    Returns:
        A row an assignment rule; columns `SENSITIVITY_COLUMNS`.
    """
    rows = []
    for name in assignments:
        books = []
        for seed in range(rules.seed, rules.seed + seeds):
            run = simulate_lot(
                load(name, seed),
                rules=replace(rules, seed=seed),
                terms=terms,
                mechanism=mechanism,
            )
            books.append(accounts_of(run))
        peers = [book.energy.buyers_wh for book in books]
        saving = [book.cost_grid_only_ueur - book.cost_ueur for book in books]
        rows.append(
            {
                "assignment": name,
                "seeds": seeds,
                "peers_wh_low": min(peers),
                "peers_wh_mean": round(np.mean(peers)),
                "peers_wh_high": max(peers),
                "peak_w_mean": round(np.mean([book.peak_with_p2p_w for book in books])),
                "grid_only_peak_w_mean": round(np.mean([b.peak_grid_only_w for b in books])),
                "saving_ueur_mean": round(np.mean(saving)),
            }
        )
    return pd.DataFrame(rows, columns=list(SENSITIVITY_COLUMNS))
