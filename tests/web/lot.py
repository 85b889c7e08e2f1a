"""A database as a real engine leaves it: a short day on a node of its own, one batch rejected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from tests.durable.lot import MARKET, PSEUDONYMS, drive, engine_of, found, nodes_of, sessions
from tests.tools import PATIENCE_S
from trading.chain import Key, Network
from trading.serving import service_app, serving
from trading.store import open_database
from trading.store.requests import take_sessions
from trading.store.schema import BATCHES
from trading.store.sessions import SessionStore
from trading.web import DevelopmentIssuer, EngineDoor, RateLimit, Source, create_app

VEHICLES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """An engine's database, and what went into it.

    Attributes:
        file: the database, as `open_database` takes it.
        trades: what the engine says it traded, as `trades.csv`.
        rejected: the batch that two operators rejected.
        driver: a session that took part in a settled trade.
        owner: the address that owns its account.
        withdrawn_ueur: what it took out at the end.
    """

    file: str
    trades: object
    rejected: str
    driver: str
    owner: str
    withdrawn_ueur: int


def fill(network: Network, file: str) -> Filled:
    """Trade a short day; two operators with false copies of the sessions reject its first batch."""
    consortium, frame = found(network), sessions(VEHICLES)
    deceived = frame.assign(soc_arrival=0.7)
    with open_database(file) as database:
        engine = engine_of(database, consortium, frame)
        nodes = nodes_of(consortium, frame)[:2] + nodes_of(consortium, deceived)[2:]
        rejected = _until_refunded(engine, nodes)
        drive(engine, nodes_of(consortium, frame))
        trades = engine.trades()
        driver = str(trades.loc[trades["status"] == "settled", "seller_id"].iloc[0])
        key = Key.demonstration(0, f"driver {driver}")
        account = next(
            one for one in engine.mirror.ledger.accounts.values()
            if one.tag == PSEUDONYMS.find(driver)
        )  # fmt: skip
        consortium.withdraw(account.number, 1_000, to=key.address, by=key)
        engine.look()
    return Filled(
        file=file,
        trades=trades,
        rejected=rejected,
        driver=driver,
        owner=account.owner,
        withdrawn_ueur=1_000,
    )


def _until_refunded(engine, nodes, seconds: float = PATIENCE_S) -> str:
    until = time.monotonic() + seconds
    while True:
        assert time.monotonic() < until, engine.heartbeat
        engine.look()
        for node in nodes:
            for signed in node.poll():
                assert not engine.clerk.take(signed)
        with engine.database.look() as connection:
            query = select(BATCHES.c.batch_id).where(BATCHES.c.outcome == "refunded")
            closed = connection.execute(query).scalar()
        if closed is not None:
            return closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The service on a port of its own: a client, what it reads, and who may issue tokens."""

    client: httpx.Client
    source: Source
    issuer: DevelopmentIssuer

    def get(self, path: str, role: str = "operator", **more):
        """Ask as somebody with this role; `headers`, `sessions` and `owners` may be given."""
        headers = self.bearer(role, more.pop("sessions", ()), more.pop("owners", ()))
        headers |= more.pop("headers", {})
        return self.client.get(f"/api/v1{path}", headers=headers, **more)

    def items(self, path: str, role: str = "operator", **more):
        answer = self.get(path, role, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    def all_items(self, path: str, role: str = "operator", *, limit: int = 7, **more):
        """Every row, by following cursors."""
        rows, cursor = [], None
        params = {**more.pop("params", {}), "limit": limit}
        while True:
            told = self.get(
                path, role, params=params | ({"cursor": cursor} if cursor else {}), **more
            ).json()
            rows += told["items"]
            cursor = told["next"]
            if cursor is None:
                return rows

    def bearer(self, role: str, sessions=(), owners=()) -> dict[str, str]:
        token = self.issuer.token(role, sessions=list(sessions), owners=list(owners))
        return {"Authorization": f"Bearer {token}"}


@contextmanager
def api_over(file: str | Path, **more) -> Iterator[Api]:
    """The service over a database, generous with rates."""
    options = {name: more.pop(name) for name in ("rates", "cors_origins") if name in more}
    options.setdefault("rates", RateLimit(1e6, 10**6))
    issuer = DevelopmentIssuer()
    with open_database(str(file), alone=False) as database:
        source = Source(
            database=database,
            publication=MARKET,
            **({"replay": True, "tag_of": PSEUDONYMS.find} | more),
        )
        app = create_app(source, issuer.tokens(), issuer=issuer, **options)
        with (
            serving(app, "127.0.0.1:0") as address,
            httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
        ):
            yield Api(client=client, source=source, issuer=issuer)


ENGINE_TOKEN = "of the engine, for tests"


@contextmanager
def door_to(
    file: Path, *, token: str = ENGINE_TOKEN, asked: str = ENGINE_TOKEN
) -> Iterator[EngineDoor]:
    """A door to an engine's own route for sessions, which keeps them in `file`."""
    registry = CollectorRegistry()
    with open_database(str(file)) as database:
        app = service_app("engine", health=lambda: (True, {}), registry=registry)
        take_sessions(app, SessionStore(database), token=asked)
        with (
            serving(app, "127.0.0.1:0") as address,
            httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
        ):
            yield EngineDoor(client, token=token)
