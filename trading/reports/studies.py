"""Every experiment by name: what computes it, how it is drawn, and what is said of it.

A new experiment is a file in `trading.study.experiments`, a figure, a function of findings, and one
entry of `STUDIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from matplotlib.figure import Figure

from trading.data.csv import write_table
from trading.data.output import output_folder
from trading.reports import findings
from trading.reports.figures.beyond import beyond_figure
from trading.reports.figures.break_even import break_even_figure
from trading.reports.figures.connection import connection_figure
from trading.reports.figures.forecast import forecast_figure
from trading.reports.figures.sankey import sankey_figure
from trading.reports.figures.style import png_bytes
from trading.reports.figures.tornado import tornado_figure
from trading.reports.figures.truth import truth_figure
from trading.reports.figures.waterfall import WATERFALL_COLUMNS, waterfall_figure
from trading.study import experiments
from trading.study.experiments import Over, StudyOptions, Tables

FINDINGS_NAME = "findings.txt"


class _Run(Protocol):
    def __call__(self, options: StudyOptions, *, over: Over) -> Tables: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One experiment.

    Attributes:
        title: what it answers, in a few words.
        run: computes its tables.
        findings: sentences about them.
        figures: what is drawn of the tables, by file name.
        defaults: fields of `StudyOptions` with which it ends within a minute on the sample.
    """

    title: str
    run: _Run
    findings: Callable[[Tables], list[str]]
    figures: Mapping[str, Callable[[Tables], Figure]]
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _steps_figure(tables: Tables) -> Figure:
    """The means of the steps, as the waterfall of a report shows them."""
    steps = tables["steps"].rename(columns={"step": "label"})[list(WATERFALL_COLUMNS)]
    steps["label"] = steps["label"].str.replace("V1G with peers", "V1G with peers\n(optimum)")
    return waterfall_figure(steps.round().convert_dtypes())


STUDIES: Mapping[str, Study] = MappingProxyType(
    {
        "waterfall": Study(
            title="what trading adds beyond smart charging",
            run=experiments.waterfall,
            findings=findings.waterfall_findings,
            figures={
                "waterfall.png": _steps_figure,
                "beyond_v1g.png": lambda tables: beyond_figure(tables["beyond_v1g"]),
            },
            defaults={"seeds": 2},
        ),
        "break-even": Study(
            title="at which prices trading pays",
            run=experiments.break_even,
            findings=findings.break_even_findings,
            figures={"break_even.png": lambda tables: break_even_figure(tables["map"])},
            defaults={"most_days": 2},
        ),
        "connection": Study(
            title="what a smaller grid connection does",
            run=experiments.connection,
            findings=findings.connection_findings,
            figures={"connection.png": lambda tables: connection_figure(tables["limits"])},
        ),
        "tornado": Study(
            title="what the result depends on",
            run=experiments.tornado,
            findings=findings.tornado_findings,
            figures={"tornado.png": tornado_figure},
            defaults={"most_days": 2, "samples": 200},
        ),
        "forecast": Study(
            title="what estimated departures cost",
            run=experiments.forecast,
            findings=findings.forecast_findings,
            figures={"forecast.png": lambda tables: forecast_figure(tables["plans"])},
            defaults={"seeds": 2},
        ),
        "sankey": Study(
            title="where a day's energy came from and went",
            run=experiments.sankey,
            findings=findings.sankey_findings,
            figures={"sankey.png": lambda tables: sankey_figure(tables["links"])},
        ),
        "truth": Study(
            title="which claims of the source hold, and on how many weekdays",
            run=experiments.truth,
            findings=findings.truth_findings,
            figures={"truth.png": lambda tables: truth_figure(tables["claims"])},
        ),
    }
)
"""Every experiment by the name that users type."""


def write_study(study: Study, tables: Tables, directory: Path) -> list[str]:
    """Write tables as CSV, figures as PNG and the findings; returns the findings.

    Raises:
        OptionError: `directory` cannot be written; then nothing in it has changed.
    """
    said = study.findings(tables)
    pictures = {name: png_bytes(draw(tables)) for name, draw in study.figures.items()}
    with output_folder(directory) as folder:
        for name, table in tables.items():
            write_table(table, folder / f"{name}.csv")
        for name, png in pictures.items():
            (folder / name).write_bytes(png)
        text = "\n".join(said) + "\n"
        (folder / FINDINGS_NAME).write_text(text, encoding="utf-8", newline="\n")
    return said
