"""docs/api.md is followed: every command as printed, against the service as it is started there."""

from __future__ import annotations

import json
import re
import shutil

import pandas as pd
import pytest

from tests.e2e.test_docs import blocks
from tests.tools import ROOT, follow, free_port, put_command
from tests.web.lot import door_to
from tests.web.test_access import CONSORTIUM, LOT, MATRIX

PAGE = "docs/api.md"
TOKEN = "the-token-that-the-engine-asks-for"


@pytest.fixture
def folder(copied, tmp_path):
    """What the page takes for granted: an engine's database, a finished run, the command."""
    run = tmp_path / "runs" / "monday"
    run.mkdir(parents=True)
    (run / "report.html").write_text("<html>monday</html>")
    pd.DataFrame({"time": ["2026-01-01T00:00:00Z"], "w": [5]}).to_csv(run / "load.csv", index=False)
    put_command(tmp_path)
    return tmp_path


def test_the_page_is_followed_as_printed(filled, copied, folder, tmp_path_factory):
    if shutil.which("curl") is None:
        pytest.skip("curl is missing")
    commands = blocks(PAGE, "")
    assert filled.driver in "".join(commands)
    with door_to(tmp_path_factory.mktemp("engine") / "x.db", asked=TOKEN) as door:
        script = "\n".join(commands)
        script = script.replace("--database engine.db", f"--database {copied}")
        script = script.replace("http://127.0.0.1:8700", str(door.address))
        port = free_port()
        # Only addresses differ from what is printed: others may be taken on this machine.
        script = script.replace(
            "--development-issuer", f"--development-issuer --listen 127.0.0.1:{port}"
        )
        script = script.replace("127.0.0.1:8800", f"127.0.0.1:{port}")
        said = follow(f"{script}\nkill $!\nwait $! || true", folder)
    expected = [json.loads(text) for text in blocks(PAGE, "json")]
    assert json.loads((folder / "sent.json").read_text()) == expected[1]
    assert json.loads((folder / "again.json").read_text()) == expected[1] | {"new": 0, "known": 1}
    assert json.loads((folder / "refused.json").read_text()) == expected[2]
    assert len(pd.read_csv(folder / "trades.csv")) == len(filled.trades)
    assert len(pd.read_parquet(folder / "batches.parquet")) == filled.trades["batch_id"].nunique()
    assert "event: BatchSettled" in (folder / "events.txt").read_text()
    assert "event: SessionTaken" in (folder / "journal.txt").read_text()
    assert "monday" in (folder / "report.html").read_text()
    lines = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    assert [line["who"] for line in lines if line.get("event") == "sessions taken"] == [
        "development-aggregator"
    ] * 2
    token = (folder / "tokens.txt").read_text().split()[1]
    assert token not in said.out + said.err


def test_the_table_of_routes_is_whole():
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    table = [
        line.split("|") for line in text.splitlines() if line.startswith(("| `GET", "| `POST"))
    ]
    found = {}
    for _, told, *cells in (line[:-1] for line in table):
        names = re.findall(r"`([^`]+)`", told)
        method = names[0].split()[0]
        roles = {
            role
            for role, cell in zip(
                ("driver", "aggregator", "operator", "authority"), cells, strict=True
            )
            if cell.strip()
        }
        base = names[0].split()[1]
        for name in names:
            path = name.split()[-1]
            if path.startswith("..."):
                path = "/runs/{run}" + path[3:]
            found[method, path] = roles
        assert base
    mapped = {
        (method, re.sub(r"\{(session_id|trade_id|batch_id)\}", "{id}", path)
         .replace("{account}", "{number}").removeprefix("/api/v1")): roles
        for (method, path), roles in MATRIX.items()
    }  # fmt: skip
    everybody = {"driver", "aggregator", "operator", "authority"}
    assert found == {key: roles or everybody for key, roles in mapped.items()}
    assert everybody == CONSORTIUM | LOT
