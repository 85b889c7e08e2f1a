from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from trading.errors import OptionError, TableError
from trading.fleet import BUYER, NEUTRAL, SELLER, Thresholds, role_arrays, roles


def fleet_of(*socs: float, capacity_kwh: float = 50.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vehicle_id": [f"ev-{i}" for i in range(len(socs))],
            "battery_capacity_kwh": capacity_kwh,
            "soc": socs,
        }
    )


def test_roles_when_soc_is_on_or_beside_the_thresholds() -> None:
    below, above = math.nextafter(0.6, 0), math.nextafter(0.6, 1)
    under, over = math.nextafter(0.8, 0), math.nextafter(0.8, 1)
    fleet = fleet_of(below, 0.6, above, under, 0.8, over)
    assert roles(fleet)["role"].tolist() == [
        "buyer",
        "buyer",
        "neutral",
        "neutral",
        "seller",
        "seller",
    ]
    assert roles(fleet, strict=True)["role"].tolist() == [
        "buyer",
        "neutral",
        "neutral",
        "neutral",
        "neutral",
        "seller",
    ]


@pytest.mark.parametrize("strict", [False, True])
def test_a_vehicle_is_neutral_when_both_thresholds_meet_at_its_soc(strict: bool) -> None:
    table = roles(fleet_of(0.4, 0.5, 0.6), buyer_threshold=0.5, seller_threshold=0.5, strict=strict)
    assert table["role"].tolist() == ["buyer", "neutral", "seller"]
    assert table["required_wh"].tolist() == [5000, 0, 0]
    assert table["available_wh"].tolist() == [0, 0, 5000]


def test_energy_is_rounded_to_the_nearest_wh_with_ties_to_even() -> None:
    capacity_kwh = np.array([0.0004, 0.0005, 0.0006, 0.0015, 0.0025])
    limits = Thresholds(buyer=1.0, seller=1.0)
    empty = role_arrays(np.zeros(5), capacity_kwh, limits)
    assert empty.required_wh.tolist() == [0, 0, 1, 2, 2]
    limits = Thresholds(buyer=0.0, seller=0.0)
    full = role_arrays(np.ones(5), capacity_kwh, limits)
    assert full.available_wh.tolist() == [0, 0, 1, 2, 2]


def test_a_buyer_keeps_its_role_when_it_lacks_less_than_half_a_wh() -> None:
    table = roles(fleet_of(0.6 - 1e-9))
    assert table.loc[0].tolist() == ["ev-0", "buyer", 0, 0]


def test_thresholds_may_be_the_ends_of_the_range() -> None:
    table = roles(fleet_of(0.0, 0.5, 1.0), buyer_threshold=0.0, seller_threshold=1.0)
    assert table["role"].tolist() == ["buyer", "neutral", "seller"]
    assert not table[["required_wh", "available_wh"]].any(axis=None)


def test_the_fleet_is_left_as_it_was_and_other_columns_are_ignored() -> None:
    fleet = fleet_of(0.2, 0.9).assign(colour="red")
    before = fleet.copy(deep=True)
    assert list(roles(fleet)) == ["vehicle_id", "role", "required_wh", "available_wh"]
    pd.testing.assert_frame_equal(fleet, before)


def test_arrays_are_left_as_they_were() -> None:
    soc, capacity_kwh = np.array([0.2, 0.7, 0.9]), np.full(3, 50.0)
    for array in (soc, capacity_kwh):
        array.setflags(write=False)
    arrays = role_arrays(soc, capacity_kwh)
    assert arrays.role.tolist() == [BUYER, NEUTRAL, SELLER]
    assert arrays.required_wh.tolist() == [20_000, 0, 0]
    assert arrays.available_wh.tolist() == [0, 0, 5_000]


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
@pytest.mark.parametrize("name", ["buyer_threshold", "seller_threshold"])
def test_a_threshold_is_refused_when_it_is_no_state_of_charge(name: str, value: float) -> None:
    with pytest.raises(OptionError) as caught:
        roles(fleet_of(0.5), **{name: value})
    assert str(caught.value) == f"{name}={value!r}: expected a state of charge from 0 to 1"


def test_thresholds_are_refused_when_the_buyers_is_above_the_sellers() -> None:
    with pytest.raises(OptionError) as caught:
        roles(fleet_of(0.5), buyer_threshold=0.85)
    assert str(caught.value) == (
        "buyer_threshold=0.85: expected at most seller_threshold=0.8, since Equation (1) needs "
        "T_b <= T_s; lower buyer_threshold or raise seller_threshold"
    )


def test_a_fleet_is_refused_when_it_breaks_its_schema() -> None:
    fleet = fleet_of(0.5, 1.5)
    with pytest.raises(TableError, match=r"row 1, column 'soc': found 1\.5, expected a state"):
        roles(fleet)
