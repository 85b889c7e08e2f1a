"""The pages' socket: a message counts only from the browser that opened the page.

NiceGUI finds a page by a number that the browser sends along, in the socket's address among others,
which servers on the way may write into their logs. So the number alone must not be enough: the
socket has to bring the cookie that the page was opened with, and speaks for its own page only.
"""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import socketio
from nicegui import Client

from trading.pages.visitors import COOKIE

_SPEAKS = ("event", "javascript_response", "ack", "log")
_MARK = "peercharge_guarded"
_RELOAD = "Implicit handshake failed"
"""On which a browser loads its page again: it may have signed in as somebody else meanwhile."""


def guard(sio: socketio.AsyncServer) -> None:
    """Let a server of NiceGUI's take messages only from whose page it is; again does no harm."""
    handlers = sio.handlers["/"]
    if getattr(sio, _MARK, False):
        return
    setattr(sio, _MARK, True)
    connect, handshake = handlers["connect"], handlers["handshake"]

    async def guarded_connect(sid: str, environ: dict[str, Any], auth: Any = None) -> Any:
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        if not _is_own(query.get("client_id", [""])[0], environ):
            raise socketio.exceptions.ConnectionRefusedError(_RELOAD)
        return await connect(sid, environ, auth)

    async def guarded_handshake(sid: str, data: dict[str, Any]) -> Any:
        if not _is_own(str(data.get("client_id", "")), sio.get_environ(sid)):
            return False
        return await handshake(sid, data)

    def only_own(speak: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        def heard(sid: str, message: Any) -> Any:
            if isinstance(message, dict) and message.get("client_id") in sio.rooms(sid):
                return speak(sid, message)
            return None

        return heard

    handlers["connect"], handlers["handshake"] = guarded_connect, guarded_handshake
    for name in _SPEAKS:
        handlers[name] = only_own(handlers[name])


def _is_own(client_id: str, environ: dict[str, Any]) -> bool:
    """Whether the browser that connects opened the page; True for no page at all."""
    client = Client.instances.get(client_id)
    if client is None:
        return True
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(str(environ.get("HTTP_COOKIE", "")))
    except CookieError:
        return False
    brought = cookies[COOKIE].value if COOKIE in cookies else ""
    return brought == client.request.cookies.get(COOKIE, "")
