"""The lot and its trades in a real browser, while a real day is traded on the embedded chain."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import visitor
from tests.tools import PATIENCE_S

pytestmark = pytest.mark.xdist_group("browser")


def test_the_lot_moves_while_the_day_is_traded(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/")
        clock = page.locator(".pc-clock")
        expect(clock).to_contain_text("2019")
        first = clock.inner_text()
        expect(clock).not_to_have_text(first)
        expect(page.locator(".pc-car.pc-buyer").first).to_be_visible()
        expect(page.locator(".pc-car.pc-seller").first).to_be_visible()
        # Power flows on confirmed trades alone, and what the page sums is what the API has.
        expect(page.locator(".pc-arc").first).to_be_attached(timeout=60_000)
        said = page.locator(".pc-bays svg").get_attribute("aria-label")
        assert "Buyer" in said
        assert "Seller" in said


def test_a_trade_goes_its_way_before_ones_eyes(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/trades")
        expect(page.locator("tbody tr").first).to_be_visible(timeout=60_000)
        page.locator("tbody tr a").first.click()
        page.wait_for_selector("main h1")
        expect(page.get_by_text("A recorded day is replayed")).to_be_visible()
        steps = page.locator(".pc-step h2")
        expect(steps).to_have_count(6)
        expect(page.locator(".pc-step").nth(3)).to_contain_text("confirmed", timeout=30_000)
        expect(page.locator(".pc-step").nth(5)).to_contain_text("Paid out", timeout=30_000)
        assert page.locator(".pc-step.pc-done").count() == 6


def test_the_past_can_be_played_with_the_keyboard(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/")
        slider = page.get_by_role("slider", name="Time shown")
        expect(page.locator(".pc-clock")).to_contain_text("2019")
        slider.focus()
        slider.press("Home")
        expect(page.locator(".pc-chip")).to_have_text("Past")
        first = page.locator(".pc-clock").inner_text()
        slider.press("ArrowRight")
        expect(page.locator(".pc-clock")).not_to_have_text(first)
        page.get_by_role("button", name="Back to now").click()
        expect(page.locator(".pc-chip")).not_to_have_text("Past")


def test_a_driver_sees_its_own_vehicle_alone(browser, day):
    name = day.get("/sessions")["items"][0]["session_id"]
    with visitor(browser, day) as who:
        page = who.go("/", as_=f"driver-{name.replace(' ', '%20').replace(':', '%3A')}")
        page.locator("details > summary").click()
        expect(page.locator(".pc-clock")).to_contain_text("2019")
        assert page.locator(".pc-car").count() <= 1
        expect(page.get_by_text("Only your own vehicle is shown.")).to_be_visible()
        expect(page.get_by_text("Your vehicles here")).to_be_visible()
        expect(page.get_by_text("Vehicles here", exact=True)).to_have_count(0)
        # No other bay is said to be free.
        marked, cars = page.locator(".pc-unknown"), page.locator(".pc-car")
        assert marked.count() + cars.count() == page.locator(".pc-bay").count() > 1


def test_the_connections_limit_is_drawn_with_its_unit_in_the_heading(browser, day):
    assert day.get("/lot")["vehicles_limit_w"] == 150_000
    with visitor(browser, day, width="phone", locale="it-IT") as who:
        page = who.go("/")
        heading = page.get_by_role("heading", name="Potenza dalla rete (kW)")
        expect(heading).to_be_visible()
        chart = page.locator(".pc-chart").first
        # The whole legend stands on a phone, in as many lines as it needs.
        for said in ("senza scambi", "con gli scambi", "limite dell'allacciamento"):
            named = page.locator(".pc-card li").get_by_text(said, exact=True)
            expect(named).to_be_visible()
            box = named.bounding_box()
            assert 0 <= box["x"] < box["x"] + box["width"] <= 390
        expect(chart.locator('path[stroke="#d0451b"][stroke-dasharray]').first).to_be_attached()
        price = page.locator(".pc-chart").nth(1)
        expect(price.get_by_text("0,1", exact=True)).to_be_attached()


def test_the_authority_sees_sums_and_is_told_why_no_vehicle(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/", as_="authority")
        expect(page.get_by_text("the authority governs without knowing")).to_be_visible()
        expect(page.get_by_text("From vehicle to vehicle")).to_be_visible()
        for name in (".pc-bays", ".pc-table"):
            expect(page.locator(name)).to_have_count(0)
        expect(page.get_by_text("Vehicles here")).to_have_count(0)


def test_beside_the_pages_the_api_refuses_as_ever(day):
    headers = {"Authorization": f"Bearer {day.tokens['aggregator']}"}
    for method, path, status in (
        ("GET", "/api/v1/no-such", 404),
        ("DELETE", "/api/v1/lot", 405),
        ("POST", "/health", 405),
    ):
        answer = httpx.request(method, day.address + path, headers=headers, timeout=PATIENCE_S)
        assert (answer.status_code, answer.headers["content-type"]) == (
            status, "application/problem+json",
        )  # fmt: skip
    danish = {"Accept-Language": "da"}
    page = httpx.get(day.address + "/no-such-page", headers=danish, timeout=PATIENCE_S)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "Den side findes ikke" in page.text
