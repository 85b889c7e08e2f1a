"""`peercharge live`: a recorded day traded in one process, to look at and to act in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from trading.cli.serve import ended_by_signals, session_reader, start_logs
from trading.cli.simulate import (
    DEMO_DATE,
    AssignmentRule,
    Day,
    FirstDay,
    LastDay,
    Seed,
    Zone,
    folder,
)
from trading.cli.web import LISTEN

if TYPE_CHECKING:
    from trading.live import LiveLot

PACE_S = 4.0


def live(
    sessions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SESSIONS]",
            help="File of charging sessions, plain or .gz. Without it, the demonstration's.",
        ),
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Format of the file: {formats}.")
    ] = "acn",
    date: Day = None,
    from_date: FirstDay = None,
    to_date: LastDay = None,
    timezone: Zone = None,
    assignment: AssignmentRule = "anchored-departure",
    pace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="The least time between two market intervals; one without trades takes a quarter "
            "of it. 0 for as fast as they are decided.",
        ),
    ] = PACE_S,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to answer, on this machine."),
    ] = LISTEN,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            parser=folder,
            metavar="DIR",
            help="Folder for the databases and the log; made if need be. Without it they are gone "
            "at the end.",
        ),
    ] = None,
    seed: Seed = 0,
    engine_fault: Annotated[
        str | None,
        typer.Option(
            metavar="FAULT",
            help="A dishonest engine slips a wrong trade into one batch: {engine_faults}.",
        ),
    ] = None,
    tokens: Annotated[
        bool,
        typer.Option("--tokens", help="Print a token for each role, to call the HTTP API with."),
    ] = False,
    driver_of: Annotated[
        list[str] | None,
        typer.Option(
            "--driver-of", metavar="SESSION", help="A session of that driver; may be repeated."
        ),
    ] = None,
) -> None:
    """Trade a recorded day at a pace to watch, and serve it until you end it with Ctrl-C.

    One process: a chain of its own, the lot's engine, three operators, and the web. Chargers,
    meters, batteries, wallets and the demonstration euro are simulated, and whoever looks at it on
    this machine may choose to be anyone; contract, votes and settlement are real.
    """
    from trading.data import sample_path
    from trading.engine.faults import engine_fault_named
    from trading.live import DEMO_LIMIT_KW, live_lot, market_of

    fault = None if engine_fault is None else engine_fault_named(engine_fault)
    is_chosen = date is not None or from_date is not None or to_date is not None
    read = session_reader(
        file_format=file_format,
        seed=seed,
        date=date if is_chosen or sessions is not None else DEMO_DATE,
        from_date=from_date,
        to_date=to_date,
        timezone=timezone,
        assignment=assignment,
    )
    frame = read(sample_path() if sessions is None else sessions)
    with _folder(directory) as place:
        # Another lot's sessions may need more than the demonstration's connection.
        limit_kw = DEMO_LIMIT_KW if sessions is None else None
        publication = market_of(place, seed=seed, limit_kw=limit_kw)
        with (
            (place / "live.log").open("w", encoding="utf-8") as log,
            live_lot(frame, publication, place, pace_s=pace, listen=listen, fault=fault) as lot,
        ):
            start_logs("json", "live", stream=log)
            stop = ended_by_signals(lot.engine.wake)
            _tell(lot, place, n_vehicles=len(frame), pace_s=pace)
            if tokens:
                for role, token in lot.issuer.token_of_each_role(
                    driver_of=tuple(driver_of or ()),
                    operator_of=[operator.key.address for operator in lot.operators],
                ).items():
                    typer.echo(f"{role} {token}")
            lot.run(stop)


def _tell(lot: LiveLot, place: Path, *, n_vehicles: int, pace_s: float) -> None:
    """Where it is, and what is real of it."""
    minutes = lot.engine.publication.rules.interval_s // 60
    typer.echo(f"serving {lot.address}", err=True)
    typer.echo(
        f"{n_vehicles} vehicles; every {minutes} min of their time take {pace_s:g} s here, or a "
        f"quarter of it where nothing is traded.\n"
        f"{len(lot.operators)} operators check each batch, and {lot.consortium.quorum()} must "
        "confirm it; all but the first ask a person about what breaks a rule.\n"
        "Contract, votes and settlement are real; chargers, meters, batteries, wallets and the "
        "demonstration euro are simulated, and the chain is gone at the end.\n"
        f"Log: {place / 'live.log'}\n"
        "End it with Ctrl-C.",
        err=True,
    )


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is None:
        with TemporaryDirectory(prefix="peercharge-live-") as temporary:
            yield Path(temporary)
        return
    chosen.mkdir(parents=True, exist_ok=True)
    yield chosen
