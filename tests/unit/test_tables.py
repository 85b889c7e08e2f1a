from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from trading.errors import TableError
from trading.tables import FLEET, FLEET_BY_ARRIVAL, ORDERS, SESSIONS, TRADES, UTC_TIME, check


def fleet(**columns: Any) -> pd.DataFrame:
    good = {
        "vehicle_id": ["a", "b", "c"],
        "battery_capacity_kwh": [40.0, 60.0, 80.0],
        "soc": [0.1, 0.2, 0.3],
    }
    return pd.DataFrame({**good, **columns})


def sessions(**columns: Any) -> pd.DataFrame:
    good = {
        "session_id": ["a", "b"],
        "arrival": pd.to_datetime(["2019-10-29T07:00Z", "2019-10-29T08:00Z"]),
        "departure": pd.to_datetime(["2019-10-29T09:00Z", "2019-10-29T10:00Z"]),
        "estimated_departure": pd.to_datetime([None, "2019-10-29T10:00Z"]),
        "battery_capacity_wh": 40_000,
        "soc_arrival": 0.5,
        "soc_source": "inferred",
        "need_wh": 9_000,
        "charge_power_w": 7_000,
        "discharge_power_w": 0,
        "reserve_soc": 0.2,
    }
    return pd.DataFrame({**good, **columns})


def faults(frame: pd.DataFrame, schema: Any = FLEET, **options: Any) -> list[str]:
    with pytest.raises(TableError) as caught:
        check(frame, schema, **options)
    return [str(fault) for fault in caught.value.faults]


SOC = "expected a state of charge from 0 to 1"
CAPACITY = "expected a finite capacity above 0 and at most 4294967 kWh"
ID = "expected an id that no other row has"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"soc": [0.1, -0.01, 1.01]}, [("1", "soc", "-0.01", SOC), ("2", "soc", "1.01", SOC)]),
        ({"soc": [0.1, np.nan, np.inf]}, [("1", "soc", "None", SOC), ("2", "soc", "inf", SOC)]),
        (
            {"battery_capacity_kwh": [0, -1, 4294968]},
            [
                ("0", "battery_capacity_kwh", "0", CAPACITY),
                ("1", "battery_capacity_kwh", "-1", CAPACITY),
                ("2", "battery_capacity_kwh", "4294968", CAPACITY),
            ],
        ),
        (
            {"battery_capacity_kwh": [np.inf, np.nan, 1.0]},
            [
                ("0", "battery_capacity_kwh", "inf", CAPACITY),
                ("1", "battery_capacity_kwh", "None", CAPACITY),
            ],
        ),
        (
            {"vehicle_id": ["a", "b", "a"]},
            [("0", "vehicle_id", "'a'", ID), ("2", "vehicle_id", "'a'", ID)],
        ),
        (
            {"vehicle_id": ["a", "", None]},
            [
                ("1", "vehicle_id", "''", "expected a text that is not empty"),
                ("2", "vehicle_id", "None", "expected a text that is not empty"),
            ],
        ),
    ],
)
def test_each_bad_value_is_named(
    columns: dict[str, Any], expected: list[tuple[str, str, str, str]]
) -> None:
    found = faults(fleet(**columns))
    wanted = [f"row {r}, column {c!r}: found {v}, {e}" for r, c, v, e in expected]
    assert [message.replace(".0,", ",") for message in found] == wanted


def test_all_faults_are_told_at_once_by_row_and_then_by_column() -> None:
    table = fleet(vehicle_id=["a", "a", "c"], soc=[2.0, 0.2, -1.0], battery_capacity_kwh=[0, 1, 2])
    assert [(fault.split(":")[0]) for fault in faults(table, first_row=2)] == [
        "row 2, column 'vehicle_id'",
        "row 2, column 'battery_capacity_kwh'",
        "row 2, column 'soc'",
        "row 3, column 'vehicle_id'",
        "row 4, column 'soc'",
    ]


def test_the_message_shows_five_faults_and_counts_the_rest() -> None:
    table = pd.concat([fleet()] * 3).assign(vehicle_id=[f"ev-{i}" for i in range(9)], soc=[7.0] * 9)
    with pytest.raises(TableError) as caught:
        check(table, FLEET, source="cars.csv")
    lines = str(caught.value).splitlines()
    assert len(lines) == 6
    assert lines[-1] == "cars.csv: and 4 more of the kind"
    assert len(caught.value.faults) == 9


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"soc": ["x", "y", "z"]}, f"{SOC} as a number (float64), found text"),
        ({"soc": [0.1, "y", None]}, f"{SOC} as a number (float64), found text"),
        ({"soc": [True, False, True]}, f"{SOC} as a number (float64), found bool"),
        ({"vehicle_id": [1.5, 2.0, 2.0]}, "expected a text that is not empty, found float64"),
    ],
)
def test_a_column_of_the_wrong_type_is_one_fault(columns: dict[str, Any], expected: str) -> None:
    (name,) = columns
    assert faults(fleet(**columns)) == [f"column {name!r}: {expected}"]


