"""The table behind each arrow of the design, written down once: fleet, sessions, orders, trades.

A table is checked where data enters (`check`) and trusted inside. Column names end in their unit;
every quantity is non-negative and direction is a column, never a sign.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pandas as pd
import pandera.pandas as pa

from trading.errors import Fault, TableError
from trading.units import MAX_U32

UTC_TIME = pd.DatetimeTZDtype("us", "UTC")
SOC_SOURCES = ("charger", "telematics", "declared", "inferred")
MAX_CAPACITY_KWH = MAX_U32 // 1000

_Check = pa.Check


def _text(*, unique: bool = False, expected: str = "a text that is not empty") -> pa.Column:
    return pa.Column(str, _Check(lambda s: s.str.len() > 0, error=expected), unique=unique)


def _fraction(expected: str) -> pa.Column:
    return pa.Column(float, _Check.in_range(0.0, 1.0, error=expected), description=expected)


def _whole(expected: str, *, low: int = 0, high: int = MAX_U32) -> pa.Column:
    return pa.Column("int64", _Check.in_range(low, high, error=expected), description=expected)


_SOC = "a state of charge from 0 to 1"
_WH = f"whole Wh from 0 to {MAX_U32}"
_WH_ABOVE_0 = f"whole Wh from 1 to {MAX_U32}"
_PRICE = f"whole micro-euro per kWh from 0 to {MAX_U32}"
_MONEY = "whole micro-euro, 0 or more"
_POWER = f"whole W from 0 to {MAX_U32}"
_POWER_ABOVE_0 = f"whole W from 1 to {MAX_U32}"
_MAX_MONEY = 2**63 - 1


FLEET = pa.DataFrameSchema(
    {
        "vehicle_id": _text(unique=True),
        "battery_capacity_kwh": pa.Column(
            float,
            _Check(
                lambda s: (s > 0) & (s <= MAX_CAPACITY_KWH),
                error=f"a finite capacity above 0 and at most {MAX_CAPACITY_KWH} kWh",
            ),
        ),
        "soc": _fraction(_SOC),
    },
    name="fleet",
    strict="filter",
)
"""A fleet at one moment: one row a vehicle."""

FLEET_BY_ARRIVAL = FLEET.add_columns({"arrival": pa.Column(UTC_TIME, required=False)})
"""A fleet with the time at which each vehicle came, where that is known."""

ROLES = pa.DataFrameSchema(
    {
        "vehicle_id": _text(unique=True),
        "role": pa.Column(str, _Check.isin(["buyer", "seller", "neutral"])),
        "required_wh": _whole(_WH),
        "available_wh": _whole(_WH),
    },
    name="roles",
    strict="filter",
)
"""Equations (1) to (3) of a fleet: one row a vehicle, in the order of the fleet."""

SESSIONS = pa.DataFrameSchema(
    {
        "session_id": _text(unique=True),
        "arrival": pa.Column(UTC_TIME),
        "departure": pa.Column(UTC_TIME),
        "estimated_departure": pa.Column(UTC_TIME, nullable=True),
        "battery_capacity_wh": _whole(_WH_ABOVE_0, low=1),
        "soc_arrival": _fraction(_SOC),
        "soc_source": pa.Column(
            str, _Check.isin(SOC_SOURCES, error="one of " + ", ".join(SOC_SOURCES))
        ),
        "need_wh": _whole(_WH),
        "charge_power_w": _whole(f"whole W from 1 to {MAX_U32}", low=1),
        "discharge_power_w": _whole(_POWER),
        "reserve_soc": _fraction("a state of charge from 0 to 1 that the owner keeps"),
        "v2g_cap_wh": pa.Column(
            "int64", _Check.in_range(0, MAX_U32, error=_WH), description=_WH, required=False
        ),
    },
    checks=_Check(
        lambda frame: frame["arrival"] < frame["departure"],
        error="a departure later than the arrival",
        name="departure",
    ),
    name="sessions",
    strict="filter",
)
"""Stays in the lot. `need_wh` is AC energy at the charger's meter that the vehicle is to have drawn
by its departure, whatever its role; `estimated_departure` is empty where the driver gave none;
`soc_source` says where the SoC comes from; `discharge_power_w` 0 means no V2G. `v2g_cap_wh`, the
most that the owner lets the vehicle sell in its stay, may be absent: 4294967295 and no column both
mean no cap."""


def _has_time_between(orders: pd.DataFrame) -> pd.Series:
    if not {"earliest", "latest"} <= set(orders.columns):
        return pd.Series(True, index=orders.index)
    # An empty time compares as false, and is no limit.
    return ~(orders["earliest"] >= orders["latest"])


ORDERS = pa.DataFrameSchema(
    {
        "vehicle_id": _text(),
        "side": pa.Column(str, _Check.isin(["buy", "sell"], error="buy or sell")),
        "energy_wh": _whole(_WH_ABOVE_0, low=1),
        "soc": _fraction(_SOC),
        "arrival": pa.Column("int64"),
        "limit_price_ueur_per_kwh": pa.Column(
            "int64", _Check.in_range(0, MAX_U32, error=_PRICE), required=False
        ),
        "earliest": pa.Column(UTC_TIME, nullable=True, required=False),
        "latest": pa.Column(UTC_TIME, nullable=True, required=False),
        "power_limit_w": pa.Column(
            "int64", _Check.in_range(1, MAX_U32, error=_POWER_ABOVE_0), required=False
        ),
        "group": pa.Column(str, nullable=True, required=False),
        "energy_source": pa.Column(str, nullable=True, required=False),
    },
    checks=_Check(_has_time_between, error="a time later than `earliest`", name="latest"),
    unique=["vehicle_id"],
    name="orders",
    strict="filter",
)
"""The order book of one clearing: a bid (`buy`) or an ask (`sell`) a vehicle. `arrival` orders the
queue (Unix seconds, or any rank). The columns after it may be absent:

