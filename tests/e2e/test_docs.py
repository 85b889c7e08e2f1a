"""README and pages of docs are followed: Python runs, commands end with 0."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.tools import ROOT, find_tool, follow, put_command

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
    put_command(tmp_path)
    follow(script, tmp_path, within_s=900, environment={"ANVIL": str(find_tool("anvil") or "")})
    written = [file for name in ("runs/*/*", "*/*.csv") for file in tmp_path.glob(name)]
    assert written
