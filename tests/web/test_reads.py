"""What the routes show is what engine and chain have."""

from __future__ import annotations

import datetime as dt
import io
import json
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, func, insert, select

from tests.web.lot import api_over
from trading.store import open_database
from trading.store.schema import BATCHES, LEFT_OUT, MIRROR_EVENTS, TRADES


def test_trades_are_those_of_the_engine(api, filled):
    shown = pd.DataFrame(api.all_items("/trades", limit=5)).set_index(["batch_id", "position"])
    expected = filled.trades
    assert len(shown) == len(expected) > 10
    columns = ["trade_id", "buyer_id", "seller_id", "energy_wh", "price_ueur_per_kwh", "cost_ueur",
               "seller_price_ueur_per_kwh", "income_ueur"]  # fmt: skip
    by_id = shown.sort_values("trade_id")[[*columns, "state"]].reset_index(drop=True)
    other = expected.sort_values("trade_id").reset_index(drop=True)
    other = other.assign(state=other["status"])[[*columns, "state"]]
    assert by_id.astype(str).equals(other.astype(str))


def test_a_rejected_batch_says_who_and_why(api, filled):
    batch = api.get(f"/batches/{filled.rejected}").json()
    assert batch["state"] == "refunded"
    assert batch["was"] == "rejected"
    rejections = [vote for vote in batch["votes"] if vote["vote"] == "rejected"]
    assert len(rejections) == batch["rejections"] == 2
    assert all(vote["reason"] for vote in rejections)
    assert "rejected:" in batch["why"]
    trades = api.items("/trades", params={"batch_id": filled.rejected})
    assert {trade["state"] for trade in trades} == {"rejected"}


def test_a_trade_tells_its_life(api):
    trade = api.items("/trades", params={"state": "settled", "limit": 1})[0]
    history = api.get(f"/trades/{trade['trade_id']}").json()["history"]
    events = [step["event"] for step in history]
    assert events[:2] == ["Written", "BatchSubmitted"]
    assert events.count("BatchConfirmedBy") == 3
    assert events[-2:] == ["BatchConfirmed", "BatchSettled"]


def test_accounts_and_movements_are_the_chains(api, filled):
    account = api.items("/accounts", params={"session_id": filled.driver})[0]
    assert account["owner"] == filled.owner
    assert api.get(f"/accounts/{account['account']}").json() == account
    moved = api.items("/movements", params={"account": account["account"], "order": "desc"})
    assert moved[0]["kind"] == "withdrawal"
    assert moved[0]["amount_ueur"] == filled.withdrawn_ueur
    every = api.all_items("/movements")
    paid_in = sum(m["amount_ueur"] for m in every if m["kind"] == "deposit")
    taken_out = sum(m["amount_ueur"] for m in every if m["kind"] == "withdrawal")
    held = sum(a["free_ueur"] + a["locked_ueur"] for a in api.all_items("/accounts"))
    assert held == paid_in - taken_out


def test_limits_end_with_their_last_second_on_the_chain(api, filled):
    account = next(one for one in api.all_items("/accounts") if one["valid_until"])
    ends = int(dt.datetime.fromisoformat(account["valid_until"]).timestamp())
    with api.source.look() as connection:
        latest = connection.execute(select(func.max(MIRROR_EVENTS.c.time))).scalar_one()
    assert ends > latest, "the day is within the limits"
    for now, is_in_force in ((0, True), (ends, True), (ends + 1, False)):
        with api_over(filled.file, clock=lambda now=now: float(now)) as other:
            row = other.get(f"/accounts/{account['account']}").json()
            assert row["is_in_force"] is is_in_force
            assert row in other.all_items("/accounts")
    none = [one for one in api.all_items("/accounts") if one["valid_until"] is None]
    assert not any(one["is_in_force"] for one in none)


def test_operators_and_consortium_are_the_chains(api):
    operators = api.items("/operators")
    assert [one["seat"] for one in operators] == [0, 1, 2, 3]
    batches = api.all_items("/batches")
    for what in ("confirmations", "rejections"):
        assert sum(one[what] for one in operators) == sum(batch[what] for batch in batches) > 0
    rules = api.get("/consortium").json()
    assert rules["quorum"] == 3
    assert rules["n_operators"] == 4
    assert rules["highest_price_ueur_per_kwh"] == 1_000_000
    assert [lot["is_open"] for lot in rules["lots"]] == [True]
    assert not rules["is_connected"], "this service has no way to the chain"


