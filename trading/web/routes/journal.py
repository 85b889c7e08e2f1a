"""What the engine did and took in that is not on the chain: a list, or a stream that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Header, Request, Response
from sqlalchemy import Connection, Row, func, select
from starlette.concurrency import run_in_threadpool

from trading.store.journal import EntryName, mark_of
from trading.store.schema import JOURNAL
from trading.web.auth import Principal
from trading.web.formats import EVENTS, TABLES, accepted, answer_list
from trading.web.pages import CutQuery, Page, Paged, page_of_query
from trading.web.routes.common import Anyone, From, Since, Until, topic
from trading.web.rows import EntryRow
from trading.web.source import Source, batches_of
from trading.web.streams import AT_ONCE, BEGINNING, STREAM_ANSWERS, Feed, Step, answer_stream
from trading.web.views import unix_s, utc

router = topic("journal")


@router.get("/journal", response_model=Page[EntryRow], responses=STREAM_ANSWERS)
async def list_journal(
    request: Request,
    who: Anyone,
    source: From,
    cut: CutQuery,
    name: EntryName | None = None,
    since: Since = None,
    until: Until = None,
    last_event_id: Annotated[
        str,
        Header(
            max_length=24,
            pattern=r"^(0|[0-9]{1,15}-[0-9a-f]{8})?$",
            description="Of a stream: go on after this entry; 0 for all from the first on.",
        ),
    ] = "",
) -> Response:
    """Sessions taken in or changed, intervals cleared, batches written, as a list or as a stream.

    In the order in which the engine kept them. A batch is here before it is on the chain; one that
    the contract then refused is `BatchRefused`, and whatever else becomes of it is an event of the
    chain. With `Accept: text/event-stream` it is a stream of what happens from now on, or after
    `Last-Event-ID`; `name` filters it, the other parameters are of the list. Sessions are for those
    who may list them; a driver gets its own, and batches with a trade of its own.
    """
    if accepted(request, (*TABLES, EVENTS)) == EVENTS:
        feed = Journal(source, name=name)
        state = request.app.state
        return await answer_stream(
            source, who, feed, state.pulses["journal"], state.streams, last_id=last_event_id
        )

    def read() -> Paged[EntryRow]:
        query = select(JOURNAL)
        if name is not None:
            query = query.where(JOURNAL.c.name == name)
        if since is not None:
            query = query.where(JOURNAL.c.at >= unix_s(since))
        if until is not None:
            query = query.where(JOURNAL.c.at < unix_s(until))
        with source.look() as connection:
            page = page_of_query(connection, query, [JOURNAL.c.number], cut)
            rows = _seen(connection, page.rows, who, source)
        return Paged(rows=rows, next=page.next)

    return await run_in_threadpool(lambda: answer_list(request, EntryRow, read()))


class Journal(Feed[EntryRow]):
    """The journal; a place is a number, and by what its entry is known."""

    def __init__(self, source: Source, *, name: EntryName | None = None) -> None:
        """Entries of one name, where one is given."""
        self._source, self._name = source, name

    def newest(self, connection: Connection) -> str:
        """See `Feed`."""
        last = select(func.max(JOURNAL.c.number)).scalar_subquery()
        row = connection.execute(select(JOURNAL).where(JOURNAL.c.number == last)).first()
        return BEGINNING if row is None else _id(row)

    def after(self, connection: Connection, place: str, who: Principal) -> Step[EntryRow] | None:
        """See `Feed`."""
        number = int(place.partition("-")[0])
        if place != BEGINNING:
            here = connection.execute(select(JOURNAL).where(JOURNAL.c.number == number)).first()
            if here is None or _id(here) != place:
                return None
        found = connection.execute(
            select(JOURNAL)
            .where(JOURNAL.c.number > number)
            .order_by(JOURNAL.c.number)
            .limit(AT_ONCE)
        ).all()
        if not found:
            return Step(place=place, rows=[])
        wanted = [row for row in found if self._name in (None, row.name)]
        rows = _seen(connection, wanted, who, self._source)
        return Step(place=_id(found[-1]), rows=[(row.name, row.id, row) for row in rows])


def _seen(
    connection: Connection, rows: Sequence[Row[Any]], who: Principal, source: Source
) -> list[EntryRow]:
    """Those entries that the caller may see."""
    own = source.own(connection, who)
    batches = {row.batch_id for row in rows} - {None}
    if not who.sees_trades:
        batches = batches_of(connection, batches, own)
    return [
        EntryRow(
            id=_id(row),
            time=utc(int(row.at)),
            name=row.name,
            session_id=row.session_id,
            batch_id=row.batch_id,
            lot=row.lot,
            interval_start=None if row.start_s is None else utc(row.start_s),
            outcome=row.outcome,
        )
        for row in rows
        if (row.session_id is None or who.sees_vehicles or row.session_id in own.sessions)
        and (row.batch_id is None or row.batch_id in batches)
    ]


def _id(entry: Row[Any]) -> str:
    return f"{entry.number}-{mark_of(entry)}"
