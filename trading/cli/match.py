"""`peercharge match`: the bare equations on one fleet, from a file to two files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading.cli.simulate import folder

if TYPE_CHECKING:
    import pandas as pd

ROLES_FILE = "roles.csv"
TRADES_FILE = "trades.csv"
TRADE_COLUMNS = ("buyer_id", "seller_id", "energy_wh", "price_ueur_per_kwh", "cost_ueur")


def match_fleet(
    fleet: Annotated[
        Path,
        typer.Argument(
            metavar="FLEET.csv",
            help="Columns vehicle_id, battery_capacity_kwh and soc (0 to 1); others are ignored.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            parser=folder,
            metavar="DIR",
            help=f"Folder for {ROLES_FILE} and {TRADES_FILE}; other files in it are left alone.",
        ),
    ],
    buyer_threshold: Annotated[
        float, typer.Option(metavar="SOC", help="T_b: a vehicle at or below it buys.")
    ] = 0.60,
    seller_threshold: Annotated[
        float, typer.Option(metavar="SOC", help="T_s: a vehicle at or above it sells.")
    ] = 0.80,
    strict: Annotated[
        bool, typer.Option("--strict", help="A vehicle exactly on a threshold is neutral.")
    ] = False,
    price: Annotated[
        str, typer.Option(metavar="EUR/kWh", help="What every trade costs; 0 is allowed.")
    ] = "0.25",
    priority: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How orders are served: {mechanisms}. For arrival, a column `arrival` (ISO 8601 "
            "with Z or an offset) gives the order; where it is absent or equal, ids do. The "
            "order of rows never counts.",
        ),
    ] = "pro-rata",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON instead of a table.")
    ] = False,
) -> None:
    """Compute roles and energies of a fleet, match buyers with sellers, and price the trades.

    These are Equations (1) to (5) as they stand: no losses, no power limits and no time.
    """
    from trading.data.csv import read_table, write_table
    from trading.data.output import output_folder
    from trading.fleet import Thresholds, roles
    from trading.market import PeerPrice, clear, mechanism_named, orders_of
    from trading.tables import FLEET, FLEET_BY_ARRIVAL
    from trading.units import price_ueur_per_kwh

    # Options are cheap to check, and the file may be large.
    Thresholds(buyer=buyer_threshold, seller=seller_threshold, strict=strict)
    price_ueur = price_ueur_per_kwh(price)
    mechanism_named(priority, option="priority")
    table = read_table(fleet, FLEET_BY_ARRIVAL if priority == "arrival" else FLEET)
    with output_folder(out) as folder:
        role_table = roles(
            table,
            buyer_threshold=buyer_threshold,
            seller_threshold=seller_threshold,
            strict=strict,
        )
        trades = clear(
            orders_of(role_table, table), mechanism=priority, price=PeerPrice.same(price_ueur)
        )
        write_table(role_table, folder / ROLES_FILE)
        write_table(trades[list(TRADE_COLUMNS)], folder / TRADES_FILE)
    summary = _summary(role_table, trades, price_ueur=price_ueur, priority=priority)
    files = [str(out / ROLES_FILE), str(out / TRADES_FILE)]
    if as_json:
        typer.echo(json.dumps({**summary, "files": files}, indent=2))
    else:
        _print_table(summary, files)


def _summary(
    roles: pd.DataFrame, trades: pd.DataFrame, *, price_ueur: int, priority: str
) -> dict[str, int | str]:
    counts = roles["role"].value_counts()
    return {
        "vehicles": len(roles),
        "buyers": int(counts.get("buyer", 0)),
        "sellers": int(counts.get("seller", 0)),
        "neutral": int(counts.get("neutral", 0)),
        "required_wh": int(roles["required_wh"].sum()),
        "available_wh": int(roles["available_wh"].sum()),
        "trades": len(trades),
        "energy_traded_wh": int(trades["energy_wh"].sum()),
        "cost_ueur": int(trades["cost_ueur"].sum()),
        "price_ueur_per_kwh": price_ueur,
        "priority": priority,
    }


def _print_table(summary: dict[str, int | str], files: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from trading.units import eur, kwh

    def energy(name: str) -> str:
        return f"{kwh(int(summary[name])):,.3f} kWh"

    price = f"{eur(int(summary['price_ueur_per_kwh'])):.6f} EUR/kWh"
    table = Table(title="Equations (1) to (5)", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name in ("vehicles", "buyers", "sellers", "neutral"):
        table.add_row(name, f"{summary[name]:,}")
    table.add_section()
    table.add_row("energy required by buyers", energy("required_wh"))
    table.add_row("energy available from sellers", energy("available_wh"))
    table.add_row("energy traded", energy("energy_traded_wh"))
    table.add_section()
    table.add_row(f"trades by {summary['priority']}", f"{summary['trades']:,}")
    table.add_row("cost", f"{eur(int(summary['cost_ueur'])):,.6f} EUR")
    table.add_row("price", price)
    console = Console(highlight=False)
    console.print(table)
    for file in files:
        console.print(file, markup=False, soft_wrap=True)
