from __future__ import annotations

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from tests.unit.reports import days
from trading.data import Sessions
from trading.engine import DayResult
from trading.lot import LotRules
from trading.reports.content import summary_line
from trading.reports.figures import FIGURES
from trading.reports.html import report_html, write_report
from trading.reports.numbers import energy, power

VOID = {"meta", "img", "br", "link", "input", "hr"}


@dataclass
class Page(HTMLParser):
    """Tags with their attributes in order, the text, and every table as rows of cells."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    tables: list[list[list[str]]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_tags.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"style", "title"} & set(self.open_tags):
            return
        self.text += data.replace("\u00a0", " ")
        if {"td", "th"} & set(self.open_tags) and "span" not in self.open_tags:
            self.tables[-1][-1][-1] += data.replace("\u00a0", " ")


NO_FIGURES = dict.fromkeys(FIGURES, b"")


def page_of(day: DayResult, *, html: str = "") -> Page:
    page = Page()
    page.feed(html or report_html(day, figures=NO_FIGURES))
    page.text = " ".join(page.text.split())
    assert not page.open_tags
    return page


@pytest.fixture(scope="module")
def page(day: DayResult) -> Page:
    html = report_html(day, site="the Caltech garage", command="peercharge demo --seed 0")
    return page_of(day, html=html)


def test_every_number_of_the_summary_is_there(page: Page, day: DayResult) -> None:
    lines = [tuple(row) for row in page.tables[-1]]
    for key, value in day.summary.items():
        assert summary_line(key, value) in lines


def test_the_report_opens_offline(page: Page) -> None:
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "base")]
    for tag, attributes in page.tags:
        for name in ("src", "href", "data", "srcset", "poster", "action"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:image/png;base64,", "#")), tag


def test_styles_load_nothing(day: DayResult) -> None:
    style = report_html(day, figures=NO_FIGURES).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_waterfall_comes_first_and_the_comparison_before_any_other_picture(page: Page) -> None:
    order = [tag for tag, _ in page.tags if tag in ("table", "img")]
    assert order[:3] == ["img", "table", "img"]
    first = next(attributes for tag, attributes in page.tags if tag == "img")
    assert first["alt"] == FIGURES["waterfall"].alt


def test_cells_of_the_comparison_are_those_of_the_frame(page: Page, day: DayResult) -> None:
    rows = [row for row in page.tables[0][1:] if len(row) > 1]
    assert len(rows) == len(day.scenarios)
    for cells, row in zip(rows, day.scenarios.itertuples(), strict=True):
        kwh = [f"{wh / 1000:,.1f}" for wh in (row.peers_wh, row.grid_wh, row.peak_w)]
        eur = [
            f"{ueur / 1e6:,.2f}".replace("-", "−")
            for ueur in (row.drivers_cost_ueur, row.buyers_gain_ueur, row.sellers_gain_ueur)
        ]
        missing = [f"{row.missing_wh / 1000:,.1f}", f"{row.replacement_cost_ueur / 1e6:,.2f}"]
        assert cells == [row.scenario, *kwh, *missing, *eur, str(row.trades), str(row.blocked)]


def test_a_run_that_the_chain_changed_has_its_own_row(troubled_day: DayResult) -> None:
    page = page_of(troubled_day)
    rows = {row[0]: row for row in page.tables[0]}
    books = troubled_day.accounts
    own = rows["consent, on chain"]
    assert own[1] == f"{books.energy.buyers_wh / 1000:,.1f}"
    assert own[4] == f"{books.missing_wh / 1000:,.1f}"
    assert own[6] == f"{books.cost_ueur / 1e6:,.2f}"
    assert rows["consent"][1] != own[1]


def test_headline_names_load_and_missing_energy_in_one_sentence(page: Page, day: DayResult) -> None:
    books, alone = day.accounts, int(day.run.grid_only_wh.sum())
    # With known departures the grid delivers less by exactly what was traded.
    assert alone - books.energy.grid_wh == books.energy.buyers_wh
    traded, missing = energy(books.energy.buyers_wh), energy(books.missing_wh)
    before, after = power(books.peak_grid_only_w), power(books.peak_with_p2p_w)
    sentence = page.text[page.text.index(f"Trading {traded} kWh") :].split(". ")[0]
    assert f"lowered the energy from the grid by {traded} kWh" in sentence
    assert f"lowered its peak from {before} to {after} kW" in sentence
    assert f"{missing} kWh were missing from batteries at departure" in sentence


def test_tables_and_pictures_are_accessible(page: Page) -> None:
    assert all(at.get("alt") for tag, at in page.tags if tag == "img")
    assert all(at.get("scope") in ("col", "row", "rowgroup") for t, at in page.tags if t == "th")
    n_tables = sum(tag == "table" for tag, _ in page.tags)
    assert sum(tag == "caption" for tag, _ in page.tags) == n_tables
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    assert page.tags[0] == ("html", {"lang": "en"})


def test_both_balances_close(page: Page) -> None:
    closing = [row for table in page.tables for row in table if row[0].endswith("exact)")]
    assert [row[-1] for row in closing] == ["0", "0"]


def test_site_day_network_and_command_are_named(page: Page, day: DayResult) -> None:
    assert "Peer-to-peer energy at the Caltech garage" in page.text
    assert "Tuesday 29 October 2019" in page.text
    assert f"network embedded, chain {day.summary['chain_id']}" in page.text
    assert str(day.summary["contract_address"]) in page.text
    assert "peercharge demo --seed 0" in page.text


def test_notes_and_assumptions_are_repeated(page: Page, day: DayResult) -> None:
    for sentence in (*day.sessions.notes, *day.assumptions, day.network_note):
        assert sentence in page.text


def test_whole_says_that_no_rational_trade_exists() -> None:
    day = days.make_day(rules=LotRules(guarantee="whole"))
    page = page_of(day)
    assert "Here whole has no rational trade" in page.text
    assert f"No energy changed hands: {day.run.blocked} trades of" in page.text
    assert "no rational driver makes them" in page.text
    assert "No trade was submitted." in page.text
    assert "0 a trade" not in page.text


def test_statuses_add_up_and_reasons_are_given(troubled_day: DayResult) -> None:
    page = page_of(troubled_day)
    ends = troubled_day.trades["status"].value_counts()
    rows = {row[0]: row for table in page.tables[:-1] for row in table}
    assert int(rows["settled"][2]) == ends["settled"]
    assert int(rows["all submitted"][2]) == len(troubled_day.trades)
    assert rows["trade 0: energy above what the charger can move"][1:] == ["2", "1"]


def test_many_reasons_are_cut_to_the_most_frequent(troubled_day: DayResult) -> None:
    reasons = [f"reason {n:02d}" for n in range(20)]
    table = pd.DataFrame({"batch_id": "0x1", "operator": "alpha", "reason": reasons})
    page = page_of(replace(troubled_day, rejections=table))
    assert "reason 11" in page.text
    assert "reason 12" not in page.text
    assert "and 8 other reasons, in chain.csv" in page.text


def test_left_out_records_are_counted(troubled_day: DayResult) -> None:
    sessions = troubled_day.sessions
    left_out = pd.DataFrame({"row": [7], "session_id": ["x"], "reason": ["it ends too early"]})
    some = Sessions(frame=sessions.frame, zone=sessions.zone, left_out=left_out)
    page = page_of(replace(troubled_day, sessions=some))
    assert ["it ends too early", "1"] in [row for table in page.tables for row in table]


def test_what_comes_from_outside_is_escaped(troubled_day: DayResult) -> None:
    rejections = pd.DataFrame(
        {"batch_id": ["0x1"], "operator": ["alpha"], "reason": ["<script>alert(1)</script>"]}
    )
    bad = replace(troubled_day, rejections=rejections, assumptions=("`<b>` is <i>no</i> tag",))
    text = report_html(bad, site="<script>x</script>", figures=NO_FIGURES)
    assert "<script" not in text
    assert "<i>no" not in text


def test_odd_days_have_a_report(odd_day: DayResult) -> None:
    page = page_of(odd_day)
    assert "missing from batteries at departure" in page.text
    assert "nan" not in page.text.lower()


def test_write_report_writes_utf8(tmp_path, troubled_day: DayResult) -> None:
    write_report(troubled_day, tmp_path / "r.html", site="Zürich", figures=NO_FIGURES)
    text = (tmp_path / "r.html").read_bytes()
    assert "Zürich".encode() in text
    assert b"\r" not in text
