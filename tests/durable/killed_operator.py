"""An operator in a process of its own that is killed (SIGKILL) at a step of its vote.

The steps: a verdict is written, a question is put, a person's answer is kept, a vote's transaction
is written, a signature is sent, transactions are sent; each can be hit just before and just after.
As for engines, the functions are wrapped in the process that is to die.
"""

from __future__ import annotations

import multiprocessing as mp
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

from tests.durable.killed import Death, arm, die
from tests.durable.lot import Place, attached
from tests.durable.small import operator_of
from trading.chain import Key
from trading.operators.exchange import Exchange
from trading.operators.http import serve_operator
from trading.operators.questions import Ask
from trading.operators.service import OperatorService
from trading.operators.verdicts import Verdicts
from trading.store import open_database

STEPS: dict[str, tuple[type, str]] = {
    "verdict": (Verdicts, "write"),
    "written": (OperatorService, "_on_chain"),
    "post": (Exchange, "send"),
    "ask": (Verdicts, "ask"),
    "answer": (OperatorService, "answer"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where people answer a node that asks: an address that stays over its lives, and the token."""

    listen: str
    token: str


def serve(
    place: Place, database: str, seed: int, url: str | None, death: Death | None, desk: Desk | None
) -> None:
    """What the process does: be an operator until it dies or is killed."""
    if death is not None:
        arm_step(death)
    with ExitStack() as stack:
        consortium = stack.enter_context(attached(place))
        opened = stack.enter_context(open_database(database))
        key = Key.demonstration(seed, "operator 1")
        asks: Ask = "nothing" if desk is None else "all"
        operator = operator_of(opened, consortium, key, url, asks=asks, ask_for_s=1e9)
        if desk is not None:
            stack.enter_context(serve_operator(operator, listen=desk.listen, people=desk.token))
        operator.run(threading.Event())


_CONTEXT = mp.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.durable.killed", "tests.durable.killed_operator"])


def start(
    place: Place,
    database: str,
    seed: int,
    url: str | None,
    death: Death | None,
    desk: Desk | None = None,
) -> BaseProcess:
    """Start it; the caller kills it in the end."""
    given = (place, database, seed, url, death, desk)
    process = _CONTEXT.Process(target=serve, args=given, daemon=True)
    process.start()
    return process
