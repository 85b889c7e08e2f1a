"""The authority and drivers act in a real browser, while a real day is traded."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import quote

import pytest
from eth_account import Account
from playwright.sync_api import expect

from tests.browser.conftest import WAIT_MS, live, visitor
from trading.chain import Key

pytestmark = pytest.mark.xdist_group("browser")

OWN_WALLETS = """
import trading.live
make = trading.live.ChainDoor
trading.live.ChainDoor = lambda **parts: make(**(parts | {"wallet_of": None}))
from trading.cli import main
main()
"""
"""A live lot whose drivers hold their own keys, as in a real one."""

WALLET = """
window.ethereum = {request: async ({method, params}) =>
  method === "eth_signTypedData_v4" ? await window.signed(params[0], params[1]) : []};
"""
"""A wallet of the browser, as far as a page sees it (EIP-1193)."""


def a_buyer(day):
    """A driver with an account and money in it, and the account."""
    until = time.monotonic() + WAIT_MS / 1000
    while True:
        accounts = day.get("/accounts?limit=500")["items"]
        found = [one for one in accounts if one["session_id"] and one["free_ueur"] > 5_000_000]
        if found:
            return found[-1]["session_id"], found[-1]["account"]
        assert time.monotonic() < until, accounts
        time.sleep(0.2)


def driver_of(name: str) -> str:
    return f"driver-{quote(name, safe='')}"


def test_the_authority_removes_an_operator_and_seats_it_again(browser, day):
    with visitor(browser, day) as who:
        page = who.go("/authority", as_="authority")
        seats = page.get_by_role("button", name=re.compile("^Remove the operator on seat"))
        expect(seats).to_have_count(3)
        leaving = day.get("/operators")["items"][0]
        page.get_by_role("button", name=f"Remove the operator on seat {leaving['seat']}").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(leaving["address"])
        dialog.locator("summary").click()
        expect(dialog).to_contain_text("removeOperator")
        assert len(day.get("/operators")["items"]) == 3, "nothing is sent before one says so"
        dialog.get_by_role("button", name="Send it").dblclick()
        expect(dialog).to_contain_text("Done, in block")
        expect(dialog.get_by_role("heading")).to_be_focused()
        dialog.get_by_role("button", name="Close").click()
        expect(seats).to_have_count(2)
        expect(page.locator(".pc-figures")).to_contain_text("2 of 2 operators")
        # The button that was pressed is gone, and the keyboard goes on beside it.
        expect(page.get_by_role("heading", name="Operators")).to_be_focused()
        # Another one fewer is fewer than the quorum: the contract's own sentence says so.
        seats.first.click()
        expect(dialog).to_contain_text("a quorum of 2 does not fit 1 operators")
        expect(dialog.get_by_role("button", name="Send it")).to_have_count(0)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        page.get_by_text("Add an operator", exact=True).click()
        page.get_by_label("Address").first.fill(leaving["address"])
        page.locator("details[open]").get_by_role("button", name="Show what will be sent").click()
        dialog.get_by_role("button", name="Send it").click()
        expect(dialog).to_contain_text("Done, in block")
        dialog.get_by_role("button", name="Close").click()
        expect(seats).to_have_count(3)
        expect(page.locator("tbody tr").filter(has_text="Operator removed")).to_have_count(1)


def test_a_pause_is_told_to_whoever_trades_and_leaves_the_keyboard_where_it_was(browser, day):
    with visitor(browser, day) as who:
        page, said = who.go("/authority", as_="authority"), "The consortium is paused"
        dialog = page.get_by_role("dialog")
        for press in ("Pause the consortium", "End the pause"):
            page.get_by_role("button", name=press).click()
            dialog.get_by_role("button", name="Send it").click()
            expect(dialog).to_contain_text("Done, in block")
            dialog.get_by_role("button", name="Close").click()
            expect(page.get_by_role("button", name=press)).to_be_hidden()
            expect(page.get_by_role("heading", name="Pause")).to_be_focused()
            expect(page.get_by_text(said)).to_be_hidden()
            is_paused = press.startswith("Pause")
            theirs = browser.new_context().new_page()
            theirs.goto(f"{day.address}/sign-in/start?as=aggregator&to=/")
            theirs.wait_for_selector(".pc-bays svg")
            expect(theirs.get_by_text(said)).to_be_visible(visible=is_paused)
            theirs.context.close()


def test_what_cannot_be_is_said_where_it_was_typed(browser, day):
    with visitor(browser, day, width="phone", theme="dark") as who:
        page = who.go("/authority", as_="authority")
        page.get_by_text("Change the prices a trade may have").click()
        page.get_by_label("Lowest price").fill("0,10")
        page.get_by_label("Highest price").fill("cheap")
        page.locator("details[open]").get_by_role("button", name="Show what will be sent").click()
        expect(page.get_by_role("alert").filter(has_text="Expected a price")).to_have_count(1)
        expect(page.get_by_label("Highest price")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_driver_sets_and_withdraws_its_limits(browser, day):
    name, account = a_buyer(day)
    with visitor(browser, day) as who:
        page = who.go("/driver", as_=driver_of(name))
        expect(page.locator(".pc-figures").first).to_contain_text("State of charge at departure")
        limits = page.locator("section").filter(has=page.get_by_role("heading", name="My limits"))
        limits.get_by_text("Set my limits").click()
        page.get_by_label("The most I pay").press_sequentially("0,4321", delay=400)
        limits.get_by_role("button", name="Show what I sign").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(f"Account {account} buys at up to 0.4321 EUR/kWh")
        expect(dialog).to_contain_text("Simulated wallet")
        dialog.get_by_text("Exactly what is signed").click()
        expect(dialog).to_contain_text('"maxBuyPrice": 432100')
        dialog.get_by_role("button", name="Sign with the simulated wallet").click()
        expect(dialog).to_contain_text("Done, in block")
        dialog.get_by_role("button", name="Close").click()
        expect(limits).to_contain_text("buys at up to 0.4321 EUR/kWh")
        limits.get_by_role("button", name="Withdraw my limits").click()
        dialog.get_by_role("button", name="Sign with the simulated wallet").click()
        expect(dialog).to_contain_text("Done, in block")
        dialog.get_by_role("button", name="Close").click()
        expect(limits).to_contain_text("No limits are set")
        assert day.get(f"/accounts/{account}")["max_buy_ueur_per_kwh"] is None


def test_a_driver_pays_in_and_takes_out(browser, day):
    name, account = a_buyer(day)
    with visitor(browser, day, width="phone") as who:
        page = who.go("/driver", as_=driver_of(name))
        money = page.locator("section").filter(has=page.get_by_role("heading", name="My money"))
        expect(money).to_contain_text("50.00 EUR")
        money.get_by_text("Deposit", exact=True).click()
        money.get_by_label("Amount").first.fill("2.50")
        money.locator("details[open]").get_by_role("button", name="Show what I sign").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(f"2.50 EUR go into account {account}")
        # Also where somebody presses twice it is paid once, and the answer is the first one's.
        dialog.get_by_role("button", name="Pay in from the simulated wallet").dblclick()
        expect(dialog).to_contain_text("Done, in block")
        expect(dialog.get_by_role("heading")).to_be_focused()
        dialog.get_by_role("button", name="Close").click()
        expect(money).to_contain_text("47.50 EUR")
        moved = page.locator("section").filter(
            has=page.get_by_role("heading", name="Deposits and withdrawals")
        )
        expect(moved.locator("tbody tr").first).to_contain_text("2.50 EUR")
        money.get_by_text("Withdraw", exact=True).click()
        money.get_by_label("Amount").last.fill("1")
        money.locator("details[open]").last.get_by_role("button", name="Show what I sign").click()
        expect(dialog).to_contain_text(f"1.00 EUR leave account {account}")
        dialog.get_by_role("button", name="Sign with the simulated wallet").click()
        expect(dialog).to_contain_text("Done, in block")
        dialog.get_by_role("button", name="Close").click()
        expect(money).to_contain_text("48.50 EUR")
        expect(moved.locator("tbody tr").first).to_contain_text("Withdrawal")


def test_a_wallet_of_the_browsers_signs_for_a_driver_who_holds_its_key(browser, tmp_path):
    with (
        live(tmp_path, "--pace", "4", program=OWN_WALLETS) as lot,
        visitor(browser, lot) as who,
    ):
        name, account = a_buyer(lot)
        key, asked = Key.demonstration(0, f"driver {name}"), []

        def sign(owner, data):
            asked.append(owner)
            signed = Account.sign_typed_data(key._account.key, full_message=json.loads(data))
            return "0x" + bytes(signed.signature).hex()

        page = who.go("/driver", as_=driver_of(name))
        limits = page.locator("section").filter(has=page.get_by_role("heading", name="My limits"))
        expect(page.get_by_text("You alone hold the key")).to_be_visible()
        limits.get_by_role("button", name="Withdraw my limits").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(f"peercharge account revoke {account} --sign-to FILE")
        dialog.get_by_role("button", name="Sign with the browser's wallet").click()
        expect(dialog).to_contain_text("This browser has no wallet")
        dialog.get_by_role("button", name="Close").click()
        page.expose_function("signed", sign)
        page.evaluate(WALLET)
        limits.get_by_role("button", name="Withdraw my limits").click()
        dialog.get_by_role("button", name="Sign with the browser's wallet").click()
        expect(dialog).to_contain_text("signed by you")
        assert asked == [key.address]
        dialog.get_by_role("button", name="Close").click()
        expect(limits).to_contain_text("No limits are set")
