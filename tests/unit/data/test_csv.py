from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest

from trading.data.csv import read_table, read_text, write_table
from trading.errors import InputError, TableError
from trading.tables import FLEET, SESSIONS, UTC_TIME

NAMES = "vehicle_id,battery_capacity_kwh,soc\n"
SESSION_NAMES = ",".join(name for name, it in SESSIONS.columns.items() if it.required) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def message(path: Path, content: str | bytes, schema: Any = FLEET) -> list[str]:
    """What is said of a file, by line, without the file's name in front."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        read_table(path, schema)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


@pytest.mark.parametrize(
    "content",
    [
        (NAMES + "007,40,0.5\nNA,60.5,1\n").encode(),
        b"\xef\xbb\xbf" + (NAMES + "007,40,0.5\nNA,60.5,1\n").encode(),
        (NAMES + "007,40,0.5\nNA,60.5,1\n").replace("\n", "\r\n").encode(),
        (NAMES + "007,40,0.5\nNA,60.5,1").encode(),
        (NAMES + "007,40,0.5\nNA,60.5,1\n\n\n").encode(),
        b" soc, colour ,vehicle_id,battery_capacity_kwh\n.5,x,007,4e1\n 1 ,,NA,+60.50\n",
        gzip.compress((NAMES + "007,40,0.5\nNA,60.5,1\n").encode(), mtime=0),
    ],
    ids=["plain", "byte order mark", "CRLF", "no last line end", "blank end", "order", "gzip"],
)
def test_a_table_is_read_as_it_is_written(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert read_table(path, FLEET).to_dict("list") == {
        "vehicle_id": ["007", "NA"],
        "battery_capacity_kwh": [40.0, 60.5],
        "soc": [0.5, 1.0],
    }


def test_text_is_kept_with_its_spaces_quotes_and_line_ends(path: Path) -> None:
    path.write_text(NAMES + '" a ""b"",\n c",40,0.5\nnull,40,0.5\n')
    assert read_table(path, FLEET)["vehicle_id"].tolist() == [' a "b",\n c', "null"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "expected a line of column names, found an empty file"),
        ("\n\n", "expected a line of column names, found an empty file"),
        (NAMES, "expected at least one row after the column names, found none"),
        ("a\0b", "expected text in UTF-8, but it holds a NUL byte"),
        (b"\xc8\xc9" * 9, "expected text in UTF-8, but byte 1 of 18 is 0xc8"),
        (NAMES.encode() + b"ev-\xff,40,0.5\n", "expected text in UTF-8, but byte 40 of 48 is 0xff"),
        (NAMES + '"a,40,0.5\n', "row 2: not CSV (unexpected end of data)"),
        (
            gzip.compress(NAMES.encode(), mtime=0)[:-6],
            "the gzip file is damaged "
            "(Compressed file ended before the end-of-stream marker was reached)",
        ),
        (
            "vehicle_id,soc\na,0.5\n",
            "column 'battery_capacity_kwh': expected this column, but it is missing "
            "(found: 'vehicle_id', 'soc')",
        ),
        (
            "vehicle_id,soc,battery_capacity_kwh,soc\na,0.5,40,0.5\n",
            "column 'soc': expected one column of this name, found 2",
        ),
    ],
)
def test_a_file_that_is_no_table_is_one_clear_message(
    path: Path, content: str | bytes, expected: str
) -> None:
    assert message(path, content) == [expected]


def test_a_file_that_is_not_there_or_not_a_file_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_text(tmp_path / "nothing.csv")
    assert str(caught.value) == f"{tmp_path / 'nothing.csv'}: there is no such file"
    with pytest.raises(InputError) as caught:
        read_text(tmp_path)
    assert str(caught.value) == f"{tmp_path}: expected a file, found a folder"


def test_a_file_that_cannot_be_read_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(File name too long\)"):
        read_text(tmp_path / ("x" * 300))


def test_ragged_rows_are_all_named(path: Path) -> None:
    assert message(path, NAMES + "a,40\nb,40,0.5\n\nc,40,0.5,1\n") == [
        "row 2: found '2 cells', expected 3, one for each column",
        "row 4: found '0 cells', expected 3, one for each column",
        "row 5: found '4 cells', expected 3, one for each column",
    ]


def test_every_fault_is_told_with_its_line_and_the_cell_as_written(path: Path) -> None:
    content = NAMES + 'a,40,high\na,-4,1.5\n"two\nlines",40,\n,1e400,0.5\n'
    assert message(path, content)[-1] == "and 3 more of the kind"
    with pytest.raises(TableError) as caught:
        read_table(path, FLEET)
    assert [(fault.row, fault.column, fault.value) for fault in caught.value.faults] == [
        (2, "vehicle_id", "a"),
        (2, "soc", "high"),
        (3, "vehicle_id", "a"),
        (3, "battery_capacity_kwh", "-4"),
        (3, "soc", "1.5"),
        (4, "soc", ""),
        (6, "vehicle_id", ""),
        (6, "battery_capacity_kwh", "1e400"),
    ]


@pytest.mark.parametrize("cell", ["x", "", "nan", "inf", "1_0", "0,5", "0x1", "1e", "٠", "--1"])
def test_a_cell_that_is_no_number_is_refused(path: Path, cell: str) -> None:
    assert message(path, NAMES + f'a,40,"{cell}"\n') == [
        f"row 2, column 'soc': found {cell!r}, expected a state of charge from 0 to 1"
    ]


@pytest.mark.parametrize("cell", ["1.0", "", "1e3", "99999999999999999999", "-1", "4294967296"])
def test_a_cell_that_is_no_whole_wh_is_refused(path: Path, cell: str) -> None:
    content = SESSION_NAMES + session(need_wh=cell)
    assert message(path, content, SESSIONS) == [
        f"row 2, column 'need_wh': found {cell!r}, expected whole Wh from 0 to 4294967295"
    ]


def session(**cells: str) -> str:
    row = {
        "session_id": "a",
        "arrival": "2019-10-29T07:00:00Z",
        "departure": "2019-10-29T09:00:00Z",
        "estimated_departure": "",
        "battery_capacity_wh": "40000",
        "soc_arrival": "0.5",
        "soc_source": "declared",
        "need_wh": "9000",
        "charge_power_w": "7000",
        "discharge_power_w": "0",
        "reserve_soc": "0",
    }
    return ",".join({**row, **cells}.values()) + "\n"


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("2019-10-29T07:00:00Z", "2019-10-29T07:00:00"),
        ("2019-10-29 00:00-07:00", "2019-10-29T07:00:00"),
        ("2019-10-29T08:00:00.25+0100", "2019-10-29T07:00:00.250000"),
        ("2019-10-29T08:00:00.000001+01", "2019-10-29T07:00:00.000001"),
    ],
)
def test_times_become_utc(path: Path, cell: str, utc: str) -> None:
    path.write_text(SESSION_NAMES + session(arrival=cell))
    table = read_table(path, SESSIONS)
    assert table["arrival"].dtype == UTC_TIME
    assert table.at[0, "arrival"].isoformat() == utc + "+00:00"
    assert table["estimated_departure"].dtype == UTC_TIME
    assert table["estimated_departure"].isna().all()


@pytest.mark.parametrize(
    "cell",
    [
        "2019-10-29T07:00:00",
        "2019-13-29T07:00:00Z",
        "2019-10-29",
        "29.10.2019 07:00Z",
        "2019-10-29T07:00:00.1234567Z",
        "0001-01-01T00:00:00+14:00",
        "1572332400",
        "",
    ],
)
def test_a_time_is_refused_when_it_is_not_one_moment(path: Path, cell: str) -> None:
    assert message(path, SESSION_NAMES + session(arrival=cell), SESSIONS) == [
        f"row 2, column 'arrival': found {cell!r}, expected an ISO 8601 time of 1900 to 2200 "
        "with Z or an offset, such as 2019-10-29T07:00:00Z"
    ]


def test_nothing_is_said_of_a_row_when_a_cell_that_its_rule_needs_cannot_be_read(
    path: Path,
) -> None:
    content = SESSION_NAMES + session(arrival="soon", departure="1999-12-31T23:00:00Z")
    content += session(departure="2019-10-29T07:00:00Z")
    path.write_text(content)
    with pytest.raises(TableError) as caught:
        read_table(path, SESSIONS)
    assert [(fault.row, fault.column) for fault in caught.value.faults] == [
        (2, "session_id"),
        (2, "arrival"),
        (3, "session_id"),
        (3, "departure"),
    ]


def test_local_times_flags_and_gaps_are_read_where_the_schema_has_them(path: Path) -> None:
    schema = pa.DataFrameSchema(
        {
            "start": pa.Column("datetime64[us]"),
            "is_on": pa.Column(bool),
            "level": pa.Column(float, nullable=True),
        },
        strict="filter",
    )
    path.write_text("start,is_on,level\n2019-10-29 07:00,True,\n2019-10-29T08:00:01,false,2\n")
    table = read_table(path, schema)
    assert table["start"].tolist() == [
        pd.Timestamp("2019-10-29T07:00"),
        pd.Timestamp("2019-10-29T08:00:01"),
    ]
    assert table["is_on"].tolist() == [True, False]
    assert table["level"].isna().tolist() == [True, False]
    assert message(path, "start,is_on,level\n2019-10-29T07:00Z,1,x\n", schema) == [
        "row 2, column 'start': found '2019-10-29T07:00Z', expected an ISO 8601 time of "
        "1900 to 2200 without an offset, such as 2019-10-29T07:00:00",
        "row 2, column 'is_on': found '1', expected true or false",
        "row 2, column 'level': found 'x', expected a number",
    ]


def test_a_table_is_written_in_one_form(path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b,c", "é"],
            "energy_wh": [1, 2**40, 0],
            "soc": [0.1, 1 / 3, 1.0],
            "time": pd.to_datetime(
                ["2019-10-29T07:00+01:00", None, "2019-10-29T07:00:01Z"], utc=True, format="ISO8601"
            ),
            "exact": pd.to_datetime(
                ["2019-10-29T07:00:00.5Z", "2019-10-29T07:00Z", None], format="ISO8601"
            ),
        }
    )
    before = frame.copy(deep=True)
    write_table(frame, path)
    assert path.read_bytes().decode().split("\n") == [
        "id,energy_wh,soc,time,exact",
        "a,1,0.1,2019-10-29T06:00:00Z,2019-10-29T07:00:00.5Z",
        '"b,c",1099511627776,0.3333333333333333,,2019-10-29T07:00:00Z',
        "é,0,1.0,2019-10-29T07:00:01Z,",
        "",
    ]
    pd.testing.assert_frame_equal(frame, before)


def test_times_without_a_zone_are_not_written(path: Path) -> None:
    frame = pd.DataFrame({"time": pd.to_datetime(["2019-10-29T07:00"])})
    with pytest.raises(TableError, match="column 'time': expected times with a zone"):
        write_table(frame, path)
    assert not path.exists()
