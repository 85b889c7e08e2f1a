"""The books of the real day, told again by the plain replay, agree to the unit for each vehicle."""

from __future__ import annotations

import pytest

from tests.reference_lot import replay
from trading.data import load_sessions, sample_path
from trading.lot import LotRules, Terms, accounts_of, simulate_lot
from trading.market import MECHANISMS

DAYS = {"date": "2019-10-29"}, {"from_date": "2019-10-31", "to_date": "2019-11-03"}


@pytest.mark.parametrize("days", DAYS, ids=["one day", "four days"])
@pytest.mark.parametrize("departures", ["actual", "estimated"])
@pytest.mark.parametrize("guarantee", ["consent", "whole"])
@pytest.mark.parametrize("interval_s", [300, 900, 3600])
def test_books_agree_with_the_plain_replay(days, departures, guarantee, interval_s):
    sessions = load_sessions(sample_path(), format="acn", **days).frame
    rules = LotRules(guarantee=guarantee, departures=departures, interval_s=interval_s)
    run = simulate_lot(
        sessions, rules=rules, terms=Terms(limits=False), mechanism=MECHANISMS["pro-rata"]
    )
    books = accounts_of(run)
    assert len(run.trades) > 5
    told = replay(sessions, run.trades, step=interval_s, guarantee=guarantee)
    for row in books.vehicles.itertuples():
        vehicle = told[row.session_id]
        assert row.from_peers_wh == vehicle.from_peers
        assert row.from_grid_wh == vehicle.drawn - vehicle.from_peers
        assert row.to_peers_wh == vehicle.sold
        assert row.missing_wh == vehicle.missing()
        assert row.paid_peers_ueur == vehicle.paid_peers
        assert row.paid_grid_ueur == vehicle.paid_grid()
        assert row.earned_ueur == vehicle.earned
        assert row.replacement_cost_ueur == vehicle.replacement()
    assert books.cost_ueur == sum(vehicle.net_cost() for vehicle in told.values())


@pytest.mark.parametrize("share", [1.0, 0.11])
def test_the_grid_delivers_less_by_exactly_what_was_traded(share):
    sessions = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    run = simulate_lot(
        sessions,
        rules=LotRules(v2g_share=share),
        terms=Terms(),
        mechanism=MECHANISMS["pro-rata"],
    )
    traded = run.trades["energy_wh"].sum()
    assert traded > 0
    assert run.grid_only_wh.sum() - run.grid_wh.sum() == traded


def test_what_is_missing_is_what_was_sold_and_its_losses():
    sessions = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    rules = LotRules()
    run = simulate_lot(sessions, rules=rules, terms=Terms(), mechanism=MECHANISMS["pro-rata"])
    missing = accounts_of(run).vehicles.set_index("session_id")["missing_wh"]
    gave = rules.efficiency.drawn(run.to_peers_wh)
    assert (missing.reindex(run.stays.ids).to_numpy() == gave).all()
