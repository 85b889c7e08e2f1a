"""The log of writes: one line an attempt, whoever made it and however far it came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from tests.durable.lot import MARKET, PSEUDONYMS
from tests.web.lot import Api
from trading.serving import MAX_BODY_BYTES, serving
from trading.web import DevelopmentIssuer, RateLimit, Source, create_app
from trading.web.problems import Problem, answer_problems
from trading.web.rows import TakenOut
from trading.web.writes import Write, WriteLog

SESSION = {
    "session_id": "bay 7",
    "arrival": "2026-03-02T08:00:00Z",
    "departure": "2026-03-02T16:00:00Z",
    "estimated_departure": None,
    "battery_capacity_wh": 60_000,
    "soc_arrival": 0.4,
    "soc_source": "charger",
    "need_wh": 20_000,
    "charge_power_w": 11_000,
    "discharge_power_w": 11_000,
    "reserve_soc": 0.2,
}


class Takes:
    """An engine that takes everything."""

    def take(self, sessions):
        return TakenOut(new=len(sessions), changed=0, known=0, refused={})


def app_of(issuer: DevelopmentIssuer, rates: RateLimit | None = None) -> FastAPI:
    """The application with nothing to read: what is tried here comes to no database."""
    source = Source(
        database=None,  # type: ignore[arg-type]
        publication=MARKET,
        tag_of=PSEUDONYMS.find,
        door=Takes(),
    )
    return create_app(source, issuer.tokens(), rates=rates or RateLimit(1e6, 10**6))


@contextmanager
def served(rates: RateLimit | None = None) -> Iterator[Api]:
    issuer = DevelopmentIssuer()
    app = app_of(issuer, rates)
    with (
        serving(app, "127.0.0.1:0") as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        yield Api(client=client, source=app.state.source, issuer=issuer)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with served() as opened:
        yield opened


def attempt(api: Api, headers, *, path="/api/v1/sessions", method="POST", **body):
    """The one line that an attempt leaves, and its answer."""
    body = body or {"json": SESSION}
    with capture_logs() as logs:
        answer = api.client.request(method, path, headers=headers, **body)
    (line,) = [one for one in logs if "path" in one]
    assert line["status"] == answer.status_code
    assert (line["method"], line["path"]) == (method, path.partition("?")[0])
    token = headers.get("Authorization", "Bearer nothing").removeprefix("Bearer ")
    assert token not in str(logs)
    return line, answer


def test_what_is_done_is_one_line_with_who(api):
    line, _ = attempt(api, api.bearer("aggregator"))
    assert (line["event"], line["log_level"]) == ("sessions taken", "info")
    assert (line["who"], line["roles"]) == ("development-aggregator", ["aggregator"])
    assert (line["sessions"], line["new"]) == (1, 1)


def test_without_a_token_the_address_is_what_is_known(api):
    line, answer = attempt(api, {})
    assert answer.status_code == 401
    assert (line["event"], line["log_level"]) == ("write refused", "warning")
    assert (line["who"], line["address"]) == (None, "127.0.0.1")
    assert "bearer token" in line["problem"]


def test_a_token_that_its_issuer_signed_and_that_does_not_hold_says_whose_it_was(api):
    token = api.issuer.token("aggregator", subject="anna", exp=1)
    line, _ = attempt(api, {"Authorization": f"Bearer {token}"})
    assert (line["status"], line["who"], line["token_of"]) == (401, None, "anna")
    token = api.issuer.token("x", subject="anna", roles=[])
    line, _ = attempt(api, {"Authorization": f"Bearer {token}"})
    assert (line["status"], line["who"], line["token_of"]) == (403, None, "anna")


def test_a_token_that_somebody_else_signed_says_nothing(api):
    token = DevelopmentIssuer().token("aggregator", subject="anna")
    line, _ = attempt(api, {"Authorization": f"Bearer {token}"})
    assert (line["status"], line["who"]) == (401, None)
    assert "anna" not in str(line)


def test_who_has_not_the_role_is_named(api):
    line, _ = attempt(api, api.bearer("driver"))
    assert (line["status"], line["who"], line["roles"]) == (403, "development-driver", ["driver"])
    assert "aggregator" in line["problem"]


def test_who_sends_too_much_is_named(api):
    headers = api.bearer("aggregator") | {"Content-Type": "application/json"}
    line, _ = attempt(api, headers, content=b" " * (MAX_BODY_BYTES + 1))
    assert (line["status"], line["who"]) == (413, "development-aggregator")


def test_who_asks_too_often_is_named():
    with served(RateLimit(0.001, 1)) as api:
        assert attempt(api, api.bearer("aggregator"))[0]["status"] == 200
        line, _ = attempt(api, api.bearer("aggregator"))
        assert (line["status"], line["who"]) == (429, "development-aggregator")
        assert attempt(api, {})[0]["status"] == 401
        line, _ = attempt(api, {})
        assert (line["status"], line["who"], line["address"]) == (429, None, "127.0.0.1")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"json": SESSION | {"need_wh": "private"}}, "need_wh"),
        ({"json": SESSION | {"private": 1}}, "extra_forbidden"),
        ({"json": {"private": 1}}, "missing"),
        ({"content": b"{private"}, "json_invalid"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_place_and_never_repeated(api, body, said):
    headers = api.bearer("aggregator") | {"Content-Type": "application/json"}
    line, answer = attempt(api, headers, **body)
    assert answer.status_code == 422
    assert (line["who"], line["event"]) == ("development-aggregator", "write refused")
    assert said in line["problem"]
    assert "private" not in str(line)


def test_a_choice_that_there_is_not_is_not_repeated_either(api):
    body = {"mechanisms": ["pro-rata"], "departures": "private", "interval_minutes": "private"}
    line, _ = attempt(api, api.bearer("operator"), path="/api/v1/studies", json=body)
    assert (line["status"], line["who"]) == (422, "development-operator")
    assert "body.departures" in line["problem"]
    assert "private" not in str(line)


def test_paths_and_methods_that_there_are_not_leave_a_line_too(api):
    line, _ = attempt(api, api.bearer("aggregator"), path="/api/v1/nowhere%0aevent")
    assert line["status"] == 404
    line, _ = attempt(api, {}, method="DELETE")
    assert line["status"] == 405


@pytest.mark.parametrize("role", ["authority", "driver"])
def test_looking_is_no_attempt(api, role):
    with capture_logs() as logs:
        api.client.get("/api/v1/sessions", headers=api.bearer("authority"))
        api.client.post("/api/v1/consortium/changes/preview", headers=api.bearer(role), json={})
        api.client.post("/nowhere")
    assert [one for one in logs if "path" in one] == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}])
def test_of_a_stranger_no_body_is_read(headers):
    async def never():
        raise AssertionError("the body was read before it was known who sends it")

    told = []

    async def send(message):
        told.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/api/v1/sessions", "query_string": b"",
             "headers": pairs, "http_version": "1.1", "asgi": {"spec_version": "2.4"}}  # fmt: skip
    asyncio.run(app_of(DevelopmentIssuer())(scope, never, send))
    assert told[0]["status"] == 401


# ---------------------------------------------------------------------- what comes of it


@pytest.fixture
def odd() -> httpx.AsyncClient:
    """Routes that end in ways in which those of the API seldom end."""
    app = FastAPI()
    answer_problems(app)
    app.add_middleware(WriteLog)

    @app.post("/api/late")
    def late(write: Write) -> None:
        write.is_to("sent", "not sent", what="a thing")
        write.came(transaction="0x1")
        raise Problem(503, "nobody can look at it now", logged={"node": "a"})

    @app.post("/api/broken")
    def broken(write: Write) -> None:
        write.is_to("sent", "not sent", what="a thing")
        raise ZeroDivisionError("by nothing")

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://x")


def lines_of(client: httpx.AsyncClient, path: str):
    with capture_logs() as logs:
        answer = asyncio.run(client.post(path))
    return logs, answer


def test_what_is_done_is_told_as_done_whatever_comes_after(odd):
    (line,), answer = lines_of(odd, "/api/late")
    assert answer.status_code == 503
    assert json.loads(answer.content).keys() == {"status", "title", "detail", "hint"}
    assert (line["event"], line["log_level"]) == ("sent", "warning")
    assert (line["what"], line["transaction"], line["node"]) == ("a thing", "0x1", "a")
    assert line["problem"] == "nobody can look at it now"


def test_what_breaks_leaves_a_line_too(odd):
    (line,), answer = lines_of(odd, "/api/broken")
    assert answer.status_code == 500
    assert (line["event"], line["log_level"], line["status"]) == ("not sent", "error", 500)
    assert line["problem"] == "ZeroDivisionError: by nothing"
