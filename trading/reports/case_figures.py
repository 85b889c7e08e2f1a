"""The figures of the case study, numbered as the source numbers its own: 2 to 7.

Each is a function of the result, registered once with file and caption. Up to `MOST_NAMED` vehicles
each has its id on an axis; beyond that only their number fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trading.engine import CaseStudyResult
from trading.reports.case_ledger_figures import confirmed_figure, pending_figure
from trading.reports.figures.parts import draw_load, draw_peak, draw_thresholds
from trading.reports.figures.style import (
    FROM_GRID,
    FROM_PEERS,
    GRID_ONLY,
    INK,
    ROLE_COLOURS,
    legend_above,
    local_time_axis,
    new_figure,
    say_instead,
    styled,
)
from trading.reports.numbers import count, money, things
from trading.units import UEUR_PER_EUR, WH_PER_KWH, cost_ueur

MOST_NAMED = 40
ROLE_MARKERS = {"buyer": "o", "neutral": "s", "seller": "^"}
KEPT = "#f3d9a4"

_Floats = npt.NDArray[np.float64]


@styled
def load_figure(result: CaseStudyResult) -> Figure:
    """Figure 2: power from the grid with and without peers, over time."""
    figure = new_figure("Load on the grid with and without peer-to-peer", height_in=3.7)
    axes = figure.add_subplot()
    load, chargers = result.load, result.options.chargers
    step = pd.Timedelta(seconds=chargers.step_s)
    _edges, highest = draw_load(axes, load, step_s=chargers.step_s)
    top = highest * 1.08
    axes.set_ylim(0, top)
    alone_w, with_w = (int(load[name].max()) for name in ("grid_only_w", "with_p2p_w"))
    middle, apart = (alone_w + with_w) / 2_000, max(abs(alone_w - with_w) / 1_000, top * 0.14)
    up = 0.5 if alone_w >= with_w else -0.5
    draw_peak(axes, "peak without", alone_w, colour=INK, label_kw=middle + up * apart)
    draw_peak(axes, "peak with peers", with_w, colour=FROM_GRID, label_kw=middle - up * apart)
    local_time_axis(axes, load["time"].iloc[0], load["time"].iloc[-1] + step, "UTC")
    axes.set_xlabel("Time (UTC), from plugging in; date and hour are assumptions")
    axes.set_ylabel(f"Power, mean of {chargers.step_s / 60:g} min (kW)")
    legend_above(axes, columns=3)
    return figure


@styled
def soc_figure(result: CaseStudyResult) -> Figure:
    """Figure 3: a dot a vehicle, state of charge against battery capacity, by role."""
    figure = new_figure("State of charge against battery capacity, by role", height_in=4.0)
    axes = figure.add_subplot()
    table = result.fleet.merge(result.roles, on="vehicle_id")
    sizes = sorted(set(table["battery_capacity_kwh"]))
    for role, marker in ROLE_MARKERS.items():
        some = table[table["role"] == role]
        if some.empty:
            continue
        column = np.array([sizes.index(size) for size in some["battery_capacity_kwh"]])
        # Vehicles of one capacity stand side by side instead of on one another.
        place = some.groupby("battery_capacity_kwh").cumcount().to_numpy()
        number = some.groupby("battery_capacity_kwh")["soc"].transform("size").to_numpy()
        spread = (place + 0.5) / number - 0.5
        axes.plot(
            column + 0.7 * spread,
            some["soc"] * 100,
            marker,
            color=ROLE_COLOURS[role],
            markeredgecolor="white",
            markeredgewidth=0.6,
            markersize=7.5,
            label=f"{things(len(some), role)}" if role != "neutral" else f"{len(some)} neutral",
        )
    draw_thresholds(axes, result.options.thresholds)
    for edge in range(1, len(sizes)):
        axes.axvline(edge - 0.5, color="#e3e3e3", linewidth=0.7)
    axes.set_xticks(range(len(sizes)), [f"{size:g}" for size in sizes])
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set_ylim(20, 100)
    axes.set_xlabel("Battery capacity (kWh)")
    axes.set_ylabel("State of charge (%)")
    legend_above(axes, columns=3)
    return figure


@styled
def energy_figure(result: CaseStudyResult) -> Figure:
    """Figure 4: what each buyer bought, and each seller sold, of what it required or had."""
    figure = new_figure("Energy bought and sold, vehicle by vehicle", height_in=5.2)
    upper, lower = figure.subplots(2, 1, sharey=True)
    vehicles = result.accounts.vehicles.sort_values("session_id")
    buyers, sellers = (vehicles[vehicles["role"] == role] for role in ("buyer", "seller"))
    bought, rest = (_kwh(buyers[name]) for name in ("from_peers_wh", "from_grid_wh"))
    sold = _kwh(sellers["to_peers_wh"])
    spare = result.roles.set_index("vehicle_id")["available_wh"].reindex(sellers["session_id"])
    x = np.arange(len(buyers))
    upper.bar(x, bought, 0.76, color=FROM_PEERS, label="bought from peers")
    upper.bar(x, rest, 0.76, bottom=bought, color=FROM_GRID, label="rest, from the grid")
    x = np.arange(len(sellers))
    lower.bar(x, sold, 0.76, color=ROLE_COLOURS["seller"], label="sold to peers")
    left = _kwh(spare) - sold
    if left.any():
        lower.bar(x, left, 0.76, bottom=sold, color=KEPT, label="available, not sold")
    _name(upper, buyers["session_id"], "Buyers")
    _name(lower, sellers["session_id"], "Sellers")
    upper.set_ylabel("Energy (kWh)")
    lower.set_ylabel("Energy (kWh)")
    legend_above(upper, columns=2)
    legend_above(lower, columns=2)
    return figure


@styled
def cost_figure(result: CaseStudyResult) -> Figure:
    """Figure 5: each buyer's cost for the same energy, from the grid and from peers with a rest."""
    figure = new_figure("What each buyer pays: grid alone against peer-to-peer", height_in=3.9)
    axes = figure.add_subplot()
    vehicles = result.accounts.vehicles.sort_values("session_id")
    buyers = vehicles[vehicles["role"] == "buyer"]
    alone = cost_ueur(buyers["need_wh"].to_numpy(np.int64), result.options.grid_tariff)
    peers, rest = (
        buyers[name].to_numpy(np.int64) for name in ("paid_peers_ueur", "paid_grid_ueur")
    )
    x, wide = np.arange(len(buyers)), 0.38
    total, total_with = int(alone.sum()), int((peers + rest).sum())
    axes.bar(
        x - wide / 2, alone / UEUR_PER_EUR, wide, color=GRID_ONLY,
        label=f"grid alone: {money(total)} EUR in all",
    )  # fmt: skip
    axes.bar(
        x + wide / 2, peers / UEUR_PER_EUR, wide, color=FROM_PEERS,
        label=f"peer-to-peer: {money(total_with)} EUR in all, to sellers",
    )  # fmt: skip
    axes.bar(
        x + wide / 2, rest / UEUR_PER_EUR, wide, bottom=peers / UEUR_PER_EUR, color=FROM_GRID,
        label="and for the rest to the grid",
    )  # fmt: skip
    _name(axes, buyers["session_id"], "Buyers")
    axes.set_ylabel("Cost (EUR)")
    legend_above(axes, columns=2)
    return figure


