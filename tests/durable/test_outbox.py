"""Transactions that get lost, stuck, overtaken or refused on their way: each acts exactly once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.durable.lot import AUTHORITY, SEED, drive, engine_of, found, nodes_of, sessions
from trading.chain import Consortium, Key, Mandate, Network, open_network, sign_enrollment
from trading.engine.audit import audit
from trading.engine.standing import status_of
from trading.errors import LedgerUnreachableError
from trading.store import Database, Ended, Outbox, open_database
from trading.store.schema import BATCHES, JOURNAL, LEFT_OUT, TRADES, TRANSACTIONS

pytestmark = pytest.mark.node

SENDER = Key.demonstration(7, "sender")
PATIENCE_S = 120


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(str(tmp_path / "outbox.db")) as opened:
        yield opened


@pytest.fixture
def consortium(network: Network) -> Iterator[Consortium]:
    yield found(network)
    network.ask("evm_setAutomine", True)


def outbox_of(database: Database, consortium: Consortium) -> Outbox:
    return Outbox(database, consortium, SENDER, resend_after_s=0.0)


def write(database: Database, outbox: Outbox, consortium: Consortium, n: int = 1) -> None:
    with database.begin() as connection:
        for number in range(n):
            call = consortium.call("enroll", *enrolment(consortium, number), by=SENDER)
            outbox.write(connection, call, subject=f"account {number}")


def enrolment(consortium: Consortium, number: int) -> tuple[Any, ...]:
    """A driver's signed wish to have an account: as what an engine sends, it acts once at most."""
    driver, deadline = Key.demonstration(7, f"driver {number}"), 2**32 - 1
    mandate = Mandate(max_buy_ueur_per_kwh=0, min_sell_ueur_per_kwh=0, valid_until=deadline)
    tag = bytes(31) + bytes([number])
    signature = sign_enrollment(
        driver, consortium.domain, tag=tag, mandate=mandate, nonce=0, deadline=deadline
    )
    return driver, tag, mandate, deadline, signature


def ends(outbox: Outbox, n: int) -> list[Ended]:
    """Push and collect until `n` transactions have come to their end: a node mines in its time."""
    until, ended = time.monotonic() + PATIENCE_S, []
    while len(ended) < n:
        assert time.monotonic() < until, outbox.waiting()
        ended += outbox.collect()
        outbox.push()
        time.sleep(0.01)
    return ended


def states(database: Database) -> list[tuple[int, int, str]]:
    with database.begin() as connection:
        rows = connection.execute(select(TRANSACTIONS).order_by(TRANSACTIONS.c.id))
        return [(row.nonce, row.attempt, row.state) for row in rows]


def registered(consortium: Consortium) -> int:
    """Accounts besides the lot's own."""
    return consortium.account_count() - 1


def first_nonce(network: Network) -> int:
    return network.mined_count(SENDER.address)


def test_written_then_sent_then_mined(
    network: Network, consortium: Consortium, database: Database
) -> None:
    outbox, first = outbox_of(database, consortium), first_nonce(network)
    write(database, outbox, consortium, 3)
    assert states(database) == [(first + n, 0, "written") for n in range(3)]
    assert registered(consortium) == 0
    assert outbox.push() == 3
    ended = ends(outbox, 3)
    assert [(one.subject, one.succeeded) for one in ended] == [
        (f"account {n}", True) for n in range(3)
    ]
    assert states(database) == [(first + n, 0, "mined") for n in range(3)]
    assert (outbox.push(), outbox.collect(), registered(consortium)) == (0, [], 3)


def test_dropped_by_the_node_is_sent_again(
    network: Network, consortium: Consortium, database: Database
) -> None:
    outbox = outbox_of(database, consortium)
    network.ask("evm_setAutomine", False)
    write(database, outbox, consortium)
    outbox.push()
    with database.begin() as connection:
        (sent,) = connection.execute(select(TRANSACTIONS.c.hash)).scalars()
    network.ask("anvil_dropTransaction", sent)
    network.ask("evm_mine")
    assert (outbox.collect(), registered(consortium)) == ([], 0)
    outbox.push()
    network.ask("evm_setAutomine", True)
    network.ask("evm_mine")
    assert [one.succeeded for one in ends(outbox, 1)] == [True]
    assert registered(consortium) == 1


def test_number_taken_by_another_program_with_the_same_key(
    network: Network, consortium: Consortium, database: Database
) -> None:
    outbox, first = outbox_of(database, consortium), first_nonce(network)
    write(database, outbox, consortium, 2)
    network.forget_nonces()
    consortium.register(b"x" * 32, by=SENDER)
    assert all(one.succeeded for one in ends(outbox, 2))
    assert registered(consortium) == 1 + 2
    mined = [nonce for nonce, _, state in states(database) if state == "mined"]
    assert sorted(mined) == [first + 1, first + 2]
    assert not outbox.waiting()


