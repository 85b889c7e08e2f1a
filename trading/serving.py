"""A small HTTP server beside a service: health, metrics, and the service's own routes.

It runs in a thread of its own and ends with its context. Answers that refuse are problem documents
(RFC 9457): `application/problem+json` with a sentence in `detail`. A request whose body is too
large is refused before it is read.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trading.errors import OptionError, StoreError

DEFAULT_LISTEN = "127.0.0.1:8700"
MAX_BODY_BYTES = 4_000_000
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
PROBLEM = "application/problem+json"


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
        return problem(422, "; ".join(_fault(one) for one in error.errors()))

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


@contextmanager
def serving(app: FastAPI, listen: str) -> Iterator[str]:
    """Serve `app` in a thread until the context ends; gives its address, `http://HOST:PORT`.

    Raises:
        OptionError: the address is none, or is taken.
    """
    host, port = address_of(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said to be TCP, or asyncio does not turn off the delay of small answers: 40 ms a request.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
        except OSError as error:
            raise OptionError(
                "listen", listen, f"an address of this machine that is free ({error.strerror})"
            ) from None
        config = uvicorn.Config(
            _LimitedBody(app, MAX_BODY_BYTES),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [door]}, name="http", daemon=True
        )
        thread.start()
        _await_start(server, thread, listen)
        shown = f"[{host}]" if ":" in host else host
        try:
            yield f"http://{shown}:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STOP_TIMEOUT_S)


def _await_start(server: uvicorn.Server, thread: threading.Thread, listen: str) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise OptionError("listen", listen, "an address on which a server can be started")
        time.sleep(0.005)


class _LimitedBody:
    """Refuses a request whose body is longer than `most` bytes, whatever it said of its length."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts: list[bytes] = []
        size, more = 0, scope["method"] in ("POST", "PUT", "PATCH")
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self._most:
                answer = problem(413, f"the body is longer than {self._most} bytes")
                await answer(scope, receive, send)
                return
        await self._app(scope, _replayed(b"".join(parts), receive), send)


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    is_told = False

    async def told() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return told


def _fault(error: Mapping[str, Any]) -> str:
    """One fault of a body: where, and what was expected; never the value, which may be anything."""
    where = ".".join(str(part) for part in error["loc"][1:]) or "body"
    if error["type"] == "extra_forbidden":
        return f"{where}: no such field"
    said = str(error["msg"])
    return f"{where}: {said[:1].lower()}{said[1:]}"
