from __future__ import annotations

import io

from rich.console import Console

from trading.engine import DayResult
from trading.reports import result_table


def shown(day: DayResult) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(result_table(day))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_headline_numbers_are_shown_before_and_after(day: DayResult) -> None:
    lines = {line.split("(")[0].strip(): line.split()[-3:] for line in shown(day).splitlines()}
    assert lines["energy from the grid"] == ["454.2", "380.8", "−73.4"]
    assert lines["peak from the grid"] == ["104.2", "70.7", "−33.5"]
    assert lines["missing at departure"] == ["0.0", "78.3", "+78.3"]


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
