"""docs/operations.md is followed from its first command to its last, on four validators."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.test_docs import blocks
from tests.tools import ROOT, find_tool, free_port, need_validators
from trading.network import find

PAGE = "docs/operations.md"
PORTS = ("8700", "8711", "8712", "8713", "8714")


def with_free_ports(script: str) -> str:
    free: set[int] = set()
    while len(free) < len(PORTS):
        free.add(free_port())
    for port, other in zip(PORTS, sorted(free), strict=True):
        script = re.sub(rf"\b{port}\b", str(other), script)
    return script


def commands() -> str:
    return "\n".join(blocks(PAGE, ""))


@pytest.mark.full
@pytest.mark.node
def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    need_validators()
    if find_tool("curl") is None:
        pytest.skip("curl is missing")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name, program in {
        "python": 'exec {python} "$@"',
        "peercharge": 'exec {python} -c "from trading.cli import main; main()" "$@"',
    }.items():
        launcher = binaries / name
        launcher.write_text(f"#!/bin/sh\n{program.format(python=sys.executable)}\n", "utf-8")
        launcher.chmod(0o755)
    own = {name: text for name, text in os.environ.items() if not name.startswith("PEERCHARGE_")}
    environment = own | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    log = tmp_path / "printed"
    with log.open("w", encoding="utf-8") as stream:
        shell = subprocess.Popen(
            ["sh", "-e", "-c", with_free_ports(commands())],
            cwd=tmp_path,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # A group of its own, so that services end with it whatever happens.
            start_new_session=True,
        )
        try:
            code = shell.wait(1_800)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            folder = tmp_path / "consortium" / "network"
            if (folder / "network.json").exists():
                find(folder).down()
    printed = log.read_text(encoding="utf-8")
    assert code == 0, printed
    assert printed.count("\nno differences\n") == 4
    assert "28 batches: 28 settled" in printed
    assert "holds no seat in this consortium" in printed


def test_the_page_names_commands_that_there_are() -> None:
    from trading.cli import app

    names = {command.name for command in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names |= {group.name if isinstance(group.name, str) else group.typer_instance.info.name}
    named = set(re.findall(r"\bpeercharge ([a-z-]+)", commands()))
    assert named
    assert named <= names
