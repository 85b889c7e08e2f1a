"""The log of writes: one line for each attempt, whoever made it and however far it came.

An attempt is a request to the API with a method that may change something; to be shown what would
change (`/preview`) is none. The line is there before the answer is, and says who, where and what
came of it. What a route knows of it besides, the route tells its `Attempt`; of what came, a line
holds no token, no signature, and nothing that was not looked at.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from fastapi import Depends, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from trading.web.auth import Principal

log = structlog.get_logger(__name__)

OF_PROGRAMS = "/api/"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PREVIEW = "/preview"
LONGEST = 500
"""Signs of a text that somebody else chose."""
_KEY = "peercharge.attempt"


@dataclass(kw_only=True)
class Attempt:
    """What is known of an attempt to write, while it goes on.

    Attributes:
        who: makes it; None until a token said so.
        done: names its line if it is done.
        not_done: names its line if it is not.
        told: what else the line says.
        problem: why it was refused.
        is_done: whether it is done, whatever the answer says of what came after.
    """

    who: Principal | None = None
    done: str = "write done"
    not_done: str = "write refused"
    told: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    is_done: bool = False

    def is_to(self, done: str, not_done: str, **told: Any) -> None:
        """Name the line, and say what is attempted; before anything of it can fail."""
        self.done, self.not_done = done, not_done
        self.told |= told

    def came(self, **told: Any) -> None:
        """Say that it is done, and what came of it."""
        self.is_done = True
        self.told |= told


def attempt_of(request: Request) -> Attempt:
    """The attempt that a request is; one that nobody writes down where it is none."""
    found: Attempt = request.scope.setdefault(_KEY, Attempt())
    return found


async def _attempt(request: Request) -> Attempt:
    return attempt_of(request)


Write = Annotated[Attempt, Depends(_attempt)]
"""A route's parameter: what its line in the log is to say."""


class WriteLog:
    """Writes the line of every attempt."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and write the line when the answer begins."""
        if not _is_attempt(scope):
            await self._app(scope, receive, send)
            return
        attempt = scope[_KEY] = Attempt()
        is_told = False

        async def sent(message: Message) -> None:
            nonlocal is_told
            if message["type"] == "http.response.start":
                is_told = True
                _write(scope, attempt, int(message["status"]))
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            if not is_told:
                attempt.problem = f"{type(error).__name__}: {error}"
                _write(scope, attempt, 500)
            raise


def _is_attempt(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] in SAFE:
        return False
    path = str(scope["path"])
    return path.startswith(OF_PROGRAMS) and not path.endswith(PREVIEW)


def _write(scope: Scope, attempt: Attempt, status: int) -> None:
    line = _by(scope, attempt.who) | {
        "method": scope["method"],
        # As it came: nothing in it can look like the end of a line.
        "path": scope.get("raw_path", b"").decode("ascii", "replace")[:LONGEST],
        "status": status,
        **attempt.told,
    }
    if status < 400:
        log.info(attempt.done, **line)
        return
    name = attempt.done if attempt.is_done else attempt.not_done
    level = logging.ERROR if status == 500 else logging.WARNING
    log.log(level, name, **line, problem=attempt.problem[:LONGEST])


def _by(scope: Scope, who: Principal | None) -> dict[str, Any]:
    if who is not None:
        return {"who": who.subject, "roles": sorted(who.roles)}
    client = scope.get("client")
    return {"who": None, "address": client[0] if client else ""}
