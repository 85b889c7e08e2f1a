"""README and pages of docs are followed: Python runs, commands end with 0."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.tools import ROOT, find_tool

PAGES = (
    "README.md",
    "docs/comparison.md",
    "docs/experiments.md",
    "docs/sweep.md",
    "docs/tutorial.md",
)


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


@pytest.mark.parametrize("page", PAGES)
def test_python_in_the_docs_runs(page):
    found = blocks(page, "python")
    assert found
    for code in found:
        exec(compile(code, page, "exec"), {"__name__": "__main__"})


def commands() -> list[str]:
    """Each shell block, the tutorial's demonstration of `make` left to CI itself."""
    found = [block for page in PAGES[1:] for block in blocks(page, "")]
    return [block for block in found if "make" not in block]


@pytest.mark.parametrize("script", commands(), ids=lambda text: shlex.quote(text[:50]))
def test_commands_in_the_tutorial_run(script, tmp_path):
    if "anvil" in script and find_tool("anvil") is None:
        pytest.skip("anvil is missing: run `npm ci` in contracts/")
    (tmp_path / "trading").symlink_to(ROOT / "trading")
    environment = os.environ | {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ANVIL": str(find_tool("anvil") or ""),
    }
    launcher = tmp_path / "bin" / "peercharge"
    launcher.parent.mkdir()
    launcher.write_text(
        f"#!{sys.executable}\nfrom trading.cli import main\n"
        "if __name__ == '__main__':\n    main()\n",
        encoding="utf-8",
    )
    launcher.chmod(0o755)
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = [file for name in ("runs/*/*", "*/*.csv") for file in tmp_path.glob(name)]
    assert written
