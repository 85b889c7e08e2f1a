"""An engine with its exchange, and whoever sits in the seats, each acting when told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from tests.databases import At
from tests.durable.lot import await_mined, found, operator_keys
from tests.durable.small import operator_of, small_engine
from tests.tools import PATIENCE_S
from trading.chain import BatchState, Consortium, Key, Network, SeatSignature
from trading.chain.rebuild import Ledger, rebuild
from trading.engine.http import serve_engine
from trading.engine.service import Engine
from trading.operators.exchange import PATH, SignatureIn
from trading.operators.service import OperatorService
from trading.store import Database, open_database
from trading.store.schema import SIGNATURES, VERDICTS


class Stage:
    """An engine with its exchange, and whoever sits in the seats."""

    def __init__(self, network: Network, folder: Path, stack: ExitStack, at: At) -> None:
        self.folder, self.stack, self.at = folder, stack, at
        self.network = network
        self._databases: list[Database] = []
        self.consortium: Consortium = found(network)
        self.engine: Engine = small_engine(
            stack.enter_context(open_database(at("engine"))), self.consortium
        )
        self._databases.append(self.engine.database)
        self.url = stack.enter_context(serve_engine(self.engine, listen="127.0.0.1:0"))
        self.keys: list[Key] = operator_keys()

    def operator(self, number: int, **options: Any) -> OperatorService:
        database = self.stack.enter_context(open_database(self.at(str(number))))
        self._databases.append(database)
        url = options.pop("url", self.url)
        operator = operator_of(database, self.consortium, self.keys[number], url, **options)
        return self.closing(operator)

    def closing(self, operator: OperatorService) -> OperatorService:
        if operator.exchange is not None:
            self.stack.callback(operator.exchange.close)
        return operator

    def act(self, look: Callable[[], object]) -> None:
        """Let one act, and wait until the node has mined what it sent.

        So whoever acts next sees it, however slow the node is.
        """
        look()
        await_mined(self.network, *self._databases)

    def until(self, is_so: Callable[[], object], *acts: Callable[[], object]) -> None:
        """Let the engine and others act in turn until something is so."""
        for _ in range(400):
            if is_so():
                return
            self.act(self.engine.look)
            for act in acts:
                self.act(act)
        raise AssertionError(self.engine.heartbeat)

    def play(self, *acts: Callable[[], object], rounds: int = 1_500) -> Ledger:
        """Let everyone act in turn until every batch is at its end."""
        self.act(self.engine.look)
        for _ in range(rounds):
            if self.engine.is_done():
                break
            for act in acts:
                self.act(act)
            self.act(self.engine.look)
        assert self.engine.is_done(), self.engine.heartbeat
        return rebuild(self.consortium.events())

    def pending(self, operator: OperatorService | None = None) -> list[str]:
        """Batches that the engine sees pending, or an operator."""
        ledger = (operator or self.engine).mirror.ledger
        return [name for name, one in ledger.batches.items() if one.stored is BatchState.PENDING]

    def signed(self, number: int, batch_id: str) -> dict[str, Any]:
        """What an operator signs, as it travels."""
        signature = SeatSignature.by(
            self.keys[number], self.consortium.domain, batch_id=batch_id, seat=number
        )
        return SignatureIn.of(signature).model_dump()

    def kept(self, batch_id: str) -> list[Any]:
        """The signatures that the engine has at hand for a batch."""
        with self.engine.database.begin() as connection:
            of_batch = select(SIGNATURES).where(SIGNATURES.c.batch_id == batch_id)
            return list(connection.execute(of_batch).all())

    def post(self, content: Any) -> httpx.Response:
        return httpx.post(self.url + PATH, json=content, trust_env=False, timeout=PATIENCE_S)


def votes_of(ledger: Ledger) -> dict[int, Counter[str]]:
    """Each seat's confirmations and rejections on the chain's record."""
    votes: dict[int, Counter[str]] = {seat: Counter() for seat in range(4)}
    for batch in ledger.batches.values():
        for vote in batch.votes:
            votes[vote.seat]["confirmed" if vote.is_confirmation else "rejected"] += 1
    return votes


def said(operator: OperatorService) -> Counter[str]:
    with operator.database.begin() as connection:
        return Counter(row.vote for row in connection.execute(select(VERDICTS.c.vote)))