def test_orders_are_what_the_engine_traded(api, filled):
    """At the time of each market the orders cover its trades, with the same parties."""
    trades = filled.trades
    starts = sorted(set(trades["interval_start"]))
    for start in starts[1:4]:
        at = (start - pd.Timedelta(minutes=1)).isoformat()
        orders = {row["session_id"]: row for row in api.items("/orders", params={"at": at})}
        of_interval = trades[trades["interval_start"] == start]
        for side, column in (("buy", "buyer_id"), ("sell", "seller_id")):
            for name, energy in of_interval.groupby(column)["energy_wh"].sum().items():
                assert orders[name]["side"] == side
                assert orders[name]["energy_wh"] >= energy


def test_vehicles_have_drawn_what_was_confirmed(api, filled):
    confirmed = filled.trades[filled.trades["status"] == "settled"]
    at = confirmed["interval_start"].max()
    before = confirmed[confirmed["interval_start"] < at]
    rows = {row["session_id"]: row for row in api.items("/vehicles", params={"at": at.isoformat()})}
    assert rows
    for name, row in rows.items():
        bought = before.loc[before["buyer_id"] == name, "energy_wh"].sum()
        assert row["from_peers_wh"] == bought
        assert row["role"] in ("buyer", "seller", "neutral")


def test_load_and_prices_tell_of_the_same_energy(api, filled):
    confirmed = filled.trades[filled.trades["status"] == "settled"]
    first, last = (t.isoformat() for t in (
        confirmed["interval_start"].min(),
        confirmed["interval_start"].max() + pd.Timedelta(minutes=15),
    ))  # fmt: skip
    params = {"since": first, "until": last}
    prices = api.all_items("/prices", params=params)
    load = api.all_items("/load", params=params)
    assert sum(row["energy_wh"] for row in prices) == confirmed["energy_wh"].sum()
    assert sum(row["p2p_w"] for row in load) / 4 == pytest.approx(confirmed["energy_wh"].sum())
    assert max(r["with_p2p_w"] for r in load) <= max(r["grid_only_w"] for r in load)


LISTS = ("/sessions", "/trades", "/batches", "/accounts", "/movements", "/operators", "/events",
         "/vehicles", "/orders", "/load", "/prices")  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_formats_hold_the_same_rows(api, filled, path):
    at = filled.trades["interval_start"].iloc[-1].isoformat()
    params = {"limit": 20} | ({"at": at} if path in ("/vehicles", "/orders") else {})
    rows = api.items(path, params=params)
    assert rows
    as_csv = api.get(path, params=params, headers={"Accept": "text/csv"})
    as_parquet = api.get(path, params=params, headers={"Accept": "application/vnd.apache.parquet"})
    assert as_csv.headers["content-type"].startswith("text/csv")
    table = pd.read_csv(io.StringIO(as_csv.text), dtype=str, keep_default_na=False)
    frame = pq.read_table(io.BytesIO(as_parquet.content)).to_pylist()
    for row, cells, values in zip(rows, table.to_dict("records"), frame, strict=True):
        assert list(row) == list(cells) == list(values)
        for name, value in row.items():
            if isinstance(value, list | dict):
                assert json.loads(cells[name]) == json.loads(values[name]) == value
            elif value is None:
                assert cells[name] == ""
                assert values[name] is None
            elif isinstance(values[name], dt.datetime):
                assert pd.Timestamp(value) == values[name] == pd.Timestamp(cells[name])
            elif isinstance(value, bool):
                assert cells[name] == str(value).lower()
            else:
                assert str(values[name]) == str(value) == cells[name]


def test_an_accept_header_that_fits_nothing_is_told_what_would(api):
    answer = api.get("/trades", headers={"Accept": "application/xml"})
    assert answer.status_code == 406
    assert answer.headers["content-type"] == "application/problem+json"
    assert "text/csv" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
    ],
)
def test_the_best_liked_format_is_given(api, header, kind):
    answer = api.get("/operators", headers={"Accept": header})
    assert answer.headers["content-type"].split(";")[0] == kind


