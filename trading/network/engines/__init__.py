"""The engines that can make a network; a new one is one file and one line in `ENGINES`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from trading.errors import OptionError
from trading.network.binaries import GoModule
from trading.network.engines.polygon_edge import PolygonEdge
from trading.network.plan import Plan, Seat

__all__ = ["DEFAULT_ENGINE", "ENGINES", "Engine", "engine_named"]


class Engine(Protocol):
    """What is different from engine to engine: its binary, its genesis and its command line."""

    @property
    def module(self) -> GoModule:
        """What it is built from."""

    @property
    def ports(self) -> tuple[str, ...]:
        """What a validator listens for; `rpc` is one of them."""

    def prepare(self, binary: Path, directory: Path, plan: Plan) -> Plan:
        """Write keys and genesis of a new network below `directory`.

        Returns the plan with every seat's address and peer name.

        Raises:
            NodeError: the engine refuses.
        """

    def command(self, binary: Path, directory: Path, seat: Seat) -> list[str]:
        """The words that run one validator, in the foreground, until it is ended."""


ENGINES: Mapping[str, Engine] = {"polygon-edge": PolygonEdge()}

DEFAULT_ENGINE = "polygon-edge"


def engine_named(name: str) -> Engine:
    """The engine of this name.

    Raises:
        OptionError: there is none; names the known ones and the nearest.

    >>> engine_named("polygon-edge").module.version
    'v1.3.2'
    """
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise OptionError("engine", name, "one of " + ", ".join(ENGINES) + hint)
    return ENGINES[name]
