"""Writes that a caller may repeat: under one key they count once, and are answered alike."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from trading.errors import OutcomeUnknownError
from trading.web.problems import Problem

MOST_KEYS = 10_000

T = TypeVar("T")


@dataclass(slots=True)
class _Write(Generic[T]):
    content: object
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: T | None = None
    unknown: str = ""


class Once(Generic[T]):
    """Remembers the answers to the last `most` writes by caller and key, as long as it lives.

    What was refused changed nothing, and is tried again. Where the outcome is unknown, the key is
    used up: sent again it might count twice.
    """

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._writes: OrderedDict[Hashable, _Write[T]] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, who: str, key: str, content: object, send: Callable[[], T]) -> tuple[T, bool]:
        """What came of a write; `send` is called where nothing did yet.

        Args:
            who: sends it; everybody has keys of their own.
            key: of the caller's choice.
            content: all of what is written.
            send: does it.

        Returns:
            The answer, and whether it is a new one.

        Raises:
            Problem: 409, the key was another content's, or what became of it is not known.
        """
        with self._lock:
            write = self._writes.setdefault((who, key), _Write(content))
            self._writes.move_to_end((who, key))
            while len(self._writes) > self._most:
                self._writes.popitem(last=False)
        if write.content != content:
            raise Problem(
                409, "this key came before with something else", "Make a new preview, and its key."
            )
        # Whoever repeats it while it is under way waits for the same answer.
        with write.lock:
            if write.unknown:
                raise Problem(
                    409,
                    f"what became of this is not known: {write.unknown}",
                    "Look whether it is among the events before you send another.",
                )
            if write.answer is not None:
                return write.answer, False
            try:
                write.answer = send()
            except OutcomeUnknownError as error:
                write.unknown = f"transaction {error.transaction} went out"
                raise
            return write.answer, True
