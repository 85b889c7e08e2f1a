from __future__ import annotations

import pandas as pd
import pytest

from trading.data import load_sessions
from trading.errors import TableError
from trading.tables import SESSIONS, check
from trading.units import MAX_U32

COLUMNS = {
    "session_id": "a",
    "arrival": "2024-05-01T08:00:00Z",
    "departure": "2024-05-01T16:00:00+02:00",
    "battery_capacity_wh": "60000",
    "soc_arrival": "0.4",
    "need_wh": "12000",
}
FULL = COLUMNS | {
    "estimated_departure": "2024-05-01T15:00:00Z",
    "soc_source": "telematics",
    "charge_power_w": "11000",
    "discharge_power_w": "0",
    "reserve_soc": "0.3",
    "v2g_cap_wh": "5000",
}


@pytest.fixture
def read(write):
    def read_rows(*rows, **options):
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        return load_sessions(write(*lines), format="peercharge", **options)

    return read_rows


def faults(error: pytest.ExceptionInfo[TableError]) -> list[tuple[int | None, str | None]]:
    return [(fault.row, fault.column) for fault in error.value.faults]


def test_columns_that_a_file_lacks_have_defaults(read):
    frame = read(COLUMNS).frame
    pd.testing.assert_frame_equal(check(frame, SESSIONS), frame)
    stay = frame.iloc[0]
    assert pd.isna(stay["estimated_departure"])
    assert stay["soc_source"] == "declared"
    assert stay["charge_power_w"] == stay["discharge_power_w"] == 6_656
    assert stay["reserve_soc"] == 0


def test_every_column_is_read(read):
    stay = read(FULL).frame.iloc[0]
    assert stay["departure"] == pd.Timestamp("2024-05-01T14:00Z")
    assert stay["estimated_departure"] == pd.Timestamp("2024-05-01T15:00Z")
    assert stay["soc_source"] == "telematics"
    assert (stay["charge_power_w"], stay["discharge_power_w"]) == (11_000, 0)
    assert stay["reserve_soc"] == 0.3
    assert stay["v2g_cap_wh"] == 5_000


def test_discharge_power_is_the_charge_power_when_the_file_has_none(read):
    rows = [COLUMNS | {"session_id": i, "charge_power_w": i} for i in ("3000", "5000")]
    assert read(*rows).frame["discharge_power_w"].to_list() == [3_000, 5_000]


def test_an_empty_estimate_means_none(read):
    assert pd.isna(read(FULL | {"estimated_departure": ""}).frame["estimated_departure"].item())


def test_an_empty_cap_means_none_and_a_file_may_lack_them_all(read):
    rows = [FULL | {"session_id": name, "v2g_cap_wh": name} for name in ("", "0", "4294967295")]
    rows[0]["session_id"] = "a"
    frame = read(*rows).frame.set_index("session_id")
    assert frame["v2g_cap_wh"].to_dict() == {"a": MAX_U32, "0": 0, "4294967295": MAX_U32}
    assert "v2g_cap_wh" not in read(COLUMNS).frame


def test_other_columns_are_ignored(read):
    expected = read(FULL).frame
    pd.testing.assert_frame_equal(read(FULL | {"plate": "ZH 1"}).frame, expected)


def test_sessions_are_sorted_by_arrival_and_id(read):
    late = COLUMNS | {"session_id": "0", "arrival": "2024-05-01T09:00:00Z"}
    rows = [late, COLUMNS | {"session_id": "c"}, COLUMNS | {"session_id": "b"}]
    assert read(*rows).frame["session_id"].to_list() == ["b", "c", "0"]


def test_days_are_utc_unless_told_otherwise(read):
    evening = COLUMNS | {"arrival": "2024-04-30T23:30:00Z"}
    assert read(evening).zone == "UTC"
    assert len(read(evening, date="2024-04-30").frame) == 1
    assert len(read(evening, date="2024-05-01", timezone="Europe/Vienna").frame) == 1


@pytest.mark.parametrize("column", COLUMNS)
def test_refused_when_a_required_column_is_missing(read, column):
    given = {name: value for name, value in FULL.items() if name != column}
    with pytest.raises(TableError, match=f"column '{column}': expected this column"):
        read(given)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("session_id", "", "1 to 200 printable characters without /"),
        ("session_id", "a/b", "1 to 200 printable characters without /"),
        ("session_id", "..", "1 to 200 printable characters without /"),
        ("session_id", "a\tb", "1 to 200 printable characters without /"),
        ("arrival", "2024-05-01T08:00:00", "with Z or an offset"),
        ("departure", "2024-05-01T08:00:00Z", "a departure later than the arrival"),
        ("departure", "", "with Z or an offset"),
        ("estimated_departure", "2024-05-01T08:00:00Z", "later than the arrival, or none"),
        ("battery_capacity_wh", "0", "whole Wh from 1"),
        ("battery_capacity_wh", "60.5", "whole Wh from 1"),
        ("soc_arrival", "1.01", "a state of charge from 0 to 1"),
        ("soc_arrival", "40%", "a state of charge from 0 to 1"),
        ("soc_arrival", "nan", "a state of charge from 0 to 1"),
        ("need_wh", "-1", "whole Wh from 0"),
        ("need_wh", "", "whole Wh from 0"),
        ("v2g_cap_wh", "-1", "whole Wh from 0 to 4294967295, or none"),
        ("v2g_cap_wh", "1.5", "whole Wh from 0 to 4294967295, or none"),
        ("v2g_cap_wh", "1e300", "whole Wh from 0 to 4294967295, or none"),
        ("v2g_cap_wh", "all", "whole Wh from 0 to 4294967295, or none"),
        ("soc_source", "guessed", "one of charger"),
        ("soc_source", "", "one of charger"),
        ("charge_power_w", "0", "whole W from 1"),
        ("discharge_power_w", "", "whole W from 0"),
        ("reserve_soc", "2", "a state of charge from 0 to 1"),
    ],
)
def test_refused_with_row_column_value_and_what_was_expected(read, column, value, expected):
    with pytest.raises(TableError) as caught:
        read(FULL, FULL | {"session_id": "b", column: value})
    (fault,) = caught.value.faults
    assert (fault.row, fault.column) == (3, column)
    assert expected in fault.expected
    shown = pd.Timestamp(value) if "later" in expected else value
    found = pd.Timestamp(str(fault.value)) if "later" in expected else fault.value
    assert found == shown
    assert caught.value.source.endswith("sessions.csv")


def test_refused_when_an_id_comes_twice(read):
    with pytest.raises(TableError, match="an id that no other row has") as caught:
        read(FULL, FULL | {"session_id": "b"}, FULL)
    assert set(faults(caught)) <= {(2, "session_id"), (4, "session_id")}


def test_all_faults_come_at_once(read):
    with pytest.raises(TableError) as caught:
        read(FULL | {"soc_arrival": "2"}, FULL | {"session_id": "b", "need_wh": "x"})
    assert faults(caught) == [(2, "soc_arrival"), (3, "need_wh")]


def test_ids_keep_their_zeros(read):
    assert read(FULL | {"session_id": "007"}).frame["session_id"].item() == "007"
