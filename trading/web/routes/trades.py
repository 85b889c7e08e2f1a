"""Trades with their state and history; batches with who confirmed or rejected them, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from trading.chain.words import WORD_BYTES, decode
from trading.engine.standing import standing_of
from trading.store.schema import (
    BATCHES,
    LEFT_OUT,
    MIRROR_BATCHES,
    MIRROR_EVENTS,
    MIRROR_VOTES,
    TRADES,
)
from trading.units import cost_ueur
from trading.web.auth import Principal
from trading.web.formats import LIST_ANSWERS, answer_list
from trading.web.pages import CutQuery, Page, Paged, page_of_query
from trading.web.problems import Problem, documented
from trading.web.routes.common import (
    Address,
    Anyone,
    BatchId,
    Consortium,
    From,
    Name,
    Since,
    Text,
    Until,
    topic,
)
from trading.web.rows import (
    BatchOut,
    BatchRow,
    BatchState,
    StepRow,
    TradeOut,
    TradeRow,
    TradeState,
    VoteRow,
)
from trading.web.source import Own, Source, event_of, words_in
from trading.web.views import unix_s, utc

router = topic("trades")

_ON_CHAIN = MIRROR_BATCHES.c
_STATE = case(
    (BATCHES.c.outcome == "refused", "refused"),
    (_ON_CHAIN.state.is_(None), "written"),
    (_ON_CHAIN.state != "refunded", _ON_CHAIN.state),
    (_ON_CHAIN.was == "pending", "expired"),
    else_=_ON_CHAIN.was,
).label("state")
"""Where a trade stands, as `trading.chain.rebuild.fate` says it."""

_TRADES: Select[Any] = (
    select(
        TRADES.c.batch_id,
        TRADES.c.position,
        TRADES.c.trade_id,
        TRADES.c.buyer_id,
        TRADES.c.seller_id,
        BATCHES.c.start_s,
        BATCHES.c.lot,
        BATCHES.c.written_at,
        BATCHES.c.note,
        _STATE,
    )
    .join(BATCHES, TRADES.c.batch_id == BATCHES.c.batch_id)
    .outerjoin(MIRROR_BATCHES, TRADES.c.batch_id == MIRROR_BATCHES.c.batch_id)
)
_KEY = (BATCHES.c.start_s, TRADES.c.batch_id, TRADES.c.position)


@router.get("/trades", response_model=Page[TradeRow], responses=LIST_ANSWERS)
def list_trades(
    request: Request,
    who: Anyone,
    source: From,
    cut: CutQuery,
    since: Since = None,
    until: Until = None,
    state: TradeState | None = None,
    session_id: Text = None,
    batch_id: BatchId = None,
) -> Response:
    """Trades by interval. `since` and `until` choose among the beginnings of intervals.

    Trades of a batch that the contract refused were written again in another, and are listed only
    with `state=refused`. `session_id` finds a vehicle on either side.
    """
    with source.look() as connection:
        own = source.own(connection, who)
        is_wanted = BATCHES.c.outcome != "refused" if state is None else _STATE.in_([state])
        query = _TRADES.where(is_wanted)
        if not who.sees_trades:
            query = query.where(_is_party(own.sessions))
        if session_id is not None:
            is_hidden = not who.sees_vehicles and session_id not in own.sessions
            query = query.where(_is_party(frozenset() if is_hidden else frozenset({session_id})))
        if since is not None:
            query = query.where(BATCHES.c.start_s >= unix_s(since))
        if until is not None:
            query = query.where(BATCHES.c.start_s < unix_s(until))
        if batch_id is not None:
            query = query.where(TRADES.c.batch_id == batch_id)
        page = page_of_query(connection, query, _KEY, cut)
        rows = _trade_rows(connection, page.rows, who, own)
    return answer_list(request, TradeRow, Paged(rows=rows, next=page.next))


@router.get("/trades/{trade_id}", responses=documented(404))
def one_trade(trade_id: Name, who: Anyone, source: From) -> TradeOut:
    """One trade with all that happened to it, votes included, in order."""
    with source.look() as connection:
        own = source.own(connection, who)
        query = _TRADES.where(TRADES.c.trade_id == trade_id)
        if not who.sees_trades:
            query = query.where(_is_party(own.sessions))
        found = connection.execute(query.order_by(BATCHES.c.written_at)).all()
        if not found:
            raise Problem(404, "there is no such trade")
        # The last one written stands; those before it were refused.
        row = _trade_rows(connection, found[-1:], who, own)[0]
        history = [step for one in found for step in _history(connection, one)]
    return TradeOut(**row.model_dump(), history=history)


def _is_party(sessions: frozenset[str]) -> Any:
    return or_(TRADES.c.buyer_id.in_(sessions), TRADES.c.seller_id.in_(sessions))


def _trade_rows(
    connection: Connection, rows: Sequence[Row[Any]], who: Principal, own: Own
) -> list[TradeRow]:
    """Trades as the caller may see them: their words decoded, others' names left out."""
    if not rows:
        return []
    packed = {
        row.batch_id: row.words
        for row in connection.execute(
            select(BATCHES.c.batch_id, BATCHES.c.words).where(
                BATCHES.c.batch_id.in_({row.batch_id for row in rows})
            )
        )
    }
    words = [
        packed[row.batch_id][row.position * WORD_BYTES : (row.position + 1) * WORD_BYTES]
        for row in rows
    ]
    table = decode(words_in(b"".join(words)))
    energy = table["energy_wh"].to_numpy()
    table = table.assign(
        cost_ueur=cost_ueur(energy, table["price_ueur_per_kwh"].to_numpy()),
        income_ueur=cost_ueur(energy, table["seller_price_ueur_per_kwh"].to_numpy()),
    )

    def name(session_id: str) -> str | None:
        return session_id if who.sees_vehicles or session_id in own.sessions else None

    def account(number: int) -> int | None:
        return number if who.sees_trades or number in own.accounts else None

    return [
        TradeRow(
            interval_start=utc(row.start_s),
            trade_id=row.trade_id,
            batch_id=row.batch_id,
            position=row.position,
            lot=row.lot,
            buyer_id=name(row.buyer_id),
            seller_id=name(row.seller_id),
            buyer_account=account(trade["buyer_account"]),
            seller_account=account(trade["seller_account"]),
            energy_wh=trade["energy_wh"],
            price_ueur_per_kwh=trade["price_ueur_per_kwh"],
            cost_ueur=trade["cost_ueur"],
            seller_price_ueur_per_kwh=trade["seller_price_ueur_per_kwh"],
            income_ueur=trade["income_ueur"],
            state=row.state,
        )
        for row, trade in zip(rows, table.to_dict(orient="records"), strict=True)
    ]


