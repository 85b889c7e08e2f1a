from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lot_sessions import sessions
from trading.fleet import Thresholds
from trading.lot import LotRules, LotRun, Terms, accounts_of, simulate_lot
from trading.market import PRIORITIES
from trading.market.book import Fills
from trading.operators.replica import Replica

RULES = st.builds(
    LotRules,
    interval_s=st.sampled_from([300, 900, 3600]),
    thresholds=st.just(Thresholds()),
    guarantee=st.sampled_from(["consent", "whole"]),
    v2g_share=st.sampled_from([0.0, 0.5, 1.0]),
    departures=st.sampled_from(["actual", "estimated"]),
    seed=st.integers(0, 3),
)
TERMS = st.builds(
    Terms,
    price=st.none() | st.integers(0, 600_000),
    limits=st.booleans(),
)


def run_of(table: pd.DataFrame, rules: LotRules, terms: Terms) -> LotRun:
    return simulate_lot(table, rules=rules, terms=terms, mechanism=PRIORITIES["pro-rata"])


def content_at_departure(run: LotRun) -> np.ndarray:
    efficiency = run.stays.rules.efficiency
    drawn = run.from_grid_wh + run.from_peers_wh
    assert (run.gained_wh == efficiency.stored(drawn)).all()
    assert (run.gave_wh == efficiency.drawn(run.to_peers_wh)).all()
    return run.stays.content_wh + run.gained_wh - run.gave_wh


@given(table=sessions(), rules=RULES, terms=TERMS)
def test_energy_and_money_balance_to_the_last_unit(table, rules, terms):
    run = run_of(table, rules, terms)
    books = accounts_of(run)
    assert books.energy.residual_wh == 0
    assert books.money.residual_ueur == 0
    assert books.energy.cable_wh == 0
    assert run.peers_wh.sum() == run.from_peers_wh.sum() == run.to_peers_wh.sum()
    assert run.grid_wh.sum() == run.from_grid_wh.sum()
    assert run.trades["energy_wh"].sum() == run.peers_wh.sum() + run.shortfall_wh


@given(table=sessions(), rules=RULES, terms=TERMS)
def test_batteries_stay_within_their_capacity_and_nothing_is_negative(table, rules, terms):
    run = run_of(table, rules, terms)
    content = content_at_departure(run)
    assert (content >= 0).all()
    assert (content <= run.stays.capacity_wh).all()
    for energy in (run.from_grid_wh, run.from_peers_wh, run.to_peers_wh, run.grid_wh):
        assert (energy >= 0).all()


@given(table=sessions(), rules=RULES, terms=TERMS)
def test_only_sellers_leave_with_less_than_without_trading(table, rules, terms):
    run = run_of(table, rules, terms)
    stays = run.stays
    alone = run.alone_wh
    drawn = run.from_grid_wh + run.from_peers_wh
    others = ~stays.is_seller
    assert (drawn[others] == alone[others]).all()
    assert (run.to_peers_wh[others] == 0).all()
    assert (run.from_peers_wh[stays.is_seller] == 0).all()


@given(table=sessions(), rules=RULES, terms=TERMS)
def test_sellers_sell_only_what_they_brought_above_threshold_and_reserve(table, rules, terms):
    run = run_of(table, rules, terms)
    stays = run.stays
    kept = np.maximum(rules.thresholds.seller, stays.table["reserve_soc"].to_numpy())
    gave = rules.efficiency.drawn(run.to_peers_wh)
    sellers = stays.is_seller & (run.to_peers_wh > 0)
    floor_wh = (kept * stays.capacity_wh)[sellers]
    assert (stays.content_wh[sellers] - gave[sellers] >= floor_wh - 1e-6).all()


@given(table=sessions(), rules=RULES)
def test_whole_leaves_nobody_with_less_when_departures_are_known(table, rules):
    known = LotRules(guarantee="whole", departures="actual", interval_s=rules.interval_s)
    run = run_of(table, known, Terms(limits=False))
    stays = run.stays
    alone = stays.content_wh + known.efficiency.stored(run.alone_wh)
    assert (content_at_departure(run) >= alone).all()


