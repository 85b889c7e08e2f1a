"""The compiled contracts: found beside this package in a wheel, in `contracts/` in a checkout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hexbytes import HexBytes

from trading.chain.abi import Interface
from trading.errors import LedgerError

CONTRACTS = ("EnergyConsortium", "DemoEuro")

_PACKED = Path(__file__).parent / "artifacts"
_CHECKOUT = Path(__file__).parents[2] / "contracts" / "artifacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One compiled contract: what it can be asked, what is deployed, and what then stands there."""

    name: str
    digest: str
    """SHA-256 over its sources, in hexadecimal: what tells one version from another."""
    interface: Interface
    bytecode: bytes
    deployed: bytes
    eip712: Mapping[str, Any]
    """Domain and types of what is signed for it off chain; empty where nothing is."""
    immutables: tuple[tuple[int, int], ...]
    """Start and length of each place in `deployed` that the constructor fills in."""

    def is_at(self, code: bytes) -> bool:
        """Whether `code` is this contract, of these sources and settings, whatever it was given."""
        return self._masked(code) == self._masked(self.deployed)

    def _masked(self, code: bytes) -> bytes:
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked)


@cache
def load(name: str) -> Artifact:
    """The artifact of the contract `name`, one of `CONTRACTS`.

    Raises:
        LedgerError: it is missing; the installation is not complete.
    """
    content = _content(name)
    # What a token reverts with comes out of the consortium too, whose ABI does not list it.
    foreign = [
        entry
        for other in CONTRACTS
        if other != name
        for entry in _content(other)["abi"]
        if entry["type"] == "error"
    ]
    return Artifact(
        name=name,
        digest=content["source_digest"],
        interface=Interface([*content["abi"], *foreign]),
        bytecode=bytes(HexBytes(content["bytecode"])),
        deployed=bytes(HexBytes(content["deployed_bytecode"])),
        eip712=content.get("eip712", {}),
        immutables=tuple(
            (place["start"], place["length"])
            for places in content["immutable_references"].values()
            for place in places
        ),
    )


def _content(name: str) -> dict[str, Any]:
    for folder in (_PACKED, _CHECKOUT):
        path = folder / f"{name}.json"
        if path.is_file():
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return content
    raise LedgerError(
        f"the compiled contract {name} is missing from this installation; install the package "
        "again, or run `make contracts` in a checkout."
    )
