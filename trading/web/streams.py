"""Streams of server-sent events over what only grows: resumed where they were cut off.

Each message has the id of its place. Whoever was cut off sends the last one as `Last-Event-ID` and
misses nothing. Where that place is gone, because blocks left the chain or a backup was restored,
the stream says `reset`: what the client has is then to be read again.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from trading.web.auth import Principal
from trading.web.formats import EVENTS, LIST_ANSWERS
from trading.web.limits import Places
from trading.web.problems import Problem
from trading.web.source import Source

POLL_S = 0.5
BEAT_S = 15.0
AT_ONCE = 200
"""Rows that are read from the database together."""
MOST_STREAMS = 50
"""Open streams of one caller; more are refused, or one caller could have every connection."""
BEGINNING = "0"
"""The place before the first."""

STREAM_ANSWERS: dict[int | str, dict[str, Any]] = {
    **LIST_ANSWERS,
    200: {
        **LIST_ANSWERS[200],
        "content": {
            **LIST_ANSWERS[200]["content"],
            EVENTS: {"schema": {"type": "string"}},
        },
    },
}
"""What a list declares that is a stream, too."""

R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Generic[R]):
    """What came after a place.

    Attributes:
        place: how far was read, whether or not the caller may see it.
        rows: those for the caller, each with the name of its message and its place.
    """

    place: str
    rows: Sequence[tuple[str, str, R]]


class Feed(ABC, Generic[R]):
    """Rows in an order in which they can be read on from any place; a place is a text."""

    @abstractmethod
    def newest(self, connection: Connection) -> str:
        """The place of the last row; `BEGINNING` without any."""

    @abstractmethod
    def after(self, connection: Connection, place: str, who: Principal) -> Step[R] | None:
        """The rows after a place; None where it is gone."""


class Pulse:
    """The newest place of a feed, looked up once for all of its streams."""

    def __init__(self, source: Source, feed: Feed[Any]) -> None:
        """Look it up in `source`, in the event loop of whoever asks."""
        self._source, self._feed = source, feed
        self._looked_at = float("-inf")
        self._found: asyncio.Future[str] | None = None

    async def newest(self) -> str:
        """As it was at most `POLL_S` ago.

        Raises:
            StoreError: the database cannot be read.
        """
        now = time.monotonic()
        if self._found is None or now - self._looked_at >= POLL_S:
            self._looked_at = now
            self._found = asyncio.ensure_future(run_in_threadpool(self._look))
        # A stream that ends must not end what the others wait for.
        return await asyncio.shield(self._found)

    def _look(self) -> str:
        with self._source.look() as connection:
            return self._feed.newest(connection)


async def answer_stream(
    source: Source, who: Principal, feed: Feed[Any], pulse: Pulse, places: Places, *, last_id: str
) -> StreamingResponse:
    """A stream of what comes from now on, or after `last_id`.

    Raises:
        Problem: 429, the caller has all open that it may.
    """
    place = last_id or await run_in_threadpool(_newest, source, feed)
    if not places.take(who.subject):
        raise Problem(
            429, f"{places.most} streams of yours are open", "End one of them first.",
            headers={"Retry-After": "10"},
        )  # fmt: skip
    return _Stream(_messages(source, who, feed, pulse, place), places, who.subject)


class _Stream(StreamingResponse):
    """A stream that gives its place back, however it ends."""

    def __init__(self, messages: AsyncIterator[str], places: Places, caller: str) -> None:
        super().__init__(messages, media_type=EVENTS, headers={"X-Accel-Buffering": "no"})
        self._places, self._caller = places, caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.responses.StreamingResponse`."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._places.give_back(self._caller)


async def _messages(
    source: Source, who: Principal, feed: Feed[Any], pulse: Pulse, place: str
) -> AsyncIterator[str]:
    """The stream's text, until the client leaves or its token is out of date."""
    yield ": peercharge\nretry: 2000\n\n"
    quiet_s = 0.0
    while source.clock() < who.expires_at:
        told = False
        if place != await pulse.newest():
            found, step = await run_in_threadpool(_read, source, feed, place, who)
            if step is None:
                told, place = True, found
                yield f'id: {place}\nevent: reset\ndata: {{"after":"{place}"}}\n\n'
            else:
                told, place = bool(step.rows), step.place
                for name, row_place, row in step.rows:
                    yield f"id: {row_place}\nevent: {name}\ndata: {row.model_dump_json()}\n\n"
        if told:
            quiet_s = 0.0
            continue
        await asyncio.sleep(POLL_S)
        quiet_s += POLL_S
        if quiet_s >= BEAT_S:
            quiet_s = 0.0
            yield ": still here\n\n"


def _newest(source: Source, feed: Feed[Any]) -> str:
    with source.look() as connection:
        return feed.newest(connection)


def _read(source: Source, feed: Feed[R], place: str, who: Principal) -> tuple[str, Step[R] | None]:
    """What came after a place; where that is gone, the newest one instead."""
    with source.look() as connection:
        step = feed.after(connection, place, who)
        return (feed.newest(connection), None) if step is None else (step.place, step)
