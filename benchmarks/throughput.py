"""Trades a second on each kind of network; writes benchmarks/results/chain.json.

    python -m benchmarks.throughput                     all of it, about five minutes
    python -m benchmarks.throughput --only anvil        one part, printed and not written
    python -m benchmarks.throughput --soak 1000000      a longer soak

- embedded, anvil: medians of three runs of `benchmarks.chain`, batches of 500.
- validators4: four validators on this machine, sustained for a minute.
- soak: 100,000 trades through the durable engine on the four validators, then `peercharge audit`.

py-evm is bound by opcodes, so opcodes a trade are in the results too, as benchmarks/gas.py counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.chain import BenchmarkError, Rate, open_desk, run
from benchmarks.gas import opcodes_per_trade
from benchmarks.soak import soak
from trading.chain import open_network
from trading.errors import PeerchargeError
from trading.network import Options, create

RESULTS = Path(__file__).resolve().parent / "results" / "chain.json"
BATCH = 500
RUNS = 3
VALIDATORS = 4
SOAK_IN_FLIGHT = 40
"""A batch of the durable engine takes three rounds of blocks, so more are under way at once."""
BARS = {
    "embedded_trades_per_s": 600,
    "anvil_trades_per_s": 8_000,
    "validators4_trades_per_s": 1_500,
    "soak_trades": 100_000,
}


def started_here(name: str, *, seconds: float, in_flight: int) -> dict[str, Any]:
    """Three runs on a network that this program starts, each on a fresh one."""
    rates: list[Rate] = []
    for _ in range(RUNS):
        with open_network(name, genesis_time=int(time.time())) as network:
            desk = open_desk(network)
            rates.append(run(desk, seconds=seconds, batch=BATCH, in_flight=in_flight))
    return {
        f"{name}_trades_per_s": round(statistics.median(rate.trades_per_s for rate in rates), 1),
        f"{name}_p50_s": statistics.median(rate.p50_s for rate in rates),
        f"{name}_p99_s": statistics.median(rate.p99_s for rate in rates),
        f"{name}_runs": [asdict(rate) for rate in rates],
    }


@contextmanager
def validators(folder: Path) -> Iterator[str]:
    """Addresses of four validators, which are ended afterwards."""
    local = create(folder, Options(validators=VALIDATORS))
    try:
        local.up()
        yield local.urls[0]
    finally:
        local.down()


def of_validators(seconds: float, in_flight: int, soak_trades: int) -> dict[str, Any]:
    """A sustained rate on four validators, and a soak on the same network."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        with (
            validators(folder / "network") as url,
            open_network(url, timeout_s=30.0) as network,
        ):
            desk = open_desk(network)
            run(desk, seconds=5.0, batch=BATCH, in_flight=in_flight)
            rate = run(desk, seconds=seconds, batch=BATCH, in_flight=in_flight)
            before = _bytes(folder / "network")
            # A contract of its own, so that the audit has all of it and nothing else.
            found = soak(
                open_desk(network, seed=12),
                folder,
                trades=soak_trades,
                batch=BATCH,
                in_flight=SOAK_IN_FLIGHT,
            )
            grown = (_bytes(folder / "network") - before) / VALIDATORS
    return {
        "validators4_trades_per_s": rate.trades_per_s,
        "validators4_p50_s": rate.p50_s,
        "validators4_p99_s": rate.p99_s,
        "validators4_run": asdict(rate),
        "soak_trades": found.trades,
        "soak_audit_differences": found.audit_differences,
        "soak_trades_per_s": found.trades_per_s,
        "soak_validator_bytes_per_trade": round(grown / found.trades),
        "soak_run": asdict(found),
    }


def _bytes(folder: Path) -> int:
    """What a folder takes on disk, logs included."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Trades a second, from submission to settled.")
    parser.add_argument("--only", choices=["embedded", "anvil", "validators"])
    parser.add_argument("--seconds", type=float, default=60.0, help="sustained, on validators")
    parser.add_argument("--in-flight", type=int, default=10, help="batches, on validators")
    parser.add_argument("--soak", type=int, default=100_000, help="trades")
    arguments = parser.parse_args(argv)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "embedded": lambda: {
            **started_here("embedded", seconds=10.0, in_flight=1),
            "embedded_opcodes_per_trade": opcodes_per_trade(100),
        },
        "anvil": lambda: started_here("anvil", seconds=10.0, in_flight=16),
        "validators": lambda: of_validators(arguments.seconds, arguments.in_flight, arguments.soak),
    }
    found: dict[str, Any] = {}
    try:
        for name, measure in parts.items():
            if arguments.only in (None, name):
                found |= measure()
                _print(found)
    except (BenchmarkError, PeerchargeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arguments.only is None:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    below = [name for name, bar in BARS.items() if name in found and found[name] < bar]
    for name in below:
        print(f"below the bar of {BARS[name]:,}: {name} {found[name]}", file=sys.stderr)
    return 1 if below or found.get("soak_audit_differences") else 0


def _print(found: dict[str, Any]) -> None:
    for name, value in found.items():
        if not isinstance(value, dict | list):
            print(f"{name:<32}{value:>14,}", flush=True)
    print()


if __name__ == "__main__":
    sys.exit(main())
