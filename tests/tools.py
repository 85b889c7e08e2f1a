"""Where tests find the tools that are no Python packages, and what happens when one is missing."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from trading.errors import NodeError
from trading.network import DEFAULT_ENGINE, build, engine_named, find_binary
from trading.network.ports import free_ports

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
REQUIRED = {
    line.strip()
    for line in (ROOT / "tests" / "required_tools.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
}
PATIENCE_S = 120.0
"""How long tests wait for what takes a moment: a machine may have much else to do."""
_ASKED = itertools.count()
_ARCHITECTURE = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def find_tool(name: str) -> Path | None:
    """The tool in contracts/node_modules (as `npm ci` puts it there), or on PATH."""
    system = platform.system().lower()
    machine = _ARCHITECTURE.get(platform.machine().lower(), platform.machine().lower())
    package = f"{name}-{'win32' if system == 'windows' else system}-{machine}"
    packed = ROOT / "contracts" / "node_modules" / "@foundry-rs" / package / "bin" / name
    if packed.is_file():
        return packed
    found = shutil.which(name)
    return Path(found) if found else None


def need_tool(name: str) -> Path:
    """The tool, or a skip with one clear line; a failure where the tool is required."""
    return find_tool(name) or _missing(
        name, f"{name} is missing: install Node.js 20 or newer and run `npm ci` in contracts/"
    )


def need_validators() -> Path:
    """The binary of the validators, built if need be, or a skip; a failure where Go is required."""
    module = engine_named(DEFAULT_ENGINE).module
    found = find_binary(module)
    if found is None and shutil.which("go") is None:
        return _missing("go", f"Go is missing: it builds {module.name} for tests of validators")
    try:
        return found or build(module)
    except NodeError as error:
        return _missing("go", str(error))


def _missing(name: str, message: str) -> NoReturn:
    if name in REQUIRED and os.environ.get("PEERCHARGE_REQUIRE_TOOLS") == "1":
        pytest.fail(f"{message} (it is on the list of required tools)")
    pytest.skip(message)


def need_shared_data(name: str) -> Path:
    """A file of the shared data that stands beside a checkout, or a skip."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"the real data {name} is not beside this checkout")
    return path


def free_port() -> int:
    """A port that nobody has, and that no system gives to another program by itself."""
    ((port,),) = free_ports(["127.0.0.1"], 1, near=f"{os.getpid()} {next(_ASKED)}")
    return port


def put_command(folder: Path) -> Path:
    """The folder with a `peercharge` of this checkout, to put on a PATH."""
    launcher = folder / "bin" / "peercharge"
    launcher.parent.mkdir()
    launcher.write_text(
        f"#!{sys.executable}\nfrom trading.cli import main\n"
        "if __name__ == '__main__':\n    main()\n",
        encoding="utf-8",
    )
    launcher.chmod(0o755)
    return launcher.parent


class Said(NamedTuple):
    """What commands wrote to standard output and to standard error."""

    out: str
    err: str


def follow(
    script: str,
    folder: Path,
    *,
    within_s: float = 120.0,
    environment: Mapping[str, str] | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Said:
    """Run a page's commands in one shell that stops at the first that fails.

    Whatever they leave running is ended with them, however they end.

    Args:
        script: the commands, as printed.
        folder: where they run; it has a `bin` from `put_command`.
        within_s: how long all of them may take.
        environment: besides what there is.
        meanwhile: called again and again until they end.

    Raises:
        AssertionError: one failed, or all took too long; with everything they said.
    """
    own = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    files = [folder / "said-out.txt", folder / "said-err.txt"]
    until = time.monotonic() + within_s
    with files[0].open("w") as out, files[1].open("w") as err:
        shell = subprocess.Popen(
            ["bash", "-e", "-c", script],
            cwd=folder,
            env={**os.environ, **own, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            while shell.poll() is None and time.monotonic() < until:
                meanwhile()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    shell.wait(0.05)
            status = shell.poll()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    said = Said(*(file.read_text(encoding="utf-8") for file in files))
    ended = f"not ended after {within_s:g} s" if status is None else f"ended with {status}"
    assert status == 0, f"{ended}\n{said.out}\n{said.err}"
    return said
