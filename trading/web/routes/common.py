"""What routes of several topics take as parameters."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from trading.chain.contract import Contract
from trading.store.requests import IsoTime
from trading.web.act_rows import ArgumentOut, CallOut
from trading.web.auth import GuardedRoute, Principal, Role, allow
from trading.web.chain import ChainDoor
from trading.web.problems import Problem, documented
from trading.web.source import Source

Anyone = Annotated[Principal, allow(*Role)]
LotParty = Annotated[Principal, allow(Role.DRIVER, Role.AGGREGATOR, Role.OPERATOR)]
Consortium = Annotated[Principal, allow(Role.AGGREGATOR, Role.OPERATOR, Role.AUTHORITY)]
Aggregator = Annotated[Principal, allow(Role.AGGREGATOR)]
Operator = Annotated[Principal, allow(Role.OPERATOR)]


# A dependency that waits for nothing is async: the others are given a thread for each request.
async def _source(request: Request) -> Source:
    source: Source = request.app.state.source
    return source


From = Annotated[Source, Depends(_source)]

Since = Annotated[IsoTime | None, Query(description="From this time on.")]
Until = Annotated[IsoTime | None, Query(description="Before this time.")]


def _chain(source: From) -> ChainDoor:
    if source.chain is None:
        raise Problem(
            503,
            "this service has no way to the chain",
            "Whoever runs it starts it with --deployment FILE and --network URL.",
        )
    return source.chain


Chain = Annotated[ChainDoor, Depends(_chain)]
"""Declared after the principal, so that who may not call learns nothing."""

At = Annotated[
    IsoTime | None, Query(description="At this time; by default now, or where a replay is.")
]
Text = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Name = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/]+$")]
Whole = Annotated[int | None, Query(ge=0, le=2**32 - 1)]
Address = Annotated[str | None, Query(pattern="^0x[0-9a-fA-F]{40}$")]
BatchId = Annotated[str | None, Query(pattern="^0x[0-9a-f]{64}$")]


def topic(name: str) -> APIRouter:
    """Routes of one topic; what all of them may answer is declared here."""
    return APIRouter(
        prefix="/api/v1",
        tags=[name],
        route_class=GuardedRoute,
        responses=documented(401, 403, 422, 429, 503),
    )


def call_out(contract: Contract, function: str, *arguments: Any, sender: str) -> CallOut:
    """Every part of a call, to be shown."""
    described = contract.interface.functions[function]
    data, gas = contract.encoded(function, *arguments)
    named = zip(described.input_names, described.input_types, arguments, strict=True)
    return CallOut(
        contract=contract.address,
        function=function,
        arguments=[
            ArgumentOut(name=name, type=kind, value=_text(value)) for name, kind, value in named
        ],
        calldata="0x" + data.hex(),
        sender=sender,
        gas=gas,
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def iso(time: dt.datetime) -> str:
    """A time as sessions are stored, so that texts compare as the times do."""
    try:
        found = time.astimezone(dt.UTC)
    except OverflowError:
        edge = dt.datetime.min if time.year == 1 else dt.datetime.max
        found = edge.replace(tzinfo=dt.UTC)
    return f"{found.year:04d}{found.strftime('-%m-%dT%H:%M:%S.%fZ')}"
