"""How pages ask: the API, called inside the process with the visitor's own token.

So what somebody may see or do is decided in one place, whoever asks; and what many look at within a
second is computed once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

import httpx
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from trading.pages.sheets import Sheet, as_texts
from trading.web.auth import Principal, unauthorized
from trading.web.problems import Problem

KEPT_S = 0.9
"""How old an answer may be that is shown to another visitor of the same claims."""
MOST_ROWS = 1000
SAME_FOR_ALL = frozenset({"/lot", "/savings", "/load", "/prices", "/operators", "/consortium"})
"""What everybody may ask and is answered alike."""
REMEMBERED = 512

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class SignedIn:
    """A visitor, and the token that it sends; a token that ends may be replaced by its next."""

    principal: Principal
    token: str = field(repr=False)

    @property
    def sees(self) -> Hashable:
        """What its answers hang on; visitors who have this in common see the same."""
        who = self.principal
        return who.roles, who.owners, who.sessions


class Recent(Generic[K, V]):
    """Values by key; those asked for longest ago are forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value under `key`, made if it is not there."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


class Drawings:
    """What is made of answers to be shown, once for all visitors who see it alike."""

    def __init__(self) -> None:
        self._recent = Recent[Hashable, tuple[Sequence[Any], Any]](REMEMBERED)

    def get(self, key: Hashable, answers: Sequence[Any], make: Callable[[], T]) -> T:
        """What was made of these very answers under `key`, made if it was not.

        Args:
            key: all that it follows from besides the answers.
            answers: of `Api.get` or `Api.rows`.
            make: makes it.
        """
        told = self._recent.get((key, *map(id, answers)), lambda: (answers, make()))
        made: T = told[1]
        return made


class Api:
    """The API of `app`."""

    def __init__(self, app: FastAPI, *, kept_s: float = KEPT_S) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._app = app
        self._client = httpx.AsyncClient(transport=transport, base_url="http://pages")
        self._kept_s = kept_s
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}
        self._answers = Recent[bytes, Any](REMEMBERED)
        self._lists = Recent[tuple[int, ...], tuple[list[Any], list[dict[str, Any]]]](REMEMBERED)

    async def get(self, who: SignedIn, path: str, **query: Any) -> Any:
        """The answer to a GET under `/api/v1`; not to be changed.

        As long as the answer is the same it is one object, so that it is quickly compared.

        Raises:
            Problem: what the API refuses this visitor.
        """
        if who.principal.expires_at <= time.time():
            # What others may still see is not theirs any more.
            raise unauthorized("the token is not valid: it has expired")
        asked = {name: value for name, value in query.items() if value is not None}
        sees = None if path in SAME_FOR_ALL else who.sees
        key = (sees, path, tuple(sorted(asked.items())))
        now = time.monotonic()
        for old in [k for k, (at, _) in self._kept.items() if now - at >= self._kept_s]:
            del self._kept[old]
        found = self._kept.get(key)
        if found is None:
            future: asyncio.Future[Any] = asyncio.ensure_future(
                self._send(who, "GET", path, params=asked)
            )
            # Whoever asked may have left before it failed.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._kept[key] = (now, future)
        else:
            future = found[1]
        try:
            # One visitor who leaves must not end what others wait for.
            return await asyncio.shield(future)
        except Problem:
            if self._kept.get(key, (now, None))[1] is future:
                del self._kept[key]
            if found is None:
                raise
        # What was refused was somebody else's question.
        return await self._send(who, "GET", path, params=asked)

    async def rows(self, who: SignedIn, path: str, **query: Any) -> list[dict[str, Any]]:
        """All rows of a list, page after page.

        Raises:
            Problem: what the API refuses with.
        """
        pages: list[list[dict[str, Any]]] = []
        cursor: str | None = None
        while True:
            page = await self.get(who, path, limit=MOST_ROWS, cursor=cursor, **query)
            pages.append(page["items"])
            cursor = page["next"]
            if cursor is None:
                break
        if len(pages) == 1:
            return pages[0]
        joined = self._lists.get(
            tuple(map(id, pages)), lambda: (pages, [row for rows in pages for row in rows])
        )
        return joined[1]

    async def send(self, who: SignedIn, method: str, path: str, content: Any = None) -> Any:
        """The answer to a write, asked once; what is kept is forgotten.

        Raises:
            Problem: what the API refuses with.
        """
        try:
            return await self._send(who, method, path, json=content)
        finally:
            self._kept.clear()

    def file(self, who: SignedIn, path: str, *, accept: str) -> Response:
        """A GET's answer, handed on to a browser piece by piece as it comes; CSV row by row.

        Args:
            who: as whom it is asked for.
            path: under `/api/v1`, quoted; without a query.
            accept: the media type that is wanted.
        """
        return _HandedOn(self._app, f"/api/v1{path}", token=who.token, accept=accept)

    async def csv(
        self, who: SignedIn, path: str, *, name: str, is_asked: bool = True, **query: Any
    ) -> Response:
        """A whole list as one CSV file for a browser to keep, read page after page as it is sent.

        Args:
            who: as whom it is asked for.
            path: of the list, under `/api/v1`.
            name: of the file.
            is_asked: whether the file is; otherwise the answer is what would be said of it.
            query: filters of the list; None for none.

        Raises:
            Problem: what the API refuses with at the first page; at a later one the file breaks
                off, which the browser sees.
        """
        asked = {key: value for key, value in query.items() if value is not None}

        async def read(place: str, **more: Any) -> httpx.Response:
            # Of a long list, the last page may be read with a newer token than the first.
            headers = {"Authorization": f"Bearer {who.token}", "Accept": "text/csv"}
            return await self._client.get(place, headers=headers, **more)

        first = await read(f"/api/v1{path}", params={"limit": MOST_ROWS} | asked)
        if not first.is_success:
            raise _problem(first)

        async def parts() -> AsyncIterator[bytes]:
            page = first
            if is_asked:
                yield as_texts(page.content)
            while is_asked and "next" in page.links:
                page = await read(page.links["next"]["url"])
                if not page.is_success:
                    raise _problem(page)
                # Each page names its columns anew.
                yield as_texts(page.content.partition(b"\n")[2])

        kept = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(parts(), headers=kept, media_type="text/csv")

    async def _send(self, who: SignedIn, method: str, path: str, **parts: Any) -> Any:
        answer = await self._client.request(
            method,
            f"/api/v1{path}",
            headers={"Authorization": f"Bearer {who.token}"},
            **parts,
        )
        if not answer.is_success:
            raise _problem(answer)
        if not answer.content:
            return None
        digest = blake2b(answer.content, digest_size=16).digest()
        return self._answers.get(digest, answer.json)


