from __future__ import annotations

import matplotlib
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from trading.reports.figures.style import png_bytes
from trading.reports.figures.waterfall import WATERFALL_COLUMNS, waterfall_figure

Row = tuple[str, int, int, int, int]

DAY: list[Row] = [
    ("uncontrolled", 227_102_000, 104_240, 454_204, 0),
    ("V1G (optimum)", 227_102_000, 35_624, 454_204, 0),
    ("V1G with peers\n(optimum)", 213_071_627, 27_568, 368_025, 92_375),
    ("pro-rata", 216_334_390, 70_692, 383_710, 75_563),
]
ODD: dict[str, list[Row]] = {
    "a whole day": DAY,
    "one row": DAY[:1],
    "nothing flows": [(label, 0, 0, 0, 0) for label, *_ in DAY],
    "paid to charge": [("uncontrolled", 5_000_000, 9_000, 700, 0), ("V1G", -9_000_000, 1, 700, 0)],
    "all of it missing": [("uncontrolled", 10, 10, 10, 0), ("none", 0, 0, 0, 900_000)],
    "very much": [("uncontrolled", 10**12, 10**8, 10**9, 0), ("V1G", 10**12 - 1, 10**7, 10**9, 5)],
}


def drawn(rows: list[Row]) -> Figure:
    return waterfall_figure(pd.DataFrame(rows, columns=list(WATERFALL_COLUMNS)))


def words(figure: Figure) -> list[str]:
    found = figure.findobj(matplotlib.text.Text)
    return [text.get_text() for text in found if text.get_text()]


def test_each_row_carries_its_value_and_its_change_with_units() -> None:
    said = words(drawn(DAY))
    for text in ("227.10 EUR", "213.07 EUR", "35.6 kW", "70.7 kW", "368.0 kWh"):
        assert text in said
    assert "−14.03 EUR (−6 %)" in said
    assert "−68.6 kW (−66 %)" in said
    assert "+15.7 kWh (+4 %)" in said
    assert said.count("unchanged") == 2


def test_energy_missing_stands_beside_the_energy_from_the_grid() -> None:
    said = words(drawn(DAY))
    assert "+ 92.4 kWh missing" in said
    assert "missing at departure" in said
    assert "missing at departure" not in words(drawn(DAY[:2]))


def test_every_panel_names_its_quantity_and_unit() -> None:
    labels = [axes.get_xlabel() for axes in drawn(DAY).axes]
    for label, unit in zip(labels, ("(EUR)", "(kW)", "(kWh)"), strict=True):
        assert label.endswith(unit)


def test_a_change_from_nothing_or_less_has_no_share() -> None:
    rows: list[Row] = [("first", 0, 0, 0, 0), ("then", 1_000_000, 5_000, 5_000, 0)]
    assert "+1.00 EUR" in words(drawn(rows))


@pytest.mark.parametrize("rows", ODD.values(), ids=list(ODD))
def test_nothing_is_cut_off_and_no_legend_covers_a_panel(rows: list[Row]) -> None:
    figure = drawn(rows)
    FigureCanvasAgg(figure).draw()
    width, height = figure.bbox.size
    said = [text for axes in figure.axes for text in axes.texts]
    said += [axes.xaxis.label for axes in figure.axes]
    said += [label for axes in figure.axes for label in axes.get_yticklabels()]
    for text in said:
        box = text.get_window_extent()
        assert not text.get_text() or (box.x0 >= -1 and box.x1 <= width + 1), text.get_text()
        assert not text.get_text() or (box.y0 >= -1 and box.y1 <= height + 1), text.get_text()
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_a_table_without_rows_says_so() -> None:
    assert "Nothing was compared" in words(drawn([]))


def test_the_same_table_gives_the_same_bytes() -> None:
    assert png_bytes(drawn(DAY)) == png_bytes(drawn(DAY))
