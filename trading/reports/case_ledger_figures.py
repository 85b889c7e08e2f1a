"""Figures 6 and 7 of the case study: the buyers' transactions, pending and then confirmed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trading.engine import CaseStudyResult
from trading.fleet import Float64Array
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
from trading.units import UEUR_PER_EUR, WH_PER_KWH, Int64Array

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
    transactions = _with_end(result)
    shown = transactions.head(MOST_SHOWN)
    figure = new_figure("From pending to confirmed", height_in=_tall(shown) + 1.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, _tall(shown)])
    if shown.empty:
        for axes in (upper, lower):
            say_instead(axes, "No transaction was submitted")
        return figure
    _draw_counts(upper, transactions)
    votes = result.chain[result.chain["event"] == "BatchConfirmedBy"]
    since_first = (votes["time"] - transactions["pending_at"].min()).dt.total_seconds()
    for at, row in enumerate(shown.to_dict("records")):
        times = since_first[votes["batch_id"] == row["batch_id"]]
        lower.plot(
            [row["came_s"], row["ended_s"]],
            [at, at],
            color=STATUS_COLOURS["pending"],
            linewidth=2.2,
            zorder=1,
        )
        lower.plot(times, np.full(len(times), at), "|", color=MUTED, markersize=9, zorder=2)
        for second, status in ((row["came_s"], "pending"), (row["ended_s"], row["end"])):
            _mark(lower, [second], [at], status)
    for status in ("pending", *dict.fromkeys(shown["end"])):
        _mark(lower, [], [], status, label=status)
    lower.plot([], [], "|", color=MUTED, markersize=9, label="an operator confirms")
    lower.set_yticks(range(len(shown)), shown["buyer_id"], fontsize=8)
    lower.set_ylim(len(shown) - 0.4, -0.6)
    lower.grid(axis="x", visible=True)
    lower.set_xlabel("Chain time since the first transaction (s)")
    legend_above(lower, columns=4)
    _say_rest(figure, result)
    return figure


def _with_end(result: CaseStudyResult) -> pd.DataFrame:
    """The transactions with what ended their being pending, and the seconds of both."""
    table, chain = result.transactions, result.chain
    refunds = chain[chain["event"] == "BatchRefunded"].set_index("batch_id")["time"]
    refunded = refunds.reindex(table["batch_id"]).reset_index(drop=True)
    first, confirmed = table["pending_at"].min(), table["confirmed_at"].notna()
    ended = table["confirmed_at"].where(confirmed, refunded)
    return table.assign(
        end=table["status"].mask(confirmed, "confirmed"),
        came_s=(table["pending_at"] - first).dt.total_seconds(),
        ended_s=(ended - first).dt.total_seconds(),
    )


def _mark(axes: Axes, x: list[float], y: list[int], status: str, label: str = "") -> None:
    axes.plot(
        x,
        y,
        STATUS_MARKERS[status],
        color=STATUS_COLOURS[status],
        markeredgecolor=INK,
        markeredgewidth=0.4,
        markersize=7,
        zorder=4,
        label=label or None,
    )


def _draw_counts(axes: Axes, transactions: pd.DataFrame) -> None:
    """How many transactions are pending, and how many ended which way, at each moment."""
    came, ended = (np.sort(transactions[name].to_numpy()) for name in ("came_s", "ended_s"))
    # A little beyond the last change, so that the end state is a line and no spike.
    last = float(ended.max()) * 1.03 + 0.5
    moments = np.unique(np.concatenate([came, ended, [last]]))
    curves = {"pending": _so_far(came, moments) - _so_far(ended, moments)}
    for status in dict.fromkeys(transactions["end"]):
        some = transactions.loc[transactions["end"] == status, "ended_s"]
        curves[status] = _so_far(np.sort(some.to_numpy()), moments)
    for status, values in curves.items():
        colour = STATUS_COLOURS[status]
        axes.step(moments, values, where="post", color=colour, linewidth=2, label=status)
    axes.set_ylabel("Transactions")
    axes.set_ylim(0, max(1, len(transactions)) * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    legend_above(axes, columns=4)


def _so_far(times: Float64Array, moments: Float64Array) -> Int64Array:
    return np.searchsorted(times, moments, side="right").astype(np.int64)


def _tall(shown: pd.DataFrame) -> float:
    return 1.5 + 0.19 * max(len(shown), 6)


def _short(batch_id: str) -> str:
    return f"{batch_id[: 2 + _HASH_SHOWN]}…"


def _say_rest(figure: Figure, result: CaseStudyResult) -> None:
    rest = len(result.transactions) - MOST_SHOWN
    if rest > 0:
        figure.supxlabel(f"and {things(rest, 'more transaction')}, in transactions.csv", fontsize=8)
