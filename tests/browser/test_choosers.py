"""Choosers that lead to another page, with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import visitor

pytestmark = pytest.mark.xdist_group("browser")


def test_arrow_keys_look_through_a_chooser_and_enter_goes_on(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/trades", as_="aggregator")
        chooser = page.get_by_label("Show")
        chooser.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(chooser).to_have_value("pending")
        page.wait_for_timeout(300)
        assert page.url.endswith("/trades")
        page.keyboard.press("Enter")
        page.wait_for_url("**/trades?state=pending")
        expect(chooser).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Escape")
        expect(chooser).to_have_value("pending")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.wait_for_url("**/trades?state=confirmed")


def test_what_is_kept_in_a_cookie_is_chosen_the_same_way(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/trades", as_="aggregator")
        theme = page.get_by_label("Theme")
        theme.focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        expect(page.locator("body.body--dark")).to_be_attached()
        expect(theme).to_be_focused()
        page.get_by_label("Acting as").select_option("authority")
        expect(page.get_by_label("Acting as")).to_have_value("authority")
        expect(page.locator("body.body--dark")).to_be_attached()
