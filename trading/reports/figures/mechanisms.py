"""Mechanisms and pricing schemes side by side: worth, prices, fairness, and what lies bring."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from trading.lot.baselines import V1G, V1G_WITH_PEERS
from trading.reports.figures.style import (
    FROM_PEERS,
    INK,
    MUTED,
    ROLE_COLOURS,
    legend_above,
    new_figure,
    say_instead,
    styled,
)
from trading.reports.figures.waterfall import WATERFALL_COLUMNS, waterfall_figure
from trading.reports.numbers import energy, money, percent, things
from trading.study.compare import OWN_PRICE, Comparison
from trading.units import UEUR_PER_EUR

LOT = "#b5b5b5"
"""The lot's operator, which is neither a buyer nor a seller."""
SIDES = {"buyer": "o", "seller": "^"}
REPORT_TITLES = {
    "soc": "state of charge",
    "price": "limit price",
    "departure-earlier": "leaving earlier",
    "departure-later": "leaving later",
}

_Floats = npt.NDArray[np.float64]
_BAR = 0.66
_ROW_IN = 0.235


def label_of(mechanism: str, pricing: str) -> str:
    """As people read it: "arrival, mid-market"; "mcafee"; "V1G"."""
    return mechanism if pricing in ("", OWN_PRICE) else f"{mechanism}, {pricing}"


def markets_of(result: Comparison) -> pd.DataFrame:
    """The rows of mechanisms, with `label`."""
    rows = result.table[result.table["kind"] == "market"].reset_index(drop=True)
    names = zip(rows["mechanism"], rows["pricing"], strict=True)
    return rows.assign(label=[label_of(mechanism, pricing) for mechanism, pricing in names])


def waterfall_of(result: Comparison) -> pd.DataFrame:
    """The baselines, and the market with the most welfare, the first of equals."""
    table = result.table[result.table["kind"] == "baseline"]
    names = {V1G: "V1G (optimum)", V1G_WITH_PEERS: "V1G with peers\n(optimum)"}
    labels = [names.get(name, name) for name in table["mechanism"]]
    markets = markets_of(result)
    at = best_market(markets)
    best = markets.iloc[at : at + 1]
    labels.append(str(best["label"].iloc[0]).replace(", ", ",\n"))
    both = pd.concat([table, best], ignore_index=True)
    both = both.assign(label=labels, cost_ueur=both["drivers_cost_ueur"])
    whole = {name: "int64" for name in WATERFALL_COLUMNS if name != "label"}
    return both[list(WATERFALL_COLUMNS)].astype(whole)


def best_market(markets: pd.DataFrame) -> int:
    """Position of the market with the most welfare, the first of equals."""
    return int(markets["welfare_ueur"].to_numpy(np.int64).argmax())


def steps_figure(result: Comparison) -> Figure:
    """The waterfall of the baselines and of the market with the most welfare."""
    return waterfall_figure(waterfall_of(result))


@styled
def worth_figure(result: Comparison) -> Figure:
    """A bar a market: energy traded; and its welfare, by who gets it, beside the optimum."""
    rows = markets_of(result)
    figure = new_figure("What is traded, and who has what of its worth", height_in=_height(rows))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.0, 1.9])
    y = _rows(rows)
    traded = _floats(rows["traded_wh"]) / 1_000
    left.barh(y, traded, _BAR, color=FROM_PEERS)
    best = result.table[result.table["mechanism"] == V1G_WITH_PEERS]
    most = {"traded_wh": 0.0, "welfare_ueur": 0.0}
    for axes, column, unit in ((left, "traded_wh", 1_000), (right, "welfare_ueur", UEUR_PER_EUR)):
        if best.empty or (axes is right and result.no_share):
            continue
        most[column] = float(best[column].iloc[0]) / unit
        axes.axvline(most[column], color=INK, linewidth=1.0, linestyle=(0, (4, 3)))
    for n, wh in enumerate(rows["traded_wh"]):
        _at_the_right(left, y[n], energy(int(wh)))
    left.set_xlim(0, (max(float(traded.max()), most["traded_wh"]) or 1.0) * 1.3)
    up, down = np.zeros(len(rows)), np.zeros(len(rows))
    parts = (
        ("buyers_saving_ueur", ROLE_COLOURS["buyer"], "buyers save"),
        ("sellers_gain_ueur", ROLE_COLOURS["seller"], "sellers gain"),
        ("lot_spread_ueur", LOT, "lot's fee and surplus"),
    )
    for column, colour, label in parts:
        part = _floats(rows[column]) / UEUR_PER_EUR
        right.barh(y, part, _BAR, left=np.where(part >= 0, up, down), color=colour, label=label)
        up, down = up + np.maximum(part, 0), down + np.minimum(part, 0)
    for n in range(len(rows)):
        share = rows["welfare_share"].iloc[n]
        worth = int(rows["welfare_ueur"].iloc[n])
        words = money(worth) if pd.isna(share) else f"{money(worth)} ({percent(float(share))})"
        _at_the_right(right, y[n], words)
    right.set_xlim(
        float(down.min()) * 1.05, max(float(up.max()), most["welfare_ueur"], 0.01) * 1.32
    )
    left.set_xlabel("Traded (kWh)")
    right.set_xlabel("Welfare (EUR)" + ("" if result.no_share else ", share of the optimum"))
    _label_rows(left, rows)
    right.tick_params(axis="y", length=0)
    right.grid(axis="y", visible=False)
    right.grid(axis="x", visible=True)
    optimum = Line2D([], [], color=INK, linestyle=(0, (4, 3)), label="best with peers")
    _legend(figure, [*right.get_legend_handles_labels()[0], *([] if best.empty else [optimum])])
    for axes in (left, right):
        axes.locator_params(axis="x", nbins=5)
    return figure


