"""The small server beside a service: addresses, problems, limits, sessions by request, logs."""

from __future__ import annotations

import io
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import structlog
from prometheus_client import CollectorRegistry

from tests.tools import PATIENCE_S
from trading.errors import OptionError, StoreError
from trading.logs import configure_logs
from trading.serving import MAX_BODY_BYTES, Problem, address_of, reserved, service_app, serving
from trading.store import open_database
from trading.store.requests import take_sessions, token_of_environment
from trading.store.sessions import SessionStore
from trading.units import MAX_U32

TOKEN = "a token of these tests"
SESSION: dict[str, Any] = {
    "session_id": "s-1",
    "arrival": "2019-10-29T15:00:00Z",
    "departure": "2019-10-29T18:00:00+00:00",
    "estimated_departure": None,
    "battery_capacity_wh": 60_000,
    "soc_arrival": 0.3,
    "soc_source": "charger",
    "need_wh": 12_000,
    "charge_power_w": 6_656,
    "discharge_power_w": 6_656,
    "reserve_soc": 0,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    with open_database(str(tmp_path / "own.db")) as database:
        yield SessionStore(database)


@pytest.fixture
def url(store: SessionStore) -> Iterator[str]:
    app = service_app("test", health=lambda: (True, {"head": 7}), registry=CollectorRegistry())
    take_sessions(app, store, token=TOKEN)

    @app.get("/full")
    def full() -> None:
        raise StoreError("the disk is full")

    @app.get("/teapot")
    def teapot() -> None:
        raise Problem(418, "I am a teapot")

    with serving(app, "127.0.0.1:0") as address:
        yield address


def post(url: str, content: Any, token: str | None = TOKEN) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.post(
        url + "/v1/sessions", json=content, headers=headers, trust_env=False, timeout=PATIENCE_S
    )


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=PATIENCE_S)


def test_health_metrics_and_problems(url: str) -> None:
    assert get(url + "/health").json() == {"status": "ok", "head": 7}
    assert get(url + "/metrics").status_code == 200
    for path, status, said in (
        ("/nothing", 404, "Not Found"),
        ("/teapot", 418, "I am a teapot"),
        ("/full", 503, "the disk is full"),
    ):
        answer = get(url + path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == said


def test_sessions_are_taken_once(url: str, store: SessionStore) -> None:
    first = post(url, [SESSION])
    assert first.json() == {"new": 1, "changed": 0, "known": 0, "refused": {}}
    again = post(url, [SESSION])
    assert again.json() == {"new": 0, "changed": 0, "known": 1, "refused": {}}
    later = post(url, [{**SESSION, "departure": "2019-10-29T19:00:00Z"}])
    assert later.json()["changed"] == 1
    other = post(url, [{**SESSION, "need_wh": 1}])
    assert "only a departure may change" in other.json()["refused"]["s-1"]
    frame = store.frame()
    assert list(frame["need_wh"]) == [12_000]
    assert str(frame["departure"].iloc[0]) == "2019-10-29 19:00:00+00:00"


def test_a_cap_of_its_own_is_kept_and_none_is_none(url: str, store: SessionStore) -> None:
    capped = {**SESSION, "session_id": "s-2", "v2g_cap_wh": 5_000}
    for content in ([SESSION, capped], [{**SESSION, "v2g_cap_wh": None}, capped]):
        assert post(url, content).json()["refused"] == {}
    assert list(store.frame()["v2g_cap_wh"]) == [MAX_U32, 5_000]
    frame = store.frame()
    assert store.add(frame).refused == {}
    without = frame[frame["session_id"] == "s-1"].drop(columns="v2g_cap_wh")
    assert store.add(without).refused == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "at least 1 item"),
        ({}, "valid array"),
        ([{**SESSION, "more": 1}], "more: no such field"),
        ([{**SESSION, "need_wh": "12"}], "need_wh"),
        ([{**SESSION, "need_wh": 1.5}], "need_wh"),
        ([{**SESSION, "soc_arrival": 1.5}], "soc_arrival"),
        ([{**SESSION, "soc_source": "guess"}], "soc_source"),
        ([{**SESSION, "arrival": "2019-10-29T15:00:00"}], "arrival"),
        ([{**SESSION, "departure": "2019-10-29T14:00:00Z"}], "a departure later than the arrival"),
        ([SESSION, SESSION], "an id that no other row has"),
        ([{**SESSION, "session_id": ""}], "session_id"),
    ],
)
def test_sessions_that_are_wrong_are_refused_whole(
    url: str, store: SessionStore, content: Any, said: str
) -> None:
    answer = post(url, content)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert store.frame().empty


def test_a_token_is_asked_for(url: str, store: SessionStore) -> None:
    for token in (None, "wrong", TOKEN + "x", TOKEN[:-1]):
        assert post(url, [SESSION], token).status_code == 401
    assert store.frame().empty
    basic = httpx.post(
        url + "/v1/sessions",
        json=[SESSION],
        headers={"Authorization": f"Basic {TOKEN}"},
        trust_env=False,
    )
    assert basic.status_code == 401
    assert post(url, [SESSION]).status_code == 200


