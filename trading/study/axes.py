"""Keys of a sweep's file: which there are, what type each takes, and what a random draw means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from trading.study.scenario import Scenario, Value

_SOURCE_FIELDS = ("lot", "sessions", "sessions_sha256", "format", "timezone")
_DATE_FIELDS = ("from_date", "to_date")
TYPES: dict[str, str] = {
    field.name: str(field.type)
    for field in fields(Scenario)
    if field.name not in (*_SOURCE_FIELDS, *_DATE_FIELDS)
}
KEYS = ("lot", "date", *TYPES)
"""What may stand in `base`, `grid` and `sample.ranges`."""
NONE = {key: "none" for key, kind in TYPES.items() if kind.endswith("None")} | {
    "price_ueur_per_kwh": "middle"
}
"""The word for no value, in a list beside values: no limit, no cap, the middle price."""

EXPECTED = {
    "int": "a whole number of at most 64 bits",
    "float": "a finite number",
    "str": "a text",
    "bool": "true or false",
}
"""What to say of a value of another type."""


def expected_of(key: str) -> str:
    """What to say of a value of another type."""
    what = EXPECTED[TYPES[key].removesuffix(" | None")]
    return f"{what}, or {NONE[key]!r}" if key in NONE else what


def is_value(key: str, value: object) -> bool:
    """Whether a TOML value is one of the key's type."""
    return (key in NONE and value == NONE[key]) or is_of_kind(
        value, TYPES[key].removesuffix(" | None")
    )


def is_of_kind(value: object, kind: str) -> bool:
    """Whether a TOML value is of this type; true is not 1, and 1 is 1.0."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return False
    if kind == "float":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return math.isfinite(value)
    return type(value) is {"int": int, "str": str, "bool": bool}[kind]


def typed(key: str, value: Value) -> Value:
    """A TOML value of the right type as the field takes it."""
    if key in NONE and value == NONE[key]:
        return None
    return float(value or 0) if TYPES[key] == "float" else value


def drawn(key: str, values: Any, u: float) -> Value:
    """What a draw from [0, 1) means for a key: a choice of a list, or a number of a range."""
    if isinstance(values, list):
        return typed(key, choice(values, u))
    low, high = values["low"], values["high"]
    step = values.get("step", None if TYPES[key] == "float" else 1)
    if step is None:
        return float(low + u * (high - low))
    n = int(np.floor((high - low) / step + 1e-9)) + 1
    value = low + int(u * n) * step
    # Steps of 0.05 from 0.1 on should give 0.15, not 0.15000000000000002.
    return round(float(value), 12) if TYPES[key] == "float" else int(value)


def choice(values: Sequence[Any], u: float) -> Any:
    """What a draw from [0, 1) picks of a list, at equal odds."""
    return values[min(int(u * len(values)), len(values) - 1)]
