"""Metrics of lots that can be worked out by hand, and against plain loops over the trades."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.unit.study.lots import FLAT, LOSSLESS, lot, stay
from trading.data import load_sessions, sample_path
from trading.lot import LotRules, Terms, simulate_lot
from trading.lot.optimal import PeerCosts, best_charging
from trading.market import MECHANISMS
from trading.study.metrics import UNDEFINED, jain_index, metrics_of, optimum_metrics


def test_one_buyer_and_one_seller_as_by_hand() -> None:
    # The seller has 0.1 of 50 kWh above T_s = 0.8, the buyer lacks 0.2 and needs 8 kWh.
    day = lot(stay("b", soc=0.4, need_wh=8_000), stay("s", soc=0.9))
    run = simulate_lot(day, rules=LOSSLESS, terms=FLAT, mechanism=MECHANISMS["pro-rata"])
    found = metrics_of(run)
    assert found["traded_wh"] == 5_000
    assert found["welfare_ueur"] == 5 * (500_000 - 300_000)
    assert found["buyers_saving_ueur"] == 5 * (500_000 - 400_000)
    assert found["sellers_income_ueur"] == 5 * 400_000
    assert found["sellers_gain_ueur"] == 5 * (400_000 - 300_000)
    assert found["lot_spread_ueur"] == found["lot_surplus_ueur"] == 0
    assert (found["grid_wh"], found["peak_w"]) == (3_000, 3_000)
    assert found["self_sufficiency_share"] == pytest.approx(5 / 8)
    assert (found["served_jain_index"], found["sold_jain_index"]) == (1.0, 1.0)
    assert found["missing_wh"] == 5_000
    assert found["loss_wh"] == 0


def test_who_got_nothing_counts_as_zero_in_jains_index() -> None:
    # The second buyer comes when the seller has gone; both require the same.
    day = lot(
        stay("b1", soc=0.4, need_wh=5_000, hours=(8, 10)),
        stay("b2", soc=0.4, need_wh=5_000, hours=(11, 13)),
        stay("s", soc=0.9, hours=(8, 10)),
    )
    run = simulate_lot(day, rules=LOSSLESS, terms=FLAT, mechanism=MECHANISMS["arrival"])
    assert metrics_of(run)["served_jain_index"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([1.0], 1.0), ([0.2, 0.2, 0.2], 1.0), ([1.0, 0.0, 0.0, 0.0], 0.25), ([1, 2, 3], 36 / 42)],
)
def test_jains_index_of_known_shares(shares: list[float], expected: float) -> None:
    assert jain_index(shares) == pytest.approx(expected)


@pytest.mark.parametrize("shares", [[], [0.0], [0.0, 0.0]])
def test_jains_index_is_undefined_where_nobody_got_anything(shares: list[float]) -> None:
    assert math.isnan(jain_index(shares))


def test_without_trades_prices_are_undefined_and_sums_are_zero() -> None:
    run = simulate_lot(
        lot(stay("b", soc=0.4, need_wh=8_000)),
        rules=LOSSLESS,
        terms=FLAT,
        mechanism=MECHANISMS["uniform-price"],
    )
    found = metrics_of(run)
    assert found["welfare_ueur"] == found["traded_wh"] == found["trades"] == 0
    assert found["buyer_price_mean_ueur_per_kwh"] is UNDEFINED
    assert found["self_sufficiency_share"] == 0.0


def test_welfare_without_limits_can_be_negative() -> None:
    # A posted price of 0.40 and no limits: sellers at 0.60 are made to sell.
    dear = replace(FLAT, replacement=500_000, price=400_000, limits=False)
    day = lot(stay("b", soc=0.4, need_wh=8_000), stay("s", soc=0.9))
    run = simulate_lot(day, rules=LOSSLESS, terms=dear, mechanism=MECHANISMS["pro-rata"])
    assert metrics_of(run)["welfare_ueur"] == 5 * (500_000 - 600_000)


@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
def test_a_real_day_agrees_with_plain_loops_over_its_trades(mechanism: str) -> None:
    day = load_sessions(sample_path(), format="acn", date="2019-10-30").frame
    rules, terms = LotRules(interval_s=1800), Terms(replacement_spread=0.3)
    run = simulate_lot(day, rules=rules, terms=terms, mechanism=MECHANISMS[mechanism])
    found = metrics_of(run)
    floors = dict(
        zip(
            run.stays.ids,
            terms.floors(run.replacements, rules.guarantee, rules.efficiency).tolist(),
            strict=True,
        )
    )
    worth = paid = income = surplus = energy = 0
    for trade in run.trades.itertuples():
        energy += trade.energy_wh
        worth += trade.energy_wh * (terms.lot_tariff - floors[trade.seller_id])
        surplus += trade.energy_wh * (
            trade.price_ueur_per_kwh - trade.seller_price_ueur_per_kwh - terms.lot_fee
        )
        paid += trade.energy_wh * trade.price_ueur_per_kwh // 1_000
        income += trade.energy_wh * trade.seller_price_ueur_per_kwh // 1_000
    assert found["traded_wh"] == energy
    assert found["welfare_ueur"] == worth // 1_000
    assert found["sellers_income_ueur"] == income
    assert found["lot_spread_ueur"] == paid - income
    assert found["lot_surplus_ueur"] == surplus // 1_000


def test_the_best_schedule_of_a_lot_as_by_hand() -> None:
    # The buyer charges 8 kWh in the first hour, the seller comes in the second: the best waits.
    day = lot(stay("b", soc=0.4, need_wh=8_000), stay("s", soc=0.9, hours=(9, 12)))
    run = simulate_lot(day, rules=LOSSLESS, terms=FLAT, mechanism=MECHANISMS["optimum"])
    best = best_charging(
        run.stays,
        interval_s=LOSSLESS.interval_s,
        tariff_ueur_per_kwh=FLAT.lot_tariff,
        peers=PeerCosts(floor_ueur_per_kwh=300_000),
    )
    found = optimum_metrics(run.stays, FLAT, best, tariff_ueur_per_kwh=FLAT.lot_tariff)
    assert metrics_of(run)["welfare_ueur"] == 0
    assert found["welfare_ueur"] == 5 * (500_000 - 300_000)
    assert found["drivers_cost_ueur"] == 3 * 500_000 + 5 * 300_000
    assert (found["traded_wh"], found["grid_wh"], found["missing_wh"]) == (5_000, 3_000, 5_000)
    assert found["peak_w"] <= 3_000
    assert found["lot_spread_ueur"] == 0
    dear = optimum_metrics(
        run.stays, replace(FLAT, lot_fee=10_000), best, tariff_ueur_per_kwh=FLAT.lot_tariff
    )
    assert dear["lot_spread_ueur"] == 5 * 10_000
    assert dear["drivers_cost_ueur"] == found["drivers_cost_ueur"] + 5 * 10_000
    assert dear["welfare_ueur"] == found["welfare_ueur"]
