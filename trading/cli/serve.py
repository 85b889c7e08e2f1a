"""What commands that serve have in common: where they listen, how they log, when they end."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    import pandas as pd

    from trading.data.intake import ReadFile
    from trading.operators import TagOf

LogFormatName = Annotated[
    str,
    typer.Option("--log-format", metavar="json|console", help="How lines on stderr look."),
]
FileFormat = Annotated[
    str, typer.Option("--format", metavar="NAME", help="Format of session files: {formats}.")
]
Reorganises = Annotated[
    bool,
    typer.Option("--reorganises", help="The network may replace blocks, as Clique does."),
]


Salts = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File of the stays' salts, by which accounts are found; it may grow meanwhile.",
    ),
]
SimulatedSalts = Annotated[
    bool,
    typer.Option(
        "--simulated-drivers",
        help="The engine runs with --simulated-drivers: find accounts by the salts of the "
        "market's seed.",
    ),
]


def tags(salts: Path | None, *, simulated_seed: int | None) -> TagOf:
    """How a service finds the account of a session.

    Args:
        salts: the file of salts.
        simulated_seed: of simulated drivers, whose salts stand in for the file; None for real ones.

    Raises:
        OptionError: neither is given, or both are.
    """
    from trading.errors import OptionError
    from trading.operators import Pseudonyms, SaltsFile, demonstration_salts

    if salts is not None and simulated_seed is None:
        return Pseudonyms(SaltsFile(salts).salt_of).find
    if simulated_seed is not None and salts is None:
        return Pseudonyms(demonstration_salts(simulated_seed)).find
    expected = "a file, without which no account can be found; none with simulated drivers"
    raise OptionError("salts", None if salts is None else str(salts), expected)


def start_logs(format: str, service: str, *, stream: TextIO | None = None) -> None:
    """Set up the logs of a service, on stderr unless told where.

    Raises:
        OptionError: no such format.
    """
    from trading.errors import OptionError
    from trading.logs import LOG_FORMATS, configure_logs

    for name in LOG_FORMATS:
        if name == format:
            configure_logs(name, stream=stream, service=service)
            return
    raise OptionError("log_format", format, "one of " + ", ".join(LOG_FORMATS))


def session_reader(
    *,
    file_format: str,
    seed: int,
    date: str | None,
    from_date: str | None,
    to_date: str | None,
    timezone: str | None,
    assignment: str,
) -> ReadFile:
    """What reads a file of sessions, as the options of a command say.

    Raises:
        OptionError: an option that is wrong whatever the file holds.
    """
    from trading.data import FORMATS, assignment_named, checked_zone, load_sessions
    from trading.errors import OptionError

    if file_format not in FORMATS:
        raise OptionError("format", file_format, "one of " + ", ".join(FORMATS))
    assignment_named(assignment)
    if timezone is not None:
        checked_zone(timezone)

    def read(file: Path) -> pd.DataFrame:
        return load_sessions(
            file,
            format=file_format,
            seed=seed,
            date=date,
            from_date=from_date,
            to_date=to_date,
            timezone=timezone,
            assignment=assignment,
        ).frame

    return read


def ended_by_signals(wake: threading.Event) -> threading.Event:
    """An event that Ctrl-C and SIGTERM set; `wake` is set with it."""
    stop = threading.Event()

    def end(_number: int, _frame: object) -> None:
        stop.set()
        wake.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return stop
