"""A sweep ends with the same files whoever computes it, and whatever happens on the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import trading.study.store
from tests.unit.study.plans import ONE_FAILS, SMALL, TWENTY_FOUR, plan_of
from trading.errors import OptionError, SweepError
from trading.study import (
    Plan,
    Scenario,
    SweepFolder,
    SweepResult,
    evaluate,
    run_sweep,
    workers_of,
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(TWENTY_FOUR, tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def expected(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that one process writes without being disturbed."""
    folder = tmp_path_factory.mktemp("expected")
    swept(plan, folder)
    return files_of(folder)


def swept(plan: Plan, folder: Path, **options: object) -> SweepResult:
    with workers_of(**options) as workers:  # type: ignore[arg-type]
        return run_sweep(plan, SweepFolder(folder, plan), workers, csv=True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_there_is_a_row_a_scenario_in_the_order_of_the_plan(plan: Plan, tmp_path: Path) -> None:
    result = swept(plan, tmp_path)
    table = pd.read_parquet(tmp_path / "results.parquet")
    assert len(table) == len(plan.scenarios) == result.scenarios
    assert table["scenario"].tolist() == list(range(len(table)))
    assert table["key"].tolist() == [s.key() for s in plan.scenarios]
    assert table["v2g_share"].tolist() == [s.v2g_share for s in plan.scenarios]
    assert table["price_ueur_per_kwh"].isna().all()
    for scenario, (_, row) in zip(plan.scenarios[:3], table.iterrows(), strict=False):
        for name, value in evaluate(scenario).items():
            np.testing.assert_equal(row[name], value, name)


def test_csv_holds_what_parquet_holds(expected: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in expected.items():
        (tmp_path / name).write_bytes(content)
    from_csv = pd.read_csv(tmp_path / "results.csv")
    from_parquet = pd.read_parquet(tmp_path / "results.parquet")
    assert from_csv.columns.tolist() == from_parquet.columns.tolist()
    assert from_csv["cost_ueur"].tolist() == from_parquet["cost_ueur"].tolist()
    assert from_csv["v2g_share"].tolist() == from_parquet["v2g_share"].tolist()


def test_the_manifest_says_what_was_run(plan: Plan, expected: dict[str, bytes]) -> None:
    manifest = json.loads(expected["sweep.json"])
    assert manifest["scenarios"] == 24
    assert manifest["seeds"] == {"sample": 7, "scenarios": [0, 1]}
    assert manifest["config"]["sample"]["n"] == 4
    assert manifest["plan_sha256"] == plan.digest()
    assert manifest["lots"]["sample"]["sessions_sha256"] == plan.scenarios[0].sessions_sha256
    assert {"python", "numpy", "pandas", "pyarrow", "scipy"} <= manifest["versions"].keys()


def test_two_processes_write_what_one_does(
    plan: Plan, expected: dict[str, bytes], tmp_path: Path
) -> None:
    swept(plan, tmp_path, jobs=2)
    assert files_of(tmp_path) == expected
    assert multiprocessing.active_children() == []


# Dask's processes keep sockets and logs of their own, and warn about a slow machine.
@pytest.mark.filterwarnings("default")
def test_a_cluster_of_two_workers_writes_what_one_process_does(
    plan: Plan, expected: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    swept(plan, tmp_path, dask="local:2")
    assert files_of(tmp_path) == expected


def test_draws_that_repeat_one_another_are_rows_of_their_own_and_run_once(tmp_path: Path) -> None:
    text = SMALL + "[sample]\nn = 9\n[sample.ranges]\nseed = { low = 1, high = 3 }\n"
    plan = plan_of(text, tmp_path)
    result = swept(plan, tmp_path / "out")
    assert result.scenarios == plan.n_distinct() == 3
    assert result.table.column("scenario").to_pylist() == list(range(9))
    assert sorted(result.table.column("seed").to_pylist()) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


# ---------------------------------------------------------------------- interruptions


def interrupted(plan: Plan, folder: Path, *, after: int, **options: object) -> SweepFolder:
    """A sweep that is interrupted as by Ctrl-C once `after` scenarios are done."""

    def stop(_what: str, done: int, _total: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        workers_of(**options) as workers,  # type: ignore[arg-type]
    ):
        run_sweep(plan, SweepFolder(folder, plan), workers, progress=stop)
    return SweepFolder(folder, plan)


@pytest.mark.parametrize("after", [1, 10, 23])
def test_an_interrupted_sweep_goes_on_and_ends_with_the_same_files(
    plan: Plan, expected: dict[str, bytes], tmp_path: Path, after: int
) -> None:
    folder = interrupted(plan, tmp_path, after=after)
    assert after <= len(folder.done) < len(plan.scenarios) or after == 23
    assert not (tmp_path / "results.parquet").exists()
    result = swept(plan, tmp_path)
    assert result.ready == len(folder.done)
    assert files_of(tmp_path) == expected


def test_processes_end_at_once_when_interrupted(plan: Plan, tmp_path: Path) -> None:
    interrupted(plan, tmp_path, after=1, jobs=2)
    assert multiprocessing.active_children() == []


def test_a_finished_sweep_runs_nothing_again(
    plan: Plan, expected: dict[str, bytes], tmp_path: Path
) -> None:
    swept(plan, tmp_path)
    with workers_of() as workers:
        result = run_sweep(plan, SweepFolder(tmp_path, plan), _Refusing(workers), csv=True)
    assert result.ready == 24
    assert files_of(tmp_path) == expected


class _Refusing:
    """Workers that nothing may be given to."""

    description = "nowhere"

    def __init__(self, _workers: object) -> None:
        pass

    def slots(self) -> int:
        return 1

    def submit(self, task: Callable[..., object], *args: object) -> Future[object]:
        raise AssertionError(f"{task} was given {args}")

    def renew(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("harm", [lambda file: file.write_bytes(b""), lambda file: file.unlink()])
def test_a_part_that_is_damaged_or_lost_is_computed_again(
    plan: Plan, expected: dict[str, bytes], tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    swept(plan, tmp_path)
    harm(sorted((tmp_path / "parts").iterdir())[0])
    result = swept(plan, tmp_path)
    assert 0 < result.ready < 24
    assert files_of(tmp_path) == expected


def test_a_worker_that_is_killed_costs_no_result(
    plan: Plan, expected: dict[str, bytes], tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(_what: str, done: int, _total: int) -> None:
        if done and not killed:
            victim = multiprocessing.active_children()[0].pid
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    with workers_of(jobs=2) as workers:
        result = run_sweep(plan, SweepFolder(tmp_path, plan), workers, csv=True, progress=kill_one)
    assert killed
    assert result.failures == ()
    assert files_of(tmp_path) == expected


# ---------------------------------------------------------------------- failures


def test_a_scenario_that_fails_is_recorded_and_the_rest_is_kept(tmp_path: Path) -> None:
    plan = plan_of(ONE_FAILS, tmp_path)
    result = swept(plan, tmp_path / "out")
    assert [failure.key for failure in result.failures] == [plan.scenarios[0].key()]
    assert result.table.column("ev_share").to_pylist() == [0.5, 1.0]
    assert result.table.column("scenario").to_pylist() == [1, 2]
    (row,) = pd.read_csv(tmp_path / "out" / "failures.csv").to_dict("records")
    assert (row["scenario"], row["error"], row["ev_share"]) == (0, "OptionError", 1e-6)
    assert "expected a share that leaves one or more of the 8 sessions" in row["message"]


def test_a_failure_is_tried_again_and_then_its_record_is_gone(tmp_path: Path) -> None:
    plan = plan_of(ONE_FAILS, tmp_path)
    swept(plan, tmp_path / "out")
    again = swept(plan, tmp_path / "out")
    assert (again.ready, len(again.failures)) == (2, 1)
    SweepFolder(tmp_path / "out", plan).finish([])
    assert not (tmp_path / "out" / "failures.csv").exists()


class _Crashing:
    """Workers of which one ends, or raises what no scenario should, at chosen scenarios."""

    description = "in a test"

    def __init__(self, fates: dict[str, list[BaseException]]) -> None:
        self.fates, self.renewed = fates, 0
        self.is_broken = False
        self.executor = ThreadPoolExecutor(1)

    def slots(self) -> int:
        return 2

    def submit(self, task: Callable[..., object], *args: tuple[Scenario, ...]) -> Future[object]:
        if self.is_broken:
            raise BrokenProcessPool("broken")
        for scenario in (scenario for chunk in args for scenario in chunk):
            if self.fates.get(scenario.key()):
                future: Future[object] = Future()
                error = self.fates[scenario.key()].pop(0)
                future.set_exception(error)
                self.is_broken = isinstance(error, BrokenProcessPool)
                return future
        return self.executor.submit(task, *args)

    def renew(self) -> None:
        self.is_broken = False
        self.renewed += 1


@pytest.mark.parametrize(
    ("times", "error", "fails"),
    [
        (1, BrokenProcessPool, False),
        (2, BrokenProcessPool, False),
        (9, BrokenProcessPool, True),
        (9, ZeroDivisionError, True),
    ],
)
def test_a_scenario_that_ends_its_process_is_found_and_given_up(
    plan: Plan,
    expected: dict[str, bytes],
    tmp_path: Path,
    times: int,
    error: type[Exception],
    fails: bool,
) -> None:
    guilty = plan.scenarios[11].key()
    workers = _Crashing({guilty: [error("gone") for _ in range(times)]})
    result = run_sweep(plan, SweepFolder(tmp_path, plan), workers, csv=True)
    workers.executor.shutdown()
    if fails:
        assert [(f.key, f.error) for f in result.failures] == [(guilty, error.__name__)]
        assert result.table.num_rows == 23
    else:
        assert files_of(tmp_path) == expected
    assert (workers.renewed > 0) == (error is BrokenProcessPool)


def test_workers_of_another_version_are_refused(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trading.study.sweep

    folder = SweepFolder(tmp_path, plan)
    versions = iter(["ours", "ours", "theirs", *["ours"] * 99])
    monkeypatch.setattr(trading.study.sweep, "code_sha256", lambda: next(versions))
    with workers_of() as workers, pytest.raises(SweepError, match="another version of peercharge"):
        run_sweep(plan, folder, workers)
    assert SweepFolder(tmp_path, plan).done == set()


def test_workers_that_can_do_nothing_fail_no_scenario(plan: Plan, tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, plan)
    with pytest.raises(SweepError, match="cannot run this program: ModuleNotFoundError: trading"):
        run_sweep(plan, folder, _Unable())
    assert not (tmp_path / "failures.csv").exists()


class _Unable(_Refusing):
    """Workers without this package."""

    def __init__(self) -> None:
        pass

    def submit(self, *_arguments: object) -> Future[object]:
        future: Future[object] = Future()
        future.set_exception(ModuleNotFoundError("trading"))
        return future


# ---------------------------------------------------------------------- the folder


def test_the_folder_of_another_configuration_is_refused(plan: Plan, tmp_path: Path) -> None:
    SweepFolder(tmp_path / "out", plan)
    other = plan_of(ONE_FAILS, tmp_path)
    with pytest.raises(OptionError, match="it holds the sweep of another configuration"):
        SweepFolder(tmp_path / "out", other)


def test_the_folder_of_another_version_is_refused(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SweepFolder(tmp_path, plan)
    monkeypatch.setattr(trading.study.store, "code_sha256", lambda: "another")
    with pytest.raises(OptionError, match="another version of peercharge began"):
        SweepFolder(tmp_path, plan)


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_a_manifest_that_cannot_be_read_is_refused(
    plan: Plan, tmp_path: Path, content: str
) -> None:
    (tmp_path / "sweep.json").write_text(content, encoding="utf-8")
    with pytest.raises(OptionError, match=r"sweep\.json"):
        SweepFolder(tmp_path, plan)


def test_results_of_unknown_origin_are_not_written_over(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "results.parquet").write_bytes(b"precious")
    with pytest.raises(OptionError, match="a new folder"):
        SweepFolder(tmp_path, plan)
    assert (tmp_path / "results.parquet").read_bytes() == b"precious"


def test_a_file_in_place_of_the_folder_is_refused(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(OptionError, match="a folder that can be written"):
        SweepFolder(tmp_path / "out", plan)


def test_a_result_that_only_some_scenarios_have_is_null_elsewhere(
    plan: Plan, tmp_path: Path
) -> None:
    folder = SweepFolder(tmp_path, plan)
    first, second = plan.scenarios[:2]
    folder.add([trading.study.store.row_of(second, {"share": 0.5})])
    folder.add([trading.study.store.row_of(first, {"share": 1, "only_here": "x"})])
    folder.finish([])
    table = pq.read_table(tmp_path / "results.parquet")
    assert table.column("share").to_pylist() == [1.0, 0.5]
    assert table.column("only_here").to_pylist() == ["x", None]


def test_a_result_must_not_take_the_name_of_a_field(plan: Plan) -> None:
    with pytest.raises(SweepError, match="both name seed"):
        trading.study.store.row_of(plan.scenarios[0], {"seed": 1})


# ---------------------------------------------------------------------- who computes


@pytest.mark.parametrize("address", ["local:", "local:none", "local:0"])
@pytest.mark.filterwarnings("default")
def test_a_cluster_that_is_none_is_refused(address: str) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with (
        pytest.raises(OptionError, match="expected a number of processes"),
        workers_of(dask=address),
    ):
        pass


def test_no_process_at_all_is_refused() -> None:
    with pytest.raises(OptionError, match="jobs=0: expected 1 process or more"), workers_of(jobs=0):
        pass


def test_a_missing_dask_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(OptionError, match=r"peercharge\[cluster\]"),
        workers_of(dask="local:2"),
    ):
        pass
