"""Where tests find the tools that are no Python packages, and what happens when one is missing."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from trading.errors import NodeError
from trading.network import DEFAULT_ENGINE, build, engine_named, find_binary

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
REQUIRED = {
    line.strip()
    for line in (ROOT / "tests" / "required_tools.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
}
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
