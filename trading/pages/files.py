"""Files for browsers, which have a cookie and no token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from trading.pages.client import SignedIn
from trading.pages.signin import START, plain_page
from trading.pages.site import Site
from trading.web.parameters import refuse_unknown_parameters
from trading.web.problems import Problem

_DONE = Callable[[Callable[..., Any]], Callable[..., Any]]


def files() -> APIRouter:
    """Routes of files; a parameter that they do not have, or twice, is refused as in the API."""
    return APIRouter(include_in_schema=False, dependencies=[Depends(_known)])


def file_at(router: APIRouter, path: str) -> _DONE:
    """Serve a file under a path of `router`; HEAD is answered like GET, without the file."""
    return router.api_route(path, methods=["GET", "HEAD"])


async def given(
    site: Site, request: Request, give: Callable[[SignedIn], Awaitable[Response]], *, back: str
) -> Response:
    """A file for whoever is signed in; others sign in first, and come back to its page.

    Args:
        site: whose door it is.
        request: of the browser.
        give: the file for this visitor.
        back: address of the page that has the link.

    Raises:
        Problem: what the API refuses this visitor.
    """
    try:
        who = await site.door.visitor(request)
    except Problem as error:
        return plain_page(request, "shell.refused", error)
    if who is not None:
        try:
            return await give(who)
        except Problem as error:
            if error.status != 401:
                raise
    return RedirectResponse(f"{START}?to={quote(back, safe='')}", 303)


async def _known(request: Request) -> None:
    refuse_unknown_parameters(request)
