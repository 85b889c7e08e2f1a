"""The application: routes, who may call them, and what keeps it safe, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from trading.errors import StoreError
from trading.web.auth import Tokens, guard_of
from trading.web.issuer import DevelopmentIssuer
from trading.web.limits import Places, RateLimit, SecurityHeaders, Turns
from trading.web.problems import Problem, ProblemOut, answer_problems, documented, refused
from trading.web.routes import (
    acts,
    changes,
    events,
    journal,
    ledger,
    market,
    nodes,
    runs,
    sessions,
    studies,
    trades,
)
from trading.web.rows import HealthOut
from trading.web.source import Source
from trading.web.streams import MOST_STREAMS, Pulse
from trading.web.views import utc
from trading.web.writes import WriteLog

VERSION = "1"
DESCRIPTION = """\
Peer-to-peer energy trading in a parking lot: sessions in; vehicles, orders, trades, batches,
accounts, series and runs out. Energy is in Wh, money in micro-euro (`ueur`), times are UTC.

Lists answer in JSON, CSV or Parquet by `Accept`, a page at a time: `next` is the cursor of the next
page. What is refused is told in `application/problem+json`, with what to do.
"""
TOPICS = tuple(
    topic.router
    for topic in (
        sessions, market, trades, ledger, changes, acts, nodes, events, journal, runs, studies,
    )
)  # fmt: skip
PER_S = 100.0
BURST = 400
"""Requests that one caller may send a second, and at once."""
AT_THE_DOOR = 4
"""Requests to the engine that are under way: it stores one after another."""
TURNS = 8
"""Requests of one caller that are worked on at once; with many, everybody else would wait."""


def create_app(
    source: Source,
    tokens: Tokens,
    *,
    rates: RateLimit | None = None,
    cors_origins: Sequence[str] = (),
    issuer: DevelopmentIssuer | None = None,
) -> FastAPI:
    """The API over what an engine has.

    Args:
        source: what it reads, and where sessions go.
        tokens: whose tokens it trusts.
        rates: how much one caller may ask; the default is `PER_S` and `BURST`.
        cors_origins: pages of other sites whose scripts may call; none by default.
        issuer: for development: serve its configuration and keys, too.
    """
    app = FastAPI(
        title="peercharge",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        separate_input_output_schemas=False,
    )
    app.state.source, app.state.tokens = source, tokens
    app.state.pulses = {
        "events": Pulse(source, events.Chain(source)),
        "journal": Pulse(source, journal.Journal(source)),
    }
    app.state.streams, app.state.turns = Places(MOST_STREAMS), Turns(TURNS)
    app.state.at_the_door = asyncio.Semaphore(AT_THE_DOOR)
    app.state.rates = rates if rates is not None else RateLimit(PER_S, BURST)
    answer_problems(app)
    for topic in TOPICS:
        app.include_router(topic)
    _add_health(app, source)
    _name_methods(app)
    if issuer is not None:
        app.include_router(issuer.router())
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
            expose_headers=["Link", "Retry-After"],
        )
    app.add_middleware(WriteLog)
    app.add_middleware(SecurityHeaders)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def routes_of(app: FastAPI) -> list[APIRoute]:
    """Every route that the description shows, those of `TOPICS` and the application's own."""
    found = [route for topic in TOPICS for route in topic.routes] + list(app.routes)
    by_name = {
        (route.path, *sorted(route.methods or ())): route
        for route in found
        if isinstance(route, APIRoute) and route.include_in_schema
    }
    return list(by_name.values())


def roles_of(route: APIRoute) -> list[str] | None:
    """The roles that may call a route, sorted; None for one that is open."""
    guard = guard_of(route)
    return None if guard is None else sorted(guard.roles)


def _name_methods(app: FastAPI) -> None:
    """Let 405 name every method of a path; the framework names those of its first route."""

    @app.exception_handler(405)
    def refuse(request: Request, _error: Exception) -> Response:
        allowed = {
            method
            for route in routes_of(app)
            if route.path_regex.match(request.url.path)
            for method in route.methods or ()
        }
        return refused(
            request,
            Problem(
                405,
                f"{request.method} is not a method of this path",
                headers={"Allow": ", ".join(sorted(allowed))},
            ),
        )


def _add_health(app: FastAPI, source: Source) -> None:
    @app.get("/health", tags=["health"], responses={503: {"model": HealthOut}})
    def health(response: Response) -> HealthOut:
        """Whether the service can answer; open to everybody."""
        try:
            with source.look() as connection:
                head, looked_at = source.head(connection), source.looked_at(connection)
        except StoreError:
            response.status_code = 503
            return _health("failing", None, None)
        return _health("ok", head, looked_at)

    def _health(status: Any, head: int | None, looked_at: float | None) -> HealthOut:
        return HealthOut(
            status=status,
            service="web",
            head=head,
            looked_at=None if looked_at is None else utc(looked_at),
            market=source.publication.digest,
        )


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the roles of each route in it."""
    if app.openapi_schema is None:
        told = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        told["components"]["schemas"]["ProblemOut"] = ProblemOut.model_json_schema()
        for route in routes_of(app):
            roles = roles_of(route)
            for method in route.methods or ():
                operation = told["paths"][route.path][method.lower()]
                operation["x-roles"] = roles or []
                if "requestBody" in operation:
                    operation["responses"] |= documented(415)
                operation["description"] = (
                    f"{operation.get('description', '')}\n\n"
                    + (f"For {', '.join(roles)}." if roles else "Open to everybody.")
                ).strip()
        app.openapi_schema = told
    return app.openapi_schema
