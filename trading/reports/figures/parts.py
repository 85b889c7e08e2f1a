"""What the figures of a day and of the case study share: load as areas, thresholds as lines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from trading.fleet import Thresholds
from trading.reports.figures.style import FROM_GRID, FROM_PEERS, GRID_ONLY, INK, axis_time
from trading.reports.numbers import percent, power


def draw_load(
    axes: Axes, load: pd.DataFrame, *, step_s: int, line_width: float = 1.5
) -> tuple[npt.NDArray[np.float64], float]:
    """Areas from the grid and, on top, from peers; a line for the grid if nobody traded.

    Args:
        axes: what to draw on.
        load: `time`, `grid_only_w`, `with_p2p_w`, `p2p_w`.
        step_s: length of each row.
        line_width: of the line.

    Returns:
        The edges of the steps on the axis of time, and the highest value in kW, at least 1.
    """
    step = pd.Timedelta(seconds=step_s)
    edges = axis_time([*load["time"], load["time"].iloc[-1] + step])
    alone, grid, peers = (
        load[name].to_numpy(np.float64) / 1_000 for name in ("grid_only_w", "with_p2p_w", "p2p_w")
    )
    areas = (
        (grid, 0.0, FROM_GRID, "from the grid"),
        (grid + peers, grid, FROM_PEERS, "from peers"),
    )
    for top, bottom, colour, label in areas:
        axes.stairs(top, edges, baseline=bottom, fill=True, color=colour, alpha=0.85, label=label)
    label = "from the grid, nobody trading"
    axes.stairs(alone, edges, baseline=None, color=INK, linewidth=line_width, label=label)
    return edges, max(1.0, float(np.max([alone.max(), (grid + peers).max()])))


def draw_thresholds(axes: Axes, thresholds: Thresholds) -> None:
    """T_b and T_s as dashed lines over a percent axis, named at their right ends."""
    both = {"$T_b$": thresholds.buyer, "$T_s$": thresholds.seller}
    if thresholds.buyer == thresholds.seller:
        both = {"$T_b = T_s$": thresholds.buyer}
    for name, value in both.items():
        axes.axhline(value * 100, color=GRID_ONLY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"{name} {percent(value)}",
            xy=(1.01, value * 100),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            annotation_clip=False,
        )


def draw_peak(axes: Axes, words: str, peak_w: int, *, colour: str, label_kw: float) -> None:
    """A peak as a dashed line, named right of the plot at the height of `label_kw`."""
    axes.axhline(peak_w / 1_000, color=colour, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        f"{words}\n{power(peak_w)} kW",
        xy=(1.0, peak_w / 1_000),
        xycoords=("axes fraction", "data"),
        xytext=(1.015, label_kw),
        textcoords=("axes fraction", "data"),
        va="center",
        fontsize=8.5,
        color=colour,
        annotation_clip=False,
    )
