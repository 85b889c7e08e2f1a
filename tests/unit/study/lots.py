"""Small lots whose numbers can be worked out by hand."""

from __future__ import annotations

import pandas as pd

from trading.lot import LotRules, Terms
from trading.lot.physics import Efficiency

LOSSLESS = LotRules(
    interval_s=3600,
    gate_lead_s=0,
    efficiency=Efficiency(charge_ppm=10**6, discharge_ppm=10**6),
    acceptance=None,
)
"""Hours as market intervals, whose gate closes as they begin; no losses, full power until full."""
FLAT = Terms(lot_tariff=500_000, replacement=200_000, wear=100_000, lot_fee=0, feed_in=0)
"""Floor 0.30, ceiling 0.50, and 0.40 EUR/kWh in the middle."""


def stay(
    session_id: str,
    *,
    soc: float,
    need_wh: int = 0,
    hours: tuple[int, int] = (8, 12),
    power_w: int = 10_000,
    capacity_wh: int = 50_000,
) -> dict[str, object]:
    """One stay between two whole hours of a day."""
    day = pd.Timestamp("2019-10-29T00:00Z")
    arrival, departure = (day + pd.Timedelta(hours=hour) for hour in hours)
    return {
        "session_id": session_id,
        "arrival": arrival,
        "departure": departure,
        "estimated_departure": pd.NaT,
        "battery_capacity_wh": capacity_wh,
        "soc_arrival": soc,
        "soc_source": "declared",
        "need_wh": need_wh,
        "charge_power_w": power_w,
        "discharge_power_w": power_w,
        "reserve_soc": 0.0,
    }


def lot(*stays: dict[str, object]) -> pd.DataFrame:
    """A SESSIONS table."""
    frame = pd.DataFrame(stays)
    for column in ("arrival", "departure", "estimated_departure"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame
