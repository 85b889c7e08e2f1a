"""The part of docs/operators.md about asking a person is followed as printed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.durable.lot import AUTHORITY, deployment_of, found, operator_keys
from tests.durable.small import lying, small_engine, small_sessions
from tests.durable.test_operator_command import PASSWORD, keystore
from tests.tools import ROOT, follow, free_port, put_command
from trading.chain import Network
from trading.chain.rebuild import rebuild
from trading.data import write_table
from trading.engine.http import serve_engine
from trading.store import open_database

pytestmark = pytest.mark.node

PAGE = ROOT / "docs" / "operators.md"


def printed(language: str) -> list[str]:
    part = PAGE.read_text(encoding="utf-8").partition("## Asking a person")[2].partition("\n## ")[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```$", part, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


def test_the_part_about_asking_is_followed_as_printed(network: Network, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing")
    consortium = found(network, quorum=1)
    for key in operator_keys()[1:]:
        consortium.remove_operator(key.address, by=AUTHORITY)
    (tmp_path / "sessions").mkdir()
    write_table(small_sessions(), tmp_path / "sessions" / "today.csv")
    (tmp_path / "market.toml").write_text("lot = 1\n", encoding="utf-8")
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    put_command(tmp_path)
    start, look, answer = printed("")
    address = f"127.0.0.1:{free_port()}"
    wait = (
        'until test "$(curl --silent -H "$PEOPLE" "http://127.0.0.1:8710/v1/batches?said=asked"'
        ' | grep -c own_vote)" = 1; do sleep 0.2; done\n'
    )
    lines = look.splitlines(keepends=True)
    script = start + lines[0] + wait + "".join(lines[1:]) + answer
    with (
        lying(),
        open_database(str(tmp_path / "engine.db")) as database,
    ):
        engine = small_engine(database, consortium)
        with serve_engine(engine, listen="127.0.0.1:0") as exchange:
            # Only where things are differs from what is printed, and whose salts there are.
            script = script.replace("http://engine:8700", exchange)
            script = script.replace("--ask findings", f"--ask findings --listen {address} --replay")
            script = script.replace("--salts salts.json", "--simulated-drivers")
            script = script.replace("127.0.0.1:8710", address)
            said = follow(
                f"{script}\nsleep 2; kill %1; wait %1 || true",
                tmp_path,
                environment={
                    "PEERCHARGE_NETWORK": str(network.w3.provider.endpoint_uri),  # type: ignore[attr-defined]
                    "PEERCHARGE_DEPLOYMENT": str(deployment_of(consortium, tmp_path)),
                    "PEERCHARGE_KEYSTORE": str(keystore(tmp_path, "one", operator_keys()[0])),
                    "PEERCHARGE_KEYSTORE_PASSWORD_FILE": str(tmp_path / "password"),
                },
                meanwhile=engine.look,
            )
    shown = json.loads((tmp_path / "batch.json").read_text())
    (example,) = (json.loads(block) for block in printed("json"))
    assert example.keys() - {"..."} <= shown.keys()
    assert example["question"].keys() - {"..."} <= shown["question"].keys()
    assert example["checks"][0].keys() == shown["checks"][0].keys()
    assert example["trades"][0].keys() - {"..."} <= shown["trades"][0].keys()
    assert shown["broken"] == example["broken"]
    assert shown["trades"][0]["energy_wh"] == example["trades"][0]["energy_wh"]
    answered = json.loads((tmp_path / "answered.json").read_text())
    assert answered["is_new"] is True
    batch = rebuild(consortium.events()).batches[shown["batch_id"]]
    assert [vote.reason for vote in batch.votes] == ["more than the battery holds"]
    token = (tmp_path / "people.token").read_text().strip()
    assert (tmp_path / "people.token").stat().st_mode & 0o077 == 0
    assert token not in said.out + said.err
    told = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    assert [line["who"] for line in told if line["event"] == "answered"] == ["night shift"]
