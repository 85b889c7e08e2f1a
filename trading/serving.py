"""A small HTTP server beside a service: health, metrics, and the service's own routes.

It runs in a thread of its own and ends with its context. Answers that refuse are problem documents
(RFC 9457): `application/problem+json` with a sentence in `detail`.

Whoever reaches the port may send anything. So a body is read only by a route that wants it, up to a
size and within a time; `body_as` parses it with a bound on its depth; connections are limited in
number, and one that asks nothing is ended.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from trading.errors import OptionError, StoreError

DEFAULT_LISTEN = "127.0.0.1:8700"
MAX_BODY_BYTES = 4_000_000
BODY_TIMEOUT_S = 20.0
"""From the first look at a body to its end; the largest at 1.6 Mbit/s."""

IDLE_TIMEOUT_S = 15.0
"""A connection that asks nothing for this long is ended, at the latest after twice as long."""

MOST_CONNECTIONS = 200
SHOWN_FAULTS = 10
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
SWITCH_S = 0.0005
COLLECTED_EVERY_S = 600.0
_THRESHOLDS = (10_000, 5, 20)
"""Of the generations: a million containers more than there were, or some 500 pages that were opened
and left, are collected at once; what grows slowly is left to `_collect`."""
PROBLEM = "application/problem+json"


_Body = TypeVar("_Body")


class Problem(Exception):  # noqa: N818 - what the answer is called
    """An answer that refuses: its status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


