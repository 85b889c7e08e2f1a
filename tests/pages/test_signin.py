"""Signing in: at an OIDC issuer by code and PKCE, or during development as whom one likes."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse

from trading.pages.signin import (
    COOKIE,
    DevelopmentDoor,
    Identity,
    OidcDoor,
    SignIns,
    local_path,
)
from trading.web import DevelopmentIssuer, Role
from trading.web.problems import answer_problems

ADDRESS = "http://lot.example"


class FakeIssuer:
    """An OIDC issuer that gives out what it is told to; its tokens are real."""

    def __init__(self) -> None:
        self.signs = DevelopmentIssuer(issuer="http://issuer.example")
        self.challenge = ""
        self.says: dict[str, object] = {}
        self.asked: list[dict[str, str]] = []
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def configuration():
            return {
                "issuer": "http://issuer.example",
                "authorization_endpoint": "http://issuer.example/authorize?tenant=1",
                "token_endpoint": "http://issuer.example/token",
            } | self.says

        @app.post("/token")
        def token(
            code: str = Form(), code_verifier: str = Form(), redirect_uri: str = Form(),
            grant_type: str = Form(), client_id: str = Form(),
        ):  # fmt: skip
            self.asked.append({"code": code, "client_id": client_id, "to": redirect_uri})
            digest = urlsafe_b64encode(sha256(code_verifier.encode()).digest()).rstrip(b"=")
            if digest.decode() != self.challenge or grant_type != "authorization_code":
                return JSONResponse({"error": "invalid_grant"}, 400)
            return {"access_token": self.signs.token("operator", subject="ada"), "expires_in": 60}

        self.transport = httpx.ASGITransport(app=app)


class Browser:
    """One browser: it keeps cookies, and follows no redirection."""

    def __init__(self, app: FastAPI) -> None:
        self.app, self.cookies = app, httpx.Cookies()

    def get(self, path, params=None):
        async def ask():
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url=ADDRESS, cookies=self.cookies
            ) as client:
                answer = await client.get(path, params=params)
                self.cookies = client.cookies
                return answer

        return asyncio.run(ask())


def client_of(door) -> Browser:
    app = FastAPI()
    answer_problems(app)
    app.include_router(door.router())

    @app.get("/who")
    def who(request: Request):
        visitor = door.visitor(request)
        return None if visitor is None else visitor.principal.subject

    return Browser(app)


@pytest.fixture
def issuer():
    return FakeIssuer()


@pytest.fixture
def client(issuer):
    return client_of(
        OidcDoor(
            issuer="http://issuer.example",
            client_id="pages",
            address=ADDRESS,
            tokens=issuer.signs.tokens(),
            transport=issuer.transport,
        )
    )


def begin(client, issuer, to="/trades"):
    answer = client.get("/sign-in/start", params={"to": to})
    assert answer.status_code == 303
    place = urlsplit(answer.headers["location"])
    asked = {name: values[0] for name, values in parse_qs(place.query).items()}
    issuer.challenge = asked["code_challenge"]
    return place, asked


def test_a_visitor_signs_in_and_goes_where_it_wanted(client, issuer):
    assert client.get("/who").json() is None
    place, asked = begin(client, issuer)
    assert (place.netloc, place.path, asked["tenant"]) == ("issuer.example", "/authorize", "1")
    assert asked["redirect_uri"] == f"{ADDRESS}/sign-in/back"
    assert asked["code_challenge_method"] == "S256"
    back = client.get("/sign-in/back", params={"state": asked["state"], "code": "c-1"})
    assert (back.status_code, back.headers["location"]) == (303, "/trades")
    cookie = back.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert client.get("/who").json() == "ada"
    assert issuer.asked == [{"code": "c-1", "client_id": "pages", "to": f"{ADDRESS}/sign-in/back"}]
    out = client.get("/sign-out")
    assert out.headers["location"] == "/signed-out"
    assert client.get("/who").json() is None
    ended = client.get("/signed-out")
    assert "You are signed out." in ended.text
    assert ended.status_code == 200


def test_signing_out_ends_at_the_issuer_where_it_can(client, issuer):
    issuer.says = {"end_session_endpoint": "http://issuer.example/end?x=1"}
    begin(client, issuer)
    place = client.get("/sign-out").headers["location"]
    assert place.startswith("http://issuer.example/end?x=1&client_id=pages&")
    assert "post_logout_redirect_uri=http" in place


def test_two_tabs_sign_in_at_once(client, issuer):
    _, first = begin(client, issuer, to="/trades")
    challenge = issuer.challenge
    _, second = begin(client, issuer, to="/study")
    back = client.get("/sign-in/back", params={"state": second["state"], "code": "c"})
    assert back.headers["location"] == "/study"
    issuer.challenge = challenge
    back = client.get("/sign-in/back", params={"state": first["state"], "code": "c"})
    assert back.headers["location"] == "/trades"


def test_what_the_issuer_says_is_a_text_and_no_page(client, issuer):
    told = client.get("/sign-in/back", params={"error": "<script>alert(1)</script>"})
    assert "<script" not in told.text


def test_a_sign_in_ends_once_and_only_where_it_began(client, issuer):
    _, asked = begin(client, issuer)
    other = Browser(client.app)
    stolen = other.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert stolen.status_code == 400
    assert other.get("/who").json() is None
    # The state is used up by the attempt; its owner begins again.
    again = client.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert again.status_code == 400
    assert "not begun in this browser" in again.text
    assert "/sign-in/start" in again.text
    assert issuer.asked == []


def test_a_state_that_nobody_began_is_refused(client, issuer):
    begin(client, issuer)
    assert client.get("/sign-in/back", params={"state": "x", "code": "c"}).status_code == 400
    assert client.get("/sign-in/back").status_code == 400
    assert client.get("/sign-in/back", params={"state": "é", "code": "c"}).status_code == 400


def test_what_the_issuer_refuses_is_said(client, issuer):
    _, asked = begin(client, issuer)
    told = client.get("/sign-in/back", params={"state": asked["state"], "error": "access_denied"})
    assert told.status_code == 403
    assert "access_denied" in told.text
    _, asked = begin(client, issuer)
    issuer.challenge = "another"
    told = client.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert told.status_code == 503


@pytest.mark.parametrize("says", [{"issuer": "http://else"}, {"token_endpoint": None, "issuer": 1}])
def test_an_issuer_that_is_not_itself_is_not_trusted(client, issuer, says):
    issuer.says = says
    assert client.get("/sign-in/start").status_code == 503


def test_a_token_that_has_ended_signs_out():
    now = [1_000.0]
    issuer = DevelopmentIssuer(clock=lambda: now[0])
    sign_ins = SignIns(clock=lambda: now[0])
    from trading.pages.client import SignedIn

    token = issuer.token("operator", lifetime_s=60)
    number = sign_ins.add(SignedIn(issuer.tokens().principal(token), token))
    request = Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={number}".encode())]})
    assert sign_ins.of(request) is not None
    now[0] += 61
    assert sign_ins.of(request) is None


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "", "/a\nb"]
)
def test_no_sign_in_leads_elsewhere(client, issuer, to):
    assert local_path(to) == "/"
    _, asked = begin(client, issuer, to=to)
    back = client.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert back.headers["location"] == "/"


def test_during_development_one_is_whom_one_likes():
    identities = [
        Identity(name="aggregator", role=Role.AGGREGATOR),
        Identity(name="driver-a", role=Role.DRIVER, sessions=("a",)),
    ]
    client = client_of(DevelopmentDoor(DevelopmentIssuer(), lambda: identities))
    assert client.get("/who").json() == "aggregator"
    answer = client.get("/sign-in/start", params={"as": "driver-a", "to": "/driver"})
    assert answer.headers["location"] == "/driver"
    assert client.get("/who").json() == "driver-a"
    client.get("/sign-in/start", params={"as": "nobody"})
    assert client.get("/who").json() == "aggregator"
