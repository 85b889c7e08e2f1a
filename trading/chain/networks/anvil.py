"""The network `anvil`: a real JSON-RPC node on this machine, started and ended here."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import requests
from web3 import HTTPProvider, Web3

from trading.chain.networks.base import JsonRpcNetwork, Network, Opening
from trading.errors import LedgerError

CHAIN_ID = 31337
BLOCK_GAS_LIMIT = 1_000_000_000
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0

_HOW_TO_GET = (
    "run `npm ci` in contracts/ of a checkout, put `anvil` on PATH, or set ANVIL to its path; the "
    "network `embedded` needs neither"
)
_LISTENING = "Listening on "


class AnvilNetwork(JsonRpcNetwork):
    """anvil with free gas, one second from block to block."""

    can_travel: ClassVar[bool] = True

    def travel_to(self, timestamp: int) -> None:
        """Mine one block at `timestamp`, so that `now()` is `timestamp`."""
        now = self.now()
        if timestamp <= now:
            raise LedgerError(
                f"the chain is at {now} and cannot go to {timestamp}; time only moves on."
            )
        self.ask("evm_setNextBlockTimestamp", timestamp)
        self.ask("evm_mine")

    def gas_price(self) -> int:
        """0: gas is free."""
        return 0


def find_anvil() -> Path | None:
    """The anvil binary: $ANVIL, else in contracts/node_modules of a checkout, else on PATH."""
    named = os.environ.get("ANVIL")
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    checkout = Path(__file__).parents[3] / "contracts" / "node_modules"
    packed = _packed_in(checkout / "@foundry-rs")
    if packed is not None:
        return packed
    found = shutil.which("anvil")
    if found is None:
        return None
    # npm puts a script there, whose end would leave the node it started behind.
    target = Path(found).resolve()
    return _packed_in(target.parents[1]) if _is_script(target) else target


def _packed_in(packages: Path) -> Path | None:
    """The binary of this platform among the npm packages of Foundry."""
    system = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}.get(platform.system())
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine()
    )
    name = "anvil.exe" if system == "win32" else "anvil"
    binary = packages / f"anvil-{system}-{machine}" / "bin" / name
    return binary if os.access(binary, os.X_OK) else None


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


@contextmanager
def open_here(opening: Opening) -> Iterator[Network]:
    """Start anvil on a port of its own; ends that process, and no other, when the context ends.

    Raises:
        LedgerError: anvil is missing or does not start.
    """
    binary = find_anvil()
    if binary is None:
        raise LedgerError(f"the network `anvil` needs the anvil binary: {_HOW_TO_GET}.")
    process = _start(binary, opening.genesis_time)
    drain: threading.Thread | None = None
    try:
        url = f"http://{_listening(process)}"
        # anvil prints a line a request, and would stop at a full pipe.
        drain = threading.Thread(target=_drain, args=(process,), daemon=True)
        drain.start()
        with requests.Session() as session:
            # A proxy of the environment must not see requests to this machine.
            session.trust_env = False
            provider = HTTPProvider(
                url, request_kwargs={"timeout": opening.timeout_s}, session=session
            )
            network = AnvilNetwork("anvil", Web3(provider), CHAIN_ID)
            # Otherwise anvil adds the wall clock's progress, and runs would differ.
            network.ask("anvil_setBlockTimestampInterval", 1)
            yield network
    finally:
        _stop(process)
        if drain is not None:
            drain.join()
        if process.stdout is not None:
            process.stdout.close()


def _start(binary: Path, genesis_time: int) -> subprocess.Popen[str]:
    options = {
        "--host": "127.0.0.1",
        "--port": "0",
        "--chain-id": CHAIN_ID,
        "--timestamp": genesis_time,
        "--hardfork": "paris",
        "--gas-limit": BLOCK_GAS_LIMIT,
        "--base-fee": 0,
        "--gas-price": 0,
        "--accounts": 1,
    }
    words = [str(part) for option in options.items() for part in option]
    try:
        return subprocess.Popen(
            [str(binary), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise LedgerError(f"{binary.name} does not start ({error}): {_HOW_TO_GET}.") from error


def _listening(process: subprocess.Popen[str]) -> str:
    """Host and port, once anvil has said them."""
    assert process.stdout is not None
    said: list[str] = []
    alarm = threading.Timer(START_TIMEOUT_S, process.kill)
    alarm.start()
    try:
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith(_LISTENING):
                return line.removeprefix(_LISTENING).strip()
    finally:
        alarm.cancel()
    reason = next((line for line in reversed(said) if line), "it said nothing")
    raise LedgerError(f"anvil did not start: {reason}.")


def _drain(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for _ in process.stdout:
        pass


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
