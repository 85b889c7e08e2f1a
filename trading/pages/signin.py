"""Who looks: sign-in with the OIDC issuer, or, for development, as whom one likes.

A browser gets a random number in a cookie; the token stays here, in memory, until it ends.
"""

from __future__ import annotations

import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from trading.pages.client import SignedIn
from trading.pages.texts import Texts, languages, preferred
from trading.web.auth import Role, Tokens
from trading.web.issuer import DevelopmentIssuer
from trading.web.problems import Problem

COOKIE = "peercharge_visit"
LANGUAGE = "peercharge_language"
START, BACK, OUT, ENDED = "/sign-in/start", "/sign-in/back", "/sign-out", "/signed-out"
MOST_VISITORS = 10_000
_PENDING_S = 600.0


class SignIns:
    """The visitors that are signed in: by the random number in their cookie."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._visitors: OrderedDict[str, SignedIn] = OrderedDict()

    def add(self, visitor: SignedIn) -> str:
        """Remember a visitor; the number to put into a cookie."""
        number = secrets.token_urlsafe(32)
        self._visitors[number] = visitor
        while len(self._visitors) > MOST_VISITORS:
            self._visitors.popitem(last=False)
        return number

    def of(self, request: Request) -> SignedIn | None:
        """Whose request it is; None for nobody's, and where the token has ended."""
        number = request.cookies.get(COOKIE, "")
        visitor = self._visitors.get(number)
        if visitor is not None and visitor.principal.expires_at <= self._clock():
            del self._visitors[number]
            return None
        return visitor

    def drop(self, request: Request) -> None:
        """Forget whoever sends this request."""
        self._visitors.pop(request.cookies.get(COOKIE, ""), None)


class Door(Protocol):
    """A way to sign in."""

    def visitor(self, request: Request) -> SignedIn | None:
        """Who looks; None for somebody who has to sign in first."""

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

    def visitor(self, request: Request) -> SignedIn | None:
        """See `Door`."""
        return self._sign_ins.of(request) or self._default()

    def router(self) -> APIRouter:
        """`GET /sign-in/start?as=NAME&to=PATH`: be somebody else."""
        router = APIRouter(include_in_schema=False)

        @router.get(START)
        def start(request: Request, to: str = "/") -> Response:
            wanted = request.query_params.get("as", "")
            chosen = next((one for one in self.identities() if one.name == wanted), None)
            answer = RedirectResponse(local_path(to), 303)
            self._sign_ins.drop(request)
            if chosen is None:
                answer.delete_cookie(COOKIE)
            else:
                _set_cookie(answer, request, self._sign_ins.add(self._as(chosen)))
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


