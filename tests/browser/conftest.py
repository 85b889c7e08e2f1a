"""A live lot in a process of its own, and a browser to look at it with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.tools import PATIENCE_S, ROOT, need_tool

WAIT_MS = 60_000
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
expect.set_options(timeout=WAIT_MS)
_MAIN = "from trading.cli import main; main()"


@dataclass(frozen=True)
class Lot:
    """Where a live lot is, and what it printed."""

    address: str
    tokens: dict[str, str]

    def get(self, path: str, role: str = "aggregator") -> dict:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        return (
            httpx.get(f"{self.address}/api/v1{path}", headers=headers, timeout=PATIENCE_S)
            .raise_for_status()
            .json()
        )


@contextmanager
def live(folder: Path, *options: str, program: str = _MAIN) -> Iterator[Lot]:
    """`peercharge live` until the context ends."""
    printed = folder / "printed"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with printed.open("w", encoding="utf-8") as stream:
        asked = ("live", "--listen", "127.0.0.1:0", "--tokens", *options)
        process = subprocess.Popen(
            [sys.executable, "-c", program, *asked],
            stdout=stream, stderr=subprocess.STDOUT, env=environment, cwd=folder,
        )  # fmt: skip
        try:
            until = time.monotonic() + PATIENCE_S
            while True:
                told = printed.read_text("utf-8")
                found = re.search(r"serving (http://\S+)", told)
                if found and "authority ey" in told:
                    break
                assert process.poll() is None, told
                assert time.monotonic() < until, told
                time.sleep(0.1)
            tokens = dict(
                re.findall(r"^(driver|aggregator|operator|authority) (ey\S+)$", told, re.M)
            )
            yield Lot(found[1], tokens)
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0, printed.read_text("utf-8")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # For this package alone: while it is open an event loop runs in this thread.
    chromium = need_tool("chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(chromium), args=list(CHROMIUM_FLAGS))
        yield found
        found.close()


@dataclass
class Visitor:
    """A browser of one visitor, and everything that went wrong in it."""

    context: BrowserContext
    page: Page
    lot: Lot
    problems: list[str] = field(default_factory=list)

    def go(self, path: str, *, as_: str = "") -> Page:
        """Open a page, as somebody else if named, and wait until it has its content."""
        if as_:
            self.page.goto(f"{self.lot.address}/sign-in/start?as={as_}&to={path}")
        else:
            self.page.goto(self.lot.address + path)
        self.page.wait_for_selector("main h1")
        return self.page


@contextmanager
def visitor(
    browser: Browser, lot: Lot, *, width: str = "desktop", theme: str = "light",
    locale: str = "en-GB",
) -> Iterator[Visitor]:  # fmt: skip
    """A visitor, whose browser must not complain of anything."""
    across, down = WIDTHS[width]
    context = browser.new_context(
        viewport={"width": across, "height": down},
        color_scheme=theme,
        locale=locale,
        timezone_id="Europe/Copenhagen",
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT_MS)
    found = Visitor(context, context.new_page(), lot)
    complain = found.problems.append
    found.page.on(
        "console", lambda one: complain(one.text) if one.type in ("error", "warning") else None
    )
    found.page.on("pageerror", lambda one: complain(str(one)))
    found.page.on(
        "response", lambda one: complain(f"{one.status} {one.url}") if one.status >= 400 else None
    )
    found.page.on(
        "request",
        lambda one: (
            None
            if one.url.startswith(
                (lot.address, lot.address.replace("http", "ws"), "data:", "blob:")
            )
            else complain(f"asks elsewhere: {one.url}")
        ),
    )
    yield found
    context.close()
    assert found.problems == []


@pytest.fixture(scope="package")
def day(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lot]:
    """The demonstration's day, trading while tests look at it."""
    with live(tmp_path_factory.mktemp("live"), "--pace", "1") as lot:
        yield lot
