"""Engines in processes of their own that are killed (SIGKILL) at a step that is chosen.

The steps are the places where the world outside changes: a commit of the database, and a request
that sends transactions; each can be hit just before and just after. Nothing in the program knows of
this: the functions are wrapped here, in the process that is to die.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from tests.durable.lot import Place, attached, drive, engine_of, nodes_of
from trading.chain.networks.base import JsonRpcNetwork
from trading.store import Database, open_database

KINDS = ("commit", "send")
KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """When to die: before or after the n-th commit or sending, or after some seconds.

    Attributes:
        kind: "commit", "send" or "time".
        number: which one, from 1.
        is_after: whether it still happens.
        seconds: for "time".
    """

    kind: str
    number: int = 1
    is_after: bool = False
    seconds: float = 0.0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(death: Death) -> None:
    """Make this process die as told."""
    if death.kind == "time":
        timer = threading.Timer(death.seconds, die)
        timer.daemon = True
        timer.start()
        return
    count = 0

    def struck(is_after: bool) -> None:
        nonlocal count
        if not is_after:
            count += 1
        if count == death.number and is_after == death.is_after:
            die()

    if death.kind == "send":
        offer: Callable[..., Any] = JsonRpcNetwork.offer

        def counted(self: JsonRpcNetwork, signed: Any) -> Any:
            struck(False)
            said = offer(self, signed)
            struck(True)
            return said

        JsonRpcNetwork.offer = counted  # type: ignore[method-assign]
        return
    begin = Database.begin

    @contextmanager
    def watched(self: Database) -> Iterator[Connection]:
        with begin(self) as connection:
            yield connection
            struck(False)
        struck(True)

    Database.begin = watched  # type: ignore[method-assign, assignment]


def trade(place: Place, database: str, frame: pd.DataFrame, death: Death | None) -> None:
    """What the process does: replay the sessions to their end, operators included."""
    if death is not None:
        arm(death)
    with attached(place) as consortium, open_database(database) as opened:
        drive(engine_of(opened, consortium, frame), nodes_of(consortium, frame))


_CONTEXT = mp.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.durable.killed"])


def run(place: Place, database: str, frame: pd.DataFrame, death: Death | None) -> int:
    """Run it in a process of its own; returns the exit code, `KILLED` if it died as told."""
    process = _CONTEXT.Process(target=trade, args=(place, database, frame, death))
    process.start()
    process.join(180)
    assert not process.is_alive()
    assert process.exitcode is not None
    return process.exitcode
