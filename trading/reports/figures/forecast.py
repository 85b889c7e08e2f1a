"""What a forecast error costs: plans that know departures beside plans that know estimates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trading.reports.figures.style import FROM_GRID, MISSING, new_figure, styled
from trading.reports.numbers import decimal

_PANELS = (
    ("peers_wh", 1e3, "From peers (kWh)"),
    ("cost_ueur", 1e6, "Drivers' cost (EUR)"),
    ("shortfall_wh", 1e3, "Agreed, not delivered (kWh)"),
    ("unserved_wh", 1e3, "Need not served (kWh)"),
    ("missing_wh", 1e3, "Missing in batteries (kWh)"),
    ("peak_w", 1e3, "Peak from the grid (kW)"),
)
_LOOKS = {
    "actual": (FROM_GRID, -0.19, "departures known"),
    "estimated": (MISSING, 0.19, "estimates only"),
}
_WIDTH = 0.34


@styled
def forecast_figure(plans: pd.DataFrame) -> Figure:
    """Bars by strategy and kind of plan, means a day with their confidence intervals.

    Args:
        plans: `plans` of the forecast experiment.
    """
    figure = new_figure("What plans on estimated departures change, a day", height_in=4.8)
    panels = figure.subplots(2, 3).ravel()
    for axes, (name, unit, label) in zip(panels, _PANELS, strict=True):
        _draw(axes, plans, name, unit)
        axes.set_title(label, fontsize=9.5, loc="left")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2)
    return figure


def _draw(axes: Axes, plans: pd.DataFrame, name: str, unit: float) -> None:
    strategies = list(dict.fromkeys(plans["strategy"]))
    for plan, (colour, shift, label) in _LOOKS.items():
        rows = plans[plans["departures"] == plan].set_index("strategy").loc[strategies]
        values = rows[name].to_numpy(float) / unit
        errors = np.nan_to_num(rows[f"{name}_high"].to_numpy(float) / unit - values)
        down = np.minimum(errors, values.clip(0))
        x = np.arange(len(strategies)) + shift
        axes.bar(x, values, _WIDTH, color=colour, label=label)
        axes.errorbar(x, values, yerr=[down, errors], fmt="none", ecolor="#222222", capsize=3,
                      linewidth=1)  # fmt: skip
        for at, value in zip(x, values, strict=True):
            axes.annotate(decimal(value, 1), (at, 0), xytext=(0, 5), textcoords="offset points",
                          ha="center", fontsize=8,
                          bbox={"facecolor": "white", "linewidth": 0, "pad": 1})  # fmt: skip
    axes.set_xticks(range(len(strategies)), [f"grid {name}" for name in strategies])
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", length=0)
