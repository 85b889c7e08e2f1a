"""What there is to look at once a day is long: page by page, and as a file."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import visitor
from tests.tools import PATIENCE_S
from trading.pages.trades import SHOWN

pytestmark = pytest.mark.xdist_group("browser")


def test_trades_are_turned_page_by_page_and_taken_along(browser, day):
    until = time.monotonic() + 3 * PATIENCE_S
    while day.get(f"/trades?state=settled&limit={SHOWN}")["next"] is None:
        assert time.monotonic() < until, "the day does not become longer than a page"
        time.sleep(0.5)
    with visitor(browser, day) as who:
        page = who.go("/trades?state=settled")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(SHOWN)
        expect(page.get_by_role("link", name="Latest")).to_have_count(0)
        page.get_by_role("link", name="Earlier").click()
        expect(page.get_by_role("link", name="Latest")).to_be_visible()
        expect(rows).not_to_have_count(0)
        assert "state=settled" in page.url
        with page.expect_download() as kept:
            page.get_by_role("link", name="All as CSV").click()
        assert kept.value.suggested_filename == "trades.csv"
        found = pd.read_csv(kept.value.path())
        page.get_by_role("link", name="Latest").click()
        expect(rows).to_have_count(SHOWN)
    assert len(found) > SHOWN
    assert set(found["state"]) == {"settled"}
    assert found["trade_id"].is_unique


def test_of_others_trades_a_driver_takes_no_file(browser, day):
    name = day.get("/trades?state=settled")["items"][0]["buyer_id"]
    with visitor(browser, day) as who:
        driver = name.replace(" ", "%20").replace(":", "%3A")
        page = who.go("/trades", as_=f"driver-{driver}")
        with page.expect_download() as kept:
            page.get_by_role("link", name="All as CSV").click()
        found = pd.read_csv(kept.value.path())
    assert len(found)
    assert ((found["buyer_id"] == name) | (found["seller_id"] == name)).all()


def test_a_day_of_the_past_is_chosen_and_played(browser, day):
    """The recorded day goes on after midnight, so there are two to choose from."""
    until = time.monotonic() + 4 * PATIENCE_S
    while day.get("/lot")["now"] < "2019-10-30T01":
        assert time.monotonic() < until, "the day does not reach midnight"
        time.sleep(0.5)
    with visitor(browser, day) as who:
        page = who.go("/")
        clock, state = page.locator(".pc-clock"), page.locator(".pc-chip")
        slider = page.get_by_role("slider", name="Time shown")
        expect(clock).to_contain_text("Oct 2019")
        expect(clock).not_to_contain_text("29 Oct")
        calendar = page.get_by_label("Day", exact=True)
        calendar.fill("2019-10-29")
        expect(clock).to_contain_text("29 Oct 2019")
        expect(state).to_have_text("Past")
        first = clock.inner_text()
        slider.press("ArrowRight")
        expect(clock).not_to_have_text(first)
        slider.press("End")
        expect(clock).to_have_text("29 Oct 2019, 23:45")
        page.get_by_role("button", name="Play what happened").click()
        expect(clock).not_to_have_text("29 Oct 2019, 23:45")
        expect(state).to_have_text("Playing the past")
        page.get_by_role("button", name="Back to now").click()
        expect(clock).not_to_contain_text("29 Oct")
        expect(state).not_to_have_text("Past")
        assert calendar.input_value() == ""
