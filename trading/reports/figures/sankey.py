"""The energy of a day as bands from its sources, through chargers, to batteries and losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trading.reports.figures.style import (
    FROM_GRID,
    FROM_PEERS,
    INK,
    MISSING,
    MUTED,
    ROLE_COLOURS,
    new_figure,
    say_instead,
    styled,
)
from trading.reports.numbers import energy

_NODE = 0.045
_GAP = 0.055
_COLOURS = {
    "grid at home": MISSING,
    "chargers at home": MISSING,
    "grid": FROM_GRID,
    "lot's cables": FROM_GRID,
    "roof": "#F0E442",
    "peers": FROM_PEERS,
    "sellers' batteries": ROLE_COLOURS["seller"],
    "buyers' chargers": ROLE_COLOURS["buyer"],
    "sellers' chargers": ROLE_COLOURS["seller"],
    "others' chargers": ROLE_COLOURS["neutral"],
}
_Spans = dict[str, tuple[float, float]]


@styled
def sankey_figure(links: pd.DataFrame) -> Figure:
    """Bands as wide as their energy; every node has its name and kWh.

    Args:
        links: `links` of the Sankey experiment: source, target, energy_wh; without a cycle.
    """
    figure = new_figure("Where the day's energy came from and where it went (kWh)", height_in=5.0)
    axes = figure.add_subplot()
    axes.set_axis_off()
    if links.empty:
        say_instead(axes, "No energy moved")
        return figure
    columns = _columns(links)
    total = float(links.loc[links["source"].map(lambda n: columns[n] == 0), "energy_wh"].sum())
    spans = _spans(links, columns, total)
    _draw_bands(axes, links, columns, spans, total)
    _draw_nodes(axes, links, columns, spans)
    last = max(columns.values())
    axes.set_xlim(-0.02, last + 0.95)
    axes.set_ylim(-max(hi for _, hi in spans.values()) - 0.02, 0.06)
    return figure


def _columns(links: pd.DataFrame) -> dict[str, int]:
    """The column of each node: the longest way to it from a source; what ends stands last."""
    column = dict.fromkeys([*links["source"], *links["target"]], 0)
    for _ in range(len(column)):
        for source, target in zip(links["source"], links["target"], strict=True):
            column[target] = max(column[target], column[source] + 1)
    last = max(column.values())
    sources = set(links["source"])
    return {node: place if node in sources else last for node, place in column.items()}


def _sizes(links: pd.DataFrame) -> dict[str, int]:
    into = links.groupby("target")["energy_wh"].sum().to_dict()
    out_of = links.groupby("source")["energy_wh"].sum().to_dict()
    return {str(n): int(max(into.get(n, 0), out_of.get(n, 0))) for n in {**into, **out_of}}


def _spans(links: pd.DataFrame, columns: dict[str, int], total: float) -> _Spans:
    """Top and bottom of each node, from 0 downwards; a node stands near what flows into it."""
    sizes, spans = _sizes(links), _Spans()
    for place in range(max(columns.values()) + 1):
        here = [node for node, at in columns.items() if at == place]
        here.sort(key=lambda node: _wanted(links, node, spans, list(columns)))
        top = 0.0
        for node in here:
            spans[node] = (top, top + sizes[node] / total)
            top = spans[node][1] + _GAP
    return spans


def _wanted(links: pd.DataFrame, node: str, spans: _Spans, order: list[str]) -> float:
    into = links[links["target"] == node]
    if into.empty:
        return float(order.index(node)) / len(order)
    middle = into["source"].map(lambda name: sum(spans[name]) / 2)
    weighted = float((middle * into["energy_wh"]).sum() / into["energy_wh"].sum())
    # Losses below the battery that comes from the same charger.
    return weighted + (0.01 if "loss" in node else 0.0)


def _draw_bands(
    axes: Axes, links: pd.DataFrame, columns: dict[str, int], spans: _Spans, total: float
) -> None:
    left = {node: span[0] for node, span in spans.items()}
    right = dict(left)
    t = np.linspace(0, 1, 60)
    smooth = t * t * (3 - 2 * t)
    rows: list[Any] = list(links.itertuples())
    starts = {}
    for row in sorted(rows, key=lambda r: (spans[r.source], spans[r.target])):
        starts[row.source, row.target] = left[row.source]
        left[row.source] += row.energy_wh / total
    for row in sorted(rows, key=lambda r: (spans[r.target], spans[r.source])):
        high = row.energy_wh / total
        begin, end = starts[row.source, row.target], right[row.target]
        right[row.target] += high
        x = columns[row.source] + _NODE + t * (columns[row.target] - columns[row.source] - _NODE)
        upper = -(begin + smooth * (end - begin))
        axes.fill_between(x, upper, upper - high, color=_COLOURS.get(row.source, MUTED),
                          alpha=0.42, linewidth=0)  # fmt: skip


def _draw_nodes(axes: Axes, links: pd.DataFrame, columns: dict[str, int], spans: _Spans) -> None:
    sizes = _sizes(links)
    sources = set(links["source"])
    for node, (top, bottom) in spans.items():
        x = columns[node]
        axes.add_patch(Rectangle((x, -bottom), _NODE, bottom - top, lw=0,
                                 fc=_COLOURS.get(node, INK)))  # fmt: skip
        is_end = node not in sources
        where = (x + _NODE, -(top + bottom) / 2) if is_end else (x, -top)
        axes.annotate(f"{node}  {energy(sizes[node])}", where,
                      xytext=(4, 0) if is_end else (0, 2), textcoords="offset points",
                      va="center" if is_end else "bottom", ha="left", fontsize=8)  # fmt: skip