def test_without_a_token_configured_nobody_sends_sessions(store: SessionStore) -> None:
    app = service_app("test", health=lambda: (False, {}), registry=CollectorRegistry())
    take_sessions(app, store, token=None)
    with serving(app, "127.0.0.1:0") as address:
        answer = post(address, [SESSION])
        assert answer.status_code == 403
        assert "PEERCHARGE_SESSIONS_TOKEN" in answer.json()["detail"]
        assert get(address + "/health").status_code == 503


def test_a_body_that_is_too_long_is_refused(url: str) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 100_000 + 1):
            yield b" " * 100_000

    for body in (b" " * (MAX_BODY_BYTES + 1), parts()):
        answer = httpx.post(
            url + "/v1/sessions",
            content=body,
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        )
        assert answer.status_code == 413


def test_a_token_is_looked_at_before_the_body(url: str) -> None:
    host, port = address_of(url.removeprefix("http://"))
    with socket.create_connection((host, port), timeout=PATIENCE_S) as client:
        client.sendall(
            b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n[["
        )
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert b" 401 " in answer.splitlines()[0], "what is left of the body is not waited for"


SERVER = """
import sys
from prometheus_client import CollectorRegistry
from trading.chain import Key  # which brings a recursion limit of 100,000
from trading.serving import service_app, serving
from trading.store import open_database
from trading.store.requests import take_sessions
from trading.store.sessions import SessionStore

with open_database(sys.argv[1]) as database:
    app = service_app("x", health=lambda: (True, {}), registry=CollectorRegistry())
    take_sessions(app, SessionStore(database), token=sys.argv[2])

    @app.post("/standard")
    def parsed_by_the_framework(whole: dict[str, str]) -> None:
        pass

    with serving(app, "127.0.0.1:0") as url:
        print(url, flush=True)
        sys.stdin.read()
"""


def test_a_body_that_nests_deep_does_not_end_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path / "own.db"), TOKEN]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        try:
            for path in ("/v1/sessions", "/standard"):
                for body in (b"[" * 100_000, b'{"a":' * 100_000, b'[{"session_id":' * 90_000):
                    answer = httpx.post(
                        url + path,
                        content=body,
                        headers=headers,
                        trust_env=False,
                        timeout=PATIENCE_S,
                    )
                    assert answer.status_code in (400, 422)
            assert get(url + "/health").status_code == 200
        finally:
            process.stdin.close()
            ended = process.wait(PATIENCE_S)
        assert ended == 0


@pytest.fixture
def hasty(store: SessionStore) -> Iterator[tuple[str, int]]:
    """A server that waits for nobody."""
    app = service_app("test", health=lambda: (True, {}), registry=CollectorRegistry())
    take_sessions(app, store, token=TOKEN)
    with serving(app, "127.0.0.1:0", body_timeout_s=0.2, idle_timeout_s=1.0) as address:
        yield address_of(address.removeprefix("http://"))


def test_a_body_that_does_not_come_is_not_waited_for(hasty: tuple[str, int]) -> None:
    head = (
        "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n[["
    )
    with socket.create_connection(hasty, timeout=PATIENCE_S) as client:
        client.sendall(head.encode())
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert b" 408 " in answer.splitlines()[0]
    assert b"did not come within 0.2 s" in answer


