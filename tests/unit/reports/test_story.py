from __future__ import annotations

import pytest

from tests.unit.reports import days
from tests.unit.reports.conftest import ODD_DAYS
from trading.engine import DayResult
from trading.lot import LotRules, Terms
from trading.reports import numbers, story
from trading.reports.comparison import compared


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no rational trade", "the seller's floor is 0.624 EUR/kWh"),
        ("no buyers", "no vehicle came with 0 % charge or less"),
        ("no sellers", "no vehicle that can discharge came with 80 % charge or more"),
        ("rejected only", "193 trades submitted none was settled (193 rejected)"),
        ("one interval", "no vehicle that can discharge"),
    ],
)
def test_a_day_without_trades_says_why(name: str, reason: str) -> None:
    day = ODD_DAYS[name]()
    assert reason in story.headline(day)


def test_a_higher_load_is_called_raised() -> None:
    day = days.make_day(rules=LotRules(guarantee="whole"), terms=Terms(limits=False))
    said = story.headline(day)
    assert "raised the energy from the grid by 10.5 kWh" in said
    assert "0.0 kWh were missing" in said


def test_losers_are_called_worse_off() -> None:
    day = days.make_day(rules=LotRules(guarantee="whole"), terms=Terms(limits=False))
    assert "sellers 5.09 EUR worse off" in story.second_line(day)


def test_days_and_ranges_are_named_in_local_time(day: DayResult) -> None:
    assert story.day_of(day) == "Tuesday 29 October 2019"
    week = days.make_day(days.sample_sessions(from_date="2019-10-28", to_date="2019-11-03"))
    assert story.day_of(week) == "28 October to 3 November 2019"


def test_the_range_of_what_was_inferred_is_said(day: DayResult) -> None:
    low, high = day.sensitivity["peers_wh_low"].min(), day.sensitivity["peers_wh_high"].max()
    said = story.range_line(day)
    assert f"between {low / 1000:.1f} and {high / 1000:.1f} kWh" in said


def test_the_command_names_what_is_not_default() -> None:
    rules = LotRules(guarantee="whole", v2g_share=0.5, seed=7, interval_s=1800)
    day = days.make_day(rules=rules, terms=Terms(limits=False, lot_tariff=400_000))
    command = story.command_of(day)
    for words in (
        "--date 2019-10-29",
        "--interval 30min",
        "--guarantee whole",
        "--v2g-share 0.5",
        "--seed 7",
        "--lot-tariff 0.4",
        "--no-limits",
    ):
        assert words in command
    assert "--wear" not in command


def test_parts_of_the_cost_add_up_and_none_is_negative(day: DayResult) -> None:
    for row in compared(day):
        parts = row.cost_parts(day.run.terms)
        amounts = (parts.grid_ueur, parts.fee_ueur, parts.wear_ueur, parts.replacement_ueur)
        assert sum(amounts) == row.drivers_cost_ueur
        assert min(amounts) >= 0


def test_parts_of_the_cost_of_this_run_are_those_of_its_books(day: DayResult) -> None:
    (run,) = [row for row in compared(day) if row.is_this_run]
    parts, books = run.cost_parts(day.run.terms), day.accounts.money
    # One micro-euro of rounding a vehicle at most.
    assert parts.grid_ueur == pytest.approx(books.lot_energy, abs=len(day.run.stays))
    assert parts.wear_ueur == pytest.approx(books.wear, abs=len(day.run.stays))
    assert parts.fee_ueur == pytest.approx(books.lot_fee, abs=2 * len(day.run.stays))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.energy(1_234_567), "1,234.6"),
        (numbers.energy(-40), "0.0"),
        (numbers.energy(-51), "−0.1"),
        (numbers.money(-1_234_560_000), "−1,234.56"),
        (numbers.power(999), "1.0"),
        (numbers.percent(0.11), "11 %"),
        (numbers.things(1, "batch", "batches"), "1 batch"),
        (numbers.things(2_000, "batch", "batches"), "2,000 batches"),
    ],
)
def test_numbers_have_the_decimals_of_their_unit(text: str, expected: str) -> None:
    assert text == expected
