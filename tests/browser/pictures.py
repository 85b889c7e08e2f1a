"""The pictures of docs/images that show pages: `python -m tests.browser.pictures docs/images`.

Taken of a live lot, desktop width in light and phone width in dark.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM_FLAGS, WIDTHS, Lot, live, visitor
from tests.tools import need_tool

LOOKS = (("desktop", "light"), ("phone", "dark"))
SELLER = "2_39_131_30_2019-10-29 15:50:58.909066"
BUSY = "2019-10-29T17:30:00Z"
LIMIT_S = 240.0
TALLEST = 1_700
FILLED = """() => document.querySelector(".pc-path li, .pc-table td, .pc-chip")
  && [...document.querySelectorAll(".pc-figures dd")].every((one) => one.textContent)"""


def take(browser: Browser, lot: Lot, folder: Path, name: str, path: str, as_: str, look=None):
    for width, theme in LOOKS:
        with visitor(browser, lot, width=width, theme=theme) as who:
            page = who.go(path, as_=as_)
            page.wait_for_function(FILLED)
            page.wait_for_timeout(1_500)
            if look is not None:
                look(page)
                page.wait_for_timeout(1_500)
            tall = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
            across = WIDTHS[width][0]
            taken = page.screenshot(
                full_page=True, clip={"x": 0, "y": 0, "width": across, "height": tall}
            )
            picture = Image.open(io.BytesIO(taken)).convert("RGB").quantize(128)
            picture.save(folder / f"page-{name}-{width}.png", optimize=True)


def until(is_so, what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > limit:
            raise TimeoutError(what)
        time.sleep(0.5)


def slide(page: Page) -> None:
    """To an interval in which many trade."""
    slider = page.get_by_role("slider")
    slider.evaluate("e => { e.value = 42; e.dispatchEvent(new Event('input')) }")


def main(folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(need_tool("chromium")), args=list(CHROMIUM_FLAGS)
        )
        with TemporaryDirectory() as place, live(Path(place), "--pace", "0.6") as lot:
            until(lambda: lot.get("/lot")["now"] > BUSY, "a busy hour")
            take(browser, lot, folder, "driver", "/driver", quote(f"driver-{SELLER}"))
            take(browser, lot, folder, "lot", "/", "aggregator", slide)
            take(browser, lot, folder, "trades", "/trades", "aggregator")
            settled = lot.get("/trades?state=settled&order=desc&limit=1")["items"][0]["trade_id"]
            take(browser, lot, folder, "trade", f"/trades/{settled}", "aggregator")
            take(browser, lot, folder, "authority", "/authority", "authority")
            take(browser, lot, folder, "study", compared(browser, lot), "aggregator")
        fault = ("--pace", "0.6", "--engine-fault", "energy")
        with TemporaryDirectory() as place, live(Path(place), *fault) as lot:
            until(lambda: asked(browser, lot), "a question")
            take(browser, lot, folder, "operator", "/operator", "operator-2")
        browser.close()


def compared(browser: Browser, lot: Lot) -> str:
    """Where a comparison of one day is looked at."""
    with visitor(browser, lot) as who:
        page = who.go("/study", as_="aggregator")
        page.get_by_role("textbox", name="Name").fill("a Monday")
        page.get_by_role("button", name="Start").click()
        done = page.get_by_role("link", name="a Monday")
        done.wait_for(timeout=120_000)
        return str(done.get_attribute("href"))


def asked(browser: Browser, lot: Lot) -> bool:
    if not lot.get("/batches?state=pending&limit=1")["items"]:
        return False
    with visitor(browser, lot) as who:
        page = who.go("/operator", as_="operator-2")
        page.wait_for_timeout(1_000)
        return page.get_by_text("Answer by").count() > 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
