"""docs/consortium.md is followed from its first command to its last, on a node that runs.

The page's shell runs as it stands, but `peercharge` in it is a client of this process, which runs
the command with the client's variables: starting Python for each would take two minutes.
"""

from __future__ import annotations

import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_account import Account
from typer.testing import CliRunner

from tests.e2e.test_docs import blocks
from tests.tools import ROOT, need_tool
from trading.chain import open_network
from trading.chain.networks.anvil import find_anvil
from trading.cli import app

PAGE = "docs/consortium.md"
NODES = "http://node-1:8545,http://node-2:8545"
CLIENT = """#!{python} -S
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect({path!r})
    own = {{k: v for k, v in os.environ.items() if k.startswith("PEERCHARGE_")}}
    s.sendall(json.dumps([sys.argv[1:], own]).encode() + b"\\n")
    code, out, err = json.loads(s.makefile().read())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


class Runner(socketserver.StreamRequestHandler):
    """Runs one command for a client."""

    def handle(self) -> None:
        arguments, variables = json.loads(self.rfile.readline())
        result = CliRunner().invoke(app, arguments, env=variables)
        answer = [result.exit_code, result.stdout, result.stderr]
        self.wfile.write(json.dumps(answer).encode())


@contextmanager
def peercharge_in(folder: Path) -> Iterator[None]:
    """Put the client there as `peercharge`, and serve it."""
    path = folder / "socket"
    client = folder / "peercharge"
    client.write_text(CLIENT.format(python=sys.executable, path=str(path)), encoding="utf-8")
    client.chmod(0o755)
    with socketserver.UnixStreamServer(str(path), Runner) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.node
def test_every_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_anvil() is None:
        need_tool("anvil")
    script = "\n".join(blocks(PAGE, ""))
    assert NODES in script
    for name in [name for name in os.environ if name.startswith("PEERCHARGE_")]:
        monkeypatch.delenv(name)
    # scrypt is slow on purpose; the keystores of this test hold nothing.
    monkeypatch.setattr(Account, "_default_kdf", "pbkdf2")
    home, binaries = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    binaries.mkdir()
    monkeypatch.chdir(home)
    with open_network("anvil") as node, peercharge_in(binaries):
        address = node.w3.provider.endpoint_uri  # type: ignore[attr-defined]
        done = subprocess.run(
            ["sh", "-e", "-c", script.replace(NODES, f"{address},{address}")],
            cwd=home,
            env=os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout[done.stdout.rindex('{\n  "deployment"') :])
    assert [one["seat"] for one in shown["operators"]] == [1, 2, 4]
    assert shown["quorum"] == 3
    assert shown["lots"] == {"1": 1}
    assert shown["deposits_ueur"] == 0
    assert "limits: buys up to 0.45 EUR/kWh" in done.stdout
    assert "buys up to 0.40 EUR/kWh" in done.stdout
    assert "free: 12.50 EUR -> 0.00 EUR" in done.stdout
    assert not list(home.glob(".*"))


def test_commands_of_the_page_on_privacy_are_among_them() -> None:
    named = "".join(blocks("docs/privacy.md", "")).splitlines()
    assert named
    assert set(named) <= set("".join(blocks(PAGE, "")).splitlines())


def test_the_table_names_every_command_of_the_authority() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    named = set(re.findall(r"`admin ([a-z-]+)", text))
    group = next(group for group in app.registered_groups if group.name == "admin")
    assert group.typer_instance is not None
    assert named == {command.name for command in group.typer_instance.registered_commands}
