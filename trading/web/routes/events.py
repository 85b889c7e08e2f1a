"""What changes on the chain: a list of events, or the same as a stream that goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Header, Request, Response
from sqlalchemy import Connection, Row, select
from starlette.concurrency import run_in_threadpool

from trading.store.schema import MIRROR_EVENTS
from trading.web.auth import Principal
from trading.web.formats import EVENTS, TABLES, accepted, answer_list
from trading.web.pages import CutQuery, Page, Paged, page_of_query
from trading.web.routes.common import Anyone, BatchId, From, Since, Until, topic
from trading.web.rows import EventRow
from trading.web.source import Own, Place, Source, after, batches_of, event_of
from trading.web.streams import AT_ONCE, BEGINNING, STREAM_ANSWERS, Feed, Step, answer_stream
from trading.web.views import unix_s, utc

router = topic("events")

EventName = Literal[
    "AuthorityProposed", "AuthorityTransferred", "OperatorAdded", "OperatorRemoved",
    "OperatorRotated", "QuorumSet", "PriceBandSet", "LargestSpreadSet", "LotSet", "AggregatorSet",
    "Paused", "Unpaused", "AccountRegistered", "MandateSet", "MandateRevoked", "NonceUsed",
    "Deposited", "Withdrawn", "BatchSubmitted", "BatchConfirmedBy", "BatchRejectedBy",
    "BatchConfirmed", "BatchRejected", "BatchCancelled", "BatchSettled", "BatchRefunded",
]  # fmt: skip


@router.get("/events", response_model=Page[EventRow], responses=STREAM_ANSWERS)
async def list_events(
    request: Request,
    who: Anyone,
    source: From,
    cut: CutQuery,
    name: EventName | None = None,
    batch_id: BatchId = None,
    since: Since = None,
    until: Until = None,
    last_event_id: Annotated[
        str,
        Header(
            max_length=40,
            pattern=r"^(0|[0-9]{1,15}-[0-9]{1,9}-[0-9a-f]{8})?$",
            description="Of a stream: go on after this event; 0 for all from the first on.",
        ),
    ] = "",
) -> Response:
    """Events of the contract in the order of the chain, as a list or as a stream.

    With `Accept: text/event-stream` it is a stream of what happens from now on, or after
    `Last-Event-ID`; `name` and `batch_id` filter it, the other parameters are of the list. A driver
    gets what concerns its accounts and trades.
    """
    if accepted(request, (*TABLES, EVENTS)) == EVENTS:
        feed = Chain(source, name=name, batch_id=batch_id)
        state = request.app.state
        return await answer_stream(
            source, who, feed, state.pulses["events"], state.streams, last_id=last_event_id
        )

    def read() -> Paged[EventRow]:
        columns = MIRROR_EVENTS.c
        query = select(MIRROR_EVENTS)
        if name is not None:
            query = query.where(columns.name == name)
        if batch_id is not None:
            query = query.where(columns.batch_id == batch_id)
        if since is not None:
            query = query.where(columns.time >= unix_s(since))
        if until is not None:
            query = query.where(columns.time < unix_s(until))
        with source.look() as connection:
            page = page_of_query(connection, query, [columns.block, columns.position], cut)
            rows = _seen(connection, page.rows, who, source.own(connection, who))
        return Paged(rows=rows, next=page.next)

    return await run_in_threadpool(lambda: answer_list(request, EventRow, read()))


class Chain(Feed[EventRow]):
    """The contract's events; a place is block, position and how its transaction begins."""

    def __init__(
        self, source: Source, *, name: str | None = None, batch_id: str | None = None
    ) -> None:
        """Those of one name or batch, where one is given."""
        self._source, self._name, self._batch_id = source, name, batch_id

    def newest(self, connection: Connection) -> str:
        """See `Feed`."""
        return _id(self._source.newest_event(connection))

    def after(self, connection: Connection, place: str, who: Principal) -> Step[EventRow] | None:
        """See `Feed`."""
        here = _place(place)
        if here is not None and not _is_still_there(connection, here):
            return None
        columns = MIRROR_EVENTS.c
        found = connection.execute(
            select(MIRROR_EVENTS)
            .where(after(here))
            .order_by(columns.block, columns.position)
            .limit(AT_ONCE)
        ).all()
        if not found:
            return Step(place=place, rows=[])
        last = found[-1]
        wanted = [
            row for row in found
            if self._name in (None, row.name) and self._batch_id in (None, row.batch_id)
        ]  # fmt: skip
        rows = _seen(connection, wanted, who, self._source.own(connection, who))
        return Step(
            place=_id((last.block, last.position, last.hash)),
            rows=[(row.name, row.id, row) for row in rows],
        )


def _seen(
    connection: Connection, rows: Sequence[Row[Any]], who: Principal, own: Own
) -> list[EventRow]:
    """Those events that the caller may see, as it may see them."""
    if not who.sees_trades:
        batches = batches_of(connection, {row.batch_id for row in rows}, own)
        rows = [
            row for row in rows
            if row.batch_id in batches
            or (not row.batch_id and _account_in(row.arguments) in own.accounts)
        ]  # fmt: skip
    return [_event(row, who) for row in rows]


def _account_in(arguments: str) -> object:
    return json.loads(arguments).get("account")


def _event(row: Row[Any], who: Principal) -> EventRow:
    event = event_of(row)
    told = {
        key: len(value) if key == "trades" else value
        for key, value in event.arguments.items()
        if key != "batchId"
    }
    if not who.sees_trades:
        # Of a batch a driver is told that it moves, not what others pay in it.
        told = {k: v for k, v in told.items() if not row.batch_id or k in _FOR_DRIVERS}
    return EventRow(
        id=_id((row.block, row.position, row.hash)),
        time=utc(event.time),
        name=event.name,
        block=event.block,
        position=event.position,
        batch_id=event.batch_id,
        actor=event.actor if who.sees_trades else None,
        transaction=event.transaction,
        arguments=told,
    )


_FOR_DRIVERS = ("deadline", "operator", "seat", "reason")


def _place(text: str) -> Place | None:
    """What `_id` made; of the transaction only how it begins."""
    if text == BEGINNING:
        return None
    block, position, transaction = text.split("-")
    return int(block), int(position), transaction


def _is_still_there(connection: Connection, place: Place) -> bool:
    columns = MIRROR_EVENTS.c
    which = (columns.block == place[0]) & (columns.position == place[1])
    found = connection.execute(select(columns.hash).where(which)).scalar()
    return found is not None and _brief(str(found)) == place[2]


def _brief(transaction: str) -> str:
    """How a transaction's hash begins; eight digits tell two blocks of one number apart."""
    return transaction.removeprefix("0x")[:8]


def _id(place: Place | None) -> str:
    return BEGINNING if place is None else f"{place[0]}-{place[1]}-{_brief(place[2])}"
