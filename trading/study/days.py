"""Day by day: the same comparison on each local day alone, and what its means are worth.

Days are the sample, as in the experiments. A day of its own begins with everyone arriving and ends
with the last to leave, so overnight stays keep their day and do not meet the next.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from trading.study.experiments.intervals import means

MARKET = ["kind", "mechanism", "pricing"]
BEYOND = "beyond_v1g_ueur"
"""What drivers pay less than with the best charging without discharge, on the same day."""
AVERAGED = (
    "welfare_ueur",
    "welfare_share",
    "traded_wh",
    "missing_wh",
    "grid_wh",
    "peak_w",
    "buyers_saving_ueur",
    "sellers_gain_ueur",
    "lot_spread_ueur",
    "drivers_cost_ueur",
    BEYOND,
    "served_jain_index",
    "sold_jain_index",
)
"""What is averaged over days."""


def day_by_day(
    sessions: pd.DataFrame,
    *,
    zone: str,
    measured: Callable[[pd.DataFrame], pd.DataFrame],
    v1g: str,
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    """The table of each local day that has sessions, one below the other.

    Args:
        sessions: a SESSIONS table.
        zone: IANA zone in which a date is a day.
        measured: a day's sessions -> a row a baseline or market, with the columns of `MARKET`.
        v1g: which baseline is the best charging without discharge.
        progress: called with (days done, days in all).

    Returns:
        `day` as YYYY-MM-DD, then what `measured` returns, and `BEYOND`.
    """
    day_of = sessions["arrival"].dt.tz_convert(zone).dt.date
    tables = []
    for n, (day, some) in enumerate(sessions.groupby(day_of, sort=True)):
        progress(n, int(day_of.nunique()))
        table = measured(some.reset_index(drop=True))
        smart = table.loc[table["mechanism"] == v1g, "drivers_cost_ueur"].iloc[0]
        table[BEYOND] = smart - table["drivers_cost_ueur"]
        table.insert(0, "day", str(day))
        tables.append(table)
    progress(len(tables), len(tables))
    return pd.concat(tables, ignore_index=True)


def means_over_days(daily: pd.DataFrame) -> pd.DataFrame:
    """Means a day of each baseline and market, with 95 % confidence intervals (Student's).

    Returns:
        the columns of `MARKET`, `days`, and of each name in `AVERAGED` the mean, `NAME_low` and
        `NAME_high`, then `NAME_days`, of how many days that mean is. A day that lacks a value, such
        as a share where there is no optimum, is left out; below two days the ends are empty.
    """
    numbers = daily[list(AVERAGED)].astype(np.float64)
    rows = pd.concat([daily[["day", *MARKET]], numbers], axis=1).assign(lot="")
    found = means(rows, by=MARKET, of=AVERAGED)
    counts = rows.groupby(MARKET, sort=False, dropna=False)[list(AVERAGED)].count()
    return found.join(counts.add_suffix("_days").reset_index(drop=True))
