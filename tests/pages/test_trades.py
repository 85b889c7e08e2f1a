"""The lists of trades: whose money is shown, by what name others go, what is said of no rows."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

import pytest

from tests.pages.test_acts import FakeVisit, shown
from trading.pages.parts import Rows
from trading.pages.trade import _Path
from trading.pages.trades import _Trades
from trading.web.auth import Principal, Role
from trading.web.problems import Problem

TRADE = {
    "interval_start": "2026-01-01T00:00:00Z", "trade_id": "20260101T0000Z-000",
    "batch_id": "0x" + "1" * 64, "position": 0, "lot": 1,
    "buyer_id": "b", "seller_id": "s", "buyer_account": 7, "seller_account": 9,
    "energy_wh": 3_017, "price_ueur_per_kwh": 419_000, "cost_ueur": 1_264_123,
    "seller_price_ueur_per_kwh": 409_000, "income_ueur": 1_233_953, "state": "settled",
}  # fmt: skip
HIDDEN_BUYER = TRADE | {"buyer_id": None, "buyer_account": None}
HIDDEN_SELLER = TRADE | {"seller_id": None, "seller_account": None}
NAMELESS = TRADE | {"buyer_id": None, "seller_id": None}


class Visit(FakeVisit):
    """Of a role, on a page with this address; what is refused is told by a banner of its own."""

    def __init__(self, answers, role, *, query=None, path=None):
        super().__init__(answers)
        principal = Principal(subject="somebody", roles=frozenset({role}), expires_at=0)
        self.who = SimpleNamespace(principal=principal)
        self.request = SimpleNamespace(query_params=query or {}, path_params=path or {})

    async def every(self, refresh):
        self.refresh = refresh
        with suppress(Problem):
            await refresh()


def listed(client, trades, *, role=Role.AGGREGATOR, following=None, **query):
    """The list that a visitor sees, and the visit."""
    answer = trades if isinstance(trades, Problem) else {"items": trades, "next": following}
    visit = Visit({"/trades": answer}, role, query=query)
    client.run(_Trades(visit).build())
    return visit


def table(client):
    (found,) = [one for one in client.elements.values() if isinstance(one, Rows)]
    return found.props["columns"], found.props["rows"]


def links(client):
    """What can be pressed that leads somewhere: words and address."""
    return [
        (one.text, one.props["href"])
        for one in client.elements.values()
        if one.tag == "a" and all(part.visible for part in [one, *one.ancestors()])
    ]


def test_a_driver_sees_what_its_own_vehicle_paid_or_received(client):
    listed(client, [HIDDEN_SELLER, HIDDEN_BUYER, TRADE], role=Role.DRIVER)
    columns, rows = table(client)
    assert columns[4:6] == ["Price", "Paid (−), got (+)"]
    assert [row[4:6] for row in rows] == [
        ["0.419 EUR/kWh", "−1.26 EUR"],
        ["0.409 EUR/kWh", "+1.23 EUR"],
        ["0.419 EUR/kWh / 0.409 EUR/kWh", "−1.26 EUR / +1.23 EUR"],
    ]
    assert rows[0][1:3] == ["b", "another vehicle"]


@pytest.mark.parametrize("role", [Role.AGGREGATOR, Role.OPERATOR, Role.AUTHORITY])
def test_others_are_told_that_it_is_the_buyers_money(client, role):
    listed(client, [TRADE], role=role)
    columns, (row,) = table(client)
    assert dict(zip(columns, row, strict=True)) | {
        "Buyer's price": "0.419 EUR/kWh", "Buyer pays": "1.26 EUR"
    } == dict(zip(columns, row, strict=True))  # fmt: skip


def test_who_knows_accounts_alone_is_told_these(client):
    listed(client, [NAMELESS], role=Role.AUTHORITY)
    assert table(client)[1][0][1:3] == ["account 7", "account 9"]


def test_nothing_is_said_of_trades_before_the_first_answer(client):
    visit = listed(client, Problem(503, "the database cannot be read just now"), state="pending")
    assert links(client) == []
    assert not any("trade" in one.lower() for one in shown(client))
    visit.answers["/trades"] = {"items": [TRADE], "next": "more"}
    client.run(visit.refresh())
    assert links(client) == 2 * [
        ("Earlier", "/trades?state=pending&cursor=more"),
        ("All as CSV", "/trades.csv?state=pending"),
    ]


@pytest.mark.parametrize("status", [404, 422])
def test_a_cursor_that_is_none_leads_to_the_latest(client, status):
    visit = listed(client, Problem(status, "no such cursor"), state="settled", cursor="garbage")
    assert "There is nothing earlier here." in shown(client)
    assert links(client) == [("Latest", "/trades?state=settled")]
    client.run(visit.refresh())
    assert visit.asked == ["/trades"], "it is not asked again"


def test_no_rows_behind_a_cursor_lead_to_the_latest(client):
    listed(client, [], state="pending", cursor="of a page before")
    assert "There is nothing earlier here." in shown(client)
    assert "There are no such trades yet." not in shown(client)
    assert links(client) == [("Latest", "/trades?state=pending")]


def test_the_last_page_leads_to_the_latest_alone(client):
    listed(client, [TRADE], cursor="of a page before")
    assert links(client) == 2 * [("Latest", "/trades"), ("All as CSV", "/trades.csv")]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "There are no such trades yet."),
        ({"state": "written"}, "No trade is in this state now."),
    ],
)
def test_what_is_said_where_there_are_none(client, query, said):
    listed(client, [], **query)
    assert said in shown(client)
    assert links(client) == []


def path(client, trade, role):
    answers = {
        f"/trades/{trade['trade_id']}": trade | {"history": []},
        f"/batches/{trade['batch_id']}": {
            "written_at": "2026-01-01T00:00:00Z", "batch_id": trade["batch_id"], "n_trades": 1,
            "why": "",
        },
        "/orders": [],
        "/consortium": {"quorum": 2},
        "/lot": {"is_replay": False},
    }  # fmt: skip
    visit = Visit(answers, role, path={"trade_id": trade["trade_id"]})
    client.run(_Path(visit).build())
    return shown(client)


def test_the_path_of_a_trade_shows_a_seller_what_it_got(client):
    said = path(client, HIDDEN_BUYER, Role.DRIVER)
    assert "+1.23 EUR" in said
    assert "1.26 EUR" not in said


def test_the_path_of_a_trade_shows_others_both_sides(client):
    said = path(client, NAMELESS, Role.AUTHORITY)
    for part in ("Buyer pays", "1.26 EUR", "Seller gets", "1.23 EUR"):
        assert part in said
    assert any("from account 9 to account 7" in one for one in said)
