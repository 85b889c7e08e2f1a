"""`peercharge operator`: an operator's node as a service."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading.cli.ledger import DeploymentFile, NetworkAddress, consortium_at
from trading.cli.run import DatabaseUrl, MarketFile
from trading.cli.serve import (
    FileFormat,
    LogFormatName,
    Reorganises,
    Salts,
    SimulatedSalts,
    ended_by_signals,
    session_reader,
    start_logs,
    tags,
)
from trading.cli.simulate import AssignmentRule, Day, FirstDay, LastDay, Zone

if TYPE_CHECKING:
    from trading.operators.questions import Ask


def operator(
    network: NetworkAddress,
    deployment: DeploymentFile,
    database: DatabaseUrl,
    sessions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SESSIONS]",
            help="This operator's own sessions: a file that grows, or a folder of files. Without "
            "it, they come by HTTP.",
        ),
    ] = None,
    market: MarketFile = None,
    file_format: FileFormat = "peercharge",
    date: Day = None,
    from_date: FirstDay = None,
    to_date: LastDay = None,
    timezone: Zone = None,
    assignment: AssignmentRule = "anchored-departure",
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="PEERCHARGE_ENGINE",
            help="Address of the engine, to which signatures go. Without it, every vote is a "
            "transaction of its own.",
        ),
    ] = None,
    fallback_after: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Confirm on the chain when a batch is still pending this long after the verdict. "
            "Without it, half of the time left to the deadline.",
        ),
    ] = None,
    ask: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            help="Leave batches to a person: nothing, findings (those that break a rule) or all. "
            "Answers need the token in PEERCHARGE_OPERATOR_TOKEN or its _FILE.",
        ),
    ] = "nothing",
    ask_for: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="How long a person has; then the node's own vote is carried out, at the latest "
            "when a quarter of the time to the deadline is left. Without it, half of that time.",
        ),
    ] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Past days are traded: gate closure cannot be checked."),
    ] = False,
    salts: Salts = None,
    simulated_drivers: SimulatedSalts = False,
    reorganises: Reorganises = False,
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Where health, metrics, sessions, and people's answers are served.",
        ),
    ] = "127.0.0.1:8710",
    log_format: LogFormatName = "json",
) -> None:
    """Check every batch of a consortium on sessions of one's own, and vote.

    The key is that of the environment (PEERCHARGE_KEYSTORE, with its password in
    PEERCHARGE_KEYSTORE_PASSWORD_FILE). End it with Ctrl-C or SIGTERM, or kill it: the next one goes
    on where the chain is, and no batch gets a second vote.
    """
    from trading.chain import Key
    from trading.data.intake import intake_of
    from trading.errors import OptionError
    from trading.operators.exchange import Exchange
    from trading.operators.http import TOKEN_VARIABLE, serve_operator
    from trading.operators.service import OperatorService
    from trading.publication import read_publication
    from trading.store import open_database
    from trading.store.requests import secret_of_environment, token_of_environment

    start_logs(log_format, "operator")
    publication = read_publication(market)
    token = token_of_environment()
    people = secret_of_environment(TOKEN_VARIABLE)
    asks = _asks(ask)
    if asks != "nothing" and people is None:
        raise OptionError(TOKEN_VARIABLE, "", f"a token, without which nobody could answer {ask!r}")
    if asks == "nothing" and ask_for is not None:
        raise OptionError("ask_for", ask_for, "--ask findings or --ask all beside it")
    key = Key.from_environment(name="operator")
    if key is None:
        expected = "a keystore file of the operator's key; none is named in the environment"
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
    simulated_seed = publication.rules.seed if simulated_drivers else None
    with ExitStack() as stack:
        exchange = Exchange(engine) if engine is not None else None
        if exchange is not None:
            stack.callback(exchange.close)
        consortium = stack.enter_context(consortium_at(deployment, network))
        service = OperatorService(
            database=stack.enter_context(open_database(database)),
            consortium=consortium,
            key=key,
            publication=publication,
            tag_of=tags(salts, simulated_seed=simulated_seed),
            exchange=exchange,
            intakes=[] if sessions is None else [intake_of(sessions, read)],
            replay=replay,
            is_final=not reorganises,
            fallback_after_s=fallback_after,
            asks=asks,
            ask_for_s=ask_for,
        )
        service.check()
        stop = ended_by_signals(service.wake)
        stack.enter_context(serve_operator(service, listen=listen, token=token, people=people))
        service.run(stop)


def _asks(name: str) -> Ask:
    from trading.errors import OptionError
    from trading.operators.questions import ASKS

    for known in ASKS:
        if known == name:
            return known
    raise OptionError("ask", name, "one of " + ", ".join(ASKS))
