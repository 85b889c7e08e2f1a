"""The pages of those who act, without a browser: what is on them, and what a press sends."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from zoneinfo import ZoneInfo

import pytest

from trading.chain.artifacts import load
from trading.chain.contract import NOBODY
from trading.pages.authority import AuthorityView
from trading.pages.driver import DriverView
from trading.pages.forms import Dialog
from trading.pages.parts import text
from trading.pages.shown import Shown
from trading.pages.texts import Texts
from trading.pages.wallet import AWAY_S, KEPT_S, Wallet
from trading.units import MAX_U32
from trading.web.problems import Problem
from trading.web.source import GOVERNANCE

KEYS = ["0x" + f"{n:040x}" for n in range(1, 5)]
CONSORTIUM = {
    "authority": KEYS[0], "pending_authority": None, "quorum": 2, "n_operators": 2,
    "lowest_price_ueur_per_kwh": 0, "highest_price_ueur_per_kwh": 1_000_000,
    "largest_spread_ueur_per_kwh": 30_000, "is_paused": False, "aggregators": [KEYS[1]],
    "lots": [], "head": 1, "is_connected": True,
}  # fmt: skip
ACCOUNT = {
    "account": 7, "owner": KEYS[3], "free_ueur": 1_000_000, "locked_ueur": 0,
    "max_buy_ueur_per_kwh": 450_000, "min_sell_ueur_per_kwh": MAX_U32,
    "valid_until": "2026-01-02T03:04:05Z", "is_in_force": True, "aggregator": None,
}  # fmt: skip
END = dict.fromkeys(
    ("missing_wh", "from_grid_wh", "from_peers_wh", "to_peers_wh", "paid_grid_ueur",
     "paid_peers_ueur", "earned_ueur", "replacement_cost_ueur", "wear_ueur", "net_cost_ueur"), 0
) | {"soc": 0.5}  # fmt: skip
OUTLOOK = {
    "account": 7, "at": "2026-01-01T00:00:00Z", "phase": "expected", "role": "buyer",
    "arrival": "2026-01-01T01:00:00Z", "departure": "2026-01-01T02:00:00Z", "is_estimate": True,
    "battery_capacity_wh": 60_000, "need_wh": 5_000, "now": None, "at_departure": END,
    "grid_only": END, "saved_ueur": 0,
}  # fmt: skip


def seat(number, confirmations):
    return {"seat": number, "address": KEYS[number], "confirmations": confirmations,
            "rejections": 0, "last_vote_at": None}  # fmt: skip


class FakeVisit:
    """A visitor to whom the API answers what a test says."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []
        self.text = self.texts = Texts("en")
        self.shown = Shown("en", ZoneInfo("UTC"))
        self.refresh = None

    async def get(self, path, **_query):
        self.asked.append(path)
        found = self.answers[path]
        if isinstance(found, Problem):
            raise found
        return deepcopy(found)

    rows = get

    async def every(self, refresh):
        self.refresh = refresh
        await refresh()


def shown(client):
    """What the page says, apart from what is hidden."""
    return [
        one.text
        for one in client.elements.values()
        if getattr(one, "text", None) and all(part.visible for part in [one, *one.ancestors()])
    ]


def press(button):
    (listener,) = button._event_listeners.values()
    return listener.handler()


def test_what_is_pressed_twice_is_sent_once_and_its_result_stays(client):
    sent = []

    async def scenario():
        dialog = Dialog("Close")

        async def send():
            sent.append(1)
            await asyncio.sleep(0.01)
            with dialog.instead("Done"):
                text("in block 3")

        with dialog.show("Sure?"):
            button = dialog.once("Send it", send)
        first = asyncio.ensure_future(press(button))
        await asyncio.sleep(0)
        assert button.props["disabled"] is True
        await press(button)
        await first

    client.run(scenario())
    assert sent == [1]
    assert shown(client) == ["Done", "in block 3", "Close"]


def authority_answers(**changes):
    return {
        "/consortium": CONSORTIUM | changes,
        "/operators": [seat(0, 1), seat(1, 1)],
        "/consortium/changes": {"items": [], "next": None},
    }


def buttons(client):
    return [
        one
        for one in client.elements.values()
        if one.tag == "button" and str(one.props.get("aria-label", "")).startswith("Remove")
    ]


def test_a_vote_leaves_the_operators_where_they_are(client):
    visit = FakeVisit(authority_answers())
    client.run(AuthorityView(visit).build())
    before = buttons(client)
    visit.answers["/operators"] = [seat(0, 2), seat(1, 1)]
    client.run(visit.refresh())
    assert [one.id for one in buttons(client)] == [one.id for one in before]
    assert any("Confirmed 2, rejected 0" in one for one in shown(client))
    visit.answers["/operators"] = [seat(1, 1), seat(2, 0)]
    client.run(visit.refresh())
    after = buttons(client)
    assert after[0].id == before[1].id, "who stays keeps its row"
    assert [one.props["aria-label"][-1] for one in after] == ["1", "2"]


