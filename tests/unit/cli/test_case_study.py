"""The command `case-study` and what it writes."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from tests.unit.cli.commands import run
from trading.engine import CaseStudyOptions, Consensus, run_case_study
from trading.fleet import Thresholds
from trading.reports.case_figures import CASE_FIGURES
from trading.reports.case_study import case_report_html, case_result_table, draw_case_figures
from trading.reports.case_tables import claims_table

SMALL = ("--buyers", 5, "--sellers", 4, "--seed", 3)
TABLES = {
    "fleet.csv",
    "roles.csv",
    "trades.csv",
    "vehicles.csv",
    "load.csv",
    "transactions.csv",
    "chain.csv",
    "claims.csv",
    "truth_table.csv",
}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case") / "out"
    code, _stdout, stderr = run("case-study", "--out", folder, *SMALL)
    assert (code, stderr) == (0, "")
    return folder


def test_every_file_is_written(out):
    figures = {f"figures/{entry.file_name}" for entry in CASE_FIGURES.values()}
    assert {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()} == {
        *TABLES,
        *figures,
        "summary.json",
        "report.html",
    }


def test_the_same_seed_gives_the_same_bytes_in_every_table(out, tmp_path):
    assert run("case-study", "--out", tmp_path, *SMALL)[0] == 0
    for name in (*TABLES, "summary.json"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name


def test_match_on_the_fleet_gives_the_same_roles_and_trades(out, tmp_path):
    code, _, _ = run("match", out / "fleet.csv", "--price", "0.40", "--out", tmp_path)
    assert code == 0
    assert (tmp_path / "roles.csv").read_bytes() == (out / "roles.csv").read_bytes()
    matched = pd.read_csv(tmp_path / "trades.csv")
    pd.testing.assert_frame_equal(matched, pd.read_csv(out / "trades.csv")[list(matched.columns)])


def test_json_prints_the_summary_that_is_written(out, tmp_path):
    code, stdout, _ = run("case-study", "--out", tmp_path, *SMALL, "--json")
    assert code == 0
    summary = json.loads(stdout)
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["settled"] == summary["trades"] > 0
    assert summary["energy_traded_wh"] == summary["missing_wh"]


def test_claims_are_whole_numbers_beside_fractions(out):
    claims = pd.read_csv(out / "claims.csv", dtype=str).set_index("key")
    assert claims.at["grid_wh", "without_p2p"].isdigit()
    assert 0 < float(claims.at["supply_to_demand", "with_p2p"]) < 2
    assert set(claims["holds"].dropna()) == {"yes"}


def test_no_number_is_cut_short_in_80_columns():
    result = run_case_study(CaseStudyOptions())
    console = Console(file=io.StringIO(), width=80)
    console.print(case_result_table(result))
    text = console.file.getvalue()
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
    cells = text.split()
    for group in claims_table(result).groups:
        for row in group.rows:
            _quantity, without, with_p2p, *_ = row.cells
            assert set(without.split() + with_p2p.split()) <= set(cells)


class _Report(HTMLParser):
    """What a browser would load, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, _tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(html: str) -> _Report:
    report = _Report()
    report.feed(html)
    return report


def test_the_report_opens_offline_with_all_figures_in_it(out):
    report = read((out / "report.html").read_text(encoding="utf-8"))
    assert len(report.sources) == len(CASE_FIGURES)
    assert all(source.startswith("data:image/png;base64,") for source in report.sources)


def test_the_report_lists_every_assumption_and_the_truth_table(out):
    text = read((out / "report.html").read_text(encoding="utf-8")).text
    for words in (
        "reconstruction",
        "Number of vehicles: 5 drawn from the buyers' range and 4",
        "as likely as the others",
        "Price P =",
        "Grid tariff",
        "Chargers of 11",
        "steps of 6",
        "the source states no order",
        "sellers refill in the same lot",
        "price above the tariff",
        "losses and wear",
        "missing from the sellers' batteries",
    ):
        assert words in text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    "options",
    [
        CaseStudyOptions(buyers=1, sellers=1),
        CaseStudyOptions(buyers=45, sellers=3),
        CaseStudyOptions(buyers=3, sellers=3, thresholds=Thresholds(seller=0.99)),
        CaseStudyOptions(buyers=3, sellers=3, thresholds=Thresholds(buyer=0.10)),
        CaseStudyOptions(buyers=3, sellers=3, consensus=Consensus(conducts=("silent",) * 2)),
        CaseStudyOptions(buyers=3, sellers=3, consensus=Consensus(conducts=("contrary",) * 2)),
    ],
    ids=[
        "one of each",
        "more than have room",
        "nobody sells",
        "nobody buys",
        "nothing confirmed",
        "all rejected",
    ],
)
def test_figures_and_report_are_drawn_whatever_happened(options):
    result = run_case_study(replace(options, seed=1))
    figures = draw_case_figures(result)
    assert all(png.startswith(b"\x89PNG") for png in figures.values())
    assert "Peer-to-peer" in read(case_report_html(result, figures)).text
