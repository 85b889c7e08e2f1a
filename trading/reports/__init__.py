"""What people read of a day of trading: figures, the HTML report, the console table, the files."""

from __future__ import annotations

from trading.reports.console import result_table
from trading.reports.figures import FIGURES, FigureEntry
from trading.reports.files import write_day
from trading.reports.html import write_report

__all__ = ["FIGURES", "FigureEntry", "result_table", "write_day", "write_report"]
