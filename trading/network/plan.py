"""What a network of validators is, as it is written down beside its data and read again."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Written):
    """Where one validator runs: an address of this machine, and what its command begins with.

    Attributes:
        host: the address on which it listens, for callers and for the other validators.
        launcher: words before its command, such as `ip netns exec NAME`; they must end in the same
            process, as `exec` does.
    """

    host: str = "127.0.0.1"
    launcher: tuple[str, ...] = ()


class Seat(_Written):
    """One validator.

    Attributes:
        number: counted from 1.
        place: where it runs.
        ports: port by purpose; `rpc` is there for every engine.
        address: of its validator key, `0x` and 40 digits.
        peer: how the others name it, in the engine's own form.
    """

    number: int = Field(ge=1)
    place: Place
    ports: dict[str, int]
    address: str = ""
    peer: str = ""

    @property
    def url(self) -> str:
        """Address of its JSON-RPC."""
        return f"http://{self.place.host}:{self.ports['rpc']}"


class Plan(_Written):
    """All that is fixed when a network is made.

    Attributes:
        engine: name of the engine.
        version: of its module.
        chain_id: of the chain.
        block_time_s: seconds from block to block.
        block_gas: gas limit of a block.
        seats: the validators, in order.
    """

    format: int = 1
    engine: str
    version: str
    chain_id: int = Field(ge=1)
    block_time_s: int = Field(ge=1)
    block_gas: int = Field(ge=10_000_000)
    seats: tuple[Seat, ...] = Field(min_length=1)

    @property
    def tolerated(self) -> int:
        """How many validators may be down while blocks are made: f of 3f + 1."""
        return (len(self.seats) - 1) // 3


def seat_folder(directory: Path, number: int) -> Path:
    """Data folder of one validator."""
    return directory / f"validator-{number}"
