"""Welfare, budget and fairness of any lot under any mechanism."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lot_sessions import sessions
from trading.lot import LotRules, Profile, Stays, Terms, accounts_of, simulate_lot
from trading.lot.optimal import PeerCosts, best_charging
from trading.market import MECHANISMS, PRIORITIES
from trading.market.pricing import PRICINGS
from trading.study.metrics import jain_index, metrics_of, optimum_metrics
from trading.study.replay import replayed

HOURS = LotRules(interval_s=3600, acceptance=None)
mechanisms = st.sampled_from(sorted(MECHANISMS))
spreads = st.sampled_from([0.0, 0.3, 1.0])


@given(sessions(max_stays=8), spreads, st.integers(0, 3))
@settings(max_examples=12, deadline=None)
def test_no_mechanism_has_more_welfare_than_the_optimum(
    day: pd.DataFrame, spread: float, seed: int
) -> None:
    rules, terms = replace(HOURS, seed=seed), Terms(replacement_spread=spread)
    stays = Stays(day, rules)
    floors = terms.floors(terms.replacements(stays.ids, seed), "consent", rules.efficiency)
    gap = 1e-6
    best = best_charging(
        stays,
        interval_s=rules.interval_s,
        tariff_ueur_per_kwh=terms.lot_tariff,
        peers=PeerCosts(floor_ueur_per_kwh=floors),
        gap=gap,
    )
    found = optimum_metrics(stays, terms, best, tariff_ueur_per_kwh=terms.lot_tariff)
    most = found["welfare_ueur"] + gap * best.cost_ueur + 1
    for mechanism in MECHANISMS.values():
        run = simulate_lot(day, rules=rules, terms=terms, mechanism=mechanism)
        assert metrics_of(run)["welfare_ueur"] <= most


@given(sessions(max_stays=8), mechanisms, spreads)
@settings(max_examples=40, deadline=None)
def test_welfare_is_what_drivers_and_lot_gain_but_for_rounding(
    day: pd.DataFrame, mechanism: str, spread: float
) -> None:
    terms = Terms(replacement_spread=spread)
    run = simulate_lot(day, rules=HOURS, terms=terms, mechanism=MECHANISMS[mechanism])
    books = accounts_of(run)
    gained = books.cost_grid_only_ueur - books.cost_ueur + books.money.lot_fee
    # A battery's Wh is rounded twice, at no more than twice the price at home; each bill once.
    slack = len(run.trades) * 2 + len(run.stays) * (3 * 2 * terms.replacement // 1_000 + 3)
    assert abs(metrics_of(run)["welfare_ueur"] - gained) <= slack


@given(
    sessions(max_stays=8),
    mechanisms,
    st.sampled_from([None, *PRICINGS]),
    st.sampled_from(["actual", "estimated"]),
)
@settings(max_examples=40, deadline=None)
def test_budget_and_books_balance_exactly(
    day: pd.DataFrame, mechanism: str, pricing: str | None, departures: str
) -> None:
    rules = replace(HOURS, departures=departures)
    terms = Terms(replacement_spread=0.3, pricing=pricing)
    found = metrics_of(simulate_lot(day, rules=rules, terms=terms, mechanism=MECHANISMS[mechanism]))
    assert found["budget_residual_ueur"] == 0
    assert found["money_residual_ueur"] == 0
    assert found["energy_residual_wh"] == 0
    assert found["lot_surplus_ueur"] >= 0
    if mechanism in PRIORITIES:
        assert found["lot_surplus_ueur"] == 0


@given(sessions(max_stays=8), mechanisms, st.sampled_from(["at-once", "latest", "cheapest"]))
@settings(max_examples=30, deadline=None)
def test_a_replay_passes_through_the_limits_that_the_trades_kept(
    day: pd.DataFrame, mechanism: str, strategy: str
) -> None:
    tariff = Profile.daily([300_000 + 30_000 * (hour % 7) for hour in range(24)], zone="UTC")
    rules = replace(HOURS, strategy=strategy)
    run = simulate_lot(
        day, rules=rules, terms=Terms(tariff=tariff), mechanism=MECHANISMS[mechanism]
    )
    n = 0
    for moment in replayed(run):
        fills = moment.fills
        n += len(fills)
        assert (fills.price_ueur_per_kwh <= moment.ceilings[fills.buyer]).all()
        assert (fills.seller_price_ueur_per_kwh >= moment.floors[fills.seller]).all()
        assert np.isin(fills.buyer, moment.offers.book.buyers.code).all()
        assert np.isin(fills.seller, moment.offers.book.sellers.code).all()
    assert n == len(run.trades)


@given(st.lists(st.just(0.0) | st.floats(1e-6, 1.0), min_size=1, max_size=20))
def test_jains_index_is_that_of_a_plain_loop(shares: list[float]) -> None:
    index = jain_index(shares)
    total = squares = 0.0
    for share in shares:
        total += share
        squares += share * share
    if squares == 0.0:
        assert math.isnan(index)
        return
    assert math.isclose(index, total * total / (len(shares) * squares), rel_tol=1e-9)
    assert 1 / len(shares) - 1e-9 <= index <= 1 + 1e-9
