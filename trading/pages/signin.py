"""Who looks: sign-in with the OIDC issuer, or, for development, as whom one likes.

A browser gets a random number in a cookie; tokens stay here, in memory (`trading.pages.visitors`).
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Protocol
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from trading.pages.client import SignedIn
from trading.pages.oidc import Grant, IssuerClient
from trading.pages.texts import Texts, languages, preferred
from trading.pages.visitors import COOKIE, MOST_VISITORS, SignIns
from trading.web.auth import Principal, Role, Tokens
from trading.web.issuer import DevelopmentIssuer
from trading.web.problems import Problem

LANGUAGE = "peercharge_language"
START, BACK, OUT, ENDED = "/sign-in/start", "/sign-in/back", "/sign-out", "/signed-out"
_PENDING_S = 600.0


class Door(Protocol):
    """A way to sign in."""

    async def visitor(self, request: Request) -> SignedIn | None:
        """Who looks, the same object for as long as it is signed in; None who has to sign in first.

        Raises:
            Problem: 503, that cannot be said now.
        """

    def router(self) -> APIRouter:
        """The routes that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody whom a visitor may be during development.

    Attributes:
        name: of the identity, in an address.
        role: its role.
        label: who it is, such as a session's id; empty for the role alone.
        owners: addresses of its accounts or nodes.
        sessions: of a driver.
    """

    name: str
    role: Role
    label: str = ""
    owners: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()


class DevelopmentDoor:
    """Lets every visitor be whom it likes; where nothing is chosen, the first identity."""

    def __init__(self, issuer: DevelopmentIssuer, identities: Callable[[], list[Identity]]) -> None:
        """Sign in with tokens of a development issuer.

        Args:
            issuer: signs them.
            identities: whom one can be now; never empty.
        """
        self._issuer, self.identities = issuer, identities
        self._sign_ins = SignIns()
        self._first: SignedIn | None = None

    async def visitor(self, request: Request) -> SignedIn | None:
        """See `Door`."""
        return await self._sign_ins.of(request) or self._default()

    def router(self) -> APIRouter:
        """`GET /sign-in/start?as=NAME&to=PATH`: be somebody else."""
        router = APIRouter(include_in_schema=False)

        @router.get(START)
        async def start(request: Request, to: str = "/") -> Response:
            wanted = request.query_params.get("as", "")
            chosen = next((one for one in self.identities() if one.name == wanted), None)
            answer = RedirectResponse(local_path(to), 303)
            if chosen is None:
                await self._sign_ins.drop(request)
                answer.delete_cookie(COOKIE)
            else:
                number = self._sign_ins.add(request, self._as(chosen))
                _keep(answer, COOKIE, number, secure=request.url.scheme == "https")
            return answer

        return router

    def _default(self) -> SignedIn:
        identity = self.identities()[0]
        if self._first is None or self._first.principal.expires_at <= time.time():
            self._first = self._as(identity)
        return self._first

    def _as(self, identity: Identity) -> SignedIn:
        token = self._issuer.token(
            identity.role.value,
            subject=identity.name,
            owners=identity.owners,
            sessions=identity.sessions,
        )
        return SignedIn(self._issuer.tokens().principal(token), token)


class OidcDoor:
    """Authorization code with PKCE at an OIDC issuer (RFC 6749, RFC 7636)."""

    def __init__(self, client: IssuerClient, *, address: str, tokens: Tokens) -> None:
        """Sign in at an issuer.

        Args:
            client: asks the issuer.
            address: under which browsers reach these pages, such as `https://lot.example`.
            tokens: verifies the access tokens, which have to be for the API's audience.
        """
        self._client, self._tokens = client, tokens
        self._address = address.rstrip("/")
        self._is_secure = urlsplit(address).scheme == "https"
        self._sign_ins = SignIns(self)
        self._pending: OrderedDict[str, tuple[float, str, str]] = OrderedDict()

    async def visitor(self, request: Request) -> SignedIn | None:
        """See `Door`."""
        return await self._sign_ins.of(request)

    async def renewed(self, old: Grant) -> Grant:
        """See `trading.pages.visitors.Renews`."""
        return await self._client.renewed(old)

    async def whose(self, token: str) -> Principal:
        """See `trading.pages.visitors.Renews`."""
        return await run_in_threadpool(self._tokens.principal, token)

    def router(self) -> APIRouter:
        """To the issuer, back from it, and out."""
        router = APIRouter(include_in_schema=False)

        @router.get(START)
        async def start(request: Request, to: str = "/") -> Response:
            verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(32)
            try:
                place = await self._client.sign_in_place(
                    verifier=verifier, state=state, back_to=self._address + BACK
                )
            except Problem as error:
                return plain_page(request, "shell.sign_in_failed", error)
            self._pending[state] = (time.monotonic(), verifier, local_path(to))
            while len(self._pending) > MOST_VISITORS:
                self._pending.popitem(last=False)
            answer = RedirectResponse(place, 303)
            # Only the browser that began may end it.
            _keep(answer, _state_cookie(state), state, secure=self._is_secure)
            return answer

        @router.get(BACK)
        async def back(
            request: Request, state: str = "", code: str = "", error: str = "", iss: str = ""
        ) -> Response:
            begun = self._pending.pop(state, None)
            own = request.cookies.get(_state_cookie(state), "")
            try:
                if iss and iss != self._client.issuer:
                    # RFC 9207; an issuer that does not tell is taken at its word.
                    raise Problem(400, "it comes back from another issuer")
                if error:
                    raise Problem(403, f"the issuer refuses: {error[:200]}")
                if begun is None or not secrets.compare_digest(own.encode(), state.encode()):
                    raise Problem(400, "it was not begun in this browser, or too long ago")
                if time.monotonic() - begun[0] > _PENDING_S:
                    raise Problem(400, "it was begun too long ago")
                grant = await self._client.grant(
                    code=code, verifier=begun[1], back_to=self._address + BACK
                )
                visitor = SignedIn(await self.whose(grant.access), grant.access)
            except Problem as refused:
                return plain_page(request, "shell.sign_in_failed", refused)
            answer = RedirectResponse(begun[2], 303)
            answer.delete_cookie(_state_cookie(state))
            number = self._sign_ins.add(request, visitor, grant)
            _keep(answer, COOKIE, number, secure=self._is_secure)
            return answer

        @router.get(OUT)
        async def out(request: Request) -> Response:
            ended = await self._sign_ins.drop(request)
            place: str | None = None
            with suppress(Problem):
                place = await self._client.sign_out_place(ended, back_to=self._address + ENDED)
            if ended is not None:
                await self._client.revoke(ended)
            answer = RedirectResponse(place or ENDED, 303)
            answer.delete_cookie(COOKIE)
            return answer

        @router.get(ENDED)
        def ended(request: Request) -> Response:
            return plain_page(request, "shell.signed_out")

        return router


def _state_cookie(state: str) -> str:
    """Two tabs may sign in at once: each has a cookie of its own."""
    return "peercharge_sign_in_" + sha256(state.encode()).hexdigest()[:8]


def plain(texts: Texts, title: str, body: str) -> str:
    """A document of its own, in the pages' style and without their socket.

    Args:
        texts: of the reader's language.
        title: a text; also its heading.
        body: HTML.
    """
    heading = escape(title)
    return (
        f"<!doctype html><html lang='{texts.language}'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{heading}</title><link rel='stylesheet' href='/pages/static/pages.css'></head>"
        f"<body><main class='pc-plain'><h1>{heading}</h1>{body}</main></body></html>"
    )


def plain_page(request: Request, key: str, error: Problem | None = None) -> Response:
    """A page with one sentence, what the matter is, and the way to sign in.

    Where it is only to wait, the browser asks again by itself.
    """
    texts = Texts(language_of(request))
    said = "" if error is None else f"<p lang='en'>{escape(error.detail)}.</p>"
    wait_s = "" if error is None else error.headers.get("Retry-After", "")
    way = f"<p><a href='{START}'>{escape(texts('shell.sign_in'))}</a></p>" if not wait_s else ""
    content = plain(texts, "peercharge", f"<p>{escape(texts(key))}</p>{said}{way}")
    headers = {"Retry-After": wait_s, "Refresh": wait_s} if wait_s else {}
    return HTMLResponse(content, 200 if error is None else error.status, headers)


def local_path(to: str) -> str:
    """A path of these pages to go on to; anything else becomes the first page.

    >>> local_path("//elsewhere.example/x"), local_path("/trades?state=pending")
    ('/', '/trades?state=pending')
    """
    parts = urlsplit(to)
    is_local = to.startswith("/") and not to.startswith(("//", "/\\"))
    return to if is_local and not parts.scheme and not parts.netloc and to.isprintable() else "/"


def _keep(answer: Response, name: str, value: str, *, secure: bool) -> None:
    answer.set_cookie(name, value, httponly=True, samesite="lax", secure=secure, path="/")


def language_of(request: Request) -> str:
    """The language that a browser chose, or else prefers."""
    chosen = request.cookies.get(LANGUAGE, "")
    known = list(languages())
    if chosen in known:
        return chosen
    return preferred(request.headers.get("accept-language", ""), among=known)
