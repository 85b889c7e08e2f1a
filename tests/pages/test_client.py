"""What pages share of the API's answers: never a refusal, never what only somebody else may see."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from trading.pages.client import Api, SignedIn
from trading.web import Role
from trading.web.auth import Principal
from trading.web.problems import Problem, answer_problems

LATER = 4_000_000_000


def visitor(token: str, *, role: Role = Role.AGGREGATOR, sessions=(), expires_at: int = LATER):
    principal = Principal(
        subject=token,
        roles=frozenset({role}),
        sessions=frozenset(sessions),
        expires_at=expires_at,
    )
    return SignedIn(principal, token)


class Asked:
    """An API that counts, refuses `bad` tokens, and answers with whom it takes the caller for."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        app = FastAPI()
        answer_problems(app)

        @app.api_route("/api/v1/{path:path}", methods=["GET", "POST"])
        async def answer(path: str, request: Request):
            token = request.headers["authorization"].removeprefix("Bearer ")
            self.count[path] += 1
            await asyncio.sleep(0.02)
            if token.startswith("bad"):
                raise Problem(401, "the token is not valid", "Send another.")
            return {"who": token, "n": 1}

        self.api = Api(app, kept_s=30.0)


def test_many_who_see_the_same_ask_once():
    asked = Asked()

    async def run():
        who = [visitor(f"token {n}") for n in range(20)]
        return await asyncio.gather(*(asked.api.get(one, "/vehicles") for one in who))

    answers = asyncio.run(run())
    assert asked.count["vehicles"] == 1
    assert all(one is answers[0] for one in answers)


def test_who_sees_other_things_asks_for_itself():
    asked = Asked()

    async def run():
        a = visitor("a", role=Role.DRIVER, sessions=("a",))
        b = visitor("b", role=Role.DRIVER, sessions=("b",))
        return await asyncio.gather(*(asked.api.get(one, "/vehicles") for one in (a, b)))

    assert [one["who"] for one in asyncio.run(run())] == ["a", "b"]


@pytest.mark.parametrize("path", ["/lot", "/vehicles"])
def test_a_refusal_is_for_whom_it_was_meant(path):
    asked = Asked()

    async def run():
        who = [visitor("bad"), *(visitor(f"good {n}") for n in range(3))]
        told = await asyncio.gather(
            *(asked.api.get(one, path) for one in who), return_exceptions=True
        )
        again = await asked.api.get(visitor("good later"), path)
        return told, again

    told, again = asyncio.run(run())
    assert isinstance(told[0], Problem)
    assert told[0].status == 401
    assert all(not isinstance(one, Exception) for one in told[1:])
    assert again["who"].startswith("good")


def test_whose_token_has_ended_is_given_nothing_that_is_kept():
    asked = Asked()

    async def run():
        await asked.api.get(visitor("good"), "/lot")
        await asked.api.get(visitor("good", expires_at=1), "/lot")

    with pytest.raises(Problem) as refused:
        asyncio.run(run())
    assert refused.value.status == 401


def test_after_a_write_everything_is_asked_anew():
    asked = Asked()

    async def run():
        who = visitor("good")
        await asked.api.get(who, "/lot")
        await asked.api.send(who, "POST", "/acts", {})
        await asked.api.get(who, "/lot")

    asyncio.run(run())
    assert asked.count == {"lot": 2, "acts": 1}


def test_who_leaves_ends_nothing_for_others():
    asked = Asked()

    async def run():
        first = asyncio.create_task(asked.api.get(visitor("a"), "/lot"))
        await asyncio.sleep(0.005)
        second = asyncio.create_task(asked.api.get(visitor("b"), "/lot"))
        await asyncio.sleep(0.005)
        first.cancel()
        return await second

    assert asyncio.run(run())["n"] == 1
    assert asked.count["lot"] == 1


class Long:
    """An API with a list of seven rows, which refuses from a row on."""

    def __init__(self, *, refuses_from: int = 99) -> None:
        app = FastAPI()
        answer_problems(app)

        @app.get("/api/v1/rows")
        def rows(limit: int, half: bool = False, cursor: int = 0) -> Response:
            if cursor >= refuses_from:
                raise Problem(403, "not yours", "Ask for others.")
            some = [n for n in range(cursor, 7) if n % 2 == 0 or not half][:limit]
            after = some[-1] + 1
            link = f'</api/v1/rows?limit={limit}&half={half}&cursor={after}>; rel="next"'
            content = "n,twice\n" + "".join(f"{n},{2 * n}\n" for n in some)
            return Response(content, media_type="text/csv",
                            headers={"Link": link} if after < 7 else {})  # fmt: skip

        self.api = Api(app)

    def csv(self, **query) -> bytes:
        async def run() -> bytes:
            answer = await self.api.csv(visitor("a"), "/rows", name="rows.csv", **query)
            assert answer.headers["content-disposition"] == 'attachment; filename="rows.csv"'
            return b"".join([part async for part in answer.body_iterator])

        return asyncio.run(run())


def test_a_file_has_every_row_of_every_page_once_under_one_heading(monkeypatch):
    monkeypatch.setattr("trading.pages.client.MOST_ROWS", 2)
    expected = b"n,twice\n" + b"".join(b"%d,%d\n" % (n, 2 * n) for n in range(7))
    assert Long().csv() == expected
    monkeypatch.setattr("trading.pages.client.MOST_ROWS", 100)
    assert Long().csv(half=True, other=None) == b"n,twice\n0,0\n2,4\n4,8\n6,12\n"


def test_a_file_that_is_refused_is_no_file_and_one_that_breaks_off_says_so(monkeypatch):
    monkeypatch.setattr("trading.pages.client.MOST_ROWS", 2)
    for refuses_from in (0, 4):
        with pytest.raises(Problem, match="not yours"):
            Long(refuses_from=refuses_from).csv()


def test_a_file_is_handed_on_as_it_comes_and_asked_for_as_the_visitor():
    app, is_read = FastAPI(), asyncio.Event()

    @app.get("/api/v1/runs/{run}")
    async def answer(run: str, request: Request):
        async def pieces():
            yield f"{run} for {request.headers['authorization']}, "
            # Whoever gathers an answer before it gives it never gets here.
            await is_read.wait()
            yield f"{request.headers['accept']}, {request.query_params or 'nothing asked'}"

        assert not request.cookies
        return StreamingResponse(pieces(), media_type="application/json")

    async def run():
        told = []

        async def send(message):
            told.append(message)
            if b"for" in message.get("body", b""):
                is_read.set()

        answer = Api(app).file(visitor("me"), "/runs/a%2Cb", accept="application/json")
        scope = {"type": "http", "method": "GET", "http_version": "1.1", "path": "/study",
                 "query_string": b"as=csv", "headers": [(b"cookie", b"who=me")],
                 "path_params": {"run": "other"}, "asgi": {"spec_version": "2.4"}}  # fmt: skip
        async with asyncio.timeout(5):
            await answer(scope, _nothing_more, send)
        return told

    told = asyncio.run(run())
    assert (told[0]["status"], dict(told[0]["headers"])[b"content-type"]) == (
        200, b"application/json",
    )  # fmt: skip
    body = b"".join(message.get("body", b"") for message in told)
    assert body == b"a,b for Bearer me, application/json, nothing asked"


async def _nothing_more():
    return {"type": "http.request", "body": b"", "more_body": False}
