"""A small lot whose day is over in some ten batches, with an engine that may lie and operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pytest

from tests.durable.lot import MARKET, PSEUDONYMS, engine_of
from trading.chain import Consortium, Key
from trading.engine import service
from trading.engine.service import Engine, GivenOnce
from trading.operators.exchange import Exchange
from trading.operators.service import OperatorService
from trading.store import Database
from trading.tables import SESSIONS, UTC_TIME, check

DAY = pd.Timestamp("2019-10-29T15:00Z")
FALSE_EVERY = 3
EXTRA_WH = 20_000


def small_sessions(*, soc_source: str = "charger", hours: float = 3.0) -> pd.DataFrame:
    """Two buyers and two sellers that stay together for three hours."""
    frame = pd.DataFrame(
        {
            "session_id": ["b-1", "b-2", "s-1", "s-2"],
            "arrival": [DAY] * 4,
            "departure": [DAY + pd.Timedelta(hours=hours)] * 4,
            "estimated_departure": pd.Series([pd.NaT] * 4, dtype=UTC_TIME),
            "battery_capacity_wh": [60_000] * 4,
            "soc_arrival": [0.30, 0.35, 0.95, 0.90],
            "soc_source": [soc_source] * 4,
            "need_wh": [14_000, 12_000, 0, 0],
            "charge_power_w": [6_656] * 4,
            "discharge_power_w": [6_656] * 4,
            "reserve_soc": [0.0] * 4,
        }
    )
    times = {name: frame[name].astype(UTC_TIME) for name in ("arrival", "departure")}
    return check(frame.assign(**times), SESSIONS)


def small_engine(
    database: Database, consortium: Consortium, *, key: Key | None = None, **options: Any
) -> Engine:
    return engine_of(database, consortium, small_sessions(), key=key, **options)


def operator_of(
    database: Database, consortium: Consortium, key: Key, url: str | None, **options: Any
) -> OperatorService:
    """An honest operator on its own copy of the sessions."""
    given: dict[str, Any] = {
        "publication": MARKET,
        "intakes": [GivenOnce(small_sessions())],
        "replay": True,
        "poll_s": 0.01,
        "fallback_after_s": 30.0,
    }
    service = OperatorService(
        tag_of=PSEUDONYMS.find,
        database=database,
        consortium=consortium,
        key=key,
        exchange=None if url is None else Exchange(url),
        **{**given, **options},
    )
    service.outbox.resend_after_s = 0.5
    return service


@contextmanager
def lying() -> Iterator[Callable[[], int]]:
    """An engine that claims more energy than there is in every third interval that it trades."""
    honest = service.interval_trades
    asked = told = 0

    def trades(*arguments: Any, **options: Any) -> pd.DataFrame | None:
        nonlocal asked, told
        found = honest(*arguments, **options)
        if found is None:
            return None
        asked += 1
        if asked % FALSE_EVERY != 1:
            return found
        told += 1
        energy = found["energy_wh"].copy()
        energy.iloc[0] += EXTRA_WH
        return found.assign(energy_wh=energy)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "interval_trades", trades)
        yield lambda: told
