"""`peercharge sweep`: what it says, what it exits with, and that it survives being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.cli.commands import run
from tests.unit.study.plans import ONE_FAILS, SMALL, TWENTY_FOUR
from trading.study import read_plan

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "sweep.toml"
    file.write_text(TWENTY_FOUR, encoding="utf-8")
    return file


def test_it_says_how_many_scenarios_before_it_starts(config: Path, tmp_path: Path) -> None:
    code, stdout, stderr = run("sweep", config, "--out", tmp_path / "out", "--jobs", 1)
    assert code == 0
    assert stderr.startswith(f"{config}: 24 scenarios; running 24 in this process.\n")
    assert "energy from peers" in stdout
    assert f"Results: {tmp_path / 'out' / 'results.parquet'}" in stdout
    assert len(pd.read_parquet(tmp_path / "out" / "results.parquet")) == 24
    assert not (tmp_path / "out" / "results.csv").exists()


def test_a_second_call_runs_nothing_and_can_write_csv(config: Path, tmp_path: Path) -> None:
    run("sweep", config, "--out", tmp_path / "out", "--jobs", 1)
    code, stdout, stderr = run("sweep", config, "--out", tmp_path / "out", "--csv", "--json")
    assert code == 0
    assert "24 are ready; running 0" in stderr
    assert json.loads(stdout) == {
        "scenarios": 24,
        "ready_before": 24,
        "failures": 0,
        "results": str(tmp_path / "out" / "results.parquet"),
    }
    assert len(pd.read_csv(tmp_path / "out" / "results.csv")) == 24


def test_a_dry_run_counts_and_writes_nothing(config: Path, tmp_path: Path) -> None:
    code, stdout, stderr = run("sweep", config, "--out", tmp_path / "out", "--dry-run")
    assert (code, stdout, stderr) == (0, "", f"{config}: 24 scenarios\n")
    assert list(tmp_path.iterdir()) == [config]


def test_repeats_and_crossed_thresholds_are_counted(tmp_path: Path) -> None:
    config = tmp_path / "sweep.toml"
    config.write_text(
        "skip_crossed_thresholds = true\n"
        + SMALL
        + "[grid]\nbuyer_threshold = [0.6, 0.9]\n"
        + "[sample]\nn = 4\n[sample.ranges]\nseed = [1, 2]\n",
        encoding="utf-8",
    )
    _, _, stderr = run("sweep", config, "--out", tmp_path / "out", "--dry-run")
    assert stderr == (
        f"{config}: 4 scenarios (2 repeat another and are computed once) "
        "(4 more are left out, T_b above T_s)\n"
    )


def test_the_example_is_printed_and_is_a_valid_file(tmp_path: Path) -> None:
    code, stdout, _ = run("sweep", "--example")
    assert code == 0
    (tmp_path / "sweep.toml").write_text(stdout, encoding="utf-8")
    assert len(read_plan(tmp_path / "sweep.toml").scenarios) == 120


def test_failures_are_told_at_the_end_and_exit_with_1(config: Path, tmp_path: Path) -> None:
    config.write_text(ONE_FAILS, encoding="utf-8")
    code, stdout, stderr = run("sweep", config, "--out", tmp_path / "out", "--jobs", 1)
    assert code == 1
    assert "(2 scenarios, took" in stdout
    failures = tmp_path / "out" / "failures.csv"
    assert stderr.splitlines()[-1].startswith(
        f"peercharge: 1 of 3 scenarios have no result; {failures} says why, the first: OptionError"
    )


def test_a_bad_file_exits_with_2_and_leaves_nothing(config: Path, tmp_path: Path) -> None:
    config.write_text("[grid]\nv2g_shares = [0.5]\n", encoding="utf-8")
    code, stdout, stderr = run("sweep", config, "--out", tmp_path / "out")
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"peercharge: {config}: grid.v2g_shares: not a key; expected one of ")
    assert stderr.endswith("; did you mean 'v2g_share'?\n")
    assert list(tmp_path.iterdir()) == [config]


# ---------------------------------------------------------------------- signals

LONG = """
[base]
date = "2019-11-02"
interval_s = 900
[sample]
n = 200
[sample.ranges]
v2g_share = { low = 0.1, high = 1.0 }
"""


@contextmanager
def running(config: Path, out: Path, jobs: int) -> Iterator[subprocess.Popen[str]]:
    """A sweep as a process of its own that has kept some results and is far from its end."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from trading.cli import main; main()"),
            *("sweep", str(config), "--out", str(out), "--jobs", str(jobs)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until_s = time.monotonic() + PATIENCE_S
        while len(list((out / "parts").glob("*.parquet"))) < 2:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < until_s
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def children_of(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text(encoding="utf-8").split()
    ]


def have_ended(pids: list[int]) -> bool:
    """Whether none of them is left within a while."""
    until_s = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}").exists() and not _is_dead(pid) for pid in pids):
        if time.monotonic() > until_s:
            return False
        time.sleep(0.05)
    return True


def _is_dead(pid: int) -> bool:
    """A process that has ended, but whose end nobody has asked for yet."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            == "Z"
        )
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds children in /proc")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_that_is_killed_goes_on_and_ends_with_the_same_file(
    tmp_path: Path, jobs: int
) -> None:
    config = tmp_path / "sweep.toml"
    config.write_text(LONG, encoding="utf-8")
    with running(config, tmp_path / "killed", jobs) as process:
        children = children_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert have_ended(children)
    assert not (tmp_path / "killed" / "results.parquet").exists()
    code, stdout, _ = run("sweep", config, "--out", tmp_path / "killed", "--jobs", 1, "--json")
    assert code == 0
    assert 0 < json.loads(stdout)["ready_before"] < 200
    run("sweep", config, "--out", tmp_path / "whole", "--jobs", 1)
    found, expected = (
        (tmp_path / name / "results.parquet").read_bytes() for name in ("killed", "whole")
    )
    assert found == expected


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds children in /proc")
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    config = tmp_path / "sweep.toml"
    config.write_text(LONG, encoding="utf-8")
    out = tmp_path / "out"
    with running(config, out, 2) as process:
        children = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert have_ended(children)
    assert process.returncode == 130
    last = stderr.splitlines()[-2:]
    assert last[0].startswith("Interrupted with ")
    assert last[0].endswith(f" of 200 scenarios done, kept in {out}. To go on:")
    assert last[1] == f"  peercharge sweep {config} --out {out} --jobs 2"
    assert "Traceback" not in stderr
