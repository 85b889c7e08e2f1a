"""The mirror of the chain: restarts, reorganisations, and a rebuild to the same content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.durable.lot import (
    AUTHORITY,
    drive,
    engine_of,
    found,
    nodes_of,
    operator_keys,
    sessions,
)
from trading.chain import Consortium, Key, Network
from trading.engine.audit import audit
from trading.errors import LedgerUnreachableError, StoreError, WrongLedgerError
from trading.store import Database, Mirror, open_database
from trading.store.schema import MIRROR, MIRROR_ACCOUNTS, MIRROR_BLOCKS, MIRROR_VOTES

pytestmark = pytest.mark.node


def content(database: Database) -> dict[str, list[Any]]:
    """Every table of a mirror but the blocks at which looks happened to end."""
    with database.begin() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in MIRROR
            if table is not MIRROR_BLOCKS
        }


def traded(network: Network, database: Database) -> Consortium:
    consortium, frame = found(network), sessions(10)
    drive(engine_of(database, consortium, frame), nodes_of(consortium, frame))
    return consortium


def test_rebuilt_to_the_same_content(network: Network, tmp_path: Path) -> None:
    with open_database(str(tmp_path / "a.db")) as database:
        consortium = traded(network, database)
        before = content(database)
        assert before["mirror_votes"]
        mirror = Mirror(database, consortium)
        mirror.throw_away()
        assert not any(content(database).values())
        mirror.follow()
        assert content(database) == before
        assert audit(consortium, database=database).differences == ()


def test_read_in_any_portions_it_is_the_same(network: Network, tmp_path: Path) -> None:
    with open_database(str(tmp_path / "a.db")) as whole:
        consortium = traded(network, whole)
        expected = content(whole)
    last = network.block_number()
    with open_database(str(tmp_path / "b.db")) as database:
        for until in range(0, last + 1, 7):
            # A mirror of its own each time, as after a restart.
            Mirror(database, consortium).follow(until)
        Mirror(database, consortium).follow(last)
        assert content(database) == expected


def test_block_that_leaves_the_chain_takes_its_events_along(
    network: Network, tmp_path: Path
) -> None:
    consortium = found(network)
    owner = Key.demonstration(1, "owner")
    with open_database(str(tmp_path / "a.db")) as database:
        mirror = Mirror(database, consortium, is_final=False)
        mirror.follow()
        snapshot = network.ask("evm_snapshot")
        consortium.register(bytes(32), by=owner)
        consortium.set_quorum(2, by=AUTHORITY)
        mirror.follow()
        assert mirror.ledger.quorum == 2
        network.ask("evm_revert", snapshot)
        network.forget_nonces()
        consortium.set_quorum(4, by=AUTHORITY)
        for _ in range(3):
            network.ask("evm_mine")
        mirror.follow()
        assert (mirror.ledger.quorum, mirror.reorganisations) == (4, 1)
        assert set(mirror.ledger.accounts) == {1}
        after = content(database)
    with open_database(str(tmp_path / "b.db")) as fresh:
        Mirror(fresh, consortium).follow()
        assert content(fresh) == after


def test_node_that_is_behind_is_waited_for(network: Network, tmp_path: Path) -> None:
    consortium = found(network)
    with open_database(str(tmp_path / "a.db")) as database:
        mirror = Mirror(database, consortium, is_final=False)
        mirror.follow()
        snapshot = network.ask("evm_snapshot")
        consortium.set_quorum(2, by=AUTHORITY)
        mirror.follow()
        network.ask("evm_revert", snapshot)
        network.forget_nonces()
        with pytest.raises(LedgerUnreachableError, match="still catching up"):
            mirror.follow()
        assert mirror.ledger.quorum == 2
        for _ in range(3):
            network.ask("evm_mine")
        mirror.follow()
        assert (mirror.ledger.quorum, mirror.head) == (3, network.block_number())


def test_final_blocks_that_are_gone_stop_everything(network: Network, tmp_path: Path) -> None:
    consortium = found(network)
    with open_database(str(tmp_path / "a.db")) as database:
        mirror = Mirror(database, consortium)
        snapshot = network.ask("evm_snapshot")
        consortium.set_quorum(2, by=AUTHORITY)
        mirror.follow()
        before = content(database)
        network.ask("evm_revert", snapshot)
        network.forget_nonces()
        for _ in range(3):
            network.ask("evm_mine")
        with pytest.raises(WrongLedgerError, match="has other blocks than were seen before"):
            mirror.follow()
        assert content(database) == before


def test_database_of_another_contract_is_refused(network: Network, tmp_path: Path) -> None:
    first, second = found(network), found(network)
    with open_database(str(tmp_path / "a.db")) as database:
        Mirror(database, first).follow()
        with pytest.raises(StoreError, match=f"belongs to contract {first.address}"):
            Mirror(database, second)


def test_audit_finds_what_was_changed_in_a_database(network: Network, tmp_path: Path) -> None:
    with open_database(str(tmp_path / "a.db")) as database:
        consortium = traded(network, database)
        assert audit(consortium, database=database).differences == ()
        with database.begin() as connection:
            connection.execute(
                update(MIRROR_ACCOUNTS)
                .where(MIRROR_ACCOUNTS.c.account == 2)
                .values(free_ueur=MIRROR_ACCOUNTS.c.free_ueur + 1)
            )
            connection.execute(
                update(MIRROR_VOTES)
                .where(MIRROR_VOTES.c.seat == 0)
                .values(operator=operator_keys()[1].address)
            )
        said = "\n".join(map(str, audit(consortium, database=database).differences))
        assert "mirror_accounts: account 2" in said
        assert "mirror_votes: batch_id" in said


def test_audit_finds_what_was_changed_in_trades(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    frame, consortium = sessions(10), found(network)
    with open_database(str(tmp_path / "a.db")) as database:
        engine = engine_of(database, consortium, frame)
        drive(engine, nodes_of(consortium, frame))
        trades = engine.trades()
    trades.to_csv(path, index=False)
    assert audit(consortium, trades=path).differences == ()
    for column, value in (("energy_wh", "1"), ("status", "expired"), ("batch_id", "0x1")):
        trades.astype(str).assign(**{column: [value, *trades[column].astype(str).iloc[1:]]}).to_csv(
            path, index=False
        )
        assert audit(consortium, trades=path).differences, column
    trades.iloc[1:].to_csv(path, index=False)
    assert audit(consortium, trades=path).differences
