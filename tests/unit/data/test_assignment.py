from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trading.data import ASSIGNMENTS, Assignment, assign
from trading.data.assignment import CASE_STUDY_MIX, CapacityMix, Stays, assignment_named
from trading.errors import OptionError, TableError
from trading.units import hash_unit

ANCHORED = ASSIGNMENTS["anchored-departure"]


def records(
    *,
    delivered_wh: int = 8_000,
    requested_wh: float = 20_000,
    stay: str = "8h",
    ids: tuple[str, ...] = ("a",),
) -> pd.DataFrame:
    arrival = pd.to_datetime(["2019-10-29T15:00Z"] * len(ids)).as_unit("us")
    return pd.DataFrame(
        {
            "session_id": list(ids),
            "arrival": arrival,
            "departure": arrival + pd.Timedelta(stay),
            "delivered_wh": delivered_wh,
            "requested_wh": float(requested_wh),
        }
    )


MANY = tuple(f"session {number}" for number in range(2_000))


def test_stop_is_met_when_delivery_is_95_percent_of_the_request():
    assert assign(records(delivered_wh=19_000))["stop"].item() == "met"
    assert assign(records(delivered_wh=18_999))["stop"].item() == "full"


def test_stop_is_full_when_an_hour_was_left_at_full_power():
    assert assign(records(delivered_wh=6_656, stay="2h"))["stop"].item() == "full"
    assert assign(records(delivered_wh=6_657, stay="2h"))["stop"].item() == "cut"


def test_stop_is_met_when_nobody_claimed_the_session():
    assert assign(records(requested_wh=np.nan))["stop"].item() == "met"
    assert assign(records(requested_wh=np.nan, stay="2h"))["stop"].item() == "met"


def test_idle_unclaimed_session_is_full_when_the_rule_says_so():
    rule = ASSIGNMENTS["anchored-departure-unclaimed-full"]
    assert assign(records(requested_wh=np.nan), assignment=rule)["stop"].item() == "full"
    busy = records(requested_wh=np.nan, stay="2h")
    assert assign(busy, assignment=rule)["stop"].item() == "met"


def test_full_departures_sit_on_the_limits_with_their_odds():
    shares = assign(records(ids=MANY))["soc_departure"].value_counts(normalize=True)
    assert set(shares.index) == {0.8, 0.9, 1.0}
    assert shares[[0.8, 0.9, 1.0]].to_list() == pytest.approx([0.3, 0.2, 0.5], abs=0.03)


def test_met_departures_are_uniform_from_one_half():
    socs = assign(records(ids=MANY, requested_wh=8_000))["soc_departure"]
    assert socs.between(0.5, 1).all()
    assert socs.mean() == pytest.approx(0.75, abs=0.01)


def test_cut_departure_is_below_the_limit_by_what_was_missing():
    cut = assign(records(delivered_wh=8_000, requested_wh=20_000, stay="90min"))
    assert cut["stop"].item() == "cut"
    draw = hash_unit(0, "limit", "a")
    limit = 0.8 if draw < 0.3 else 0.9 if draw < 0.5 else 1.0
    missing = 0.933 * 12_000 / cut["battery_capacity_wh"].item()
    assert cut["soc_departure"].item() == pytest.approx(limit - missing)


def test_cut_departure_is_half_a_battery_below_the_limit_at_most():
    cut = assign(records(ids=MANY, requested_wh=900_000, stay="90min"))
    assert set(cut["soc_departure"].round(12)) == {0.3, 0.4, 0.5}


def test_arrival_is_10_percent_at_least():
    low = assign(records(ids=MANY, delivered_wh=30_000, requested_wh=900_000, stay="5h"))
    assert low["soc_arrival"].min() == pytest.approx(0.1)


def test_capacities_come_at_equal_odds_among_those_that_hold_the_energy():
    capacity_wh = assign(records(ids=MANY))["battery_capacity_wh"]
    shares = capacity_wh.value_counts(normalize=True).sort_index()
    assert shares.index.to_list() == [40_000, 60_000, 80_000, 100_000]
    assert shares.to_list() == pytest.approx([0.25] * 4, abs=0.03)
    larger = assign(records(ids=MANY, delivered_wh=50_000))
    assert set(larger["battery_capacity_wh"]) == {60_000, 80_000, 100_000}
    assert not larger["is_capacity_short"].any()


def test_capacity_exactly_e_over_085_is_taken():
    mix = CapacityMix(capacities_wh=(10_000, 20_000), odds=(1, 0))
    rule = Assignment(description="exact", mix=mix, efficiency=1.0)
    fits, too_large = (assign(records(delivered_wh=wh), assignment=rule) for wh in (8_500, 8_501))
    assert fits["battery_capacity_wh"].item() == 10_000
    assert too_large["battery_capacity_wh"].item() == 20_000


def test_largest_capacity_is_taken_and_flagged_when_none_is_large_enough():
    short = assign(records(delivered_wh=100_000, requested_wh=100_000, stay="20h"))
    assert short["battery_capacity_wh"].item() == 100_000
    assert short["is_capacity_short"].item()
    assert short["soc_departure"].item() == 1.0
    assert 0 <= short["soc_arrival"].item() < 0.1


