"""The Solidity side: what is committed is what the sources compile to, and forge's tests pass."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from benchmarks import gas
from tests.tools import ROOT, need_tool

CONTRACTS = ROOT / "contracts"

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("forge")]


def run(*command: str, profile: str = "default") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "FOUNDRY_SOLC": str(CONTRACTS / "tools" / "solc.js"),
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_PROFILE": profile,
    }
    return subprocess.run(
        command,
        cwd=CONTRACTS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def test_artifacts_are_what_the_sources_compile_to():
    need_tool("node")
    done = run(sys.executable, "build.py", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_forge_tests_pass():
    need_tool("node")
    done = run(str(need_tool("forge")), "test")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) tests passed, 0 failed, 0 skipped", done.stdout)
    assert passed, done.stdout[-2000:]
    assert int(passed[1]) > 100


def test_solidity_is_formatted_and_free_of_lint():
    need_tool("node")
    forge = str(need_tool("forge"))
    formatted = run(forge, "fmt", "--check")
    assert formatted.returncode == 0, formatted.stdout
    linted = run(
        forge, "lint", "--deny", "warnings", "--out", "cache/lint", "--cache-path", "cache/lint"
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_gas_is_at_most_one_percent_above_what_is_committed():
    need_tool("node")
    need_tool("forge")
    measured = gas.recorded(gas.measure())
    committed = json.loads(gas.RESULTS.read_text(encoding="utf-8"))
    assert {way: row.keys() for way, row in measured.items()} == {
        way: row.keys() for way, row in committed.items()
    }
    risen = {
        f"{way} {size}": (committed[way][size], found)
        for way, row in measured.items()
        for size, found in row.items()
        if found > committed[way][size] * 1.01
    }
    assert not risen, "gas per trade rose (committed, measured); `make gas` accepts it"
    assert all(measured["aggregated"][size] <= bar for size, bar in gas.BARS.items())


@pytest.mark.full
def test_forge_tests_pass_with_many_runs():
    need_tool("node")
    done = run(str(need_tool("forge")), "test", profile="full")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


@pytest.mark.full
def test_every_finding_of_slither_is_answered():
    need_tool("node")
    need_tool("forge")
    done = run(sys.executable, "tools/analyse.py")
    if done.returncode == 3:
        pytest.skip("slither is missing: run `make proof-tools`")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_symbolic_proofs_hold():
    need_tool("node")
    need_tool("forge")
    done = run(sys.executable, "tools/prove.py")
    if done.returncode == 3:
        pytest.skip("halmos is missing: run `make proof-tools`")
    assert done.returncode == 0, done.stdout + done.stderr
