"""`peercharge database`: copy a database, bring it to this version, or rebuild its mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trading.cli.ledger import DeploymentFile, NetworkAddress, consortium_at
from trading.cli.run import DatabaseUrl
from trading.cli.serve import Reorganises

database = typer.Typer(
    name="database",
    no_args_is_help=True,
    help="Back up an engine's or an operator's database, bring it to this version, rebuild its "
    "mirror of the chain.",
)


@database.command("upgrade")
def upgrade_database(database: DatabaseUrl) -> None:
    """Bring a database to the version of this program; make a backup first."""
    from trading.store import upgrade

    before, after = upgrade(database)
    typer.echo(
        f"the database is of version {after} already"
        if before == after
        else f"the database went from version {before or 'none'} to {after}"
    )


@database.command("backup")
def backup_database(
    database: DatabaseUrl,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="The copy; a file that exists is not replaced."),
    ],
) -> None:
    """Copy an SQLite database as it is at one instant, while its process goes on with it."""
    from trading.store import backup

    backup(database, out)
    typer.echo(f"written to {out}")


@database.command("rebuild")
def rebuild_mirror(
    network: NetworkAddress,
    deployment: DeploymentFile,
    database: DatabaseUrl,
    reorganises: Reorganises = False,
) -> None:
    """Throw the mirror of the chain away and read it anew; nothing else is touched."""
    from trading.store import Mirror, open_database

    with consortium_at(deployment, network) as consortium, open_database(database) as opened:
        mirror = Mirror(opened, consortium, is_final=not reorganises)
        mirror.throw_away()
        events = mirror.follow()
    typer.echo(f"read {len(events)} events up to block {mirror.head}")
