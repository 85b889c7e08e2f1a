from __future__ import annotations

import io

from rich.console import Console

from tests.unit.reports import days
from trading.engine import DayResult
from trading.reports import result_table
from trading.reports.numbers import energy, power


def shown(day: DayResult) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(result_table(day))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_headline_numbers_are_shown_before_and_after(day: DayResult) -> None:
    lines = {line.split("(")[0].strip(): line.split()[-3:] for line in shown(day).splitlines()}
    books, alone = day.accounts, int(day.run.grid_only_wh.sum())
    for name, before, after, form in (
        ("energy from the grid", alone, books.energy.grid_wh, energy),
        ("peak from the grid", books.peak_grid_only_w, books.peak_with_p2p_w, power),
        ("missing at departure", 0, books.missing_wh, energy),
    ):
        sign = "+" if after > before else ""
        assert lines[name] == [form(before), form(after), sign + form(after - before)]


def test_a_day_without_trades_counts_neither_ends_nor_gas() -> None:
    text = shown(days.make_day(days.one_stay()))
    assert "No trade was submitted" in text
    assert "settled" not in text
    assert "gas" not in text


def test_every_final_status_is_counted(troubled_day: DayResult) -> None:
    ends = troubled_day.trades["status"].value_counts()
    text = shown(troubled_day)
    for status, number in ends.items():
        assert f"{number} {status}" in text


def test_odd_days_fit_80_columns_and_say_why_nothing_was_traded(odd_day: DayResult) -> None:
    text = shown(odd_day)
    assert max(len(line) for line in text.splitlines()) <= 80
    is_traded = odd_day.accounts.energy.buyers_wh > 0
    assert ("No energy changed hands" in text) is not is_traded
