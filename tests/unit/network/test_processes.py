"""A process is ended when it is the one that was started, and never when it is another."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.tools import PATIENCE_S
from trading.errors import NodeError
from trading.network.processes import Process, began, end, launch, wait_for_end

LONG = "sleep 60"
DEAF = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"


def shell(script: str, log: Path) -> Process:
    return launch(["/bin/sh", "-c", script], log)


def wait_until_said(log: Path, word: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not log.exists() or word not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < until, f"the process never said {word}"
        time.sleep(0.01)


def test_process_outlives_its_launch_and_ends_when_asked(tmp_path: Path) -> None:
    process = shell(f"exec {LONG}", tmp_path / "log")
    assert process.is_running()
    assert os.getsid(process.pid) != os.getsid(0)
    end(process)
    assert not process.is_running()
    end(process)


def test_process_that_does_not_listen_is_ended_by_force(tmp_path: Path) -> None:
    process = shell(DEAF, tmp_path / "log")
    wait_until_said(tmp_path / "log", "deaf")
    end(process, patience_s=0.2)
    assert not process.is_running()


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    other = shell(f"exec {LONG}", tmp_path / "log")
    try:
        end(Process(pid=other.pid, began="an earlier time"))
        assert other.is_running()
    finally:
        end(other)


def test_began_tells_two_processes_apart(tmp_path: Path) -> None:
    first = shell("exit 0", tmp_path / "log")
    assert wait_for_end(first, 10)
    assert began(os.getpid()) is not None
    assert began(os.getpid()) != first.began


def test_log_holds_what_both_launches_said(tmp_path: Path) -> None:
    log = tmp_path / "a folder" / "log"
    log.parent.mkdir()
    for word in ("one", "two"):
        assert wait_for_end(shell(f"echo {word}; echo {word}! >&2", log), 10)
    assert log.read_text(encoding="utf-8").split() == ["one", "one!", "two", "two!"]


def test_keys_of_the_caller_are_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERCHARGE_KEY", "secret")
    monkeypatch.setenv("OTHER", "kept")
    log = tmp_path / "log"
    assert wait_for_end(shell("env", log), 10)
    said = log.read_text(encoding="utf-8")
    assert "OTHER=kept" in said
    assert "secret" not in said


def test_signal_to_a_process_of_another_account_is_refused() -> None:
    if os.geteuid() == 0:
        pytest.skip("root may signal every process")
    started = began(1)
    assert started is not None
    with pytest.raises(NodeError, match="belongs to another account"):
        end(Process(pid=1, began=started))
