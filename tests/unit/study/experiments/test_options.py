"""Which days and draws an experiment takes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.data import sample_path
from trading.errors import OptionError
from trading.study import Scenario, workers_of
from trading.study.experiments import StudyOptions, in_turn, over_workers
from trading.study.experiments.intervals import half_width, means


def days_of(options: StudyOptions) -> list[str]:
    return [day.from_date for day in options.days()]


def test_days_with_few_sessions_are_left_out() -> None:
    assert days_of(StudyOptions(least_sessions=1))[-1] == "2019-11-03"
    assert days_of(StudyOptions(least_sessions=10)) == [
        "2019-10-28",
        "2019-10-29",
        "2019-10-30",
        "2019-10-31",
        "2019-11-01",
        "2019-11-03",
    ]


def test_dates_of_the_base_bound_the_days() -> None:
    base = Scenario(from_date="2019-10-30", to_date="2019-10-31")
    assert days_of(StudyOptions(bases=(base,))) == ["2019-10-30", "2019-10-31"]


def test_weekdays_and_fewer_days_evenly_spread() -> None:
    options = StudyOptions(kinds="weekdays", most_days=3)
    assert days_of(options) == ["2019-10-28", "2019-10-30", "2019-11-01"]


def test_every_seed_runs_every_day() -> None:
    options = StudyOptions(bases=(Scenario(seed=5),), seeds=2, most_days=2)
    assert [(run.from_date, run.seed) for run in options.runs()] == [
        ("2019-10-29", 5),
        ("2019-10-29", 6),
        ("2019-11-01", 5),
        ("2019-11-01", 6),
    ]


def test_files_of_one_lot_belong_together(tmp_path: Path) -> None:
    copy = tmp_path / "copy.csv"
    shutil.copy(sample_path(), copy)
    early = Scenario(lot="a", to_date="2019-10-29")
    late = Scenario(lot="a", sessions=str(copy), from_date="2019-10-31")
    options = StudyOptions(bases=(late, early, replace(early, lot="b")), most_days=2)
    assert [(day.lot, day.from_date) for day in options.days()] == [
        ("a", "2019-10-29"),
        ("a", "2019-11-01"),
        ("b", "2019-10-28"),
        ("b", "2019-10-29"),
    ]


@pytest.mark.parametrize("name", ["seeds", "least_sessions", "most_days", "samples"])
def test_a_number_below_one_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match=f"^{name}=0: expected 1 or more"):
        StudyOptions(**{name: 0})


def test_no_day_left_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"^least_sessions=500: expected fewer"):
        StudyOptions(least_sessions=500).days()


def test_workers_keep_the_order_and_tell_progress() -> None:
    told: list[tuple[int, int]] = []
    with workers_of(jobs=1) as workers:
        over = over_workers(workers, lambda _what, done, n: told.append((done, n)))
        assert over(abs, [-3, 1, -2]) == in_turn(abs, [-3, 1, -2]) == [3, 1, 2]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_interval_is_students_over_days_not_draws() -> None:
    rows = pd.DataFrame(
        {
            "lot": "a",
            "day": ["1", "1", "2", "2", "3", "3"],
            "seed": [0, 1] * 3,
            "step": "x",
            "wh": [0, 2, 1, 3, 2, 4],
        }
    )
    row = means(rows, by=["step"], of=["wh"]).iloc[0]
    assert (row["days"], row["wh"]) == (3, 2.0)
    # t(0.975, 2) = 4.302653 from any table, s = 1, n = 3.
    assert row["wh_high"] - row["wh"] == pytest.approx(4.302653 / np.sqrt(3))
    assert row["wh"] - row["wh_low"] == pytest.approx(4.302653 / np.sqrt(3))


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30), st.integers(-99, 99))
def test_the_interval_moves_with_the_mean_and_grows_with_the_unit(
    values: list[int], shift: int
) -> None:
    width = half_width(values)
    assert width >= 0
    assert half_width([v + shift for v in values]) == pytest.approx(width, abs=1e-9)
    assert half_width([v * 1000 for v in values]) == pytest.approx(width * 1000, abs=1e-6)


def test_one_day_has_no_interval() -> None:
    assert np.isnan(half_width([1.0]))
