"""DESL-EPFL level 3 sessions: DC fast charging in Switzerland, with SoC as the charger read it.

The file has local times without an offset. `Energy capacity (Wh)` is derived from energy and change
of SoC in every row, so SoC held against it proves nothing. `TotalCapacity` and `BulkCapacity` are
placeholders and are not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pandas as pd
import pandera.pandas as pa

from trading.data.csv import read_table
from trading.data.ids import FIT_ID, are_fit
from trading.data.sessions import (
    MAX_CHARGE_POWER_W,
    ReadOptions,
    Sessions,
    leave_out,
    sorted_sessions,
)
from trading.errors import Fault, TableError
from trading.tables import SESSIONS, UTC_TIME, check
from trading.units import MAX_U32, WH_PER_KWH

ZONE = "Europe/Zurich"

MAX_CAR_CAPACITY_WH = 250_000
"""Assumption: above this it is no passenger car. The published file has seven sessions with 354 to
382 kWh: too alike to be errors of a meter, so they stay, and a note says how many."""

LONGEST_STAY_MIN = 10 * 366 * 1_440
"""Ten years; whatever is longer is a slip."""

_LOCAL = pa.Column("datetime64[us]")
_IS_STAY = pa.Check.in_range(
    -LONGEST_STAY_MIN, LONGEST_STAY_MIN, error=f"minutes, at most {LONGEST_STAY_MIN}"
)
_CSV = pa.DataFrameSchema(
    {
        "Session": pa.Column(str),
        "Arrival": _LOCAL,
        "Departure": _LOCAL,
        "Stay (min)": pa.Column(float, _IS_STAY),
        "Energy (Wh)": pa.Column(float),
        "Pmax (W)": pa.Column(float),
        "SOC arrival": pa.Column(float),
        "SOC departure": pa.Column(float),
        "Energy capacity (Wh)": pa.Column(float),
    },
    name="DESL sessions",
    strict="filter",
)


def read_desl(path: Path, options: ReadOptions) -> Sessions:
    """Stays from a DESL session file.

    The need is the AC energy of the record. Power is the highest recorded, or more where energy and
    stay need more; the charger is taken to be bidirectional at that power (an assumption: the real
    one was not). Nobody estimated a departure. A local time that the clocks skipped cannot be used.
    Of the two meanings of a time in the hour that they repeated, arrival and departure take the
    pair whose distance is nearest to the recorded `Stay (min)`, the earlier one if equal.

    Raises:
        TableError: a column is missing, or a value is not what it has to be.
        InputError: the file cannot be read.
    """
    table = read_table(path, _CSV)
    records = pd.DataFrame(
        {
            "row": range(2, len(table) + 2),
            "session_id": table["Session"],
            "energy_wh": table["Energy (Wh)"],
            "capacity_wh": table["Energy capacity (Wh)"],
            "soc_arrival": table["SOC arrival"] / 100,
            "soc_departure": table["SOC departure"] / 100,
            "power_w": table["Pmax (W)"],
        }
    ).join(_utc(table, options.zone))
    usable, left_out = leave_out(records, _faulty(records))
    if usable.empty:
        expected = f"a usable session; all {len(records)} are faulty"
        raise TableError(str(path), [Fault(expected=expected)])
    return Sessions(
        frame=sorted_sessions(check(_stays(usable), SESSIONS, source=str(path))),
        zone=options.zone,
        left_out=left_out,
        notes=_notes(usable),
    )


def _utc(table: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Arrival and departure in UTC; NaT where the clocks skipped the local time."""
    stay = pd.to_timedelta(table["Stay (min)"], unit="min")
    best: pd.DataFrame | None = None
    for arrival_is_dst, departure_is_dst in ((True, True), (True, False), (False, False)):
        pair = pd.DataFrame(
            {
                "arrival": _localised(table["Arrival"], zone, is_dst=arrival_is_dst),
                "departure": _localised(table["Departure"], zone, is_dst=departure_is_dst),
            }
        )
        pair["error"] = (pair["departure"] - pair["arrival"] - stay).abs()
        if best is None:
            best = pair
        else:
            is_better = pair["error"] < best["error"]
            best = pd.concat([best[~is_better], pair[is_better]]).sort_index()
    return cast(pd.DataFrame, best)[["arrival", "departure"]]


def _localised(
    times: pd.Series[pd.Timestamp], zone: str, *, is_dst: bool
) -> pd.Series[pd.Timestamp]:
    flags = pd.Series(is_dst, index=times.index).to_numpy()
    local = times.dt.tz_localize(zone, ambiguous=flags, nonexistent="NaT")
    return local.dt.tz_convert("UTC").astype(UTC_TIME)


def _faulty(records: pd.DataFrame) -> list[tuple[pd.Series[bool], str]]:
    stay_h = (records["departure"] - records["arrival"]).dt.total_seconds() / 3600
    energy_wh, capacity_wh = records["energy_wh"], records["capacity_wh"]
    socs = records[["soc_arrival", "soc_departure"]]
    return [
        (records["arrival"].isna(), "arrival at a local time that the clocks skipped"),
        (records["departure"].isna(), "departure at a local time that the clocks skipped"),
        (stay_h <= 0, "departure not after arrival"),
        (~(energy_wh.round() >= 1), "no energy was charged"),
        (~capacity_wh.round().between(1, MAX_U32), "no battery capacity"),
        (~((socs >= 0) & (socs <= 1)).all(axis=1), "state of charge outside 0 to 100 %"),
        (energy_wh > MAX_CHARGE_POWER_W * stay_h, "more power than any bay gives (500 kW)"),
        (records["power_w"] > MAX_CHARGE_POWER_W, "more power than any bay gives (500 kW)"),
        (~are_fit(records["session_id"]), f"the session id is not {FIT_ID}"),
        (records["session_id"].duplicated(), "the session id came before"),
    ]


def _stays(usable: pd.DataFrame) -> pd.DataFrame:
    need_wh = usable["energy_wh"].round().astype("int64")
    stay_us = (usable["departure"] - usable["arrival"]).astype("timedelta64[us]").astype("int64")
    needed_w = -(-(need_wh * 3_600_000_000) // stay_us)
    power_w = needed_w.clip(lower=usable["power_w"].round().astype("int64"))
    return pd.DataFrame(
        {
            "session_id": usable["session_id"],
            "arrival": usable["arrival"],
            "departure": usable["departure"],
            "estimated_departure": pd.Series(pd.NaT, index=usable.index, dtype=UTC_TIME),
            "battery_capacity_wh": usable["capacity_wh"].round().astype("int64"),
            "soc_arrival": usable["soc_arrival"],
            "soc_source": "charger",
            "need_wh": need_wh,
            "charge_power_w": power_w,
            "discharge_power_w": power_w,
            "reserve_soc": 0.0,
        }
    )


def _notes(usable: pd.DataFrame) -> tuple[str, ...]:
    share_full = (usable["soc_arrival"] >= 0.8).mean()
    notes = [
        "Battery capacity is derived from energy and change of SoC, not measured.",
        f"Sessions that arrive at 80 % or more: {100 * share_full:.1f} %; such a site yields about "
        f"no peer trade.",
    ]
    n_large = int((usable["capacity_wh"] > MAX_CAR_CAPACITY_WH).sum())
    if n_large:
        notes.append(
            f"Sessions with a capacity above {MAX_CAR_CAPACITY_WH // WH_PER_KWH} kWh, so of no "
            f"passenger cars: {n_large}."
        )
    return tuple(notes)
