"""`peercharge case-study`: the source's case study, from a made-up fleet to its two claims."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from trading.cli.simulate import (
    Json,
    NetworkName,
    Operators,
    Out,
    Priority,
    Quorum,
    Seed,
    progress_bars,
)


def case_study(
    out: Out,
    buyers: Annotated[int, typer.Option(help="Vehicles drawn with 30 to 60 % charge.")] = 20,
    sellers: Annotated[int, typer.Option(help="Vehicles drawn with 80 to 95 % charge.")] = 20,
    seed: Seed = 0,
    price: Annotated[
        str, typer.Option(metavar="EUR/kWh", help="What every trade costs, Equation (5).")
    ] = "0.40",
    grid_tariff: Annotated[
        str, typer.Option(metavar="EUR/kWh", help="What the same energy costs from the grid.")
    ] = "0.50",
    priority: Priority = "pro-rata",
    operators: Operators = 4,
    quorum: Quorum = 3,
    network: NetworkName = "embedded",
    as_json: Json = False,
) -> None:
    """Reproduce the source's case study and count its two claims.

    Equations (1) to (5) as they stand, on a drawn fleet: no losses, no power limits and no time.
    Every buyer's transaction is pending on chain until the operators have confirmed it.
    """
    from rich.console import Console

    from trading.data.output import output_folder
    from trading.engine import CaseStudyOptions, Consensus, run_case_study
    from trading.reports.case_study import case_result_table, write_case_study
    from trading.units import price_ueur_per_kwh

    options = CaseStudyOptions(
        buyers=buyers,
        sellers=sellers,
        seed=seed,
        price=price_ueur_per_kwh(price),
        grid_tariff=price_ueur_per_kwh(grid_tariff, name="grid_tariff"),
        mechanism=priority,
        consensus=Consensus(network=network, operators=operators, quorum=quorum),
    )
    with output_folder(out) as folder, progress_bars() as progress:
        result = run_case_study(options, progress=progress)
        progress("writing the report", 0, 1)
        write_case_study(result, folder)
        progress("writing the report", 1, 1)
    if as_json:
        typer.echo(json.dumps(result.summary, indent=2))
        return
    console = Console(highlight=False)
    console.print(case_result_table(result))
    console.print(f"Report: {out / 'report.html'}", markup=False, soft_wrap=True)
