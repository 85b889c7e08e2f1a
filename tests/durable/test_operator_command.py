"""`peercharge run` and `peercharge operator` as commands: two processes, one day, a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from eth_account import Account

from tests.durable.lot import AUTHORITY, deployment_of, engine_key, found, operator_keys
from tests.durable.small import small_sessions
from tests.tools import PATIENCE_S, ROOT, free_port
from trading.chain import Key, Network
from trading.chain.rebuild import rebuild
from trading.data import write_table

pytestmark = pytest.mark.node

PASSWORD = "a password of these tests"


def keystore(folder: Path, name: str, key: Key) -> Path:
    """A keystore of a demonstration key, with few rounds so that it opens at once."""
    content = Account.encrypt(key._account.key, PASSWORD, kdf="pbkdf2", iterations=1_000)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def start(command: str, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-c", "from trading.cli import main; main()", *command.split()]
    with log.open("wb") as stream:
        return subprocess.Popen(program, env=environment, stderr=stream, stdin=subprocess.DEVNULL)


def test_a_day_traded_by_two_commands(network: Network, tmp_path: Path) -> None:
    consortium = found(network, quorum=1)
    for key in operator_keys()[1:]:
        consortium.remove_operator(key.address, by=AUTHORITY)
    write_table(small_sessions(), tmp_path / "sessions.csv")
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    common = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PEERCHARGE_NETWORK": str(network.w3.provider.endpoint_uri),  # type: ignore[attr-defined]
        "PEERCHARGE_DEPLOYMENT": str(deployment_of(consortium, tmp_path)),
        "PEERCHARGE_KEYSTORE_PASSWORD_FILE": str(tmp_path / "password"),
    }
    exchange, own = (f"127.0.0.1:{free_port()}" for _ in range(2))
    sessions = str(tmp_path / "sessions.csv")
    stores = {name: str(tmp_path / f"{name}.db") for name in ("operator", "engine")}
    operator = start(
        f"operator {sessions} --database {stores['operator']} --engine http://{exchange} "
        f"--listen {own} --replay --simulated-drivers",
        {**common, "PEERCHARGE_KEYSTORE": str(keystore(tmp_path, "operator", operator_keys()[0]))},
        tmp_path / "operator.log",
    )
    engine = start(
        f"run {sessions} --database {stores['engine']} --listen {exchange} --replay "
        f"--simulated-drivers --out {tmp_path / 'out'}",
        {**common, "PEERCHARGE_KEYSTORE": str(keystore(tmp_path, "engine", engine_key()))},
        tmp_path / "engine.log",
    )
    try:
        assert engine.wait(PATIENCE_S) == 0, (tmp_path / "engine.log").read_text()
        until = time.monotonic() + PATIENCE_S
        while (
            health := httpx.get(f"http://{own}/health", trust_env=False, timeout=PATIENCE_S).json()
        )["open_batches"]:
            assert time.monotonic() < until, health
            time.sleep(0.1)
        assert health["status"] == "ok"
        operator.send_signal(signal.SIGTERM)
        assert operator.wait(PATIENCE_S) == 0
    finally:
        for process in (engine, operator):
            if process.poll() is None:
                process.kill()
            process.wait()
    ledger = rebuild(consortium.events())
    assert len(ledger.batches) >= 5
    assert {batch.stored.value for batch in ledger.batches.values()} == {"settled"}
    assert (tmp_path / "out" / "trades.csv").is_file()
    for name in ("operator", "engine"):
        log = (tmp_path / f"{name}.log").read_text(encoding="utf-8")
        told = {line.get("batch") for line in map(json.loads, log.splitlines())} - {None}
        assert told == set(ledger.batches), "each batch can be followed in each log"
        assert PASSWORD not in log
