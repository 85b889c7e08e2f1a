"""The operator's desk: one refresh after another, whoever asks for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from trading.pages.operator import Desk


def test_a_refresh_waits_for_the_one_before(monkeypatch):
    """An answer brings one up to date while the timer's is under way; both would add one batch."""
    under_way: list[int] = []

    async def slow(_desk: Desk) -> None:
        under_way.append(1)
        assert len(under_way) == 1
        await asyncio.sleep(0.01)
        under_way.pop()

    monkeypatch.setattr(Desk, "_refresh", slow)
    desk = Desk(SimpleNamespace())

    async def run() -> None:
        await asyncio.gather(*(desk.refresh() for _ in range(5)))

    asyncio.run(run())
    assert not under_way