def test_a_trade_that_was_written_again_tells_both_lives(filled, copied):
    """The contract refused its first batch because of another trade, which is left to the grid."""
    with open_database(copied) as database, database.begin() as connection:
        batch = connection.execute(
            select(BATCHES).where(BATCHES.c.outcome == "settled").order_by(BATCHES.c.start_s)
        ).first()
        values = dict(batch._mapping)
        refused = {"batch_id": "0x" + "1" * 64, "outcome": "refused", "note": "why not",
                   "written_at": batch.written_at - 5}  # fmt: skip
        waiting = {"batch_id": "0x" + "2" * 64, "outcome": "", "is_closed": False}
        for change in (refused, waiting):
            connection.execute(insert(BATCHES).values(**values | change))
        trade = connection.execute(
            select(TRADES).where(TRADES.c.batch_id == batch.batch_id, TRADES.c.position == 0)
        ).one()
        for change in ({}, {"position": 1, "trade_id": "left"}):
            row = dict(trade._mapping) | {"batch_id": refused["batch_id"]} | change
            connection.execute(insert(TRADES).values(**row))
        row = dict(trade._mapping) | {"batch_id": waiting["batch_id"], "trade_id": "new"}
        connection.execute(insert(TRADES).values(**row))
        connection.execute(
            insert(LEFT_OUT).values(
                trade_id="left", batch_id=refused["batch_id"], reason="no balance", content="{}"
            )
        )
    with api_over(copied) as api:
        told = api.get(f"/trades/{trade.trade_id}").json()
        assert told["batch_id"] == batch.batch_id
        assert told["state"] == "settled"
        events = [step["event"] for step in told["history"]]
        assert events[:4] == ["Written", "Refused", "Written", "BatchSubmitted"]
        assert told["history"][1]["reason"] == "why not"
        left = api.get("/trades/left").json()
        assert left["state"] == "refused"
        assert left["history"][-1]["event"] == "LeftOut"
        assert left["history"][-1]["reason"] == "no balance"
        listed = api.all_items("/trades", limit=100)
        assert len(listed) == len(filled.trades) + 1
        assert [row["trade_id"] for row in listed if row["state"] == "written"] == ["new"]
        both = api.items("/trades", params={"state": "refused"})
        assert {row["trade_id"] for row in both} == {trade.trade_id, "left"}
        states = {row["batch_id"]: row for row in api.all_items("/batches", limit=100)}
        assert states[refused["batch_id"]]["state"] == "refused"
        assert states[refused["batch_id"]]["note"] == "why not"
        assert states[waiting["batch_id"]]["state"] == "written"
        assert states[waiting["batch_id"]]["energy_wh"] == states[batch.batch_id]["energy_wh"]
        assert api.get(f"/batches/{waiting['batch_id']}").json()["why"]


def test_rules_follow_the_chain_and_its_reorganisations(copied):
    with api_over(copied) as api, open_database(copied) as database:
        assert api.get("/consortium").json()["quorum"] == 3
        with database.begin() as connection:
            last = connection.execute(
                select(MIRROR_EVENTS).order_by(MIRROR_EVENTS.c.block.desc()).limit(1)
            ).one()
            new = {"block": last.block + 1, "name": "QuorumSet", "arguments": '{"quorum": 2}',
                   "hash": "0x" + "9" * 64, "batch_id": ""}  # fmt: skip
            connection.execute(insert(MIRROR_EVENTS).values(**dict(last._mapping) | new))
        assert api.get("/consortium").json()["quorum"] == 2
        with database.begin() as connection:
            gone = MIRROR_EVENTS.c.block == last.block + 1
            connection.execute(delete(MIRROR_EVENTS).where(gone))
        assert api.get("/consortium").json()["quorum"] == 3


def test_reading_waits_for_nobody_who_writes(copied):
    """A look in the middle of an engine's transaction answers, and shows what was before it."""
    with api_over(copied) as api, open_database(copied) as database:
        before = api.all_items("/trades", limit=1000)
        with database.begin() as connection:
            connection.execute(delete(TRADES))
            assert api.all_items("/trades", limit=1000) == before
        assert api.items("/trades") == []


def test_a_replay_that_has_not_begun_stands_at_its_first_interval(tmp_path):
    from tests.durable.lot import MARKET, PSEUDONYMS, sessions
    from trading.engine.live import first_interval
    from trading.store import open_database
    from trading.store.sessions import SessionStore
    from trading.web import Source

    with open_database(str(tmp_path / "engine.db")) as database:
        came = sessions(4)
        SessionStore(database).add(came)
        source = Source(database=database, publication=MARKET, tag_of=PSEUDONYMS.find, replay=True)
        with source.look() as connection:
            assert source.lot_time_s(connection) == first_interval(MARKET, came)


def test_when_the_engine_last_looked_is_told(api):
    told = api.get("/consortium").json()["looked_at"]
    assert told == api.client.get("/health").json()["looked_at"]
    # It ended its day just now.
    assert 0 <= time.time() - dt.datetime.fromisoformat(told).timestamp() < 3_600


def test_what_an_engine_kept_of_its_looks_is_the_last(copied):
    with open_database(copied) as database:
        database.looked(1_000.5)
        database.looked(2_000.5)
    with api_over(copied) as api:
        assert api.get("/consortium").json()["looked_at"] == "1970-01-01T00:33:20.500000Z"
