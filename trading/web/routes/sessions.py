"""Sessions, in and out; who the caller is."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from trading.store.requests import MOST_SESSIONS, SessionIn
from trading.store.schema import SESSIONS
from trading.web.formats import LIST_ANSWERS, answer_list
from trading.web.pages import CutQuery, Page, Paged, page_of_query
from trading.web.problems import Problem, documented
from trading.web.routes.common import (
    Aggregator,
    Anyone,
    From,
    LotParty,
    Name,
    Since,
    Text,
    Until,
    iso,
    topic,
)
from trading.web.rows import MeOut, SessionRow, TakenOut
from trading.web.source import json_text
from trading.web.views import utc
from trading.web.writes import Write

router = topic("sessions")


@router.get("/me")
def me(who: Anyone, source: From) -> MeOut:
    """Who the service takes the caller for."""
    with source.look() as connection:
        own = source.own(connection, who)
    return MeOut(
        subject=who.subject,
        roles=sorted(who.roles),
        owners=sorted(who.owners),
        sessions=sorted(own.sessions),
        expires_at=utc(who.expires_at),
    )


@router.post("/sessions", responses=documented(400, 413))
async def send_sessions(
    request: Request,
    sessions: SessionIn | Annotated[list[SessionIn], Field(min_length=1, max_length=MOST_SESSIONS)],
    _who: Aggregator,
    source: From,
    write: Write,
) -> TakenOut:
    """Take in one session or many.

    They are stored by the engine before this answers. A session that came before is taken again
    without harm; only its departure may change, and what contradicts it otherwise is told under
    `refused` while the others are taken.
    """
    given = [sessions] if isinstance(sessions, SessionIn) else sessions
    write.is_to("sessions taken", "sessions not taken", sessions=len(given))
    if source.door is None:
        raise Problem(
            503,
            "this service takes no sessions",
            "Whoever runs it starts it with --engine URL and PEERCHARGE_SESSIONS_TOKEN.",
        )
    # Who waits for the engine waits here, and not with a thread that reads could have.
    async with request.app.state.at_the_door:
        taken = await run_in_threadpool(source.door.take, given)
    counts = {"new": taken.new, "changed": taken.changed, "known": taken.known}
    write.came(**counts, refused=len(taken.refused))
    return taken


@router.get("/sessions", response_model=Page[SessionRow], responses=LIST_ANSWERS)
def list_sessions(
    request: Request,
    who: LotParty,
    source: From,
    cut: CutQuery,
    since: Since = None,
    until: Until = None,
    soc_source: Text = None,
) -> Response:
    """Sessions by id. `since` and `until` choose those that stood in the lot between the two."""
    with source.look() as connection:
        columns = SESSIONS.c
        query = select(columns.session_id, columns.content, columns.received_at)
        if not who.sees_vehicles:
            query = query.where(columns.session_id.in_(source.own(connection, who).sessions))
        if since is not None:
            query = query.where(json_text(connection, columns.content, "departure") > iso(since))
        if until is not None:
            query = query.where(json_text(connection, columns.content, "arrival") < iso(until))
        if soc_source is not None:
            query = query.where(json_text(connection, columns.content, "soc_source") == soc_source)
        page = page_of_query(connection, query, [columns.session_id], cut)
    rows = [_session(row) for row in page.rows]
    return answer_list(request, SessionRow, Paged(rows=rows, next=page.next))


@router.get("/sessions/{session_id}", responses=documented(404))
def one_session(session_id: Name, who: LotParty, source: From) -> SessionRow:
    """One session; for a driver another's does not exist."""
    with source.look() as connection:
        row = connection.execute(
            select(SESSIONS).where(SESSIONS.c.session_id == session_id)
        ).first()
        is_seen = who.sees_vehicles or session_id in source.own(connection, who).sessions
    if row is None or not is_seen:
        raise Problem(404, "there is no such session")
    return _session(row)


def _session(row: Any) -> SessionRow:
    return SessionRow(**json.loads(row.content), received_at=utc(int(row.received_at)))
