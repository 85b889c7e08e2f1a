"""Figures, findings and files of experiments."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.unit.study.experiments.small import RUNS, tables
from trading.reports.figures.sankey import sankey_figure
from trading.reports.figures.style import png_bytes
from trading.reports.studies import FINDINGS_NAME, STUDIES, write_study


@pytest.mark.parametrize("name", list(RUNS))
def test_the_same_tables_give_the_same_files(name: str, tmp_path: Path) -> None:
    entry = STUDIES[name]
    said = write_study(entry, tables(name), tmp_path / "a")
    write_study(entry, {key: table.copy() for key, table in tables(name).items()}, tmp_path / "b")
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert files == sorted(
        [*entry.figures, FINDINGS_NAME, *(f"{table}.csv" for table in tables(name))]
    )
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "a" / FINDINGS_NAME).read_text(encoding="utf-8") == "\n".join(said) + "\n"


@pytest.mark.parametrize("name", ["sankey", "forecast"])
def test_the_same_seed_gives_the_same_tables(name: str) -> None:
    for key, table in RUNS[name]().items():
        pd.testing.assert_frame_equal(table, tables(name)[key])


@pytest.mark.parametrize("name", list(RUNS))
def test_findings_are_sentences_of_numbers(name: str) -> None:
    said = STUDIES[name].findings(tables(name))
    assert said
    for sentence in said:
        assert sentence.endswith(".")
        assert "nan" not in sentence


@pytest.mark.parametrize("name", list(RUNS))
def test_no_word_of_a_figure_is_cut_off(name: str) -> None:
    for draw in STUDIES[name].figures.values():
        figure = draw(tables(name))
        FigureCanvasAgg(figure).draw()
        width, height = figure.bbox.size
        for text in figure.findobj(matplotlib.text.Text):
            if not text.get_text().strip() or not text.get_visible():
                continue
            box = text.get_window_extent()
            is_tick = text in [
                t for a in figure.axes for t in a.get_xticklabels() + a.get_yticklabels()
            ]
            if not is_tick:
                assert box.x0 >= -2, text.get_text()
                assert box.x1 <= width + 2, text.get_text()
                assert box.y0 >= -2, text.get_text()
                assert box.y1 <= height + 2, text.get_text()


def test_findings_of_the_break_even_map_follow_its_cells() -> None:
    cells = tables("break-even")["map"]
    said = " ".join(STUDIES["break-even"].findings({"map": cells}))
    assert f"In {(~cells['is_rational']).sum()} of {len(cells)} cells" in said
    nothing = cells.assign(traded_wh=0.0, saving_ueur_per_kwh=float("nan"), is_rational=False)
    assert "nothing is traded" in " ".join(STUDIES["break-even"].findings({"map": nothing}))
    png_bytes(STUDIES["break-even"].figures["break_even.png"]({"map": nothing}))


def test_a_sankey_that_does_not_close_is_called_so() -> None:
    found = dict(tables("sankey"))
    nodes = found["nodes"].copy()
    inner = nodes.dropna().index[0]
    nodes.loc[inner, "in_wh"] += 1
    assert "does NOT close" in STUDIES["sankey"].findings({**found, "nodes": nodes})[0]


def test_no_label_of_a_sankey_covers_another() -> None:
    figure = sankey_figure(tables("sankey")["links"])
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for n, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[n + 1 :])


def test_a_day_without_energy_says_so() -> None:
    figure = sankey_figure(tables("sankey")["links"].iloc[:0])
    assert "No energy moved" in [text.get_text() for text in figure.axes[0].texts]
