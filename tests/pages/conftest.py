"""Pages without a browser: a client that nobody is connected to."""

from __future__ import annotations

import asyncio

import pytest
from nicegui import Client, core
from nicegui.page import page


@pytest.fixture
def client(monkeypatch):
    """A page's client that no browser is connected to."""

    async def make():
        monkeypatch.setattr(core, "loop", asyncio.get_running_loop())
        return Client(page("/nothing"), request=None)

    with asyncio.Runner() as runner:
        found = runner.run(make())

        async def inside(work):
            with found:
                return await work

        found.run = lambda work: runner.run(inside(work))
        yield found
        found.delete()