- `limit_price_ueur_per_kwh`: the most a buyer pays, the least a seller takes; without it buyers
  have no ceiling (which is the largest price, 4294967295) and sellers the floor 0;
- `earliest`, `latest`: when energy may flow, empty for any time;
- `power_limit_w`: the most power at the charger's meter;
- `group`, such as a company, and `energy_source`, which a seller sells and a buyer prefers: empty
  for none."""

TRADES = pa.DataFrameSchema(
    {
        "buyer_id": _text(),
        "seller_id": _text(),
        "energy_wh": _whole(_WH_ABOVE_0, low=1),
        "price_ueur_per_kwh": _whole(_PRICE),
        "cost_ueur": _whole(_MONEY, high=_MAX_MONEY),
        "seller_price_ueur_per_kwh": _whole(_PRICE),
        "income_ueur": _whole(_MONEY, high=_MAX_MONEY),
    },
    name="trades",
    strict="filter",
)
"""Priced trades: what the buyer pays and what the seller gets; the spread is the lot's."""


class Kind(StrEnum):
    """What a column holds, whatever its schema library calls that."""

    TEXT = "text"
    NUMBER = "number (float64)"
    WHOLE = "whole number (int64)"
    FLAG = "true or false (bool)"
    UTC = "time with a zone"
    LOCAL = "time without a zone"


def kind_of(column: pa.Column) -> Kind:
    """The kind of a schema's column."""
    name = str(column.dtype)
    if name.startswith("datetime64"):
        return Kind.UTC if name.endswith("UTC]") else Kind.LOCAL
    numeric = {"float64": Kind.NUMBER, "int64": Kind.WHOLE, "bool": Kind.FLAG}
    return numeric.get(name, Kind.TEXT)


def expected_of(column: pa.Column) -> str:
    """What a value of the column has to be, in words, for a fault."""
    rules = [str(rule.error) for rule in column.checks if rule.error]
    return rules[0] if rules else f"a {kind_of(column)}"


def missing_columns(columns: pd.Index, schema: pa.DataFrameSchema) -> list[Fault]:
    """A fault for each column that `schema` needs and `columns` lack, or hold twice."""
    names = list(columns)
    have = ", ".join(map(repr, names)) or "none"
    return [
        Fault(column=name, expected=f"this column, but it is missing (found: {have})")
        for name, column in schema.columns.items()
        if column.required and name not in names
    ] + [
        Fault(column=name, expected=f"one column of this name, found {names.count(name)}")
        for name in schema.columns
        if names.count(name) > 1
    ]


def check(
    frame: pd.DataFrame,
    schema: pa.DataFrameSchema,
    *,
    source: str | None = None,
    first_row: int = 0,
) -> pd.DataFrame:
    """The columns of `frame` that `schema` names, in its order, or every fault in one error.

    Args:
        frame: any table; it is not changed, and columns that the schema does not name are dropped.
        schema: one of this module's.
        source: what to call the table in an error, such as its file.
        first_row: number of the first row as the user counts it (2 for a file with a header).

    Raises:
        TableError: missing columns, no rows, or values outside what the schema says; it names the
            row, the column, the value and what was expected.
    """
    source = source or f"{schema.name} table"
    missing = missing_columns(frame.columns, schema)
    if missing:
        raise TableError(source, missing)
    if frame.empty:
        raise TableError(source, [Fault(expected="expected at least one row, found none")])
    present = [name for name in schema.columns if name in frame.columns]
    numbered = frame[present].reset_index(drop=True)
    wide, mistyped = _widen(numbered, schema)
    try:
        checked = schema.validate(wide, lazy=True)
    except pa.errors.SchemaErrors as errors:
        raise TableError(source, _faults(errors, numbered, schema, mistyped, first_row)) from None
    return pd.DataFrame(checked)[present]


