"""How every figure looks: size, type, colours by meaning, and axes in the site's local time.

Colours are Okabe and Ito's, which colour-blind readers tell apart; one meaning has one colour in
all figures. Nothing here touches pyplot or leaves matplotlib's settings changed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TypeVar
from zoneinfo import ZoneInfo

import matplotlib.style
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import (
    AutoDateLocator,
    DateFormatter,
    DayLocator,
    HourLocator,
    RRuleLocator,
    date2num,
)
from matplotlib.figure import Figure

WIDTH_IN = 7.0
DPI = 200

INK = "#222222"
MUTED = "#5f6368"
GRID_ONLY = "#4d4d4d"
FROM_GRID = "#0072B2"
FROM_PEERS = "#009E73"
MISSING = "#D55E00"
WEAR = "#CC79A7"
ROLE_COLOURS = {"buyer": "#56B4E9", "neutral": "#9a9a9a", "seller": "#E69F00"}
STATUS_COLOURS = {
    "pending": "#E69F00",
    "confirmed": "#56B4E9",
    "settled": "#009E73",
    "rejected": "#D55E00",
    "cancelled": "#CC79A7",
    "expired": "#7a7a7a",
}
STATUS_MARKERS = {
    "pending": "D",
    "confirmed": "^",
    "settled": "o",
    "rejected": "X",
    "cancelled": "s",
    "expired": "v",
}

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "hatch.linewidth": 0.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

_Result = TypeVar("_Result")
_DAY_AND_A_HALF = pd.Timedelta(hours=36)
_HALF_DAYS_SHOWN = 4
_MOST_DAYS_NAMED = 9


def styled(draw: Callable[[_Result], Figure]) -> Callable[[_Result], Figure]:
    """Draw under this module's settings, whatever the user's own are."""

    @wraps(draw)
    def drawn(result: _Result) -> Figure:
        with matplotlib.style.context(["default", _STYLE]):
            return draw(result)

    return drawn


def new_figure(title: str, *, height_in: float) -> Figure:
    """An empty figure of the common width; its title stands at the top left."""
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    figure.suptitle(title, x=0.012, ha="left", fontsize=11.5, fontweight="bold")
    return figure


def legend_above(axes: Axes, *, columns: int, extra: Sequence[Artist] = ()) -> None:
    """A legend between title and plot, where it covers no data; `extra` handles come last."""
    handles = [*axes.get_legend_handles_labels()[0], *extra]
    if handles:
        axes.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
            ncols=columns,
            borderaxespad=0.2,
            handlelength=1.4,
            columnspacing=1.4,
        )


def say_instead(axes: Axes, sentence: str) -> None:
    """Say in the middle of an empty plot why there is nothing to see."""
    axes.text(
        0.5,
        0.5,
        sentence,
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=MUTED,
        wrap=True,
    )


def axis_time(times: Iterable[pd.Timestamp]) -> npt.NDArray[np.float64]:
    """Times as matplotlib counts them, in days."""
    days = date2num([time.to_pydatetime() for time in times])  # type: ignore[no-untyped-call]
    return np.asarray(days, dtype=np.float64)


def is_long(start: pd.Timestamp, end: pd.Timestamp) -> bool:
    """Whether a plot spans more than a day, so that it shows days instead of hours."""
    return end - start > _DAY_AND_A_HALF


def local_time_axis(axes: Axes, start: pd.Timestamp, end: pd.Timestamp, zone: str) -> None:
    """Ticks at whole local hours, or days where the plot is longer, and a label with the zone."""
    site = ZoneInfo(zone)
    left, right = axis_time([start, end])
    axes.set_xlim(left, right)
    days, form, what = right - left, "%H:%M", "time"
    locator: RRuleLocator | AutoDateLocator
    if not is_long(start, end):
        locator = AutoDateLocator(tz=site, minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    elif days <= _HALF_DAYS_SHOWN:
        locator = HourLocator(byhour=(0, 12), tz=site)  # type: ignore[no-untyped-call]
        form, what = "%d %b\n%H:%M", "time"
    else:
        every = math.ceil(days / _MOST_DAYS_NAMED)
        locator = DayLocator(interval=every, tz=site)  # type: ignore[no-untyped-call]
        form, what = "%d %b", "date"
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DateFormatter(form, tz=site))  # type: ignore[no-untyped-call]
    local = start.tz_convert(zone)
    axes.set_xlabel(f"Local {what} from {local.day} {local:%B %Y} ({zone})")


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, without a date or a version inside: the same figure, the same bytes."""
    with matplotlib.style.context(["default", _STYLE]):
        FigureCanvasAgg(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG, which stays sharp at any size: the same figure, the same bytes."""
    # Names inside an SVG are random, unless something is given to make them of.
    with matplotlib.style.context(["default", _STYLE, {"svg.hashsalt": "peercharge"}]):
        FigureCanvasSVG(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
