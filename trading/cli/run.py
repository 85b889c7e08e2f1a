"""`peercharge run`: the engine of a lot as a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading.cli.ledger import DeploymentFile, NetworkAddress, consortium_at
from trading.cli.serve import (
    FileFormat,
    LogFormatName,
    Reorganises,
    Salts,
    ended_by_signals,
    session_reader,
    start_logs,
    tags,
)
from trading.cli.simulate import AssignmentRule, Day, FirstDay, LastDay, Zone, folder

if TYPE_CHECKING:
    from trading.data.intake import Intake

DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="PEERCHARGE_DATABASE",
        help="A file for SQLite, or postgresql+psycopg://...",
    ),
]
MarketFile = Annotated[
    Path | None,
    typer.Option(
        "--market",
        exists=True,
        dir_okay=False,
        metavar="FILE.toml",
        help="What the lot publishes of its market; engine and operators read the same.",
    ),
]


def run(
    network: NetworkAddress,
    deployment: DeploymentFile,
    database: DatabaseUrl,
    sessions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SESSIONS]",
            help="Sessions as they come: a file that grows, or a folder of files. With --replay, a "
            "file.",
        ),
    ] = None,
    market: MarketFile = None,
    file_format: FileFormat = "peercharge",
    date: Day = None,
    from_date: FirstDay = None,
    to_date: LastDay = None,
    timezone: Zone = None,
    assignment: AssignmentRule = "anchored-departure",
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Trade past days as fast as they are decided, then end."),
    ] = False,
    simulated_drivers: Annotated[
        bool,
        typer.Option(
            "--simulated-drivers",
            help="Open accounts for the sessions with demonstration keys, and pay in for them out "
            "of the engine's tokens.",
        ),
    ] = False,
    salts: Salts = None,
    reorganises: Reorganises = False,
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Where operators send signatures, and health, metrics and sessions are served.",
        ),
    ] = "127.0.0.1:8700",
    log_format: LogFormatName = "json",
    out: Annotated[
        Path | None,
        typer.Option(parser=folder, metavar="DIR", help="Folder for trades.csv when it ends."),
    ] = None,
) -> None:
    """Trade a lot's sessions as they come, and see every batch through to its settlement.

    The key is that of the environment (PEERCHARGE_KEYSTORE). End it with Ctrl-C or SIGTERM, or kill
    it: the next one goes on where the chain is.
    """
    from trading.chain import Key
    from trading.data import output_folder, write_table
    from trading.data.intake import intake_of
    from trading.engine.http import serve_engine
    from trading.engine.service import Engine, GivenOnce
    from trading.engine.simulated_drivers import SimulatedDrivers
    from trading.errors import OptionError
    from trading.publication import read_publication
    from trading.serving import answer_between_work
    from trading.store import open_database
    from trading.store.requests import token_of_environment

    start_logs(log_format, "engine")
    publication = read_publication(market)
    token = token_of_environment()
    key = Key.from_environment(name="engine")
    if key is None:
        expected = "a keystore file of the engine's key; none is named in the environment"
        raise OptionError("PEERCHARGE_KEYSTORE", "", expected)
    read = session_reader(
        file_format=file_format,
        seed=publication.rules.seed,
        date=date,
        from_date=from_date,
        to_date=to_date,
        timezone=timezone,
        assignment=assignment,
    )
    intakes: list[Intake] = []
    if sessions is not None:
        intakes.append(GivenOnce(read(sessions)) if replay else intake_of(sessions, read))
    simulated_seed = publication.rules.seed if simulated_drivers else None
    tag_of = tags(salts, simulated_seed=simulated_seed)
    with consortium_at(deployment, network) as consortium, open_database(database) as opened:
        engine = Engine(
            database=opened,
            consortium=consortium,
            key=key,
            publication=publication,
            tag_of=tag_of,
            intakes=intakes,
            replay=replay,
            is_final=not reorganises,
            enrol=SimulatedDrivers(publication.rules.seed).enrol if simulated_drivers else None,
        )
        engine.check()
        stop = ended_by_signals(engine.wake)
        answer_between_work()
        with serve_engine(engine, listen=listen, token=token):
            engine.run(stop, until_done=replay)
        if out is not None:
            with output_folder(out) as target:
                write_table(engine.trades(), target / "trades.csv")
