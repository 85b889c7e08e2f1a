"""An engine whose database is lost and restored from a backup that is older than the chain."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.durable.lot import deployment_of, drive, found, nodes_of
from tests.durable.small import small_engine, small_sessions
from tests.durable.test_killed_engine import balances, on_record
from tests.tools import PATIENCE_S
from trading.chain import Network
from trading.cli import app
from trading.engine.audit import audit
from trading.engine.service import Engine
from trading.errors import OptionError, StoreError
from trading.operators import OperatorNode
from trading.store import backup, open_database

pytestmark = pytest.mark.node


def live(engine: Engine, nodes: list[OperatorNode], *, traded: int) -> None:
    """Look and poll in turn until so many intervals are traded, leaving what is open as it is."""
    engine.look()
    limit = time.monotonic() + PATIENCE_S
    while engine.heartbeat.traded < traded:
        assert time.monotonic() < limit, engine.heartbeat
        for node in nodes:
            for signed in node.poll():
                assert not engine.clerk.take(signed)
        engine.look()


@pytest.mark.parametrize("batches_later", [1, 2])
def test_batches_since_the_backup_are_taken_up_and_traded_once(
    network: Network, tmp_path: Path, batches_later: int
) -> None:
    whole = found(network)
    with open_database(str(tmp_path / "whole.db")) as database:
        drive(small_engine(database, whole), nodes_of(whole, small_sessions()))
    consortium = found(network)
    nodes = nodes_of(consortium, small_sessions())
    with open_database(str(tmp_path / "engine.db")) as database:
        engine = small_engine(database, consortium)
        live(engine, nodes, traded=2)
        backup(str(tmp_path / "engine.db"), tmp_path / "backup.db")
        # The last of these is on its way when the machine is lost.
        live(engine, nodes, traded=2 + batches_later)
    (tmp_path / "backup.db").rename(tmp_path / "restored.db")
    with open_database(str(tmp_path / "restored.db")) as database:
        engine = small_engine(database, consortium)
        # Signatures were lost with the database; operators send theirs again.
        drive(engine, nodes_of(consortium, small_sessions()))
        assert audit(consortium, database=database).differences == ()
        trades = engine.trades()
    assert on_record(consortium) == on_record(whole)
    assert balances(consortium) == balances(whole)
    assert not trades["trade_id"].duplicated().any()
    assert set(trades["buyer_id"]) | set(trades["seller_id"]) <= set(small_sessions()["session_id"])


def test_a_backup_is_whole_while_the_engine_writes(network: Network, tmp_path: Path) -> None:
    consortium = found(network)
    file = str(tmp_path / "engine.db")
    stop = threading.Event()
    copies: list[Path] = []

    def copy_again_and_again() -> None:
        while not stop.is_set():
            copies.append(tmp_path / f"copy-{len(copies)}.db")
            backup(file, copies[-1])
            stop.wait(0.05)

    with open_database(file) as database:
        engine = small_engine(database, consortium)
        engine.look()
        thread = threading.Thread(target=copy_again_and_again)
        thread.start()
        try:
            drive(engine, nodes_of(consortium, small_sessions()))
        finally:
            stop.set()
            thread.join()
    assert len(copies) >= 5
    for copy in copies:
        assert copy.stat().st_mode & 0o077 == 0
        with closing(sqlite3.connect(copy)) as opened:
            assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert opened.execute("PRAGMA foreign_key_check").fetchone() is None
    deployment = str(deployment_of(consortium, tmp_path))
    options = ["--network", str(network.w3.provider.endpoint_uri), "--deployment", deployment]  # type: ignore[attr-defined]
    done = CliRunner().invoke(app, ["database", "rebuild", "--database", str(copies[0]), *options])
    assert done.exit_code == 0, done.stderr


def test_a_backup_is_never_replaced_nor_made_of_nothing(tmp_path: Path) -> None:
    with open_database(str(tmp_path / "engine.db")):
        pass
    out = tmp_path / "copy.db"
    arguments = ["database", "backup", "--database", str(tmp_path / "engine.db"), "--out", str(out)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    first = out.read_bytes()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert out.read_bytes() == first
    with pytest.raises(StoreError, match="there is no database"):
        backup(str(tmp_path / "nothing.db"), tmp_path / "other.db")
    with pytest.raises(StoreError, match="No such file or directory"):
        backup(str(tmp_path / "engine.db"), tmp_path / "nowhere" / "copy.db")
    with pytest.raises(OptionError, match="pg_dump"):
        backup("postgresql+psycopg://user:secret@host/name", tmp_path / "other.db")
    assert not list(tmp_path.glob("*.part"))
