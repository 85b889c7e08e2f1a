"""Every page in both widths and themes, without serious faults for those who need help to read.

With `PEERCHARGE_IMAGES=DIR` what is seen is kept there; docs/images holds such pictures.
"""

from __future__ import annotations

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
