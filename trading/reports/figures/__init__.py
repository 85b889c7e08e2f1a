"""The figures of a day: each a function of its result, registered once with file and caption.

    from trading.reports.figures import FIGURES, png_bytes

    png = png_bytes(FIGURES["load"].draw(result))

A new figure is one function and one entry of `FIGURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from matplotlib.figure import Figure

from trading.engine import DayResult
from trading.reports.figures.ledger import batches_figure
from trading.reports.figures.lot import load_figure, soc_figure
from trading.reports.figures.scenarios import cost_figure, energy_figure, sensitivity_figure
from trading.reports.figures.style import png_bytes
from trading.reports.figures.waterfall import waterfall_figure

__all__ = [
    "FIGURES",
    "FigureEntry",
    "batches_figure",
    "cost_figure",
    "energy_figure",
    "load_figure",
    "png_bytes",
    "sensitivity_figure",
    "soc_figure",
    "waterfall_figure",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureEntry:
    """One figure of the report.

    Attributes:
        title: a few words.
        file_name: under `figures/`.
        draw: makes it.
        caption: what the reader sees and how to read it.
        alt: what it shows, for those who cannot see it.
    """

    title: str
    file_name: str
    draw: Callable[[DayResult], Figure]
    caption: str
    alt: str


FIGURES: Mapping[str, FigureEntry] = MappingProxyType(
    {
        "waterfall": FigureEntry(
            title="What smart charging adds, and what trading adds to it",
            file_name="waterfall.png",
            draw=lambda result: waterfall_figure(result.baselines),
            caption=(
                "The same day, step by step: everybody charges on arrival; the cheapest and then "
                "flattest charging without discharge (V1G), found with all departures known; the "
                "same with peers; and this run. Trading is worth what it adds beyond V1G. Striped: "
                "more than in the row above."
            ),
            alt="Waterfalls of cost, peak and energy from uncontrolled charging to this run.",
        ),
        "load": FigureEntry(
            title="Load from the grid, with and without peers",
            file_name="load.png",
            draw=load_figure,
            caption=(
                "Mean charging power in each interval. The blue area is drawn from the grid and "
                "the green one on top of it comes from peers; the black line is what the grid "
                "would have to deliver if nobody traded and everybody charged on arrival. Dots "
                "mark both peaks."
            ),
            alt="Load of the lot over the day from the grid and from peers, with both peaks.",
        ),
        "energy": FigureEntry(
            title="Where each kWh came from",
            file_name="energy.png",
            draw=energy_figure,
            caption=(
                "Energy from the grid and from peers in each scenario, at the chargers' meters, "
                "and on the same scale the energy that batteries lack at departure. What is "
                "missing has to be bought elsewhere, so it belongs to every reading of the left "
                "side."
            ),
            alt="Bars of energy from grid, from peers and missing, a row for each scenario.",
        ),
        "cost": FigureEntry(
            title="What all drivers pay",
            file_name="cost.png",
            draw=cost_figure,
            caption=(
                "All drivers' net cost. What buyers pay to sellers stays among drivers; only the "
                "lot's fee leaves them. Below: a trade makes sense only between the seller's floor "
                "(replacement over round-trip efficiency, plus wear) and the buyer's ceiling (the "
                "lot's own tariff)."
            ),
            alt="Bars of the drivers' cost in its parts, and the prices between floor and ceiling.",
        ),
        "soc": FigureEntry(
            title="State of charge",
            file_name="soc.png",
            draw=soc_figure,
            caption=(
                "Each line is one stay, from the state of charge on arrival (open) to that at "
                "departure (filled). Dashed: the thresholds below which a vehicle buys (T_b) and "
                "above which it may sell (T_s). Ringed vehicles leave with less than they need."
            ),
            alt="State of charge of every stay on arrival and at departure, by role.",
        ),
        "batches": FigureEntry(
            title="The batches of the day",
            file_name="batches.png",
            draw=batches_figure,
            caption=(
                "The life of the batches: submitted and pending, confirmed when a quorum of "
                "operators agreed, settled after power had flowed. Middle: trades of each interval "
                "by final status. Bottom: chain time from submission to decision."
            ),
            alt="Counts of batches by state, trades by interval and status, time to decision.",
        ),
        "sensitivity": FigureEntry(
            title="How the energy traded depends on what was inferred",
            file_name="sensitivity.png",
            draw=sensitivity_figure,
            caption=(
                "State of charge and battery capacity were inferred. The same day under other "
                "rules and other seeds trades more or less: the whole range, not one dot of it, is "
                "the result."
            ),
            alt="Range of the energy traded for each rule that assigns state of charge.",
        ),
    }
)
"""Every figure by name, in the order of the report."""
