"""The pages' socket: a message counts only from the browser that opened the page.

NiceGUI finds a page by a number that the browser sends along, in the socket's address among others,
which servers on the way may write into their logs. So the number alone must not be enough: the
socket has to bring the cookie that the page was opened with, and speaks for its own page only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import socketio
from nicegui import Client

from trading.pages.visitors import COOKIE
from trading.web.limits import Places, RateLimit

_SPEAKS = ("event", "javascript_response", "ack", "log")
_MARK = "peercharge_guarded"
_RELOAD = "Implicit handshake failed"
"""On which a browser loads its page again: it may have signed in as somebody else meanwhile."""
OPENS_PAGE_WITHIN_S = 5.0
"""How long a connection may be of no page, which tells its number at once; then it is told to
close, and ended when no answer came to a ping."""
MOST_SOCKETS = 100
"""Open sockets of one browser, which has one for each page."""
LOOSE_PER_S, LOOSE_AT_ONCE = 20.0, 300
"""New connections that one address may make."""


def guard(sio: socketio.AsyncServer) -> None:
    """Let a server of NiceGUI's take messages only from whose page it is; again does no harm.

    Nor can anybody hold its connections: one that has no page is ended, and those of one browser
    are bounded, as are new ones of one address.
    """
    handlers = sio.handlers["/"]
    if getattr(sio, _MARK, False):
        return
    setattr(sio, _MARK, True)
    connect, handshake, disconnect = (
        handlers[name] for name in ("connect", "handshake", "disconnect")
    )
    loose, of_browser = RateLimit(LOOSE_PER_S, LOOSE_AT_ONCE), Places(MOST_SOCKETS)
    browsers: dict[str, str] = {}
    opened = sio.eio.handlers["connect"]

    async def guarded_open(connection: str, environ: dict[str, Any]) -> Any:
        if loose.take(_address(environ)):
            return False
        end_soon(connection)
        return await opened(connection, environ)

    def end_soon(connection: str | None) -> None:
        asyncio.get_running_loop().call_later(OPENS_PAGE_WITHIN_S, end_without_page, connection)

    def end_without_page(connection: str | None) -> None:
        if connection in sio.environ and sio.manager.sid_from_eio_sid(connection, "/") is None:
            sio.start_background_task(sio.eio.disconnect, connection)

    async def guarded_connect(sid: str, environ: dict[str, Any], auth: Any = None) -> Any:
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        if not _is_own(query.get("client_id", [""])[0], environ):
            raise socketio.exceptions.ConnectionRefusedError(_RELOAD)
        browser = _cookie(environ)
        if browser and not of_browser.take(browser):
            raise socketio.exceptions.ConnectionRefusedError("too many pages of one browser")
        browsers[sid] = browser
        try:
            return await connect(sid, environ, auth)
        except socketio.exceptions.ConnectionRefusedError:
            forget(sid)
            raise

    def forget(sid: str) -> None:
        browser = browsers.pop(sid, "")
        if browser:
            of_browser.give_back(browser)

    async def guarded_handshake(sid: str, data: dict[str, Any]) -> Any:
        if not _is_own(str(data.get("client_id", "")), sio.get_environ(sid)):
            return False
        return await handshake(sid, data)

    def guarded_disconnect(sid: str, *_reason: str) -> None:
        forget(sid)
        end_soon(sio.manager.eio_sid_from_sid(sid, "/"))
        disconnect(sid)

    def only_own(speak: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        def heard(sid: str, message: Any) -> Any:
            if isinstance(message, dict) and message.get("client_id") in sio.rooms(sid):
                return speak(sid, message)
            return None

        return heard

    sio.eio.handlers["connect"] = guarded_open
    handlers["connect"], handlers["handshake"] = guarded_connect, guarded_handshake
    handlers["disconnect"] = guarded_disconnect
    for name in _SPEAKS:
        handlers[name] = only_own(handlers[name])


def _is_own(client_id: str, environ: dict[str, Any]) -> bool:
    """Whether the browser that connects opened the page, and the page is still there."""
    client = Client.instances.get(client_id)
    return client is not None and _cookie(environ) == client.request.cookies.get(COOKIE, "")


def _address(environ: dict[str, Any]) -> str:
    client = environ.get("asgi.scope", {}).get("client")
    return str(client[0]) if client else ""


def _cookie(environ: dict[str, Any]) -> str:
    """The number of the browser's visitor; empty for none."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(str(environ.get("HTTP_COOKIE", "")))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""
