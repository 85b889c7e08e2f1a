"""Viewers and writers of a web service, in one event loop: what they ask, and what they saw.

A request is timed from the moment at which it was due, so that a service that stops for a second is
charged with everything that waited for it.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
import socketio

ANSWER_S = 20.0
"""A request that is not answered within this time is an error."""
LOOK_EVERY_S = 5.0
LOOKS = (
    "/api/v1/vehicles?limit=1000",
    "/api/v1/load?limit=1000",
    "/api/v1/trades?order=desc&limit=50",
)
"""What a program that shows the lot reads again and again."""
PAGE = "/"
STAY_S = 60.0
"""How long a visitor has a page open before it opens it anew."""
ALL_HERE_S = 20.0
"""Within this time all visitors have come."""
ACKNOWLEDGED_EVERY_S = 3.0
_CLIENT_ID = re.compile(r"'client_id': '([0-9a-f-]{36})'")


@dataclass(slots=True)
class Seen:
    """What all of them saw.

    Attributes:
        latencies_s: of answers that were right, by kind.
        errors: how many, by what went wrong.
        updates: things that the service told unasked, by kind of viewer.
    """

    latencies_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    updates: Counter[str] = field(default_factory=Counter)
    is_counting: bool = False

    def answered(self, kind: str, since_s: float) -> None:
        """Count an answer that was due at `since_s` of the event loop's clock."""
        if self.is_counting:
            self.latencies_s[kind].append(asyncio.get_running_loop().time() - since_s)

    def failed(self, what: str) -> None:
        """Count an error; those before the measurement begins count as well."""
        self.errors[what] += 1

    def told(self, kind: str, n: int = 1) -> None:
        """Count what came unasked."""
        if self.is_counting:
            self.updates[kind] += n

    def percentile_ms(self, share: float, *kinds: str) -> float | None:
        """A percentile over the answers of some kinds, milliseconds; None without any."""
        found = [one for kind in kinds for one in self.latencies_s.get(kind, ())]
        return round(float(np.percentile(found, 100 * share)) * 1000, 1) if found else None

    def count(self, *kinds: str) -> int:
        """How many answers of some kinds there were."""
        return sum(len(self.latencies_s.get(kind, ())) for kind in kinds)


async def ask(
    session: aiohttp.ClientSession,
    seen: Seen,
    kind: str,
    method: str,
    url: str,
    *,
    due_s: float,
    **more: Any,
) -> Any:
    """One request, counted; its content, or None where it failed."""
    try:
        async with session.request(method, url, **more) as answer:
            content = await answer.read()
            if answer.status != 200:
                seen.failed(f"{kind}: status {answer.status}")
                return None
    except (aiohttp.ClientError, TimeoutError) as error:
        seen.failed(f"{kind}: {type(error).__name__}")
        return None
    seen.answered(kind, due_s)
    return content


async def program(
    session: aiohttp.ClientSession, seen: Seen, address: str, token: str, *, phase: float
) -> None:
    """A program that shows the lot: a stream of events held open, and reads every few seconds."""
    headers = {"Authorization": f"Bearer {token}"}
    stream = asyncio.create_task(_stream(session, seen, address, headers))
    due_s = asyncio.get_running_loop().time() + phase * LOOK_EVERY_S
    try:
        while True:
            await _until(due_s)
            for path in LOOKS:
                kind = path.partition("?")[0]
                await ask(session, seen, kind, "GET", address + path, due_s=due_s, headers=headers)
                due_s = max(due_s, asyncio.get_running_loop().time())
            due_s += LOOK_EVERY_S
    finally:
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)


async def visitor(
    connector: aiohttp.BaseConnector,
    seen: Seen,
    address: str,
    identity: str,
    language: str,
    *,
    phase: float,
) -> None:
    """A person with a browser: opens the page of the lot, keeps its socket, and comes again.

    What is drawn from updates is not; they are received, decoded, counted and acknowledged.
    """
    cookies = {"peercharge_zone": "America%2FLos_Angeles", "peercharge_language": language}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(
        connector=connector, connector_owner=False, timeout=timeout, cookies=cookies,
        cookie_jar=aiohttp.CookieJar(unsafe=True),
    ) as session:  # fmt: skip
        now_s = asyncio.get_running_loop().time()
        due_s = now_s + phase * ALL_HERE_S
        await _until(due_s)
        start = f"{address}/sign-in/start?as={identity}&to=/"
        content = await ask(session, seen, "first visit", "GET", start, due_s=due_s)
        # The first stays are of all lengths, so that they do not end together.
        stay_s = STAY_S * (0.5 + phase)
        while True:
            if content is not None:
                await _look_at(session, seen, address, content.decode(), stay_s)
            due_s = asyncio.get_running_loop().time()
            content = await ask(session, seen, PAGE, "GET", f"{address}/", due_s=due_s)
            stay_s = STAY_S


