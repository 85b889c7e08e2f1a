"""What the service says when something around it is wrong: one clear message, and nothing lost."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from eth_account import Account
from typer.testing import CliRunner, Result

from tests.durable.lot import AUTHORITY, deployment_of, drive, engine_of, found, nodes_of, sessions
from tests.durable.test_hardened import running
from tests.network.bad_nodes import page, serving
from tests.tools import PATIENCE_S
from trading.chain import Consortium, Key, Network, open_network
from trading.cli import app
from trading.engine.audit import audit
from trading.engine.service import Engine
from trading.errors import LedgerError, LedgerUnreachableError
from trading.store import open_database

pytestmark = pytest.mark.node

SECRET = "0x" + "07" * 32
ENGINE = Account.from_key(SECRET).address


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, secret: str | None = SECRET) -> Result:
    if secret is None:
        monkeypatch.delenv("PEERCHARGE_KEY", raising=False)
    else:
        monkeypatch.setenv("PEERCHARGE_KEY", secret)
    return CliRunner().invoke(app, ["run", *arguments])


def options(node: str, consortium: Consortium, folder: Path) -> list[str]:
    files = ["--database", str(folder / "engine.db"), "--salts", str(folder / "salts.json")]
    return ["--network", node, "--deployment", str(deployment_of(consortium, folder)), *files]


def change(folder: Path, key: str, value: object) -> None:
    """Write another value into the deployments file."""
    path = folder / "deployment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


@pytest.fixture
def consortium(network: Network) -> Consortium:
    return found(network)


def test_no_key(
    node: str, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(monkeypatch, *options(node, consortium, tmp_path), secret=None)
    assert done.exit_code == 2
    assert "PEERCHARGE_KEYSTORE" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["deployment.json"]


def test_key_without_a_role(
    node: str, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(monkeypatch, *options(node, consortium, tmp_path))
    assert done.exit_code == 1
    assert f"{ENGINE} is no admitted aggregator" in done.stderr


def test_lot_that_is_not_admitted(
    node: str, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consortium.set_aggregator(ENGINE, True, by=AUTHORITY)
    market = tmp_path / "market.toml"
    market.write_text("lot = 9\n")
    arguments = [*options(node, consortium, tmp_path), "--market", str(market)]
    done = run(monkeypatch, *arguments)
    assert done.exit_code == 1
    assert "lot 9 is not admitted" in done.stderr


def test_empty_account_where_gas_has_a_price(
    node: str, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consortium.set_aggregator(ENGINE, True, by=AUTHORITY)
    monkeypatch.setenv("PEERCHARGE_GAS_PRICE_WEI", "1000000000")
    done = run(monkeypatch, *options(node, consortium, tmp_path))
    assert done.exit_code == 1
    assert f"{ENGINE} has no money for a batch" in done.stderr


def test_nothing_at_the_address(
    node: str, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = options(node, consortium, tmp_path)
    change(tmp_path, "contract", "0x" + "ab" * 20)
    done = run(monkeypatch, *arguments)
    assert done.exit_code == 1
    assert "there is no contract at" in done.stderr


def test_another_contract(
    node: str, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = options(node, consortium, tmp_path)
    change(tmp_path, "contract", consortium.token.address)
    done = run(monkeypatch, *arguments)
    assert done.exit_code == 1
    assert "is not the consortium contract of this version" in done.stderr


def test_another_chain(
    node: str, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = options(node, consortium, tmp_path)
    change(tmp_path, "chain_id", 7)
    done = run(monkeypatch, *arguments)
    assert done.exit_code == 1
    assert "is chain 31337, expected chain 7" in done.stderr


def test_endpoint_that_returns_garbage(
    consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(page(b"<html>a web page</html>")) as address:
        done = run(monkeypatch, *options(address, consortium, tmp_path))
    assert done.exit_code == 1
    assert "not as an Ethereum node does" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("interval = 7\n", "divide the day evenly"),
        ("intervall = 15\n", "intervall"),
        ("mechanism = 'pro-rate'\n", "pro-rata"),
        ("[prices]\nlot_tariff = 'much'\n", "lot_tariff"),
        ("lot = [\n", "not a TOML file"),
    ],
)
def test_market_file_that_cannot_be_used(
    node: str,
    consortium: Consortium,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    said: str,
) -> None:
    market = tmp_path / "market.toml"
    market.write_text(content)
    arguments = [*options(node, consortium, tmp_path), "--market", str(market)]
    done = run(monkeypatch, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"deployment.json", "market.toml"}


def test_node_goes_away_for_a_while(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a day every request fails for some looks; the day ends as if nothing was."""
    frame = sessions(10)
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        engine = engine_of(database, consortium, frame)
        operators = nodes_of(consortium, frame)
        while not len(engine.trades()):
            engine.look()

        def gone(*_: object) -> object:
            raise LedgerUnreachableError("the node is gone")

        with monkeypatch.context() as away:
            for name in ("call", "answers", "block_number", "now", "block_hash", "mined_count"):
                away.setattr(network, name, gone)
            with running(engine) as failures:
                until = time.monotonic() + PATIENCE_S
                while not engine.heartbeat.problem and time.monotonic() < until:
                    time.sleep(0.05)
                assert engine.heartbeat.problem == "the node is gone"
            assert failures == []
        drive(engine, operators)
        assert set(engine.trades()["status"]) == {"settled"}
        assert audit(consortium, database=database).differences == ()


def test_tokens_that_do_not_suffice(node: str, tmp_path: Path) -> None:
    frame = sessions(8)
    poor = Key.demonstration(5, "poor engine")
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        consortium.set_aggregator(poor.address, True, by=AUTHORITY)
        engine: Engine = engine_of(database, consortium, frame, key=poor)
        with pytest.raises(LedgerError, match="cannot open accounts and pay in"):
            drive(engine, [], seconds=20)
