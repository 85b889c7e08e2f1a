"""Finished runs: what a command wrote is what is served, and nothing beside it."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from tests.web.lot import Api, api_over
from trading.web import Runs


@pytest.fixture(scope="module")
def runs(filled, tmp_path_factory):
    """The service over a folder with a run, and things beside it that are none."""
    folder = tmp_path_factory.mktemp("runs")
    run = folder / "monday"
    (run / "figures").mkdir(parents=True)
    (run / "summary.json").write_text('{"trades": 3, "network": "embedded"}')
    (run / "report.html").write_text("<html><style>b{}</style><b>report</b></html>")
    (run / "figures" / "load.png").write_bytes(b"\x89PNG")
    table = pd.DataFrame({"time": [f"2026-01-01T00:0{n}:00Z" for n in range(9)], "w": range(9)})
    table.to_csv(run / "load.csv", index=False)
    table.to_parquet(run / "load.parquet")
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
    assert row["tables"] == ["empty.csv", "load.csv", "load.parquet"]
    assert row["figures"] == ["load.png"]
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
    parquet = runs.get(path, headers={"Accept": "application/vnd.apache.parquet"}).content
    assert pd.read_parquet(io.BytesIO(parquet)).to_dict("records") == rows


def test_report_and_figure_are_served_as_they_are_and_run_nothing(runs: Api):
    report = runs.get("/runs/monday/report")
    assert "<b>report</b>" in report.text
    assert report.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert runs.get("/runs/monday/figures/load.png").content == b"\x89PNG"


@pytest.mark.parametrize(
    "path",
    [
        "/runs/link",
        "/runs/.hidden",
        "/runs/nothing",
        "/runs/%2e%2e",
        "/runs/monday/tables/link.csv",
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


def test_a_service_without_runs_has_none(api):
    assert api.items("/runs") == []
    assert "--runs" in api.get("/runs/monday").json()["hint"]