@pytest.mark.parametrize("looks", [1, 2, 3, 5])
def test_node_that_counts_a_transaction_before_it_shows_its_receipt(
    network: Network,
    consortium: Consortium,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    looks: int,
) -> None:
    """However late the receipt is shown, what was done once is told as done."""
    outbox, first = outbox_of(database, consortium), first_nonce(network)
    write(database, outbox, consortium)
    outbox.push()
    while first_nonce(network) == first:
        time.sleep(0.01)
    outcomes, asked = network.outcomes, 0

    def late(hashes: list[str]) -> list[Any]:
        nonlocal asked
        asked += 1
        return outcomes(hashes) if asked > looks else [None] * len(hashes)

    monkeypatch.setattr(network, "outcomes", late)
    (ended,) = ends(outbox, 1)
    assert (ended.subject, ended.succeeded, ended.refusal) == ("account 0", True, "")
    assert registered(consortium) == 1
    assert [state for _, _, state in states(database)].count("mined") == 1
    assert "refused" not in {state for _, _, state in states(database)}
    assert not outbox.waiting()


def test_number_that_was_another_programs_until_its_block_left_the_chain(
    network: Network, consortium: Consortium, database: Database
) -> None:
    """The number is used, since the node would keep all that comes after it for ever."""
    outbox, first = outbox_of(database, consortium), first_nonce(network)
    snapshot = network.ask("evm_snapshot")
    network.forget_nonces()
    consortium.register(b"x" * 32, by=SENDER)
    write(database, outbox, consortium, 2)
    assert [nonce for nonce, _, _ in states(database)] == [first + 1, first + 2]
    network.ask("evm_revert", snapshot)
    assert {one.subject: one.succeeded for one in ends(outbox, 2)} == {
        "account 0": True,
        "account 1": True,
    }
    while outbox.waiting():
        assert outbox.collect() == [], "what was told once is not told again"
        outbox.push()
    assert registered(consortium) == 2
    assert first_nonce(network) == first + 3, "no number is left out"