def test_other_columns_are_still_checked_when_one_has_the_wrong_type() -> None:
    table = fleet(soc=["x", "y", "z"], battery_capacity_kwh=[1.0, -5.0, 2.0])
    assert [message.split(",")[0] for message in faults(table)] == [
        f"column 'soc': {SOC} as a number (float64)",
        "row 1",
    ]


WHOLE_WH = "expected whole Wh from 1 to 4294967295"


@pytest.mark.parametrize(
    ("energy_wh", "found"),
    [
        ([1.0, 2.5], "float64"),
        (pd.array([1, None], dtype="Int64"), "Int64"),
        (np.array([1, 2**63], dtype=np.uint64), "uint64"),
    ],
)
def test_whole_numbers_are_not_made_of_anything_else(energy_wh: Any, found: str) -> None:
    table = pd.DataFrame(
        {"vehicle_id": ["a", "b"], "side": "buy", "energy_wh": energy_wh, "soc": 0.5, "arrival": 1}
    )
    assert faults(table, ORDERS) == [
        f"column 'energy_wh': {WHOLE_WH} as a whole number (int64), found {found}"
    ]


def test_missing_and_repeated_columns_are_named() -> None:
    assert faults(fleet()[["soc"]]) == [
        "column 'vehicle_id': expected this column, but it is missing (found: 'soc')",
        "column 'battery_capacity_kwh': expected this column, but it is missing (found: 'soc')",
    ]
    assert "(found: none)" in faults(pd.DataFrame())[0]
    twice = pd.concat([fleet(), fleet()[["soc"]]], axis=1)
    assert faults(twice) == ["column 'soc': expected one column of this name, found 2"]


def test_a_table_without_rows_is_refused() -> None:
    assert faults(fleet().iloc[:0]) == ["expected at least one row, found none"]


def test_a_departure_before_the_arrival_is_shown_as_a_time() -> None:
    table = sessions(departure=pd.to_datetime(["2019-10-29T09:00Z", "2019-10-29T08:00Z"]))
    assert faults(table, SESSIONS) == [
        "row 1, column 'departure': found '2019-10-29T08:00:00Z', "
        "expected a departure later than the arrival"
    ]


def test_nothing_is_said_of_a_departure_when_the_arrival_is_missing() -> None:
    table = sessions(arrival=pd.to_datetime([None, "2019-10-29T08:00Z"]))
    assert faults(table, SESSIONS) == [
        "row 0, column 'arrival': found None, expected a time with a zone"
    ]


def test_times_without_a_zone_are_one_fault() -> None:
    table = sessions(arrival=pd.to_datetime(["2019-10-29T07:00", "2019-10-29T08:00"]))
    (message,) = faults(table, SESSIONS)
    assert message.startswith("column 'arrival': expected a time with a zone, found datetime64")


def test_conversions_that_lose_nothing_are_made() -> None:
    checked = check(
        fleet(
            vehicle_id=pd.Categorical(["x", "y", "z"]),
            battery_capacity_kwh=[40, 60, 80],
            soc=np.array([0.5, 0.25, 1.0], dtype=np.float32),
            colour="red",
        ),
        FLEET,
    )
    assert list(checked) == list(FLEET.columns)
    assert checked["vehicle_id"].tolist() == ["x", "y", "z"]
    assert [str(dtype) for dtype in checked.dtypes[1:]] == ["float64", "float64"]
    assert check(fleet(vehicle_id=[7, 8, 9]), FLEET)["vehicle_id"].tolist() == ["7", "8", "9"]


def test_times_of_any_zone_and_unit_become_utc() -> None:
    local = sessions()["arrival"].dt.tz_convert("America/Los_Angeles").dt.as_unit("ns")
    checked = check(sessions(arrival=local, estimated_departure=None), SESSIONS)
    assert checked["arrival"].dtype == checked["estimated_departure"].dtype == UTC_TIME
    assert checked["arrival"].tolist() == sessions()["arrival"].tolist()
    assert checked["estimated_departure"].isna().all()


def test_the_table_is_left_as_it_was() -> None:
    table = fleet(battery_capacity_kwh=[40, 60, 80], colour="red").set_index("colour", drop=False)
    before = table.copy(deep=True)
    assert check(table, FLEET).index.tolist() == [0, 1, 2]
    pd.testing.assert_frame_equal(table, before)


def test_a_column_that_is_not_required_may_be_absent() -> None:
    assert list(check(fleet(), FLEET_BY_ARRIVAL)) == list(FLEET.columns)
    table = fleet(arrival=pd.Timestamp("2019-10-29T07:00Z"))
    assert list(check(table, FLEET_BY_ARRIVAL)) == [*FLEET.columns, "arrival"]


def test_a_pair_may_trade_more_than_once_in_a_table_of_trades() -> None:
    table = pd.DataFrame(
        {
            "buyer_id": ["a", "a"],
            "seller_id": ["b", "b"],
            "energy_wh": 1,
            "price_ueur_per_kwh": 0,
            "cost_ueur": 0,
            "seller_price_ueur_per_kwh": 0,
            "income_ueur": 0,
        }
    )
    assert len(check(table, TRADES)) == 2
