"""`simulate` from a file of one's own to the files it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.cli.commands import run, run_process
from trading.cli.help import _LISTS
from trading.data import sample_path

STAYS = """session_id,arrival,departure,battery_capacity_wh,soc_arrival,need_wh
red,2026-06-01T06:00:00Z,2026-06-01T09:00:00Z,60000,0.35,14000
blue,2026-06-01T06:10:00.25Z,2026-06-01T09:00:00Z,80000,0.92,0
green,2026-06-01T07:00:00Z,2026-06-01T08:30:00Z,40000,0.55,3000
"""


def simulate(home: Path, *options: object) -> Path:
    """The folder that a run writes."""
    stays, out = home / "stays.csv", home / "out"
    stays.write_text(STAYS)
    given = (stays, "--format", "peercharge", "--interval", "60min")
    code, _, stderr = run("simulate", *given, "--out", out, *options)
    assert (code, stderr) == (0, "")
    return out


def test_the_same_bytes_whatever_the_folder_and_the_hash_seed(tmp_path: Path) -> None:
    written = []
    for name, hash_seed in (("one", 1), ("a much longer name", 2)):
        home = tmp_path / name
        home.mkdir()
        (home / "stays.csv").write_text(STAYS)
        done = run_process(
            *("simulate", "stays.csv", "--format", "peercharge", "--out", "out"),
            *("--interval", "60min"),
            folder=home,
            hash_seed=hash_seed,
        )
        assert (done.returncode, done.stderr) == (0, "")
        files = {file.name: file.read_bytes() for file in (home / "out").glob("*.*")}
        del files["report.html"]
        written.append(files)
    assert set(written[0]) == {
        *("trades.csv", "vehicles.csv", "load.csv", "chain.csv", "scenarios.csv", "baselines.csv"),
        "summary.json",
    }
    assert written[0] == written[1]
    assert len(written[0]["trades.csv"].splitlines()) > 1


def test_a_fraction_of_a_second_shows_in_its_own_cell_only(tmp_path: Path) -> None:
    vehicles = (simulate(tmp_path) / "vehicles.csv").read_text().splitlines()
    arrivals = [line.split(",")[2] for line in vehicles[1:]]
    assert arrivals == [
        "2026-06-01T06:00:00Z",
        "2026-06-01T06:10:00.25Z",
        "2026-06-01T07:00:00Z",
    ]


def test_trades_below_the_smallest_are_left_to_the_grid(tmp_path: Path) -> None:
    trades = pd.read_csv(simulate(tmp_path) / "trades.csv")
    smallest = int(trades["energy_wh"].min())
    out = simulate(tmp_path, "--smallest-trade", smallest + 1, "--json")
    kept = pd.read_csv(out / "trades.csv")
    assert kept["energy_wh"].min() > smallest
    assert json.loads((out / "summary.json").read_text())["dust_wh"] > 0


@pytest.mark.parametrize("command", ["simulate", "demo", "case-study"])
def test_help_shows_every_flag_and_names_what_is_registered(command: str) -> None:
    code, stdout, _ = run(command, "--help")
    assert code == 0
    assert not any(mark in stdout for mark in _LISTS)
    if command == "simulate":
        assert "--smallest-trade" in stdout
        words = " ".join(stdout.replace("│", " ").split())
        assert "as far as departures are as planned" in words


@pytest.mark.parametrize(
    ("option", "typed", "expected"),
    [
        ("--meter-interval", "7min", "1 min or more that divide the market interval of 30 min"),
        ("--meter-interval", "7", "1 min or more that divide the market interval of 30 min"),
        ("--settlement-interval", "45m", "a multiple of the market interval of 30 min"),
        ("--interval", "7", "1 to 60 minutes that divide the day evenly"),
    ],
)
def test_a_length_of_time_is_refused_as_it_was_typed(option, typed, expected, tmp_path):
    given = ("--format", "acn", "--interval", "30min", option, typed)
    code, _, stderr = run("simulate", sample_path(), *given, "--out", tmp_path / "out")
    assert code == 2
    assert f"{option}={typed!r}: expected {expected}" in stderr
