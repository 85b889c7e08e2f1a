"""The main job, composed: sessions, lot, market, ledger and operators over a day."""

from trading.engine.day import Consensus, DayOptions, Source, run_day
from trading.engine.faults import ENGINE_FAULTS, EngineFault
from trading.engine.result import DayResult

__all__ = [
    "ENGINE_FAULTS",
    "Consensus",
    "DayOptions",
    "DayResult",
    "EngineFault",
    "Source",
    "run_day",
]
