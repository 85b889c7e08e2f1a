from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.reports import days
from trading.engine import DayResult
from trading.fleet import Thresholds
from trading.lot import LotRules, Terms

ODD_DAYS: dict[str, Callable[[], DayResult]] = {
    "no rational trade": lambda: days.make_day(rules=LotRules(guarantee="whole")),
    "no limits": lambda: days.make_day(
        rules=LotRules(guarantee="whole"), terms=Terms(limits=False)
    ),
    "no buyers": lambda: days.make_day(
        rules=LotRules(thresholds=Thresholds(buyer=0.0, seller=0.8))
    ),
    "no sellers": lambda: days.make_day(rules=LotRules(v2g_share=0.0)),
    "one threshold": lambda: days.make_day(
        rules=LotRules(thresholds=Thresholds(buyer=0.7, seller=0.7))
    ),
    "rejected only": lambda: days.make_day(verdict=days.reject_all),
    "one interval": lambda: days.make_day(days.one_stay()),
    "no energy at all": lambda: days.make_day(days.one_stay(need_wh=0)),
    "two days of one stay": lambda: days.make_day(days.one_stay(minutes=2_900, need_wh=20_000)),
    "a week": lambda: days.make_day(
        days.sample_sessions(from_date="2019-10-28", to_date="2019-11-03")
    ),
    "a day of 25 hours": lambda: days.make_day(days.sample_sessions(date="2019-11-03")),
    "free energy": lambda: days.make_day(
        terms=Terms(lot_tariff=0, replacement=0, wear=0, lot_fee=0)
    ),
}


@pytest.fixture(scope="session")
def day() -> DayResult:
    return days.make_day(assignments=("anchored-departure", "full-departure"))


@pytest.fixture(scope="session")
def troubled_day() -> DayResult:
    return days.make_day(verdict=days.troubled)


@pytest.fixture(scope="session", params=sorted(ODD_DAYS))
def odd_day(request: pytest.FixtureRequest) -> DayResult:
    return ODD_DAYS[request.param]()
