"""What people see of the batches that a node knows: rows as they travel, and their query.

A row joins what the chain says of a batch with what this node said to it, and with the question to
a person where there is one. All of it is read from the database in one snapshot, so it is shown
while the node works. Energy is in Wh, money in micro-euro, times are UTC.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row, Select, case, func, select

from trading.chain.words import decode, last_start_s
from trading.operators.node import REASON_BYTES
from trading.operators.pseudonyms import TagOf
from trading.operators.questions import LONGEST_WHO, Decision, Ending
from trading.operators.replica import together
from trading.operators.rules import RULES, Outcome, sentence_of
from trading.store.schema import (
    MIRROR_ACCOUNTS,
    MIRROR_BATCHES,
    MIRROR_EVENTS,
    MIRROR_VOTES,
    QUESTIONS,
    VERDICTS,
)
from trading.units import cost_ueur

Time = dt.datetime
Said = Literal["asked", "unjudged", "confirmed", "rejected", "unvoted"]
"""What a node said to a batch; `unjudged` where it waits, as for sessions that are late."""

MOST_BATCHES = 200


class AnswerIn(BaseModel):
    """A person's decision on a batch."""

    model_config = ConfigDict(extra="forbid")

    vote: Decision
    reason: Annotated[str, Field(strict=True, max_length=REASON_BYTES)] = ""
    who: Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_WHO)]


class QuestionRow(BaseModel):
    """A question to a person, and how it ended."""

    own_vote: Decision = Field(description="What the node itself would vote.")
    own_reason: str
    asked_at: Time
    answer_by: Time = Field(description="Then the node carries out its own vote.")
    ending: Ending
    ended_at: Time | None
    who: str = Field(description="Who answered; empty without an answer.")
    reason: str = Field(description="That they gave.")


class NodeVoteRow(BaseModel):
    """A seat's last word on a batch, on the chain."""

    seat: int
    operator: str
    vote: Decision
    reason: str
    voted_at: Time


class NodeBatchRow(BaseModel):
    """A batch of the contract, beside what this node said to it."""

    batch_id: str
    state: str = Field(description="On the chain: pending, confirmed, settled, rejected, ...")
    submitter: str
    submitted_at: Time
    deadline: Time
    interval_start: Time = Field(description="The latest among its trades.")
    n_trades: int
    energy_wh: int
    locked_ueur: int
    said: Said
    reason: str = Field(description="Of a rejection; else what the verdict rests on.")
    decided_at: Time | None
    broken: list[str] = Field(description="Names of the rules that found something.")
    question: QuestionRow | None = Field(description="Null where nobody was asked.")
    votes: list[NodeVoteRow]


class FoundRow(BaseModel):
    """A fault that a rule found."""

    trade: int | None = Field(description="Place in the batch, from 0; null for all of it.")
    sentence: str


class CheckRow(BaseModel):
    """What became of a rule."""

    rule: str
    description: str = Field(description="What it holds a batch to.")
    outcome: Outcome | Literal["unknown"] = Field(
        description="unchecked: it had nothing to look at; unknown: it was not kept."
    )
    found: list[FoundRow]


class NodeTradeRow(BaseModel):
    """A trade of a batch, with its parties as this node knows them."""

    position: int
    interval_start: Time
    buyer_account: int
    seller_account: int
    buyer_id: str | None = Field(description="The stay; null where none is known here.")
    seller_id: str | None
    energy_wh: int
    price_ueur_per_kwh: int
    cost_ueur: int
    seller_price_ueur_per_kwh: int
    income_ueur: int


class NodeBatchOut(NodeBatchRow):
    """A batch with all that this node knows of it."""

    checks: list[CheckRow] = Field(description="Of every rule; empty where it did not judge.")
    trades: list[NodeTradeRow]


class NodeBatches(BaseModel):
    """Batches, those on which a person is asked first."""

    now: Time = Field(description="By the node's clock, as are all other times.")
    items: list[NodeBatchRow]


class AnsweredOut(BaseModel):
    """What became of an answer."""

    is_new: bool = Field(description="False where the same answer had come before.")
    batch: NodeBatchRow