@styled
def price_figure(result: Comparison) -> Figure:
    """Prices of the trades of each market, between sellers' floors and the buyers' ceiling."""
    rows = markets_of(result)
    figure = new_figure("Prices, and the limits that keep them rational", height_in=_height(rows))
    axes = figure.add_subplot()
    floors, ceilings = limits_of(result)
    if floors is not None:
        axes.axvspan(*(limit / 1e6 for limit in floors), color=ROLE_COLOURS["seller"], alpha=0.18)
    for limit in sorted(set(ceilings)):
        axes.axvline(limit / 1e6, color=ROLE_COLOURS["buyer"], linewidth=2.0)
    y = _rows(rows)
    low, mean, high, got = (
        _floats(rows[f"{name}_ueur_per_kwh"]) / 1e6
        for name in (
            "buyer_price_low",
            "buyer_price_mean",
            "buyer_price_high",
            "seller_price_mean",
        )
    )
    axes.hlines(y, low, high, color=INK, linewidth=3.0, alpha=0.35)
    axes.plot(mean, y, "o", color=INK, markersize=5.5, linestyle="none", zorder=4)
    axes.plot(got, y, "o", color=INK, markerfacecolor="white", markersize=5.5, zorder=3)
    shown = [limit / 1e6 for limit in (*(floors or ()), *ceilings)]
    some = [*shown, *low[~np.isnan(low)], *high[~np.isnan(high)], *got[~np.isnan(got)]]
    least, most = min(some), max(some)
    margin = max((most - least) * 0.08, 0.01)
    axes.set_xlim(least - margin, most + margin)
    for n in np.flatnonzero(np.isnan(mean)):
        axes.annotate("no trade", (least, y[n]), va="center", fontsize=8.5, color=MUTED)
    axes.set_xlabel("EUR/kWh at the meter")
    _label_rows(axes, rows)
    looks: list[Artist] = [
        Line2D(
            [], [], color=INK, marker="o", linewidth=3, alpha=0.8, label="buyers pay: mean, range"
        ),
        Line2D([], [], color=INK, marker="o", mfc="white", linestyle="none", label="sellers get"),
        Line2D([], [], color=ROLE_COLOURS["buyer"], linewidth=2, label="buyers' ceiling"),
    ]
    if floors is not None:
        looks.append(Patch(color=ROLE_COLOURS["seller"], alpha=0.18, label="sellers' floors"))
    _legend(figure, looks)
    return figure


def limits_of(result: Comparison) -> tuple[tuple[int, int] | None, tuple[int, ...]]:
    """Lowest and highest floor of those who can sell, and lowest and highest tariff; ueur/kWh."""
    stays, terms, rules = result.stays, result.terms, result.stays.rules
    replacements = terms.replacements(stays.ids, rules.seed)
    floors = terms.floors(replacements, rules.guarantee, rules.efficiency)[stays.ask_cap_wh > 0]
    tariffs = (
        (terms.lot_tariff,) if terms.tariff is None else (terms.tariff.lowest, terms.tariff.highest)
    )
    return (int(floors.min()), int(floors.max())) if len(floors) else None, tariffs


