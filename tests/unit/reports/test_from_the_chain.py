"""The made-up chain of the other tests has the real one's shape: a short day, once for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.reports import days
from trading.data import sample_path
from trading.engine import Consensus, DayOptions, DayResult, Source, run_day
from trading.reports import result_table, write_day
from trading.reports.story import headline


@pytest.fixture(scope="module")
def chain_day() -> DayResult:
    source = Source(path=sample_path(), format="acn", date="2019-11-03")
    return run_day(source, DayOptions(consensus=Consensus(engine_fault="energy")))


@pytest.mark.parametrize("table", ["trades", "chain", "batches", "operators", "rejections"])
def test_tables_of_both_have_the_same_columns(table: str, chain_day: DayResult) -> None:
    made_up = days.make_day(days.sample_sessions(date="2019-11-03"), verdict=days.troubled)
    assert list(getattr(made_up, table).columns) == list(getattr(chain_day, table).columns)


def test_keys_of_both_summaries_are_the_same(chain_day: DayResult) -> None:
    made_up = days.make_day(days.one_stay())
    assert list(made_up.summary) == list(chain_day.summary)


def test_a_day_from_the_chain_is_written(tmp_path: Path, chain_day: DayResult) -> None:
    text = write_day(chain_day, tmp_path).read_text()
    assert str(chain_day.summary["contract_address"]) in text
    assert f"{chain_day.accounts.missing_wh / 1000:,.1f} kWh were missing" in headline(chain_day)
    assert result_table(chain_day)
    assert "consent, on chain" in text
