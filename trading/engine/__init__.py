"""The main job, composed: sessions, lot, market, ledger and operators over a day."""

from trading.engine.case_fleet import CaseStudyOptions
from trading.engine.case_study import CaseStudyResult, run_case_study
from trading.engine.consensus import Consensus
from trading.engine.day import DayOptions, Source, run_day
from trading.engine.faults import ENGINE_FAULTS, EngineFault
from trading.engine.result import DayResult

__all__ = [
    "ENGINE_FAULTS",
    "CaseStudyOptions",
    "CaseStudyResult",
    "Consensus",
    "DayOptions",
    "DayResult",
    "EngineFault",
    "Source",
    "run_case_study",
    "run_day",
]
