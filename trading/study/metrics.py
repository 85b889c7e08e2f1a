"""What a market brought, as numbers that can stand side by side for any mechanism.

Welfare is what trading is worth to all together: for every kWh traded, what the buyer would have
paid for it elsewhere (its ceiling) less what it costs the seller to part with it (its floor, in
which losses and wear are counted). What one pays to another is no part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from trading.lot import Accounts, LotRun, Terms, accounts_of
from trading.lot.optimal import Optimum
from trading.lot.physics import SECONDS_PER_HOUR
from trading.lot.stays import Stays
from trading.study.replay import Moment, replayed
from trading.units import WH_PER_KWH, Int64Array, cost_ueur

UNDEFINED = math.nan
"""A metric that the case does not have, such as the mean price where nothing was traded."""

Metric = int | float


def metrics_of(run: LotRun, moments: Sequence[Moment] | None = None) -> dict[str, Metric]:
    """The metrics of a run, all deterministic.

    Energies are at the chargers' meters but for `missing_wh`, which is in batteries. Trades count
    as agreed; what of them did not flow is in `shortfall_wh`.

    Args:
        run: the run.
        moments: `replayed(run)`, where it has been walked through already.

    Returns:
        - `trades`, `traded_wh`: how many, how much.
        - `welfare_ueur`: sum over trades of energy x (ceiling - floor), rounded down once.
        - `buyers_saving_ueur`: what buyers pay less than without trading, all told.
        - `sellers_income_ueur`: what buyers' payments leave sellers.
        - `sellers_gain_ueur`: the same less replacement and wear, against not trading.
        - `lot_spread_ueur`: buyers' payments less sellers' income, as booked: fee and surplus.
        - `lot_surplus_ueur`: what of the spread is above the lot's fee, by the trades' prices.
        - `drivers_cost_ueur`: net cost of all drivers, replacement and wear included.
        - `buyer_price_low_ueur_per_kwh`, `_mean_`, `_high_`, `seller_price_mean_ueur_per_kwh`: of
          the trades, the means by energy.
        - `peak_w`, `grid_wh`: highest mean power of a meter interval, and energy, from the grid.
        - `self_sufficiency_share`: of the energy into vehicles and cables, what peers and roof
          gave.
        - `served_jain_index`, `sold_jain_index`: Jain's index of from-peers / required over buyers
          and of to-peers / available over sellers, those with 0 included.
        - `budget_residual_ueur`, `money_residual_ueur`, `energy_residual_wh`: buyers' payments less
          sellers' income and spread, and the balances of the books; all 0.
        - `loss_wh`, `missing_wh`, `shortfall_wh`, `blocked_wh`, `dust_wh`: as in the books.
    """
    books = accounts_of(run)
    stays, trades, vehicles = run.stays, run.trades, books.vehicles
    energy = trades["energy_wh"].to_numpy(np.int64)
    paid = trades["price_ueur_per_kwh"].to_numpy(np.int64)
    got = trades["seller_price_ueur_per_kwh"].to_numpy(np.int64)
    income = int(vehicles["earned_ueur"].sum())
    refunds = int(run.refund_ueur.sum())
    return {
        "trades": len(trades),
        "traded_wh": int(energy.sum()),
        "welfare_ueur": welfare_of(replayed(run) if moments is None else moments),
        "buyers_saving_ueur": books.buyers_gain_ueur,
        "sellers_income_ueur": income,
        "sellers_gain_ueur": books.sellers_gain_ueur,
        "lot_spread_ueur": books.money.lot_fee,
        "lot_surplus_ueur": _worth(energy, paid - got - run.terms.lot_fee),
        "drivers_cost_ueur": books.cost_ueur,
        **_prices(energy, paid, got),
        "peak_w": books.peak_with_p2p_w,
        "grid_wh": books.energy.grid_wh,
        "self_sufficiency_share": self_sufficiency_of(books),
        **fairness_of(stays, run.from_peers_wh, run.to_peers_wh),
        "budget_residual_ueur": (
            int(vehicles["paid_peers_ueur"].sum()) + refunds - income - books.money.lot_fee
        ),
        "money_residual_ueur": books.money.residual_ueur,
        "energy_residual_wh": books.energy.residual_wh,
        "loss_wh": (
            books.energy.charge_loss_wh + books.energy.discharge_loss_wh + books.energy.cable_wh
        ),
        "missing_wh": books.missing_wh,
        "shortfall_wh": run.shortfall_wh,
        "blocked_wh": run.blocked_wh,
        "dust_wh": run.dust_wh,
    }


def welfare_of(moments: Iterable[Moment]) -> int:
    """Sum over a run's trades of energy x (buyer's ceiling - seller's floor), micro-euro.

    Both limits are those of the trade's interval, whether or not the lot enforces them. Where
    trades were made outside of them, welfare can be negative.
    """
    total = 0
    for moment in moments:
        fills = moment.fills
        per_kwh = moment.ceilings[fills.buyer] - moment.floors[fills.seller]
        total += _exact(fills.energy_wh, per_kwh)
    return total // WH_PER_KWH


def optimum_metrics(
    stays: Stays,
    terms: Terms,
    best: Optimum,
    *,
    tariff_ueur_per_kwh: Int64Array | int,
    sun_wh: Int64Array | int = 0,
) -> dict[str, Metric]:
    """The same metrics of a best schedule, where it has them: it has no prices and no trades.

    Welfare is by the tariff of the interval and the floors of the sellers. Drivers' cost counts
    grid energy, wear, replacement and the lot's fee on what is sold, which is its spread; what
    peers pay one another stays among drivers.

    Args:
        stays: as the schedule was made for; its intervals are the meters'.
        terms: what things cost but for grid energy.
        best: of `best_charging`, with peers or without.
        tariff_ueur_per_kwh: of each interval or of all, as the schedule was made for.
        sun_wh: what the roof gives in each interval; vehicles take it first.
    """
    efficiency = stays.rules.efficiency
    replacements = terms.replacements(stays.ids, stays.rules.seed)
    floors = terms.floors(replacements, stays.rules.guarantee, efficiency)
    tariff = np.broadcast_to(tariff_ueur_per_kwh, best.start_s.shape)
    drawn = best.from_grid_wh + best.from_peers_wh
    stored, gave = efficiency.stored(drawn), efficiency.drawn(best.to_peers_wh)
    missing = np.maximum(efficiency.stored(stays.need_wh) - stored + gave, 0)
    replaced = cost_ueur(efficiency.charge_for(missing), replacements)
    wear = cost_ueur(best.to_peers_wh, terms.wear)
    fee = _exact(best.to_peers_wh, np.full_like(best.to_peers_wh, terms.lot_fee)) // WH_PER_KWH
    grid = np.maximum(best.grid_wh - sun_wh, 0)
    peers_wh, brought_in = int(best.peers_wh.sum()), int(best.grid_wh.sum() + best.peers_wh.sum())
    worth = _exact(best.peers_wh, tariff) - _exact(best.to_peers_wh, floors)
    return {
        "traded_wh": peers_wh,
        "welfare_ueur": worth // WH_PER_KWH,
        "lot_spread_ueur": fee,
        "drivers_cost_ueur": best.grid_cost_ueur + int(replaced.sum()) + int(wear.sum()) + fee,
        "peak_w": int(grid.max(initial=0)) * SECONDS_PER_HOUR // stays.rules.metered_s,
        "grid_wh": int(grid.sum()),
        "self_sufficiency_share": (1 - int(grid.sum()) / brought_in if brought_in else UNDEFINED),
        **fairness_of(stays, best.from_peers_wh, best.to_peers_wh),
        "loss_wh": int((drawn - stored).sum() + (gave - best.to_peers_wh).sum()),
        "missing_wh": int(missing.sum()),
    }


def self_sufficiency_of(books: Accounts) -> float:
    """Of the energy into vehicles and cables, what peers and roof gave; `UNDEFINED` for none."""
    energy = books.energy
    brought_in = energy.grid_wh + energy.pv_wh + energy.buyers_wh
    return 1 - energy.grid_wh / brought_in if brought_in else UNDEFINED


def jain_index(shares: npt.ArrayLike) -> float:
    """Jain's index of fairness, (sum x)^2 / (n * sum x^2): 1 if all are equal, 1/n if one has all.

    `UNDEFINED` over nobody, and where all are 0: there is then nothing that could be shared.

    >>> jain_index([0.5, 0.5, 0.5, 0.5]), jain_index([1, 0, 0, 0])
    (1.0, 0.25)
    """
    x = np.asarray(shares, dtype=np.float64)
    squares = float((x**2).sum())
    return float(x.sum()) ** 2 / (len(x) * squares) if squares else UNDEFINED


def fairness_of(stays: Stays, from_peers: Int64Array, to_peers: Int64Array) -> dict[str, Metric]:
    """Jain's index over all with something to ask or offer in their stay, partner or not."""
    buys, sells = stays.bid_cap_wh > 0, stays.ask_cap_wh > 0
    return {
        "served_jain_index": jain_index(from_peers[buys] / stays.bid_cap_wh[buys]),
        "sold_jain_index": jain_index(to_peers[sells] / stays.ask_cap_wh[sells]),
    }


def _prices(energy: Int64Array, paid: Int64Array, got: Int64Array) -> dict[str, Metric]:
    names = (
        "buyer_price_low_ueur_per_kwh",
        "buyer_price_mean_ueur_per_kwh",
        "buyer_price_high_ueur_per_kwh",
        "seller_price_mean_ueur_per_kwh",
    )
    if not len(energy):
        return dict.fromkeys(names, UNDEFINED)
    total = int(energy.sum())
    means = [_exact(energy, price) // total for price in (paid, got)]
    return dict(zip(names, (int(paid.min()), means[0], int(paid.max()), means[1]), strict=True))


def _worth(energy_wh: Int64Array, per_kwh: Int64Array) -> int:
    return _exact(energy_wh, per_kwh) // WH_PER_KWH


def _exact(wh: Iterable[int], price: Iterable[int]) -> int:
    """Sum of products as Python counts them, without an end of the scale."""
    pairs = zip(np.asarray(wh).tolist(), np.asarray(price).tolist(), strict=True)
    return sum(energy * per_kwh for energy, per_kwh in pairs)
