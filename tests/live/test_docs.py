"""docs/acts.md is followed: every command as printed, against a lot that trades."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_docs import blocks
from tests.tools import ROOT
from tests.web.test_docs import free_port

PAGE = "docs/acts.md"


def test_the_page_is_followed_as_printed(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing")
    launcher = tmp_path / "bin" / "peercharge"
    launcher.parent.mkdir()
    launcher.write_text(
        f"#!{sys.executable}\nfrom trading.cli import main\n"
        "if __name__ == '__main__':\n    main()\n",
        encoding="utf-8",
    )
    launcher.chmod(0o755)
    port = free_port()
    # Only the address differs from what is printed: another may be taken on this machine.
    script = "\n".join(blocks(PAGE, "")).replace(
        "live --tokens", f"live --tokens --listen 127.0.0.1:{port}"
    )
    script = script.replace("127.0.0.1:8800", f"127.0.0.1:{port}")
    process = subprocess.Popen(
        ["bash", "-e", "-o", "pipefail", "-c", f"{script}\nkill $!\nwait $!"],
        cwd=tmp_path,
        env=os.environ
        | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _said, complained = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, complained
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
