"""What each experiment's tables must fulfil, on one real day."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from tests.lot_sessions import sessions
from tests.unit.study.experiments.small import RUNS, TUESDAY, tables
from trading.lot import LotRules, Profile, Site, Terms, accounts_of, simulate_lot
from trading.market import MECHANISMS, PRIORITIES
from trading.reports.studies import STUDIES
from trading.study import Scenario, evaluate
from trading.study.experiments import (
    StudyOptions,
    waterfall,
)
from trading.study.experiments.sankey import balance_of, links_of
from trading.study.experiments.tornado import first_order, shares_of
from trading.study.experiments.truth import CLAIMS, assumptions


def test_every_experiment_is_tried_here() -> None:
    assert RUNS.keys() == STUDIES.keys()


# ---------------------------------------------------------------------- waterfall


def test_each_step_of_the_waterfall_is_what_it_says() -> None:
    days = tables("waterfall")["days"].set_index("step")
    base, v1g, peers = (days.loc[name] for name in ("uncontrolled", "V1G", "V1G with peers"))
    chosen, results = days.loc["pro-rata"], evaluate(TUESDAY)
    assert chosen["cost_ueur"] == results["cost_ueur"]
    assert base["cost_ueur"] == results["cost_grid_only_ueur"]
    assert v1g["peak_w"] <= base["peak_w"]
    assert v1g["cost_ueur"] <= base["cost_ueur"]
    # No schedule is cheaper than the optimum, up to what rounding each account gives.
    assert peers["cost_ueur"] <= chosen["cost_ueur"] + 1_000
    assert peers["cost_ueur"] < v1g["cost_ueur"]
    assert peers["peers_wh"] >= chosen["peers_wh"]


def test_value_beyond_v1g_is_the_paired_difference() -> None:
    found = tables("waterfall")
    days = found["days"].set_index("step")
    beyond = found["beyond_v1g"].set_index("step")
    for step in ("V1G with peers", "pro-rata"):
        saved = days.loc["V1G", "cost_ueur"] - days.loc[step, "cost_ueur"]
        assert beyond.loc[step, "cost_saved_ueur"] == saved


def test_without_v2g_peers_add_nothing() -> None:
    bare = replace(TUESDAY, v2g_share=0.0)
    beyond = waterfall(StudyOptions(bases=(bare,)))["beyond_v1g"].set_index("step")
    assert beyond.loc["V1G with peers", "cost_saved_ueur"] == 0
    assert beyond.loc["V1G with peers", "more_missing_wh"] == 0
    assert beyond.loc["pro-rata", "grid_saved_wh"] == 0


def test_v1g_saves_where_the_tariff_changes() -> None:
    # Half price in the afternoon.
    hourly = " ".join(["500000"] * 13 + ["250000"] * 11)
    options = StudyOptions(bases=(replace(TUESDAY, hourly_tariff_ueur_per_kwh=hourly),))
    days = waterfall(options)["days"].set_index("step")
    assert days.loc["V1G", "cost_ueur"] < days.loc["uncontrolled", "cost_ueur"]
    waits = replace(options.bases[0], strategy="cheapest")
    found = waterfall(StudyOptions(bases=(waits,)))
    cheapest = found["days"].set_index("step")
    assert list(cheapest.index) == ["grid cheapest", "V1G", "V1G with peers", "pro-rata"]
    assert cheapest.loc["grid cheapest", "cost_ueur"] < days.loc["uncontrolled", "cost_ueur"]
    assert list(found["beyond_v1g"]["step"]) == ["V1G with peers", "pro-rata"]


# ---------------------------------------------------------------------- break-even


def test_cells_called_irrational_trade_nothing_and_the_others_do() -> None:
    cells = tables("break-even")["map"]
    assert not cells["is_rational"].all()
    for row in cells.to_dict("records"):
        prices = {
            name: int(row[name])
            for name in (
                "wear_ueur_per_kwh",
                "replacement_ueur_per_kwh",
                "lot_tariff_ueur_per_kwh",
            )
        }
        traded = evaluate(replace(TUESDAY, **prices))["traded_wh"]
        assert traded == row["traded_wh"]
        assert (traded > 0) == row["is_rational"]
        assert np.isnan(row["saving_ueur_per_kwh"]) == (traded == 0)


def test_savings_grow_with_the_tariff_and_shrink_with_other_prices() -> None:
    cells = tables("break-even")["map"].dropna()
    names = ["wear_ueur_per_kwh", "replacement_ueur_per_kwh", "lot_tariff_ueur_per_kwh"]
    for name, sign in zip(names, (-1, -1, 1), strict=True):
        others = [other for other in names if other != name]
        for _, group in cells.groupby(others):
            steps = group.sort_values(name)["saving_ueur_per_kwh"].diff().dropna()
            assert (steps * sign > 0).all()


def test_a_saving_is_the_tariff_less_floor_and_fee() -> None:
    cells = tables("break-even")["map"].dropna()
    expected = (
        cells["lot_tariff_ueur_per_kwh"] - cells["floor_ueur_per_kwh"]
        - TUESDAY.lot_fee_ueur_per_kwh
    )  # fmt: skip
    # Batteries and their replacement are counted in whole Wh.
    assert (cells["saving_ueur_per_kwh"] - expected).abs().max() < 1_000


# ---------------------------------------------------------------------- connection


def test_a_larger_connection_binds_less_and_leaves_less_unserved() -> None:
    limits = tables("connection")["limits"]
    for _, own in limits.groupby("charging"):
        limited = own[own["connection_w"].notna()].sort_values("connection_w")
        assert limited["binding_h"].is_monotonic_decreasing
        assert limited["unserved_wh"].is_monotonic_decreasing
        assert (limited["peak_w"] <= limited["connection_w"]).all()
        assert own.loc[own["connection_w"].isna(), "binding_h"].tolist() == [0]


def test_trading_binds_a_small_connection_less() -> None:
    limits = tables("connection")["limits"]
    at = limits[limits["connection_w"] == 30_000].set_index("charging")
    assert at.loc["with peers", "binding_h"] < at.loc["grid only", "binding_h"]
    assert at.loc["with peers", "unserved_wh"] <= at.loc["grid only", "unserved_wh"]


# ---------------------------------------------------------------------- forecast


def test_without_forecast_error_nothing_is_short() -> None:
    plans = tables("forecast")["plans"].set_index(["departures", "strategy"])
    assert (plans.loc["actual", "shortfall_wh"] == 0).all()
    # Who charges at the latest loses the rest of a Wh that an interval rounds down.
    assert (plans.loc["actual", "unserved_wh"] < 10).all()
    assert (plans.loc["estimated", "missing_wh"] > 0).all()


def test_error_cost_is_estimated_less_actual() -> None:
    found = tables("forecast")
    plans = found["plans"].set_index(["strategy", "departures"])
    for row in found["error_cost"].to_dict("records"):
        for name in ("cost_ueur", "peers_wh", "unserved_wh"):
            at = plans[name]
            change = at[row["strategy"], "estimated"] - at[row["strategy"], "actual"]
            assert row[name] == pytest.approx(change)


# ---------------------------------------------------------------------- sankey


def test_both_sides_of_the_sankey_close_to_the_wh() -> None:
    found = tables("sankey")
    nodes = found["nodes"]
    inner = nodes.dropna()
    assert (inner["in_wh"] == inner["out_wh"]).all()
    drawn = nodes.loc[nodes["in_wh"].isna(), "out_wh"].sum()
    assert drawn == nodes.loc[nodes["out_wh"].isna(), "in_wh"].sum()
    ends = set(nodes.loc[nodes["out_wh"].isna(), "node"])
    assert {"missing at departure, replaced at home", "charging loss at home"} <= ends


@given(sessions())
@settings(max_examples=30)
def test_every_lot_closes_with_roof_and_cable_losses(table: pd.DataFrame) -> None:
    site = Site(cable_loss_ppm=30_000, pv_w=Profile.constant(2_000))
    run = simulate_lot(
        table,
        rules=LotRules(site=site, interval_s=1800),
        terms=Terms(),
        mechanism=PRIORITIES["pro-rata"],
    )
    books, links = accounts_of(run), links_of(run)
    nodes = balance_of(links)
    inner = nodes.dropna()
    assert (inner["in_wh"] == inner["out_wh"]).all()
    assert (links["energy_wh"] > 0).all()
    of_node = nodes.set_index("node")["in_wh"]
    assert of_node.get("missing at departure, replaced at home", 0) == books.missing_wh
    losses = sum(of_node.get(name, 0) for name in ("charging loss", "discharging loss"))
    assert losses == books.energy.charge_loss_wh + books.energy.discharge_loss_wh


# ---------------------------------------------------------------------- tornado


def test_the_first_row_is_the_default_and_each_factor_has_its_ends() -> None:
    one = tables("tornado")["one_at_a_time"]
    results = evaluate(TUESDAY)
    saving = results["cost_grid_only_ueur"] - results["cost_ueur"]
    assert one["saving_ueur"].iloc[0] == saving
    assert one["factor"].value_counts().to_dict() == {
        "default": 1,
        "v2g_share": 2,
        "mechanism": len(MECHANISMS),
        "seed": 5,
    }
    v2g = one[one["factor"] == "v2g_share"]["peers_wh"].tolist()
    assert v2g[0] < v2g[1]


def test_shares_find_what_an_outcome_is_made_of() -> None:
    # Y = 3 A + B with A, B uniform: shares 0.9 and 0.1, and none for C, which has no part in it.
    factors = {name: {"low": 0.0, "high": 1.0} for name in "ABC"}
    places = (np.arange(20) + 0.5) / 20
    samples = pd.DataFrame(list(product(places, repeat=3)), columns=list("ABC"))
    samples["saving_ueur"] = 3 * samples["A"] + samples["B"]
    shares = shares_of(samples, factors).set_index("factor")["share"]
    # Five classes of a uniform hold 1 - 1/25 of its variance.
    assert shares["A"] == pytest.approx(0.9 * 0.96, abs=0.005)
    assert shares["B"] == pytest.approx(0.1 * 0.96, abs=0.005)
    assert shares["C"] < 0.001


def test_chance_is_as_large_as_the_noise_says() -> None:
    rng = np.random.default_rng(1)
    classes = np.arange(60) % 5
    # Cut at 0, an estimate without effect is above one standard deviation about every sixth time.
    found = [first_order(rng.normal(size=60), classes) for _ in range(400)]
    above = np.mean([share > noise for share, noise in found])
    assert 0.08 < above < 0.22


def test_a_constant_outcome_has_no_shares_and_too_few_draws_no_answer() -> None:
    assert first_order(np.ones(10), np.arange(10) % 2) == (0.0, 0.0)
    assert np.isnan(first_order(np.arange(3.0), np.arange(3))[0])


# ---------------------------------------------------------------------- truth


def test_claims_fail_where_nothing_can_be_traded() -> None:
    days = tables("truth")["days"].set_index("assumption")
    for words in ("refill at the tariff", "guarantee whole"):
        row = days.loc[words]
        assert row["traded_wh"] == 0
        assert not row[["less_grid", "lower_peak", "buyers", "sellers", "drivers"]].any()
        assert row[["requirement", "none_missing"]].all()


def test_claims_of_the_default_day() -> None:
    days = tables("truth")["days"].set_index("assumption")
    row = days.loc["defaults"]
    assert row[["less_grid", "lower_peak", "requirement", "buyers", "drivers"]].all()
    # What peers deliver is missing from batteries, and refilled with losses.
    assert not row[["less_all_grids", "none_missing", "below_v1g"]].any()


def test_buyers_save_nothing_at_the_tariff_and_everybody_loses_without_limits() -> None:
    days = tables("truth")["days"].set_index("assumption")
    assert not days.loc["price at the tariff", "buyers"]
    assert not days.loc["refill at the tariff, no limits", "drivers"]


def test_shares_are_of_all_days() -> None:
    claims = tables("truth")["claims"]
    assert len(claims) == len(CLAIMS) * len(assumptions(TUESDAY))
    assert set(claims["holds_share"]) <= {0.0, 1.0}
    assert set(claims["days"]) == {1}


def test_assumptions_differ_from_the_defaults_in_what_they_name() -> None:
    for assumption in assumptions(Scenario())[1:]:
        assert replace(Scenario(), **assumption.changes) != Scenario()
