"""Equations (1) to (3) over any fleet and any thresholds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from tests import reference
from tests.strategies import capacities_kwh, fleets, socs, thresholds
from trading.fleet import ROLE_NAMES, Thresholds, role_arrays, roles
from trading.tables import ROLES, check


def as_options(limits: Thresholds) -> dict[str, float | bool]:
    return {
        "buyer_threshold": limits.buyer,
        "seller_threshold": limits.seller,
        "strict": limits.strict,
    }


@given(fleet=fleets(), limits=thresholds())
def test_roles_agree_with_the_reference_vehicle_by_vehicle(
    fleet: pd.DataFrame, limits: Thresholds
) -> None:
    expected = pd.DataFrame(
        [
            (
                row.vehicle_id,
                reference.role(row.soc, limits.buyer, limits.seller, strict=limits.strict),
                reference.required_wh(row.soc, row.battery_capacity_kwh, limits.buyer),
                reference.available_wh(row.soc, row.battery_capacity_kwh, limits.seller),
            )
            for row in fleet.itertuples()
        ],
        columns=list(ROLES.columns),
    )
    pd.testing.assert_frame_equal(roles(fleet, **as_options(limits)), expected)


@given(fleet=fleets(), limits=thresholds())
def test_roles_partition_the_fleet(fleet: pd.DataFrame, limits: Thresholds) -> None:
    table = check(roles(fleet, **as_options(limits)), ROLES)
    assert list(table["vehicle_id"]) == list(fleet["vehicle_id"])
    assert not ((table["required_wh"] > 0) & (table["role"] != "buyer")).any()
    assert not ((table["available_wh"] > 0) & (table["role"] != "seller")).any()


@given(fleet=fleets(), limits=thresholds(), data=st.data())
def test_reordering_the_fleet_reorders_the_roles(
    fleet: pd.DataFrame, limits: Thresholds, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(fleet))))
    expected = roles(fleet, **as_options(limits)).iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(roles(fleet.iloc[order], **as_options(limits)), expected)


@given(soc=socs, capacity_kwh=capacities_kwh, limits=thresholds())
@example(soc=0.0, capacity_kwh=0.0005, limits=Thresholds(buyer=1.0, seller=1.0))
@example(soc=0.0, capacity_kwh=0.0015, limits=Thresholds(buyer=1.0, seller=1.0))
def test_energy_is_the_exact_one_to_the_nearest_wh(
    soc: float, capacity_kwh: float, limits: Thresholds
) -> None:
    arrays = role_arrays(np.array([soc]), np.array([capacity_kwh]), limits)
    wh = Fraction(capacity_kwh) * 1000
    required = max(Fraction(0), (Fraction(limits.buyer) - Fraction(soc)) * wh)
    available = max(Fraction(0), (Fraction(soc) - Fraction(limits.seller)) * wh)
    # Three roundings of a double, each by at most 2**-53 of a number below 2**32.
    slack = Fraction(1, 2) + 3 * Fraction(2**32, 2**53)
    assert abs(int(arrays.required_wh[0]) - required) <= slack
    assert abs(int(arrays.available_wh[0]) - available) <= slack


@given(soc=socs, capacity_kwh=capacities_kwh, at=socs, strict=st.booleans())
def test_a_vehicle_on_both_thresholds_is_neutral(
    soc: float, capacity_kwh: float, at: float, strict: bool
) -> None:
    limits = Thresholds(buyer=at, seller=at, strict=strict)
    arrays = role_arrays(np.array([soc, at]), np.array([capacity_kwh, capacity_kwh]), limits)
    assert ROLE_NAMES[arrays.role[1]] == "neutral"
    assert arrays.required_wh[1] == arrays.available_wh[1] == 0
    assert (ROLE_NAMES[arrays.role[0]] == "neutral") == (soc == at)
