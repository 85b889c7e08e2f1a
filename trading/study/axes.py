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
MIDDLE = "middle"
"""As `price_ueur_per_kwh`: the middle of floor and ceiling, in a list beside prices."""

EXPECTED = {
    "int": "a whole number of at most 64 bits",
    "float": "a finite number",
    "str": "a text",
    "bool": "true or false",
    "int | None": f"a whole number, or {MIDDLE!r} for the middle of floor and ceiling",
}
"""What to say of a value of another type."""


def is_of_type(value: object, kind: str) -> bool:
    """Whether a TOML value is what a field of this type takes; true is not 1, and 1 is 1.0."""
    if kind == "int | None":
        return value == MIDDLE or is_of_type(value, "int")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return False
    if kind == "float":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return math.isfinite(value)
    return type(value) is {"int": int, "str": str, "bool": bool}[kind]


def typed(key: str, value: Value) -> Value:
    """A TOML value of the right type as the field takes it."""
    if key == "price_ueur_per_kwh" and value == MIDDLE:
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
