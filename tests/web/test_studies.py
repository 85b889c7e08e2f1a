"""Comparisons: asked for, counted, ended and found again; each in a process that can be killed."""

from __future__ import annotations

import sys
import time
from contextlib import closing

import pytest

from tests.web.lot import api_over
from trading.web import Runs, Studies

ASKED = {
    "title": "one day",
    "mechanisms": ["pro-rata", "uniform-price"],
    "first_day": "2019-10-29",
    "last_day": "2019-10-29",
    "interval_minutes": 60,
    "v2g_share": 0.5,
}
SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def opened(filled, folder, **more):
    studies = Studies(folder, **more)
    return closing(studies), api_over(filled.file, runs=Runs(folder), studies=studies)


def post(api, path, content=None, role="operator"):
    return api.client.post(f"/api/v1{path}", json=content, headers=api.bearer(role))


def until(api, study, *states, seconds=120):
    end = time.monotonic() + seconds
    while (told := api.get(f"/studies/{study}").json())["state"] not in states:
        assert time.monotonic() < end, told
        time.sleep(0.05)
    return told


def test_a_comparison_runs_and_is_a_run_afterwards(filled, folder):
    closed, served = opened(filled, folder)
    with closed, served as api:
        answer = post(api, "/studies", ASKED)
        assert answer.status_code == 201
        study = answer.json()["study"]
        told = until(api, study, "done", "failed")
        assert (told["state"], told["problem"]) == ("done", "")
        steps = {step["name"]: (step["done"], step["total"]) for step in told["steps"]}
        assert steps["mechanisms"] == (2, 2)
        assert all(done == total for done, total in steps.values())
        run = api.get(f"/runs/{told['run']}").json()
        assert "comparison.csv" in run["tables"]
        assert run["has_report"]
        assert run["figures"]
        rows = api.items(f"/runs/{study}/tables/comparison.csv")
        assert {"pro-rata", "uniform-price"} <= {row["mechanism"] for row in rows}
        report = api.get(f"/runs/{study}/report").text
        assert "--v2g-share 0.5" in report
        assert "--from 2019-10-29" in report
    # Another life of the service knows it from its folder.
    closed, served = opened(filled, folder)
    with closed, served as api:
        assert [row["study"] for row in api.items("/studies")] == [study]
        again = api.get(f"/studies/{study}").json()
        assert (again["state"], again["title"], again["asked"]["seed"]) == ("done", "one day", 0)
        assert post(api, f"/studies/{study}/cancel").json()["state"] == "done"


def test_what_runs_and_what_waits_is_cancelled_and_leaves_nothing(filled, folder):
    closed, served = opened(filled, folder, command=SLEEPS)
    with closed, served as api:
        first, second = (post(api, "/studies", ASKED).json()["study"] for _ in range(2))
        until(api, first, "running")
        assert api.get(f"/studies/{second}").json()["place"] == 1
        assert post(api, f"/studies/{second}/cancel").json()["state"] == "cancelled"
        post(api, f"/studies/{first}/cancel")
        assert until(api, first, "cancelled")["run"] is None
        assert list(folder.iterdir()) == []


def test_the_queue_is_short(filled, folder):
    closed, served = opened(filled, folder, command=SLEEPS)
    with closed, served as api:
        told = [post(api, "/studies", ASKED) for _ in range(8)]
        assert [one.status_code for one in told] == [201] * 6 + [409] * 2
        assert "cancel" in told[-1].json()["hint"]


def test_one_that_takes_too_long_is_ended(filled, folder):
    closed, served = opened(filled, folder, command=SLEEPS, longest_s=0.3)
    with closed, served as api:
        told = until(api, post(api, "/studies", ASKED).json()["study"], "failed", seconds=20)
        assert "longer than 0.3 s" in told["problem"]


def test_one_that_fails_says_why(filled, folder):
    closed, served = opened(filled, folder)
    with closed, served as api:
        empty = ASKED | {"first_day": "2001-01-01", "last_day": "2001-01-01"}
        told = until(api, post(api, "/studies", empty).json()["study"], "failed")
        assert "2001-01-01" in told["problem"]
        assert api.items("/runs") == []


def test_the_end_of_the_service_is_the_end_of_what_runs(filled, folder):
    closed, served = opened(filled, folder, command=SLEEPS)
    with closed as studies, served as api:
        study = post(api, "/studies", ASKED).json()["study"]
        until(api, study, "running")
        began = time.monotonic()
        studies.close()
        assert time.monotonic() - began < 10
        assert api.get(f"/studies/{study}").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mechanisms": ["pro-ratta"]}, "pro-rata"),
        ({"mechanisms": []}, "mechanisms"),
        ({"mechanisms": ["pro-rata", "pro-rata"]}, "each name once"),
        ({"pricings": ["fixed:-1"]}, "pricings"),
        ({"source": "../secret.csv"}, "source"),
        ({"source": "other.csv"}, "sample"),
        ({"last_day": "2019-10-28"}, "last_day"),
        ({"last_day": "2020-10-28"}, "31 days"),
        ({"v2g_share": 1.5}, "v2g_share"),
        ({"interval_minutes": 7}, "interval_minutes"),
        ({"liars": 99}, "liars"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(filled, folder, change, said):
    closed, served = opened(filled, folder, command=SLEEPS)
    with closed, served as api:
        answer = post(api, "/studies", ASKED | change)
        assert answer.status_code == 422
        assert said in answer.json()["detail"]
        assert api.items("/studies") == []


def test_files_beside_the_sample_are_studied_by_name(filled, folder, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "acn-2019.csv").write_text("")
    (data / "notes.txt").write_text("")
    (data / "linked.csv").symlink_to(tmp_path / "elsewhere.csv")
    closed, served = opened(filled, folder, command=SLEEPS, data=data)
    with closed, served as api:
        told = api.get("/studies/options").json()
        sources = {one["name"]: one for one in told["sources"]}
        assert sources.keys() == {"sample", "acn-2019.csv"}
        assert sources["acn-2019.csv"]["format"] == "acn"
        assert (sources["sample"]["first_day"], sources["sample"]["last_day"]) == (
            "2019-10-28", "2019-11-03",
        )  # fmt: skip
        without_days = {k: v for k, v in ASKED.items() if not k.endswith("_day")}
        answer = post(api, "/studies", without_days | {"source": "acn-2019.csv"})
        assert (answer.status_code, "first_day" in answer.text) == (422, True)
        assert post(api, "/studies", ASKED | {"source": "acn-2019.csv"}).status_code == 201


def test_drivers_run_none_and_without_a_folder_nobody_does(filled, folder, api):
    assert post(api, "/studies", ASKED).status_code == 404
    assert api.items("/studies") == []
    closed, served = opened(filled, folder, command=SLEEPS)
    with closed, served as api_:
        assert post(api_, "/studies", ASKED, role="driver").status_code == 403
        assert api_.get("/studies", "driver").status_code == 403
