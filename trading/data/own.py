"""The project's own CSV of stays: the columns of `trading.tables.SESSIONS`, some of them optional.

Whoever writes this format can correct it, so nothing is left out: every fault is an error.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from trading.data.csv import read_table
from trading.data.ids import FIT_ID, are_fit
from trading.data.sessions import ReadOptions, Sessions, sorted_sessions
from trading.tables import SESSIONS, UTC_TIME, check
from trading.units import MAX_U32

ZONE = "UTC"

CHARGE_POWER_W = 6_656
"""Assumption: a one-phase bay of 32 A at 208 V, as in the Caltech garage."""

OPTIONAL = (
    "estimated_departure",
    "soc_source",
    "charge_power_w",
    "discharge_power_w",
    "reserve_soc",
    "v2g_cap_wh",
)
"""Columns that a file may lack."""

_CAP = f"whole Wh from 0 to {MAX_U32}, or none"


def _is_after_arrival(frame: pd.DataFrame) -> pd.Series[bool]:
    if "estimated_departure" not in frame:
        return pd.Series(True, index=frame.index)
    return ~(frame["estimated_departure"] <= frame["arrival"])


# A column of whole numbers cannot have an empty cell; this one may.
_V2G_CAP = pa.Column(
    float,
    pa.Check(lambda wh: (wh % 1 == 0) & wh.between(0, MAX_U32), error=_CAP),
    nullable=True,
    required=False,
)
_CSV = pa.DataFrameSchema(
    SESSIONS.update_columns({name: {"required": False} for name in OPTIONAL}).columns
    | {
        "session_id": pa.Column(str, pa.Check(are_fit, error=FIT_ID), unique=True),
        "v2g_cap_wh": _V2G_CAP,
    },
    checks=[
        *SESSIONS.checks,
        pa.Check(
            _is_after_arrival,
            error="an estimated departure later than the arrival, or none",
            name="estimated_departure",
        ),
    ],
    name="sessions",
    strict="filter",
)


def read_own(path: Path, options: ReadOptions) -> Sessions:
    """Stays from the project's own CSV.

    Columns that a file lacks: `estimated_departure` none, `soc_source` declared, `charge_power_w`
    6656, `discharge_power_w` the same as `charge_power_w`, `reserve_soc` 0, `v2g_cap_wh` none. A
    column that is there is full, except `estimated_departure` and `v2g_cap_wh`, where empty means
    none. Other columns are ignored.

    Raises:
        TableError: any fault, with its row, column, value and what was expected.
        InputError: the file cannot be read.
    """
    given = read_table(path, _CSV)
    defaults = pd.DataFrame(
        {
            "estimated_departure": pd.Series(pd.NaT, index=given.index, dtype=UTC_TIME),
            "soc_source": "declared",
            "charge_power_w": CHARGE_POWER_W,
            "discharge_power_w": given.get("charge_power_w", CHARGE_POWER_W),
            "reserve_soc": 0.0,
        }
    )
    if "v2g_cap_wh" in given:
        given["v2g_cap_wh"] = given["v2g_cap_wh"].fillna(MAX_U32).astype("int64")
    absent = [column for column in defaults if column not in given]
    frame = given.join(defaults[absent])
    return Sessions(
        frame=sorted_sessions(check(frame, SESSIONS, source=str(path))), zone=options.zone
    )
