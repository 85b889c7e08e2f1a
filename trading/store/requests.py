"""`POST /v1/sessions`: sessions by HTTP, stored before they are answered.

The body is an array of objects with the columns of `tables.SESSIONS`. A session that was sent
before is taken again without harm; one that is implausible or contradicts what came before is
refused, and the others are taken. Who may send is told by a bearer token, which the environment
names; without one the route refuses everybody. The token is looked at before the body is read.
"""

from __future__ import annotations

import datetime as dt
import hmac
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from fastapi import FastAPI, Request
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter
from starlette.concurrency import run_in_threadpool

from trading.errors import OptionError, TableError
from trading.serving import Problem, body_as
from trading.store.sessions import TIME_FORMAT, Content, SessionStore, Taken, implausible
from trading.tables import UTC_TIME
from trading.units import MAX_U32

TOKEN_VARIABLE = "PEERCHARGE_SESSIONS_TOKEN"
SHORTEST_TOKEN = 16
MOST_SESSIONS = 5_000

_Wh = Annotated[int, Field(strict=True, ge=0, le=MAX_U32)]
_Fraction = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _dated(value: object) -> object:
    """Refuse a number, or a text of one, which would be read as seconds since 1970."""
    is_text = isinstance(value, str) and _DATE.match(value) is not None
    if not is_text and not isinstance(value, dt.datetime):
        raise ValueError("expected a time in ISO 8601 with Z or an offset")
    return value


IsoTime = Annotated[AwareDatetime, BeforeValidator(_dated)]
"""A time that says its offset."""


class SessionIn(BaseModel):
    """A row of `tables.SESSIONS`; times in ISO 8601 with Z or an offset."""

    model_config = ConfigDict(extra="forbid")

    session_id: Annotated[str, Field(strict=True, min_length=1, max_length=200)]
    arrival: IsoTime
    departure: IsoTime
    estimated_departure: IsoTime | None = None
    battery_capacity_wh: _Wh
    soc_arrival: _Fraction
    soc_source: Literal["charger", "telematics", "declared", "inferred"]
    need_wh: _Wh
    charge_power_w: _Wh
    discharge_power_w: _Wh
    reserve_soc: _Fraction
    v2g_cap_wh: _Wh | None = None


_SESSIONS = TypeAdapter(Annotated[list[SessionIn], Field(min_length=1, max_length=MOST_SESSIONS)])


def token_of_environment(environment: Mapping[str, str] | None = None) -> str | None:
    """The bearer token that may send sessions; None where none is configured.

    Raises:
        OptionError: the file cannot be read, or the token is too short to be a secret.
    """
    return secret_of_environment(TOKEN_VARIABLE, environment)


def secret_of_environment(
    variable: str, environment: Mapping[str, str] | None = None
) -> str | None:
    """A secret that the environment gives, or names a file of in `<variable>_FILE`; None for none.

    Raises:
        OptionError: the file cannot be read, or the text is too short to be a secret.
    """
    found = os.environ if environment is None else environment
    file, secret = found.get(f"{variable}_FILE"), found.get(variable)
    if file:
        try:
            secret = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            expected = f"a file that can be read ({error})"
            raise OptionError(f"{variable}_FILE", file, expected) from None
    elif not secret:
        return None
    if secret is None or len(secret) < SHORTEST_TOKEN:
        raise OptionError(variable, "(hidden)", f"{SHORTEST_TOKEN} characters or more")
    return secret


def take_sessions(app: FastAPI, store: SessionStore, *, token: str | None) -> None:
    """Give `app` the route `POST /v1/sessions`.

    Nobody is woken by what comes: a service looks every half second by itself, and one that looked
    after each of fifty sessions a second would do nothing else.

    Args:
        app: of a service.
        store: where sessions go.
        token: that a request must bear; None refuses all of them.
    """
    lock = threading.Lock()

    @app.post("/v1/sessions")
    async def take(request: Request) -> dict[str, Any]:
        check_token(
            request,
            token,
            f"sessions are taken by HTTP only where {TOKEN_VARIABLE} or its file is set",
        )
        return await run_in_threadpool(add, await body_as(request, _SESSIONS))

    def add(sessions: list[SessionIn]) -> dict[str, Any]:
        refused = {}
        for one in sessions:
            # Before there is a table: not every time that has a name fits into a column.
            why_not = implausible(
                one.session_id, one.arrival, one.departure, one.estimated_departure
            )
            if why_not:
                refused[one.session_id] = why_not
        kept = [one for one in sessions if one.session_id not in refused]
        new = changed = known = 0
        if kept:
            try:
                with lock:
                    taken = _taken(store, kept)
            except TableError as error:
                raise Problem(422, str(error)) from None
            new, changed = len(taken.new), len(taken.changed)
            known = len(kept) - new - changed - len(taken.refused)
            refused |= taken.refused
        return {"new": new, "changed": changed, "known": known, "refused": refused}


def _taken(store: SessionStore, sessions: Sequence[SessionIn]) -> Taken:
    if is_sound(sessions):
        return store.add_rows(contents(sessions))
    return store.add(sessions_frame(sessions))


def check_token(request: Request, token: str | None, without: str) -> None:
    """Whether a request bears a token, before anything else of it is read.

    Args:
        request: that came.
        token: the right one; None where none is configured.
        without: what to say then.

    Raises:
        Problem: 403, there is none; 401, it bears another.
    """
    if token is None:
        raise Problem(403, without)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    is_right = hmac.compare_digest(given.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not is_right:
        raise Problem(401, "expected the header `Authorization: Bearer TOKEN` with the right token")


def is_sound(sessions: Sequence[SessionIn]) -> bool:
    """Whether these are a SESSIONS table; where they are not, the table says what is wrong.

    What is not asked here, the fields of `SessionIn` ask already.
    """
    names = {one.session_id for one in sessions}
    return len(names) == len(sessions) and all(
        one.arrival < one.departure and one.battery_capacity_wh and one.charge_power_w
        for one in sessions
    )


def contents(sessions: Iterable[SessionIn]) -> list[Content]:
    """Sessions that are sound and plausible, as they are stored."""
    return [_content(one) for one in sessions]


def _content(session: SessionIn) -> Content:
    row: Content = session.model_dump()
    for name in ("arrival", "departure", "estimated_departure"):
        if row[name] is not None:
            row[name] = row[name].astimezone(dt.UTC).strftime(TIME_FORMAT)
    if row["v2g_cap_wh"] in (None, MAX_U32):
        del row["v2g_cap_wh"]
    return row


def sessions_frame(sessions: Sequence[SessionIn]) -> pd.DataFrame:
    """The same as a table, which is not checked yet."""
    frame = pd.DataFrame([session.model_dump() for session in sessions])
    times = {
        name: pd.to_datetime(frame[name], utc=True).astype(UTC_TIME)
        for name in ("arrival", "departure", "estimated_departure")
    }
    cap = frame["v2g_cap_wh"].astype("Int64").fillna(MAX_U32).astype("int64")
    return frame.assign(v2g_cap_wh=cap, **times)