async def _look_at(
    session: aiohttp.ClientSession, seen: Seen, address: str, page: str, stay_s: float
) -> None:
    """Keep the socket of a page open for so long."""
    found = _CLIENT_ID.search(page)
    if found is None:
        seen.failed("page: without a client")
        return
    client_id = found[1]
    client = socketio.AsyncClient(http_session=session, reconnection=False)
    next_message = 0

    async def update(message: dict[str, Any]) -> None:
        nonlocal next_message
        next_message = max(next_message, message.get("_id", -1) + 1)
        seen.told("updates of pages")

    async def came(event: str, *_: Any) -> None:
        if event not in ("update", "load_js_components", "run_javascript"):
            seen.failed(f"socket: {event}")

    client.on("update", update)
    client.on("*", came)
    query = (
        f"client_id={client_id}&tab_id={uuid.uuid4()}&document_id={uuid.uuid4()}"
        "&next_message_id=0&implicit_handshake=true"
    )
    try:
        await client.connect(
            f"{address}/?{query}",
            socketio_path="/_nicegui_ws/socket.io",
            transports=["websocket"],
            wait_timeout=ANSWER_S,
        )
        until_s = asyncio.get_running_loop().time() + stay_s
        while (left_s := until_s - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left_s, ACKNOWLEDGED_EVERY_S))
            if not client.connected:
                seen.failed("socket: closed by the service")
                return
            await client.emit("ack", {"client_id": client_id, "next_message_id": next_message})
    except socketio.exceptions.SocketIOError as error:
        seen.failed(f"socket: {type(error).__name__}")
    finally:
        await client.disconnect()


async def _stream(
    session: aiohttp.ClientSession, seen: Seen, address: str, headers: dict[str, str]
) -> None:
    asked = {**headers, "Accept": "text/event-stream"}
    forever = aiohttp.ClientTimeout(total=None)
    try:
        async with session.get(
            f"{address}/api/v1/events", headers=asked, timeout=forever
        ) as answer:
            if answer.status != 200:
                seen.failed(f"stream: status {answer.status}")
                return
            async for line in answer.content:
                if line.startswith(b"event:"):
                    seen.told("events of streams")
        seen.failed("stream: ended")
    except aiohttp.ClientError as error:
        seen.failed(f"stream: {type(error).__name__}")


async def writer(
    session: aiohttp.ClientSession,
    seen: Seen,
    address: str,
    token: str,
    *,
    per_s: float,
    next_session: Callable[[], dict[str, Any]],
) -> None:
    """Send sessions, one a request, at times that no slow answer moves."""
    url, headers = f"{address}/api/v1/sessions", {"Authorization": f"Bearer {token}"}
    due_s = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        while True:
            await _until(due_s)
            group.create_task(_write(session, seen, url, headers, next_session(), due_s))
            due_s += 1 / per_s


async def _write(
    session: aiohttp.ClientSession,
    seen: Seen,
    url: str,
    headers: dict[str, str],
    content: dict[str, Any],
    due_s: float,
) -> None:
    await ask(session, seen, "write", "POST", url, due_s=due_s, json=content, headers=headers)


async def _until(due_s: float) -> None:
    await asyncio.sleep(max(due_s - asyncio.get_running_loop().time(), 0))


def phases(n: int, seed: int = 0) -> list[float]:
    """When each of `n` viewers begins within its period, as a share of it."""
    return [(place + 0.5) / n for place in random.Random(seed).sample(range(n), n)]


async def measured(
    seen: Seen,
    callers: list[Awaitable[None]],
    *,
    warm_up_s: float,
    seconds: float,
    begun: Callable[[], None],
) -> float:
    """Let all of them go on, and count for so many seconds after a warm-up; seconds counted.

    Raises:
        Whatever a caller raises: it never ends by itself.
    """
    tasks = [asyncio.ensure_future(one) for one in callers]

    async def counted() -> float:
        await asyncio.sleep(warm_up_s)
        begun()
        seen.is_counting, since_s = True, time.monotonic()
        await asyncio.sleep(seconds)
        seen.is_counting = False
        return time.monotonic() - since_s

    clock = asyncio.ensure_future(counted())
    try:
        await asyncio.wait([clock, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
                raise RuntimeError("a caller ended")
        return await clock
    finally:
        for task in (clock, *tasks):
            task.cancel()
        await asyncio.gather(clock, *tasks, return_exceptions=True)
