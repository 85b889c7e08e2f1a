"""How pages ask: the API, called inside the process with the visitor's own token.

So what somebody may see or do is decided in one place, whoever asks; and what many look at within a
second is computed once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from trading.web.auth import Principal
from trading.web.problems import Problem

KEPT_S = 0.9
"""How old an answer may be that is shown to another visitor of the same claims."""
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A visitor: whose token it sends."""

    principal: Principal
    token: str

    @property
    def sees(self) -> Hashable:
        """What its answers hang on; visitors who have this in common see the same."""
        who = self.principal
        return who.roles, who.owners, who.sessions


class Api:
    """The API of `app`."""

    def __init__(self, app: FastAPI, *, kept_s: float = KEPT_S) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://pages")
        self._kept_s = kept_s
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def get(self, who: SignedIn, path: str, **query: Any) -> Any:
        """The answer to a GET under `/api/v1`; not to be changed.

        Raises:
            Problem: what the API refuses with.
        """
        asked = {name: value for name, value in query.items() if value is not None}
        key = (who.sees, path, tuple(sorted(asked.items())))
        now = time.monotonic()
        for old in [k for k, (at, _) in self._kept.items() if now - at >= self._kept_s]:
            del self._kept[old]
        found = self._kept.get(key)
        if found is None:
            future: asyncio.Future[Any] = asyncio.ensure_future(
                self._send(who, "GET", path, params=asked)
            )
            self._kept[key] = (now, future)
        else:
            future = found[1]
        # One visitor who leaves must not end what others wait for.
        return await asyncio.shield(future)

    async def rows(self, who: SignedIn, path: str, **query: Any) -> list[dict[str, Any]]:
        """All rows of a list, page after page.

        Raises:
            Problem: what the API refuses with.
        """
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self.get(who, path, limit=MOST_ROWS, cursor=cursor, **query)
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    async def send(self, who: SignedIn, method: str, path: str, content: Any = None) -> Any:
        """The answer to a write, asked once; what is kept is forgotten.

        Raises:
            Problem: what the API refuses with.
        """
        try:
            return await self._send(who, method, path, json=content)
        finally:
            self._kept.clear()

    async def _send(self, who: SignedIn, method: str, path: str, **parts: Any) -> Any:
        answer = await self._client.request(
            method,
            f"/api/v1{path}",
            headers={"Authorization": f"Bearer {who.token}"},
            **parts,
        )
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            told = answer.json()
        except ValueError:
            told = {}
        raise Problem(
            answer.status_code,
            str(told.get("detail", "")) or f"status {answer.status_code}",
            str(told.get("hint", "")),
        )
