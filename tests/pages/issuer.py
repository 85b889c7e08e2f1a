"""An OIDC issuer made by the tests, with a path of its own, and a browser that visits it."""

from __future__ import annotations

import asyncio
import base64
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, unquote_plus, urlsplit

import httpx
from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import JSONResponse

from trading.pages.oidc import IssuerClient
from trading.pages.signin import OidcDoor
from trading.web import DevelopmentIssuer
from trading.web.problems import answer_problems

ADDRESS = "http://lot.example"
ISSUER = "http://issuer.example/realms/lot"


class FakeIssuer:
    """An issuer that gives out what it is told to; its tokens are real.

    Attributes:
        says: replaces parts of its configuration.
        gives: replaces parts of what it gives; None takes a part away.
        claims: of the access tokens that it signs.
        asked: every form that came to one of its places, with the place.
        refuses: an answer instead of a token, as status and what it says.
    """

    def __init__(self, *, clock=None) -> None:
        clocked = {} if clock is None else {"clock": clock}
        self.signs = DevelopmentIssuer(issuer=ISSUER, **clocked)
        self.challenge, self.given = "", 0
        self.says: dict[str, object] = {}
        self.gives: dict[str, object] = {}
        self.claims: dict[str, object] = {"role": "operator", "subject": "ada", "lifetime_s": 300}
        self.asked: list[dict[str, str]] = []
        self.refuses: tuple[int, object] | None = None
        self.good: set[str] = set()
        self.slow = asyncio.sleep
        app = FastAPI()

        @app.get("/realms/lot/.well-known/openid-configuration")
        def configuration():
            return {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize?tenant=1",
                "token_endpoint": f"{ISSUER}/token",
            } | self.says

        @app.post("/realms/lot/token")
        async def token(request: Request):
            form = await self._note("token", request)
            await self.slow(0)
            if self.refuses is not None:
                return JSONResponse(self.refuses[1], self.refuses[0])
            if form["grant_type"] == "authorization_code":
                digest = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest())
                is_good = digest.rstrip(b"=").decode() == self.challenge
            else:
                is_good = form["refresh_token"] in self.good
                self.good.discard(form["refresh_token"])
            if not is_good:
                return JSONResponse({"error": "invalid_grant", "error_description": "used"}, 400)
            self.given += 1
            self.good.add(f"refresh-{self.given}")
            told = {
                "access_token": self.signs.token(**self.claims, jti=str(self.given)),
                "refresh_token": f"refresh-{self.given}",
                "id_token": f"identity-{self.given}",
            } | self.gives
            return {name: value for name, value in told.items() if value is not None}

        @app.post("/realms/lot/revoke")
        async def revoke(request: Request, token: str = Form()):
            await self._note("revoke", request)
            self.good.discard(token)
            return Response(status_code=200)

        self.transport = httpx.ASGITransport(app=app)

    async def _note(self, place: str, request: Request) -> dict[str, str]:
        form = {name: str(value) for name, value in (await request.form()).items()}
        known = request.headers.get("authorization", "")
        if known.startswith("Basic "):
            name, _, secret = base64.b64decode(known[6:]).decode().partition(":")
            form["basic"] = f"{unquote_plus(name)} {unquote_plus(secret)}"
        self.asked.append({"place": place, **form})
        return form

    def door(self, **more) -> OidcDoor:
        """The pages' door to it."""
        client = IssuerClient(
            issuer=ISSUER, transport=self.transport, **({"client_id": "pages"} | more)
        )
        return OidcDoor(client, address=ADDRESS, tokens=self.signs.tokens())


class Browser:
    """One browser: it keeps cookies, and follows no redirection."""

    def __init__(self, app: FastAPI) -> None:
        self.app, self.cookies = app, httpx.Cookies()

    def get(self, path, params=None):
        return asyncio.run(self.ask(path, params))

    async def ask(self, path, params=None):
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(
            transport=transport, base_url=ADDRESS, cookies=self.cookies
        ) as client:
            answer = await client.get(path, params=params)
            self.cookies = client.cookies
            return answer

    async def sign_in(self, issuer: FakeIssuer, to: str = "/trades"):
        """Go to the issuer and back; the answer on the way back."""
        _, asked = self.begun(issuer, await self.ask("/sign-in/start", {"to": to}))
        return await self.ask("/sign-in/back", {"state": asked["state"], "code": "c"})

    def begin(self, issuer: FakeIssuer, to: str = "/trades"):
        """Go to the issuer: its address, and what it is asked there."""
        return self.begun(issuer, self.get("/sign-in/start", {"to": to}))

    @staticmethod
    def begun(issuer, answer):
        assert answer.status_code == 303, answer.text
        place = urlsplit(answer.headers["location"])
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        issuer.challenge = asked["code_challenge"]
        return place, asked


def client_of(door) -> Browser:
    """A browser at a site that has nothing but this door, and says who looks."""
    app = FastAPI()
    answer_problems(app)
    app.include_router(door.router())

    @app.get("/who")
    async def who(request: Request):
        visitor = await door.visitor(request)
        return None if visitor is None else visitor.principal.subject

    return Browser(app)