def _kwh(energies_wh: pd.Series) -> _Floats:
    return energies_wh.to_numpy(np.float64) / WH_PER_KWH


def _name(axes: Axes, ids: pd.Series, role: str) -> None:
    """Ids below the bars, or only how many there are."""
    axes.set_xlim(-0.7, max(len(ids), 1) - 0.3)
    if len(ids) <= MOST_NAMED:
        axes.set_xticks(range(len(ids)), ids, fontsize=7.5, rotation=90)
        axes.set_xlabel(role)
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{role} (all {count(len(ids))}, in order of id)")
    if ids.empty:
        say_instead(axes, f"No {role.lower()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFigure:
    """One figure: its number in the source, title, file under `figures/`, and what to say of it."""

    number: int
    title: str
    file_name: str
    draw: Callable[[CaseStudyResult], Figure]
    caption: str
    alt: str


CASE_FIGURES: Mapping[str, CaseFigure] = MappingProxyType(
    {
        "load": CaseFigure(
            number=2,
            title="load on the grid",
            file_name="figure-2-load.png",
            draw=load_figure,
            caption=(
                "The blue area is drawn from the grid, the green one on top comes from peers, the "
                "black line is what the grid would deliver if nobody traded. A buyer whose seller "
                "is busy charges later, so green can rise above the line. Charger power, time and "
                "the order in which peers and grid deliver are assumptions."
            ),
            alt="Load over time from the grid and from peers, and from the grid without trading.",
        ),
        "soc": CaseFigure(
            number=3,
            title="state of charge against capacity",
            file_name="figure-3-soc.png",
            draw=soc_figure,
            caption=(
                "Each mark is a vehicle. At or below T_b it buys, at or above T_s it sells, "
                "Equation (1). Vehicles of one capacity stand side by side."
            ),
            alt="State of charge against battery capacity, buyers below and sellers above.",
        ),
        "energy": CaseFigure(
            number=4,
            title="energy bought and sold",
            file_name="figure-4-energy.png",
            draw=energy_figure,
            caption=(
                "Above: what each buyer requires, Equation (2), and how much of it peers cover. "
                "Below: what each seller has to sell, Equation (3), and how much of it is sold; "
                "that much its battery lacks afterwards."
            ),
            alt="Bars of the energy bought by each buyer and sold by each seller.",
        ),
        "cost": CaseFigure(
            number=5,
            title="cost, grid against peer-to-peer",
            file_name="figure-5-cost.png",
            draw=cost_figure,
            caption=(
                "Two bars a buyer for the same energy: all of it from the grid, and what peers "
                "cover at their price, Equation (5), with the rest from the grid."
            ),
            alt="Bars of each buyer's cost from the grid alone and with peer-to-peer.",
        ),
        "pending": CaseFigure(
            number=6,
            title="pending transactions",
            file_name="figure-6-pending.png",
            draw=pending_figure,
            caption=(
                "One transaction a buyer, with the energy and the cost that it puts up for "
                "confirmation, and the block in which it became pending. The cost is locked from "
                "then on. Times are the chain's, UTC."
            ),
            alt="Energy, cost, block and time of every buyer's pending transaction.",
        ),
        "confirmed": CaseFigure(
            number=7,
            title="from pending to confirmed",
            file_name="figure-7-confirmed.png",
            draw=confirmed_figure,
            caption=(
                "Every transaction is pending until enough operators have checked its energy and "
                "its cost on their own copy of the fleet and confirmed it. Above: how many are "
                "pending and confirmed at each moment. On the embedded chain a block comes a "
                "second after the one before it."
            ),
            alt="Every buyer's transaction from pending over the operators' votes to confirmed.",
        ),
    }
)
"""Every figure of the case study by name, in the order of the report."""
