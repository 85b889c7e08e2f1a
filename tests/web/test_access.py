"""Who may what: every route with every role, and a driver's own vehicles alone."""

from __future__ import annotations

import pytest

from tests.web.lot import api_over
from trading.web import RateLimit
from trading.web.app import roles_of, routes_of

ROLES = ("driver", "aggregator", "operator", "authority")
EVERYBODY = set(ROLES)
LOT = {"driver", "aggregator", "operator"}
CONSORTIUM = {"aggregator", "operator", "authority"}

MATRIX = {
    ("GET", "/health"): None,
    ("GET", "/api/v1/me"): EVERYBODY,
    ("GET", "/api/v1/sessions"): LOT,
    ("POST", "/api/v1/sessions"): {"aggregator"},
    ("GET", "/api/v1/sessions/{session_id}"): LOT,
    ("GET", "/api/v1/lot"): EVERYBODY,
    ("GET", "/api/v1/savings"): EVERYBODY,
    ("GET", "/api/v1/vehicles"): LOT,
    ("GET", "/api/v1/orders"): LOT,
    ("GET", "/api/v1/trades"): EVERYBODY,
    ("GET", "/api/v1/trades/{trade_id}"): EVERYBODY,
    ("GET", "/api/v1/batches"): CONSORTIUM,
    ("GET", "/api/v1/batches/{batch_id}"): CONSORTIUM,
    ("GET", "/api/v1/accounts"): EVERYBODY,
    ("GET", "/api/v1/accounts/{account}"): EVERYBODY,
    ("GET", "/api/v1/movements"): EVERYBODY,
    ("GET", "/api/v1/operators"): EVERYBODY,
    ("GET", "/api/v1/operator-nodes"): {"operator"},
    ("GET", "/api/v1/operator-nodes/{operator}/batches"): {"operator"},
    ("GET", "/api/v1/operator-nodes/{operator}/batches/{batch_id}"): {"operator"},
    ("POST", "/api/v1/operator-nodes/{operator}/batches/{batch_id}/answer"): {"operator"},
    ("GET", "/api/v1/consortium"): EVERYBODY,
    ("GET", "/api/v1/consortium/changes"): EVERYBODY,
    ("POST", "/api/v1/consortium/changes/preview"): {"authority"},
    ("POST", "/api/v1/consortium/changes"): {"authority"},
    ("GET", "/api/v1/sessions/{session_id}/outlook"): LOT,
    ("GET", "/api/v1/accounts/{account}/wallet"): {"driver"},
    ("POST", "/api/v1/acts/preview"): {"driver"},
    ("POST", "/api/v1/acts"): {"driver", "aggregator"},
    ("POST", "/api/v1/acts/simulated"): {"driver"},
    ("POST", "/api/v1/deposits/preview"): {"driver"},
    ("POST", "/api/v1/deposits/simulated"): {"driver"},
    ("GET", "/api/v1/load"): EVERYBODY,
    ("GET", "/api/v1/prices"): EVERYBODY,
    ("GET", "/api/v1/events"): EVERYBODY,
    ("GET", "/api/v1/journal"): EVERYBODY,
    ("GET", "/api/v1/runs"): CONSORTIUM,
    ("GET", "/api/v1/runs/{run}"): CONSORTIUM,
    ("GET", "/api/v1/runs/{run}/tables/{table}"): CONSORTIUM,
    ("GET", "/api/v1/runs/{run}/tables/{table}/whole"): CONSORTIUM,
    ("GET", "/api/v1/runs/{run}/figures/{figure}"): CONSORTIUM,
    ("GET", "/api/v1/runs/{run}/report"): CONSORTIUM,
    ("GET", "/api/v1/studies/options"): CONSORTIUM,
    ("GET", "/api/v1/studies"): CONSORTIUM,
    ("POST", "/api/v1/studies"): CONSORTIUM,
    ("GET", "/api/v1/studies/{study}"): CONSORTIUM,
    ("POST", "/api/v1/studies/{study}/cancel"): CONSORTIUM,
}
"""Decided here once more, by hand: what a route lets in is not what the route says."""

