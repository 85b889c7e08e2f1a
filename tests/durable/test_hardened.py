"""What once lost a batch, ended a service or stopped it for good, each as it was found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.durable.lot import (
    AUTHORITY,
    MARKET,
    PSEUDONYMS,
    await_mined,
    drive,
    engine_of,
    found,
    nodes_of,
    operator_keys,
    sessions,
)
from tests.tools import PATIENCE_S
from trading.chain import Key, Network, Standstill, open_network
from trading.engine.audit import audit
from trading.engine.live import first_interval, last_interval
from trading.engine.service import Engine
from trading.errors import LedgerUnreachableError
from trading.lot import Stays, intervals_of
from trading.operators.service import OperatorService
from trading.store import Database, open_database
from trading.store.schema import BATCHES, LEFT_OUT, MIRROR_BLOCKS, TRANSACTIONS

pytestmark = pytest.mark.node


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def until_written(engine: Engine) -> None:
    """Look until a batch is written and not sent."""
    push = engine.outbox.push
    engine.outbox.push = lambda: 0 if _has_submit(engine.database) else push()  # type: ignore[method-assign]
    while not _has_submit(engine.database):
        engine.look()
    del engine.outbox.push  # type: ignore[method-assign]


def look_for_ever(engine: Engine) -> None:
    while True:
        engine.look()


def _has_submit(database: Database) -> bool:
    columns = TRANSACTIONS.c
    with database.begin() as connection:
        which = (columns.purpose == "submit") & (columns.state == "written")
        return connection.execute(select(columns.id).where(which)).first() is not None


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_where_a_refusal_is_noted(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The refused batch is dealt with by the next process, and trading goes on."""
    frame = sessions(12)
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        engine = engine_of(database, consortium, frame)
        until_written(engine)
        out = engine.trades().iloc[0]
        accounts = engine.mirror.ledger.accounts.values()
        buyer = next(a for a in accounts if a.tag == PSEUDONYMS.find(str(out["buyer_id"])))
        driver = Key.demonstration(0, f"driver {out['buyer_id']}")
        consortium.revoke_mandate(buyer.number, by=driver)
        engine.outbox.push()
        ended = engine.clerk._ended

        def dying(connection: Any, end: Any) -> None:
            if moment == "after":
                ended(connection, end)
            raise Killed

        monkeypatch.setattr(engine.clerk, "_ended", dying)
        with pytest.raises(Killed):
            look_for_ever(engine)
        drive(engine_of(database, consortium, frame), nodes_of(consortium, frame))
        with database.begin() as connection:
            left_out = set(connection.execute(select(LEFT_OUT.c.trade_id)).scalars())
        assert out["trade_id"] in left_out
        assert audit(consortium, database=database).differences == ()


def test_step_that_was_refused_before_its_sending_was_noted(node: str, tmp_path: Path) -> None:
    frame = sessions(8)
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        engine = engine_of(database, consortium, frame)
        operators = nodes_of(consortium, frame)
        while not engine.mirror.ledger.batches:
            engine.look()
        batch_id = next(iter(engine.mirror.ledger.batches))
        with database.begin() as connection:
            row = connection.execute(select(BATCHES).where(BATCHES.c.batch_id == batch_id)).one()
            words = list(engine.mirror.ledger.batches[batch_id].submission.words)
            call = consortium.call("settle", row.submitter, row.deadline, words, by=engine.key)
            engine.outbox.write(connection, call, subject=batch_id)
        # The bytes go out, and nobody notes it: as if killed between node and database.
        with database.begin() as connection:
            raw = connection.execute(
                select(TRANSACTIONS.c.raw).where(TRANSACTIONS.c.state == "written")
            ).scalars()
            network.offer(list(raw))
        drive(engine, operators)
        assert set(engine.trades()["status"]) == {"settled"}


STRANGE: dict[str, dict[str, Any]] = {
    "internal error": {"id": 1, "error": {"code": -32603, "message": "Internal error"}},
    "rate limit": {"id": 1, "error": {"code": -32005, "message": "limit exceeded"}},
    "null": {"id": 1, "result": None},
    "text": {"id": 1, "result": "garbage"},
    "object": {"id": 1, "result": {}},
    "list": {"id": 1, "result": []},
    "nothing": {},
}


@contextmanager
def running(service: Engine | OperatorService) -> Iterator[list[BaseException]]:
    """A service in a thread until the context ends, however it does; gives what ended it itself."""
    stop, failures = threading.Event(), list[BaseException]()

    def serve() -> None:
        try:
            service.run(stop)
        except BaseException as error:  # noqa: BLE001 - whatever ends the thread is the finding
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        service.wake.set()
        thread.join(PATIENCE_S)


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("who", ["engine", "operator"])
def test_strange_answers_of_a_node_pass(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strange: str, who: str
) -> None:
    """While a node answers nonsense a service waits and says so; then it goes on."""
    frame = sessions(6)
    with open_network(node) as network, open_database(str(tmp_path / "a.db")) as database:
        consortium = found(network)
        service: Engine | OperatorService
        if who == "engine":
            service = engine_of(database, consortium, frame)
        else:
            service = OperatorService(
                database=database,
                consortium=consortium,
                key=operator_keys()[0],
                publication=MARKET,
                tag_of=PSEUDONYMS.find,
                poll_s=0.01,
            )
        service.look()
        provider = network.w3.provider
        answer = STRANGE[strange]
        with ExitStack() as stack:
            with monkeypatch.context() as odd:
                odd.setattr(provider, "_request_func_cache", (None, None))
                odd.setattr(provider, "make_request", lambda *_: dict(answer))
                odd.setattr(
                    provider, "make_batch_request", lambda asked: [dict(answer) for _ in asked]
                )
                failures = stack.enter_context(running(service))
                until = time.monotonic() + PATIENCE_S
                while not service.heartbeat.problem and not failures and time.monotonic() < until:
                    time.sleep(0.02)
                assert not failures, failures
                assert service.heartbeat.problem
            until = time.monotonic() + PATIENCE_S
            while service.heartbeat.problem and not failures and time.monotonic() < until:
                time.sleep(0.02)
        assert not failures
        assert not service.heartbeat.problem


