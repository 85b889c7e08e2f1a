"""Which claim holds under which assumption, as the share of days on which it does."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from trading.reports.figures.style import INK, MUTED, new_figure, styled

_COLOURS = LinearSegmentedColormap.from_list("holds", ["#f2b68f", "#ffffff", "#8cc0de"])


@styled
def truth_figure(claims: pd.DataFrame) -> Figure:
    """One panel a lot: rows are assumptions, columns are claims, numbers are per cent of days.

    Args:
        claims: `claims` of the truth experiment.
    """
    lots = list(dict.fromkeys(claims["lot"]))
    rows = claims["assumption"].nunique()
    figure = new_figure("On how many weekdays each claim holds (%)",
                        height_in=1.3 + (0.7 + 0.24 * rows) * len(lots))  # fmt: skip
    panels = figure.subplots(len(lots), 1, sharex=True, squeeze=False)[:, 0]
    for axes, lot in zip(panels, lots, strict=True):
        _draw(axes, claims[claims["lot"] == lot], lot)
    return figure


def _draw(axes: Axes, claims: pd.DataFrame, lot: str) -> None:
    table = claims.pivot_table(
        index="assumption", columns="words", values="holds_share", sort=False
    )
    shares = table.to_numpy(float)
    axes.imshow(shares, aspect="auto", cmap=_COLOURS, vmin=0, vmax=1)
    for (row, column), share in zip(
        ((r, c) for r in range(shares.shape[0]) for c in range(shares.shape[1])),
        shares.ravel(),
        strict=True,
    ):
        axes.text(column, row, f"{share * 100:.0f}", ha="center", va="center", fontsize=8,
                  color=INK)  # fmt: skip
    axes.set_yticks(range(len(table)), list(table.index), fontsize=8)
    axes.set_xticks(range(len(table.columns)), list(table.columns), rotation=30, ha="right",
                    fontsize=8)  # fmt: skip
    axes.set_title(f"{lot}: {claims['days'].iloc[0]} days and draws", fontsize=9.5, loc="left",
                   color=MUTED)  # fmt: skip
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
