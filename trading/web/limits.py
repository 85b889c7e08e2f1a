"""What keeps one caller from being everybody's problem: rates, and headers for browsers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CALLERS_KEPT = 10_000
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Authorization",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer that does not set them itself."""
PAGE_HEADERS = HEADERS | {
    # Vue compiles what the pages are made of in the browser, and the frame of a page is inline.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' "
    "'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Vary": "Accept, Accept-Language, Cookie",
}
"""The same on pages for people."""
FOR_PROGRAMS = ("/api/", "/health", "/development-issuer")
"""How paths begin that are not for people."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """A bucket of tokens for each caller: `per_s` come in, at most `burst` are kept.

    Buckets that were not asked for longest are forgotten, so that memory is bounded.
    """

    def __init__(
        self, per_s: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str) -> float:
        """Take one token; returns 0, or after how many seconds there is one again."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.setdefault(caller, _Bucket(self._burst, now))
            self._buckets.move_to_end(caller)
            if len(self._buckets) > CALLERS_KEPT:
                self._buckets.popitem(last=False)
            gained = max(now - bucket.filled_at, 0.0) * self._per_s
            bucket.tokens = min(bucket.tokens + gained, self._burst)
            bucket.filled_at = now
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                return 0.0
            return (1 - bucket.tokens) / self._per_s


class Places:
    """So many at once for each caller, such as open streams.

    Attributes:
        most: so many.
    """

    def __init__(self, most: int) -> None:
        self.most, self._taken = most, Counter[str]()

    def take(self, caller: str) -> bool:
        """Take a place; False where the caller has all of its own."""
        if self._taken[caller] >= self.most:
            return False
        self._taken[caller] += 1
        return True

    def give_back(self, caller: str) -> None:
        """Give back a place that was taken."""
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]


class Turns:
    """Lets so many requests of each caller be worked on at once; its others wait for their turn.

    A rate bounds how many come; this, how much of the machine they can have while others ask.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[str, tuple[asyncio.Semaphore, list[None]]] = {}

    @asynccontextmanager
    async def of(self, caller: str) -> AsyncIterator[None]:
        """A turn of a caller's, until the context ends."""
        turn, waiting = self._of.setdefault(caller, (asyncio.Semaphore(self._most), []))
        waiting.append(None)
        try:
            async with turn:
                yield
        finally:
            waiting.pop()
            if not waiting:
                del self._of[caller]


class SecurityHeaders:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with the headers put into what goes back."""
        is_for_programs = str(scope.get("path", "")).startswith(FOR_PROGRAMS)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_html = headers.get("content-type", "").startswith("text/html")
                wanted = PAGE_HEADERS if is_html and not is_for_programs else HEADERS
                for name, value in wanted.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sent)
