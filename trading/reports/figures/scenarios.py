"""The honest comparison in pictures: where the energy came from, what it cost, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trading.engine import DayResult
from trading.lot import GUARANTEES
from trading.reports.comparison import Compared, compared
from trading.reports.figures.style import (
    FROM_GRID,
    FROM_PEERS,
    INK,
    MISSING,
    MUTED,
    WEAR,
    legend_above,
    new_figure,
    say_instead,
    styled,
)
from trading.reports.numbers import energy, money, price
from trading.units import UEUR_PER_EUR

_Floats = npt.NDArray[np.float64]
_BAR = 0.66
_GROUP_GAP = 0.5


@styled
def energy_figure(result: DayResult) -> Figure:
    """A bar a scenario: energy from the grid and from peers, and beside it what is missing."""
    scenarios = compared(result)
    figure = new_figure(
        "Where each kWh came from, and what is missing at departure",
        height_in=1.4 + 0.36 * len(scenarios),
    )
    grid, peers, missing = (
        np.array([getattr(row, name) for row in scenarios], dtype=np.float64) / 1_000
        for name in ("grid_wh", "peers_wh", "missing_wh")
    )
    widest, short = float((grid + peers).max()) or 1.0, float(missing.max())
    # Both panels have the same scale, so that a missing kWh is as long as a delivered one.
    left, right = figure.subplots(
        1, 2, sharey=True, width_ratios=[widest * 1.2, max(short * 1.6, widest * 0.35)]
    )
    y = _rows(scenarios)
    left.barh(y, grid, _BAR, color=FROM_GRID, label="from the grid")
    left.barh(y, peers, _BAR, left=grid, color=FROM_PEERS, label="from peers")
    lacking = missing > 0
    right.barh(y[lacking], missing[lacking], _BAR, color="white", edgecolor=MISSING, hatch="////")
    for n, row in enumerate(scenarios):
        is_inside = grid[n] > widest * 0.15
        left.annotate(
            energy(row.grid_wh),
            (0.0 if is_inside else grid[n] + peers[n], y[n]),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color="white" if is_inside else FROM_GRID,
        )
        if row.peers_wh and is_inside:
            _after(left, grid[n] + peers[n], y[n], f"+ {energy(row.peers_wh)}", FROM_PEERS)
        _after(right, missing[n], y[n], energy(row.missing_wh), MISSING)
    left.set_xlim(0, widest * 1.2)
    right.set_xlim(0, max(short * 1.6, widest * 0.35))
    left.set_xlabel("Energy at the chargers' meters (kWh)")
    right.set_xlabel("Missing (kWh)")
    right.tick_params(axis="y", length=0)
    right.locator_params(axis="x", nbins=3)
    _label_rows(left, scenarios, y)
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
    lacking_look = Rectangle((0, 0), 0, 0, fc="white", ec=MISSING, hatch="////")
    lacking_look.set_label("missing in batteries")
    legend_above(left, columns=3, extra=[lacking_look])
    return figure


@styled
def cost_figure(result: DayResult) -> Figure:
    """A bar a scenario: all drivers' net cost in its parts; below, the prices it follows from."""
    scenarios = compared(result)
    figure = new_figure("What all drivers pay, net", height_in=2.9 + 0.36 * len(scenarios))
    costs, prices = figure.subplots(2, 1, height_ratios=[0.36 * len(scenarios), 1.0])
    y = _rows(scenarios)
    split = [row.cost_parts(result.run.terms) for row in scenarios]
    parts = np.array(
        [(p.grid_ueur, p.fee_ueur, p.wear_ueur, p.replacement_ueur) for p in split],
        dtype=np.float64,
    )
    parts /= UEUR_PER_EUR
    looks = (
        ("grid energy", FROM_GRID, None),
        ("lot's fee on trades", FROM_PEERS, None),
        ("wear of sellers' batteries", WEAR, None),
        ("replacement of missing energy", "white", "////"),
    )
    at = np.zeros(len(scenarios))
    looks_in_legend: list[Artist] = []
    for k, (label, colour, hatch) in enumerate(looks):
        some = parts[:, k] != 0
        costs.barh(
            y[some],
            parts[some, k],
            _BAR,
            left=at[some],
            color=colour,
            edgecolor=MISSING if hatch else colour,
            linewidth=0.8 if hatch else 0,
            hatch=hatch,
        )
        look = Rectangle((0, 0), 0, 0, fc=colour, ec=MISSING if hatch else colour, hatch=hatch)
        look.set_label(label)
        looks_in_legend.append(look)
        at = at + parts[:, k]
    for n, row in enumerate(scenarios):
        _after(costs, at[n], y[n], money(row.drivers_cost_ueur), INK)
    costs.set_xlim(min(0.0, float(at.min())), (float(at.max()) or 1.0) * 1.14)
    costs.set_xlabel("Net cost of all drivers (EUR)")
    costs.grid(axis="y", visible=False)
    costs.grid(axis="x", visible=True)
    _label_rows(costs, scenarios, y)
    legend_above(costs, columns=2, extra=looks_in_legend)
    _draw_prices(prices, result)
    return figure


