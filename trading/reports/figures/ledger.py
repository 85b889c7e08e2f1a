"""What happened on chain: every batch from pending to its decision and its end."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

from trading.engine import DayResult
from trading.reports.figures.lot import busy_hours
from trading.reports.figures.style import (
    MUTED,
    STATUS_COLOURS,
    STATUS_MARKERS,
    axis_time,
    is_long,
    legend_above,
    local_time_axis,
    new_figure,
    say_instead,
    styled,
)
from trading.reports.numbers import count, things

STATUSES = tuple(STATUS_COLOURS)
WAYS_OUT = ("rejected", "cancelled", "expired")
_COLUMNS = ("interval_start", "trades", "status", "pending_at", "decided_at")


def batches_of(result: DayResult) -> pd.DataFrame:
    """The day's batches, with columns and times of their types even where there are none."""
    batches = result.batches.reindex(columns=list(_COLUMNS))
    times = ("interval_start", "pending_at", "decided_at")
    as_times = {name: pd.to_datetime(batches[name], utc=True) for name in times}
    return batches.assign(**as_times, trades=batches["trades"].astype("int64"))


@styled
def batches_figure(result: DayResult) -> Figure:
    """How many became what, the trades of each interval by status, and how long a decision took."""
    batches = batches_of(result)
    figure = new_figure("From pending to confirmed: the batches of the day", height_in=5.8)
    flow, trades, wait = figure.subplots(3, 1, height_ratios=[1.0, 1.7, 1.7])
    _draw_flow(flow, batches)
    start, end = busy_hours(result)
    wait.sharex(trades)
    if batches.empty:
        say_instead(trades, "No batch was submitted")
        say_instead(wait, "No batch was submitted")
        wait.set_yticks([])
    else:
        width_s = result.run.stays.rules.interval_s * (1.0 if is_long(start, end) else 0.9)
        _draw_trades(trades, batches, width_s)
        _draw_wait(wait, batches)
    trades.set_ylabel("Trades (number)")
    trades.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    trades.set_ylim(0, max(1.0, trades.dataLim.ymax if len(batches) else 0.0) * 1.08)
    wait.set_ylabel("From pending to\ndecision (s)")
    local_time_axis(wait, start, end, result.sessions.zone)
    trades.tick_params(axis="x", labelbottom=False)
    legend_above(trades, columns=4)
    return figure


def _draw_flow(axes: Axes, batches: pd.DataFrame) -> None:
    """The states of a batch as boxes with their counts, in the order of its life."""
    axes.set_axis_off()
    axes.set_xlim(-0.05, 10.05)
    axes.set_ylim(0, 2)
    status = batches["status"]
    confirmed = batches[status.isin(("confirmed", "settled"))]
    stages = [
        (0.0, "submitted, pending", batches, "pending"),
        (3.6, "confirmed by quorum", confirmed, "confirmed"),
        (7.2, "settled", batches[status == "settled"], "settled"),
    ]
    for x, words, some, key in stages:
        _box(axes, x, 1.05, words, some, STATUS_COLOURS[key])
        if x:
            axes.annotate(
                "", (x, 1.5), (x - 0.8, 1.5), arrowprops={"arrowstyle": "-|>", "color": MUTED}
            )
    out = [f"{count(int((status == name).sum()))} {name}" for name in WAYS_OUT]
    axes.annotate(
        "",
        (2.0, 0.35),
        (1.4, 1.05),
        arrowprops={
            "arrowstyle": "-|>",
            "color": MUTED,
            "connectionstyle": "angle,angleA=90,angleB=0",
            "shrinkA": 0,
        },
    )
    said = axes.text(
        2.1,
        0.35,
        "refunded, no power: " + ", ".join(out) + " (batches)",
        va="center",
        fontsize=9,
    )
    said.set_in_layout(False)


def _box(axes: Axes, x: float, y: float, words: str, some: pd.DataFrame, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            2.8,
            0.9,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=colour + "33",
            edgecolor=colour,
            linewidth=1.2,
        )
    )
    numbers = (
        f"{things(len(some), 'batch', 'batches')}, {things(int(some['trades'].sum()), 'trade')}"
    )
    axes.text(x + 1.4, y + 0.45, f"{words}\n{numbers}", ha="center", va="center", fontsize=9)


def _draw_trades(axes: Axes, batches: pd.DataFrame, width_s: float) -> None:
    counts = batches.pivot_table(
        index="interval_start", columns="status", values="trades", aggfunc="sum", fill_value=0
    )
    x, width = axis_time(counts.index), width_s / 86_400
    base = np.zeros(len(counts))
    for status in STATUSES:
        if status not in counts:
            continue
        height = counts[status].to_numpy(np.float64)
        axes.bar(
            x,
            height,
            width,
            bottom=base,
            align="edge",
            color=STATUS_COLOURS[status],
            label=f"{status} ({count(int(height.sum()))})",
        )
        base += height


def _draw_wait(axes: Axes, batches: pd.DataFrame) -> None:
    seconds = (batches["decided_at"] - batches["pending_at"]).dt.total_seconds()
    for status in STATUSES:
        some = (batches["status"] == status) & seconds.notna()
        if some.any():
            axes.plot(
                axis_time(batches.loc[some, "interval_start"]),
                seconds[some].to_numpy(),
                STATUS_MARKERS[status],
                color=STATUS_COLOURS[status],
                markersize=5,
                markeredgecolor="white",
                markeredgewidth=0.4,
                clip_on=False,
            )
    longest = seconds.max()
    axes.set_ylim(0, max(1.0, 0.0 if np.isnan(longest) else float(longest)) * 1.12)
