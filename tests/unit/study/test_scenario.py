"""A scenario's key stands for what decides its results, and its results are those of the lot."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.data import load_sessions, sample_path
from trading.errors import InputError, OptionError
from trading.lot import LotRules, Terms, accounts_of, simulate_lot
from trading.market import PRIORITIES
from trading.study import Scenario, evaluate
from trading.study.metrics import metrics_of

WEEKDAY = {"from_date": "2019-10-29", "to_date": "2019-10-29"}
JAIN = ("served_jain_index", "sold_jain_index")
DAY = Scenario(from_date="2019-11-02", to_date="2019-11-02", interval_s=3600)


def test_defaults_are_those_of_the_lot() -> None:
    assert Scenario().rules() == LotRules()
    assert Scenario().terms() == Terms()


def test_results_are_those_of_the_lot_and_its_books() -> None:
    scenario = replace(DAY, mechanism="neediest", v2g_share=0.8, seed=3, seller_threshold=0.7)
    sessions = load_sessions(sample_path(), format="acn", date="2019-11-02", seed=3).frame
    run = simulate_lot(
        sessions,
        rules=scenario.rules(),
        terms=scenario.terms(),
        mechanism=PRIORITIES["neediest"],
    )
    books, row = accounts_of(run), evaluate(scenario)
    assert row["vehicles"] == len(sessions)
    assert row["peers_wh"] == books.energy.buyers_wh
    assert row["grid_wh"] + row["peers_wh"] <= row["need_wh"]
    assert row["cost_ueur"] == books.cost_ueur
    assert row["peak_w"] == books.peak_with_p2p_w
    assert row["missing_wh"] == books.missing_wh
    assert row["paid_to_peers_ueur"] - row["earned_from_peers_ueur"] == row["lot_fee_ueur"]
    metrics = metrics_of(run)
    for name in ("welfare_ueur", "self_sufficiency_share", *JAIN):
        np.testing.assert_equal(row[name], metrics[name])


def test_results_do_not_depend_on_what_was_computed_before() -> None:
    first = evaluate(DAY)
    evaluate(replace(DAY, seed=5, ev_share=0.5))
    assert evaluate(DAY) == first


def test_a_connection_that_is_too_small_leaves_energy_missing() -> None:
    row = evaluate(replace(DAY, connection_w=5_000, background_w=1_000, meter_s=900))
    assert row["peak_grid_only_w"] <= 4_000
    assert row["curtailed_grid_only_wh"] > 0
    assert row["curtailed_grid_only_s"] % 900 == 0 < row["curtailed_grid_only_s"]
    assert row["missing_grid_only_wh"] > evaluate(DAY)["missing_grid_only_wh"]


def test_the_sun_takes_the_place_of_grid_energy() -> None:
    row = evaluate(replace(DAY, hourly_pv_w="0 " * 6 + "3000 " * 12 + "0 " * 6))
    assert row["pv_wh"] > 0
    assert row["grid_wh"] + row["pv_wh"] == evaluate(DAY)["grid_wh"]
    assert row["feed_in_ueur"] == row["export_wh"] * 80_000 // 1_000  # type: ignore[operator]


def test_the_cheapest_hours_cost_least_under_a_tariff_by_the_hour() -> None:
    cheap_at_noon = replace(
        DAY,
        hourly_tariff_ueur_per_kwh="500000 " * 11 + "200000 200000 " + "500000 " * 11,
        v2g_share=0.0,
    )
    at_once, cheapest = (
        evaluate(replace(cheap_at_noon, strategy=name))["cost_ueur"]
        for name in ("at-once", "cheapest")
    )
    assert cheapest < at_once < evaluate(replace(DAY, v2g_share=0.0))["cost_ueur"]


def test_an_auction_is_a_mechanism_too() -> None:
    row = evaluate(replace(DAY, mechanism="pay-as-bid", **WEEKDAY))  # type: ignore[arg-type]
    assert row["blocked_trades"] == 0
    assert row["traded_wh"] > 0
    assert 0 < float(row["sold_jain_index"]) < 1
    assert row["welfare_ueur"] > 0  # type: ignore[operator]


def test_fewer_vehicles_come_when_the_share_is_smaller() -> None:
    counts = [evaluate(replace(DAY, ev_share=share))["vehicles"] for share in (0.4, 0.7, 1.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[2] == 8


def test_a_share_that_leaves_nobody_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"^ev_share=1e-06: expected a share that leaves one"):
        evaluate(replace(DAY, ev_share=1e-6))


def test_a_file_that_has_changed_is_an_error() -> None:
    with pytest.raises(InputError, match="expected the file with SHA-256 00"):
        evaluate(replace(DAY, sessions_sha256="00"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"interval_s": 7}, "interval_s='7 s': expected 1 to 60 minutes"),
        ({"lot_tariff_ueur_per_kwh": -1}, "lot_tariff_ueur_per_kwh=-1: expected"),
        ({"price_ueur_per_kwh": -1}, "price_ueur_per_kwh=-1: expected"),
        ({"replacement_ueur_per_kwh": 2**62}, "replacement_ueur_per_kwh="),
        ({"mechanism": "pro-rate"}, "did you mean 'pro-rata'"),
        ({"assignment": "horoscope"}, "assignment='horoscope': expected one of"),
        ({"buyer_threshold": 0.9}, "expected at most seller_threshold=0.8"),
        ({"charge_ppm": 0}, "charge_ppm=0: expected"),
        ({"ev_share": 0.0}, "ev_share=0.0: expected a share above 0"),
        ({"seed": 2**63}, "expected a number of 64 bits"),
        ({"replacement_spread": 2.0}, "replacement_spread=2.0: expected a share"),
        ({"meter_s": 7}, "meter_s='7 s': expected 60 s or more"),
        ({"settlement_s": 1000}, "settlement_s='1000 s': expected a multiple"),
        ({"strategy": "soon"}, "strategy='soon': expected one of at-once"),
        ({"connection_w": -1}, "connection_w=-1: expected 0 W or more"),
        ({"background_w": -1}, "background_w=-1: expected 0 W or more"),
        ({"hourly_pv_w": "1 2"}, "hourly_pv_w='1 2': expected 24 whole numbers"),
        ({"hourly_pv_w": "-1 " * 24}, "hourly_pv_w=-1: expected 0 W or more at all times"),
        ({"hourly_tariff_ueur_per_kwh": "x " * 24}, "expected 24 whole numbers"),
        ({"chargers": 0}, "chargers=0: expected 1 or more"),
        ({"pricing": "free"}, "pricing='free': expected one of fixed"),
        ({"shortfall": "nobody"}, "shortfall='nobody': expected one of leaver"),
        ({"mechanism": "muda", "limits": False}, "limits=False: expected true; an auction"),
        ({"guarantee": "maybe"}, "guarantee='maybe': expected consent or whole"),
    ],
)
def test_a_value_that_no_lot_can_have_is_refused_by_its_name(
    values: dict[str, object], said: str
) -> None:
    with pytest.raises(OptionError) as caught:
        Scenario(**values)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_every_field_but_the_path_changes_the_key() -> None:
    others: dict[str, object] = {
        "lot": "b",
        "sessions_sha256": "ab",
        "format": "desl",
        "timezone": "Europe/Madrid",
        "from_date": "2019-10-28",
        "to_date": "2019-11-03",
        "assignment": "full-departure",
        "mechanism": "arrival",
        "guarantee": "whole",
        "departures": "estimated",
        "interval_s": 1800,
        "price_ueur_per_kwh": 400_000,
        "sessions": "elsewhere.csv",
        "meter_s": 300,
        "settlement_s": 7200,
        "strategy": "latest",
        "v2g_cap_wh": 5_000,
        "connection_w": 30_000,
        "cable_w": 30_000,
        "chargers": 4,
        "pricing": "mid-market:0.30",
        "shortfall": "lot",
        "hourly_pv_w": "1 " * 24,
        "hourly_tariff_ueur_per_kwh": "1 " * 24,
    }
    for field in fields(Scenario):
        old = getattr(DAY, field.name)
        if field.type == "bool":
            new: object = not old
        elif field.type == "float":
            new = old - 0.01 if old else 0.01
        else:
            new = others[field.name] if field.name in others else old + 1
        is_same = replace(DAY, **{field.name: new}).key() == DAY.key()  # type: ignore[arg-type]
        assert is_same == (field.name == "sessions"), field.name


def test_one_and_one_point_nought_are_the_same_share() -> None:
    assert replace(DAY, v2g_share=1).key() == replace(DAY, v2g_share=1.0).key()


@given(st.data())
def test_a_scenario_keeps_its_key_on_its_way_to_another_process(data: st.DataObject) -> None:
    scenario = replace(
        DAY,
        seed=data.draw(st.integers(-(2**63), 2**63 - 1)),
        v2g_share=data.draw(st.floats(0, 1)),
        lot=data.draw(st.text(max_size=20)),
    )
    sent = pickle.loads(pickle.dumps(scenario))
    assert sent == scenario
    assert sent.key() == scenario.key()
