"""Values that many ask for and one computes: kept for a time, or until their cause is different."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Kept:
    """Computes a value once for all who ask within `kept_s`; one caller computes, others wait."""

    def __init__(self, kept_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept_s, self._clock = kept_s, clock
        self._values: dict[Hashable, tuple[float, Any]] = {}
        self._locks: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value under `key`, made anew where it is too old."""
        with self._lock:
            now = self._clock()
            for old in [k for k, (at, _) in self._values.items() if now - at >= self._kept_s]:
                del self._values[old]
                self._locks.pop(old, None)
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            found = self._values.get(key)
            if found is None:
                found = (self._clock(), make())
                self._values[key] = found
            return found[1]


class Remembered:
    """Computes a value once for each key; the `most` keys asked for last are remembered.

    For values that follow from their key alone, so that they are never out of date.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value under `key`; one caller computes it, others wait."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = make()
            with self._lock:
                self._values[key] = value
                self._locks.pop(key, None)
                while len(self._values) > self._most:
                    self._values.popitem(last=False)
            return value
