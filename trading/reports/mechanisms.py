"""The comparison of mechanisms as files, a report and a table for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from matplotlib.figure import Figure
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trading.data import Sessions, write_table
from trading.reports import mechanism_tables as tables
from trading.reports.figures.mechanisms import (
    fairness_figure,
    misreporting_figure,
    price_figure,
    steps_figure,
    waterfall_of,
    worth_figure,
)
from trading.reports.figures.style import png_bytes, svg_bytes
from trading.reports.files import REPORT_NAME
from trading.reports.html import embedded, template_named
from trading.reports.numbers import NOTHING, energy, money, percent, power
from trading.study.compare import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a report says of where its numbers come from.

    Attributes:
        site: name of the lot.
        sessions: as they were read.
        command: the command line that repeats the run.
    """

    site: str
    sessions: Sessions
    command: str

    @property
    def days(self) -> str:
        """The local days of the arrivals, first to last."""
        local = self.sessions.frame["arrival"].dt.tz_convert(self.sessions.zone)
        first, last = local.min(), local.max()
        said = [f"{day:%A} {day.day} {day:%B %Y}" for day in (first, last)]
        return said[0] if said[0] == said[1] else " to ".join(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    title: str
    file_name: str
    draw: Callable[[Comparison], Figure]
    caption: str
    alt: str


COMPARISON_FIGURES: Mapping[str, _Entry] = MappingProxyType(
    {
        "waterfall": _Entry(
            title="What smart charging adds, and what trading adds to it",
            file_name="waterfall.png",
            draw=steps_figure,
            caption=(
                "Cost of all drivers, peak and energy from the grid, each row against the one "
                "above. Uncontrolled: everyone charges on arrival. V1G: charging at its best "
                "times, nobody discharges. With peers: the best with discharging too. Both know "
                "all days beforehand. Last: a market, which does not."
            ),
            alt="Bars of cost, peak and grid energy for baselines and one market.",
        ),
        "worth": _Entry(
            title="What is traded, and who has what of its worth",
            file_name="worth.png",
            draw=worth_figure,
            caption=(
                "Left: energy traded. Right: welfare, split into what buyers save, what sellers "
                "gain after replacement and wear, and what the lot keeps. Dashed: the best there "
                "is with peers. A market without a bar had no price that both sides would take. "
                "Where hourly prices, limits or early leavers matter, parties gain or lose by more "
                "than the trades themselves, and the parts need not add up to the number."
            ),
            alt="Bars of traded energy and of welfare by party, a row for each market.",
        ),
        "prices": _Entry(
            title="Prices and rational limits",
            file_name="prices.png",
            draw=price_figure,
            caption=(
                "What buyers pay (range over the trades, filled dot the mean by energy) and what "
                "sellers get (open dot). The orange band spans the sellers' floors, the blue line "
                "is the buyers' ceiling: a trade needs a floor below its price and a ceiling above."
            ),
            alt="Range and mean of prices for each market, between floors and ceiling.",
        ),
        "fairness": _Entry(
            title="How evenly trades are spread",
            file_name="fairness.png",
            draw=fairness_figure,
            caption=(
                "Jain's index over buyers (energy from peers, of what each required) and over "
                "sellers (energy to peers, of what each had to offer). Who got nothing counts with "
                "0, also where no partner was there in time."
            ),
            alt="Jain's index for buyers and sellers, a row for each market.",
        ),
        "misreporting": _Entry(
            title="What it brings to say what is not true",
            file_name="misreporting.png",
            draw=misreporting_figure,
            caption=(
                "Some vehicles misreport one thing in turn, and the days run again. From the bar, "
                "the mean over the liars, to the mark, the most that one of them gained. Right of "
                "0 lying pays."
            ),
            alt="Mean and highest gain from each false report, by mechanism and side.",
        ),
    }
)
"""Every figure by name, in the order of the report."""


def write_comparison(result: Comparison, about: About, folder: Path) -> Path:
    """Write tables, figures and report into `folder`, which exists.

    All but `timing.csv`, and the report that repeats it, are the same bytes for the same input.

    Returns:
        the path of the report.
    """
    drawn = {name: entry.draw(result) for name, entry in COMPARISON_FIGURES.items()}
    figures = {name: png_bytes(figure) for name, figure in drawn.items()}
    for name, table in comparison_tables(result).items():
        write_table(table, folder / name)
    (folder / "figures").mkdir()
    for name, figure in drawn.items():
        file = folder / "figures" / COMPARISON_FIGURES[name].file_name
        file.write_bytes(figures[name])
        file.with_suffix(".svg").write_bytes(svg_bytes(figure))
    html = comparison_html(result, about, figures)
    (folder / REPORT_NAME).write_text(html, encoding="utf-8", newline="\n")
    return folder / REPORT_NAME


def comparison_tables(result: Comparison) -> dict[str, pd.DataFrame]:
    """The tables that are written, by file name."""
    waterfall = waterfall_of(result)
    by_day = {"daily.csv": result.daily, "over_days.csv": result.over_days}
    return {
        "comparison.csv": result.table,
        "waterfall.csv": waterfall.assign(label=waterfall["label"].str.replace("\n", " ")),
        "misreporting.csv": result.misreporting,
        "timing.csv": result.timing,
        **{name: table for name, table in by_day.items() if not table.empty},
    }


def comparison_html(result: Comparison, about: About, figures: Mapping[str, bytes]) -> str:
    """The report: one HTML file with everything in it, which opens offline."""
    return template_named("mechanisms.html.j2").render(
        site=about.site,
        days=about.days,
        zone=about.sessions.zone,
        n_stays=len(result.stays),
        seed=result.stays.rules.seed,
        headline=tables.headline(result),
        second_line=tables.second_line(result),
        steps_line=tables.steps_line(result),
        limits_line=tables.limits_line(result),
        is_alike=tables.is_alike(result),
        comparison=tables.comparison_table(result),
        over_days=tables.over_days_table(result),
        misreporting=tables.misreporting_table(result),
        misreporting_line=tables.misreporting_line(result),
        timing=tables.timing_table(result),
        assumptions=tables.assumptions(result),
        notes=about.sessions.notes,
        command=about.command,
        figures=embedded(COMPARISON_FIGURES, figures),
    )


def comparison_summary(result: Comparison) -> dict[str, list[dict[str, object]]]:
    """All tables as rows for JSON; what is empty is null."""
    return {
        name.removesuffix(".csv"): [
            {str(key): tables.plain(value) for key, value in row.items()}
            for row in table.to_dict("records")
        ]
        for name, table in comparison_tables(result).items()
    }


SHOWN = (
    ("welfare", "EUR", "welfare_ueur", money),
    ("of the", "best", "welfare_share", percent),
    ("traded", "kWh", "traded_wh", energy),
    ("missing", "kWh", "missing_wh", energy),
    ("peak", "kW", "peak_w", power),
    ("buyers", "EUR", "buyers_saving_ueur", money),
    ("sellers", "EUR", "sellers_gain_ueur", money),
    ("lot", "EUR", "lot_spread_ueur", money),
)
"""What the terminal shows: two lines of a head, column, form. All else is in the files."""
LONGEST_LABEL = len("V1G with peers")
"""What leaves the numbers their room in 80 columns."""


def result_text(result: Comparison, about: About) -> RenderableType:
    """The main numbers, a line a baseline or market, in 80 columns."""
    shown = Table(
        title=f"{about.site}, {about.days}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        show_edge=False,
    )
    shown.add_column("", no_wrap=True)
    for first, second, _, _ in SHOWN:
        shown.add_column(f"{first}\n{second}", justify="right", no_wrap=True)
    counts = result.table["mechanism"].value_counts()
    before = kind = "baseline"
    for _, row in result.table.iterrows():
        if row["kind"] != kind:
            shown.add_section()
            kind = row["kind"]
        name = str(row["mechanism"])
        label = name
        if counts[name] > 1:
            if name != before:
                shown.add_row(name)
            label = f" {row['pricing']}"
            if len(label) > LONGEST_LABEL:
                label = label.replace(":", ":\n  ")
        before = name
        shown.add_row(label, *(_cell(row[column], form) for _, _, column, form in SHOWN))
    parts: list[RenderableType] = [shown]
    if beyond := tables.beyond_line(result):
        parts.append(Text(beyond))
    if result.no_share:
        parts.append(Text(f"No share of the best: {result.no_share}."))
    return Group(*parts)


def _cell(value: float, form: Callable[..., str]) -> str:
    return NOTHING if pd.isna(value) else form(value)
