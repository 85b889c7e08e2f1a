"""An operator's HTTP side: health, metrics, its own sessions, and people's answers to questions.

It runs in a thread of its own and shares with the operator's thread the database and a wake-up.
What the node found and who stood in the lot is for the operator's own people: `/v1/batches` asks
for a token of its own, and refuses everybody where none is configured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from pydantic import TypeAdapter
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from trading.errors import OptionError, QuestionError
from trading.operators.batches import (
    MOST_BATCHES,
    AnsweredOut,
    AnswerIn,
    NodeBatches,
    NodeBatchOut,
    Said,
    list_batches,
    one_batch,
    utc,
)
from trading.operators.questions import ENDINGS
from trading.operators.service import OperatorService
from trading.serving import Problem, body_as, service_app, serving
from trading.store.measures import beats, by_label, counter, gauge, transactions
from trading.store.requests import check_token, take_sessions
from trading.store.schema import MIRROR_BATCHES, QUESTIONS, SESSIONS, VERDICTS

DEFAULT_LISTEN = "127.0.0.1:8710"
STALE_S = 60.0
"""An operator that has not looked at chain and sessions for this long is not well."""

TOKEN_VARIABLE = "PEERCHARGE_OPERATOR_TOKEN"
"""The environment's variable with the token that people's answers bear; `_FILE` names a file."""

BatchId = Annotated[str, Path(pattern="^0x[0-9a-f]{64}$")]
MOST_ANSWER_BYTES = 4_096
_ANSWER = TypeAdapter(AnswerIn)

STATES = ("pending", "confirmed", "rejected", "cancelled", "settled", "refunded")


def operator_app(
    operator: OperatorService, *, token: str | None = None, people: str | None = None
) -> FastAPI:
    """The routes of an operator.

    Args:
        operator: runs in another thread.
        token: that `POST /v1/sessions` asks for; None refuses all sessions by HTTP.
        people: the token that `/v1/batches` asks for; None refuses everybody.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OperatorMetrics(operator))
    app = service_app(
        "peercharge operator", health=lambda: operator_health(operator), registry=registry
    )
    take_sessions(app, operator.sessions, token=token)
    _show_batches(app, operator, people)
    return app


def _show_batches(app: FastAPI, operator: OperatorService, token: str | None) -> None:
    """Give `app` the routes by which people look at batches and decide."""

    def allow(request: Request) -> None:
        check_token(
            request, token, f"batches are shown only where {TOKEN_VARIABLE} or its file is set"
        )

    router = APIRouter(prefix="/v1/batches", dependencies=[Depends(allow)])

    @router.get("")
    def batches(
        said: Said | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_BATCHES)] = 50,
    ) -> NodeBatches:
        with operator.database.look() as connection:
            items = list_batches(connection, said=said, limit=limit)
        return NodeBatches(now=utc(operator.clock()), items=items)

    @router.get("/{batch_id}")
    def batch(batch_id: BatchId) -> NodeBatchOut:
        return shown(batch_id)

    @router.post("/{batch_id}/answer")
    async def answer(request: Request, batch_id: BatchId) -> AnsweredOut:
        given = await body_as(request, _ANSWER, most_bytes=MOST_ANSWER_BYTES)
        return await run_in_threadpool(decide, batch_id, given)

    def decide(batch_id: str, given: AnswerIn) -> AnsweredOut:
        shown(batch_id)
        try:
            is_new = operator.answer(
                batch_id, vote=given.vote, reason=given.reason.strip(), who=given.who
            )
        except QuestionError as error:
            raise Problem(409, error.why) from None
        except OptionError as error:
            raise Problem(422, f"{error.name}: expected {error.expected}") from None
        return AnsweredOut(is_new=is_new, batch=shown(batch_id))

    def shown(batch_id: str) -> NodeBatchOut:
        with operator.database.look() as connection:
            found = one_batch(
                connection, batch_id, sessions=operator.known_sessions, tag_of=operator.tag_of
            )
        if found is None:
            raise Problem(404, "the chain has no such batch, as far as this node has read it")
        return found

    app.include_router(router)


def serve_operator(
    operator: OperatorService,
    *,
    listen: str = DEFAULT_LISTEN,
    token: str | None = None,
    people: str | None = None,
) -> AbstractContextManager[str]:
    """Serve an operator's routes until the context ends; gives their address.

    Raises:
        OptionError: the address is none, or is taken.
    """
    return serving(operator_app(operator, token=token, people=people), listen)


def operator_health(operator: OperatorService) -> tuple[bool, Mapping[str, Any]]:
    """Whether the operator goes on, and how far it is."""
    beat = operator.heartbeat
    now_s = operator.clock()
    lag_s = beat.lag_s(now_s)
    chain_age_s = now_s - beat.chain_time_s if beat.chain_time_s else None
    return beat.is_well(now_s, stale_s=STALE_S), {
        "service": "operator",
        "operator": operator.key.address,
        "seat": beat.seat,
        "head": beat.head,
        "lag_s": None if lag_s is None else round(lag_s, 3),
        "chain_age_s": None if chain_age_s is None else round(chain_age_s, 3),
        "open_batches": beat.waiting,
        "asks": operator.asks,
        "open_questions": beat.asked,
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
                    select(VERDICTS.c.vote, func.count())
                    # What a person is still asked is no verdict yet.
                    .where(VERDICTS.c.vote != "asked")
                    .group_by(VERDICTS.c.vote)
                )
            }
            asked: dict[str, int] = dict.fromkeys(ENDINGS, 0) | {
                row[0]: int(row[1])
                for row in connection.execute(
                    select(QUESTIONS.c.ending, func.count()).group_by(QUESTIONS.c.ending)
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
        is_open = asked.pop("open")
        yield gauge("open_questions", "Questions that wait for a person.", is_open)
        yield by_label(
            "questions", "Questions that ended, by how.", "ending", asked, is_counter=True
        )
        yield by_label(
            "findings",
            "Findings of this operator by rule.",
            "rule",
            dict(operator.verdicts.broken),
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
