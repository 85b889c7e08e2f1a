"""Which sessions belong to which days of a site.

A day is the site's local day, of 23, 24 or 25 hours; a session belongs to the day it arrives on and
is kept whole, whenever it leaves.
"""

from __future__ import annotations

import datetime as dt
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from trading.errors import OptionError

Date = str | dt.date


def checked_zone(name: str) -> str:
    """The zone's name, if it is one.

    Raises:
        OptionError: not the name of an IANA time zone.
    """
    if name in _zones():
        return name
    by_lower_case = {zone.lower(): zone for zone in _zones()}
    near = get_close_matches(name.lower(), by_lower_case, n=1)
    hint = f"; did you mean {by_lower_case[near[0]]!r}?" if near else ""
    expected = f"the name of an IANA time zone, such as 'America/Los_Angeles'{hint}"
    raise OptionError("timezone", name, expected)


def select_days(
    sessions: pd.DataFrame,
    *,
    zone: str,
    date: Date | None = None,
    from_date: Date | None = None,
    to_date: Date | None = None,
) -> pd.DataFrame:
    """The sessions that arrive on one day, or from one day to another, in their order.

    Args:
        sessions: any table with `arrival` (time zone aware); not changed.
        zone: IANA name of the site's zone.
        date: the only day, as `datetime.date` or 'YYYY-MM-DD'.
        from_date: the first day; without it, the file's first.
        to_date: the last day, inclusive; without it, the file's last.

    Raises:
        OptionError: not a date, a range that ends before it begins, `date` besides a range, or no
            session on these days; the last says which days there are, and the nearest.
    """
    if date is not None and (from_date is not None or to_date is not None):
        raise OptionError("date", str(date), "either one date or a range (from, to), not both")
    if date is not None:
        from_date = to_date = _checked_date("date", date)
    first = None if from_date is None else _checked_date("from", from_date)
    last = None if to_date is None else _checked_date("to", to_date)
    if first is not None and last is not None and first > last:
        raise OptionError("from", str(first), f"a day not after {last}, where the range ends")
    days = sessions["arrival"].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    is_wanted = pd.Series(True, index=sessions.index)
    if first is not None:
        is_wanted &= days >= pd.Timestamp(first)
    if last is not None:
        is_wanted &= days <= pd.Timestamp(last)
    if not is_wanted.any():
        raise _no_session(days, first, last, zone)
    return sessions.loc[is_wanted].reset_index(drop=True)


def day_bounds_utc(date: Date, zone: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Where a local day begins and where the next one does, in UTC: 23, 24 or 25 hours apart.

    >>> start, end = day_bounds_utc("2019-11-03", "America/Los_Angeles")
    >>> (end - start).total_seconds() / 3600
    25.0
    """
    day = _checked_date("date", date)
    midnights = pd.DatetimeIndex([day, day + dt.timedelta(days=1)])
    # Some zones change their clocks at midnight: a day then begins with its first moment.
    is_dst = np.array([True, True])
    local = midnights.tz_localize(zone, nonexistent="shift_forward", ambiguous=is_dst)
    utc = local.tz_convert("UTC")
    return utc[0], utc[1]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _checked_date(name: str, value: Date) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    expected = "a date as YYYY-MM-DD, such as 2019-10-29"
    try:
        day = dt.date.fromisoformat(str(value))
    except ValueError:
        raise OptionError(name, str(value), expected) from None
    # The standard library also takes 20191029 and 2019-W44-2, which no other tool here would.
    if day.isoformat() != str(value):
        raise OptionError(name, str(value), expected)
    return day


def _no_session(
    days: pd.Series[pd.Timestamp], first: dt.date | None, last: dt.date | None, zone: str
) -> OptionError:
    name = "date" if first == last else ("from" if first is not None else "to")
    asked = first if first is not None else last
    value = str(first) if first == last else f"{first or ''}..{last or ''}"
    distance = (days - pd.Timestamp(str(asked))).abs()
    nearest = days[distance == distance.min()].min()
    expected = (
        f"days with sessions; the file has {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d} "
        f"(local days, {zone}), the nearest with sessions is {nearest:%Y-%m-%d}"
    )
    return OptionError(name, value, expected)