_SAID = func.coalesce(VERDICTS.c.vote, "unjudged")
_BATCHES: Select[Any] = (
    select(
        MIRROR_BATCHES,
        _SAID.label("said"),
        func.coalesce(VERDICTS.c.reason, "").label("verdict_reason"),
        func.coalesce(VERDICTS.c.findings, "[]").label("findings"),
        func.coalesce(VERDICTS.c.outcomes, "{}").label("outcomes"),
        VERDICTS.c.decided_at,
        QUESTIONS.c.batch_id.label("question_id"),
        QUESTIONS.c.own_vote,
        QUESTIONS.c.own_reason,
        QUESTIONS.c.asked_at,
        QUESTIONS.c.answer_by,
        QUESTIONS.c.ending,
        QUESTIONS.c.ended_at,
        QUESTIONS.c.who,
        QUESTIONS.c.reason.label("answer_reason"),
        MIRROR_EVENTS.c.arguments,
    )
    .outerjoin(VERDICTS, VERDICTS.c.batch_id == MIRROR_BATCHES.c.batch_id)
    .outerjoin(QUESTIONS, QUESTIONS.c.batch_id == MIRROR_BATCHES.c.batch_id)
    .join(
        MIRROR_EVENTS,
        (MIRROR_EVENTS.c.batch_id == MIRROR_BATCHES.c.batch_id)
        & (MIRROR_EVENTS.c.name == "BatchSubmitted"),
    )
)


def list_batches(
    connection: Connection, *, said: Said | None = None, limit: int = 50
) -> list[NodeBatchRow]:
    """Batches: first those on which a person is asked, the most urgent before; then the latest.

    Args:
        connection: one snapshot.
        said: only those to which the node said this.
        limit: at most so many.
    """
    columns = MIRROR_BATCHES.c
    query = _BATCHES if said is None else _BATCHES.where(_SAID.in_([said]))
    is_open = QUESTIONS.c.ending == "open"
    query = query.order_by(
        case((is_open, 0), else_=1),
        case((is_open, QUESTIONS.c.answer_by), else_=0.0),
        columns.submitted_block.desc(),
        columns.batch_id,
    ).limit(limit)
    rows = connection.execute(query).all()
    votes = _votes(connection, [row.batch_id for row in rows])
    return [_batch(row, votes[row.batch_id]) for row in rows]


def one_batch(
    connection: Connection, batch_id: str, *, sessions: pd.DataFrame, tag_of: TagOf
) -> NodeBatchOut | None:
    """A batch with its trades and all checks; None where the chain has none of that id.

    Args:
        connection: one snapshot.
        batch_id: of the batch.
        sessions: a SESSIONS table of all that came.
        tag_of: what a session's account is registered under.
    """
    row = connection.execute(_BATCHES.where(MIRROR_BATCHES.c.batch_id == batch_id)).first()
    if row is None:
        return None
    words = _words(row)
    parties = _parties(connection, words, sessions=sessions, tag_of=tag_of)
    return NodeBatchOut(
        **_batch(row, _votes(connection, [batch_id])[batch_id]).model_dump(),
        checks=_checks(row),
        trades=_trades(words, parties),
    )


def stays_in(
    connection: Connection, batch_id: str, *, sessions: pd.DataFrame, tag_of: TagOf
) -> set[str]:
    """Ids of the sessions that trade in a batch, as far as they are known here."""
    found = one_batch(connection, batch_id, sessions=sessions, tag_of=tag_of)
    trades = [] if found is None else found.trades
    return {name for one in trades for name in (one.buyer_id, one.seller_id) if name is not None}


def utc(at_s: float) -> Time:
    """Unix seconds as a time."""
    return dt.datetime.fromtimestamp(at_s, dt.UTC)


def _batch(row: Row[Any], votes: list[NodeVoteRow]) -> NodeBatchRow:
    broken = {one["rule"] for one in json.loads(row.findings)}
    return NodeBatchRow(
        batch_id=row.batch_id,
        state=_state(row),
        submitter=row.submitter,
        submitted_at=utc(row.submitted_at),
        deadline=utc(row.deadline),
        interval_start=utc(last_start_s(_words(row))),
        n_trades=row.trades,
        energy_wh=row.energy_wh,
        locked_ueur=row.locked_ueur,
        said=row.said,
        reason=row.verdict_reason,
        decided_at=_time(row.decided_at),
        broken=[rule for rule in RULES if rule in broken],
        question=_question(row),
        votes=votes,
    )


