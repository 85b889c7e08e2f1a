"""`docs/data.md` says what is in every column and key that is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trading.engine import CaseStudyOptions, CaseStudyResult, DayResult, run_case_study
from trading.reports.case_figures import CASE_FIGURES
from trading.reports.case_study import case_tables_of
from trading.reports.figures import FIGURES
from trading.reports.files import SUMMARY_KEYS, tables_of

PAGE = Path(__file__).parents[3] / "docs" / "data.md"


def section(title: str) -> str:
    """The text below a heading, up to the next one of its rank."""
    marks = title.split(" ")[0]
    (found,) = re.findall(
        rf"^{re.escape(title)}[^\n]*\n(.*?)(?=^#{{2,{len(marks)}}} |\Z)",
        PAGE.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    return found


def named(text: str) -> set[str]:
    """Names in the tables of a text, in whichever cell they come first."""
    cells = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("|")]
    return {name for row in cells for cell in row for name in re.findall(r"`([^`]+)`", cell)}


@pytest.fixture(scope="module")
def study() -> CaseStudyResult:
    return run_case_study(CaseStudyOptions(buyers=2, sellers=2))


def test_every_column_of_a_day_is_documented_in_its_files_table(day: DayResult) -> None:
    for name, table in tables_of(day).items():
        assert set(table.columns) == named(section(f"### `{name}`")), name


def test_every_key_of_the_summary_is_documented(day: DayResult) -> None:
    assert set(SUMMARY_KEYS) == named(section("### `summary.json`"))


def test_every_column_and_key_of_the_case_study_is_documented(study: CaseStudyResult) -> None:
    own = named(section("### The case study's files"))
    shared = named(section("## Files out"))
    for name, table in case_tables_of(study).items():
        assert set(table.columns) <= (shared if f"### `{name}`" in PAGE.read_text() else own), name
    assert set(study.summary) <= own | set(SUMMARY_KEYS)


def test_every_figure_is_documented() -> None:
    assert all(f"`{entry.file_name}`" in section("### Report") for entry in FIGURES.values())
    names = [entry.file_name for entry in CASE_FIGURES.values()]
    text = section("### The case study's files")
    assert names[0] in text
    assert names[-1] in text
