"""`peercharge run`: the engine of a lot as a service."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading.cli.simulate import AssignmentRule, Day, FirstDay, LastDay, Zone, folder

if TYPE_CHECKING:
    from trading.engine.service import Engine

NodeUrl = Annotated[
    str,
    typer.Option(
        "--network",
        metavar="URL",
        envvar="PEERCHARGE_NETWORK",
        help="JSON-RPC address of a node.",
    ),
]
ContractAddress = Annotated[
    str,
    typer.Option(
        "--contract",
        metavar="ADDRESS",
        envvar="PEERCHARGE_CONTRACT",
        help="The consortium contract.",
    ),
]
FirstBlock = Annotated[
    int, typer.Option("--first-block", help="Block of its deployment, to read from.")
]
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
    network: NodeUrl,
    contract: ContractAddress,
    database: DatabaseUrl,
    sessions: Annotated[
        Path | None, typer.Argument(metavar="[SESSIONS]", help="File of charging sessions.")
    ] = None,
    first_block: FirstBlock = 0,
    market: MarketFile = None,
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Format of the file: {formats}.")
    ] = "peercharge",
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
    salts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of the stays' salts, by which accounts are found; it may grow meanwhile. "
            "With simulated drivers, salts of the market's seed stand in for it.",
        ),
    ] = None,
    reorganises: Annotated[
        bool,
        typer.Option("--reorganises", help="The network may replace blocks, as Clique does."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(parser=folder, metavar="DIR", help="Folder for trades.csv when it ends."),
    ] = None,
) -> None:
    """Trade a lot's sessions as they come, and see every batch through to its settlement.

    The key is that of the environment (PEERCHARGE_KEYSTORE). End it with Ctrl-C or SIGTERM, or kill
    it: the next one goes on where the chain is.
    """
    from trading.chain import Key, attach, open_network
    from trading.data import load_sessions, output_folder, write_table
    from trading.engine.service import Engine, GivenOnce
    from trading.engine.simulated_drivers import SimulatedDrivers
    from trading.errors import OptionError
    from trading.operators import Pseudonyms, SaltOf, SaltsFile, demonstration_salts
    from trading.publication import read_publication
    from trading.store import open_database

    publication = read_publication(market)
    key = Key.from_environment(name="engine")
    if key is None:
        expected = "a keystore file of the engine's key; none is named in the environment"
        raise OptionError("PEERCHARGE_KEYSTORE", "", expected)
    intakes = []
    if sessions is not None:
        read = load_sessions(
            sessions,
            format=file_format,
            seed=publication.rules.seed,
            date=date,
            from_date=from_date,
            to_date=to_date,
            timezone=timezone,
            assignment=assignment,
        )
        intakes.append(GivenOnce(read.frame))
    salt_of: SaltOf
    if salts is not None:
        salt_of = SaltsFile(salts).salt_of
    elif simulated_drivers:
        salt_of = demonstration_salts(publication.rules.seed)
    else:
        raise OptionError("salts", None, "a file, without which no account can be found")
    stop = threading.Event()
    with open_network(network) as node, open_database(database) as opened:
        engine = Engine(
            database=opened,
            consortium=attach(node, contract, first_block=first_block),
            key=key,
            publication=publication,
            tag_of=Pseudonyms(salt_of).find,
            intakes=list(intakes),
            replay=replay,
            is_final=not reorganises,
            enrol=SimulatedDrivers(publication.rules.seed).enrol if simulated_drivers else None,
        )
        engine.check()
        _stop_on_signals(stop, engine)
        engine.run(stop, until_done=replay)
        if out is not None:
            with output_folder(out) as target:
                write_table(engine.trades(), target / "trades.csv")


def _stop_on_signals(stop: threading.Event, engine: Engine) -> None:
    def end(_number: int, _frame: object) -> None:
        stop.set()
        engine.wake.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
