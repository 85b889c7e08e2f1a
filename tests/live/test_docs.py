"""docs/acts.md is followed: every command as printed, against a lot that trades."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_docs import blocks
from tests.tools import follow, free_port, put_command

PAGE = "docs/acts.md"


def test_the_page_is_followed_as_printed(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing")
    put_command(tmp_path)
    port = free_port()
    # Only the address differs from what is printed: another may be taken on this machine.
    script = "\n".join(blocks(PAGE, "")).replace(
        "live --tokens", f"live --tokens --listen 127.0.0.1:{port}"
    )
    script = script.replace("127.0.0.1:8800", f"127.0.0.1:{port}")
    follow(f"set -o pipefail\n{script}\nkill $!\nwait $!", tmp_path)
    names = ("preview.json", "sent.json", "refused.json", "done.json")
    for name, printed in zip(names, blocks(PAGE, "json"), strict=True):
        assert_as_printed(json.loads((tmp_path / name).read_text()), json.loads(printed), name)
    outlook = json.loads((tmp_path / "outlook.json").read_text())
    assert set(outlook) >= {"now", "at_departure", "grid_only", "saved_ueur"}
    act = json.loads((tmp_path / "act.json").read_text())
    assert (act["wallet"], act["is_accepted"]) == ("simulated", True)


def assert_as_printed(found: Any, printed: Any, where: str) -> None:
    """Whether an answer is what the page shows, where that does not stand for anything."""
    if isinstance(printed, dict):
        assert set(found) >= set(printed) - {"..."}, where
        for name in set(printed) - {"..."}:
            assert_as_printed(found[name], printed[name], f"{where}.{name}")
    elif printed not in ("...", "0x...", 0, ["..."]):
        if isinstance(printed, list):
            assert len(found) == len(printed), where
            for one, other in zip(found, printed, strict=True):
                assert_as_printed(one, other, where)
        else:
            assert found == printed, where