@dataclass(kw_only=True)
class OidcDoor:
    """Authorization code with PKCE at an OIDC issuer (RFC 6749, RFC 7636).

    Attributes:
        issuer: its URL.
        client_id: of these pages, as the issuer knows them.
        client_secret: None for a public client.
        address: under which browsers reach these pages, such as `https://lot.example`.
        tokens: verifies the access tokens, which have to be for the API's audience.
        scope: what is asked for.
    """

    issuer: str
    client_id: str
    client_secret: str | None = None
    address: str
    tokens: Tokens
    scope: str = "openid"
    transport: httpx.AsyncBaseTransport | None = None
    _sign_ins: SignIns = field(default_factory=SignIns)
    _places: dict[str, str] = field(default_factory=dict)
    _pending: OrderedDict[str, tuple[float, str, str]] = field(default_factory=OrderedDict)

    def visitor(self, request: Request) -> SignedIn | None:
        """See `Door`."""
        return self._sign_ins.of(request)

    def router(self) -> APIRouter:
        """To the issuer, back from it, and out."""
        router = APIRouter(include_in_schema=False)

        @router.get(START)
        async def start(request: Request, to: str = "/") -> Response:
            try:
                places = await self._discovered()
            except Problem as error:
                return _told(request, "shell.sign_in_failed", error)
            verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(32)
            challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
            asked = {
                "response_type": "code",
                "client_id": self.client_id,
                "redirect_uri": self._back,
                "scope": self.scope,
                "state": state,
                "code_challenge": challenge.decode(),
                "code_challenge_method": "S256",
            }
            url = str(httpx.URL(places["authorization_endpoint"]).copy_merge_params(asked))
            self._pending[state] = (time.monotonic(), verifier, local_path(to))
            while len(self._pending) > MOST_VISITORS:
                self._pending.popitem(last=False)
            answer = RedirectResponse(url, 303)
            # Only the browser that began may end it.
            _keep(answer, _state_cookie(state), state, secure=self._is_secure)
            return answer

        @router.get(BACK)
        async def back(
            request: Request, state: str = "", code: str = "", error: str = ""
        ) -> Response:
            begun = self._pending.pop(state, None)
            own = request.cookies.get(_state_cookie(state), "")
            try:
                if error:
                    raise Problem(403, f"the issuer refuses: {error[:200]}")
                if begun is None or not secrets.compare_digest(own.encode(), state.encode()):
                    raise Problem(400, "it was not begun in this browser, or too long ago")
                if time.monotonic() - begun[0] > _PENDING_S:
                    raise Problem(400, "it was begun too long ago")
                token = await self._token(code, begun[1])
                visitor = SignedIn(await run_in_threadpool(self.tokens.principal, token), token)
            except Problem as refused:
                return _told(request, "shell.sign_in_failed", refused)
            answer = RedirectResponse(begun[2], 303)
            answer.delete_cookie(_state_cookie(state))
            _set_cookie(answer, request, self._sign_ins.add(visitor), secure=self._is_secure)
            return answer

        @router.get(OUT)
        async def out(request: Request) -> Response:
            self._sign_ins.drop(request)
            place = ENDED
            with suppress(Problem):
                ends = (await self._discovered()).get("end_session_endpoint")
                if ends:
                    back_to = self.address.rstrip("/") + ENDED
                    asked = {"client_id": self.client_id, "post_logout_redirect_uri": back_to}
                    place = str(httpx.URL(ends).copy_merge_params(asked))
            answer = RedirectResponse(place, 303)
            answer.delete_cookie(COOKIE)
            return answer

        @router.get(ENDED)
        def ended(request: Request) -> Response:
            return _told(request, "shell.signed_out")

        return router

    @property
    def _is_secure(self) -> bool:
        return urlsplit(self.address).scheme == "https"

    @property
    def _back(self) -> str:
        return self.address.rstrip("/") + BACK

    async def _token(self, code: str, verifier: str) -> str:
        """The access token that the issuer gives for a code.

        Raises:
            Problem: 503, it gives none.
        """
        places = await self._discovered()
        given = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "client_id": self.client_id,
            "code_verifier": verifier,
        }
        secret = self.client_secret
        known = httpx.Auth() if secret is None else httpx.BasicAuth(self.client_id, secret)
        try:
            async with httpx.AsyncClient(timeout=5, transport=self.transport) as client:
                answer = await client.post(places["token_endpoint"], data=given, auth=known)
                return str(answer.raise_for_status().json()["access_token"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise Problem(503, f"the issuer gives no token ({error})") from None

    async def _discovered(self) -> dict[str, str]:
        """Where the issuer asks people to sign in, and where it gives tokens."""
        if not self._places:
            place = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                async with httpx.AsyncClient(timeout=5, transport=self.transport) as client:
                    told = (await client.get(place)).raise_for_status().json()
                if told["issuer"] != self.issuer:
                    raise ValueError(f"it calls itself {told['issuer']!r}")
                names = ("authorization_endpoint", "token_endpoint")
                self._places = {name: str(told[name]) for name in names}
                if told.get("end_session_endpoint"):
                    self._places["end_session_endpoint"] = str(told["end_session_endpoint"])
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                raise Problem(503, f"the issuer does not answer as one should ({error})") from None
        return self._places


def _state_cookie(state: str) -> str:
    """Two tabs may sign in at once: each has a cookie of its own."""
    return "peercharge_sign_in_" + sha256(state.encode()).hexdigest()[:8]


def _told(request: Request, key: str, error: Problem | None = None) -> Response:
    """A page with one sentence, what the matter is, and the way to sign in."""
    texts = Texts(language_of(request))
    said = "" if error is None else f"<p lang='en'>{escape(error.detail)}.</p>"
    content = (
        f"<!doctype html><html lang='{texts.language}'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>peercharge</title><link rel='stylesheet' href='/pages/static/pages.css'></head>"
        f"<body><main class='pc-plain'><h1>peercharge</h1><p>{escape(texts(key))}</p>{said}"
        f"<p><a href='{START}'>{escape(texts('shell.sign_in'))}</a></p></main></body></html>"
    )
    return HTMLResponse(content, 200 if error is None else error.status)


def local_path(to: str) -> str:
    """A path of these pages to go on to; anything else becomes the first page.

    >>> local_path("//elsewhere.example/x"), local_path("/trades?state=pending")
    ('/', '/trades?state=pending')
    """
    parts = urlsplit(to)
    is_local = to.startswith("/") and not to.startswith(("//", "/\\"))
    return to if is_local and not parts.scheme and not parts.netloc and to.isprintable() else "/"


def _set_cookie(answer: Response, request: Request, number: str, *, secure: bool = False) -> None:
    _keep(answer, COOKIE, number, secure=secure or request.url.scheme == "https")


def _keep(answer: Response, name: str, value: str, *, secure: bool) -> None:
    answer.set_cookie(name, value, httponly=True, samesite="lax", secure=secure, path="/")


def language_of(request: Request) -> str:
    """The language that a browser chose, or else prefers."""
    chosen = request.cookies.get(LANGUAGE, "")
    known = list(languages())
    if chosen in known:
        return chosen
    return preferred(request.headers.get("accept-language", ""), among=known)
