"""What changes on the chain: a list of events, or the same as a stream that goes on.

The stream is server-sent events. Each has an id of block, position and transaction; whoever was
cut off sends the last one as `Last-Event-ID` and misses nothing. Where blocks left the chain and
took that event with them, the stream says `reset`: what the client has is then to be read again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, Row, select
from starlette.concurrency import run_in_threadpool

from trading.store.schema import BATCHES, MIRROR_EVENTS, TRADES
from trading.web.auth import Principal
from trading.web.formats import CSV, EVENTS, JSON, LIST_ANSWERS, PARQUET, accepted, answer_list
from trading.web.pages import CutQuery, Page, Paged, page_of_query
from trading.web.routes.common import Anyone, BatchId, From, Since, Until, topic
from trading.web.rows import EventRow
from trading.web.source import Own, Place, Source, after, event_of
from trading.web.views import unix_s, utc

router = topic("events")

POLL_S = 0.5
BEAT_S = 15.0
AT_ONCE = 200
"""Events that are read from the database together."""
_LIST = {
    **LIST_ANSWERS,
    200: {
        **LIST_ANSWERS[200],
        "content": {
            **LIST_ANSWERS[200]["content"],
            EVENTS: {"schema": {"type": "string"}},
        },
    },
}

EventName = Literal[
    "AuthorityProposed", "AuthorityTransferred", "OperatorAdded", "OperatorRemoved",
    "OperatorRotated", "QuorumSet", "PriceBandSet", "LargestSpreadSet", "LotSet", "AggregatorSet",
    "Paused", "Unpaused", "AccountRegistered", "MandateSet", "MandateRevoked", "NonceUsed",
    "Deposited", "Withdrawn", "BatchSubmitted", "BatchConfirmedBy", "BatchRejectedBy",
    "BatchConfirmed", "BatchRejected", "BatchCancelled", "BatchSettled", "BatchRefunded",
]  # fmt: skip


@router.get("/events", response_model=Page[EventRow], responses=_LIST)
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
    if accepted(request, (JSON, CSV, PARQUET, EVENTS)) == EVENTS:
        stream = _Stream(source, who, pulse=request.app.state.pulse, name=name, batch_id=batch_id)
        start = await run_in_threadpool(stream.begin, last_event_id)
        return StreamingResponse(
            stream.run(start), media_type=EVENTS, headers={"X-Accel-Buffering": "no"}
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


class Pulse:
    """The last event of the contract, looked up once for all streams of an application."""

    def __init__(self, source: Source) -> None:
        """Look it up in `source`, in the event loop of whoever asks."""
        self._source = source
        self._looked_at = float("-inf")
        self._found: asyncio.Future[Place | None] | None = None

    async def newest(self) -> Place | None:
        """Its place, as it was at most `POLL_S` ago.

        Raises:
            StoreError: the database cannot be read.
        """
        now = time.monotonic()
        if self._found is None or now - self._looked_at >= POLL_S:
            self._looked_at = now
            self._found = asyncio.ensure_future(run_in_threadpool(self._look))
        # A stream that ends must not end what the others wait for.
        return await asyncio.shield(self._found)

    def _look(self) -> Place | None:
        with self._source.look() as connection:
            return self._source.newest_event(connection)


class _Stream:
    """One client's stream."""

    def __init__(
        self,
        source: Source,
        who: Principal,
        *,
        pulse: Pulse,
        name: str | None,
        batch_id: str | None,
    ) -> None:
        self._source, self._who, self._pulse = source, who, pulse
        self._name, self._batch_id = name, batch_id

    def begin(self, last_event_id: str) -> Place | None:
        """After which event it begins; None before the first, and the last one without an id."""
        if last_event_id:
            block, _, rest = last_event_id.partition("-")
            position, _, transaction = rest.partition("-")
            return (int(block), int(position), transaction) if rest else None
        with self._source.look() as connection:
            return self._source.newest_event(connection)

    async def run(self, place: Place | None) -> AsyncIterator[str]:
        """The stream's text, until the client leaves or its token is out of date."""
        yield ": peercharge\nretry: 2000\n\n"
        quiet_s = 0.0
        while self._source.clock() < self._who.expires_at:
            is_lost, rows = False, list[EventRow]()
            if not _is_same(place, await self._pulse.newest()):
                is_lost, place, rows = await run_in_threadpool(self._next, place)
            if is_lost:
                yield f'id: {_id(place)}\nevent: reset\ndata: {{"after":"{_id(place)}"}}\n\n'
            for row in rows:
                data = row.model_dump_json()
                yield f"id: {row.id}\nevent: {row.name}\ndata: {data}\n\n"
            if rows or is_lost:
                quiet_s = 0.0
                continue
            await asyncio.sleep(POLL_S)
            quiet_s += POLL_S
            if quiet_s >= BEAT_S:
                quiet_s = 0.0
                yield ": still here\n\n"

    def _next(self, place: Place | None) -> tuple[bool, Place | None, list[EventRow]]:
        """Whether the place is gone from the chain, where it is now, and what came since."""
        source = self._source
        with source.look() as connection:
            if place is not None and not _is_still_there(connection, place):
                return True, source.newest_event(connection), []
            columns = MIRROR_EVENTS.c
            found = connection.execute(
                select(MIRROR_EVENTS)
                .where(after(place))
                .order_by(columns.block, columns.position)
                .limit(AT_ONCE)
            ).all()
            if not found:
                return False, place, []
            last = found[-1]
            wanted = [
                row for row in found
                if self._name in (None, row.name) and self._batch_id in (None, row.batch_id)
            ]  # fmt: skip
            rows = _seen(connection, wanted, self._who, source.own(connection, self._who))
            return False, (last.block, last.position, last.hash), rows


def _seen(
    connection: Connection, rows: Sequence[Row[Any]], who: Principal, own: Own
) -> list[EventRow]:
    """Those events that the caller may see, as it may see them."""
    if not who.sees_trades:
        batches = _batches_of(connection, {row.batch_id for row in rows}, own)
        rows = [
            row for row in rows
            if row.batch_id in batches
            or (not row.batch_id and _account_in(row.arguments) in own.accounts)
        ]  # fmt: skip
    return [_event(row, who) for row in rows]


def _batches_of(connection: Connection, ids: set[str], own: Own) -> set[str]:
    """Which of these batches hold a trade of the caller's."""
    if not own.sessions:
        return set()
    columns = TRADES.c
    is_party = columns.buyer_id.in_(own.sessions) | columns.seller_id.in_(own.sessions)
    return set(
        connection.execute(
            select(columns.batch_id)
            .join(BATCHES, BATCHES.c.batch_id == columns.batch_id)
            .where(columns.batch_id.in_(ids), is_party)
        ).scalars()
    )


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


def _is_still_there(connection: Connection, place: Place) -> bool:
    columns = MIRROR_EVENTS.c
    which = (columns.block == place[0]) & (columns.position == place[1])
    found = connection.execute(select(columns.hash).where(which)).scalar()
    return found is not None and _is_same(place, (place[0], place[1], str(found)))


def _is_same(place: Place | None, other: Place | None) -> bool:
    if place is None or other is None:
        return place is other
    return place[:2] == other[:2] and _brief(place[2]) == _brief(other[2])


def _brief(transaction: str) -> str:
    """How a transaction's hash begins; eight digits tell two blocks of one number apart."""
    return transaction.removeprefix("0x")[:8]


def _id(place: Place | None) -> str:
    return "0" if place is None else f"{place[0]}-{place[1]}-{_brief(place[2])}"
