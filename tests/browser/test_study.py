"""A comparison set up, run, looked at and taken along in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import visitor

pytestmark = pytest.mark.xdist_group("browser")


def test_a_comparison_is_set_up_run_looked_at_and_taken_along(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/study", as_="operator")
        page.get_by_role("textbox", name="Name").fill("one day, two markets")
        page.get_by_label("mcafee", exact=True).uncheck()
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("heading", name="one day, two markets")).to_be_visible()
        expect(page.get_by_role("progressbar").first).to_be_attached()
        done = page.get_by_role("link", name="one day, two markets")
        expect(done).to_be_visible(timeout=120_000)
        expect(page.locator("tbody .pc-good")).to_have_text("done")
        done.click()
        page.wait_for_selector("main h1")
        expect(page.locator("tbody tr")).to_have_count(5)
        for figure in page.locator("figure img").all():
            figure.scroll_into_view_if_needed()
            expect(figure).to_have_js_property("complete", True)
            assert figure.evaluate("one => one.naturalWidth") > 100
        with page.expect_download() as loading:
            page.get_by_role("link", name="comparison.csv as CSV").click()
        rows = loading.value.path().read_text("utf-8").splitlines()
        assert rows[0].startswith("kind,mechanism,pricing")
        assert len(rows) == 6
        with page.expect_download() as loading:
            page.get_by_role("link", name="Prices and rational limits as SVG").click()
        assert "<svg" in loading.value.path().read_text("utf-8")
        report = page.get_by_role("link", name="The report").get_attribute("href")
        told = page.request.get(day.address + report)
        assert told.ok
        assert "sandbox" in told.headers["content-security-policy"]


def test_what_cannot_be_compared_is_said_beside_the_button(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/study", as_="authority")
        for name in ("pro-rata", "uniform-price", "mcafee"):
            page.get_by_label(name, exact=True).uncheck()
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("alert").filter(has_text="Choose at least one.")).to_be_visible()
        expect(page.get_by_role("group", name="Mechanisms")).to_be_focused()
        page.get_by_label("Vehicles that can discharge, per cent").fill("many")
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_text("A whole number is needed here.")).to_be_visible()


def test_a_driver_is_told_whose_page_it_is(browser, day):
    name = day.get("/sessions")["items"][0]["session_id"]
    with visitor(browser, day) as who:
        page = who.go("/study", as_=f"driver-{name.replace(' ', '%20').replace(':', '%3A')}")
        expect(page.locator(".pc-empty")).to_be_visible()
        assert page.get_by_role("button", name="Start").count() == 0
