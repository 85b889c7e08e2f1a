"""CSV in and out without loss: a cell is read as it stands, and a table is always the same bytes.

Every reader of a format uses this, so that a fault in any file is told in the same way: file, line,
column, value, what was expected.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pandera.pandas as pa

from trading.errors import Fault, InputError, TableError
from trading.tables import Kind, check, expected_of, kind_of, missing_columns

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FLAG = re.compile("true|false", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
# Python drops what comes after the sixth digit of a second; a longer fraction is refused instead.
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_LOCAL = re.compile(_TIME, re.ASCII)
_UTC = re.compile(_TIME + r"(Z|[+-]\d\d(:?\d\d)?)", re.ASCII)

_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_YEARS = f"of {_FIRST_YEAR} to {_LAST_YEAR}"

_EXPECTED = {
    Kind.NUMBER: "a number",
    Kind.WHOLE: "a whole number",
    Kind.FLAG: "true or false",
    Kind.UTC: f"an ISO 8601 time {_YEARS} with Z or an offset, such as 2019-10-29T07:00:00Z",
    Kind.LOCAL: f"an ISO 8601 time {_YEARS} without an offset, such as 2019-10-29T07:00:00",
}


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, plain or gzipped.

    Raises:
        InputError: there is no such file, it cannot be read, or it does not hold text.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: expected a file, found a folder") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the gzip file is damaged ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = f"byte {error.start + 1} of {len(raw)} is 0x{raw[error.start]:02x}"
        raise InputError(f"{path}: expected text in UTF-8, but {at}") from None
    if "\0" in text:
        raise InputError(f"{path}: expected text in UTF-8, but it holds a NUL byte")
    return text


def read_table(path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """The columns of a CSV file that `schema` names, converted and checked.

    Text stays as it is in the file, so that the id `007` keeps its zeros; numbers become the
    nearest double; times become UTC, or stay local where the schema says so. An empty number or
    time is a fault unless its column is nullable; whether a text may be empty is for its own rule.
    Columns that the schema does not name are not looked at.

    Args:
        path: the file, plain or gzipped, in UTF-8, comma separated, with one line of names.
        schema: columns of text, float64, int64, bool, or datetime64 with or without UTC.

    Raises:
        TableError: a column is missing, a row has too many or too few cells, or values are not what
            the schema says; all faults at once. The first line after the names is row 2.
        InputError: the file cannot be read as CSV at all.
    """
    cells = _read_cells(path)
    missing = missing_columns(pd.Index(cells.names), schema)
    if missing:
        raise TableError(str(path), missing)
    columns: dict[str, pd.Series] = {}
    unread: dict[_Cell, Fault] = {}
    for name in (name for name in schema.columns if name in cells.names):
        column, i = schema.columns[name], cells.names.index(name)
        columns[name], bad = _converted([row[i] for row in cells.rows], column)
        for position, value in bad.items():
            line = cells.lines[position]
            unread[line, name] = Fault(
                row=line, column=name, value=value, expected=_expected_of(column)
            )
    try:
        table = check(pd.DataFrame(columns), schema, source=str(path))
    except TableError as error:
        unread = _merged(unread, error, cells, schema)
    if unread:
        place = {name: i for i, name in enumerate(schema.columns)}
        in_order = sorted(unread, key=lambda at: (at[0], place.get(at[1], -1)))
        raise TableError(str(path), [unread[at] for at in in_order])
    return table


def write_table(frame: pd.DataFrame, path: Path) -> None:
    r"""Write a table as CSV: UTF-8, `\n` line ends, times in ISO 8601 with Z, no index.

    Integers are written as integers and floats as the shortest text that reads back the same, so
    the same table gives the same bytes everywhere. A time is written to the second, and a
    fraction only in the cell that has one, with as many digits as it needs. A missing value is an
    empty cell.

    Raises:
        TableError: a column holds times without a zone.
    """
    out = frame.copy(deep=False)
    quoting: Literal[0, 2] = csv.QUOTE_MINIMAL
    for name in frame.columns:
        values = frame[name]
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            out[name] = _iso(values)
        elif pd.api.types.is_datetime64_dtype(values.dtype):
            raise TableError(str(path), [Fault(column=name, expected="times with a zone")])
        elif (
            pd.api.types.is_string_dtype(values.dtype)
            and values.str.contains("\r", regex=False, na=False).any()
        ):
            # Left to itself, the writer quotes a carriage return only where it ends the lines.
            quoting = csv.QUOTE_NONNUMERIC
    out.to_csv(path, index=False, lineterminator="\n", encoding="utf-8", quoting=quoting)


def _iso(times: pd.Series) -> pd.Series:
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    text = np.datetime_as_string(utc, unit="s").astype(object)
    has_fraction = (utc != utc.astype("datetime64[s]")) & ~np.isnat(utc)
    fine = np.datetime_as_string(utc[has_fraction], unit="us")
    text[has_fraction] = np.char.rstrip(fine, "0").astype(object)
    return pd.Series(np.where(np.isnat(utc), "", text + "Z"), index=times.index, dtype=object)


_Cell = tuple[int, str]
"""Line and column of a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    names: list[str]
    rows: list[list[str]]
    lines: list[int]


