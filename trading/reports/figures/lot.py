"""What happened in the lot: its load over the day, and every vehicle's state of charge."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trading.engine import DayResult
from trading.reports.figures.parts import draw_load, draw_peak, draw_thresholds
from trading.reports.figures.style import (
    FROM_GRID,
    INK,
    MISSING,
    MUTED,
    ROLE_COLOURS,
    is_long,
    legend_above,
    local_time_axis,
    new_figure,
    say_instead,
    styled,
)
from trading.reports.numbers import count, power

ROLES = ("buyer", "neutral", "seller")
_PLURALS = {"buyer": "buyers", "neutral": "neutral", "seller": "sellers"}


def busy_hours(result: DayResult) -> tuple[pd.Timestamp, pd.Timestamp]:
    """From the first interval in which power flows to the last, widened to whole hours.

    A vehicle may stand for days after it is full; a plot of its whole stay would show little else.
    """
    load = result.accounts.load
    step = pd.Timedelta(seconds=result.run.stays.rules.interval_s)
    is_busy = load[["grid_only_w", "with_p2p_w", "p2p_w"]].gt(0).any(axis=1)
    times = load["time"][is_busy] if is_busy.any() else load["time"]
    return times.min().floor("h"), (times.max() + step).ceil("h")


@styled
def load_figure(result: DayResult) -> Figure:
    """Mean power over the day: from the grid, from peers on top, and without trading as a line."""
    figure = new_figure("Load from the grid, with and without peers", height_in=3.9)
    axes = figure.add_subplot()
    load = result.accounts.load
    start, end = busy_hours(result)
    edges, top = draw_load(
        axes,
        load,
        step_s=result.run.stays.rules.interval_s,
        line_width=0.7 if is_long(start, end) else 1.5,
    )
    axes.set_ylim(0, top * 1.06)
    _mark_peaks(axes, result, edges)
    local_time_axis(axes, start, end, result.sessions.zone)
    minutes = result.run.stays.rules.interval_s // 60
    axes.set_ylabel(f"Power, mean of {minutes} min (kW)")
    legend_above(axes, columns=3)
    return figure


def _mark_peaks(axes: Axes, result: DayResult, edges: np.ndarray) -> None:
    load, books = result.accounts.load, result.accounts
    top = axes.get_ylim()[1]
    # The labels stand right of the plot; they move apart where the two peaks are close.
    gap = top * 0.13
    low, high = sorted((books.peak_with_p2p_w / 1_000, books.peak_grid_only_w / 1_000))
    middle, apart = (low + high) / 2, max(high - low, gap)
    labels = {
        "grid_only_w": ("peak without", books.peak_grid_only_w, INK),
        "with_p2p_w": ("peak with peers", books.peak_with_p2p_w, FROM_GRID),
    }
    if power(books.peak_grid_only_w) == power(books.peak_with_p2p_w):
        labels = {"with_p2p_w": ("peak, with and\nwithout peers", books.peak_with_p2p_w, INK)}
        apart = 0.0
    for column, (words, peak_w, colour) in labels.items():
        position = int(load[column].to_numpy().argmax())
        is_high = peak_w / 1_000 == high and (low < high or column == "grid_only_w")
        at = (edges[position] + edges[position + 1]) / 2
        label_kw = middle + (apart if is_high else -apart) / 2
        draw_peak(axes, words, peak_w, colour=colour, label_kw=label_kw)
        axes.plot([at], [peak_w / 1_000], "o", color=colour, markeredgecolor="white", markersize=6)


@styled
def soc_figure(result: DayResult) -> Figure:
    """A line a vehicle, from its state of charge on arrival to that at departure, by role."""
    figure = new_figure("State of charge on arrival and at departure", height_in=4.0)
    axes = figure.add_subplot()
    vehicles = _by_role(result.accounts.vehicles)
    size = float(np.clip(260 / max(len(vehicles), 1), 2.0, 6.0))
    for role in ROLES:
        some = vehicles[vehicles["role"] == role]
        colour = ROLE_COLOURS[role]
        x = some.index.to_numpy()
        came, left = some["soc_arrival"] * 100, some["soc_departure"] * 100
        axes.vlines(x, came, left, color=colour, linewidth=max(size / 3, 0.8), zorder=2)
        axes.plot(
            x, came, "o", markersize=size, markerfacecolor="white", markeredgecolor=colour, zorder=3
        )
        axes.plot(x, left, "o", markersize=size, color=colour, zorder=4)
        if len(some):
            axes.text(
                float(x.mean()),
                104,
                f"{_PLURALS[role]} ({count(len(some))})",
                ha="center",
                va="bottom",
                fontsize=9,
                fontweight="bold",
                color=INK,
            )
        if len(some) and x[0] > 0:
            axes.axvline(x[0] - 0.5, color="#cccccc", linewidth=0.8)
    short = vehicles[vehicles["missing_wh"] > 0]
    axes.plot(
        short.index,
        short["soc_departure"] * 100,
        "o",
        markersize=size + 3,
        markerfacecolor="none",
        markeredgecolor=MISSING,
        markeredgewidth=1.2,
        zorder=5,
        label="leaves with less than it needs" if len(short) else "_nobody",
    )
    axes.plot([], [], "o", color=MUTED, markerfacecolor="white", label="on arrival")
    axes.plot([], [], "o", color=MUTED, label="at departure")
    draw_thresholds(axes, result.run.stays.rules.thresholds)
    axes.set_ylim(0, 103)
    axes.set_xlim(-0.7, max(len(vehicles), 1) - 0.3)
    axes.set_xticks([])
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel("State of charge (%)")
    axes.set_xlabel("Stays (number), by role, then by state of charge on arrival")
    _legend_below(figure, axes)
    if vehicles.empty:
        say_instead(axes, "No stay on this day")
    return figure


def _by_role(vehicles: pd.DataFrame) -> pd.DataFrame:
    rank = vehicles["role"].map({role: n for n, role in enumerate(ROLES)})
    ordered = vehicles.assign(rank=rank)
    return ordered.sort_values(["rank", "soc_arrival", "session_id"], ignore_index=True)


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = [labels.index(name) for name in ("on arrival", "at departure")]
    order += [n for n in range(len(labels)) if n not in order]
    figure.legend(
        [handles[n] for n in order],
        [labels[n] for n in order],
        loc="outside lower left",
        ncols=3,
        handlelength=1.2,
    )
