"""Means over days with 95 % confidence intervals.

Days are the sample. Draws of one day share its sessions, so they are averaged first and do not make
the sample larger. The interval is Student's: mean +- t(0.975, n - 1) * s / sqrt(n) over n days.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

CONFIDENCE = 0.95


def half_width(values: npt.ArrayLike) -> float:
    """Half the width of the confidence interval of a mean; NaN below two values.

    >>> round(half_width([1.0, 2.0, 3.0]), 3)
    2.484
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:
        return float("nan")
    quantile = stdtrit(len(sample) - 1, (1 + CONFIDENCE) / 2)
    return float(quantile * sample.std(ddof=1) / np.sqrt(len(sample)))


def means(rows: pd.DataFrame, *, by: Sequence[str], of: Sequence[str]) -> pd.DataFrame:
    """Means over days, with the ends of their confidence intervals.

    Args:
        rows: has `lot`, `day`, the columns of `by` and numbers in those of `of`; one row a day and
            seed for each group.
        by: what makes a group; groups keep the order of their first rows.
        of: what is averaged.

    Returns:
        the columns of `by`, `days`, and for each of `of` itself, `<name>_low`, `<name>_high`;
        missing where a group has one day only. A NaN in `rows` leaves its day out of that mean.
    """
    by, of = list(by), list(of)
    daily = rows.groupby([*by, "lot", "day"], sort=False, dropna=False)[of].mean().reset_index()
    found = []
    for key, group in daily.groupby(by, sort=False, dropna=False):
        row: dict[str, object] = dict(
            zip(by, key if isinstance(key, tuple) else (key,), strict=True)
        )
        row["days"] = len(group)
        for name in of:
            values = group[name].dropna()
            mean, half = float(values.mean()), half_width(values)
            row |= {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}
        found.append(row)
    return pd.DataFrame(found)
