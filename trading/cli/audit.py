"""`peercharge audit`: recompute every balance and trade from the chain, and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from trading.cli.ledger import DeploymentFile, NetworkAddress, consortium_at

SHOWN = 50


def audit_ledger(
    network: NetworkAddress,
    deployment: DeploymentFile,
    database: Annotated[
        str | None,
        typer.Option(
            "--database", metavar="URL", help="An engine's or an operator's database to compare."
        ),
    ] = None,
    trades: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="trades.csv", help="A run's trades to compare."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Recompute all balances and trades from chain events alone, and compare everything with them.

    It exits with 1 and a list where anything differs. An engine may run meanwhile.
    """
    from contextlib import nullcontext
    from dataclasses import asdict

    from trading.engine.audit import audit
    from trading.store import open_database
    from trading.units import eur

    opened = nullcontext() if database is None else open_database(database, alone=False)
    with consortium_at(deployment, network) as consortium, opened as store:
        found = audit(consortium, database=store, trades=trades)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        typer.echo(
            f"{found.events} events up to block {found.block}: {found.accounts} accounts with "
            f"{eur(found.tracked_ueur):,.2f} EUR, {found.batches} batches, {found.trades} trades"
        )
        for difference in found.differences[:SHOWN]:
            typer.echo(f"- {difference}")
        if len(found.differences) > SHOWN:
            typer.echo(f"- and {len(found.differences) - SHOWN} more; --json lists all")
        typer.echo(f"{len(found.differences) or 'no'} differences")
    if found.differences:
        raise typer.Exit(1)
