"""A small live lot in this process, with nobody but the test to let it look."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd

from tests.durable.small import small_sessions
from tests.tools import PATIENCE_S
from trading.live import LiveLot, live_lot, market_of


@contextmanager
def opened(folder: Path, **options) -> Iterator[LiveLot]:
    given = {"pace_s": 0.0, "listen": "127.0.0.1:0"} | options
    with live_lot(
        small_sessions(), market_of(folder, seed=0), folder, with_pages=False, **given
    ) as lot:
        yield lot


def trade(lot: LiveLot, *, seconds: float = PATIENCE_S) -> pd.DataFrame:
    until = time.monotonic() + seconds
    while not lot.engine.is_done():
        assert time.monotonic() < until, lot.engine.heartbeat
        if not lot.look():
            lot.engine.wake.wait(0.05)
        lot.engine.wake.clear()
    return lot.engine.trades()


def ask(lot: LiveLot, path: str, role: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {lot.issuer.token(role)}"}
    return httpx.get(
        f"{lot.address}/api/v1{path}", headers=headers, trust_env=False, timeout=PATIENCE_S
    )
