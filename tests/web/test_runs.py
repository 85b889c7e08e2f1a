"""Finished runs: what a command wrote is what is served, and nothing beside it."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tests.web.lot import Api, api_over
from trading.web import Runs
from trading.web.formats import PARQUET

ROWS = 12_345


def long_table() -> pd.DataFrame:
    """Longer than any page, and than what is written at a time; a column is empty at first."""
    return pd.DataFrame(
        {
            "n": range(ROWS),
            "share": [n / 7 for n in range(ROWS)],
            "note": [f'"{n}", ü' if n % 3 else None for n in range(ROWS)],
            "late": [None if n < 9_000 else n for n in range(ROWS)],
        }
    )


@pytest.fixture(scope="module")
def runs(filled, tmp_path_factory):
    """The service over a folder with a run, and things beside it that are none."""
    folder = tmp_path_factory.mktemp("runs")
    run = folder / "monday"
    (run / "figures").mkdir(parents=True)
    (run / "summary.json").write_text('{"trades": 3, "network": "embedded"}')
    (run / "report.html").write_text("<html><style>b{}</style><b>report</b></html>")
    (run / "figures" / "load.png").write_bytes(b"\x89PNG")
    (run / "figures" / "load.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    table = pd.DataFrame({"time": [f"2026-01-01T00:0{n}:00Z" for n in range(9)], "w": range(9)})
    table.to_csv(run / "load.csv", index=False)
    table.to_parquet(run / "load.parquet")
    long = long_table()
    long.to_csv(run / "long.csv", index=False, lineterminator="\n")
    long.to_parquet(run / "long.parquet", index=False)
    long.iloc[:0].to_csv(run / "none.csv", index=False)
    (run / "empty.csv").write_text("")
    (folder / "secret.csv").write_text("a\n1\n")
    (folder / ".hidden").mkdir()
    (folder / "nothing").mkdir()
    (folder / "link").symlink_to(run)
    (run / "link.csv").symlink_to(folder / "secret.csv")
    with api_over(filled.file, runs=Runs(folder)) as api:
        yield api


def test_a_run_is_listed_with_what_it_wrote(runs: Api):
    (row,) = runs.items("/runs")
    assert row["name"] == "monday"
    assert row["tables"] == [
        "empty.csv", "load.csv", "load.parquet", "long.csv", "long.parquet", "none.csv",
    ]  # fmt: skip
    assert row["figures"] == ["load.png", "load.svg"]
    one = runs.get("/runs/monday").json()
    assert one["summary"] == {"trades": 3, "network": "embedded"}


@pytest.mark.parametrize("table", ["load.csv", "load.parquet"])
def test_a_table_comes_in_every_format_and_in_pages(runs: Api, table):
    path = f"/runs/monday/tables/{table}"
    rows = runs.items(path)
    assert [row["w"] for row in rows] == list(range(9))
    assert runs.all_items(path, limit=4) == rows
    assert runs.all_items(path, limit=4, params={"order": "desc"}) == rows[::-1]
    as_csv = runs.get(path, headers={"Accept": "text/csv"}).text
    assert pd.read_csv(io.StringIO(as_csv)).to_dict("records") == rows
    parquet = runs.get(path, headers={"Accept": PARQUET}).content
    assert pd.read_parquet(io.BytesIO(parquet)).to_dict("records") == rows


@pytest.mark.parametrize("table", ["long.csv", "long.parquet"])
def test_a_whole_table_comes_in_one_answer_in_every_format(runs: Api, table):
    path, expected = f"/runs/monday/tables/{table}/whole", long_table()
    parquet = runs.get(path, headers={"Accept": PARQUET})
    assert parquet.headers["content-type"] == PARQUET
    assert_frame_equal(pd.read_parquet(io.BytesIO(parquet.content)), expected)
    as_csv = runs.get(path, headers={"Accept": "text/csv"}).text
    assert_frame_equal(pd.read_csv(io.StringIO(as_csv)), expected)
    told = runs.get(path).json()
    assert told["next"] is None
    assert told["items"] == runs.all_items(f"/runs/monday/tables/{table}", limit=1000)
    assert len(told["items"]) == ROWS


def test_a_whole_table_in_its_own_format_is_the_file(runs: Api):
    for table, kind in (("load.csv", "text/csv"), ("load.parquet", PARQUET)):
        told = runs.get(f"/runs/monday/tables/{table}/whole", headers={"Accept": kind})
        assert told.content == (runs.source.runs.folder / "monday" / table).read_bytes()


def test_a_table_without_rows_is_a_whole_one_too(runs: Api):
    path = "/runs/monday/tables/none.csv/whole"
    assert runs.get(path).json() == {"items": [], "next": None}
    parquet = runs.get(path, headers={"Accept": PARQUET}).content
    assert list(pd.read_parquet(io.BytesIO(parquet)).columns) == list(long_table().columns)


def test_a_whole_table_takes_no_cursor_and_no_other_format(runs: Api):
    path = "/runs/monday/tables/load.csv/whole"
    assert runs.get(path, params={"limit": 3}).status_code == 422
    assert runs.get(path, headers={"Accept": "image/png"}).status_code == 406


def test_report_and_figure_are_served_as_they_are_and_run_nothing(runs: Api):
    report = runs.get("/runs/monday/report")
    assert "<b>report</b>" in report.text
    assert report.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    for figure, kind in (("load.png", "image/png"), ("load.svg", "image/svg+xml")):
        told = runs.get(f"/runs/monday/figures/{figure}")
        assert told.content == (runs.source.runs.folder / "monday/figures" / figure).read_bytes()
        assert told.headers["content-type"].split(";")[0] == kind
        assert told.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize(
    "path",
    [
        "/runs/link",
        "/runs/.hidden",
        "/runs/nothing",
        "/runs/%2e%2e",
        "/runs/monday/tables/link.csv",
        "/runs/monday/tables/link.csv/whole",
        "/runs/monday/tables/..%2Fsecret.csv",
        "/runs/monday/tables/summary.json",
        "/runs/monday/figures/..%2Freport.html",
        "/runs/tuesday/report",
    ],
)
def test_what_is_not_listed_is_not_there(runs: Api, path):
    answer = runs.get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_table_that_is_none_is_told(runs: Api):
    assert runs.get("/runs/monday/tables/empty.csv").status_code == 409
    assert runs.get("/runs/monday/tables/empty.csv/whole").status_code == 409


def test_a_service_without_runs_has_none(api):
    assert api.items("/runs") == []
    assert "--runs" in api.get("/runs/monday").json()["hint"]