def _history(connection: Connection, row: Row[Any]) -> list[StepRow]:
    written = StepRow(
        time=utc(int(row.written_at)),
        event="Written",
        operator=None,
        seat=None,
        reason="",
        block=None,
        transaction=None,
    )
    steps = [written]
    events = connection.execute(
        select(MIRROR_EVENTS)
        .where(MIRROR_EVENTS.c.batch_id == row.batch_id)
        .order_by(MIRROR_EVENTS.c.block, MIRROR_EVENTS.c.position)
    )
    steps += [
        StepRow(
            time=utc(event.time),
            event=event.name,
            operator=event.arguments.get("operator"),
            seat=event.arguments.get("seat"),
            reason=str(event.arguments.get("reason", "")),
            block=event.block,
            transaction=event.transaction,
        )
        for event in map(event_of, events)
    ]
    if row.state == "refused":
        left_out = connection.execute(
            select(LEFT_OUT.c.reason).where(
                LEFT_OUT.c.trade_id == row.trade_id, LEFT_OUT.c.batch_id == row.batch_id
            )
        ).scalar()
        is_out = left_out is not None
        event_name = "LeftOut" if is_out else "Refused"
        steps.append(
            written.model_copy(update={"event": event_name, "reason": left_out or row.note})
        )
    return steps


# ---------------------------------------------------------------------- batches

_ALL_BATCHES = union_all(
    select(
        _ON_CHAIN.batch_id,
        _ON_CHAIN.state,
        _ON_CHAIN.was,
        _ON_CHAIN.submitter,
        _ON_CHAIN.deadline,
        _ON_CHAIN.trades,
        _ON_CHAIN.energy_wh,
        _ON_CHAIN.locked_ueur,
        BATCHES.c.lot,
        BATCHES.c.start_s,
        BATCHES.c.written_at,
        _ON_CHAIN.submitted_at,
        _ON_CHAIN.submitted_block,
        _ON_CHAIN.closed_at,
        func.coalesce(BATCHES.c.note, "").label("note"),
    ).select_from(MIRROR_BATCHES.outerjoin(BATCHES, _ON_CHAIN.batch_id == BATCHES.c.batch_id)),
    select(
        BATCHES.c.batch_id,
        case((BATCHES.c.outcome == "refused", "refused"), else_="written").label("state"),
        literal("").label("was"),
        BATCHES.c.submitter,
        BATCHES.c.deadline,
        (func.length(BATCHES.c.words) / WORD_BYTES).label("trades"),
        null().label("energy_wh"),
        BATCHES.c.locked_ueur,
        BATCHES.c.lot,
        BATCHES.c.start_s,
        BATCHES.c.written_at,
        null().label("submitted_at"),
        null().label("submitted_block"),
        null().label("closed_at"),
        BATCHES.c.note,
    ).where(BATCHES.c.batch_id.not_in(select(_ON_CHAIN.batch_id))),
).subquery("all_batches")
"""Those on the chain, whoever submitted them, and this engine's that are not there yet."""