def test_what_was_changed_is_told_with_units_and_words(client):
    answers = authority_answers()
    rows = [
        ("PriceBandSet", {"lowest": 0, "highest": 1_000_000}, "0.00 EUR/kWh", "1.00 EUR/kWh"),
        ("LargestSpreadSet", {"spread": 30_000}, "largest spread: 0.03 EUR/kWh"),
        ("AggregatorSet", {"aggregator": KEYS[1], "admitted": True}, "admitted: yes"),
        ("AuthorityTransferred", {"previous": NOBODY, "authority": KEYS[0]}, "before: none"),
    ]
    view = AuthorityView(FakeVisit(answers))
    # Whatever the contract can tell has its words.
    for event in load("EnergyConsortium").interface.events.values():
        for name in event.names if event.name in GOVERNANCE else ():
            assert view.visit.text(f"authority.argument_{name}")
    for name, arguments, *expected in rows:
        row = {"name": name, "arguments": arguments, "time": "2026-01-01T00:00:00Z", "block": 1}
        said = view._change_row(row)[2]
        for part in expected:
            assert part in said


@pytest.mark.parametrize("is_connected", [True, False])
def test_changes_are_offered_where_the_service_can_show_them(client, is_connected):
    visit = FakeVisit(authority_answers(is_connected=is_connected))
    client.run(AuthorityView(visit).build())
    said = shown(client)
    for offer in ("Show what will be sent", "Pause the consortium", "Remove"):
        assert (offer in said) == is_connected
    assert any("no way to the chain" in one for one in said) != is_connected


def driver(client, **changes):
    given = {"account": {}, "wallet": {"held_ueur": 5, "wallet": "own"}, "is_connected": True}
    given |= changes
    visit = FakeVisit(
        {
            "/consortium": CONSORTIUM | {"is_connected": given["is_connected"]},
            "/lot": {"is_replay": True},
            "/sessions/s-1/outlook": OUTLOOK,
            "/accounts/7": ACCOUNT | given["account"],
            "/accounts/7/wallet": given["wallet"],
            "/movements": {"items": [], "next": None},
        }
    )
    client.run(DriverView(visit, "s-1").build())
    return visit, " ".join(shown(client))


def test_a_driver_whose_limits_are_in_force_sees_them(client):
    _, said = driver(client)
    assert "buys at up to 0.45 EUR/kWh" in said
    assert "Withdraw my limits" in said


def test_a_driver_whose_limits_ended_is_told_so(client):
    _, said = driver(client, account={"is_in_force": False})
    assert "These limits ended" in said
    assert "buys at up to" not in said
    assert "Withdraw my limits" not in said


def test_nothing_can_be_pressed_before_the_account_is_known(client):
    visit = FakeVisit({"/consortium": CONSORTIUM, "/lot": {"is_replay": False}})

    async def not_yet(_refresh):
        pass

    visit.every = not_yet
    client.run(DriverView(visit, "s-1").build())
    said = shown(client)
    assert "Show what I sign" not in said
    assert "This vehicle has no account on the chain." not in said


def test_a_chain_that_does_not_answer_is_not_one_that_is_not_there(client):
    _, said = driver(client, wallet=Problem(503, "the network does not answer"))
    assert "does not answer just now" in said
    assert "no way to the chain" not in said
    assert "Show what I sign" in said


def test_without_a_way_to_the_chain_a_driver_is_offered_nothing_to_sign(client):
    visit, said = driver(client, is_connected=False)
    assert "no way to the chain" in said
    assert "Show what I sign" not in said
    assert "Withdraw my limits" not in said
    assert "/accounts/7/wallet" not in visit.asked


def test_the_wallet_is_asked_when_the_account_changed_or_something_was_sent():
    visit = FakeVisit({"/accounts/7/wallet": {"held_ueur": 5}})
    now = 0.0
    wallet = Wallet(visit, is_connected=True, clock=lambda: now)

    def asked(account):
        before = len(visit.asked)
        asyncio.run(wallet.look(account))
        return len(visit.asked) - before

    assert asked(ACCOUNT) == 1
    assert [asked(ACCOUNT) for _ in range(3)] == [0, 0, 0]
    assert asked(ACCOUNT | {"free_ueur": 2}) == 1
    wallet.forget()
    assert asked(ACCOUNT | {"free_ueur": 2}) == 1
    now += KEPT_S
    assert asked(ACCOUNT | {"free_ueur": 2}) == 1
    visit.answers["/accounts/7/wallet"] = Problem(503, "the network does not answer")
    wallet.forget()
    assert asked(ACCOUNT) == 1
    assert (wallet.found, wallet.way) == (None, "away")
    assert asked(ACCOUNT) == 0
    visit.answers["/accounts/7/wallet"] = {"held_ueur": 6}
    now += AWAY_S
    assert asked(ACCOUNT) == 1
    assert (wallet.found, wallet.way) == ({"held_ueur": 6}, "open")
