"""Quantities that change in time: tariffs, background load, sun. Step functions in whole units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from trading.errors import OptionError
from trading.units import Int64Array

HOURS = 24
QUARTER_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A step function of time; make it with `constant`, `daily` or `series`.

    Attributes:
        values: whole numbers, in the unit of what the profile is for.
        starts_s: Unix times from which each value holds, ascending, the last until `end_s`; None
            for a profile that repeats every local day.
        end_s: Unix time at which a series ends.
        zone: IANA zone of a profile that repeats.
        name: what a series is, such as a key of a lot's file.
        source: where it is from, such as a file.
    """

    values: tuple[int, ...]
    starts_s: tuple[int, ...] | None = None
    end_s: int | None = None
    zone: str = "UTC"
    name: str = "series"
    source: str = ""

    @classmethod
    def constant(cls, value: int) -> Profile:
        """The same at all times."""
        return cls(values=(int(value),))

    @classmethod
    def daily(cls, values: Sequence[int], *, zone: str) -> Profile:
        """Values of the hours of a local day, the same every day.

        Raises:
            OptionError: not 24 values, or no such zone.
        """
        if len(values) != HOURS:
            raise OptionError("daily profile", f"{len(values)} values", "24, one an hour")
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise OptionError("zone", zone, "an IANA zone, such as America/Los_Angeles") from None
        return cls(values=tuple(int(value) for value in values), zone=zone)

    @classmethod
    def series(
        cls,
        starts: pd.DatetimeIndex,
        values: Sequence[int] | Int64Array,
        *,
        name: str = "series",
        source: str = "",
    ) -> Profile:
        """A recorded series: each value holds until the next, the last as long as the one before.

        Args:
            starts: times with a zone, ascending.
            values: as many.
            name: what it is, for messages.
            source: where it is from, for messages.

        Raises:
            OptionError: fewer than two, times without a zone, or not ascending.
        """
        if len(starts) < 2 or len(starts) != len(values):
            expected = "two times or more, and as many values"
            raise OptionError(name, f"{len(starts)} times, {len(values)} values", expected)
        if starts.tz is None:
            raise OptionError(name, str(starts[0]), "times with a zone")
        seconds = starts.tz_convert("UTC").as_unit("s").asi8
        if not (np.diff(seconds) > 0).all():
            raise OptionError(name, str(starts[0]), "times in ascending order, each once")
        return cls(
            values=tuple(int(value) for value in values),
            starts_s=tuple(int(second) for second in seconds),
            end_s=int(2 * seconds[-1] - seconds[-2]),
            name=name,
            source=source,
        )

    def at(self, times_s: Int64Array) -> Int64Array:
        """The values at Unix times, shape of `times_s`.

        Raises:
            OptionError: a time lies outside the series.
        """
        values = np.array(self.values, dtype=np.int64)
        if self.starts_s is not None:
            starts = np.array(self.starts_s, dtype=np.int64)
            if np.size(times_s):
                self.check_covers(int(np.min(times_s)), int(np.max(times_s)) + 1)
            return values[np.searchsorted(starts, times_s, side="right") - 1]
        if len(values) == 1:
            return np.full(np.shape(times_s), values[0])
        local = pd.DatetimeIndex(pd.to_datetime(times_s, unit="s", utc=True)).tz_convert(self.zone)
        of_hour: Int64Array = values[local.hour.to_numpy()]
        return of_hour

    def check_covers(self, since_s: int, until_s: int) -> None:
        """Refuse a series that is shorter than what is needed of it.

        Raises:
            OptionError: it begins after `since_s` or ends before `until_s`, Unix seconds.
        """
        if self.starts_s is None:
            return
        first_s = self.starts_s[0]
        end_s = self.end_s if self.end_s is not None else self.starts_s[-1]
        if first_s <= since_s and until_s <= end_s:
            return
        source = f"{self.source}, " if self.source else ""
        found = f"{source}{_clock(first_s)} to {_clock(end_s)}"
        expected = f"values for the whole run, {_clock(since_s)} to {_clock(until_s)}"
        raise OptionError(self.name, found, expected)

    def over(self, edges_s: Int64Array) -> Int64Array:
        """Value times seconds between each two Unix times, shape (n - 1,), exact.

        Raises:
            OptionError: a time lies outside the series.
        """
        if self.starts_s is None and len(self.values) == 1:
            return self.values[0] * np.diff(edges_s)
        if self.starts_s is not None:
            self.check_covers(int(edges_s[0]), int(edges_s[-1]))
            changes = np.array(self.starts_s, dtype=np.int64)
        else:
            # Local hours begin on a quarter of an hour of UTC in every zone of today.
            first = edges_s[0] // QUARTER_S * QUARTER_S
            changes = np.arange(first, edges_s[-1] + QUARTER_S, QUARTER_S)
        inside = changes[(changes > edges_s[0]) & (changes < edges_s[-1])]
        times = np.unique(np.concatenate((edges_s, inside)))
        pieces = self.at(times[:-1]) * np.diff(times)
        sums = np.concatenate(([0], np.cumsum(pieces)))
        at_edges = sums[np.searchsorted(times, edges_s)]
        total: Int64Array = np.diff(at_edges)
        return total

    @property
    def highest(self) -> int:
        """The largest value at any time."""
        return max(self.values)

    @property
    def lowest(self) -> int:
        """The smallest value at any time."""
        return min(self.values)


def _clock(at_s: int) -> str:
    return pd.Timestamp(at_s, unit="s", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