def _draw_prices(axes: Axes, result: DayResult) -> None:
    """For each guarantee the room between a seller's floor and a buyer's ceiling."""
    terms, rules = result.run.terms, result.run.stays.rules
    ceiling = terms.ceiling()
    shown = [ceiling]
    said: list[tuple[str, float, int, str]] = []
    for n, guarantee in enumerate(GUARANTEES):
        floor = terms.floor(guarantee, rules.efficiency)
        agreed = terms.peer_price(guarantee, rules.efficiency)
        shown += [floor]
        has_room = terms.is_rational(agreed, guarantee, rules.efficiency)
        low, high = sorted((floor, ceiling))
        colour = FROM_PEERS if floor <= ceiling else MISSING
        axes.plot(
            [low / 1e6, high / 1e6],
            [n, n],
            color=colour,
            linewidth=7,
            alpha=0.35,
            solid_capstyle="butt",
        )
        axes.plot([floor / 1e6], [n], marker=">", color=INK, markersize=7)
        axes.plot([ceiling / 1e6], [n], marker="<", color=INK, markersize=7)
        _below(axes, floor, n, f"floor {price(floor)}", "right" if floor <= ceiling else "left")
        _below(
            axes, ceiling, n, f"ceiling {price(ceiling)}", "left" if floor <= ceiling else "right"
        )
        words = "floor above ceiling: no rational trade"
        at = (low + high) / 2e6
        if floor <= ceiling:
            words = f"price {price(agreed.buyer_ueur_per_kwh)}"
            words += f", seller gets {price(agreed.seller_ueur_per_kwh)}"
            words += "" if has_room else ": outside the limits"
            at = agreed.buyer_ueur_per_kwh / 1e6
            shown += [agreed.buyer_ueur_per_kwh]
            axes.plot([at], [n], "o", color=colour, markersize=7)
        said.append((words, at, n, colour))
    margin = max((max(shown) - min(shown)) * 0.35, 20_000)
    axes.set_xlim((min(shown) - margin) / 1e6, (max(shown) + margin) / 1e6)
    left, right = axes.get_xlim()
    for words, at, n, colour in said:
        # A text near an edge grows away from it.
        share = (at - left) / (right - left)
        side = "left" if share < 0.35 else "right" if share > 0.8 else "center"
        axes.annotate(
            words,
            (at, n),
            xytext=(0, 9),
            textcoords="offset points",
            ha=side,
            fontsize=8.5,
            color=colour,
        )
    axes.set_ylim(len(GUARANTEES) - 0.4, -0.6)
    axes.set_yticks(range(len(GUARANTEES)), list(GUARANTEES))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.set_xlabel("Price at the meter: seller's floor, price agreed, buyer's ceiling (EUR/kWh)")


@styled
def sensitivity_figure(result: DayResult) -> Figure:
    """Range of the energy traded for each assignment rule over its seeds, and this run's."""
    table = result.sensitivity
    figure = new_figure(
        "How the energy traded depends on what was inferred", height_in=1.7 + 0.36 * len(table)
    )
    axes = figure.add_subplot()
    axes.set_xlabel("Energy from peers (kWh)")
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    if table.empty:
        axes.set_yticks([])
        say_instead(axes, "State of charge is given by the data: nothing was inferred")
        return figure
    y = np.arange(len(table))
    low, mean, high = (
        table[f"peers_wh_{end}"].to_numpy(np.float64) / 1_000 for end in ("low", "mean", "high")
    )
    seeds = int(table["seeds"].max())
    axes.hlines(
        y,
        low,
        high,
        color=FROM_PEERS,
        linewidth=5,
        alpha=0.4,
        label=f"lowest to highest of {seeds} seeds",
    )
    axes.plot(mean, y, "o", color=FROM_PEERS, label="mean")
    this = result.accounts.energy.buyers_wh
    axes.axvline(
        this / 1_000,
        color=INK,
        linewidth=1.0,
        linestyle=(0, (4, 3)),
        label=f"this run, {energy(this)} kWh",
    )
    axes.set_yticks(y, list(table["assignment"]))
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(0, max(1.0, float(high.max()), this / 1_000) * 1.08)
    axes.tick_params(axis="y", length=0)
    legend_above(axes, columns=3)
    return figure


def _rows(scenarios: Sequence[Compared]) -> _Floats:
    """Where each scenario's bar is drawn, downwards, with a gap before each other V2G share."""
    shares = [row.v2g_share for row in scenarios]
    is_new = [n > 0 and share != shares[n - 1] for n, share in enumerate(shares)]
    return np.arange(len(scenarios)) + _GROUP_GAP * np.cumsum(is_new)


def _label_rows(axes: Axes, scenarios: Sequence[Compared], y: _Floats) -> None:
    axes.set_yticks(y, [row.label for row in scenarios])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(float(y[-1]) + 0.6, float(y[0]) - 0.6)


def _after(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    axes.annotate(
        text, (x, y), xytext=(5, 0), textcoords="offset points", va="center", color=colour
    )


def _below(axes: Axes, ueur_per_kwh: int, y: float, text: str, side: str) -> None:
    axes.annotate(
        text,
        (ueur_per_kwh / 1e6, y),
        xytext=(-7 if side == "right" else 7, 0),
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize=8.5,
        color=MUTED,
    )
