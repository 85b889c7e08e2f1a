"""Comparisons that visitors ask for: one after another, each a process that can be ended.

What runs is the command `peercharge compare`, so that what a page shows and what a shell prints is
one thing. It writes into a folder of its own under the runs, all at once when it is done; what is
ended before leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog
from pydantic import ValidationError

from trading.data import FORMATS, load_sessions, sample_path
from trading.errors import OptionError
from trading.market import MECHANISMS
from trading.study.compare import COMPARED_PRICINGS, POSTED, combinations_of
from trading.web.problems import Problem
from trading.web.study_rows import (
    MINUTES,
    MOST_DAYS,
    MOST_LIARS,
    SAMPLE,
    State,
    StudyChoice,
    StudyIn,
    StudyOptionsOut,
    StudyOut,
    StudyRow,
    StudySource,
    StudyStep,
    euro,
)
from trading.web.views import utc

log = structlog.get_logger(__name__)

ABOUT = "study.json"
"""In the folder of a run that was asked for here: a `StudyOut`."""
MOST_QUEUED = 5
LONGEST_S = 1_800
"""One that takes longer is ended."""
ENDED_WITHIN_S = 5.0
KEPT = 50
"""Comparisons that left no run are told of until so many others ended."""
NICE = 10
"""So much the comparison gives way to whoever serves."""
_OPEN = ("queued", "running")
_MAIN = "from trading.cli import main; main()"
_ENDINGS = (".csv", ".json", ".gz")


@dataclass(kw_only=True)
class _Study:
    """One comparison of this process's life."""

    study: str
    asked: StudyIn
    asked_at: float
    state: State = "queued"
    began_at: float | None = None
    ended_at: float | None = None
    steps: dict[str, StudyStep] = field(default_factory=dict)
    problem: str = ""
    is_cancelled: bool = False
    process: subprocess.Popen[str] | None = None


