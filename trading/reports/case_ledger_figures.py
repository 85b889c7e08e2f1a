"""Figures 6 and 7 of the case study: the buyers' transactions, pending and then confirmed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trading.engine import CaseStudyResult
from trading.reports.figures.style import (
    INK,
    MUTED,
    STATUS_COLOURS,
    STATUS_MARKERS,
    legend_above,
    new_figure,
    say_instead,
    styled,
)
from trading.reports.numbers import energy, money, things
from trading.units import UEUR_PER_EUR, WH_PER_KWH

MOST_SHOWN = 40
_HASH_SHOWN = 8


@styled
def pending_figure(result: CaseStudyResult) -> Figure:
    """Figure 6: every buyer's transaction as it went on chain, and was pending."""
    shown = result.transactions.head(MOST_SHOWN)
    figure = new_figure("The buyers' transactions, pending on chain", height_in=_tall(shown))
    left, right = figure.subplots(1, 2, sharey=True)
    if shown.empty:
        for axes in (left, right):
            say_instead(axes, "No transaction was submitted")
        return figure
    y = np.arange(len(shown))
    for axes, values, words, form in (
        (left, shown["energy_wh"].to_numpy(np.float64) / WH_PER_KWH, "Energy (kWh)", energy),
        (right, shown["cost_ueur"].to_numpy(np.float64) / UEUR_PER_EUR, "Cost (EUR)", money),
    ):
        axes.barh(y, values, 0.7, color=STATUS_COLOURS["pending"])
        column = "energy_wh" if form is energy else "cost_ueur"
        for at, value, whole in zip(y, values, shown[column], strict=True):
            axes.annotate(
                form(int(whole)),
                (value, at),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
            )
        axes.set_xlim(0, float(values.max()) * 1.2)
        axes.set_xlabel(words)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
    left.set_yticks(y, shown["buyer_id"], fontsize=8)
    left.set_ylim(len(shown) - 0.4, -1.6)
    head = {"xycoords": ("axes fraction", "data"), "fontsize": 7.5, "va": "center"}
    right.annotate(
        "block   time        batch", (1.03, -1.0), color=MUTED, family="monospace", **head
    )
    for at, row in zip(y, shown.to_dict("records"), strict=True):
        text = (
            f"{row['pending_block']:>5}   {row['pending_at']:%H:%M:%S}    {_short(row['batch_id'])}"
        )
        right.annotate(text, (1.03, at), family="monospace", **head)
    _say_rest(figure, result)
    return figure


@styled
def confirmed_figure(result: CaseStudyResult) -> Figure:
    """Figure 7: from pending to confirmed, operator by operator, for every buyer's transaction."""
    shown = result.transactions.head(MOST_SHOWN)
    figure = new_figure("From pending to confirmed", height_in=_tall(shown) + 1.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, _tall(shown)])
    if shown.empty:
        for axes in (upper, lower):
            say_instead(axes, "No transaction was submitted")
        return figure
    first = result.transactions["pending_at"].min()
    _draw_counts(upper, result.transactions, first)
    votes = result.chain[result.chain["event"] == "BatchConfirmedBy"]
    for at, row in enumerate(shown.to_dict("records")):
        since = (row["pending_at"] - first).total_seconds()
        times = (votes.loc[votes["batch_id"] == row["batch_id"], "time"] - first).dt.total_seconds()
        until = times.max() if len(times) else since
        lower.plot(
            [since, until], [at, at], color=STATUS_COLOURS["pending"], linewidth=2.2, zorder=1
        )
        lower.plot(times, np.full(len(times), at), "|", color=MUTED, markersize=9, zorder=2)
        lower.plot(
            [since], [at], STATUS_MARKERS["pending"], color=STATUS_COLOURS["pending"], zorder=3
        )
        if pd.notna(row["confirmed_at"]):
            done = (row["confirmed_at"] - first).total_seconds()
            lower.plot(
                [done], [at], STATUS_MARKERS["confirmed"], color=STATUS_COLOURS["confirmed"],
                markeredgecolor=INK, markeredgewidth=0.4, markersize=7, zorder=4,
            )  # fmt: skip
    for status in ("pending", "confirmed"):
        lower.plot([], [], STATUS_MARKERS[status], color=STATUS_COLOURS[status], label=status)
    lower.plot([], [], "|", color=MUTED, markersize=9, label="an operator confirms")
    lower.set_yticks(range(len(shown)), shown["buyer_id"], fontsize=8)
    lower.set_ylim(len(shown) - 0.4, -0.6)
    lower.grid(axis="x", visible=True)
    lower.set_xlabel("Chain time since the first transaction (s)")
    legend_above(lower, columns=3)
    _say_rest(figure, result)
    return figure


def _draw_counts(axes: Axes, transactions: pd.DataFrame, first: pd.Timestamp) -> None:
    """How many transactions are pending, and how many confirmed, at each moment."""
    came = np.sort((transactions["pending_at"] - first).dt.total_seconds().to_numpy())
    done = np.sort((transactions["confirmed_at"].dropna() - first).dt.total_seconds().to_numpy())
    last = float(max([*came, *done]))
    # A little beyond the last change, so that the end state is a line and no spike.
    moments = np.unique(np.concatenate([[0.0], came, done, [last * 1.03 + 0.5]]))
    submitted = np.searchsorted(came, moments, side="right")
    confirmed = np.searchsorted(done, moments, side="right")
    for status, values in (("pending", submitted - confirmed), ("confirmed", confirmed)):
        axes.step(
            moments, values, where="post", color=STATUS_COLOURS[status], linewidth=2, label=status
        )
    axes.set_ylabel("Transactions")
    axes.set_ylim(0, max(1, len(transactions)) * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    legend_above(axes, columns=2)


def _tall(shown: pd.DataFrame) -> float:
    return 1.5 + 0.19 * max(len(shown), 6)


def _short(batch_id: str) -> str:
    return f"{batch_id[: 2 + _HASH_SHOWN]}…"


def _say_rest(figure: Figure, result: CaseStudyResult) -> None:
    rest = len(result.transactions) - MOST_SHOWN
    if rest > 0:
        figure.supxlabel(f"and {things(rest, 'more transaction')}, in transactions.csv", fontsize=8)