NODE = f"0x{7:040x}"
"""Whose node an operator may act for."""


def call(api, method, path, headers):
    place = path.format(session_id="x", trade_id="x", batch_id="x", account=1, run="x", table="x",
                        figure="x", operator=NODE, study="x")  # fmt: skip
    body = {"json": []} if method == "POST" else {}
    return api.client.request(method, place, headers=headers, **body)


def test_every_route_is_in_the_matrix(api):
    told = api.client.get("/api/v1/openapi.json").json()["paths"]
    found = {(m.upper(), path): told[path][m]["x-roles"] for path in told for m in told[path]}
    assert {key: set(roles) or None for key, roles in found.items()} == MATRIX


def test_no_route_is_open_by_accident(filled):
    from tests.durable.lot import MARKET, PSEUDONYMS
    from trading.store import open_database
    from trading.web import DevelopmentIssuer, Source, create_app

    with open_database(str(filled.file), alone=False) as database:
        issuer = DevelopmentIssuer()
        app = create_app(
            Source(database=database, publication=MARKET, tag_of=PSEUDONYMS.find), issuer.tokens()
        )
        routes = routes_of(app)
        assert len(routes) == len(MATRIX)
        assert [route.path for route in routes if roles_of(route) is None] == ["/health"]


@pytest.mark.parametrize(("method", "path"), MATRIX)
@pytest.mark.parametrize("role", [*ROLES, None])
def test_a_route_lets_in_its_roles_alone(api, method, path, role):
    roles = MATRIX[method, path]
    answer = call(api, method, path, api.bearer(role, owners=[NODE]) if role else {})
    if roles is None or (role is not None and role in roles):
        assert answer.status_code not in (401, 403)
    else:
        assert answer.status_code == (401 if role is None else 403)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["hint"]


def test_a_role_nobody_knows_is_none(api):
    answer = api.get("/me", "root")
    assert answer.status_code == 403
    assert "role" in answer.json()["detail"]


def test_a_driver_sees_its_own_vehicles_alone(api, filled):
    mine, as_driver = filled.driver, {"role": "driver", "sessions": [filled.driver]}
    assert [row["session_id"] for row in api.items("/sessions", **as_driver)] == [mine]
    other = next(row["session_id"] for row in api.items("/sessions") if row["session_id"] != mine)
    assert api.get(f"/sessions/{mine}", **as_driver).status_code == 200
    assert api.get(f"/sessions/{other}", **as_driver).status_code == 404
    at = filled.trades.loc[filled.trades["seller_id"] == mine, "interval_start"].max().isoformat()
    for path in ("/vehicles", "/orders"):
        rows = api.items(path, params={"at": at}, **as_driver)
        assert {row["session_id"] for row in rows} <= {mine}
        assert rows or path == "/orders"
    trades = api.all_items("/trades", **as_driver)
    expected = filled.trades[(filled.trades[["buyer_id", "seller_id"]] == mine).any(axis=1)]
    assert len(trades) == len(expected) > 0
    assert {t["seller_id"] for t in trades} | {t["buyer_id"] for t in trades} == {mine, None}
    assert {t["buyer_account"] for t in trades if t["buyer_id"] is None} == {None}
    foreign = api.items("/trades", params={"session_id": other}, **as_driver)
    assert foreign == []
    hidden = filled.trades[~filled.trades["trade_id"].isin([t["trade_id"] for t in trades])]
    assert api.get(f"/trades/{hidden['trade_id'].iloc[0]}", **as_driver).status_code == 404


def test_a_driver_is_known_by_the_owner_of_its_account_too(api, filled):
    by_id = api.items("/accounts", "driver", sessions=[filled.driver])
    by_owner = api.items("/accounts", "driver", owners=[filled.owner.upper().replace("X", "x")])
    assert by_id == by_owner
    assert [row["owner"] for row in by_owner] == [filled.owner]
    assert api.get("/me", "driver", owners=[filled.owner]).json()["sessions"] == [filled.driver]
    moved = api.all_items("/movements", "driver", owners=[filled.owner])
    assert {row["account"] for row in moved} == {by_owner[0]["account"]}
    other = by_owner[0]["account"] + 1
    assert api.get(f"/accounts/{other}", "driver", owners=[filled.owner]).status_code == 404


