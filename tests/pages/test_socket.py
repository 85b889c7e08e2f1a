"""The pages' socket: whose it is, and that nobody holds connections without a page."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import socketio
from nicegui import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.tools import PATIENCE_S
from trading.pages import socket as guarded
from trading.pages.visitors import COOKIE
from trading.serving import serving

WITHIN_S = 0.4


@pytest.fixture
def address(monkeypatch) -> Iterator[str]:
    """A server that is guarded as NiceGUI's is, with pages of one visitor and of nobody."""
    monkeypatch.setattr(guarded, "OPENS_PAGE_WITHIN_S", WITHIN_S)
    monkeypatch.setattr(guarded, "MOST_SOCKETS", 3)
    monkeypatch.setattr(guarded, "LOOSE_AT_ONCE", 20)
    monkeypatch.setattr(guarded, "LOOSE_PER_S", 0.01)
    pages = {"mine": {COOKIE: "me"}, "nobodys": {}}
    monkeypatch.setattr(
        Client, "instances",
        {name: SimpleNamespace(request=SimpleNamespace(cookies=cookies))
         for name, cookies in pages.items()},
    )  # fmt: skip
    # The server ends what it has told to close when it should have heard of it, which is soon here.
    sio = socketio.AsyncServer(async_mode="asgi", ping_interval=0.3, ping_timeout=2)
    for name in ("connect", "handshake", "disconnect", *guarded._SPEAKS):

        async def nothing(*_: object) -> None:
            return None

        sio.on(name, nothing if name != "disconnect" else lambda _sid: None)
    guarded.guard(sio)
    with serving(socketio.ASGIApp(sio), "127.0.0.1:0", websockets=True) as served:
        yield served


def opened(address: str, page: str = "", cookie: str = "") -> ClientConnection:
    """A connection that says which page it is of, and whose browser it is."""
    url = f"{address.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket&client_id={page}"
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    return connect(url, additional_headers=headers)


def joined(connection: ClientConnection) -> str:
    """Join; `connected`, or why not."""
    assert connection.recv(PATIENCE_S).startswith("0")
    connection.send("40")
    told = str(connection.recv(PATIENCE_S))
    if told.startswith("44"):
        return json.loads(told[2:])["message"]
    return "connected" if told.startswith("40") else told


def is_open_after(connection: ClientConnection, seconds: float) -> bool:
    """Whether nobody ended it for so long, as it answers pings; told as soon as somebody did."""
    until = time.monotonic() + seconds
    try:
        while (left := until - time.monotonic()) > 0:
            if connection.recv(left) == "2":
                connection.send("3")
    except ConnectionClosed:
        return False
    except TimeoutError:
        return True
    return True


@pytest.mark.parametrize(
    ("page", "cookie"), [("", ""), ("", "me"), ("gone", "me"), ("mine", ""), ("mine", "other")]
)
def test_a_connection_without_a_page_of_its_own_is_refused_and_ended(address, page, cookie):
    with opened(address, page, cookie) as connection:
        assert joined(connection) == "Implicit handshake failed"
        assert not is_open_after(connection, PATIENCE_S)


def test_a_connection_that_says_nothing_is_ended(address):
    with opened(address, "mine", "me") as connection:
        assert not is_open_after(connection, PATIENCE_S)


@pytest.mark.parametrize(("page", "cookie"), [("mine", "me"), ("nobodys", "")])
def test_a_page_keeps_its_connection(address, page, cookie):
    with opened(address, page, cookie) as connection:
        assert joined(connection) == "connected"
        assert is_open_after(connection, 3 * WITHIN_S)


def test_one_browser_has_so_many_sockets_and_has_them_again(address):
    with ExitStack() as stack:
        for _ in range(3):
            assert joined(stack.enter_context(opened(address, "mine", "me"))) == "connected"
        assert "too many" in joined(stack.enter_context(opened(address, "mine", "me")))
        assert joined(stack.enter_context(opened(address, "nobodys"))) == "connected"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with opened(address, "mine", "me") as connection:
            if joined(connection) == "connected":
                break
        time.sleep(0.05)
    else:
        pytest.fail("its sockets are not free again")


def test_one_address_makes_so_many_connections_at_once(address):
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(opened(address, "nobodys"))
        with pytest.raises(InvalidStatus) as caught:
            opened(address, "nobodys")
        assert caught.value.response.status_code in (401, 403)
