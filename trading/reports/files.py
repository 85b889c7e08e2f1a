"""A day's result as files, complete or not at all; names and columns are fixed (`docs/data.md`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from trading.data.csv import write_table
from trading.data.output import output_folder
from trading.engine.result import CHAIN_COLUMNS, TRADE_COLUMNS, DayResult
from trading.reports.figures import FIGURES
from trading.reports.html import draw_figures, write_report

REPORT_NAME = "report.html"
SUMMARY_KEYS = (
    "energy_traded_wh",
    "trades",
    "pending",
    "confirmed",
    "settled",
    "rejected",
    "cancelled",
    "expired",
    "blocked",
    "dust_wh",
    "missing_wh",
    "cost_grid_only_ueur",
    "cost_with_p2p_ueur",
    "peak_grid_only_w",
    "peak_with_p2p_w",
    "gas_used",
    "gas_per_trade",
    "network",
    "chain_id",
    "contract_address",
    "guarantee",
    "seed",
    "version",
)
"""Keys of `summary.json`, in its order."""


def tables_of(result: DayResult) -> dict[str, pd.DataFrame]:
    """The tables that are written, by file name."""
    return {
        "trades.csv": result.trades.reindex(columns=list(TRADE_COLUMNS)),
        "vehicles.csv": result.accounts.vehicles,
        "load.csv": result.accounts.load,
        "chain.csv": result.chain.reindex(columns=list(CHAIN_COLUMNS)),
        "scenarios.csv": result.scenarios,
        "baselines.csv": result.baselines,
    }


def write_day(result: DayResult, directory: Path, *, site: str = "", command: str = "") -> Path:
    """Write tables, summary, figures and report into `directory`; files of these names give way.

    Args:
        result: the day.
        directory: made if need be.
        site: as for `write_report`.
        command: as for `write_report`.

    Returns:
        the path of the report.

    Raises:
        OptionError: `directory` cannot be written; then nothing in it has changed.
    """
    figures = draw_figures(result)
    with output_folder(directory) as folder:
        summary = {key: result.summary[key] for key in SUMMARY_KEYS}
        pictures = {FIGURES[name].file_name: png for name, png in figures.items()}
        write_parts(folder, tables_of(result), summary, pictures)
        write_report(result, folder / REPORT_NAME, site=site, command=command, figures=figures)
    return directory / REPORT_NAME


def write_parts(
    folder: Path,
    tables: Mapping[str, pd.DataFrame],
    summary: Mapping[str, int | str | float],
    figures: Mapping[str, bytes],
) -> None:
    """Write what stands beside a report: tables and PNGs by file name, and `summary.json`."""
    for name, table in tables.items():
        write_table(table, folder / name)
    text = json.dumps(dict(summary), indent=2, ensure_ascii=False) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8", newline="\n")
    (folder / "figures").mkdir()
    for name, png in figures.items():
        (folder / "figures" / name).write_bytes(png)
