"""`peercharge serve` with a way to the chain: what it shows, and sends with the key it is given."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.durable.lot import AUTHORITY, deployment_of, found
from tests.durable.small import small_engine
from tests.durable.test_operator_command import PASSWORD, keystore
from tests.tools import PATIENCE_S, ROOT
from trading.chain import Consortium, Key, Network
from trading.store import open_database

pytestmark = pytest.mark.node

CHANGE = {"change": "set-quorum", "quorum": 2}


@contextmanager
def served(consortium: Consortium, folder: Path, key: Key | None) -> Iterator[httpx.Client]:
    """The service as its command starts it; asks as the authority."""
    database = folder / "engine.db"
    with open_database(str(database)) as opened:
        small_engine(opened, consortium).look()
    (folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if key is not None:
        environment |= {
            "PEERCHARGE_KEYSTORE": str(keystore(folder, "key", key)),
            "PEERCHARGE_KEYSTORE_PASSWORD_FILE": str(folder / "password"),
        }
    url = consortium.network.w3.provider.endpoint_uri  # type: ignore[attr-defined]
    program = [sys.executable, "-c", "from trading.cli import main; main()", "serve",
               "--database", str(database), "--simulated-drivers", "--replay",
               "--development-issuer", "--listen", "127.0.0.1:0",
               "--deployment", str(deployment_of(consortium, folder)),
               "--network", str(url)]  # fmt: skip
    told = folder / "told"
    with told.open("wb") as stream:
        process = subprocess.Popen(program, env=environment, stdout=stream, stderr=stream)
    try:
        until = time.monotonic() + PATIENCE_S
        while not (at := re.search(r"serving (http://\S+)", told.read_text())):
            assert process.poll() is None, told.read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        token = next(
            line.split()[1] for line in told.read_text().splitlines() if line[:9] == "authority"
        )
        headers = {"Authorization": f"Bearer {token}"}
        base = f"{at[1]}/api/v1"
        with httpx.Client(
            base_url=base, headers=headers, trust_env=False, timeout=PATIENCE_S
        ) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, told.read_text()
    finally:
        process.kill()
        process.wait()


def test_it_sends_a_change_with_the_authoritys_key(network: Network, tmp_path: Path) -> None:
    consortium = found(network)
    with served(consortium, tmp_path, AUTHORITY) as client:
        shown = client.post("/consortium/changes/preview", json=CHANGE).json()
        assert (shown["is_accepted"], shown["is_sent_here"]) == (True, True)
        assert shown["call"]["sender"] == AUTHORITY.address
        sent = client.post(
            "/consortium/changes", json={"change": CHANGE, "digest": shown["digest"]}
        )
    assert sent.status_code == 200, sent.text
    assert sent.json()["differences"][0]["after"] == "2"
    assert consortium.quorum() == 2


@pytest.mark.parametrize("key", [None, Key.demonstration(0, "somebody")], ids=["none", "another"])
def test_without_that_key_it_shows_and_names_the_command(
    network: Network, tmp_path: Path, key: Key | None
) -> None:
    consortium = found(network)
    with served(consortium, tmp_path, key) as client:
        shown = client.post("/consortium/changes/preview", json=CHANGE).json()
        assert (shown["is_accepted"], shown["is_sent_here"]) == (True, False)
        answer = client.post(
            "/consortium/changes", json={"change": CHANGE, "digest": shown["digest"]}
        )
    assert answer.status_code == 503
    assert "peercharge admin set-quorum 2" in answer.json()["hint"]
    assert consortium.quorum() == 3
