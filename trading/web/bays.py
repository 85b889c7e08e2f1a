"""Where vehicles are drawn: a place for each stay, which it keeps."""

from __future__ import annotations

import heapq

import numpy as np
import pandas as pd

from trading.units import Int64Array


def bays_of(sessions: pd.DataFrame) -> dict[str, int]:
    """The bay of each session's vehicle, from 1: on arrival each takes the first that is free.

    Args:
        sessions: a SESSIONS table.
    """
    arrival, departure = (_seconds(sessions[name]) for name in ("arrival", "departure"))
    ids = sessions["session_id"].tolist()
    stays = sorted(zip(arrival.tolist(), ids, departure.tolist(), strict=True))
    free: list[int] = []
    taken: list[tuple[int, int]] = []
    found: dict[str, int] = {}
    for comes_s, name, leaves_s in stays:
        while taken and taken[0][0] <= comes_s:
            heapq.heappush(free, heapq.heappop(taken)[1])
        found[name] = heapq.heappop(free) if free else len(taken) + 1
        heapq.heappush(taken, (leaves_s, found[name]))
    return found


def _seconds(times: pd.Series[pd.Timestamp]) -> Int64Array:
    return times.to_numpy(dtype="datetime64[s]").astype(np.int64)