def _read_cells(path: Path) -> _Cells:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for row in reader:
            rows.append(row)
            lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}: row {line}: not CSV ({error})") from None
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise InputError(f"{path}: expected a line of column names, found an empty file")
    names = [name.strip() for name in rows[0]]
    ragged = [
        Fault(row=at, value=f"{len(row)} cells", expected=f"{len(names)}, one for each column")
        for row, at in zip(rows[1:], lines[1:], strict=False)
        if len(row) != len(names)
    ]
    if ragged:
        raise TableError(str(path), ragged)
    if len(rows) == 1:
        raise TableError(
            str(path),
            [Fault(expected="expected at least one row after the column names, found none")],
        )
    return _Cells(names=names, rows=rows[1:], lines=lines[1 : len(rows)])


def _merged(
    unread: dict[_Cell, Fault], error: TableError, cells: _Cells, schema: pa.DataFrameSchema
) -> dict[_Cell, Fault]:
    """The cells that could not be read and those that break the schema, by line and as written."""
    faults = dict(unread)
    # A cell that could not be read holds a stand-in, so what the check says about it, or about its
    # row as a whole, does not count.
    row_rules = {str(rule.error) for rule in schema.checks or []}
    bad_lines = {line for line, _ in unread}
    for fault in error.faults:
        position, name = fault.row or 0, fault.column or ""
        line = 0 if fault.row is None else cells.lines[position]
        if line in bad_lines and fault.expected in row_rules:
            continue
        if line:
            value = cells.rows[position][cells.names.index(name)]
            fault = replace(fault, row=line, value=value)
        faults.setdefault((line, name), fault)
    return faults


def _expected_of(column: pa.Column) -> str:
    has_rule = any(rule.error for rule in column.checks)
    return expected_of(column) if has_rule else _EXPECTED[kind_of(column)]


def _converted(cells: list[str], column: pa.Column) -> tuple[pd.Series, dict[int, str]]:
    """The cells as a column, and by position those that could not be read (stand-ins there)."""
    kind = kind_of(column)
    if kind is Kind.TEXT:
        return pd.Series(cells, dtype="str"), {}
    parse, stand_in = _PARSERS[kind]
    # Neither int64 nor bool has a way to say that there is no value.
    has_gaps = column.nullable and kind not in (Kind.WHOLE, Kind.FLAG)
    values: list[object] = []
    bad: dict[int, str] = {}
    for position, cell in enumerate(cells):
        text = cell.strip()
        if not text and has_gaps:
            values.append(None)
            continue
        try:
            values.append(parse(text))
        except (ValueError, OverflowError):
            values.append(stand_in)
            bad[position] = cell
    return pd.Series(values, dtype=pd.api.types.pandas_dtype(str(column.dtype))), bad


def _number(text: str) -> float:
    return float(_matched(_NUMBER, text))


def _whole(text: str) -> int:
    value = int(_matched(_WHOLE, text))
    if not -(2**63) <= value < 2**63:
        raise OverflowError(text)
    return value


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[_matched(_FLAG, text).lower()]


def _utc(text: str) -> dt.datetime:
    return _in_years(dt.datetime.fromisoformat(_matched(_UTC, text))).astimezone(dt.UTC)


def _local(text: str) -> dt.datetime:
    return _in_years(dt.datetime.fromisoformat(_matched(_LOCAL, text)))


def _in_years(time: dt.datetime) -> dt.datetime:
    # A year outside is a typing error, and beyond 1677 or 2262 pandas may not hold it.
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise ValueError(time)
    return time


def _matched(pattern: re.Pattern[str], text: str) -> str:
    # Python's own conversions take more than a file should say: 1_000, nan, digits of any script.
    if pattern.fullmatch(text) is None:
        raise ValueError(text)
    return text


_PARSERS: dict[Kind, tuple[Callable[[str], object], object]] = {
    Kind.NUMBER: (_number, 0.0),
    Kind.WHOLE: (_whole, 0),
    Kind.FLAG: (_flag, False),
    Kind.UTC: (_utc, dt.datetime(2000, 1, 1, tzinfo=dt.UTC)),
    Kind.LOCAL: (_local, dt.datetime(2000, 1, 1)),
}
