"""The case study as files, a report and a console table; names and columns are fixed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trading.data.output import output_folder
from trading.engine import CaseStudyResult
from trading.reports import case_tables
from trading.reports.case_figures import CASE_FIGURES
from trading.reports.content import summary_table
from trading.reports.figures.style import png_bytes
from trading.reports.files import REPORT_NAME, write_parts
from trading.reports.html import embedded, template_named
from trading.reports.numbers import count, things

_MIXED = ("without_p2p", "with_p2p", "change")


def case_tables_of(result: CaseStudyResult) -> dict[str, pd.DataFrame]:
    """The tables that are written, by file name; `fleet.csv` is what `peercharge match` reads."""
    return {
        "fleet.csv": result.fleet,
        "roles.csv": result.roles,
        "trades.csv": result.trades,
        "vehicles.csv": result.accounts.vehicles,
        "load.csv": result.load,
        "transactions.csv": result.transactions,
        "chain.csv": result.chain,
        # As text: whole numbers and fractions share these columns.
        "claims.csv": result.claims.astype(dict.fromkeys(_MIXED, "str")),
        "truth_table.csv": result.truth_table,
    }


def write_case_study(result: CaseStudyResult, directory: Path) -> Path:
    """Write tables, summary, figures and report into `directory`; files of these names give way.

    Returns:
        the path of the report.

    Raises:
        OptionError: `directory` cannot be written; then nothing in it has changed.
    """
    figures = draw_case_figures(result)
    with output_folder(directory) as folder:
        pictures = {CASE_FIGURES[name].file_name: png for name, png in figures.items()}
        write_parts(folder, case_tables_of(result), result.summary, pictures)
        html = case_report_html(result, figures)
        (folder / REPORT_NAME).write_text(html, encoding="utf-8", newline="\n")
    return directory / REPORT_NAME


def draw_case_figures(result: CaseStudyResult) -> dict[str, bytes]:
    """Every figure as PNG, by its name in `CASE_FIGURES`."""
    return {name: png_bytes(entry.draw(result)) for name, entry in CASE_FIGURES.items()}


def case_report_html(result: CaseStudyResult, figures: Mapping[str, bytes]) -> str:
    """The report: one HTML file with everything in it, which opens offline."""
    return template_named("case_study.html.j2").render(
        summary=result.summary,
        gas_per_trade=count(int(result.summary["gas_per_trade"])),
        headline=case_tables.headline(result),
        second_line=case_tables.second_line(result),
        claims=case_tables.claims_table(result),
        truths=case_tables.truth_table(result),
        truth_numbers=case_tables.truth_numbers(result),
        transactions=case_tables.transaction_table(result),
        operators=case_tables.operator_table(result),
        assumptions=result.assumptions,
        all_figures=summary_table(result.summary),
        command=command_of(result),
        figures={
            name: {**figure, "number": CASE_FIGURES[name].number}
            for name, figure in embedded(CASE_FIGURES, figures).items()
        },
    )


def command_of(result: CaseStudyResult) -> str:
    """The command that repeats the run."""
    options = result.options
    return (
        f"peercharge case-study --out DIR --buyers {options.buyers} --sellers {options.sellers} "
        f"--seed {options.seed} --price {options.price / 1e6:g} "
        f"--grid-tariff {options.grid_tariff / 1e6:g} --priority {options.mechanism} "
        f"--operators {options.consensus.operators} --quorum {options.consensus.quorum} "
        f"--network {options.consensus.network}"
    )


def case_result_table(result: CaseStudyResult) -> RenderableType:
    """The claims and what stands beside them, for a terminal."""
    table = Table(
        title="The case study, without and with peer-to-peer",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    # Only words may wrap: a number cut short is another number.
    table.add_column("", overflow="fold")
    for head in ("without", "with"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("holds", no_wrap=True)
    for group in case_tables.claims_table(result).groups:
        table.add_row(Text(group.title, style="bold"))
        for row in group.rows:
            quantity, without, with_p2p, _change, unit, holds = row.cells
            style = {case_tables.YES: "green", case_tables.NO: "red"}.get(holds, "")
            table.add_row(quantity, without, with_p2p, unit, Text(holds, style=style))
        table.add_section()
    summary = result.summary
    said = Text(
        f"{things(len(result.transactions), 'transaction')} of the buyers with "
        f"{things(int(summary['trades']), 'trade')} went pending on {summary['network']}; "
        f"{summary['settled']} trades were confirmed and settled"
    )
    for status in ("rejected", "cancelled", "expired"):
        if summary[status]:
            said.append(f", {summary[status]} {status} and refunded")
    said.append(". The truth table in the report says which claim holds under which assumption.")
    return Group(table, said)
