"""Whose page it is: a page ends with its visitor's sign-in, and nobody else may speak for it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import visitor

pytestmark = pytest.mark.xdist_group("browser")

CONNECT = """
([client, tab]) => new Promise((done) => {
  const socket = io("", {
    path: "/_nicegui_ws/socket.io", forceNew: true, transports: ["websocket"],
    query: { client_id: client, tab_id: tab, document_id: "x", implicit_handshake: "true",
             next_message_id: 0 },
  });
  socket.on("connect", () => done("connected"));
  socket.on("connect_error", (error) => done(error.message));
})
"""


def test_a_page_ends_when_its_browser_becomes_somebody_else(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/authority", as_="authority")
        expect(page.locator(".pc-figures")).to_contain_text("operators")
        other = who.context.new_page()
        other.goto(f"{day.address}/sign-in/start?as=operator-1&to=/operator")
        other.wait_for_selector("main h1")
        expect(page.get_by_role("alert")).to_contain_text("Your session has ended.")
        page.get_by_role("link", name="Sign in again").click()
        expect(page.locator(".pc-empty")).to_contain_text("This page is for: authority.")


def test_the_number_of_a_page_opens_it_to_nobody_else(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/authority", as_="authority")
        numbers = page.evaluate("[window.clientId, window.socket.io.opts.query.tab_id]")
        assert all(numbers)
        stranger = browser.new_context()
        theirs = stranger.new_page()
        theirs.goto(day.address + "/trades")
        theirs.wait_for_selector("main h1")
        assert theirs.evaluate(CONNECT, numbers) == "Implicit handshake failed"
        stranger.close()
        # The page itself goes on.
        assert page.evaluate("window.socket.connected")
