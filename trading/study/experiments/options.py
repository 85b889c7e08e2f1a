"""What every experiment is told: whose sessions, which days, how many draws, and who computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import pandas as pd

from trading.data import load_sessions, select_days
from trading.errors import OptionError
from trading.study.dates import DAYS
from trading.study.scenario import Scenario, days_with_sessions, file_of
from trading.study.workers import Workers

T = TypeVar("T")
R = TypeVar("R")
Tables = dict[str, pd.DataFrame]
"""Tables of an experiment by name; a name becomes a CSV file's."""
LEAST_SESSIONS = 10
"""Days with fewer sessions say nothing about a market."""


class Over(Protocol):
    """Applies a function to many tasks; results come in the order of the tasks."""

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T], /) -> list[R]:
        """Results, one a task."""
        ...


def in_turn(function: Callable[[T], R], tasks: Sequence[T], /) -> list[R]:
    """One task after the other, here."""
    return [function(task) for task in tasks]


def over_workers(workers: Workers, progress: Callable[[str, int, int], None]) -> Over:
    """Tasks wherever `workers` are; functions and tasks must then be picklable.

    Args:
        workers: who computes.
        progress: called with (what, tasks done, tasks in all).
    """

    def over(function: Callable[[T], R], tasks: Sequence[T], /) -> list[R]:
        futures = [workers.submit(function, task) for task in tasks]
        results = []
        try:
            for n, future in enumerate(futures):
                progress("running lots", n, len(futures))
                results.append(future.result())
            progress("running lots", len(futures), len(futures))
        finally:
            for future in futures:
                future.cancel()
        return results

    return over


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """What every experiment is told.

    Attributes:
        bases: one scenario a file of sessions; files of the same `lot` belong together. Their dates
            bound the days; all else is kept unless an experiment varies it.
        seeds: how many draws of what was inferred, counted from each base's seed.
        kinds: of days: "all", "weekdays" or "weekends".
        least_sessions: a day needs as many, of one file.
        most_days: take no more days a lot, evenly spread; None for all.
        samples: random scenarios, where an experiment draws some.

    Raises:
        OptionError: a number below 1, no base, or no such kind of days.
    """

    bases: tuple[Scenario, ...] = (Scenario(),)
    seeds: int = 1
    kinds: str = "all"
    least_sessions: int = LEAST_SESSIONS
    most_days: int | None = None
    samples: int = 64

    def __post_init__(self) -> None:
        if not self.bases:
            raise OptionError("sessions", self.bases, "one file of sessions or more")
        for name in ("seeds", "least_sessions", "most_days", "samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(name, value, "1 or more")
        if self.kinds not in DAYS:
            raise OptionError("kinds", self.kinds, "one of " + ", ".join(DAYS))

    def days(self) -> list[Scenario]:
        """One scenario a lot and day, in this order.

        Raises:
            InputError: a file cannot be read.
            OptionError: a date is none, or no day is left.
        """
        found: dict[str, list[Scenario]] = {}
        for base in self.bases:
            sessions = load_sessions(
                file_of(base.sessions),
                format=base.format,
                timezone=base.timezone,
                assignment=base.assignment,
                seed=base.seed,
            )
            # Dates that are none, or bound nothing, are told as such.
            select_days(
                sessions.frame,
                zone=sessions.zone,
                from_date=base.from_date or None,
                to_date=base.to_date or None,
            )
            found.setdefault(base.lot, []).extend(
                replace(base, from_date=day.isoformat(), to_date=day.isoformat())
                for day, n in days_with_sessions(sessions).items()
                if n >= self.least_sessions
                and day.weekday() in DAYS[self.kinds]
                and (base.from_date or "0") <= day.isoformat() <= (base.to_date or "9")
            )
        days = [day for lot in found.values() for day in self._spread(_in_order(lot))]
        if not days:
            expected = "fewer, so that a day is left: no day of these files and dates has as many"
            raise OptionError("least_sessions", self.least_sessions, expected)
        return days

    def runs(self) -> list[Scenario]:
        """Every day under every seed, seeds of a day together."""
        return [replace(day, seed=day.seed + n) for day in self.days() for n in range(self.seeds)]

    def _spread(self, days: list[Scenario]) -> list[Scenario]:
        if self.most_days is None or len(days) <= self.most_days:
            return days
        # The middle of each of as many equal parts.
        return [
            days[(2 * n + 1) * len(days) // (2 * self.most_days)] for n in range(self.most_days)
        ]


def _in_order(days: list[Scenario]) -> list[Scenario]:
    return sorted(days, key=lambda day: day.from_date)
