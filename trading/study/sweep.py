"""Run the scenarios of a plan that have no result yet, wherever there are workers.

Scenarios go out in chunks. A chunk that comes back is kept at once, so an interruption costs at
most the chunks under way. Where a scenario fails with an error of ours, its worker says so;
anything else, a fault of the program or the death of a process, fails the chunk as a whole. Its
scenarios are then run one by one, so that the blame falls on the right one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    wait,
)
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from trading.errors import PeerchargeError, SweepError
from trading.study.config import Plan
from trading.study.scenario import Scenario, evaluate
from trading.study.store import RESULTS, Failure, SweepFolder, code_sha256, row_of
from trading.study.workers import R, Workers

LARGEST_CHUNK = 3_000
"""Intervals of all scenarios of a chunk: 32 days of 15 min, a second's work or two."""
SECONDS_PER_DAY = 86_400
CHUNKS_A_SLOT = 8
"""Small sweeps go in smaller chunks, so that no worker is idle for long at the end."""
ATTEMPTS = 2
"""How often a scenario may end the process that runs it, alone, before it is given up."""

Chunk = tuple[Scenario, ...]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkResult:
    """What a worker sends back: rows and failures of a chunk, and the state of its program."""

    rows: list[dict[str, Any]]
    failures: list[Failure]
    code_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweepResult:
    """A sweep that has run to its end.

    Attributes:
        scenarios: distinct ones of the plan.
        ready: how many of them had a result before.
        failures: those without a result now, in the plan's order.
        table: the results, as in `results.parquet`.
        path: that file.
    """

    scenarios: int
    ready: int
    failures: tuple[Failure, ...]
    table: pa.Table
    path: Path


def run_sweep(
    plan: Plan,
    folder: SweepFolder,
    workers: Workers,
    *,
    csv: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Compute what `folder` lacks, and write its files.

    The files are the same whatever the workers, and however often the sweep was interrupted.

    Args:
        plan: the scenarios.
        folder: of this plan.
        workers: who computes.
        csv: also write the results as CSV.
        progress: called with (what, scenarios done, distinct scenarios of the plan).

    Raises:
        SweepError: workers run another version of this program, or are gone for good.
        KeyboardInterrupt: as it comes; what is done is kept.
    """
    distinct = {scenario.key(): scenario for scenario in plan.scenarios}
    missing = [scenario for key, scenario in distinct.items() if key not in folder.done]
    failures: dict[str, Failure] = {}

    def tell() -> None:
        if progress is not None:
            done = len(distinct) - len(missing) + finished
            progress("running scenarios", done, len(distinct))

    finished = 0
    tell()
    if missing:
        _check_program(workers)
    for result in _results(workers, _chunks(missing, workers.slots())):
        _check_code(workers, result.code_sha256)
        folder.add(result.rows)
        failures.update({failure.key: failure for failure in result.failures})
        finished += len(result.rows) + len(result.failures)
        tell()
    ordered = tuple(failures[key] for key in distinct if key in failures)
    return SweepResult(
        scenarios=len(distinct),
        ready=len(distinct) - len(missing),
        failures=ordered,
        table=folder.finish(ordered, csv=csv),
        path=folder.path / RESULTS,
    )


def _check_program(workers: Workers) -> None:
    """One small task first, so that workers that can do nothing fail no scenario."""
    future = workers.submit(code_sha256)
    wait([future])
    error = _error_of(future)
    if error is not None:
        raise SweepError(
            f"whoever computes ({workers.description}) cannot run this program: "
            f"{type(error).__name__}: {error}"
        )
    _check_code(workers, future.result())


def _check_code(workers: Workers, found: str) -> None:
    if found != code_sha256():
        raise SweepError(
            f"a worker ({workers.description}) runs another version of peercharge; install the "
            "same one everywhere, and run the same command again"
        )


def run_chunk(chunk: Sequence[Scenario]) -> ChunkResult:
    """In a worker: every scenario of a chunk, whatever becomes of the others."""
    rows, failures = [], []
    for scenario in chunk:
        try:
            rows.append(row_of(scenario, evaluate(scenario)))
        except PeerchargeError as error:
            failures.append(_failure(scenario, error))
    return ChunkResult(rows=rows, failures=failures, code_sha256=code_sha256())


def _failure(scenario: Scenario, error: BaseException) -> Failure:
    return Failure(key=scenario.key(), error=type(error).__name__, message=str(error))


def _chunks(scenarios: Sequence[Scenario], slots: int) -> list[Chunk]:
    """In an order in which those that read the same sessions follow one another."""
    ordered = sorted(scenarios, key=lambda s: (s.lot, s.assignment, s.seed))
    enough = min(LARGEST_CHUNK, sum(map(_intervals, ordered)) / (slots * CHUNKS_A_SLOT))
    chunks, chunk, held = list[Chunk](), list[Scenario](), 0.0
    for scenario in ordered:
        chunk.append(scenario)
        held += _intervals(scenario)
        if held >= enough:
            chunks.append(tuple(chunk))
            chunk, held = [], 0.0
    return [*chunks, tuple(chunk)] if chunk else chunks


def _intervals(scenario: Scenario) -> float:
    """About how many intervals a scenario runs through, which is what its work grows with."""
    first, last = (date.fromisoformat(day) for day in (scenario.from_date, scenario.to_date))
    return ((last - first).days + 1) * SECONDS_PER_DAY / scenario.interval_s


def _results(workers: Workers, chunks: Sequence[Chunk]) -> Iterator[ChunkResult]:
    todo, suspects = deque(chunks), list[Chunk]()
    running: dict[Future[ChunkResult], Chunk] = {}
    while todo or running:
        is_broken = False
        while todo and not is_broken and len(running) < 2 * workers.slots():
            is_broken = not _started(workers, todo, running)
        # Without anything running, the pool broke before it took a chunk.
        done = wait(running, return_when=FIRST_COMPLETED).done if running else set()
        for future in done:
            chunk = running.pop(future)
            error = _error_of(future)
            if error is None:
                yield future.result()
            else:
                suspects.append(chunk)
                is_broken |= isinstance(error, BrokenExecutor | CancelledError)
        if is_broken:
            suspects += [running.pop(future) for future in wait(running).done]
            workers.renew()
    for chunk in suspects:
        for scenario in chunk:
            yield _alone(workers, scenario)


def _started(
    workers: Workers, todo: deque[Chunk], running: dict[Future[ChunkResult], Chunk]
) -> bool:
    try:
        future = workers.submit(run_chunk, todo[0])
    except BrokenExecutor:
        return False
    running[future] = todo.popleft()
    return True


def _alone(workers: Workers, scenario: Scenario) -> ChunkResult:
    """One scenario with nothing beside it, so that what happens is its doing."""
    error: BaseException | None = None
    for _ in range(ATTEMPTS):
        future = workers.submit(run_chunk, (scenario,))
        wait([future])
        error = _error_of(future)
        if error is None:
            return future.result()
        if not isinstance(error, BrokenExecutor | CancelledError):
            break
        workers.renew()
    assert error is not None
    return ChunkResult(rows=[], failures=[_failure(scenario, error)], code_sha256=code_sha256())


def _error_of(future: Future[R]) -> BaseException | None:
    """What kept a task that has ended from its result; one that was cancelled has an error too."""
    return CancelledError("its worker went away") if future.cancelled() else future.exception()
