"""An operator's own copy of the lot, moved along by what the chain confirmed.

It shares nothing with the engine's but the published rules: sessions are the operator's, trades
come from the chain. What its meters show at an interval is what the operator holds a batch against.
"""

from __future__ import annotations

from trading.lot import Lot, Stays, Terms, intervals_of
from trading.market import Fills


class Replica:
    """Replays a lot up to any interval; forgets what it replayed where the past changes."""

    def __init__(self, stays: Stays, terms: Terms) -> None:
        self._stays, self._terms = stays, terms
        self._intervals = intervals_of(stays)
        self._fills: dict[int, dict[str, Fills]] = {}
        self._lot, self._next, self._reached_s = self._fresh()

    def add(self, batch_id: str, start_s: int, fills: Fills) -> None:
        """Count a batch's trades of the interval that begins at `start_s`."""
        self._fills.setdefault(start_s, {})[batch_id] = fills
        self._changed(start_s)

    def remove(self, batch_id: str, start_s: int) -> None:
        """Count them no more."""
        self._fills.get(start_s, {}).pop(batch_id, None)
        self._changed(start_s)

    def at(self, start_s: int) -> Lot:
        """The lot at the beginning of an interval; it is not to be moved by others."""
        if self._reached_s > start_s:
            self._lot, self._next, self._reached_s = self._fresh()
        while self._next < len(self._intervals):
            interval = self._intervals[self._next]
            if interval.end_s > start_s:
                break
            self._lot.flow(interval, _joined(self._fills.get(interval.start_s, {})))
            self._next += 1
            self._reached_s = interval.end_s
        return self._lot

    def _changed(self, start_s: int) -> None:
        if start_s < self._reached_s:
            self._lot, self._next, self._reached_s = self._fresh()

    def _fresh(self) -> tuple[Lot, int, int]:
        """A lot before its first interval: (lot, number of the next interval, Unix s reached)."""
        return Lot(self._stays, self._terms), 0, self._intervals[0].start_s


def _joined(batches: dict[str, Fills]) -> Fills | None:
    """The trades of all batches of an interval, in the order in which they were counted."""
    parts = [fills for fills in batches.values() if len(fills)]
    return Fills.joined(parts) if parts else None
