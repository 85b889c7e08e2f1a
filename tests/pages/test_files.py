"""Files that pages lead to: no formulas in them, and for whom they are."""

from __future__ import annotations

import asyncio
import csv
import io
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st

from trading.pages import study, trades
from trading.pages.client import Api, SignedIn
from trading.pages.sheets import Sheet
from trading.web import Role
from trading.web.auth import Principal
from trading.web.problems import Problem, answer_problems

WHO = SignedIn(Principal(subject="a", roles=frozenset({Role.AGGREGATOR}), expires_at=2**40), "t")
ROWS = 'who,gain_ueur,note\n=1+1,-25,-x\n"-a, ""b""",-2.5e-3,"+1\n@2"\nc,+3,=\n'
SAFE = 'who,gain_ueur,note\n\'=1+1,-25,\'-x\n"\'-a, ""b""",-2.5e-3,"\'+1\n@2"\nc,+3,\'=\n'

CELLS = st.text(st.sampled_from('=+-@ \t,"\na1.e'), max_size=6) | st.integers().map(str)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5)


def is_number(cell: str) -> bool:
    try:
        return cell.isascii() and float(cell) is not None and not cell[-1:].isspace()
    except ValueError:
        return False


def expected(cell: str) -> str:
    is_formula = cell[:1] in tuple("=+-@\t\r") and not is_number(cell)
    return "'" + cell if is_formula else cell


@given(TABLES, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.integers(1, 9))
def test_a_text_that_begins_as_a_formula_is_marked_however_the_file_is_cut(rows, quoting, size):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=quoting).writerows(rows)
    raw, sheet = out.getvalue().encode(), Sheet()
    pieces = [sheet.take(raw[at : at + size]) for at in range(0, len(raw), size)]
    told = b"".join([*pieces, sheet.end()]).decode()
    # A reader of the standard library sees the same cells, apart from the mark.
    found = list(csv.reader(io.StringIO(told, newline="")))
    assert found == [[expected(cell) for cell in row] for row in rows]


class Door:
    """Lets in whom it is told to."""

    def __init__(self) -> None:
        self.who: SignedIn | Problem | None = WHO

    async def visitor(self, _request: Request) -> SignedIn | None:
        if isinstance(self.who, Problem):
            raise self.who
        return self.who


class Browser:
    """Asks the application without a server."""

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app=app)

    def ask(self, method: str, path: str) -> httpx.Response:
        async def run() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url="http://lot.example"
            ) as client:
                return await client.request(method, path)

        return asyncio.run(run())

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)


@pytest.fixture
def door():
    return Door()


@pytest.fixture
def browser(door):
    """A browser of the pages' files, over an API with one list and one run."""
    app = FastAPI()
    answer_problems(app)

    @app.get("/api/v1/trades")
    def listed(limit: int, state: str = "") -> Response:
        return Response(ROWS, media_type="text/csv", headers={"X-State": state})

    @app.get("/api/v1/runs/{run}/tables/{table}/whole")
    def table(request: Request) -> Response:
        kind = request.headers["accept"]
        pieces = (ROWS[at : at + 3] for at in range(0, len(ROWS), 3))
        return StreamingResponse(pieces, media_type=kind)

    @app.get("/api/v1/runs/{run}/report")
    def report() -> Response:
        raise Problem(404, "this run has no report")

    site = SimpleNamespace(api=Api(app), door=door)
    app.include_router(trades.router(site))
    app.include_router(study.router(site))
    return Browser(app)


FILES = {
    "/trades.csv?state=settled": "/trades?state=settled",
    "/trades.csv": "/trades",
    "/study/run 1/tables/x.csv?as=json": "/study/run%201",
    "/study/run/figures/x.png": "/study/run",
    "/study/run/report": "/study/run",
}


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_is_not_signed_in_any_more_signs_in_and_comes_back_to_the_page(
    browser, door, path, method
):
    door.who = None
    answer = browser.ask(method, path)
    assert answer.status_code == 303
    place = answer.next_request.url
    assert (place.path, place.params["to"]) == ("/sign-in/start", FILES[path])


def test_where_the_issuer_is_away_a_person_is_told_so(browser, door):
    door.who = Problem(503, "the issuer does not answer")
    answer = browser.get("/trades.csv")
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")


def test_what_a_browser_keeps_holds_no_formula(browser):
    assert browser.get("/trades.csv").text == SAFE
    assert browser.get("/study/run/tables/x.csv").text == SAFE
    assert browser.get("/study/run/tables/x.csv?as=json").text == ROWS
    assert browser.get("/api/v1/trades?limit=9").text == ROWS, "programs get it as it is"


@pytest.mark.parametrize("path", ["/trades.csv", "/study/run/tables/x.csv?as=parquet"])
def test_head_says_what_get_says_without_the_file(browser, path):
    got, told = browser.get(path), browser.ask("HEAD", path)
    assert told.status_code == 200
    assert told.content == b""
    assert got.content
    assert told.headers == got.headers


@pytest.mark.parametrize(
    "path",
    [
        "/trades.csv?state=a&state=b",
        "/trades.csv?foo=1",
        "/study/run/tables/x.csv?as=pdf",
        "/study/run/report?as=csv",
    ],
)
def test_a_parameter_that_a_file_does_not_have_is_refused(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "query" in answer.json()["detail"]


def test_what_the_api_refuses_is_refused(browser):
    assert browser.get("/study/run/report").json()["detail"] == "this run has no report"
