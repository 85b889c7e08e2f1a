"""What a run is to be measured against: the same day uncontrolled, and charged at its best.

The value of trading is what it adds beyond V1G, smart charging without discharge, which no driver
needs a partner for.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from trading.lot.optimal import Optimum, PeerCosts, best_charging, interval_starts
from trading.lot.physics import SECONDS_PER_HOUR
from trading.lot.simulation import LotRun, uncontested
from trading.lot.stays import Stays
from trading.units import Int64Array, cost_ueur

GAP = 1e-3
"""How far above its proven bound the cost of the optimum with peers may be, as a share of it."""
UNCONTROLLED, V1G, V1G_WITH_PEERS = "uncontrolled", "V1G", "V1G with peers"
BASELINE_COLUMNS = ("label", "cost_ueur", "peak_w", "grid_wh", "missing_wh")


def baseline_table(run: LotRun, *, label: str) -> pd.DataFrame:
    """Uncontrolled charging, the best charging without and with peers, and `run` itself.

    The two best ones know every departure and need beforehand, and leave tapering, cable losses and
    steps of the efficiency curve aside: yardsticks, not ways to run a lot.

    Args:
        run: of any market and strategy.
        label: what to call it.

    Returns:
        Four rows, three under the guarantee `whole`, whose optimum with peers is not known; columns
        `BASELINE_COLUMNS`: all drivers' cost, replacement, wear and the lot's fee included; highest
        mean power of a meter interval and energy, at the connection; battery content missing.
    """
    stays, terms, rules = run.stays, run.terms, run.stays.rules
    starts = interval_starts(stays, interval_s=rules.metered_s)
    edges = np.append(starts, starts[-1] + rules.metered_s)
    limit = rules.site.connection_wh(edges)
    sun = rules.site.pv_wh(edges)
    at_once = Stays(stays.table, replace(rules, strategy="at-once"))
    lot = uncontested(at_once, terms)
    rows = [
        _row(
            UNCONTROLLED,
            run,
            grid_wh=lot.flows.grid_wh,
            cost=lot.grid_bill_ueur,
            kept_wh=lot.gained_wh,
        )
    ]
    floors = terms.floors(run.replacements, rules.guarantee, rules.efficiency) + terms.lot_fee
    ways: list[tuple[str, PeerCosts | None]] = [(V1G, None)]
    if rules.guarantee == "consent":
        ways.append((V1G_WITH_PEERS, PeerCosts(floor_ueur_per_kwh=floors)))
    for name, peers in ways:
        best = best_charging(
            stays,
            interval_s=rules.metered_s,
            tariff_ueur_per_kwh=terms.buy_over(edges),
            limit_wh=None if limit is None else limit + sun,
            peers=peers,
            gap=GAP,
        )
        rows.append(_best(name, run, best, sun, terms.lot_fee))
    rows.append(
        _row(
            label,
            run,
            grid_wh=run.grid_wh,
            cost=_own_cost(run),
            kept_wh=run.gained_wh - run.gave_wh,
        )
    )
    return pd.DataFrame(rows, columns=list(BASELINE_COLUMNS))


def _best(name: str, run: LotRun, best: Optimum, sun: Int64Array, fee: int) -> dict[str, object]:
    efficiency = run.stays.rules.efficiency
    drawn = best.from_grid_wh + best.from_peers_wh
    gave = efficiency.drawn(best.to_peers_wh)
    cost = np.zeros(len(drawn), np.int64)
    # The schedule's own grid cost, by interval, belongs to all drivers together.
    cost[:1] += best.grid_cost_ueur
    cost += cost_ueur(best.to_peers_wh, run.terms.wear + fee)
    return _row(
        name,
        run,
        grid_wh=np.maximum(best.grid_wh - sun, 0),
        cost=cost,
        kept_wh=efficiency.stored(drawn) - gave,
    )


def _own_cost(run: LotRun) -> Int64Array:
    trades = run.trades
    to_lot = np.zeros(len(run.stays), np.int64)
    to_lot[:1] += int((trades["cost_ueur"] - trades["income_ueur"]).sum())
    wear = cost_ueur(run.to_peers_wh, run.terms.wear)
    return run.grid_bill_ueur - run.refund_ueur + to_lot + wear


def _row(
    name: str, run: LotRun, *, grid_wh: Int64Array, cost: Int64Array, kept_wh: Int64Array
) -> dict[str, object]:
    efficiency = run.stays.rules.efficiency
    missing = np.maximum(efficiency.stored(run.stays.need_wh) - kept_wh, 0)
    replaced = cost_ueur(efficiency.charge_for(missing), run.replacements)
    step_s = run.stays.rules.metered_s
    return {
        "label": name,
        "cost_ueur": int(cost.sum() + replaced.sum()),
        "peak_w": int(grid_wh.max()) * SECONDS_PER_HOUR // step_s,
        "grid_wh": int(grid_wh.sum()),
        "missing_wh": int(missing.sum()),
    }