def service_app(
    name: str,
    *,
    health: Callable[[], tuple[bool, Mapping[str, Any]]],
    registry: CollectorRegistry,
) -> FastAPI:
    """An application with `GET /health`, `GET /metrics` and problem documents.

    Args:
        name: of the service.
        health: whether it is well, and what else to tell; 200 or 503.
        registry: what is measured.
    """
    app = FastAPI(title=name, docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(Problem)
    def refuse(_request: Request, error: Problem) -> Response:
        return problem(error.status, str(error))

    @app.exception_handler(HTTPException)
    def refuse_route(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    def refuse_body(_request: Request, error: RequestValidationError) -> Response:
        faults = error.errors()
        told = [_fault(one) for one in faults[:SHOWN_FAULTS]]
        if len(faults) > SHOWN_FAULTS:
            told.append(f"and {len(faults) - SHOWN_FAULTS} more")
        return problem(422, "; ".join(told))

    @app.exception_handler(StoreError)
    def refuse_for_now(_request: Request, error: StoreError) -> Response:
        return problem(503, str(error))

    @app.get("/health")
    def tell_health() -> Response:
        is_well, told = health()
        content = json.dumps({"status": "ok" if is_well else "failing", **told})
        return Response(content, 200 if is_well else 503, media_type="application/json")

    @app.get("/metrics")
    def tell_metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def problem(status: int, sentence: str) -> Response:
    """A problem document."""
    told = {"status": status, "title": HTTPStatus(status).phrase, "detail": sentence}
    return Response(json.dumps(told), status, media_type=PROBLEM)


async def body_as(
    request: Request, shape: TypeAdapter[_Body], *, most_bytes: int = MAX_BODY_BYTES
) -> _Body:
    """The body of a request, read now and parsed; however deep it nests, no stack overflows.

    A route calls this after it has looked at whatever tells who asks. FastAPI would read and parse
    a body before anything else.

    Args:
        request: whose body nobody has read.
        shape: what the body is to be.
        most_bytes: no body longer than this is read to its end; `MAX_BODY_BYTES` holds besides.

    Raises:
        Problem: 413, it is too long.
        HTTPException: 408 or 413, it does not come in time or is longer than any may be.
        RequestValidationError: it is not JSON, nests too deep, or has another shape.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise Problem(413, f"the body is longer than {most_bytes} bytes")
        parts.append(part)
    try:
        return shape.validate_json(b"".join(parts))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        ) from None


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; port 0 takes any that is free.

    Raises:
        OptionError: it is something else.

    >>> address_of("127.0.0.1:8700")
    ('127.0.0.1', 8700)
    """
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise OptionError("listen", listen, f"HOST:PORT, such as {DEFAULT_LISTEN}")
    return host, int(port)


def reserved(listen: str) -> socket.socket:
    """A socket that has the address, and answers nobody until it is given to `serving`.

    Args:
        listen: `HOST:PORT`.

    Raises:
        OptionError: the address is none, or is taken.
    """
    host, port = address_of(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said to be TCP, or asyncio does not turn off the delay of small answers: 40 ms a request.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
        # Kept on, it would let others bind the address, too, until somebody answers there.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        door.close()
        raise OptionError(
            "listen", listen, f"an address of this machine that is free ({error.strerror})"
        ) from None
    return door


@contextmanager
def serving(
    app: FastAPI,
    listen: str | socket.socket,
    *,
    body_timeout_s: float = BODY_TIMEOUT_S,
    idle_timeout_s: float = IDLE_TIMEOUT_S,
    most_connections: int = MOST_CONNECTIONS,
    websockets: bool = False,
) -> Iterator[str]:
    """Serve `app` in a thread until the context ends; gives its address, `http://HOST:PORT`.

    Args:
        app: what answers.
        listen: `HOST:PORT`, or what `reserved` gave, which is closed at the end.
        body_timeout_s: the longest that a body may take to come.
        idle_timeout_s: how long a connection may be without a whole request.
        most_connections: with so many open, or so many requests under way, others get a 503.
        websockets: whether it answers on websockets, too.

    Raises:
        OptionError: the address is none, or is taken.
    """
    with reserved(listen) if isinstance(listen, str) else listen as door:
        # Connections take it over, and one that has just ended must not keep the next server away.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        config = uvicorn.Config(
            _BoundedBody(app, most=MAX_BODY_BYTES, within_s=body_timeout_s),
            http=_impatient(idle_timeout_s),
            log_config=None,
            access_log=False,
            ws="websockets-sansio" if websockets else "none",
            ws_max_size=MAX_BODY_BYTES,
            # A page is told a few kB at a time, and packing them costs more than sending them.
            ws_per_message_deflate=False,
            limit_concurrency=most_connections,
            timeout_keep_alive=int(IDLE_TIMEOUT_S),
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [door]}, name="http", daemon=True
        )
        thread.start()
        host, port = door.getsockname()[:2]
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        _await_start(server, thread, shown, door)
        try:
            yield f"http://{shown}"
        finally:
            server.should_exit = True
            thread.join(STOP_TIMEOUT_S)


def answer_between_work() -> None:
    """Let requests wait less for what else this process does; call it when all is set up.

    A thread of Python gives way after 5 ms, and a request waits for that several times. And a
    collection of garbage looks at everything that the process holds: with the pages of 160 visitors
    that stopped all answers for half a second, several times a minute. So what is there now is left
    out of it for good, and of what lives long garbage is collected every `COLLECTED_EVERY_S`, or
    when there is much of it.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    while True:
        time.sleep(COLLECTED_EVERY_S)
        gc.collect()


def _await_start(
    server: uvicorn.Server, thread: threading.Thread, listen: str, door: socket.socket
) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while not (server.started and door.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
        if not thread.is_alive() or time.monotonic() > until:
            raise OptionError("listen", listen, "an address on which a server can be started")
        time.sleep(0.005)


class _BoundedBody:
    """Refuses a body of more than `most` bytes or `within_s` seconds, whatever it said of itself.

    Nothing is read before the application asks for it.
    """

    def __init__(self, app: ASGIApp, *, most: int, within_s: float) -> None:
        self._app, self._most, self._within_s = app, most, within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size, is_whole, until_s = 0, False, 0.0

        async def bounded() -> Message:
            nonlocal size, is_whole, until_s
            if is_whole:
                # Only whether the client is still there can come now.
                return await receive()
            now_s = asyncio.get_running_loop().time()
            until_s = until_s or now_s + self._within_s
            try:
                async with asyncio.timeout_at(until_s):
                    message = await receive()
            except TimeoutError:
                sentence = f"the body did not come within {self._within_s:g} s"
                raise HTTPException(408, sentence) from None
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if size > self._most:
                raise HTTPException(413, f"the body is longer than {self._most} bytes")
            return message

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and not is_whole and _has_body(scope):
                # What is left of the body is not waited for.
                message = {
                    **message,
                    "headers": [*message.get("headers", ()), (b"connection", b"close")],
                }
            await send(message)

        await self._app(scope, bounded, closing)


def _has_body(scope: Scope) -> bool:
    names = {name.lower() for name, _ in scope["headers"]}
    return not names.isdisjoint((b"content-length", b"transfer-encoding"))


def _impatient(idle_timeout_s: float) -> type[H11Protocol]:
    """HTTP/1.1 that ends connections which ask nothing; uvicorn waits for a first request for ever.

    It looks every `idle_timeout_s`, and ends what has had no request since the look before.
    """

    class Impatient(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._look(self.cycle)

        def connection_lost(self, exc: Exception | None) -> None:
            self._next_look.cancel()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self, event: Any) -> None:
            # From here on another protocol has the connection, with pings of its own.
            self._next_look.cancel()
            super().handle_websocket_upgrade(event)

        def _look(self, before: object) -> None:
            is_idle = self.cycle is None or self.cycle.response_complete
            if is_idle and self.cycle is before and self._has_waited:
                self.transport.close()
                return
            self._has_waited = True
            self._next_look = self.loop.call_later(idle_timeout_s, self._look, self.cycle)

        _has_waited = False

    return Impatient


def _fault(error: Mapping[str, Any]) -> str:
    """One fault of a body: where, and what was expected; never the value, which may be anything."""
    where = ".".join(str(part) for part in error["loc"][1:]) or "body"
    if error["type"] == "extra_forbidden":
        return f"{where}: no such field"
    said = str(error["msg"])
    return f"{where}: {said[:1].lower()}{said[1:]}"