class _HandedOn(Response):
    """Another path's answer to whoever sent the request: of a HEAD just what it says of itself.

    httpx gathers an answer before it gives it, and a table may be long.
    """

    def __init__(self, app: FastAPI, path: str, *, token: str, accept: str) -> None:
        super().__init__()
        self._app, self._path = app, path
        self._told = [
            (b"authorization", f"Bearer {token}".encode()),
            (b"accept", accept.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask as the application is asked from outside, with nothing of the request but its way."""
        kept = {name: scope[name] for name in _OF_CONNECTION if name in scope}
        asked = {
            **kept,
            "method": "GET",
            "path": unquote(self._path),
            "raw_path": self._path.encode(),
            "query_string": b"",
            "headers": self._told,
        }
        sheet: Sheet | None = None

        async def handed_on(message: Message) -> None:
            nonlocal sheet
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_csv = headers.get("content-type", "").startswith("text/csv")
                if message["status"] == HTTPStatus.OK and is_csv:
                    sheet = Sheet()
                    del headers["content-length"]
            elif message["type"] == "http.response.body":
                body, is_more = message.get("body", b""), message.get("more_body", False)
                if scope["method"] == "HEAD":
                    body = b""
                elif sheet is not None:
                    body = sheet.take(body) + (b"" if is_more else sheet.end())
                message = {**message, "body": body}
            await send(message)

        await self._app(asked, receive, handed_on)


_OF_CONNECTION = ("type", "asgi", "http_version", "scheme", "client", "server")


def _problem(answer: httpx.Response) -> Problem:
    try:
        told = answer.json()
    except ValueError:
        told = {}
    return Problem(
        answer.status_code,
        str(told.get("detail", "")) or f"status {answer.status_code}",
        str(told.get("hint", "")),
    )
