"""`peercharge sweep`: many scenarios of a lot, from one TOML file to one table of results."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trading.cli.simulate import folder, progress_bars

if TYPE_CHECKING:
    from trading.study import Plan, SweepResult

EXIT_FAILURES = 1
EXIT_INTERRUPTED = 130
"""What shells make of Ctrl-C."""


def _print_example(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.resources import files

    typer.echo((files("trading.study") / "example.toml").read_text(encoding="utf-8"), nl=False)
    raise typer.Exit


def sweep(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="Which scenarios; see --example.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            parser=folder,
            metavar="DIR",
            help="Folder of this sweep. One that was interrupted goes on where it was.",
        ),
    ],
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processes of this machine; without it, one a usable CPU."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on a Dask cluster instead: the address of its scheduler, as in "
            "tcp://HOST:8786, or local:N for a cluster of N processes on this machine.",
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write the results as CSV too.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and count; run and write nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcome as JSON instead of a table.")
    ] = False,
    _example: Annotated[
        bool,
        typer.Option(
            "--example",
            callback=_print_example,
            is_eager=True,
            help="Print a file to begin with, and exit.",
        ),
    ] = False,
) -> None:
    """Run a grid or a random sample of scenarios, and write one table of results.

    Every scenario is checked before the first one runs. No chain is involved: honest operators
    agree to every trade. Exits with 1 if a scenario has no result; the others are kept.
    """
    from trading.study import SweepFolder, read_plan, run_sweep, usable_cpus, workers_of

    began_s = time.monotonic()
    plan = read_plan(config)
    n = plan.n_distinct()
    if dry_run:
        _say(_counted(plan))
        return
    n_jobs = min(usable_cpus(), n) if jobs is None else jobs
    with workers_of(jobs=n_jobs, dask=dask) as workers:
        store = SweepFolder(out, plan)
        n_todo = n - len(store.done)
        ready = f"; {n - n_todo} are ready" if n_todo < n else ""
        _say(f"{_counted(plan)}{ready}; running {n_todo} {workers.description}.")
        try:
            with progress_bars() as progress:
                result = run_sweep(plan, store, workers, csv=csv, progress=progress)
        except KeyboardInterrupt:
            done = f"{len(store.done)} of {n} scenarios done"
            _say(f"\nInterrupted with {done}, kept in {out}. To go on:")
            _say(f"  peercharge {shlex.join(sys.argv[1:])}")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    _print(result, as_json=as_json, took_s=time.monotonic() - began_s)
    if result.failures:
        first = result.failures[0]
        _say(
            f"peercharge: {len(result.failures)} of {n} scenarios have no result; "
            f"{store.failures_path} says why, the first: {first.error}: {first.message}"
        )
        raise typer.Exit(EXIT_FAILURES)


def _counted(plan: Plan) -> str:
    n = len(plan.scenarios)
    text = f"{plan.source}: {n} scenario{'s' if n != 1 else ''}"
    if repeats := n - plan.n_distinct():
        text += f" ({repeats} repeat another and are computed once)"
    if plan.crossed:
        text += f" ({plan.crossed} more are left out, T_b above T_s)"
    return text


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _print(result: SweepResult, *, as_json: bool, took_s: float) -> None:
    outcome: dict[str, Any] = {
        "scenarios": result.scenarios,
        "ready_before": result.ready,
        "failures": len(result.failures),
        "results": str(result.path),
    }
    if as_json:
        typer.echo(json.dumps(outcome, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Over all scenarios", title_justify="left")
    for name in ("result", "least", "median", "most"):
        table.add_column(name, justify="left" if name == "result" else "right")
    for title, column, scale, unit in SHOWN:
        if column not in result.table.column_names or not result.table.num_rows:
            continue
        values = result.table.column(column).to_pandas() / scale
        cells = (f"{value:,.2f} {unit}" for value in (values.min(), values.median(), values.max()))
        table.add_row(title, *cells)
    console = Console(highlight=False)
    if table.row_count:
        console.print(table)
    n_done = result.scenarios - len(result.failures)
    line = f"Results: {result.path}  ({n_done} scenarios, took {took_s:.0f} s)"
    console.print(line, markup=False, soft_wrap=True)


SHOWN = (
    ("energy from peers", "peers_wh", 1e3, "kWh"),
    ("energy from the grid", "grid_wh", 1e3, "kWh"),
    ("energy missing at departure", "missing_wh", 1e3, "kWh"),
    ("peak from the grid", "peak_w", 1e3, "kW"),
    ("drivers' cost", "cost_ueur", 1e6, "EUR"),
)
"""What the terminal shows: title, column, divisor, unit. All else is in the file."""
