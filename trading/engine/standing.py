"""Where every batch of an engine stands, and why: what `peercharge status` shows.

Read from the database alone, so it also tells what an engine that is not running left behind.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from trading.chain import BatchState
from trading.chain.words import WORD_BYTES
from trading.engine.clerk import TRIES
from trading.store.schema import (
    BATCHES,
    LEFT_OUT,
    MIRROR_BATCHES,
    MIRROR_EVENTS,
    MIRROR_OPERATORS,
    MIRROR_VOTES,
    SIGNATURES,
    TRANSACTIONS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one batch stands.

    Attributes:
        batch_id: its id.
        start_s: its interval, Unix seconds.
        trades: how many.
        state: `written`, a state of the chain, `refused`, or `stuck`.
        why: what it waits for, or why it ended as it did.
        is_open: whether it has not come to its end.
    """

    batch_id: str
    start_s: int
    trades: int
    state: str
    why: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What an engine's database says.

    Attributes:
        batches: in the order of their intervals.
        counts: batches by state.
        head: last block that the mirror has seen; None before the first look.
        transactions: how many transactions are in each state.
        objections: what a node has against transactions that it does not take.
        left_out: trades left to the grid because the contract refused them: (trade, why).
    """

    batches: tuple[Standing, ...]
    counts: dict[str, int]
    head: int | None
    transactions: dict[str, int]
    objections: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def status_of(connection: Connection, *, now_s: float) -> Status:
    """Read where everything stands.

    Args:
        connection: of the engine's database.
        now_s: Unix seconds.
    """
    rows = connection.execute(select(BATCHES).order_by(BATCHES.c.start_s, BATCHES.c.written_at))
    batches = tuple(_standing(connection, row, now_s) for row in rows.all())
    states = connection.execute(
        select(TRANSACTIONS.c.state, func.count()).group_by(TRANSACTIONS.c.state)
    )
    objections = connection.execute(
        select(TRANSACTIONS.c.purpose, TRANSACTIONS.c.refusal)
        .where(TRANSACTIONS.c.state == "written", TRANSACTIONS.c.refusal != "")
        .distinct()
    )
    left_out = connection.execute(
        select(LEFT_OUT.c.trade_id, LEFT_OUT.c.reason).order_by(LEFT_OUT.c.trade_id)
    )
    return Status(
        batches=batches,
        counts=dict(Counter(batch.state for batch in batches)),
        head=connection.execute(select(func.max(MIRROR_EVENTS.c.block))).scalar_one(),
        transactions={str(state): int(count) for state, count in states},
        objections=tuple(f"{purpose}: {refusal}" for purpose, refusal in objections),
        left_out=tuple((trade, reason) for trade, reason in left_out),
    )


def standing_of(connection: Connection, batch_id: str, *, now_s: float) -> Standing | None:
    """Where one batch stands; None where this engine has no such batch."""
    row = connection.execute(select(BATCHES).where(BATCHES.c.batch_id == batch_id)).first()
    return None if row is None else _standing(connection, row, now_s)


def _standing(connection: Connection, row: Row[Any], now_s: float) -> Standing:
    on_chain = connection.execute(
        select(MIRROR_BATCHES).where(MIRROR_BATCHES.c.batch_id == row.batch_id)
    ).first()
    attempts = connection.execute(
        select(TRANSACTIONS)
        .where(TRANSACTIONS.c.subject == row.batch_id)
        .order_by(TRANSACTIONS.c.nonce, TRANSACTIONS.c.attempt)
    ).all()
    state, why = _state(connection, row, on_chain, attempts, now_s)
    return Standing(
        batch_id=row.batch_id,
        start_s=row.start_s,
        trades=len(row.words) // WORD_BYTES,
        state=state,
        why=why,
        is_open=not row.is_closed,
    )


def _state(
    connection: Connection,
    row: Row[Any],
    on_chain: Row[Any] | None,
    attempts: Sequence[Row[Any]],
    now_s: float,
) -> tuple[str, str]:
    if row.is_closed and row.outcome == "refused":
        return "refused", row.note
    under_way = next((one for one in attempts if one.state in ("written", "sent")), None)
    if on_chain is None:
        return "written", _under_way(under_way, now_s) or "its submission is in no block yet"
    refusals = [one for one in attempts if one.state == "refused"]
    if not row.is_closed and len(refusals) >= TRIES and under_way is None:
        return "stuck", f"the contract refused {refusals[-1].purpose}: {refusals[-1].refusal}"
    state = str(on_chain.state)
    if row.is_closed:
        return state, _rejections(connection, row.batch_id)
    if under_way is not None:
        return state, _under_way(under_way, now_s)
    return state, _waits_for(connection, row, state, now_s)


def _under_way(one: Row[Any] | None, now_s: float) -> str:
    if one is None:
        return ""
    if one.state == "written":
        return f"{one.purpose} is not sent: {one.refusal or 'no node has answered yet'}"
    return f"{one.purpose} was sent {now_s - one.sent_at:.0f} s ago and is in no block yet"


def _waits_for(connection: Connection, row: Row[Any], state: str, now_s: float) -> str:
    if state == BatchState.CONFIRMED:
        return f"will be settled from {_clock(row.settle_from_s)} of the lot's time on"
    if state != BatchState.PENDING:
        return "its refund is next"
    if now_s > row.deadline:
        return f"nobody decided by {_clock(row.deadline)}; its refund is next"
    signed = connection.execute(
        select(func.count()).where(SIGNATURES.c.batch_id == row.batch_id)
    ).scalar_one()
    voted = connection.execute(
        select(func.count()).where(MIRROR_VOTES.c.batch_id == row.batch_id)
    ).scalar_one()
    seats = connection.execute(select(func.count()).select_from(MIRROR_OPERATORS)).scalar_one()
    said = f"of {seats} operators {signed} have signed and {voted} have voted on the chain"
    rejected = _rejections(connection, row.batch_id)
    until = f"; open until {_clock(row.deadline)}"
    return said + until + (f". {rejected}" if rejected else "")


def _rejections(connection: Connection, batch_id: str) -> str:
    rows = connection.execute(
        select(MIRROR_VOTES)
        .where(MIRROR_VOTES.c.batch_id == batch_id, MIRROR_VOTES.c.is_confirmation.is_(False))
        .order_by(MIRROR_VOTES.c.seat)
    )
    return "; ".join(f"seat {row.seat} rejected: {row.reason}" for row in rows)


def _clock(at_s: int) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
