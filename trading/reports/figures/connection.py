"""What a small grid connection does: hours in which it binds, and energy that stays unserved."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trading.reports.figures.style import FROM_PEERS, GRID_ONLY, new_figure, styled

_PANELS = (
    ("binding_h", 1.0, "Connection binds (h a day)"),
    ("unserved_wh", 1e3, "Need not served (kWh a day)"),
    ("missing_wh", 1e3, "Missing in batteries (kWh a day)"),
)
_LOOKS = {"grid only": (GRID_ONLY, "o", "--"), "with peers": (FROM_PEERS, "s", "-")}


@styled
def connection_figure(limits: pd.DataFrame) -> Figure:
    """Means over days by limit, with and without trading; shaded, their confidence intervals.

    Args:
        limits: `limits` of the connection experiment; the row without limit is not drawn.
    """
    figure = new_figure("A smaller grid connection, with and without trading", height_in=3.4)
    panels = figure.subplots(1, len(_PANELS))
    for axes, (name, unit, label) in zip(panels, _PANELS, strict=True):
        _draw(axes, limits, name, unit)
        axes.set_ylabel(label)
        axes.set_xlabel("Connection (kW)")
    handles, _ = panels[0].get_legend_handles_labels()
    shade = Rectangle((0, 0), 0, 0, fc=GRID_ONLY, alpha=0.14, lw=0)
    shade.set_label("95 % interval of the mean over days")
    figure.legend(handles=[*handles, shade], loc="outside lower left", ncols=3)
    return figure


def _draw(axes: Axes, limits: pd.DataFrame, name: str, unit: float) -> None:
    for charging, (colour, marker, line) in _LOOKS.items():
        rows = limits[(limits["charging"] == charging) & limits["connection_w"].notna()]
        x = rows["connection_w"].to_numpy(float) / 1e3
        low, mean, high = (
            rows[column].to_numpy(float) / unit for column in (f"{name}_low", name, f"{name}_high")
        )
        axes.plot(x, mean, color=colour, marker=marker, linestyle=line, markersize=4.5,
                  label=charging)  # fmt: skip
        axes.fill_between(x, low.clip(0), high, color=colour, alpha=0.14, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", nbins=5)