@pytest.mark.parametrize("begin", [b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_that_asks_nothing_is_ended(hasty: tuple[str, int], begin: bytes) -> None:
    with socket.create_connection(hasty, timeout=PATIENCE_S) as client:
        client.sendall(begin)
        assert client.recv(65_536) == b""


def test_a_connection_that_asked_once_is_ended_when_the_next_request_drips(
    hasty: tuple[str, int],
) -> None:
    with socket.create_connection(hasty, timeout=PATIENCE_S) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /hea")
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert answer.count(b"HTTP/1.1 200") == 1


def test_connections_are_limited_and_those_that_go_make_room() -> None:
    app = service_app("test", health=lambda: (True, {}), registry=CollectorRegistry())
    with serving(app, "127.0.0.1:0", most_connections=5) as url:
        place = address_of(url.removeprefix("http://"))
        open_ones = [socket.create_connection(place, timeout=PATIENCE_S) for _ in range(5)]
        try:
            assert get(url + "/health").status_code == 503
        finally:
            for one in open_ones:
                one.close()
        until = time.monotonic() + PATIENCE_S
        while get(url + "/health").status_code != 200:
            assert time.monotonic() < until


def test_sessions_that_no_lot_can_have_had_are_refused_one_by_one(
    url: str, store: SessionStore
) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "long": {"departure": "2019-11-30T00:00:00Z"},
        "planned-long": {"estimated_departure": "2019-12-01T00:00:00Z"},
        "old": {"arrival": "1969-01-01T00:00:00Z"},
        "first": {"arrival": "0001-01-01T00:00:00+14:00"},
        "late": {"arrival": "2100-01-01T00:00:00Z", "departure": "2100-01-02T00:00:00Z"},
        "last": {"departure": "9999-12-31T23:59:59-12:00"},
        "a\x00b": {},
        "a\nb": {},
        "a\x9fb": {},
        "a/b": {},
        ".": {},
        "..": {},
    }
    sent = [{**SESSION, "session_id": name, **fields} for name, fields in wrong.items()]
    answer = post(url, [*sent, SESSION])
    assert answer.status_code == 200
    assert answer.json()["new"] == 1
    assert answer.json()["known"] == 0
    refused = answer.json()["refused"]
    assert set(refused) == set(wrong)
    assert "31 days after the arrival" in refused["long"]
    assert "outside the years 2000 to 2099" in refused["old"]
    assert "cannot be printed" in refused["a\x00b"]
    assert refused["a/b"] == "session 'a/b': its id holds /, which parts addresses."
    assert list(store.frame()["session_id"]) == ["s-1"]
    assert post(url, sent).json()["new"] == 0


def test_a_stay_of_a_month_is_taken_and_not_a_microsecond_more(
    url: str, store: SessionStore
) -> None:
    """What comes from a file is held to the same."""
    assert post(url, [SESSION]).status_code == 200
    one = store.frame().iloc[[0]]
    stays = {"month": pd.Timedelta(days=31), "more": pd.Timedelta(days=31, microseconds=1)}
    frames = [
        one.assign(session_id=name, departure=one["arrival"] + stay) for name, stay in stays.items()
    ]
    taken = store.add(pd.concat(frames, ignore_index=True))
    assert taken.new == ("month",)
    assert set(taken.refused) == {"more"}


def test_a_token_is_read_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n", encoding="utf-8")
    assert token_of_environment({"PEERCHARGE_SESSIONS_TOKEN_FILE": str(file)}) == TOKEN
    assert token_of_environment({"PEERCHARGE_SESSIONS_TOKEN": TOKEN}) == TOKEN
    assert token_of_environment({}) is None
    with pytest.raises(OptionError, match="16 characters or more") as caught:
        token_of_environment({"PEERCHARGE_SESSIONS_TOKEN": "short-secret"})
    assert "short-secret" not in str(caught.value)
    with pytest.raises(OptionError, match="can be read"):
        token_of_environment({"PEERCHARGE_SESSIONS_TOKEN_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize("listen", ["8700", "localhost", "localhost:x", ":1", "h:99999", ""])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(OptionError, match="HOST:PORT"):
        address_of(listen)


def test_an_address_that_is_taken_is_refused() -> None:
    app = service_app("test", health=lambda: (True, {}), registry=CollectorRegistry())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OptionError, match="that is free"), serving(app, listen):
            pass


def test_a_reserved_address_refuses_until_it_is_served() -> None:
    app = service_app("test", health=lambda: (True, {}), registry=CollectorRegistry())
    with reserved("127.0.0.1:0") as door:
        address = f"http://127.0.0.1:{door.getsockname()[1]}"
        with pytest.raises(httpx.ConnectError):
            httpx.get(address + "/health", timeout=PATIENCE_S)
        with pytest.raises(OptionError, match="that is free"):
            reserved(address.removeprefix("http://"))
        with serving(app, door) as served:
            assert served == address
            assert httpx.get(address + "/health", timeout=PATIENCE_S).is_success


def test_an_address_is_free_again_as_soon_as_its_server_is_gone() -> None:
    """Though the server ended a connection there, which the system remembers for a minute."""
    app = service_app("test", health=lambda: (True, {}), registry=CollectorRegistry())
    with reserved("127.0.0.1:0") as door, serving(app, door) as address:
        connection = socket.create_connection(door.getsockname())
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(20).startswith(b"HTTP/1.1 200")
    with connection, serving(app, address.removeprefix("http://")) as again:
        assert again == address
        assert httpx.get(again + "/health", timeout=PATIENCE_S).is_success


@pytest.fixture
def _logs_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_logs_put_back")
def test_every_line_of_the_log_is_json_with_its_batch() -> None:
    stream = io.StringIO()
    configure_logs("json", stream=stream, service="operator")
    structlog.get_logger("ours").info("verdict", batch="0xab", vote="confirmed")
    logging.getLogger("theirs").warning("node %s is slow", "a")
    structlog.get_logger("ours").debug("not shown")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["verdict", "node a is slow"]
    assert lines[0]["batch"] == "0xab"
    assert {line["service"] for line in lines} == {"operator"}
    assert all(line["time"].endswith("Z") and line["level"] for line in lines)


@pytest.mark.usefixtures("_logs_put_back")
def test_people_get_lines_that_they_can_read() -> None:
    stream = io.StringIO()
    configure_logs("console", stream=stream, service="engine")
    structlog.get_logger().warning("verdict", batch="0xab")
    assert "verdict" in stream.getvalue()
    assert "batch=0xab" in stream.getvalue()
