"""Each experiment on one real day at an hour's interval, run once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from trading.study import Scenario
from trading.study.experiments import (
    StudyOptions,
    Tables,
    break_even,
    connection,
    forecast,
    sankey,
    tornado,
    truth,
    waterfall,
)
from trading.study.experiments.tornado import FACTORS

TUESDAY = Scenario(from_date="2019-10-29", to_date="2019-10-29", interval_s=3600)
SMALL = StudyOptions(bases=(TUESDAY,), samples=12)
PRICES = {
    "tariffs": (200_000, 350_000, 500_000),
    "replacements": (150_000, 250_000),
    "wears": (0, 100_000),
}
FEW_FACTORS = {name: FACTORS[name] for name in ("v2g_share", "mechanism", "seed")}
FEW_LIMITS = (10_000, 30_000, 60_000, None)

RUNS: dict[str, Callable[[], Tables]] = {
    "waterfall": lambda: waterfall(SMALL),
    "break-even": lambda: break_even(SMALL, **PRICES),
    "connection": lambda: connection(SMALL, limits_w=FEW_LIMITS),
    "tornado": lambda: tornado(SMALL, factors=FEW_FACTORS),
    "forecast": lambda: forecast(SMALL),
    "sankey": lambda: sankey(SMALL),
    "truth": lambda: truth(SMALL),
}


@cache
def tables(name: str) -> Tables:
    return RUNS[name]()
