"""What a reader of charging sessions returns, and how a row that cannot be used leaves the table.

A third-party record may be faulty beyond use (it ends before it begins, its id came already). It is
left out with its row and the reason, and the result carries that list: nothing is dropped silently.
A file that is wrong in structure is no such case; it is a `TableError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from trading.data.assignment import Assignment

MAX_CHARGE_POWER_W = 500_000
"""Assumption: no bay gives a car more than 500 kW, so a record that needs more is faulty."""


def _nothing_left_out() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": pd.Series([], dtype="int64"),
            "session_id": pd.Series([], dtype="str"),
            "reason": pd.Series([], dtype="str"),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sessions:
    """Stays as read from a file.

    Attributes:
        frame: the stays, in the schema `trading.tables.SESSIONS`, sorted by (arrival, session_id).
        zone: IANA name of the site's time zone, the one in which a date is a day.
        left_out: records of the whole file that could not be used, whatever the dates asked for:
            `row` (line of a CSV file, position from 1 in a JSON list), `session_id`, `reason`.
        notes: sentences that a report on these sessions has to repeat.
    """

    frame: pd.DataFrame
    zone: str
    left_out: pd.DataFrame = field(default_factory=_nothing_left_out)
    notes: tuple[str, ...] = ()

    def reasons(self) -> dict[str, int]:
        """How many records were left out for each reason, the most frequent first."""
        counts = self.left_out["reason"].value_counts()
        ordered = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
        return {str(reason): int(count) for reason, count in ordered}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a reader is told besides the file.

    Attributes:
        zone: IANA name of the site's time zone.
        seed: seed of the draws, for formats without state of charge.
        assignment: rule that supplies capacity and state of charge where the format has none.
    """

    zone: str
    seed: int
    assignment: Assignment


Reader = Callable[[Path, ReadOptions], Sessions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format of session files: how it is read, and its site's zone unless told otherwise."""

    reader: Reader
    default_zone: str
    description: str


def leave_out(
    records: pd.DataFrame, faults: Sequence[tuple[pd.Series[bool], str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split records into those that can be used and those that cannot, with the reason.

    Args:
        records: has the columns `row` and `session_id`.
        faults: a mask over `records` with its reason, in order; the first that applies is named.

    Returns:
        the usable records in their order, numbered afresh, and the `left_out` table of `Sessions`.
    """
    reason = pd.Series(None, index=records.index, dtype=object)
    for mask, text in faults:
        reason = reason.mask(reason.isna() & mask, text)
    faulty = reason.notna()
    if not faulty.any():
        return records.reset_index(drop=True), _nothing_left_out()
    left_out = pd.DataFrame(
        {
            "row": records.loc[faulty, "row"].astype("int64"),
            "session_id": records.loc[faulty, "session_id"].astype("str"),
            "reason": reason[faulty].astype("str"),
        }
    )
    return records[~faulty].reset_index(drop=True), left_out.reset_index(drop=True)


def sorted_sessions(frame: pd.DataFrame) -> pd.DataFrame:
    """The stays by (arrival, session_id), so that no result depends on the order in the file."""
    return frame.sort_values(["arrival", "session_id"], ignore_index=True)
