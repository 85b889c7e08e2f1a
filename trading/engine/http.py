"""The engine's HTTP side: the exchange for operators' signatures, sessions, health and metrics.

It runs in a thread of its own and shares with the engine's thread only the database and a wake-up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from pydantic import TypeAdapter
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from trading.chain import SeatSignature
from trading.engine.service import Engine
from trading.operators.exchange import PATH, SignatureIn
from trading.serving import DEFAULT_LISTEN, Problem, body_as, service_app, serving
from trading.store.measures import beats, by_label, counter, gauge, transactions
from trading.store.requests import take_sessions
from trading.store.schema import (
    BATCHES,
    INTERVALS,
    MIRROR_BATCHES,
    MIRROR_OPERATORS,
    SESSIONS,
    SIGNATURES,
)

STATES = ("written", "pending", "confirmed", "rejected", "settled", "refunded", "refused")
MAX_SIGNATURE_BYTES = 2_000
_SIGNATURE = TypeAdapter(SignatureIn)

STALE_S = 60.0
"""An engine that has not looked at chain and sessions for this long is not well."""


def engine_app(engine: Engine, *, token: str | None = None) -> FastAPI:
    """The routes of an engine.

    Args:
        engine: runs in another thread.
        token: that `POST /v1/sessions` asks for; None refuses all sessions by HTTP.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_EngineMetrics(engine))
    came = Counter(
        "peercharge_signatures_received",
        "Operators' signatures that came in, by what became of them.",
        ["outcome"],
        registry=registry,
    )
    for outcome in ("taken", "known", "refused"):
        came.labels(outcome)
    app = service_app("peercharge engine", health=lambda: engine_health(engine), registry=registry)
    take_sessions(app, engine.sessions, token=token)
    lock = threading.Lock()

    @app.post(PATH)
    async def take_signature(request: Request) -> dict[str, str]:
        signed = await body_as(request, _SIGNATURE, most_bytes=MAX_SIGNATURE_BYTES)
        return await run_in_threadpool(take, signed.signature())

    def take(signed: SeatSignature) -> dict[str, str]:
        with lock:
            if _is_kept(engine, signed):
                came.labels("known").inc()
                return {"status": "taken"}
            why_not = engine.clerk.take(signed)
        came.labels("refused" if why_not else "taken").inc()
        if why_not:
            raise Problem(422, why_not)
        engine.wake.set()
        return {"status": "taken"}

    return app


def _is_kept(engine: Engine, signed: SeatSignature) -> bool:
    """Whether this very signature is at hand and of use: sent again, it costs no write."""
    kept, batch, seat = SIGNATURES.c, BATCHES.c, MIRROR_OPERATORS.c
    asked = (
        select(kept.seat)
        .join(BATCHES, batch.batch_id == kept.batch_id)
        .join(MIRROR_OPERATORS, (seat.seat == kept.seat) & (seat.address == kept.signer))
        .where(
            kept.batch_id == signed.batch_id,
            kept.seat == signed.seat,
            kept.signer == signed.signer,
            kept.r == signed.r,
            kept.vs == signed.vs,
            batch.is_closed.is_(False),
        )
    )
    with engine.database.begin() as connection:
        return connection.execute(asked).first() is not None


def serve_engine(
    engine: Engine, *, listen: str = DEFAULT_LISTEN, token: str | None = None
) -> AbstractContextManager[str]:
    """Serve an engine's routes until the context ends; gives their address.

    Raises:
        OptionError: the address is none, or is taken.
    """
    return serving(engine_app(engine, token=token), listen)


def engine_health(engine: Engine) -> tuple[bool, Mapping[str, Any]]:
    """Whether the engine goes on, and how far it is."""
    beat = engine.heartbeat
    now_s = engine.clock()
    lag_s = beat.lag_s(now_s)
    return beat.is_well(now_s, stale_s=STALE_S), {
        "service": "engine",
        "head": beat.head,
        "lag_s": None if lag_s is None else round(lag_s, 3),
        "open_batches": beat.open_batches,
        "problem": beat.problem,
        "market": engine.publication.digest,
        "lot": engine.publication.lot,
        "contract": engine.consortium.address,
        "chain_id": engine.consortium.network.chain_id,
    }


class _EngineMetrics(Collector):
    """What the database and the heartbeat say at the moment of asking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        engine = self._engine
        state = func.coalesce(MIRROR_BATCHES.c.state, func.nullif(BATCHES.c.outcome, ""), "written")
        joined = BATCHES.outerjoin(MIRROR_BATCHES, BATCHES.c.batch_id == MIRROR_BATCHES.c.batch_id)
        with engine.database.begin() as connection:
            by_state = connection.execute(
                select(
                    state,
                    func.count(),
                    func.coalesce(func.sum(MIRROR_BATCHES.c.trades), 0),
                    func.coalesce(func.sum(MIRROR_BATCHES.c.energy_wh), 0),
                )
                .select_from(joined)
                .group_by(state)
            ).all()
            intervals = connection.execute(
                select(INTERVALS.c.outcome, func.count()).group_by(INTERVALS.c.outcome)
            ).all()
            sessions = connection.execute(select(func.count()).select_from(SESSIONS)).scalar_one()
            signatures = connection.execute(
                select(func.count()).select_from(SIGNATURES)
            ).scalar_one()
            yield from transactions(connection)
        counts = dict.fromkeys(STATES, 0) | {row[0]: int(row[1]) for row in by_state}
        yield by_label("batches", "Batches of this engine by state.", "state", counts)
        settled = next(((row[2], row[3]) for row in by_state if row[0] == "settled"), (0, 0))
        yield gauge("open_batches", "Batches not at their end.", engine.heartbeat.open_batches)
        yield counter("trades_settled", "Trades in settled batches.", int(settled[0]))
        yield counter("energy_settled_wh", "Energy in settled batches, Wh.", int(settled[1]))
        outcomes = dict.fromkeys(("traded", "nothing", "missed"), 0)
        outcomes |= {row[0]: int(row[1]) for row in intervals}
        yield by_label(
            "intervals", "Market intervals dealt with.", "outcome", outcomes, is_counter=True
        )
        yield gauge("sessions", "Sessions known.", sessions)
        yield gauge("signatures_kept", "Signatures at hand, one a batch and seat.", signatures)
        yield from beats(
            head=engine.heartbeat.head,
            since_s=engine.clock() - engine.heartbeat.looked_at,
            reorganisations=engine.mirror.reorganisations,
            has_problem=bool(engine.heartbeat.problem),
        )
