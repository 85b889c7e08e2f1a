"""Which claims of the source hold on real weekdays, under which assumptions, and on how many.

FLOW deliverable D5.5, section 2.2.4, claims that peer-to-peer trading lowers the load drawn from
the grid (figure 2) and covers the charging requirement at lower cost (figure 5). Both are split
into what can be read off a day's books; every assumption is one change against the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from trading.lot import LotRun, accounts_of, simulate_lot
from trading.lot.optimal import best_charging, interval_starts
from trading.lot.physics import SECONDS_PER_HOUR
from trading.lot.stays import PUBLISHED_V2G_SHARE, Stays
from trading.study.experiments.options import Over, StudyOptions, Tables, in_turn
from trading.study.scenario import Scenario, Value, sessions_of

CLAIMS: Mapping[str, str] = {
    "less_grid": "less energy from this grid",
    "lower_peak": "lower peak here",
    "below_v1g": "lower peak than V1G",
    "less_all_grids": "less energy with refills",
    "requirement": "all served as before",
    "none_missing": "nobody leaves with less",
    "buyers": "buyers pay less",
    "sellers": "sellers gain",
    "drivers": "drivers together pay less",
}
"""What is read off a day's books. The first two are the source's figure 2; `requirement`, `buyers`
and `drivers` its figure 5; the others are what an expert asks next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """One row of the table: the fields of a scenario that it changes."""

    words: str
    changes: Mapping[str, Value] = field(default_factory=dict)


def assumptions(base: Scenario) -> tuple[Assumption, ...]:
    """The defaults first, then one assumption at a time."""
    tariff = base.lot_tariff_ueur_per_kwh
    as_tariff: dict[str, Value] = {"replacement_ueur_per_kwh": tariff}
    whole: dict[str, Value] = {"guarantee": "whole"}
    free: dict[str, Value] = {"limits": False}
    lossless: dict[str, Value] = {"charge_ppm": 1_000_000, "discharge_ppm": 1_000_000}
    share = PUBLISHED_V2G_SHARE
    return (
        Assumption(words="defaults"),
        Assumption(words=f"{share * 100:g} % can discharge", changes={"v2g_share": share}),
        Assumption(words="estimated departures", changes={"departures": "estimated"}),
        Assumption(words="refill at the tariff", changes=as_tariff),
        Assumption(words="refill at the tariff, no limits", changes=as_tariff | free),
        Assumption(words="price at the tariff", changes={"price_ueur_per_kwh": tariff}),
        Assumption(words="guarantee whole", changes=whole),
        Assumption(words="guarantee whole, no limits", changes=whole | free),
        Assumption(words="no losses", changes=lossless),
        Assumption(words="no wear", changes={"wear_ueur_per_kwh": 0}),
        Assumption(words="fleet of 2019", changes={"assignment": "anchored-departure-2019-mix"}),
        Assumption(words="uniform SoC on arrival", changes={"assignment": "uniform-arrival"}),
        Assumption(words="everybody leaves full", changes={"assignment": "full-departure"}),
        Assumption(
            words="need is what was asked for",
            changes={"assignment": "anchored-departure-requested"},
        ),
    )


def truth(options: StudyOptions, *, over: Over = in_turn) -> Tables:
    """Every claim under every assumption on every weekday.

    Returns:
        `days`: a row a day, seed and assumption with the claims as true or false, and `traded_wh`;
        `claims`: a row a lot, assumption and claim: `days` (and draws), `days_with_trades`,
        `holds_share` of all days. Where nothing is traded nothing is lower, so a claim that
        something is lower does not hold.
    """
    weekdays = replace(options, kinds="weekdays")
    days = pd.DataFrame([row for rows in over(_rows, weekdays.runs()) for row in rows])
    grouped = days.groupby(["lot", "assumption"], sort=False)
    rows = [
        {
            "lot": lot,
            "assumption": words,
            "claim": claim,
            "words": CLAIMS[claim],
            "days": len(group),
            "days_with_trades": int((group["traded_wh"] > 0).sum()),
            "holds_share": float(group[claim].mean()),
        }
        for (lot, words), group in grouped
        for claim in CLAIMS
    ]
    return {"days": days, "claims": pd.DataFrame(rows)}


def _rows(base: Scenario) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    v1g: dict[bytes, int] = {}
    for assumption in assumptions(base):
        scenario = replace(base, **assumption.changes)  # type: ignore[arg-type]
        run = simulate_lot(
            sessions_of(scenario),
            rules=scenario.rules(),
            terms=scenario.terms(),
            mechanism=scenario.mechanism_run(),
        )
        # V1G asks for need and charger alone, which few assumptions change.
        need = run.stays.need_wh.tobytes()
        if need not in v1g:
            v1g[need] = _v1g_peak_w(run.stays, scenario)
        rows.append(
            {
                "lot": base.lot,
                "day": base.from_date,
                "seed": base.seed,
                "assumption": assumption.words,
                "traded_wh": int(run.trades["energy_wh"].sum()),
                **claims_of(run, v1g_peak_w=v1g[need]),
            }
        )
    return rows


def claims_of(run: LotRun, *, v1g_peak_w: int) -> dict[str, bool]:
    """Each of `CLAIMS` for one run, against everybody charging from the grid at once."""
    books, efficiency = accounts_of(run), run.stays.rules.efficiency
    grid, alone = books.energy.grid_wh, int(run.grid_only_wh.sum())
    refill, refill_alone = (
        int(efficiency.charge_for(np.array([wh], dtype=np.int64))[0])
        for wh in (books.missing_wh, books.missing_grid_only_wh)
    )
    drawn, n_sold = run.from_grid_wh + run.from_peers_wh, int((run.to_peers_wh > 0).sum())
    return {
        "less_grid": grid < alone,
        "lower_peak": books.peak_with_p2p_w < books.peak_grid_only_w,
        "below_v1g": books.peak_with_p2p_w < v1g_peak_w,
        "less_all_grids": grid + refill < alone + refill_alone,
        "requirement": bool((drawn >= run.alone_wh).all()),
        # Recharging what was sold rounds to whole Wh, once a seller.
        "none_missing": books.missing_wh - books.missing_grid_only_wh <= n_sold,
        # Each trade's cost is rounded down, which is no saving.
        "buyers": books.buyers_gain_ueur > len(run.trades),
        "sellers": books.sellers_gain_ueur > 0,
        "drivers": books.cost_ueur < books.cost_grid_only_ueur,
    }


def _v1g_peak_w(stays: Stays, scenario: Scenario) -> int:
    step = scenario.interval_s
    starts = interval_starts(stays, interval_s=step)
    tariff = scenario.terms().buy_over(np.append(starts, starts[-1] + step))
    best = best_charging(stays, interval_s=step, tariff_ueur_per_kwh=tariff)
    return int(best.grid_wh.max(initial=0)) * SECONDS_PER_HOUR // step
