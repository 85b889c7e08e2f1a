"""What a way to charge saves beyond V1G: means over days and their confidence intervals."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trading.reports.figures.style import FROM_GRID, FROM_PEERS, INK, MUTED, new_figure, styled
from trading.reports.numbers import decimal, things

_PANELS = (
    ("cost_saved_ueur", 1e6, "Cost saved (EUR a day)"),
    ("peak_cut_w", 1e3, "Peak cut (kW)"),
    ("grid_saved_wh", 1e3, "Grid energy saved (kWh a day)"),
    ("more_missing_wh", 1e3, "More missing at departure (kWh a day)"),
)


@styled
def beyond_figure(means: pd.DataFrame) -> Figure:
    """One panel a quantity, one row a way to charge; energy missing stands beside what is saved.

    Args:
        means: `beyond_v1g` of the waterfall experiment.
    """
    figure = new_figure(
        "What trading adds beyond smart charging (V1G)", height_in=2.4 + 1.0 * len(means)
    )
    panels = figure.subplots(2, 2, sharey=True).ravel()
    for axes, (name, unit, label) in zip(panels, _PANELS, strict=True):
        _draw(axes, means, name, unit)
        axes.set_xlabel(label)
    first = panels[0]
    first.set_yticks(range(len(means)), list(means["step"]))
    first.set_ylim(len(means) - 0.5, -0.6)
    days = int(means["days"].max()) if len(means) else 0
    bars = "whiskers: 95 % confidence interval" if days > 1 else "so no interval"
    figure.supxlabel(f"Means over {things(days, 'day')}; {bars}. 0 is V1G of the same day.",
                     fontsize=8.5, color=MUTED, x=0.012, ha="left")  # fmt: skip
    return figure


def _draw(axes: Axes, means: pd.DataFrame, name: str, unit: float) -> None:
    values = means[name].to_numpy(float) / unit
    half = (means[f"{name}_high"].to_numpy(float) / unit) - values
    axes.axvline(0, color=INK, linewidth=0.9)
    for n, (value, width) in enumerate(zip(values, half, strict=True)):
        colour = FROM_GRID if n == 0 else FROM_PEERS
        axes.errorbar(value, n, xerr=None if width != width else width, fmt="o", color=colour,
                      capsize=3.5, markersize=6)  # fmt: skip
        axes.annotate(decimal(value, 1), (value, n), xytext=(0, 8),
                      textcoords="offset points", ha="center", fontsize=9)  # fmt: skip
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.margins(x=0.15)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
