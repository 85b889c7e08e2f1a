"""Dates of a sweep's file: a day, days in one run, or a table for a run on each of many days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

DAYS: dict[str, frozenset[int]] = {
    "all": frozenset(range(7)),
    "weekdays": frozenset(range(5)),
    "weekends": frozenset({5, 6}),
}
"""Kinds of days, as Python numbers them from Monday on."""


def days_named(value: object) -> tuple[dt.date, dt.date] | None:
    """First and last day of a date of the file, or None where it is not one."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value, value
    if not isinstance(value, str):
        return None
    ends = value.split("..")
    try:
        days = [dt.date.fromisoformat(end) for end in ends]
    except ValueError:
        return None
    is_plain = [day.isoformat() for day in days] == ends
    return (days[0], days[-1]) if is_plain and len(days) <= 2 and days[0] <= days[-1] else None


def days_of(table: Mapping[str, Any], days: Mapping[dt.date, int]) -> list[dt.date]:
    """The days that a table of `date` stands for, of those of a lot with their sessions."""
    first, last = (
        named[0] if key in table and (named := days_named(table[key])) else None
        for key in ("from", "to")
    )
    kinds, at_least = DAYS[table.get("days", "all")], table.get("at_least", 1)
    return [
        day
        for day, n in days.items()
        if (first is None or first <= day)
        and (last is None or day <= last)
        and day.weekday() in kinds
        and n >= at_least
    ]
