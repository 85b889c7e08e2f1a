from __future__ import annotations

import struct
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.unit.reports import days
from trading.engine import DayResult
from trading.reports.figures import FIGURES, png_bytes
from trading.reports.figures.style import svg_bytes

UNITS = (
    "(kW)",
    "(kWh)",
    "(EUR)",
    "(EUR/kWh)",
    "(%)",
    "(s)",
    "(number)",
    "Local time",
    "Local date",
)


def drawn(name: str, day: DayResult) -> Figure:
    return FIGURES[name].draw(day)


def plots(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.axison]


def words(figure: Figure) -> str:
    found = figure.findobj(matplotlib.text.Text)
    return "\n".join(text.get_text() for text in found if text.get_text())


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_names_its_quantity_and_unit(name: str, day: DayResult) -> None:
    for axes in plots(drawn(name, day)):
        labels = [label for label in (axes.get_xlabel(), axes.get_ylabel()) if label]
        shared = not axes.xaxis.get_tick_params().get("labelbottom", True)
        assert labels or shared
        assert all(any(unit in label.replace("\n", " ") for unit in UNITS) for label in labels)


@pytest.mark.parametrize("name", FIGURES)
def test_odd_days_are_drawn(name: str, odd_day: DayResult) -> None:
    assert png_bytes(drawn(name, odd_day)).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", FIGURES)
def test_legends_cover_no_data(name: str, troubled_day: DayResult) -> None:
    figure = drawn(name, troubled_day)
    FigureCanvasAgg(figure).draw()
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()] + figure.legends
    for legend in legends:
        box = legend.get_window_extent()
        inside = box.shrunk(0.98, 0.9).translated(0.01 * box.width, 0.05 * box.height)
        assert not any(inside.overlaps(axes.get_window_extent()) for axes in plots(figure))


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off_at_the_edge(name: str, troubled_day: DayResult) -> None:
    figure = drawn(name, troubled_day)
    FigureCanvasAgg(figure).draw()
    width, height = figure.bbox.size
    said = [text for axes in figure.axes for text in axes.texts]
    said += [axis.label for axes in plots(figure) for axis in (axes.xaxis, axes.yaxis)]
    for text in said:
        box = text.get_window_extent()
        assert not text.get_text() or (box.x0 >= -1 and box.x1 <= width + 1), text.get_text()
        assert not text.get_text() or (box.y0 >= -1 and box.y1 <= height + 1), text.get_text()


def test_the_same_day_gives_the_same_bytes(day: DayResult) -> None:
    assert png_bytes(drawn("load", day)) == png_bytes(drawn("load", day))


def test_an_svg_is_the_same_bytes_again_without_a_date_or_a_program(day: DayResult) -> None:
    found = svg_bytes(drawn("energy", day))
    assert found == svg_bytes(drawn("energy", day))
    root = ElementTree.fromstring(found)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert b"dc:date" not in found
    assert b"matplotlib.org" not in found


def test_a_png_holds_neither_date_nor_version(day: DayResult) -> None:
    data, at, kinds = png_bytes(drawn("soc", day)), 8, set()
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        kinds.add(kind)
        at += 12 + length
    assert kinds <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_a_users_own_settings_of_matplotlib_change_nothing(day: DayResult) -> None:
    plain = png_bytes(drawn("energy", day))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        before = dict(matplotlib.rcParams)
        assert png_bytes(drawn("energy", day)) == plain
        assert dict(matplotlib.rcParams) == before


def test_the_load_names_both_peaks(day: DayResult) -> None:
    said = words(drawn("load", day))
    assert "102.4 kW" in said
    assert "70.7 kW" in said


def test_the_load_names_one_peak_where_both_are_equal() -> None:
    said = words(drawn("load", days.make_day(verdict=days.reject_all)))
    assert said.count("102.4 kW") == 1


def test_the_load_shows_the_hours_in_which_power_flows() -> None:
    figure = drawn("load", days.make_day(days.one_stay()))
    left, right = plots(figure)[0].get_xlim()
    assert (right - left) * 24 == pytest.approx(1.0)


def test_a_day_of_25_hours_is_shown_in_local_time() -> None:
    figure = drawn("load", days.make_day(days.sample_sessions(date="2019-11-03")))
    assert "3 November 2019 (America/Los_Angeles)" in plots(figure)[0].get_xlabel()


def test_roles_are_counted_over_the_state_of_charge(day: DayResult) -> None:
    roles = day.accounts.vehicles["role"].value_counts()
    said = words(drawn("soc", day))
    assert f"buyers ({roles['buyer']})" in said
    assert f"sellers ({roles['seller']})" in said


def test_energy_bars_carry_the_numbers_of_the_comparison(day: DayResult) -> None:
    said = words(drawn("energy", day))
    for row in day.scenarios.itertuples():
        assert f"{row.grid_wh / 1000:,.1f}" in said
        assert f"{row.missing_wh / 1000:,.1f}" in said


def test_prices_say_when_floor_and_ceiling_leave_no_room(day: DayResult) -> None:
    assert "no rational trade" in words(drawn("cost", day))


def test_batches_are_followed_from_pending_to_their_end(troubled_day: DayResult) -> None:
    said = words(drawn("batches", troubled_day))
    ends = troubled_day.batches["status"].value_counts()
    assert f"{len(troubled_day.batches)} batches, {len(troubled_day.trades)} trades" in said
    assert f"{ends['settled']} batches" in said
    assert "1 rejected, 1 cancelled, 1 expired" in said


def test_a_batch_without_a_decision_is_drawn(troubled_day: DayResult) -> None:
    batches = troubled_day.batches.copy()
    batches["status"], batches["decided_at"] = "pending", None
    figure = drawn("batches", replace(troubled_day, batches=batches))
    assert "0 batches" in words(figure)


def test_sensitivity_says_so_where_nothing_was_inferred(troubled_day: DayResult) -> None:
    assert "nothing was inferred" in words(drawn("sensitivity", troubled_day))