def test_assign_refuses_when_a_session_drew_more_than_the_largest_battery():
    with pytest.raises(TableError, match=r"107182.*0 to 107181 Wh"):
        assign(records(delivered_wh=107_182, stay="20h"))


def test_capacity_odds_follow_the_2019_mix():
    rule = ASSIGNMENTS["anchored-departure-2019-mix"]
    shares = (
        assign(records(ids=MANY, delivered_wh=1_000), assignment=rule)["battery_capacity_wh"]
        .value_counts(normalize=True)
        .sort_index()
    )
    assert shares.to_list() == pytest.approx([0.25, 0.15, 0.15, 0.25, 0.12, 0.08], abs=0.03)


def test_power_is_the_bay_s_when_that_suffices():
    assigned = assign(records())
    assert assigned["charge_power_w"].item() == assigned["discharge_power_w"].item() == 6_656


def test_power_is_rounded_up_to_what_the_record_needs():
    assigned = assign(records(delivered_wh=6_657, stay="59min 59s"))
    assert assigned["charge_power_w"].item() == -(-6_657 * 3_600 // 3_599) == 6_659


@pytest.mark.parametrize("name", ASSIGNMENTS)
@pytest.mark.parametrize("seed", [0, 7])
def test_every_rule_reproduces_the_energy_delivered(name, seed):
    rule = ASSIGNMENTS[name]
    delivered_wh = np.linspace(0, 96_000 if rule.mix is CASE_STUDY_MIX else 80_000, len(MANY))
    table = records(ids=MANY, stay="20h", requested_wh=40_000)
    table["delivered_wh"] = delivered_wh.astype(np.int64)
    table.loc[::5, "requested_wh"] = np.nan
    assigned = assign(table, seed=seed, assignment=rule)
    gained = assigned["soc_departure"] - assigned["soc_arrival"]
    expected = 0.933 * table["delivered_wh"] / assigned["battery_capacity_wh"]
    assert gained.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-12)
    assert assigned["soc_arrival"].between(0, 1).all()
    assert assigned["soc_departure"].between(0, 1).all()


def test_need_is_the_request_when_the_rule_says_so():
    rule = ASSIGNMENTS["anchored-departure-requested"]
    assert assign(records(requested_wh=8_500.4), assignment=rule)["need_wh"].item() == 8_500
    assert assign(records(requested_wh=np.nan), assignment=rule)["need_wh"].item() == 8_000


def test_requested_need_is_cut_to_what_the_battery_holds():
    rule = ASSIGNMENTS["anchored-departure-requested"]
    assigned = assign(records(ids=MANY, requested_wh=900_000), assignment=rule)
    filled = assigned["soc_arrival"] + 0.933 * assigned["need_wh"] / assigned["battery_capacity_wh"]
    assert filled.to_numpy() == pytest.approx(1, abs=1e-4)
    assert (filled <= 1).all()


def test_a_rule_of_ones_own_is_a_function():
    def half(stays: Stays, *, seed: int) -> np.ndarray:
        return np.full(len(stays.session_ids), 0.5)

    assigned = assign(records(), assignment=Assignment(description="half", soc_rule=half))
    assert assigned["soc_departure"].item() == 0.5


def test_assign_leaves_its_records_alone():
    table = records(ids=MANY)
    before = table.copy()
    assign(table)
    pd.testing.assert_frame_equal(table, before)


def test_unknown_assignment_names_the_known_and_the_nearest():
    with pytest.raises(OptionError, match=r"one of anchored-departure, .*mean 'uniform-arrival'"):
        assignment_named("uniform-arival")


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"stay": "0s"}, "departure"),
        ({"delivered_wh": -1}, "delivered_wh"),
        ({"requested_wh": np.inf}, "requested_wh"),
        ({"ids": ("a", "a")}, "session_id"),
    ],
)
def test_assign_refuses_records_that_break_their_schema(changes, column):
    with pytest.raises(TableError) as caught:
        assign(records(**changes))
    assert {fault.column for fault in caught.value.faults} == {column}


@pytest.mark.parametrize(
    ("capacities_wh", "odds"),
    [
        ((), ()),
        ((0,), (1,)),
        ((40_000,), ()),
        ((40_000,), (0,)),
        ((40_000, 60_000), (1, -1)),
        ((40_000,), (np.nan,)),
    ],
)
def test_a_mix_is_refused_without_capacities_and_odds(capacities_wh, odds):
    with pytest.raises(OptionError):
        CapacityMix(capacities_wh=capacities_wh, odds=odds)


@pytest.mark.parametrize(
    ("name", "value"),
    [("need", "wanted"), ("efficiency", 0), ("efficiency", 1.1), ("charger_power_w", 0)],
)
def test_a_rule_is_refused_with_a_parameter_out_of_range(name, value):
    with pytest.raises(OptionError, match=name):
        Assignment(description="wrong", **{name: value})
