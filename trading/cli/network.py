"""`peercharge network`: validators of a consortium network on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trading.network import LocalNetwork

network = typer.Typer(
    no_args_is_help=True,
    help="Run a consortium network of validators on this machine, each a process of its own.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Directory = Annotated[
    Path,
    typer.Option(
        "--dir",
        metavar="DIR",
        help="The network's folder: genesis, keys, chain data, logs. `up` makes it.",
    ),
]
Validator = Annotated[
    int, typer.Option("--validator", min=1, metavar="N", help="Which one, counted from 1.")
]
EngineName = Annotated[
    str | None, typer.Option("--engine", metavar="NAME", help="Only polygon-edge, with IBFT.")
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=1, metavar="SECONDS", help="How long health may take."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@network.command()
def build(engine: EngineName = None) -> None:
    """Build the engine's binary from its Go module into the cache; at once when it is there."""
    from trading.network import DEFAULT_ENGINE, engine_named, find_binary
    from trading.network import build as build_binary

    module = engine_named(engine or DEFAULT_ENGINE).module
    if find_binary(module) is None:
        print(f"Building {module.name} {module.version}; takes minutes ...", file=sys.stderr)
    typer.echo(build_binary(module))


@network.command()
def up(
    directory: Directory,
    validators: Annotated[
        int | None,
        typer.Option(
            min=1, max=32, metavar="N", help="How many.  [default: 4, which bear one lost]"
        ),
    ] = None,
    engine: EngineName = None,
    block_time: Annotated[
        int | None,
        typer.Option(min=1, max=60, metavar="SECONDS", help="From block to block.  [default: 1]"),
    ] = None,
    block_gas: Annotated[
        int | None,
        typer.Option(
            min=10_000_000, metavar="GAS", help="Gas limit of a block.  [default: 80 million]"
        ),
    ] = None,
    chain_id: Annotated[
        int | None, typer.Option(min=1, metavar="ID", help="Id of the chain.  [default: 20240]")
    ] = None,
    timeout: Timeout = 90.0,
    as_json: Json = False,
) -> None:
    """Start the network of a folder and wait until it is healthy; make it first if need be.

    Validators that run already are left alone, and chain data is kept, so that the same command
    brings a network back after `down` or after a restart of the machine. Gas is free. All listen
    on this machine only.
    """
    from trading.network import Options, open_or_create

    options = Options(
        validators=validators,
        engine=engine,
        block_time_s=block_time,
        block_gas=block_gas,
        chain_id=chain_id,
    )
    found = open_or_create(directory, options)
    found.up(timeout_s=timeout)
    _show(found, as_json=as_json)
    if not as_json:
        typer.echo(f"\nUse it:  peercharge simulate SESSIONS --network {found.urls[0]} ...")
        typer.echo(f"End it:  peercharge network down --dir {directory}")


@network.command()
def status(directory: Directory, as_json: Json = False) -> None:
    """Show each validator: whether it runs, its latest block, its peers, its address."""
    from trading.network import find

    _show(find(directory), as_json=as_json)


@network.command()
def down(directory: Directory) -> None:
    """End the validators that run from a folder, and nothing else; their data stays."""
    from trading.network import find

    found = find(directory)
    running = sum(standing.pid is not None for standing in found.standings())
    found.down()
    typer.echo(f"{running} validators ended; `up` on the same folder starts them again.")


@network.command()
def stop(
    directory: Directory,
    validator: Validator,
    kill: Annotated[
        bool, typer.Option("--kill", help="As a power cut would, without a word to it.")
    ] = False,
) -> None:
    """End one validator; the others go on while enough of them are left."""
    from trading.network import find

    found = find(directory)
    if kill:
        found.kill(validator)
    else:
        found.stop(validator)


@network.command()
def start(
    directory: Directory,
    validator: Validator,
    timeout: Timeout = 90.0,
) -> None:
    """Start one validator with the data it has, and wait until it answers."""
    from trading.network import find

    found = find(directory)
    found.start(validator)
    found.await_height(0, numbers=[validator], timeout_s=timeout)


def _show(found: LocalNetwork, *, as_json: bool) -> None:
    plan = found.plan
    standings = found.standings()
    if as_json:
        told = {
            "engine": plan.engine,
            "version": plan.version,
            "chain_id": plan.chain_id,
            "block_time_s": plan.block_time_s,
            "block_gas": plan.block_gas,
            "tolerated": plan.tolerated,
            "validators": [
                {
                    "validator": standing.number,
                    "state": standing.state,
                    "url": standing.url,
                    "address": seat.address,
                    "pid": standing.pid,
                    "height": standing.height,
                    "peers": standing.peers,
                }
                for standing, seat in zip(standings, plan.seats, strict=True)
            ],
        }
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(
        f"{plan.engine} {plan.version}, chain {plan.chain_id}, {plan.block_time_s} s a block, "
        f"{plan.block_gas:,} gas a block; goes on with {plan.tolerated} of {len(plan.seats)} lost"
    )
    typer.echo(f"{'validator':<11}{'state':<9}{'block':>9}{'peers':>7}{'pid':>9}  endpoint")
    for standing in standings:
        cells = [
            "-" if value is None else f"{value}"
            for value in (standing.height, standing.peers, standing.pid)
        ]
        typer.echo(
            f"{standing.number:<11}{standing.state:<9}{cells[0]:>9}{cells[1]:>7}{cells[2]:>9}  "
            f"{standing.url}"
        )
