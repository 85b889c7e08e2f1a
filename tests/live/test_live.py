"""A live lot: one process trades a recorded day on a chain of its own, and serves the web."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.durable.small import small_sessions
from tests.live.lot import ask, opened, trade
from tests.tools import PATIENCE_S, ROOT, free_port
from tests.web.lot import api_over
from trading.data import write_table
from trading.engine.service import QUIET
from trading.errors import OptionError
from trading.live import BLOCK_S, DATABASE, LIES_IN_BATCH, market_of
from trading.lot import LotRules, Terms, simulate_lot
from trading.market import MECHANISMS

TRADED = ["buyer_id", "seller_id", "energy_wh", "price_ueur_per_kwh", "cost_ueur"]


def simulated() -> pd.DataFrame:
    """Trades of the same sessions without a chain."""
    market = MECHANISMS["pro-rata"]
    return simulate_lot(small_sessions(), rules=LotRules(), terms=Terms(), mechanism=market).trades


def test_a_live_lot_trades_what_the_plain_simulation_does(tmp_path: Path) -> None:
    with opened(tmp_path) as lot:
        traded = trade(lot)
        served = ask(lot, "/trades?limit=1000", "operator").json()["items"]
    plain = simulated()
    assert set(traded["status"]) == {"settled"}
    order = ["interval_start", "buyer_id", "seller_id"]
    pd.testing.assert_frame_equal(
        traded.sort_values(order)[TRADED].reset_index(drop=True),
        plain.sort_values(order)[TRADED].reset_index(drop=True),
    )
    assert sorted(row["trade_id"] for row in served) == sorted(traded["trade_id"])


def test_operators_reject_the_one_lie_and_buyers_have_their_money_back(tmp_path: Path) -> None:
    with opened(tmp_path, fault="energy", ask_for_s=0.0) as lot:
        traded = trade(lot)
        batches = ask(lot, "/batches?limit=100", "operator").json()["items"]
        locked = lot.consortium.accounts()["locked_ueur"].sum()
    rejected = traded[traded["status"] == "rejected"]
    assert rejected["batch_id"].nunique() == 1
    told = [row for row in batches if row["state"] == "refunded"]
    assert [row["batch_id"] for row in told] == list(rejected["batch_id"].unique())
    assert told[0]["rejections"] == 2
    assert "power" in told[0]["votes"][0]["reason"]
    in_order = [row["batch_id"] for row in sorted(batches, key=lambda row: row["interval_start"])]
    assert in_order.index(told[0]["batch_id"]) == LIES_IN_BATCH - 1
    assert locked == 0


@pytest.mark.parametrize("says", ["rejected", "confirmed"])
def test_the_day_waits_for_people_and_does_what_they_say(tmp_path: Path, says: str) -> None:
    with opened(tmp_path, fault="energy") as lot:
        until = time.monotonic() + PATIENCE_S
        answers = {}
        while not lot.engine.is_done():
            assert time.monotonic() < until, lot.engine.heartbeat
            lot.look()
            for operator, address in zip(lot.operators, lot.operator_addresses, strict=True):
                if operator.heartbeat.asked and address not in answers:
                    answers[address] = _answer(address, lot.people, says)
        traded = lot.engine.trades()
    # To reject, one person besides the first operator is enough; to confirm it takes two.
    assert len(answers) >= (1 if says == "rejected" else 2)
    assert set(traded["status"]) == ({"settled"} | ({"rejected"} if says == "rejected" else set()))


def _answer(address: str, people: str, says: str) -> str:
    with httpx.Client(
        base_url=address,
        headers={"Authorization": f"Bearer {people}"},
        trust_env=False,
        timeout=PATIENCE_S,
    ) as client:
        batch = client.get("/v1/batches?said=asked").json()["items"][0]["batch_id"]
        answer = client.post(
            f"/v1/batches/{batch}/answer",
            json={"vote": says, "reason": "seen at the chargers", "who": "a person"},
        )
        assert answer.is_success, answer.text
        return str(batch)


def test_a_pace_holds_the_next_interval_back_and_no_more(tmp_path: Path) -> None:
    ahead_s = 0.0
    with opened(tmp_path, pace_s=1_000.0) as lot:
        lot.engine.clock = lambda: time.time() + ahead_s
        until = time.monotonic() + PATIENCE_S
        while not lot.engine.heartbeat.traded:
            assert time.monotonic() < until
            ahead_s += QUIET * 1_000
            lot.look()
        for _ in range(10):
            lot.look()
        assert lot.engine.heartbeat.traded == 1
        ahead_s += 1_000
        while lot.engine.heartbeat.traded == 1:
            assert time.monotonic() < until
            lot.look()


def test_the_chain_keeps_the_walls_time_when_nobody_uses_it(tmp_path: Path) -> None:
    with opened(tmp_path) as lot:
        trade(lot)
        now = lot.network.now()
        blocks = lot.network.block_number()
        for wall_s, expected in ((now - 60, 0), (now + BLOCK_S - 1, 0), (now + BLOCK_S, 1)):
            lot.clock = lambda wall_s=wall_s: wall_s
            lot.look()
            assert lot.network.block_number() == blocks + expected
        assert lot.network.now() == now + BLOCK_S


def test_an_address_that_is_taken_is_told_before_anything_is_founded(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with opened(tmp_path / "first") as lot:
        taken = lot.address.removeprefix("http://")
        with pytest.raises(OptionError, match="listen"), opened(tmp_path / "second", listen=taken):
            pass
    assert [file.name for file in (tmp_path / "second").iterdir()] == ["market.toml"]


def test_nobody_is_answered_before_the_lot_is_there(tmp_path: Path) -> None:
    """Whoever waits for `/health` gets no 404 that it would take for an answer."""
    port, answers, is_open = free_port(), set(), threading.Event()

    def ask_again_and_again() -> None:
        while not is_open.is_set():
            try:
                answers.add(
                    httpx.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE_S).status_code
                )
            except httpx.ConnectError:
                answers.add("refused")

    asking = threading.Thread(target=ask_again_and_again)
    asking.start()
    try:
        with opened(tmp_path, listen=f"127.0.0.1:{port}") as lot:
            answers.add(httpx.get(f"{lot.address}/health", timeout=PATIENCE_S).status_code)
            is_open.set()
            asking.join()
    finally:
        is_open.set()
    assert answers == {"refused", 200}


def test_an_address_that_others_reach_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="loopback"), opened(tmp_path, listen="0.0.0.0:0"):
        pass


def test_the_command_ends_cleanly_and_what_it_kept_is_served_again(tmp_path: Path) -> None:
    write_table(small_sessions(), tmp_path / "sessions.csv")
    kept = tmp_path / "kept"
    program = [sys.executable, "-c", "from trading.cli import main; main()", "live",
               str(tmp_path / "sessions.csv"), "--format", "peercharge", "--pace", "0",
               "--listen", "127.0.0.1:0", "--dir", str(kept), "--tokens"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "told").open("wb") as told:
        process = subprocess.Popen(program, env=environment, stderr=told, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        token = next(
            line.split()[1].decode() for line in process.stdout if line.startswith(b"operator ")
        )
        address = (tmp_path / "told").read_text().split()[1]
        trades = _until_settled(f"{address}/api/v1/trades?limit=1000", token)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, (tmp_path / "told").read_text()
    finally:
        process.kill()
        process.communicate()
    assert "simulated" in (tmp_path / "told").read_text()
    with api_over(kept / DATABASE) as api:
        assert api.items("/trades?limit=1000") == trades
    with pytest.raises(OptionError, match="peercharge serve"):
        market_of(kept, seed=0)


def _until_settled(url: str, token: str, seconds: float = PATIENCE_S) -> list[dict[str, object]]:
    """All trades, once as many as there will be are settled."""
    expected = len(simulated())
    until = time.monotonic() + seconds
    while True:
        headers = {"Authorization": f"Bearer {token}"}
        rows = httpx.get(url, headers=headers, trust_env=False, timeout=PATIENCE_S).json()["items"]
        if len(rows) == expected and {row["state"] for row in rows} == {"settled"}:
            return rows
        assert time.monotonic() < until, rows
        time.sleep(0.1)
