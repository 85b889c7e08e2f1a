"""Folders of finished runs, as `--out` of the commands writes them: one folder a run."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from trading.errors import InputError
from trading.web.problems import Problem
from trading.web.rows import RunRow

REPORT = "report.html"
SUMMARY = "summary.json"
FIGURES = "figures"
CSV_ENDING, PARQUET_ENDING = ".csv", ".parquet"
PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}
"""How a figure's name ends, and what it then is."""
_TABLES = (CSV_ENDING, PARQUET_ENDING)


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs in one folder. What is not listed cannot be asked for, links included."""

    folder: Path

    def listed(self) -> list[RunRow]:
        """All runs by name: folders with a report, a summary or a table."""
        try:
            places = [p for p in self.folder.iterdir() if p.is_dir() and not p.is_symlink()]
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be read ({error.strerror})") from None
        rows = [_row(place) for place in sorted(places) if not place.name.startswith(".")]
        return [row for row in rows if row is not None]

    def run(self, name: str) -> RunRow:
        """One run.

        Raises:
            Problem: 404, there is none of this name.
        """
        found = next((row for row in self.listed() if row.name == name), None)
        if found is None:
            raise Problem(404, "there is no such run", "GET /api/v1/runs lists them.")
        return found

    def summary(self, name: str) -> dict[str, Any]:
        """What a run wrote into `summary.json`; empty where it wrote none."""
        self.run(name)
        path = self.folder / name / SUMMARY
        if not _is_plain(path):
            return {}
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise Problem(409, f"{SUMMARY} of this run cannot be read") from None
        return told if isinstance(told, dict) else {}

    def table(self, name: str, table: str) -> tuple[pd.DataFrame, int]:
        """A table of a run, and when it was written, in nanoseconds.

        Raises:
            Problem: 404, there is none; 409, it cannot be read.
        """
        if table not in self.run(name).tables:
            raise _no_file(name)
        path = self.folder / name / table
        try:
            is_csv = path.suffix == CSV_ENDING
            # A column has one type, however long the file is.
            frame = pd.read_csv(path, low_memory=False) if is_csv else pd.read_parquet(path)
            return frame, path.stat().st_mtime_ns
        except (OSError, ValueError, pd.errors.EmptyDataError):
            raise Problem(409, f"{table} of this run cannot be read as a table") from None

    def file(self, name: str, table: str) -> BinaryIO:
        """A table as it was written, open.

        Raises:
            Problem: 404, there is none; 409, it cannot be read.
        """
        if table not in self.run(name).tables:
            raise _no_file(name)
        try:
            return (self.folder / name / table).open("rb")
        except OSError:
            raise Problem(409, f"{table} of this run cannot be read") from None

    def figure(self, name: str, figure: str) -> bytes:
        """A picture of a run, in the format that its name ends with.

        Raises:
            Problem: 404, there is none.
        """
        if figure not in self.run(name).figures:
            raise _no_file(name)
        return (self.folder / name / FIGURES / figure).read_bytes()

    def report(self, name: str) -> str:
        """The report of a run, HTML.

        Raises:
            Problem: 404, it has none.
        """
        if not self.run(name).has_report:
            raise _no_file(name)
        return (self.folder / name / REPORT).read_text(encoding="utf-8")


def _row(place: Path) -> RunRow | None:
    tables = sorted(p.name for p in place.iterdir() if p.suffix in _TABLES and _is_plain(p))
    figures = place / FIGURES
    pictures = (
        sorted(p.name for p in figures.iterdir() if p.suffix in PICTURES and _is_plain(p))
        if figures.is_dir() and not figures.is_symlink()
        else []
    )
    has_report = _is_plain(place / REPORT)
    if not (tables or has_report or _is_plain(place / SUMMARY)):
        return None
    written = max(p.stat().st_mtime for p in place.iterdir())
    return RunRow(
        name=place.name,
        finished_at=dt.datetime.fromtimestamp(int(written), dt.UTC),
        has_report=has_report,
        tables=tables,
        figures=pictures,
    )


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _no_file(name: str) -> Problem:
    return Problem(404, "this run has no such file", f"GET /api/v1/runs/{name} lists its files.")
