"""Every page in both widths and themes, without serious faults for those who need help to read.

With `PEERCHARGE_IMAGES=DIR` what is seen is kept there; docs/images holds such pictures.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import WIDTHS, visitor

pytestmark = pytest.mark.xdist_group("browser")

DRIVER = "driver-2_39_131_30_2019-10-29%2015%3A50%3A58.909066"
PAGES = {
    "lot": ("/", "aggregator"),
    "trades": ("/trades", "aggregator"),
    "operator": ("/operator", "operator-2"),
    "authority": ("/authority", "authority"),
    "driver": ("/driver", DRIVER),
}
SERIOUS = ("serious", "critical")


def faults(page):
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_everybody(browser, day, name, width, theme):
    path, role = PAGES[name]
    with visitor(browser, day, width=width, theme=theme) as who:
        page = who.go(path, as_=role)
        expect(page.locator("main")).not_to_be_empty()
        page.wait_for_timeout(1_500)
        across = WIDTHS[width][0]
        assert page.evaluate("document.documentElement.scrollWidth") <= across
        kept = os.environ.get("PEERCHARGE_IMAGES")
        if kept:
            page.screenshot(path=Path(kept) / f"page-{name}-{width}-{theme}.png", full_page=True)
        assert faults(page) == []


DRAWN = """
async ([told, bays]) => {
  const id = +document.querySelector(".pc-bays").id.slice(1);
  const parts = () => [".pc-bays svg", ".pc-percent", ".pc-bay-number"].map(
    (one) => document.querySelector(one)
  );
  // The lot goes on meanwhile, and draws what it has.
  do {
    mounted_app.elements[id].props.told = told;
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  } while (document.querySelectorAll(".pc-bay").length !== bays || parts().includes(null));
  return parts().map((one) => one.getBoundingClientRect()).flatMap((at) => [at.width, at.height]);
}
"""
"""A lot of so many bays as it is drawn: widths and heights of the drawing and of two labels."""


@pytest.mark.parametrize("width", WIDTHS)
def test_a_lot_of_any_size_has_letters_that_can_be_read(browser, day, width):
    with visitor(browser, day, width=width) as who:
        page = who.go("/", as_=DRIVER)
        page.wait_for_selector(".pc-bays svg")
        for bays in (2, 28, 300):
            vehicle = {"bay": 1, "role": "buyer", "soc": 0.5, "label": "50 %", "title": "x"}
            told = {"bays": bays, "is_partial": False, "vehicles": [vehicle], "flows": []}
            across, _, _, letters, _, numbers = page.evaluate(DRAWN, [json.dumps(told), bays])
            assert 10 <= letters <= 24
            assert 8 <= numbers <= 20
            assert across <= WIDTHS[width][0]
