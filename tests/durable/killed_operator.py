"""An operator in a process of its own that is killed (SIGKILL) at a step of its vote.

The steps: a verdict is written, a vote's transaction is written, a signature is sent, transactions
are sent; each can be hit just before and just after. As for engines, the functions are wrapped in
the process that is to die.
"""

from __future__ import annotations

import multiprocessing as mp
import threading
from multiprocessing.process import BaseProcess
from typing import Any

from tests.durable.killed import Death, arm, die
from tests.durable.lot import Place, attached
from tests.durable.small import operator_of
from trading.chain import Key
from trading.operators.exchange import Exchange
from trading.operators.service import OperatorService
from trading.store import open_database

STEPS: dict[str, tuple[type, str]] = {
    "verdict": (OperatorService, "_write"),
    "written": (OperatorService, "_on_chain"),
    "post": (Exchange, "send"),
}
"""Steps besides the `commit`, `send` and `time` that `arm` knows."""


def arm_step(death: Death) -> None:
    """Make this process die at the n-th time of a step, before it or after it."""
    if death.kind not in STEPS:
        arm(death)
        return
    owner, name = STEPS[death.kind]
    original = getattr(owner, name)
    count = 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == death.number and not death.is_after:
            die()
        found = original(*arguments, **options)
        if count == death.number:
            die()
        return found

    setattr(owner, name, counted)


def serve(place: Place, database: str, seed: int, url: str | None, death: Death | None) -> None:
    """What the process does: be an operator until it dies or is killed."""
    if death is not None:
        arm_step(death)
    with attached(place) as consortium, open_database(database) as opened:
        key = Key.demonstration(seed, "operator 1")
        operator_of(opened, consortium, key, url).run(threading.Event())


_CONTEXT = mp.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.durable.killed", "tests.durable.killed_operator"])


def start(
    place: Place, database: str, seed: int, url: str | None, death: Death | None
) -> BaseProcess:
    """Start it; the caller kills it in the end."""
    process = _CONTEXT.Process(target=serve, args=(place, database, seed, url, death), daemon=True)
    process.start()
    return process
