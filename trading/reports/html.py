"""The report: one HTML file with everything in it, which opens offline and needs no JavaScript."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from trading.engine import DayResult
from trading.reports import content, story
from trading.reports.figures import FIGURES, png_bytes
from trading.reports.numbers import count

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:kWh|kW|Wh|EUR|%|min)\b|%)")
_THRESHOLD = re.compile(r"\bT_([bs])\b")


def draw_figures(result: DayResult) -> dict[str, bytes]:
    """Every registered figure as PNG, by its name in `FIGURES`."""
    return {name: png_bytes(entry.draw(result)) for name, entry in FIGURES.items()}


def write_report(
    result: DayResult,
    path: Path,
    *,
    site: str = "",
    command: str = "",
    figures: Mapping[str, bytes] | None = None,
) -> None:
    """Write the report of a day as one self-contained HTML file.

    Args:
        result: the day.
        path: the file; its folder exists.
        site: the site's name, such as "the Caltech garage"; without it the city of its time zone.
        command: the command line that repeats the run; without it as much as the result knows.
        figures: PNGs by name where they are drawn already (`draw_figures`).
    """
    path.write_text(
        report_html(result, site=site, command=command, figures=figures),
        encoding="utf-8",
        newline="\n",
    )


def report_html(
    result: DayResult,
    *,
    site: str = "",
    command: str = "",
    figures: Mapping[str, bytes] | None = None,
) -> str:
    """The text of the report; arguments as for `write_report`."""
    drawn = figures if figures is not None else draw_figures(result)
    summary = result.summary
    return template_named("report.html.j2").render(
        site=story.site_of(result, site),
        day=story.day_of(result),
        zone=result.sessions.zone,
        summary=summary,
        n_stays=count(len(result.run.stays)),
        headline=story.headline(result),
        second_line=story.second_line(result),
        beyond_line=story.beyond_line(result),
        range_line=story.range_line(result),
        peak_line=story.peak_line(result),
        honest=content.honest_table(result),
        remarks=story.table_remarks(result),
        figures=embedded(FIGURES, drawn),
        statuses=content.status_table(result),
        operators=content.operator_table(result),
        reasons=content.reason_table(result),
        events=content.event_table(result),
        gas=count(int(summary["gas_used"])),
        gas_per_trade=count(int(summary["gas_per_trade"])),
        energy=content.energy_table(result),
        money=content.money_table(result),
        wallets=content.wallets_line(result),
        meters=content.meters_line(result),
        residuals=content.residual_lines(result),
        sensitivity=content.sensitivity_table(result),
        assumptions=result.assumptions,
        network_note=result.network_note,
        notes=result.sessions.notes,
        left_out=content.left_out_table(result),
        command=command or story.command_of(result),
        all_figures=content.summary_table(result.summary),
    )


class Shown(Protocol):
    """What a report has to know of a figure."""

    @property
    def title(self) -> str:
        """A few words."""

    @property
    def caption(self) -> str:
        """The sentences below it."""

    @property
    def alt(self) -> str:
        """What it shows, for those who cannot see it."""


def embedded(entries: Mapping[str, Shown], drawn: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """Figures as a template takes them: the PNG inside the text, with title, caption and alt."""
    return {
        name: {
            "source": "data:image/png;base64," + base64.b64encode(drawn[name]).decode(),
            "title": entry.title,
            "caption": entry.caption,
            "alt": entry.alt,
        }
        for name, entry in entries.items()
    }


@cache
def template_named(name: str) -> Template:
    """A template of this package; `parts.html.j2` and `style.css` are what reports share."""
    environment = Environment(
        loader=PackageLoader("trading.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["prose"] = _prose
    return environment.get_template(name)


def _prose(sentence: str) -> Markup:
    """A sentence as HTML: backticks set code, thresholds get their subscript, units stay put."""
    parts = [
        Markup("<code>{}</code>").format(part) if n % 2 else part
        for n, part in enumerate(_BEFORE_UNIT.sub("\u00a0", sentence).split("`"))
    ]
    # A plain str: on Markup, `sub` would escape what it puts in.
    text = str(Markup("").join(parts))
    return Markup(_THRESHOLD.sub(r"T<sub>\1</sub>", text))
