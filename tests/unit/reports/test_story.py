from __future__ import annotations

import datetime as dt

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
        ("no rational trade", "is below its floor of 0.624 EUR/kWh"),
        ("no buyers", "no vehicle came with 0 % charge or less"),
        ("no sellers", "no vehicle that can discharge came with 80 % charge or more"),
        ("rejected only", "trades submitted none was settled ("),
        ("one interval", "no vehicle that can discharge"),
    ],
)
def test_a_day_without_trades_says_why(name: str, reason: str) -> None:
    day = ODD_DAYS[name]()
    assert reason in story.headline(day)


NOTHING_COSTS = Terms(price=0, limits=False)


@pytest.mark.parametrize(
    ("terms", "rules", "reasons"),
    [
        (
            NOTHING_COSTS,
            LotRules(),
            ["at 0 EUR/kWh the cost of each trade that was possible rounds to nothing"],
        ),
        (
            Terms(price=1, limits=False),
            LotRules(interval_s=300, smallest_trade_wh=1),
            ["at 0.000001 EUR/kWh the cost of each trade that was possible rounds to nothing"],
        ),
        (
            Terms(limits=False),
            LotRules(smallest_trade_wh=100_000),
            ["is smaller than the 100,000 Wh of `--smallest-trade`"],
        ),
        (
            Terms(price=400_000, lot_fee=100_000),
            LotRules(),
            [
                "the seller's price of 0.300 EUR/kWh, what the lot's fee of 0.100 leaves of "
                "0.400, is below its floor of 0.337 EUR/kWh.",
            ],
        ),
        (
            Terms(price=300_000, lot_fee=0),
            LotRules(),
            ["the seller's price of 0.300 EUR/kWh is below its floor of 0.337 EUR/kWh."],
        ),
        (
            Terms(price=600_000),
            LotRules(),
            ["the buyer's price of 0.600 EUR/kWh is above its ceiling of 0.500 EUR/kWh."],
        ),
        (
            Terms(lot_fee=200_000),
            LotRules(),
            [
                "what the lot's fee of 0.200 leaves of",
                "no price would do: floor and fee together are 0.537, the ceiling 0.500 EUR/kWh",
            ],
        ),
    ],
    ids=["free", "nearly free", "dust", "fee", "cheap", "dear", "no price"],
)
def test_a_day_without_trades_says_which_price_or_limit_it_was(
    terms: Terms, rules: LotRules, reasons: list[str]
) -> None:
    said = story.headline(days.make_day(rules=rules, terms=terms))
    assert said.startswith("No energy changed hands: ")
    for reason in reasons:
        assert reason in said


def test_what_is_blocked_is_counted_in_trades_and_energy() -> None:
    day = days.make_day(terms=Terms(price=600_000))
    free = days.make_day(terms=Terms(price=600_000, limits=False))
    traded = free.accounts.energy.buyers_wh
    assert f"{len(free.trades)} trades of {numbers.energy(traded)} kWh" in story.headline(day)


def test_more_dust_than_trade_names_the_options() -> None:
    day = days.make_day(rules=LotRules(smallest_trade_wh=1_400))
    assert day.run.dust_wh > day.accounts.energy.buyers_wh
    (remark,) = [said for said in story.table_remarks(day) if "--smallest-trade" in said]
    assert f"{numbers.energy(day.run.dust_wh)} kWh" in remark
    assert "smaller than 1,400 Wh" in remark
    assert "`--interval`" in remark


def test_little_dust_is_not_remarked(day: DayResult) -> None:
    assert not any("--smallest-trade" in said for said in story.table_remarks(day))


def test_energy_missing_in_spite_of_the_promise_is_named() -> None:
    rules = LotRules(guarantee="whole", departures="estimated")
    day = days.make_day(rules=rules, terms=Terms(limits=False))
    missing_wh, alone_wh = day.accounts.missing_wh, day.accounts.missing_grid_only_wh
    assert missing_wh > alone_wh
    (remark,) = [said for said in story.table_remarks(day) if "promises" in said]
    assert "as far as departures are as planned" in remark
    assert f"{numbers.count(missing_wh)} Wh (whole, no limits, 100 % V2G)" in remark
    assert f"without trading {alone_wh} Wh" in remark


def test_a_promise_that_holds_is_not_remarked(day: DayResult) -> None:
    assert not any("promises" in said for said in story.table_remarks(day))


@pytest.fixture(scope="module")
def whole_day() -> DayResult:
    return days.make_day(rules=LotRules(guarantee="whole"), terms=Terms(limits=False))


def test_a_higher_load_is_called_raised(whole_day: DayResult) -> None:
    raised = whole_day.accounts.energy.grid_wh - int(whole_day.run.grid_only_wh.sum())
    said = story.headline(whole_day)
    assert f"raised the energy from the grid by {numbers.energy(raised)} kWh" in said
    assert "0.0 kWh were missing" in said


def test_losers_are_called_worse_off(whole_day: DayResult) -> None:
    loss = -whole_day.accounts.sellers_gain_ueur
    assert f"sellers {numbers.money(loss)} EUR worse off" in story.second_line(whole_day)


def test_a_range_is_the_one_asked_for_and_names_its_empty_days() -> None:
    two = days.sample_sessions(from_date="2019-10-29", to_date="2019-10-30")
    asked = (dt.date(2019, 10, 28), dt.date(2019, 11, 1))
    day = days.make_day(two, days=asked)
    assert story.day_of(day) == (
        "28 October to 1 November 2019 (no sessions on 28 October, 31 October and 1 November)"
    )
    assert "--from 2019-10-28 --to 2019-11-01" in story.command_of(day)
    long = days.make_day(two, days=(dt.date(2019, 10, 29), dt.date(2019, 12, 31)))
    assert story.day_of(long).endswith("2 November, 3 November, 4 November and 57 days more)")


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
