"""What each way to charge a lot adds to the one before: cost, peak and energy as waterfalls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from trading.reports.figures.style import (
    FROM_GRID,
    INK,
    MISSING,
    MUTED,
    new_figure,
    say_instead,
    styled,
)
from trading.reports.numbers import energy, money, percent, power
from trading.units import UEUR_PER_EUR

WATERFALL_COLUMNS = ("label", "cost_ueur", "peak_w", "grid_wh", "missing_wh")

_Floats = npt.NDArray[np.float64]
_BAR = 0.6
_LESS = "#c6dcea"
# A number inside a bar needs this share of the widest one.
_SHORT = 0.4


@styled
def waterfall_figure(table: pd.DataFrame) -> Figure:
    """Three panels over the same rows, from uncontrolled charging downwards.

    A bar is the row's value, what is pale behind it was saved against the row above, what is
    striped was added to it. Energy missing at departure is drawn after the energy from the grid.

    Args:
        table: `WATERFALL_COLUMNS`, one row a way to charge, in the order of the steps; cost in
            micro-euro, may be negative; power in W; energy in Wh.
    """
    figure = new_figure(
        "What smart charging adds, and what trading adds to it", height_in=1.2 + 0.66 * len(table)
    )
    if table.empty:
        say_instead(figure.add_subplot(), "Nothing was compared")
        return figure
    costs, peaks, energies = figure.subplots(1, 3, sharey=True)
    nothing = np.zeros(len(table))
    _draw_steps(costs, table["cost_ueur"], UEUR_PER_EUR, "EUR", money, nothing)
    _draw_steps(peaks, table["peak_w"], 1_000, "kW", power, nothing)
    missing = table["missing_wh"].to_numpy(np.float64) / 1_000
    _draw_steps(energies, table["grid_wh"], 1_000, "kWh", energy, missing)
    _draw_missing(energies, table)
    costs.set_xlabel("Cost of all drivers (EUR)")
    peaks.set_xlabel("Peak from the grid (kW)")
    energies.set_xlabel("Energy from the grid (kWh)")
    costs.set_yticks(np.arange(len(table)), list(table["label"]))
    costs.set_ylim(len(table) - 0.4, -0.5)
    for axes in (costs, peaks, energies):
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    _draw_legend(figure, has_missing=bool(missing.any()))
    return figure


def _draw_steps(
    axes: Axes,
    values: pd.Series,
    unit: int,
    unit_name: str,
    said: Callable[[int], str],
    missing: _Floats,
) -> None:
    """Bars, what each saved or added, and both as numbers; `missing` is kept free after a bar."""
    exact = [int(value) for value in values]
    bars = np.array(exact, dtype=np.float64) / unit
    low, high = min(0.0, float(bars.min())), max(0.0, float((bars + missing).max()))
    span = (high - low) or 1.0
    axes.set_xlim(low - (0.05 * span if low else 0.0), high + 0.05 * span)
    before = np.concatenate((bars[:1], bars[:-1]))
    y = np.arange(len(bars))
    axes.barh(y, before - bars, _BAR, left=bars, color=_LESS, zorder=1)
    axes.barh(y, bars, _BAR, color=FROM_GRID, zorder=2)
    more = bars > before
    axes.barh(
        y[more],
        (bars - before)[more],
        _BAR,
        left=before[more],
        color=FROM_GRID,
        edgecolor="white",
        hatch="////",
        linewidth=0,
        zorder=3,
    )
    for n in range(1, len(bars)):
        axes.annotate(
            _change(exact[n - 1], exact[n], said, unit_name),
            (max(low, 0.0), n + _BAR / 2),
            xytext=(3, -1.5),
            textcoords="offset points",
            va="top",
            fontsize=8,
            color=MUTED,
        )
    for n, bar in enumerate(bars):
        is_inside = bar > _SHORT * span
        # Beside a short bar: past what is pale behind it, or on it where it is wide enough.
        end = max(bar, 0.0)
        is_on_pale = before[n] - end > _SHORT * span
        if is_inside:
            at, behind = 0.0, FROM_GRID
        else:
            at = end if is_on_pale else max(end, before[n])
            behind = _LESS if is_on_pale else "white"
        axes.annotate(
            f"{said(exact[n])} {unit_name}",
            (at, n),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color="white" if is_inside else INK,
            # So that no stripes run through the number.
            bbox={"facecolor": behind, "linewidth": 0, "pad": 1.5},
            zorder=5,
        )


def _change(before: int, after: int, said: Callable[[int], str], unit_name: str) -> str:
    """Against the row above; as a share too where there is a whole to share."""
    change = after - before
    if said(change) == said(0):
        return "unchanged"
    sign = "+" if change > 0 else ""
    words = f"{sign}{said(change)} {unit_name}"
    return words + (f" ({sign}{percent(change / before)})" if before > 0 else "")


def _tick(value: float, _position: int) -> str:
    return f"{value:,.10g}".replace("-", "−")


def _draw_missing(axes: Axes, table: pd.DataFrame) -> None:
    """Energy that batteries lack at departure, as long as a delivered kWh."""
    grid = table["grid_wh"].to_numpy(np.float64) / 1_000
    missing = table["missing_wh"].to_numpy(np.float64) / 1_000
    lacks = np.flatnonzero(missing)
    axes.barh(
        lacks,
        missing[lacks],
        _BAR,
        left=grid[lacks],
        color="white",
        edgecolor=MISSING,
        hatch="////",
        zorder=3,
    )
    for n in lacks:
        axes.annotate(
            f"+ {energy(int(table['missing_wh'].iloc[n]))} kWh missing",
            (grid[n] + missing[n], n - _BAR / 2),
            xytext=(0, 1.5),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=8,
            color=MISSING,
        )


def _draw_legend(figure: Figure, *, has_missing: bool) -> None:
    looks: list[Artist] = [
        Rectangle((0, 0), 0, 0, fc=_LESS, label="less than in the row above"),
        Rectangle(
            (0, 0),
            0,
            0,
            fc=FROM_GRID,
            ec="white",
            hatch="////",
            lw=0,
            label="more than in the row above",
        ),
    ]
    if has_missing:
        looks.append(
            Rectangle(
                (0, 0), 0, 0, fc="white", ec=MISSING, hatch="////", label="missing at departure"
            )
        )
    figure.legend(handles=looks, loc="outside lower left", ncols=4, handlelength=1.4)