def _state(row: Row[Any]) -> str:
    """Where a batch stands; one that was refunded is told by what it was before."""
    if row.state != "refunded":
        return str(row.state)
    return "expired" if row.was == "pending" else str(row.was)


def _question(row: Row[Any]) -> QuestionRow | None:
    if row.question_id is None:
        return None
    return QuestionRow(
        own_vote=row.own_vote,
        own_reason=row.own_reason,
        asked_at=utc(row.asked_at),
        answer_by=utc(row.answer_by),
        ending=row.ending,
        ended_at=_time(row.ended_at),
        who=row.who,
        reason=row.answer_reason,
    )


def _checks(row: Row[Any]) -> list[CheckRow]:
    """Of every rule that there is; a verdict of an older version has only the faults."""
    found = defaultdict(list)
    for one in json.loads(row.findings):
        found[one["rule"]].append(FoundRow(trade=one["trade"], sentence=one["sentence"]))
    outcomes: dict[str, Outcome] = json.loads(row.outcomes)
    if not outcomes and not found:
        return []
    names = [*RULES, *sorted((outcomes.keys() | found.keys()) - RULES.keys())]
    return [
        CheckRow(
            rule=name,
            description=sentence_of(name),
            outcome="broken" if found[name] else outcomes.get(name, "unknown"),
            found=found[name],
        )
        for name in names
    ]


def _trades(words: Sequence[int], parties: Mapping[int, str]) -> list[NodeTradeRow]:
    table = decode(words)
    energy = table["energy_wh"].to_numpy()
    table = table.assign(
        cost_ueur=cost_ueur(energy, table["price_ueur_per_kwh"].to_numpy()),
        income_ueur=cost_ueur(energy, table["seller_price_ueur_per_kwh"].to_numpy()),
    )
    return [
        NodeTradeRow(
            position=position,
            buyer_id=parties.get(trade["buyer_account"]),
            seller_id=parties.get(trade["seller_account"]),
            **{
                str(name): value
                for name, value in trade.items()
                if name in NodeTradeRow.model_fields
            },
        )
        for position, trade in enumerate(table.to_dict(orient="records"))
    ]


def _parties(
    connection: Connection, words: Sequence[int], *, sessions: pd.DataFrame, tag_of: TagOf
) -> dict[int, str]:
    """Session by account, of those that trade in a batch and are known here."""
    trades = decode(words)
    numbers = {int(one) for side in ("buyer", "seller") for one in trades[f"{side}_account"]}
    accounts = MIRROR_ACCOUNTS.c
    tag_by_account = {
        row.account: row.tag
        for row in connection.execute(
            select(accounts.account, accounts.tag).where(accounts.account.in_(numbers))
        )
    }
    there = together(sessions, int(trades["interval_start"].min().timestamp()))
    names = {tag_of(str(name)): str(name) for name in there["session_id"]}
    return {number: names[tag] for number, tag in tag_by_account.items() if tag in names}


def _votes(connection: Connection, ids: Sequence[str]) -> dict[str, list[NodeVoteRow]]:
    found: dict[str, list[NodeVoteRow]] = defaultdict(list)
    columns = MIRROR_VOTES.c
    for row in connection.execute(
        select(MIRROR_VOTES).where(columns.batch_id.in_(ids)).order_by(columns.seat)
    ):
        found[row.batch_id].append(
            NodeVoteRow(
                seat=row.seat,
                operator=row.operator,
                vote="confirmed" if row.is_confirmation else "rejected",
                reason=row.reason,
                voted_at=utc(row.voted_at),
            )
        )
    return found


def _words(row: Row[Any]) -> tuple[int, ...]:
    return tuple(json.loads(row.arguments)["trades"])


def _time(at_s: float | None) -> Time | None:
    return None if at_s is None else utc(at_s)
