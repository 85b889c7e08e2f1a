"""The report of a comparison: every figure and table also where little or nothing happened."""

from __future__ import annotations

import re
from dataclasses import replace

import matplotlib
import pandas as pd
import pytest

from tests.unit.study.lots import FLAT, LOSSLESS, lot, stay
from trading.data import Sessions, load_sessions, sample_path
from trading.lot import Profile
from trading.reports.figures.mechanisms import label_of, waterfall_of
from trading.reports.figures.style import png_bytes
from trading.reports.mechanism_tables import (
    beyond_line,
    misreporting_line,
    over_days_table,
    steps_line,
)
from trading.reports.mechanisms import (
    COMPARISON_FIGURES,
    About,
    comparison_html,
    comparison_summary,
    comparison_tables,
)
from trading.reports.numbers import money
from trading.study.compare import Comparison, compare

PAIR = lot(stay("b", soc=0.4, need_wh=8_000), stay("s", soc=0.9))
TARIFF = Profile.daily([400_000] * 12 + [500_000] * 12, zone="UTC")
NEXT_DAY = PAIR.assign(
    session_id=["b2", "s2"],
    arrival=PAIR["arrival"] + pd.Timedelta(days=1),
    departure=PAIR["departure"] + pd.Timedelta(days=1),
    need_wh=[6_000, 0],
)
TWO_DAYS = pd.concat([PAIR, NEXT_DAY], ignore_index=True)
CASES = {
    "a buyer and a seller": (PAIR, LOSSLESS, FLAT),
    "two days": (TWO_DAYS, LOSSLESS, FLAT),
    "nobody sells": (PAIR[:1], LOSSLESS, FLAT),
    "nobody needs anything": (PAIR[1:], LOSSLESS, FLAT),
    "floor above ceiling": (PAIR, LOSSLESS, replace(FLAT, replacement=900_000)),
    "no optimum with peers": (PAIR, replace(LOSSLESS, guarantee="whole"), FLAT),
    "a tariff in time": (PAIR, LOSSLESS, replace(FLAT, tariff=TARIFF)),
}


def compared(case: str) -> Comparison:
    sessions, rules, terms = CASES[case]
    return compare(
        sessions,
        rules=rules,
        terms=terms,
        mechanisms=("arrival", "mcafee"),
        pricings=("middle", "fixed"),
        liars_each_side=1,
        zone="UTC",
    )


@pytest.fixture(scope="module")
def about() -> About:
    sessions: Sessions = load_sessions(sample_path(), format="acn", date="2019-10-31")
    return About(site="a <lot>", sessions=sessions, command="peercharge compare")


@pytest.mark.parametrize("case", CASES)
def test_every_report_is_drawn_with_what_there_is(case: str, about: About) -> None:
    result = compared(case)
    figures = {name: png_bytes(entry.draw(result)) for name, entry in COMPARISON_FIGURES.items()}
    html = comparison_html(result, about, figures)
    assert "a &lt;lot&gt;" in html
    text = re.sub(r"base64,[^\"]*|<[^>]*>", "", html)
    assert not re.search(r"\b(nan|NaN|None|<NA>)\b", text)
    assert html.count("data:image/png") == len(COMPARISON_FIGURES)
    assert comparison_summary(result)["comparison"]


def test_days_have_their_means_and_one_day_has_none() -> None:
    assert over_days_table(compared("a buyer and a seller")) is None
    assert beyond_line(compared("a buyer and a seller")) == (
        "Beyond V1G, arrival, middle saves drivers 1.00 EUR on this day. One day has no confidence "
        "interval; give several, or see `peercharge study waterfall` for many days and seeds."
    )
    assert beyond_line(compared("nobody sells")) == ""
    result = compared("two days")
    table = over_days_table(result)
    assert table is not None
    # 5 kWh from a peer for 0.20 less than the grid on both days: no doubt about the mean.
    cells = table.groups[1].rows[0].cells
    assert cells[:2] == ("arrival, middle", "1.00 (1.00 to 1.00)")
    assert beyond_line(result) == (
        "Beyond V1G, arrival, middle saves drivers 1.00 EUR a day (95 % confidence 1.00 to 1.00, "
        "2 days)."
    )


def test_what_a_lie_costs_all_together_is_stated_at_its_worst() -> None:
    result = compared("a buyer and a seller")
    line = misreporting_line(result)
    worst = money(int(result.misreporting["mean_welfare_loss_ueur"].max()))
    assert f"to {worst} EUR by a false report" in line


def test_the_waterfall_ends_with_the_market_of_most_welfare() -> None:
    rows = waterfall_of(compared("a buyer and a seller"))
    assert rows["label"].tolist() == [
        "uncontrolled",
        "V1G (optimum)",
        "V1G with peers\n(optimum)",
        "arrival,\nmiddle",
    ]
    # 8 kWh at 0.50, of which 5 come from a peer whom they cost 0.30 each.
    assert rows["cost_ueur"].tolist() == [4_000_000, 4_000_000, 3_000_000, 3_000_000]
    assert rows["missing_wh"].tolist() == [0, 0, 5_000, 5_000]


def test_floors_ceiling_and_shares_stand_in_the_figures() -> None:
    result = compared("a buyer and a seller")

    def words(name: str) -> set[str]:
        found = COMPARISON_FIGURES[name].draw(result).findobj(matplotlib.text.Text)
        return {text.get_text() for text in found}

    assert "1.00 (100 %)" in words("worth")
    assert {"buyers' ceiling", "sellers' floors", "no trade"} <= words("prices")


def test_tables_keep_whole_numbers_whole_where_cells_are_empty() -> None:
    table = comparison_tables(compared("a buyer and a seller"))["comparison.csv"]
    assert isinstance(table, pd.DataFrame)
    assert table.loc[1, "trades"] is pd.NA
    assert table.loc[3, "welfare_ueur"] == 1_000_000


@pytest.mark.parametrize(
    ("mechanism", "pricing", "label"),
    [("arrival", "fixed", "arrival, fixed"), ("mcafee", "own", "mcafee"), ("V1G", "", "V1G")],
)
def test_labels_read_as_words(mechanism: str, pricing: str, label: str) -> None:
    assert label_of(mechanism, pricing) == label


def test_a_market_that_costs_less_by_serving_less_is_said_to() -> None:
    # The buyer leaves an hour before it said: waiting for the last hour serves it nothing, and
    # energy at home is cheaper.
    late = stay("b", soc=0.4, need_wh=8_000) | {
        "estimated_departure": pd.Timestamp("2019-10-29T13Z")
    }
    result = compare(
        lot(late, stay("s", soc=0.9, hours=(13, 14))),
        rules=replace(LOSSLESS, strategy="latest", departures="estimated"),
        terms=FLAT,
        mechanisms=("arrival",),
        pricings=("middle",),
        liars_each_side=0,
    )
    rows = waterfall_of(result)
    assert rows["missing_wh"].iloc[-1] == 8_000
    assert "because it serves less" in steps_line(result)
    assert "because it serves less" not in steps_line(compared("a buyer and a seller"))
