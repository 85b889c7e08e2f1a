"""Many scenarios at once: what a configuration stands for, and running it to a table of results."""

from trading.study.axes import KEYS
from trading.study.config import Lot, Plan, read_plan
from trading.study.scenario import Scenario, evaluate
from trading.study.store import Failure, SweepFolder
from trading.study.sweep import SweepResult, run_sweep
from trading.study.workers import Workers, usable_cpus, workers_of

__all__ = [
    "KEYS",
    "Failure",
    "Lot",
    "Plan",
    "Scenario",
    "SweepFolder",
    "SweepResult",
    "Workers",
    "evaluate",
    "read_plan",
    "run_sweep",
    "usable_cpus",
    "workers_of",
]