def _widen(
    frame: pd.DataFrame, schema: pa.DataFrameSchema
) -> tuple[pd.DataFrame, dict[str, Fault]]:
    """Lossless conversions only, and a fault for each column that no such conversion helps."""
    wide, mistyped = frame.copy(deep=False), {}
    for name in frame.columns:
        column, values = schema.columns[name], frame[name]
        if _is_lossless(values, kind_of(column)):
            wide[name] = _converted(values, column)
        else:
            found = "text" if pd.api.types.is_string_dtype(values.dtype) else values.dtype
            wanted, kind = expected_of(column), kind_of(column)
            as_kind = "" if str(kind) in wanted else f" as a {kind}"
            mistyped[name] = Fault(column=name, expected=f"{wanted}{as_kind}, found {found}")
    return wide, mistyped


def _is_lossless(values: pd.Series, kind: Kind) -> bool:
    dtype = values.dtype
    if kind in (Kind.UTC, Kind.LOCAL) and values.isna().all():
        return True
    if kind is Kind.NUMBER:
        return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    if kind is Kind.WHOLE:
        fits = not pd.api.types.is_unsigned_integer_dtype(dtype) or values.max() < 2**63
        return pd.api.types.is_integer_dtype(dtype) and not values.hasnans and bool(fits)
    if kind is Kind.FLAG:
        return pd.api.types.is_bool_dtype(dtype) and not values.hasnans
    if kind is Kind.UTC:
        return isinstance(dtype, pd.DatetimeTZDtype)
    if kind is Kind.LOCAL:
        return isinstance(dtype, np.dtype) and dtype.kind == "M"
    is_named = isinstance(dtype, pd.CategoricalDtype | pd.StringDtype) or dtype == np.dtype(object)
    return is_named or pd.api.types.is_integer_dtype(dtype)


def _converted(values: pd.Series, column: pa.Column) -> pd.Series:
    kind = kind_of(column)
    wanted = pd.api.types.pandas_dtype(str(column.dtype))
    if kind in (Kind.UTC, Kind.LOCAL) and values.isna().all():
        return pd.Series(pd.NaT, index=values.index, dtype=wanted)
    if kind is Kind.UTC:
        values = values.dt.tz_convert("UTC")
    converted: pd.Series = values.astype("str" if kind is Kind.TEXT else wanted)
    return converted


def _faults(
    errors: pa.errors.SchemaErrors,
    frame: pd.DataFrame,
    schema: pa.DataFrameSchema,
    mistyped: dict[str, Fault],
    first_row: int,
) -> list[Fault]:
    cases = errors.failure_cases
    row_rules = {str(rule.error): str(rule.name) for rule in schema.checks or []}
    needed = [name for name in frame.columns if not schema.columns[name].nullable]
    has_gap = frame[needed].isna().any(axis=1)
    faults: dict[tuple[int, str], Fault] = {}
    for column, rule, index in zip(cases["column"], cases["check"], cases["index"], strict=True):
        if column in mistyped or index is None or pd.isna(index):
            continue
        position = int(index)
        # A rule over a row says nothing of use where the row lacks a value, or a column its type.
        if rule in row_rules and (mistyped or has_gap.iloc[position]):
            continue
        name = row_rules.get(str(rule), str(column))
        is_twice = rule in ("field_uniqueness", "multiple_fields_uniqueness")
        if rule in row_rules:
            expected = str(rule)
        elif is_twice:
            expected = "an id that no other row has"
        else:
            expected = expected_of(schema.columns[name])
        value = _shown(frame.at[position, name])
        fault = Fault(row=position + first_row, column=name, value=value, expected=expected)
        faults.setdefault((position, name), fault)
    place = {name: i for i, name in enumerate(frame.columns)}
    in_order = sorted(faults, key=lambda key: (key[0], place[key[1]]))
    return [*mistyped.values(), *(faults[key] for key in in_order)]


def _shown(value: object) -> object:
    """The value as a person would write it: no numpy types, times in ISO 8601, nothing as None."""
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat().replace("+00:00", "Z")
    return value.item() if isinstance(value, np.generic) else value
