"""`peercharge study` from the command line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.unit.cli.commands import run
from trading.data import sample_path
from trading.reports.studies import STUDIES


def test_it_lists_every_experiment_with_what_it_answers() -> None:
    code, stdout, _ = run("study", "--list")
    assert code == 0
    assert [line.split()[0] for line in stdout.splitlines()] == list(STUDIES)


def test_it_writes_tables_figures_and_says_its_findings(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, stdout, stderr = run("study", "sankey", "--days", 1, "--out", out)
    assert code == 0
    assert (out / "findings.txt").read_text(encoding="utf-8") == stdout
    assert (out / "sankey.png").read_bytes().startswith(b"\x89PNG")
    assert pd.read_csv(out / "links.csv")["energy_wh"].gt(0).all()
    assert "3 tables" in stderr


def test_files_dates_seeds_and_mechanism_reach_the_experiment(tmp_path: Path) -> None:
    file = sample_path()
    code, _, _ = run(
        "study", "forecast", "--sessions", f"garage={file}", "--from", "2019-10-29",
        "--to", "2019-10-30", "--seed", 3, "--seeds", 2, "--mechanism", "neediest",
        "--set", "v2g_share=0.5", "--out", tmp_path,
    )  # fmt: skip
    assert code == 0
    days = pd.read_csv(tmp_path / "days.csv")
    assert set(days["lot"]) == {"garage"}
    assert set(days["day"]) == {"2019-10-29", "2019-10-30"}
    assert set(days["seed"]) == {3, 4}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "name='nothing': expected one of waterfall, "),
        (["sankey", "--sessions", "=x.csv"], "--sessions='=x.csv': expected FILE or LOT=FILE"),
        (["sankey", "--sessions", "absent.csv"], "absent.csv: there is no such file"),
        (["sankey", "--seeds", "0"], "--seeds=0: expected 1 or more"),
        (["sankey", "--days", "-1"], "--days=-1: expected 1 or more, or 0 for all"),
        (["sankey", "--least-sessions", "999"], "--least-sessions=999: expected fewer"),
        (["sankey", "--from", "2019-13-01"], "--from='2019-13-01': expected a date"),
        (["sankey", "--mechanism", "best"], "--mechanism='best': expected one of pro-rata"),
        (["sankey", "--set", "nothing=1"], "--set='nothing=1': expected KEY=VALUE"),
        (["sankey", "--set", "v2g_share=x"], "expected a finite number after v2g_share="),
        (["sankey", "--set", "v2g_share=2"], "v2g_share=2.0: expected a share"),
        (["sankey", "--jobs", "0"], "--jobs=0: expected 1 process or more"),
    ],
)
def test_bad_input_is_one_message_and_no_file(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    code, stdout, stderr = run("study", *arguments, "--out", tmp_path / "out")
    assert (code, stdout) == (2, "")
    assert said in stderr
    assert len(stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
