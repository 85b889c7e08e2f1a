"""What every page does before it is built."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from tests.pages.test_files import Door
from trading.pages import site, trades
from trading.pages.site import Site, register
from trading.web.limits import RateLimit


def test_who_opens_too_many_pages_waits_and_none_is_built(monkeypatch):
    served: list = []
    monkeypatch.setattr(site.ui, "page", lambda *_, **__: served.append)
    register(Site(api=None, door=Door(), pages=(), loads=RateLimit(1.0, 0)), trades.PAGE)
    answer = asyncio.run(served[0](Request({"type": "http", "headers": []})))
    assert (answer.status_code, answer.headers["refresh"]) == (429, "2")
