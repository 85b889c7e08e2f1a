"""An operator's HTTP side: health, metrics, and its own sessions by request.

It runs in a thread of its own and shares with the operator's thread the database and a wake-up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from trading.operators.service import OperatorService
from trading.serving import service_app, serving
from trading.store.measures import beats, by_label, counter, gauge, transactions
from trading.store.requests import take_sessions
from trading.store.schema import MIRROR_BATCHES, SESSIONS, VERDICTS

DEFAULT_LISTEN = "127.0.0.1:8710"
STALE_S = 60.0
"""An operator that has not looked at chain and sessions for this long is not well."""

STATES = ("pending", "confirmed", "rejected", "cancelled", "settled", "refunded")


def operator_app(operator: OperatorService, *, token: str | None = None) -> FastAPI:
    """The routes of an operator.

    Args:
        operator: runs in another thread.
        token: that `POST /v1/sessions` asks for; None refuses all sessions by HTTP.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OperatorMetrics(operator))
    app = service_app(
        "peercharge operator", health=lambda: operator_health(operator), registry=registry
    )
    take_sessions(app, operator.sessions, token=token, wake=operator.wake.set)
    return app


def serve_operator(
    operator: OperatorService, *, listen: str = DEFAULT_LISTEN, token: str | None = None
) -> AbstractContextManager[str]:
    """Serve an operator's routes until the context ends; gives their address.

    Raises:
        OptionError: the address is none, or is taken.
    """
    return serving(operator_app(operator, token=token), listen)


def operator_health(operator: OperatorService) -> tuple[bool, Mapping[str, Any]]:
    """Whether the operator goes on, and how far it is."""
    beat = operator.heartbeat
    lag_s = operator.clock() - beat.looked_at if beat.looked_at else None
    is_well = not beat.problem and lag_s is not None and lag_s < STALE_S
    return is_well, {
        "service": "operator",
        "operator": operator.key.address,
        "seat": beat.seat,
        "head": beat.head,
        "lag_s": None if lag_s is None else round(lag_s, 3),
        "open_batches": beat.waiting,
        "problem": beat.problem,
        "market": operator.publication.digest,
        "lot": operator.publication.lot,
        "contract": operator.consortium.address,
        "chain_id": operator.consortium.network.chain_id,
    }


class _OperatorMetrics(Collector):
    """What the database and the heartbeat say at the moment of asking."""

    def __init__(self, operator: OperatorService) -> None:
        self._operator = operator

    def collect(self) -> Iterator[Metric]:
        operator, beat = self._operator, self._operator.heartbeat
        with operator.database.begin() as connection:
            votes = dict.fromkeys(("confirmed", "rejected", "unvoted"), 0) | {
                row[0]: int(row[1])
                for row in connection.execute(
                    select(VERDICTS.c.vote, func.count()).group_by(VERDICTS.c.vote)
                )
            }
            states = dict.fromkeys(STATES, 0) | {
                row[0]: int(row[1])
                for row in connection.execute(
                    select(MIRROR_BATCHES.c.state, func.count()).group_by(MIRROR_BATCHES.c.state)
                )
            }
            sessions = connection.execute(select(func.count()).select_from(SESSIONS)).scalar_one()
            yield from transactions(connection)
        yield by_label("batches", "Batches of the contract by state.", "state", states)
        yield by_label(
            "verdicts", "Verdicts of this operator by vote.", "vote", votes, is_counter=True
        )
        yield by_label(
            "findings",
            "Findings of this operator by rule.",
            "rule",
            dict(operator.rules_broken),
            is_counter=True,
        )
        sent = dict.fromkeys(("taken", "refused", "unanswered"), 0) | dict(beat.signatures)
        yield by_label(
            "signatures_sent",
            "Signatures sent to the engine, by what became of them.",
            "outcome",
            sent,
            is_counter=True,
        )
        yield counter(
            "fallbacks", "Confirmations sent to the chain for want of the engine.", beat.fallbacks
        )
        yield gauge("open_batches", "Pending batches that still need its vote.", beat.waiting)
        yield gauge("sessions", "Sessions known.", sessions)
        yield from beats(
            head=beat.head,
            since_s=operator.clock() - beat.looked_at,
            reorganisations=operator.mirror.reorganisations,
            has_problem=bool(beat.problem),
        )
