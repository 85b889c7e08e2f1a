"""Where trading pays: savings over replacement price and lot tariff, a panel a price of wear."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from trading.lot import Terms
from trading.reports.figures.style import INK, MUTED, new_figure, styled
from trading.units import UEUR_PER_EUR

_HATCH = "////"


@styled
def break_even_figure(cells: pd.DataFrame) -> Figure:
    """One panel a wear price; colour is what all drivers save a kWh traded.

    Args:
        cells: `map` of the break-even experiment, a full grid.
    """
    wears = sorted(set(cells["wear_ueur_per_kwh"]))
    figure = new_figure("Where trading pays: what drivers save on each kWh traded", height_in=3.6)
    panels = figure.subplots(1, len(wears), sharey=True, squeeze=False)[0]
    values = cells["saving_ueur_per_kwh"] / UEUR_PER_EUR
    top = float(np.nanmax([*values.abs(), 0.01]))
    meshes = []
    for axes, wear in zip(panels, wears, strict=True):
        meshes.append(_draw(axes, cells[cells["wear_ueur_per_kwh"] == wear], top))
        axes.set_title(f"wear {wear / UEUR_PER_EUR:.2f} EUR/kWh", fontsize=9.5)
    panels[0].set_ylabel("Lot's tariff (EUR/kWh)")
    panels[len(panels) // 2].set_xlabel("Replacement price at home (EUR/kWh)")
    bar = figure.colorbar(meshes[0], ax=list(panels), pad=0.02, aspect=25)
    bar.set_label("Saved (EUR a kWh traded)")
    bar.outline.set_visible(False)
    looks: list[Artist] = [
        Rectangle((0, 0), 0, 0, fc="white", ec=MUTED, hatch=_HATCH, lw=0.5,
                  label="no rational trade: floor and fee above tariff"),
        Rectangle((0, 0), 0, 0, fc="#dddddd", ec=MUTED, lw=0.5, label="rational, but no trade"),
    ]  # fmt: skip
    nothing = cells["is_rational"] & (cells["traded_wh"] == 0)
    shown = looks if nothing.any() else looks[:1]
    defaults = Line2D([], [], color=INK, marker="x", linestyle="", markeredgewidth=1.8,
                      label="the package's defaults")  # fmt: skip
    figure.legend(handles=[*shown, defaults], loc="outside lower left", ncols=3)
    return figure


def _draw(axes: Axes, cells: pd.DataFrame, top: float) -> QuadMesh:
    def grid(column: str) -> pd.DataFrame:
        return cells.pivot_table(
            index="lot_tariff_ueur_per_kwh",
            columns="replacement_ueur_per_kwh",
            values=column,
            dropna=False,
        )

    saving, rational = grid("saving_ueur_per_kwh"), grid("is_rational")
    x, y = (np.asarray(axis, dtype=float) / UEUR_PER_EUR for axis in (saving.columns, saving.index))
    values = np.ma.masked_invalid(saving.to_numpy(float) / UEUR_PER_EUR)
    axes.set_facecolor("#dddddd")
    mesh = axes.pcolormesh(x, y, values, cmap="viridis", vmin=0, vmax=top, shading="nearest")
    wide, high = (float(np.diff(a).mean()) if len(a) > 1 else 0.05 for a in (x, y))
    for row, column in np.argwhere(rational.to_numpy(float) == 0):
        axes.add_patch(
            Rectangle((x[column] - wide / 2, y[row] - high / 2), wide, high, fc="white",
                      ec=MUTED, hatch=_HATCH, lw=0)
        )  # fmt: skip
    axes.grid(visible=False)
    axes.set_xlim(x[0] - wide / 2, x[-1] + wide / 2)
    axes.set_ylim(y[0] - high / 2, y[-1] + high / 2)
    axes.locator_params(axis="x", nbins=5)
    defaults = Terms()
    if int(cells["wear_ueur_per_kwh"].iloc[0]) == defaults.wear:
        at = (defaults.replacement / UEUR_PER_EUR, defaults.lot_tariff / UEUR_PER_EUR)
        axes.plot(*at, marker="x", color="white", markersize=9, markeredgewidth=4)
        axes.plot(*at, marker="x", color=INK, markersize=8, markeredgewidth=1.8)
    return mesh