@router.get("/batches", response_model=Page[BatchRow], responses=LIST_ANSWERS)
def list_batches(
    request: Request,
    _who: Consortium,
    source: From,
    cut: CutQuery,
    state: BatchState | None = None,
    submitter: Address = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Batches by deadline, among which `since` and `until` choose, with the operators' votes."""
    columns = _ALL_BATCHES.c
    query = select(_ALL_BATCHES)
    if state is not None:
        query = query.where(_with_state(state))
    if submitter is not None:
        query = query.where(func.lower(columns.submitter) == submitter.lower())
    if since is not None:
        query = query.where(columns.deadline >= unix_s(since))
    if until is not None:
        query = query.where(columns.deadline < unix_s(until))
    with source.look() as connection:
        page = page_of_query(connection, query, [columns.deadline, columns.batch_id], cut)
        rows = _batch_rows(connection, page.rows)
    return answer_list(request, BatchRow, Paged(rows=rows, next=page.next))


@router.get("/batches/{batch_id}", responses=documented(404))
def one_batch(batch_id: Name, _who: Consortium, source: From) -> BatchOut:
    """One batch, and what it waits for; its trades are `/trades?batch_id=`."""
    with source.look() as connection:
        query: Select[Any] = select(_ALL_BATCHES).where(_ALL_BATCHES.c.batch_id == batch_id)
        found = connection.execute(query).all()
        if not found:
            raise Problem(404, "there is no such batch")
        row = _batch_rows(connection, found)[0]
        return BatchOut(**row.model_dump(), why=_why(source, connection, batch_id))


def _why(source: Source, connection: Connection, batch_id: str) -> str:
    standing = standing_of(connection, batch_id, now_s=source.clock())
    return "" if standing is None else standing.why


def _with_state(state: str) -> Any:
    columns = _ALL_BATCHES.c
    if state == "expired":
        return and_(columns.state == "refunded", columns.was == "pending")
    return columns.state == state


def _batch_rows(connection: Connection, rows: Sequence[Row[Any]]) -> list[BatchRow]:
    ids = {row.batch_id for row in rows}
    votes: dict[str, list[VoteRow]] = defaultdict(list)
    for vote in connection.execute(
        select(MIRROR_VOTES).where(MIRROR_VOTES.c.batch_id.in_(ids)).order_by(MIRROR_VOTES.c.seat)
    ):
        votes[vote.batch_id].append(
            VoteRow(
                seat=vote.seat,
                operator=vote.operator,
                vote="confirmed" if vote.is_confirmation else "rejected",
                reason=vote.reason,
                voted_at=utc(vote.voted_at),
            )
        )
    unsent = {row.batch_id for row in rows if row.energy_wh is None}
    energy = {
        row.batch_id: int(decode(words_in(row.words))["energy_wh"].sum())
        for row in connection.execute(
            select(BATCHES.c.batch_id, BATCHES.c.words).where(BATCHES.c.batch_id.in_(unsent))
        )
    }
    return [
        BatchRow(
            batch_id=row.batch_id,
            state=row.state,
            was="expired" if row.was == "pending" else row.was,
            submitter=row.submitter,
            deadline=utc(row.deadline),
            n_trades=row.trades,
            energy_wh=energy.get(row.batch_id, row.energy_wh),
            locked_ueur=row.locked_ueur,
            lot=row.lot,
            interval_start=_time(row.start_s),
            written_at=_time(row.written_at),
            submitted_at=_time(row.submitted_at),
            submitted_block=row.submitted_block,
            closed_at=_time(row.closed_at),
            confirmations=sum(vote.vote == "confirmed" for vote in votes[row.batch_id]),
            rejections=sum(vote.vote == "rejected" for vote in votes[row.batch_id]),
            votes=votes[row.batch_id],
            note=row.note,
        )
        for row in rows
    ]


def _time(at_s: float | None) -> Any:
    return None if at_s is None else utc(int(at_s))