@styled
def fairness_figure(result: Comparison) -> Figure:
    """Jain's index of each market over buyers and over sellers, those who got nothing included."""
    rows = markets_of(result)
    figure = new_figure("How evenly trades are spread", height_in=_height(rows))
    axes = figure.add_subplot()
    y = _rows(rows)
    columns = {"buyer": "served_jain_index", "seller": "sold_jain_index"}
    names = {"buyer": "buyers: served of required", "seller": "sellers: sold of available"}
    for side, marker in SIDES.items():
        index = _floats(rows[columns[side]])
        axes.plot(
            index,
            y,
            marker,
            color=ROLE_COLOURS[side],
            markeredgecolor=INK,
            markeredgewidth=0.6,
            markersize=7,
            label=names[side],
        )
    for n in np.flatnonzero(np.isnan(_floats(rows["served_jain_index"]))):
        axes.annotate("no trade", (0.0, y[n]), va="center", fontsize=8.5, color=MUTED)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("Jain's index: 1 if all got the same share, 1/n if one got it all")
    _label_rows(axes, rows)
    legend_above(axes, columns=2)
    return figure


@styled
def misreporting_figure(result: Comparison) -> Figure:
    """What a false report brought who made it: mean and most, a panel a report."""
    rows = result.misreporting
    names = rows[["mechanism", "pricing"]].drop_duplicates(ignore_index=True)
    pairs = zip(names["mechanism"], names["pricing"], strict=True)
    names = names.assign(label=[label_of(mechanism, pricing) for mechanism, pricing in pairs])
    figure = new_figure("What it brings to say what is not true", height_in=_height(names))
    if rows.empty:
        say_instead(figure.add_subplot(), "Nobody misreported anything")
        return figure
    y = _rows(names)
    panels = figure.subplots(1, len(REPORT_TITLES), sharey=True, sharex=True)
    for axes, (report, title) in zip(panels, REPORT_TITLES.items(), strict=True):
        axes.axvline(0.0, color=INK, linewidth=0.8)
        for side, marker in SIDES.items():
            some = names.merge(
                rows[(rows["report"] == report) & (rows["side"] == side)],
                on=["mechanism", "pricing"],
                how="left",
            )
            mean, most = (
                _floats(some[f"{name}_gain_ueur"]) / UEUR_PER_EUR for name in ("mean", "max")
            )
            at = y + (-0.17 if side == "buyer" else 0.17)
            axes.hlines(at, mean, most, color=ROLE_COLOURS[side], linewidth=2.0)
            axes.plot(mean, at, "|", color=ROLE_COLOURS[side], markersize=8, markeredgewidth=2.0)
            axes.plot(most, at, marker, color=ROLE_COLOURS[side], markersize=5.5)
        axes.set_title(title, fontsize=9.5, loc="left")
        axes.set_xlabel("gain (EUR)")
        axes.locator_params(axis="x", nbins=4)
        _label_rows(axes, names)
    looks: list[Artist] = [
        Line2D([], [], color=ROLE_COLOURS[side], marker=marker, label=_who_lied(rows, side))
        for side, marker in SIDES.items()
    ]
    _legend(figure, looks)
    return figure


def _who_lied(rows: pd.DataFrame, side: str) -> str:
    liars = rows.loc[rows["side"] == side, "liars"]
    return f"{things(0 if liars.empty else int(liars.max()), side)}: mean to most"


def _height(rows: pd.DataFrame) -> float:
    return 1.5 + _ROW_IN * max(len(rows), 3)


def _rows(rows: pd.DataFrame) -> _Floats:
    """Where each row is drawn, downwards, with a gap before each other mechanism."""
    is_new = (rows["mechanism"] != rows["mechanism"].shift()).to_numpy()
    has_blocks = rows["mechanism"].duplicated().any()
    gaps = 0.4 * (np.cumsum(is_new) - 1) * has_blocks
    return np.asarray(np.arange(len(rows)) + gaps, dtype=np.float64)


def _label_rows(axes: Axes, rows: pd.DataFrame) -> None:
    y = _rows(rows)
    axes.set_yticks(y, list(rows["label"]))
    axes.tick_params(axis="y", length=0)
    if len(y):
        axes.set_ylim(float(y[-1]) + 0.7, float(y[0]) - 0.7)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)


def _legend(figure: Figure, looks: list[Artist]) -> None:
    figure.legend(handles=looks, loc="outside lower left", ncols=4, handlelength=1.4)


def _at_the_right(axes: Axes, y: float, text: str) -> None:
    """A number at the right edge, where neither bars nor lines run through it."""
    axes.annotate(
        text,
        (1.0, y),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="center",
        fontsize=8.5,
        bbox={"facecolor": "white", "linewidth": 0, "pad": 1.0},
    )


def _floats(column: pd.Series) -> _Floats:
    return np.asarray(
        column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64
    )
