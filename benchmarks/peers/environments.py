"""The peers' environments: one each, since their dependencies exclude one another and ours.

    python -m benchmarks.peers.environments            make those that are not there
    python -m benchmarks.peers.environments acnportal  that one

An environment is made from `requirements-NAME.txt`, where every package is pinned to a version with
which the peer runs on Python 3.11. What cannot be installed is reported, and benchmarks go on
without it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent

#: The distribution on PyPI, by the name that is used here.
PEERS = {"pymarket": "pymarket", "assume": "assume-framework", "acnportal": "acnportal"}

INSTALL_LIMIT_S = 900


class PeerMissingError(Exception):
    """A peer has no environment, or does not run in it; the message is the reason."""


def main(argv: list[str] | None = None) -> int:
    """Make environments; 0 also where one cannot be made, since the benchmark does without."""
    parser = argparse.ArgumentParser(description="Make the peers' environments.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PEERS))
    names = parser.parse_args(argv).names or list(PEERS)
    unknown = sorted(set(names) - set(PEERS))
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    for name in names:
        try:
            print(f"{name}: {make(name)}")
        except PeerMissingError as missing:
            print(f"{name}: {missing}")
    return 0


def make(name: str) -> str:
    """Make the environment unless it is there with the same requirements; return its version.

    Raises:
        PeerMissingError: it cannot be installed here.
    """
    folder, pins = folder_of(name), requirements_of(name)
    stamp = folder / "installed.txt"
    if not stamp.is_file() or stamp.read_bytes() != pins.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        _called([sys.executable, "-m", "venv", str(folder)])
        pip = [str(python_of(name)), "-m", "pip", "install", "--quiet", "-r", str(pins)]
        _called(pip)
        shutil.copyfile(pins, stamp)
    return version_of(name)


def run(
    name: str, *arguments: str, script: str | None = None, limit_s: float = 300
) -> dict[str, Any]:
    """What `run_NAME.py`, or another script beside it, prints, run in the peer's environment.

    Raises:
        PeerMissingError: it has no environment, fails, or takes more than `limit_s` seconds.
    """
    if not (folder_of(name) / "installed.txt").is_file():
        raise PeerMissingError("not installed: `make bench-peers` makes its environment")
    called = HERE / (script or f"run_{name}.py")
    command = [str(python_of(name)), "-W", "ignore", str(called), *arguments]
    # Our own packages must not be seen in there; and ASSUME writes a log where it is started.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PeerMissingError(f"stopped: it took more than {limit_s:g} s") from None
    if done.returncode != 0:
        raise PeerMissingError(f"failed: {_last_line(done.stderr)}")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def version_of(name: str) -> str:
    """The version that its requirements pin."""
    return versions_of(name)[PEERS[name]]


def versions_of(name: str) -> dict[str, str]:
    """Every pinned package of a peer and its version."""
    lines = requirements_of(name).read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return dict(pins)


def folder_of(name: str) -> Path:
    return HERE / f".venv-{name}"


def requirements_of(name: str) -> Path:
    return HERE / f"requirements-{name}.txt"


def python_of(name: str) -> Path:
    return folder_of(name) / "bin" / "python"


def _called(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise PeerMissingError(f"not installed: no end after {INSTALL_LIMIT_S} s") from None
    if done.returncode != 0:
        raise PeerMissingError(f"not installed: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
