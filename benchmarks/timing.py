"""Medians of repeated runs, and the memory of one.

Two clocks: wall time, which is what a user waits, and the process's CPU time, which leaves out what
other programs on the machine took meanwhile. Bars are held to wall time. A ratio of a short run to
a long one is taken of CPU times: on a busy machine a short run often gets a core to itself and a
long one never does, so that wall times would flatter the short one.
"""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Short work is repeated for this long, at most this often, so that its median is a steady one.
STEADY_S = 1.0
MOST_RUNS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds of some runs of the same thing."""

    median_s: float
    cpu_s: float
    fastest_s: float
    slowest_s: float
    runs: int

    @classmethod
    def of(cls, wall_s: Sequence[float], cpu_s: Sequence[float]) -> Timing:
        """From each run's wall and CPU time; `cpu_s` becomes the median of the latter."""
        return cls(
            median_s=statistics.median(wall_s),
            cpu_s=statistics.median(cpu_s),
            fastest_s=min(wall_s),
            slowest_s=max(wall_s),
            runs=len(wall_s),
        )

    @property
    def median_ms(self) -> float:
        return self.median_s * 1e3

    def as_json(self) -> dict[str, float]:
        """For the results: milliseconds, to the microsecond."""
        return {
            "median_ms": round(self.median_s * 1e3, 3),
            "cpu_ms": round(self.cpu_s * 1e3, 3),
            "fastest_ms": round(self.fastest_s * 1e3, 3),
            "slowest_ms": round(self.slowest_s * 1e3, 3),
            "runs": self.runs,
        }


def timed(work: Callable[[], object], *, repeats: int, warm_up: bool = True) -> Timing:
    """Run `work` at least `repeats` times, short work more often; a warm-up does not count."""
    if warm_up:
        work()
    gc.collect()
    wall_s: list[float] = []
    cpu_s: list[float] = []
    while len(wall_s) < repeats or (sum(wall_s) < STEADY_S and len(wall_s) < MOST_RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        cpu_s.append(time.process_time() - cpu)
        wall_s.append(time.perf_counter() - wall)
    return Timing.of(wall_s, cpu_s)


def peak_mb(work: Callable[[], object]) -> float:
    """The most that Python and numpy allocate while `work` runs, above what was there before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6
