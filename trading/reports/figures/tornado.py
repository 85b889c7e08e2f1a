"""What the result depends on: a tornado of one factor at a time, and shares of the variance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trading.reports.figures.style import (
    FROM_GRID,
    FROM_PEERS,
    GRID_ONLY,
    INK,
    MUTED,
    WEAR,
    new_figure,
    styled,
)
from trading.units import UEUR_PER_EUR

NAMES = {
    "assignment": "rule for state of charge",
    "v2g_share": "share with V2G",
    "seller_threshold": "seller threshold T_s",
    "buyer_threshold": "buyer threshold T_b",
    "mechanism": "mechanism",
    "departures": "what plans know",
    "lot_tariff_ueur_per_kwh": "lot's tariff",
    "replacement_ueur_per_kwh": "replacement price",
    "wear_ueur_per_kwh": "wear price",
    "seed": "seed of the draws",
}
_OUTCOMES = {
    "saving_ueur": ("saving", FROM_GRID),
    "peers_wh": ("energy from peers", FROM_PEERS),
    "peak_cut_w": ("peak cut", WEAR),
}


@styled
def tornado_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Left: drivers' saving over each factor's range. Right: its share of the variance.

    Args:
        tables: of the tornado experiment: `one_at_a_time`, whose first row is the defaults, and
            `shares`.
    """
    one_at_a_time, shares = tables["one_at_a_time"], tables["shares"]
    figure = new_figure("What the value of trading depends on", height_in=5.2)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
    rows = one_at_a_time.iloc[1:]
    saving = rows.groupby("factor", sort=False)["saving_ueur"]
    spread = (saving.max() - saving.min()).sort_values(ascending=False, kind="stable")
    order = list(spread.index)
    base = float(one_at_a_time["saving_ueur"].iloc[0]) / UEUR_PER_EUR
    _draw_tornado(left, rows, order, base)
    _draw_shares(right, shares, order)
    handles, _ = right.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower right", ncols=4)
    left.set_yticks(range(len(order)), [NAMES.get(name, name) for name in order])
    left.set_ylim(len(order) - 0.4, -0.6)
    left.tick_params(axis="y", length=0)
    return figure


def _draw_tornado(axes: Axes, rows: pd.DataFrame, order: list[str], base: float) -> None:
    for n, name in enumerate(order):
        own = rows[rows["factor"] == name]
        values = own["saving_ueur"].to_numpy(float) / UEUR_PER_EUR
        low, high = int(values.argmin()), int(values.argmax())
        axes.barh(
            n, values[high] - values[low], 0.55, left=values[low], color=FROM_GRID, alpha=0.75
        )
        axes.plot(values, np.full(len(values), n), "|", color="white", markersize=7)
        if name in ("assignment", "mechanism", "seed", "departures"):
            continue
        for at, side, where in ((low, "right", -4), (high, "left", 4)):
            axes.annotate(_shown(name, str(own["value"].iloc[at])), (values[at], n),
                          xytext=(where, 0), textcoords="offset points", ha=side, va="center",
                          fontsize=8, color=MUTED)  # fmt: skip
    axes.axvline(base, color=INK, linewidth=1)
    axes.annotate("defaults", (base, -0.55), xytext=(3, 0), textcoords="offset points", fontsize=8)
    axes.set_xlabel("Drivers' saving (EUR a day)")
    low, high = (f(rows["saving_ueur"]) / UEUR_PER_EUR for f in (min, max))
    room = 0.16 * ((high - low) or 1.0)
    axes.set_xlim(low - room, high + room)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)


def _shown(name: str, value: str) -> str:
    return f"{int(value) / UEUR_PER_EUR:.2f}" if name.endswith("_ueur_per_kwh") else value


def _draw_shares(axes: Axes, shares: pd.DataFrame, order: list[str]) -> None:
    high = 0.24
    for k, (outcome, (label, colour)) in enumerate(_OUTCOMES.items()):
        own = shares[shares["outcome"] == outcome].set_index("factor").loc[order]
        y = np.arange(len(order)) + (k - 1) * high
        axes.barh(y, own["share"].to_numpy(float) * 100, high * 0.9, color=colour, label=label)
    noise = shares.groupby("factor")["noise"].max().loc[order].to_numpy(float) * 200
    axes.plot(noise, np.arange(len(order)), "|", color=GRID_ONLY, markersize=17,
              label="two sd of chance")  # fmt: skip
    axes.set_xlabel("First-order share of variance (%)")
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
