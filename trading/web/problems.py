"""Answers that refuse: problem documents (RFC 9457) that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from trading.errors import InputError, StoreError
from trading.serving import PROBLEM
from trading.web.writes import attempt_of

log = structlog.get_logger(__name__)

FAULTS_LOGGED = 10


class Problem(Exception):  # noqa: N818 - what the answer is called
    """An answer that refuses.

    Attributes:
        status: of HTTP.
        detail: what happened and what was expected.
        hint: what to do.
        headers: of the answer, besides the usual.
        logged: what the log says besides, and the answer does not.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        hint: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        logged: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.detail, self.hint = status, detail, hint
        self.headers, self.logged = dict(headers or {}), dict(logged or {})
        super().__init__(detail)


class ProblemOut(BaseModel):
    """A problem document."""

    status: int = Field(description="The status of the answer.")
    title: str = Field(description="The status in words.")
    detail: str = Field(description="What happened and what was expected.")
    hint: str = Field(default="", description="What to do.")


HINTS = {
    400: "Send JSON in UTF-8.",
    401: "Send the header `Authorization: Bearer TOKEN` with a token of the configured issuer.",
    404: "Check the path and the id; /api/v1/openapi.json lists all paths.",
    405: "Use a method that the header Allow names.",
    413: "Send less at a time.",
    422: "Correct what is named and send it again.",
    503: "Try again in a few seconds; if it stays so, tell who runs this service.",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares of the problems that it answers with."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemOut"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM: schema}}
        for status in statuses
    }


def problem(problem: Problem) -> Response:
    """The answer that tells a problem."""
    told = ProblemOut(
        status=problem.status,
        title=HTTPStatus(problem.status).phrase,
        detail=problem.detail,
        hint=problem.hint or HINTS.get(problem.status, ""),
    )
    return Response(
        told.model_dump_json(), problem.status, headers=problem.headers, media_type=PROBLEM
    )


def refused(request: Request, error: Problem) -> Response:
    """The answer that tells a problem; of an attempt to write the log says why, too."""
    attempt = attempt_of(request)
    attempt.problem = error.detail
    attempt.told |= error.logged
    return problem(error)


def answer_problems(app: FastAPI) -> None:
    """Let `app` answer every refusal, its own and the framework's, with a problem document."""

    @app.exception_handler(Problem)
    def refuse(request: Request, error: Problem) -> Response:
        return refused(request, error)

    @app.exception_handler(HTTPException)
    def refuse_route(request: Request, error: HTTPException) -> Response:
        told = Problem(error.status_code, str(error.detail), headers=error.headers)
        return refused(request, told)

    @app.exception_handler(RequestValidationError)
    def refuse_values(request: Request, error: RequestValidationError) -> Response:
        faults = error.errors()
        # What a fault says may repeat what came; the log says only where, and of which kind.
        attempt_of(request).problem = "; ".join(_kind(one) for one in faults[:FAULTS_LOGGED])
        return problem(Problem(422, "; ".join(_fault(one) for one in faults)))

    @app.exception_handler(StoreError)
    def refuse_for_now(request: Request, error: StoreError) -> Response:
        log.error("database failed", problem=str(error))
        # The sentence names a file of this machine.
        return refused(request, Problem(503, "the database cannot be read just now"))

    @app.exception_handler(InputError)
    def refuse_input(request: Request, error: InputError) -> Response:
        return refused(request, Problem(422, str(error)))


def _kind(error: Mapping[str, Any]) -> str:
    """One fault without a word of what came: a field that nobody knows is named by who sent it."""
    parts = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    return f"{'.'.join(str(part) for part in parts) or 'body'}: {error['type']}"


def _fault(error: Mapping[str, Any]) -> str:
    """One fault: where, and what was expected; never the value, which may be anything."""
    where = ".".join(str(part) for part in error["loc"]) or "body"
    if error["type"] == "extra_forbidden":
        return f"{where}: no such field"
    said = str(error["msg"])
    return f"{where}: {said[:1].lower()}{said[1:]}"
