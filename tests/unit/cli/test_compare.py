"""`peercharge compare`: one day end to end, the same bytes twice, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.cli.commands import run
from trading.data import sample_path

SMALL = ("--date", "2019-10-31", "--mechanisms", "pro-rata,mcafee", "--pricings", "middle,fixed")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("compare") / "out"
    code, stdout, stderr = run("compare", "sample", *SMALL, "--liars", 1, "--out", out)
    assert (code, stderr) == (0, "")
    return out, stdout


def test_a_day_ends_in_tables_figures_and_a_report(done: tuple[Path, str]) -> None:
    out, stdout = done
    assert sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()) == [
        "comparison.csv",
        "daily.csv",
        "figures/fairness.png",
        "figures/fairness.svg",
        "figures/misreporting.png",
        "figures/misreporting.svg",
        "figures/prices.png",
        "figures/prices.svg",
        "figures/waterfall.png",
        "figures/waterfall.svg",
        "figures/worth.png",
        "figures/worth.svg",
        "misreporting.csv",
        "over_days.csv",
        "report.html",
        "timing.csv",
        "waterfall.csv",
    ]
    assert f"Report: {out / 'report.html'}" in stdout
    assert all(len(line) <= 80 for line in stdout.splitlines() if str(out) not in line)
    table = pd.read_csv(out / "comparison.csv")
    assert table["mechanism"].tolist() == [
        "uncontrolled",
        "V1G",
        "V1G with peers",
        "pro-rata",
        "pro-rata",
        "mcafee",
    ]
    assert (table["budget_residual_ueur"].dropna() == 0).all()
    report = (out / "report.html").read_text(encoding="utf-8")
    assert report.index("data:image/png") < report.index("<table")
    assert "pro-rata, fixed" in report


def test_the_same_seed_gives_the_same_bytes(done: tuple[Path, str], tmp_path: Path) -> None:
    first = done[0]
    sessions = sample_path()
    code, _, _ = run(
        "compare", sessions, "--format", "acn", *SMALL, "--liars", 1, "--out", tmp_path / "again"
    )
    assert code == 0
    for file in sorted(first.rglob("*")):
        if file.is_file() and file.name not in ("timing.csv", "report.html"):
            again = tmp_path / "again" / file.relative_to(first)
            assert again.read_bytes() == file.read_bytes(), file.name


def test_json_has_the_rows_of_the_tables(tmp_path: Path) -> None:
    code, stdout, _ = run(
        "compare", "sample", *SMALL, "--liars", 0, "--json", "--out", tmp_path / "out"
    )
    found = json.loads(stdout)
    assert code == 0
    assert set(found) == {
        "comparison",
        "waterfall",
        "misreporting",
        "timing",
        "daily",
        "over_days",
    }
    assert found["misreporting"] == []
    peers = found["comparison"][2]
    assert (peers["mechanism"], peers["trades"], peers["welfare_share"]) == (
        "V1G with peers",
        None,
        1.0,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample", "--mechanisms", "mcaffee"), "--mechanisms='mcaffee': expected one of"),
        (("sample", "--pricings", "midmarket"), "did you mean 'mid-market'?"),
        (
            ("sample", "--pricings", "fixed:0.4,fraction:2"),
            "--pricings='fraction:2': expected",
        ),
        (("sample", "--mechanisms", ""), "--mechanisms='': expected one or more of"),
        (("elsewhere.csv",), "--format=None: expected the format of the file, such as acn"),
        (("elsewhere.csv", "--format", "acn"), "elsewhere.csv"),
        (("sample", "--replacement-spread", "2"), "--replacement-spread=2.0: expected a share"),
        (("sample", "--liars", "-1"), "--liars=-1: expected 0 or more"),
        (("sample", "--date", "2020-01-01"), "--date='2020-01-01': expected days with sessions"),
    ],
)
def test_bad_input_is_one_message_and_writes_nothing(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    code, stdout, stderr = run("compare", *arguments, "--out", tmp_path / "out")
    assert (code, stdout) == (2, "")
    assert message in stderr
    assert len(stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_help_names_what_is_registered() -> None:
    code, stdout, _ = run("compare", "--help")
    assert code == 0
    for name in ("uniform-price", "mid-market", "desl", "anchored-departure"):
        assert name in stdout


def test_equipment_comes_from_a_file_and_the_report_says_what_it_rules_out(tmp_path: Path) -> None:
    lot = tmp_path / "lot.toml"
    lot.write_text("[connection]\nlimit_kw = 30\n[pv]\npower_kw = 5\n", encoding="utf-8")
    arguments = ("--date", "2019-10-31", "--mechanisms", "muda", "--liars", 0, "--lot", lot)
    code, stdout, _ = run("compare", "sample", *arguments, "--out", tmp_path / "out")
    assert code == 0
    assert "No share of the best: where connection, cables or a roof matter" in stdout
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert (table["peak_w"] <= 30_000).all()
    assert table["welfare_share"].isna().all()
