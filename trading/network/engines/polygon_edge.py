"""polygon-edge with IBFT: a block is final when it exists, and four validators bear one lost.

Without a burn contract the chain has no base fee, so gas may cost 0. Its EVM stands before Paris in
what matters to a contract: neither knows PUSH0.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import ClassVar

from trading.errors import NodeError
from trading.network.binaries import GoModule
from trading.network.plan import Plan, Seat, seat_folder

GENESIS = "genesis.json"

_SETUP_TIMEOUT_S = 60.0
_POOL_SLOTS = 65_536
"""The pool counts in slots of 32 KiB; a batch of 500 trades takes two."""

_POOL_PER_ACCOUNT = 4_096
_RPC_BATCH = 1_000
_RPC_BLOCK_RANGE = 100_000


class PolygonEdge:
    """polygon-edge 1.3.2, the last release with IBFT."""

    module: ClassVar[GoModule] = GoModule(
        name="polygon-edge",
        module="github.com/0xPolygon/polygon-edge",
        package="github.com/0xPolygon/polygon-edge",
        version="v1.3.2",
        checksum="h1:1Dkqo9fvAwmWXlKq68/2ac/oMvF47pICiXC8a3sbJrU=",
        # Its QUIC library refuses Go 1.21.
        toolchain="go1.20.14",
    )
    ports: ClassVar[tuple[str, ...]] = ("rpc", "p2p", "grpc")

    def prepare(self, binary: Path, directory: Path, plan: Plan) -> Plan:
        """Write keys and genesis of a new network below `directory`."""
        seats = tuple(self._with_keys(binary, directory, seat) for seat in plan.seats)
        boot = [word for seat in seats for word in ("--bootnode", seat.peer)]
        members = [word for seat in seats for word in ("--validators", seat.address)]
        _ask(
            binary,
            "genesis",
            *("--consensus", "ibft", "--ibft-validator-type", "ecdsa"),
            *("--name", "peercharge", "--chain-id", str(plan.chain_id)),
            *("--block-time", f"{plan.block_time_s}s", "--block-gas-limit", str(plan.block_gas)),
            *("--dir", str(directory / GENESIS)),
            *boot,
            *members,
        )
        return plan.model_copy(update={"seats": seats})

    def command(self, binary: Path, directory: Path, seat: Seat) -> list[str]:
        """The words that run one validator."""
        host = seat.place.host
        options = {
            "--chain": directory / GENESIS,
            "--data-dir": seat_folder(directory, seat.number),
            "--jsonrpc": f"{host}:{seat.ports['rpc']}",
            "--libp2p": f"{host}:{seat.ports['p2p']}",
            "--grpc-address": f"{host}:{seat.ports['grpc']}",
            "--price-limit": 0,
            "--max-slots": _POOL_SLOTS,
            "--max-enqueued": _POOL_PER_ACCOUNT,
            "--json-rpc-batch-request-limit": _RPC_BATCH,
            "--json-rpc-block-range-limit": _RPC_BLOCK_RANGE,
            "--log-level": "INFO",
        }
        return [str(binary), "server", *(str(word) for pair in options.items() for word in pair)]

    def _with_keys(self, binary: Path, directory: Path, seat: Seat) -> Seat:
        folder = str(seat_folder(directory, seat.number))
        # Kept as files that only this account can read; a vault is for networks of many machines.
        said = _ask(
            binary, "secrets", "init", "--data-dir", folder, "--insecure", "--bls=false", "--json"
        )
        try:
            found = json.loads(said)
            made = found[0] if isinstance(found, list) else found
            address, node_id = str(made["address"]), str(made["node_id"])
        except (ValueError, LookupError, TypeError) as error:
            raise NodeError(
                f"{binary.name} said {said!r} instead of a validator's keys."
            ) from error
        peer = f"/ip4/{seat.place.host}/tcp/{seat.ports['p2p']}/p2p/{node_id}"
        return seat.model_copy(update={"address": address, "peer": peer})


def _ask(binary: Path, *words: str) -> str:
    """What a subcommand prints."""
    try:
        done = subprocess.run(
            [str(binary), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SETUP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NodeError(f"{binary.name} {words[0]} did not run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-500:]
        raise NodeError(f"{binary.name} {words[0]} failed: {said}")
    return done.stdout