@given(table=sessions(), rules=RULES)
def test_trading_takes_no_charging_away_from_anyone_when_departures_are_known(table, rules):
    known = replace(rules, departures="actual")
    run = run_of(table, known, Terms(limits=False))
    alone = run.alone_wh
    assert (run.from_grid_wh + run.from_peers_wh >= alone).all()


@given(table=sessions(), rules=RULES)
def test_operators_replay_what_every_meter_has_drawn(table, rules):
    known = replace(rules, departures="actual")
    run = run_of(table, known, Terms(limits=False))
    replica = Replica(run.stays, run.terms)
    for start, trades in run.trades.groupby("interval_start"):
        fills = Fills(
            buyer=np.array([run.stays.code_of(name) for name in trades["buyer_id"]]),
            seller=np.array([run.stays.code_of(name) for name in trades["seller_id"]]),
            energy_wh=trades["energy_wh"].to_numpy(),
            price_ueur_per_kwh=trades["price_ueur_per_kwh"].to_numpy(),
            seller_price_ueur_per_kwh=trades["seller_price_ueur_per_kwh"].to_numpy(),
        )
        replica.add("batch", int(start.timestamp()), fills)
    end_s = int(run.start_s[-1]) + known.interval_s
    assert (replica.at(end_s).drawn_wh == run.from_grid_wh + run.from_peers_wh).all()
    halfway = int(run.start_s[len(run.start_s) // 2])
    earlier = replica.at(halfway).drawn_wh.copy()
    assert (earlier <= replica.at(end_s).drawn_wh).all()
    assert (replica.at(halfway).drawn_wh == earlier).all()


@given(table=sessions(), rules=RULES, terms=TERMS)
def test_buyers_pay_no_more_for_energy_than_their_ceiling_when_limits_hold(table, rules, terms):
    limited = Terms(price=terms.price, limits=True)
    run = run_of(table, rules, limited)
    floor = limited.floor(rules.guarantee, rules.efficiency)
    assert (run.trades["price_ueur_per_kwh"] <= limited.ceiling()).all()
    assert (run.trades["seller_price_ueur_per_kwh"] >= floor).all()


@given(table=sessions(), rules=RULES, terms=TERMS, data=st.data())
def test_row_order_changes_nothing(table, rules, terms, data):
    shuffled = table.iloc[data.draw(st.permutations(range(len(table))))]
    one = accounts_of(run_of(table, rules, terms))
    other = accounts_of(run_of(shuffled, rules, terms))
    pd.testing.assert_frame_equal(one.vehicles, other.vehicles)
    pd.testing.assert_frame_equal(one.load, other.load)


@given(table=sessions(), rules=RULES, terms=TERMS)
def test_a_day_whose_trades_are_all_refused_is_the_grid_only_day(table, rules, terms):
    run = simulate_lot(
        table,
        rules=rules,
        terms=terms,
        mechanism=PRIORITIES["pro-rata"],
        agree=lambda _start, trades: trades.iloc[:0],
    )
    assert (run.grid_wh == run.grid_only_wh).all()
    assert run.trades.empty


@given(table=sessions(), rules=RULES)
def test_interval_length_does_not_change_uncontrolled_charging(table, rules):
    flat = replace(rules, acceptance=None)
    one = run_of(table, flat, Terms())
    other = run_of(table, replace(flat, interval_s=60), Terms())
    assert (one.alone_wh == other.alone_wh).all()


@given(table=sessions(), rules=RULES)
def test_interval_length_changes_a_tapering_charge_by_its_rounding_alone(table, rules):
    one = run_of(table, rules, Terms())
    other = run_of(table, replace(rules, interval_s=60), Terms())
    assert (np.abs(one.alone_wh - other.alone_wh) <= len(other.start_s)).all()


@pytest.mark.parametrize("mechanism", PRIORITIES)
@given(table=sessions(), rules=RULES)
def test_agreeing_on_chain_or_off_gives_the_same_day(mechanism, table, rules):
    kwargs = {"rules": rules, "terms": Terms(limits=False), "mechanism": PRIORITIES[mechanism]}
    one = simulate_lot(table, **kwargs)
    other = simulate_lot(table, agree=lambda _start, trades: trades, **kwargs)
    pd.testing.assert_frame_equal(one.trades, other.trades)
    assert (one.grid_wh == other.grid_wh).all()