def test_a_driver_without_vehicles_sees_none(api):
    for path in ("/sessions", "/vehicles", "/orders", "/trades", "/accounts", "/movements",
                 "/events"):  # fmt: skip
        assert api.items(path, "driver") == []
    seen = api.all_items("/journal", "driver", limit=100)
    assert {entry["name"] for entry in seen} == {"IntervalCleared"}


def test_a_driver_sees_events_of_its_own_alone(api, filled):
    events = api.all_items("/events", "driver", sessions=[filled.driver], limit=50)
    batches = {t["batch_id"] for t in api.all_items("/trades", "driver", sessions=[filled.driver])}
    assert {e["batch_id"] for e in events} - {""} == batches
    account = api.items("/accounts", "driver", sessions=[filled.driver])[0]["account"]
    others = [e for e in events if not e["batch_id"]]
    assert {e["arguments"]["account"] for e in others} == {account}
    assert all(e["actor"] is None for e in events)
    told = {key for e in events if e["batch_id"] for key in e["arguments"]}
    assert told <= {"deadline", "operator", "seat", "reason"}


def test_a_driver_sees_the_journals_entries_of_its_own_alone(api, filled):
    seen = api.all_items("/journal", "driver", sessions=[filled.driver], limit=100)
    sessions = {entry["session_id"] for entry in seen if entry["session_id"]}
    assert sessions == {filled.driver}
    batches = {t["batch_id"] for t in api.all_items("/trades", "driver", sessions=[filled.driver])}
    assert {entry["batch_id"] for entry in seen if entry["batch_id"]} == batches


def test_the_authority_sees_the_journal_without_sessions(api):
    seen = api.all_items("/journal", "authority", limit=100)
    everything = api.all_items("/journal", limit=100)
    assert seen == [entry for entry in everything if entry["session_id"] is None]
    assert len(seen) < len(everything)


def test_the_authority_sees_trades_without_whose(api, filled):
    trades = api.all_items("/trades", "authority", limit=100)
    assert len(trades) == len(filled.trades)
    assert {t["buyer_id"] for t in trades} | {t["seller_id"] for t in trades} == {None}
    assert all(t["buyer_account"] is not None for t in trades)
    assert api.items("/trades", "authority", params={"session_id": filled.driver}) == []
    assert {a["session_id"] for a in api.items("/accounts", "authority")} == {None}
    assert api.items("/accounts", "authority", params={"session_id": filled.driver}) == []


def test_too_many_requests_wait(filled):
    with api_over(filled.file, rates=RateLimit(0.001, 3)) as api:
        found = [api.get("/me") for _ in range(4)]
        assert [answer.status_code for answer in found] == [200, 200, 200, 429]
        assert int(found[-1].headers["retry-after"]) > 1
        assert api.get("/me", "driver").status_code == 200
        bad = [api.client.get("/api/v1/me").status_code for _ in range(4)]
        assert bad == [401, 401, 401, 429]


def test_browsers_of_other_sites_are_let_in_only_where_named(filled):
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    with api_over(filled.file) as api:
        answer = api.client.options("/api/v1/me", headers=preflight)
        assert "access-control-allow-origin" not in answer.headers
    with api_over(filled.file, cors_origins=["https://a.example"]) as api:
        answer = api.client.options("/api/v1/me", headers=preflight)
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        stranger = preflight | {"Origin": "https://b.example"}
        answer = api.client.options("/api/v1/me", headers=stranger)
        assert "access-control-allow-origin" not in answer.headers


def test_every_answer_has_headers_that_protect(api):
    for path in ("/health", "/api/v1/me", "/nowhere"):
        headers = api.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"


def test_a_body_that_is_too_large_is_refused(api):
    answer = api.client.post(
        "/api/v1/sessions",
        content=b" " * 4_000_001,
        headers=api.bearer("aggregator") | {"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