def test_number_that_a_node_called_taken_and_then_free_again(
    network: Network, consortium: Consortium, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, first = outbox_of(database, consortium), first_nonce(network)
    network.ask("evm_setAutomine", False)
    write(database, outbox, consortium)
    outbox.push()
    with database.begin() as connection:
        (sent,) = connection.execute(select(TRANSACTIONS.c.hash)).scalars()
    with monkeypatch.context() as wrong:
        wrong.setattr(network, "mined_count", lambda _: first + 1)
        while len(states(database)) == 1:
            assert outbox.collect() == []
    assert states(database) == [(first, 0, "overtaken"), (first + 1, 0, "written")]
    network.ask("anvil_dropTransaction", sent)
    network.ask("evm_setAutomine", True)
    assert [one.succeeded for one in ends(outbox, 1)] == [True]
    while outbox.waiting():
        assert outbox.collect() == []
        outbox.push()
    assert registered(consortium) == 1
    assert states(database) == [(first, 0, "mined"), (first + 1, 0, "overtaken")]


def test_stuck_transaction_offers_more_and_acts_once(
    network: Network,
    consortium: Consortium,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outbox, first = outbox_of(database, consortium), first_nonce(network)
    network.ask("anvil_setBalance", SENDER.address, hex(10**20))
    monkeypatch.setattr(network, "gas_price", lambda: 10**9)
    network.ask("evm_setAutomine", False)
    write(database, outbox, consortium)
    outbox.push()
    for _ in range(2):
        assert outbox.collect() == []
        outbox.push()
    network.ask("evm_setAutomine", True)
    network.ask("evm_mine")
    assert [one.succeeded for one in ends(outbox, 1)] == [True]
    assert registered(consortium) == 1
    assert [state for _, _, state in states(database)].count("mined") == 1
    assert {nonce for nonce, _, _ in states(database)} == {first}
    assert not outbox.waiting()


def test_receipt_of_a_block_that_left_the_chain(
    network: Network, consortium: Consortium, database: Database
) -> None:
    outbox = Outbox(database, consortium, SENDER, resend_after_s=0.0, is_final=False)
    snapshot = network.ask("evm_snapshot")
    write(database, outbox, consortium)
    assert [one.succeeded for one in ends(outbox, 1)] == [True]
    network.ask("evm_revert", snapshot)
    assert registered(consortium) == 0
    assert [one.succeeded for one in ends(outbox, 1)] == [True]
    assert registered(consortium) == 1
    assert [state for _, _, state in states(database)] == ["mined"]


def test_node_that_is_not_there_loses_nothing(
    consortium: Consortium, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = outbox_of(database, consortium)
    write(database, outbox, consortium, 2)

    def gone(_: object) -> list[str]:
        raise LedgerUnreachableError("the node is gone")

    monkeypatch.setattr(consortium.network, "offer", gone)
    with pytest.raises(LedgerUnreachableError):
        outbox.push()
    monkeypatch.undo()
    assert {state for _, _, state in states(database)} == {"written"}
    assert [one.succeeded for one in ends(outbox, 2)] == [True, True]


def test_trade_of_a_party_that_revoked_is_left_out_and_the_others_settle(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = sessions(20)
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        engine = engine_of(database, consortium, frame)
        operators = nodes_of(consortium, frame)
        push = engine.outbox.push
        monkeypatch.setattr(engine.outbox, "push", lambda: 0 if _held(database) else push())
        while not _held(database):
            engine.look()
            for node_of in operators:
                for signed in node_of.poll():
                    engine.clerk.take(signed)
        trades = engine.trades()
        trades = trades[trades["status"] == "written"]
        out = trades.iloc[0]
        account = _account_of(engine, str(out["buyer_id"]))
        consortium.revoke_mandate(account, by=_driver(str(out["buyer_id"])))
        monkeypatch.undo()
        drive(engine, operators)
        with database.begin() as connection:
            left_out = set(connection.execute(select(LEFT_OUT.c.trade_id)).scalars())
            said = status_of(connection, now_s=0.0)
            is_refused, is_noted = BATCHES.c.outcome == "refused", JOURNAL.c.name == "BatchRefused"
            refused = set(
                connection.execute(select(BATCHES.c.batch_id).where(is_refused)).scalars()
            )
            noted = set(connection.execute(select(JOURNAL.c.batch_id).where(is_noted)).scalars())
        assert noted == refused
        settled = engine.trades()
        assert out["trade_id"] in left_out
        assert set(settled["status"]) == {"settled"}
        assert not left_out & set(settled["trade_id"])
        assert set(trades["trade_id"]) - left_out <= set(settled["trade_id"])
        assert said.counts["refused"] >= 1
        assert all("mandate" in reason for _, reason in said.left_out)
        assert audit(consortium, database=database).differences == ()


def _held(database: Database) -> bool:
    """Whether a batch of several trades is written and not sent."""
    with database.begin() as connection:
        batches = connection.execute(
            select(TRANSACTIONS.c.subject).where(
                TRANSACTIONS.c.purpose == "submit", TRANSACTIONS.c.state == "written"
            )
        ).scalars()
        sizes = [
            len(connection.execute(select(TRADES).where(TRADES.c.batch_id == one)).all())
            for one in batches
        ]
    return any(size > 1 for size in sizes)


def _driver(session: str) -> Key:
    return Key.demonstration(SEED, f"driver {session}")


def _account_of(engine, session: str) -> int:  # type: ignore[no-untyped-def]
    accounts = engine.mirror.ledger.accounts.values()
    return next(a.number for a in accounts if a.tag == engine.tag_of(session))


def test_nobody_votes_and_the_buyers_get_their_money_back(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.engine.service.REPLAY_LIFETIME_S", 3)
    monkeypatch.setattr("trading.engine.clerk.GRACE_S", 1)
    frame = sessions(6)
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        engine = engine_of(database, consortium, frame)
        until = time.monotonic() + PATIENCE_S
        while "expired" not in set(engine.trades()["status"]):
            assert time.monotonic() < until, engine.heartbeat
            engine.look()
        engine.look()
        ledger = engine.mirror.ledger
        assert all(batch.fate in ("expired", "pending") for batch in ledger.batches.values())
        still_locked = sum(
            batch.submission.locked_ueur
            for batch in ledger.batches.values()
            if batch.fate == "pending"
        )
        locked = sum(account.locked_ueur for account in ledger.accounts.values())
        assert locked == still_locked
        assert audit(consortium, database=database).differences == ()


def test_authority_pauses_and_trading_goes_on_afterwards(node: str, tmp_path: Path) -> None:
    frame = sessions(8)
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        engine = engine_of(database, consortium, frame)
        operators = nodes_of(consortium, frame)
        while not len(engine.trades()):
            engine.look()
        consortium.pause(by=AUTHORITY)
        for _ in range(5):
            engine.look()
        consortium.unpause(by=AUTHORITY)
        drive(engine, operators)
        assert "settled" in set(engine.trades()["status"])
        assert audit(consortium, database=database).differences == ()