def test_operator_on_a_network_that_replaces_blocks(network: Network, tmp_path: Path) -> None:
    consortium = found(network)
    with open_database(str(tmp_path / "operator.db")) as database:
        service = OperatorService(
            database=database,
            consortium=consortium,
            key=operator_keys()[0],
            publication=MARKET,
            tag_of=PSEUDONYMS.find,
            is_final=False,
        )
        service.look()
        snapshot = network.ask("evm_snapshot")
        consortium.set_quorum(2, by=AUTHORITY)
        service.look()
        network.ask("evm_revert", snapshot)
        network.forget_nonces()
        for _ in range(3):
            network.ask("evm_mine")
        service.look()
        assert (service.mirror.ledger.quorum, service.mirror.reorganisations) == (3, 1)


def test_quorum_that_is_lowered_decides_what_is_pending(node: str, tmp_path: Path) -> None:
    frame = sessions(6)
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        engine = engine_of(database, consortium, frame)
        while not engine.mirror.ledger.batches:
            engine.look()
        batch_id = next(iter(engine.mirror.ledger.batches))
        for key in operator_keys()[:2]:
            consortium.confirm(batch_id, by=key)
        consortium.set_quorum(2, by=AUTHORITY)
        until = time.monotonic() + PATIENCE_S
        while engine.mirror.ledger.batches[batch_id].stored.value == "pending":
            assert time.monotonic() < until
            engine.look()
        drive(engine, nodes_of(consortium, frame))
        assert set(engine.trades()["status"]) == {"settled"}


def test_mirror_keeps_few_blocks_without_events(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.store.mirror.HEADS_KEPT", 5)
    consortium = found(network)
    with open_database(str(tmp_path / "a.db")) as database:
        engine = engine_of(database, consortium, sessions(4))
        engine.mirror.follow()
        with database.begin() as connection:
            before = len(connection.execute(select(MIRROR_BLOCKS)).all())
        for _ in range(30):
            network.ask("evm_mine")
            engine.mirror.follow()
        with database.begin() as connection:
            numbers = connection.execute(select(MIRROR_BLOCKS.c.number)).scalars().all()
        assert len(numbers) <= before + 6
        assert network.block_number() in numbers


def test_node_that_shows_other_trades_than_the_id_stands_for(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = sessions(6)
    with open_network(node) as network, open_database(str(tmp_path / "engine.db")) as database:
        consortium = found(network)
        engine = engine_of(database, consortium, frame)
        events = consortium.events

        def lying(*arguments: Any, **options: Any) -> Any:
            seen = events(*arguments, **options)
            for event in seen:
                if event.name == "BatchSubmitted":
                    event.arguments["trades"] = event.arguments["trades"][:1] * 2  # type: ignore[index]
            return seen

        monkeypatch.setattr(consortium, "events", lying)
        with pytest.raises(LedgerUnreachableError, match="other trades of batch"):
            look_for_ever(engine)
        monkeypatch.undo()
        drive(engine, nodes_of(consortium, frame))


def test_end_that_left_the_chain_is_taken_up_again(network: Network, tmp_path: Path) -> None:
    frame = sessions(6)
    consortium = found(network)
    with open_database(str(tmp_path / "engine.db")) as database:
        engine = engine_of(database, consortium, frame)
        engine = Engine(
            database=database,
            consortium=consortium,
            key=engine.key,
            publication=MARKET,
            tag_of=PSEUDONYMS.find,
            intakes=engine.intakes,
            replay=True,
            is_final=False,
            enrol=engine.enrol,
        )
        engine.outbox.resend_after_s = 0.0
        nodes = nodes_of(consortium, frame)
        while not any(batch.fate == "settled" for batch in engine.mirror.ledger.batches.values()):
            for one in nodes:
                for signed in one.poll():
                    engine.clerk.take(signed)
            await_mined(network, database)
            snapshot = network.ask("evm_snapshot")
            engine.look()
        engine.look()
        # A node that goes back while it mines has a hole in its chain ever after.
        await_mined(network, database)
        network.ask("evm_revert", snapshot)
        for _ in range(20):
            network.ask("evm_mine")
        for again in range(20):
            try:
                drive(engine, nodes)
                break
            except LedgerUnreachableError:
                # A node that has just gone back may tell of blocks that it does not know yet.
                assert again < 19
                time.sleep(0.5)
        assert set(engine.trades()["status"]) <= {"settled", "expired"}
        assert audit(consortium, database=database).differences == ()


def test_intervals_are_those_that_the_lot_has() -> None:
    frame = sessions(None)
    intervals = intervals_of(Stays(frame, MARKET.rules))
    assert first_interval(MARKET, frame) == intervals[0].start_s
    assert last_interval(MARKET, frame) == intervals[-1].start_s


def test_chain_that_stands_still_is_reconsidered() -> None:
    moves: list[int] = []
    clock = iter([0.0, 1.0, 5.0, 12.0, 13.0, 30.0]).__next__

    class Stub:
        def reconsider(self) -> bool:
            moves.append(1)
            return False

    watch = Standstill(Stub(), patience_s=10.0, clock=clock)  # type: ignore[arg-type]
    for head, moved in ((7, 0), (7, 0), (7, 1), (8, 1), (8, 2)):
        watch.saw(head)
        assert len(moves) == moved
