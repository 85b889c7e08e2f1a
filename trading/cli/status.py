"""`peercharge status`: what is pending, confirmed, settled or stuck, and why."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from trading.cli.run import DatabaseUrl


def status(
    database: DatabaseUrl,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show batches that have come to their end, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show where each batch of an engine stands, and what it waits for.

    It reads the database alone, while the engine runs or after it ended.
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from trading.engine.standing import status_of
    from trading.store import open_database

    with open_database(database, alone=False) as opened, opened.look() as connection:
        found = status_of(connection, now_s=time.time())
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    console = Console()
    counts = ", ".join(f"{count} {state}" for state, count in sorted(found.counts.items()))
    console.print(f"{len(found.batches)} batches: {counts or 'none'}", highlight=False)
    if found.head is not None:
        console.print(f"last event seen in block {found.head}", highlight=False)
    shown = [one for one in found.batches if show_all or one.is_open or one.state == "refused"]
    if shown:
        table = Table("interval (UTC)", "batch", "trades", "state", "why", box=None)
        for one in shown:
            at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.start_s))
            table.add_row(at, one.batch_id[:10], str(one.trades), one.state, one.why)
        console.print(table)
    for sentence in found.objections:
        console.print(f"a node objects to {sentence}", highlight=False)
    for trade, reason in found.left_out:
        console.print(f"trade {trade} was left to the grid: {reason}", highlight=False)