class Studies:
    """The comparisons of one service; `close` ends what runs."""

    def __init__(
        self,
        runs: Path,
        *,
        data: Path | None = None,
        longest_s: float = LONGEST_S,
        command: Sequence[str] = (sys.executable, "-c", _MAIN),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Run comparisons whose results go into `runs`.

        Args:
            runs: the folder of runs.
            data: a folder of session files that may be studied, besides the sample.
            longest_s: a comparison that takes longer is ended.
            command: what `compare` and its options are given to.
            clock: Unix seconds.
        """
        self._runs, self._data, self._longest_s = runs, data, longest_s
        self._command, self._clock = tuple(command), clock
        self._studies: dict[str, _Study] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._sample: StudySource | None = None
        self._thread = threading.Thread(target=self._work, name="studies", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End what runs, and take no more."""
        with self._changed:
            self._is_closed = True
            for one in self._studies.values():
                self._cancel(one)
            self._changed.notify_all()
        self._thread.join(2 * ENDED_WITHIN_S)

    # ------------------------------------------------------------------ what can be asked for

    def options(self) -> StudyOptionsOut:
        """What can be compared here."""
        return StudyOptionsOut(
            mechanisms=[StudyChoice(name=name, is_posted=name in POSTED) for name in MECHANISMS],
            pricings=[StudyChoice(name=name, is_posted=True) for name in COMPARED_PRICINGS],
            sources=self._sources(),
            interval_minutes=list(MINUTES),
            most_days=MOST_DAYS,
            most_liars=MOST_LIARS,
            most_queued=MOST_QUEUED,
            longest_s=round(self._longest_s),
        )

    def _sources(self) -> list[StudySource]:
        if self._sample is None:
            found = load_sessions(sample_path(), format="acn")
            days = found.frame["arrival"].dt.tz_convert(found.zone).dt.date
            self._sample = StudySource(
                name=SAMPLE, format="acn", first_day=days.min(), last_day=days.max()
            )
        files = sorted(self._data.iterdir()) if self._data is not None else []
        return [self._sample] + [
            StudySource(name=file.name, format=_format_of(file), first_day=None, last_day=None)
            for file in files
            if file.is_file() and not file.is_symlink() and file.suffix in _ENDINGS
        ]

    # ------------------------------------------------------------------ asking

    def start(self, asked: StudyIn) -> StudyOut:
        """Put a comparison into the queue.

        Raises:
            Problem: 422, it cannot be run; 409, the queue is full.
        """
        self._check(asked)
        stamp = time.strftime("%Y-%m-%d-%H%M%S", time.gmtime(self._clock()))
        one = _Study(
            study=f"study-{stamp}-{secrets.token_hex(3)}", asked=asked, asked_at=self._clock()
        )
        with self._changed:
            waiting = [other for other in self._studies.values() if other.state in _OPEN]
            if self._is_closed or len(waiting) > MOST_QUEUED:
                raise Problem(
                    409,
                    f"{MOST_QUEUED} comparisons are waiting already",
                    "Wait until one has ended, or cancel one.",
                )
            self._studies[one.study] = one
            self._changed.notify_all()
            return self._out(one)

    def cancel(self, study: str) -> StudyOut:
        """End a comparison; what has ended stays as it is.

        Raises:
            Problem: 404, there is none of this id.
        """
        with self._changed:
            one = self._studies.get(study)
            if one is not None:
                self._cancel(one)
                self._changed.notify_all()
                return self._out(one)
        return self.study(study)

    def study(self, study: str) -> StudyOut:
        """One comparison.

        Raises:
            Problem: 404, there is none of this id.
        """
        found = next((one for one in self._all() if one.study == study), None)
        if found is None:
            raise Problem(404, "there is no such comparison", "GET /api/v1/studies lists them.")
        return found

    def listed(self) -> list[StudyRow]:
        """All comparisons, those of earlier lives of the service too where they left a run."""
        return [StudyRow(**one.model_dump(exclude={"asked"})) for one in self._all()]

    def _all(self) -> list[StudyOut]:
        with self._changed:
            here = [self._out(one) for one in self._studies.values()]
        known = {one.study for one in here}
        return here + [one for one in self._earlier() if one.study not in known]

    def _earlier(self) -> Iterator[StudyOut]:
        for path in sorted(self._runs.glob(f"study-*/{ABOUT}")):
            with contextlib.suppress(OSError, ValidationError):
                yield StudyOut.model_validate_json(path.read_bytes())

    def _check(self, asked: StudyIn) -> None:
        try:
            combinations_of(asked.mechanisms, asked.pricings)
        except OptionError as error:
            raise Problem(422, f"body.{error}") from None
        if asked.interval_minutes not in MINUTES:
            raise Problem(422, "body.interval_minutes: expected a part of an hour")
        sources = {one.name for one in self._sources()}
        if asked.source not in sources:
            known = ", ".join(sorted(sources))
            raise Problem(422, f"body.source: expected one of {known}")
        first, last = asked.first_day, asked.last_day
        if first is not None and last is not None:
            if last < first:
                raise Problem(422, "body.last_day: expected a day not before body.first_day")
            if (last - first).days >= MOST_DAYS:
                raise Problem(422, f"body.last_day: expected at most {MOST_DAYS} days in all")
        elif asked.source != SAMPLE:
            raise Problem(
                422, "body.first_day: expected a day, and body.last_day beside it",
                f"Name at most {MOST_DAYS} days of this file.",
            )  # fmt: skip

    # ------------------------------------------------------------------ running

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._next() is not None)
                one = self._next()
                if one is None:
                    return
                one.state, one.began_at = "running", self._clock()
                self._forget()
            try:
                self._run(one)
            except OSError as error:
                one.problem = f"it cannot be run here ({error.strerror})"
            with self._changed:
                one.process, one.ended_at = None, self._clock()
                one.state = "cancelled" if one.is_cancelled else "failed" if one.problem else "done"
                self._changed.notify_all()
            log.info("comparison ended", study=one.study, state=one.state, problem=one.problem)

    def _next(self) -> _Study | None:
        return next((one for one in self._studies.values() if one.state == "queued"), None)

    def _forget(self) -> None:
        ended = [one.study for one in self._studies.values() if one.state not in _OPEN]
        for study in ended[: max(len(ended) - KEPT, 0)]:
            del self._studies[study]

    def _run(self, one: _Study) -> None:
        out = self._runs / one.study
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            process = subprocess.Popen(
                [*self._command, *self._arguments(one.asked, out)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
            with self._changed:
                one.process = process
                if one.is_cancelled:
                    process.terminate()
            if hasattr(os, "setpriority"):
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
            timer = threading.Timer(self._longest_s, self._too_long, (one, process))
            timer.start()
            try:
                assert process.stderr is not None
                with process.stderr as lines:
                    self._follow(one, lines, said)
                code = process.wait()
            finally:
                timer.cancel()
            if code and not one.problem and not one.is_cancelled:
                said.seek(0)
                one.problem = _last_line(said.read()) or f"it ended with {code}"
        if not code:
            # It was done before it could be ended.
            one.is_cancelled, one.problem = False, ""
            ended = self._out(one).model_copy(
                update={"state": "done", "ended_at": utc(int(self._clock())), "run": one.study}
            )
            (out / ABOUT).write_text(ended.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def _follow(self, one: _Study, lines: IO[str], said: IO[str]) -> None:
        """Read what a comparison tells of its progress until it ends; the rest goes to `said`."""
        for line in lines:
            try:
                step = StudyStep.model_validate_json(line)
            except ValidationError:
                said.write(line)
                continue
            with self._changed:
                one.steps[step.name] = step

    def _too_long(self, one: _Study, process: subprocess.Popen[str]) -> None:
        one.problem = f"it took longer than {self._longest_s:g} s and was ended"
        _end(process)

    def _cancel(self, one: _Study) -> None:
        """With the lock held."""
        if one.state not in _OPEN:
            return
        one.is_cancelled = True
        if one.state == "queued":
            one.state, one.ended_at = "cancelled", self._clock()
        if one.process is not None:
            threading.Thread(target=_end, args=(one.process,), daemon=True).start()

    def _arguments(self, asked: StudyIn, out: Path) -> list[str]:
        """The command line that anybody can repeat."""
        source = next(one for one in self._sources() if one.name == asked.source)
        is_sample = asked.source == SAMPLE or self._data is None
        place = SAMPLE if is_sample else str(self._data / asked.source)  # type: ignore[operator]
        given = {
            "--out": str(out),
            "--format": source.format,
            "--mechanisms": ",".join(asked.mechanisms),
            "--pricings": ",".join(asked.pricings),
            "--seed": str(asked.seed),
            "--interval": f"{asked.interval_minutes}min",
            "--v2g-share": repr(asked.v2g_share),
            "--departures": asked.departures,
            "--replacement-spread": repr(asked.replacement_spread),
            "--lot-tariff": euro(asked.lot_tariff_ueur_per_kwh),
            "--replacement-price": euro(asked.replacement_ueur_per_kwh),
            "--wear": euro(asked.wear_ueur_per_kwh),
            "--lot-fee": euro(asked.lot_fee_ueur_per_kwh),
            "--liars": str(asked.liars),
            "--progress": "lines",
        }
        if asked.first_day is not None:
            given["--from"] = asked.first_day.isoformat()
        if asked.last_day is not None:
            given["--to"] = asked.last_day.isoformat()
        return ["compare", place, *(part for pair in given.items() for part in pair)]

    def _out(self, one: _Study) -> StudyOut:
        before = [
            other for other in self._studies.values()
            if other.state in _OPEN and other.asked_at < one.asked_at
        ]  # fmt: skip
        return StudyOut(
            study=one.study,
            title=one.asked.title,
            state=one.state,
            place=len(before) if one.state == "queued" else 0,
            asked_at=utc(int(one.asked_at)),
            began_at=None if one.began_at is None else utc(int(one.began_at)),
            ended_at=None if one.ended_at is None else utc(int(one.ended_at)),
            steps=list(one.steps.values()),
            problem=one.problem,
            run=one.study if one.state == "done" else None,
            asked=one.asked,
        )


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(ENDED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("peercharge: ") if lines else ""


def _format_of(file: Path) -> str:
    """What a file's name says of its format: `acn-...`, `desl-...`, or our own."""
    return next((name for name in FORMATS if file.name.startswith(name)), "peercharge")
