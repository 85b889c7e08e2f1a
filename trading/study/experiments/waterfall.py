"""The waterfall: uncontrolled, V1G, V1G with peers, and the chosen mechanism, over days and draws.

The value of trading is what it adds beyond V1G, which needs no peers. Both optima know every
departure and need beforehand; a mechanism does not, and draws what peers do not bring by the lot's
strategy. Roof and cables are left out of the optima.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from trading.lot import LotRun, accounts_of, simulate_lot
from trading.lot.optimal import Optimum, PeerCosts, best_charging, interval_starts
from trading.lot.physics import SECONDS_PER_HOUR
from trading.study.experiments.intervals import means
from trading.study.experiments.options import Over, StudyOptions, Tables, in_turn
from trading.study.scenario import Scenario, sessions_of
from trading.units import Int64Array, cost_ueur

UNCONTROLLED, V1G, WITH_PEERS = "uncontrolled", "V1G", "V1G with peers"
QUANTITIES = ("cost_ueur", "peak_w", "grid_wh", "missing_wh", "peers_wh")


def waterfall(options: StudyOptions, *, over: Over = in_turn) -> Tables:
    """Every way to charge on every day.

    Returns:
        `days`: a row a day, seed and step; `steps`: means a step; `beyond_v1g`: means of what a
        step saves against V1G on the same day and draw (cost, peak, grid energy), and of what is
        missing at departure for it.
    """
    rows = [row for found in over(steps_of, options.runs()) for row in found]
    days = pd.DataFrame(rows)
    steps = means(days, by=["step"], of=QUANTITIES)
    return {"days": days, "steps": steps, "beyond_v1g": _beyond(days)}


def steps_of(scenario: Scenario) -> list[dict[str, object]]:
    """The four steps of one day: all drivers' cost with replacement, wear and fee; `QUANTITIES`."""
    rules, terms = scenario.rules(), scenario.terms()
    run = simulate_lot(
        sessions_of(scenario), rules=rules, terms=terms, mechanism=scenario.mechanism_run()
    )
    books = accounts_of(run)
    interval_s = scenario.interval_s
    starts = interval_starts(run.stays, interval_s=interval_s)
    edges = np.append(starts, starts[-1] + interval_s)
    best = partial(
        best_charging,
        run.stays,
        interval_s=interval_s,
        tariff_ueur_per_kwh=terms.buy_over(edges),
        limit_wh=rules.site.connection_wh(edges),
    )
    v1g = best()
    floors = terms.floors(run.replacements, rules.guarantee, rules.efficiency)
    peers = best(peers=PeerCosts(floor_ueur_per_kwh=floors + terms.lot_fee))
    alone: dict[str, object] = {
        "cost_ueur": books.cost_grid_only_ueur,
        "peak_w": books.peak_grid_only_w,
        "grid_wh": int(run.grid_only_wh.sum()),
        "missing_wh": books.missing_grid_only_wh,
        "peers_wh": 0,
        "is_proven": True,
    }
    traded: dict[str, object] = {
        "cost_ueur": books.cost_ueur,
        "peak_w": books.peak_with_p2p_w,
        "grid_wh": books.energy.grid_wh,
        "missing_wh": books.missing_wh,
        "peers_wh": books.energy.buyers_wh,
        "is_proven": True,
    }
    found = {
        _without_trading(scenario): alone,
        V1G: _optimum_row(run, v1g, interval_s),
        WITH_PEERS: _optimum_row(run, peers, interval_s),
        scenario.mechanism: traded,
    }
    day = {"lot": scenario.lot, "day": scenario.from_date, "seed": scenario.seed}
    return [{**day, "step": step, **row} for step, row in found.items()]


def _without_trading(scenario: Scenario) -> str:
    """Who draws the grid's energy by another strategy than at once is not uncontrolled."""
    is_at_once = scenario.strategy == "at-once"
    return UNCONTROLLED if is_at_once else f"grid {scenario.strategy}"


def _optimum_row(run: LotRun, best: Optimum, interval_s: int) -> dict[str, object]:
    """An optimum in the books of the lot: the same prices for the same things."""
    terms, efficiency = run.terms, run.stays.rules.efficiency
    stored = efficiency.stored(best.from_grid_wh + best.from_peers_wh)
    gave = efficiency.drawn(best.to_peers_wh)
    missing: Int64Array = np.maximum(efficiency.stored(run.stays.need_wh) - stored + gave, 0)
    parts = (
        cost_ueur(efficiency.charge_for(missing), run.replacements),
        cost_ueur(best.to_peers_wh, terms.wear),
        cost_ueur(best.to_peers_wh, terms.lot_fee),
    )
    return {
        "cost_ueur": best.grid_cost_ueur + sum(int(part.sum()) for part in parts),
        "peak_w": int(best.grid_wh.max(initial=0)) * SECONDS_PER_HOUR // interval_s,
        "grid_wh": int(best.grid_wh.sum()),
        "missing_wh": int(missing.sum()),
        "peers_wh": int(best.to_peers_wh.sum()),
        "is_proven": best.is_proven,
    }


def _beyond(days: pd.DataFrame) -> pd.DataFrame:
    """Paired differences: each step against V1G of the same day and draw."""
    keys = ["lot", "day", "seed"]
    base = days[days["step"] == V1G].set_index(keys)
    first = days["step"].iloc[0]
    rest = days[~days["step"].isin([V1G, first])].set_index(keys)
    at = base.loc[rest.index]
    saved = pd.DataFrame(
        {
            "step": rest["step"],
            "cost_saved_ueur": at["cost_ueur"] - rest["cost_ueur"],
            "peak_cut_w": at["peak_w"] - rest["peak_w"],
            "grid_saved_wh": at["grid_wh"] - rest["grid_wh"],
            "more_missing_wh": rest["missing_wh"] - at["missing_wh"],
        }
    ).reset_index()
    of = [name for name in saved.columns if name not in (*keys, "step")]
    return means(saved, by=["step"], of=of)
