"""The table behind each arrow of the design, written down once: fleet, sessions, orders, trades.

A table is checked where data enters (`check`) and trusted inside. Column names end in their unit;
every quantity is non-negative and direction is a column, never a sign.
"""

from __future__ import annotations

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
`soc_source` says where the SoC comes from; `discharge_power_w` 0 means no V2G."""

ORDERS = pa.DataFrameSchema(
    {
        "vehicle_id": _text(),
        "side": pa.Column(str, _Check.isin(["buy", "sell"], error="buy or sell")),
        "energy_wh": _whole(_WH_ABOVE_0, low=1),
        "soc": _fraction(_SOC),
        "arrival": pa.Column("int64"),
    },
    unique=["vehicle_id"],
    name="orders",
    strict="filter",
)
"""The order book of one clearing: a bid (`buy`) or an ask (`sell`) a vehicle. `arrival` orders the
queue (Unix seconds, or any rank)."""

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
    missing = [name for name in schema.columns if name not in frame.columns]
    if missing:
        have = ", ".join(map(repr, frame.columns)) or "none"
        raise TableError(
            source,
            [Fault(column=m, expected=f"this column, but it is missing (found: {have})") for m in missing],
        )
    if frame.empty:
        raise TableError(source, [Fault(expected="at least one row, found none")])
    numbered = frame.reset_index(drop=True)
    try:
        checked = schema.validate(_widen(numbered, schema), lazy=True)
    except pa.errors.SchemaErrors as errors:
        raise TableError(source, _faults(errors, numbered, schema, first_row)) from None
    return pd.DataFrame(checked)[list(schema.columns)]


def _widen(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Lossless conversions only: whole numbers where floats are asked for, UTC times of any unit."""
    wide = frame.copy(deep=False)
    for name, column in schema.columns.items():
        have, want = frame[name].dtype, str(column.dtype)
        if want == "float64" and pd.api.types.is_numeric_dtype(have):
            wide[name] = frame[name].astype("float64")
        elif want == "int64" and pd.api.types.is_integer_dtype(have):
            wide[name] = frame[name].astype("int64")
        elif isinstance(have, pd.DatetimeTZDtype) and want.startswith("datetime64"):
            wide[name] = frame[name].dt.tz_convert("UTC").astype(UTC_TIME)
        elif want == "str" and (have == np.dtype(object) or pd.api.types.is_integer_dtype(have)):
            wide[name] = frame[name].astype("str")
    return wide


def _faults(
    errors: pa.errors.SchemaErrors,
    frame: pd.DataFrame,
    schema: pa.DataFrameSchema,
    first_row: int,
) -> list[Fault]:
    cases = errors.failure_cases
    faults: dict[tuple[object, object], Fault] = {}
    for column, rule, found, index in zip(
        cases["column"], cases["check"], cases["failure_case"], cases["index"], strict=True
    ):
        name = column if column in schema.columns else None
        if index is None or pd.isna(index):
            faults.setdefault((name, None), Fault(column=name, expected=_typed(schema, name, found)))
            continue
        if (column, None) in faults:
            continue
        position = int(index)
        if rule == "departure" or "later than" in str(rule):
            name = "departure"
        expected = {
            "field_uniqueness": "an id that no other row has",
            "multiple_fields_uniqueness": "an id that no other row has",
            "not_nullable": _expected(schema, name),
        }.get(str(rule), str(rule))
        value = frame.at[position, name] if name in frame.columns else found
        value = value.item() if isinstance(value, np.generic) else value
        faults.setdefault(
            (position, name),
            Fault(row=position + first_row, column=name, value=value, expected=expected),
        )
    return sorted(faults.values(), key=lambda fault: (fault.row is not None, fault.row or 0))


def _typed(schema: pa.DataFrameSchema, column: str | None, found: object) -> str:
    want = str(schema.columns[column].dtype) if column else "another type"
    return f"values of type {want}, found {found}"


def _expected(schema: pa.DataFrameSchema, column: str | None) -> str:
    checks = schema.columns[column].checks if column in schema.columns else []
    return str(checks[0].error) if checks and checks[0].error else "a value, found none"
