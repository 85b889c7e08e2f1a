"""An operator's page in a browser: a bad batch is rejected by hand, its buyer has money back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lot, live, visitor
from tests.browser.test_look import faults

pytestmark = pytest.mark.xdist_group("browser")

REASON = "charger 3 is cut off"


@pytest.fixture(scope="module")
def lied(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lot]:
    """A lot whose engine slips a wrong trade into a batch; two of three operators ask about it."""
    options = ("--pace", "1", "--engine-fault", "energy")
    with live(tmp_path_factory.mktemp("lied"), *options) as lot:
        yield lot


def test_an_operator_rejects_a_bad_batch_by_hand_and_the_buyer_has_its_money_back(browser, lied):
    with visitor(browser, lied) as who:
        page = who.go("/operator", as_="operator-2")
        card = page.locator("article", has_text="Your node would reject")
        expect(card).to_be_visible(timeout=90_000)
        expect(card).to_contain_text("seller energy, trade 1")
        expect(page.get_by_text("One batch waits for your decision.")).to_be_visible()
        assert faults(page) == []
        # Against the node only with a reason.
        card.get_by_role("button", name="Confirm …").click()
        expect(card.get_by_role("alert")).to_contain_text("Say why")
        # Where the keyboard is led, and not before: it would be led away from the next button.
        expect(card.get_by_label("Reason")).to_be_focused()
        card.get_by_label("Reason").fill(REASON)
        # The rest by keyboard alone.
        card.get_by_role("button", name="Reject …").press("Enter")
        heading = card.get_by_role("heading", name="Reject this batch?")
        expect(heading).to_be_focused()
        expect(card).to_contain_text(f"The reason on the chain will be: {REASON}")
        assert faults(page) == []
        page.keyboard.press("Tab")
        expect(card.get_by_role("button", name="Yes, reject")).to_be_focused()
        page.keyboard.press("Enter")
        row = page.locator("tr", has_text="operator-2 rejected it")
        expect(row).to_contain_text(REASON)
        expect(row.get_by_text("rejected", exact=True).last).to_be_visible()
        expect(card).to_have_count(0)
        expect(page.locator(".pc-told")).to_be_focused()
        (trade, *_) = lied.get("/trades?state=rejected")["items"]
        buyer = trade["buyer_id"].replace(" ", "%20").replace(":", "%3A")
        page = who.go("/trades?state=rejected", as_=f"driver-{buyer}")
        page.locator("tbody tr a").first.click()
        step = page.locator(".pc-step", has_text="Rejected in block")
        expect(step.get_by_role("heading")).to_contain_text("Rejected (ended)")
        # Why is said once, with the check of whose reason it is, and marked as English.
        expect(page.locator(".pc-path").get_by_text(REASON)).to_have_count(1)
        said = page.locator(".pc-step", has_text="Operators' checks").get_by_text(REASON)
        expect(said).to_have_attribute("lang", "en")
        expect(step).to_contain_text("The buyer has")
        expect(step).to_contain_text("EUR back")


def test_what_the_node_decided_by_itself_and_how_all_are_is_shown(browser, lied):
    with visitor(browser, lied) as who:
        page = who.go("/operator", as_="operator-3")
        expect(page.get_by_text("Your node, by itself").first).to_be_visible()
        operators = page.get_by_role("region", name="Operators")
        expect(operators.get_by_text("(you)")).to_be_visible()
        expect(operators.get_by_text("well", exact=True)).to_have_count(3)


def test_the_page_is_for_operators_and_speaks_their_language(browser, lied):
    with visitor(browser, lied, locale="da-DK") as who:
        page = who.go("/operator", as_="operator-1")
        expect(page.get_by_text("Din node stemmer selv om hver batch.")).to_be_visible()
        page = who.go("/operator", as_="aggregator")
        expect(page.get_by_text("Denne side er for: operatør i konsortiet.")).to_be_visible()
