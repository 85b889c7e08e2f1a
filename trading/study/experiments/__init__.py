"""Experiments on what trading is worth and what that depends on; each a file and a function.

An experiment takes `StudyOptions` and who computes, and returns tables. Its figure and findings are
in `trading.reports.studies`, where it is registered.
"""

from trading.study.experiments.break_even import break_even
from trading.study.experiments.connection import connection
from trading.study.experiments.forecast import forecast
from trading.study.experiments.options import Over, StudyOptions, Tables, in_turn, over_workers
from trading.study.experiments.sankey import sankey
from trading.study.experiments.tornado import tornado
from trading.study.experiments.truth import truth
from trading.study.experiments.waterfall import waterfall

__all__ = [
    "Over",
    "StudyOptions",
    "Tables",
    "break_even",
    "connection",
    "forecast",
    "in_turn",
    "over_workers",
    "sankey",
    "tornado",
    "truth",
    "waterfall",
]
