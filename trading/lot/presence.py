"""Who is there in each interval, worked out once: a stay's times hang on nothing that happens.

What a charger can move in an interval by power and presence is known as well, and so a market
interval without bidders or without askers is known not to trade before the day begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trading.units import Int64Array

if TYPE_CHECKING:
    from trading.lot.stays import Stays


@dataclass(frozen=True, slots=True, kw_only=True)
class ByInterval:
    """Some sessions of each interval, in ascending order of code, and an amount for each.

    Attributes:
        since: position at which each interval begins, and at last the end.
        interval, rows, wh: number of the interval, code and amount, one interval after another.
    """

    since: list[int]
    interval: Int64Array
    rows: Int64Array
    wh: Int64Array

    @classmethod
    def of(cls, n: int, pieces: list[tuple[Int64Array, Int64Array, Int64Array]]) -> ByInterval:
        """For intervals 0 to `n` - 1, from (interval, code, amount) in any order, 0 left out."""
        none = np.zeros(0, np.int64)
        interval, rows, wh = (
            np.concatenate([none, *(piece[i] for piece in pieces)]) for i in range(3)
        )
        some = np.flatnonzero(wh)
        some = some[np.lexsort((rows[some], interval[some]))]
        interval = interval[some]
        since = np.searchsorted(interval, np.arange(n + 1)).tolist()
        return cls(since=since, interval=interval, rows=rows[some], wh=wh[some])

    def at(self, k: int) -> tuple[Int64Array, Int64Array]:
        """(sessions, amounts) of an interval."""
        since, until = self.since[k], self.since[k + 1]
        return self.rows[since:until], self.wh[since:until]

    def between(self, first: int, last: int) -> tuple[Int64Array, Int64Array, Int64Array]:
        """(intervals, sessions, amounts) of intervals `first` to `last` - 1."""
        since, until = self.since[first], self.since[last]
        return self.interval[since:until], self.rows[since:until], self.wh[since:until]


class Presence:
    """The stays by market interval.

    Attributes:
        first_s: Unix time at which the first interval begins.
        n: how many there are until the last departure.
    """

    def __init__(self, stays: Stays) -> None:
        step = stays.rules.interval_s
        self._stays = stays
        self.first_s = int(stays.arrival_s.min()) // step * step
        self.n = -(-(int(stays.departure_s.max()) - self.first_s) // step)
        self._parts = step // stays.rules.metered_s

    def there(self, k: int) -> Int64Array:
        """Who may matter in interval `k`: codes of those who are there since its gate closure."""
        since, rows, _ = self._stands
        return rows[since[k] : since[k + 1]]

    def chargeable_wh(self, at: int) -> Int64Array:
        """What the chargers of all that are `there` can feed in meter interval `at`, read only."""
        return self._part_of(self._chargeable, at)

    def dischargeable_wh(self, at: int) -> Int64Array:
        """What they can take, read only."""
        return self._part_of(self._dischargeable, at)

    @cached_property
    def may_trade(self) -> list[bool]:
        """Of each interval, whether it has bidders and askers."""
        bidders, askers = np.diff(self.bidders.since), np.diff(self.askers.since)
        may_trade: list[bool] = ((bidders > 0) & (askers > 0)).tolist()
        return may_trade

    @cached_property
    def bidders(self) -> ByInterval:
        """Buyers who may trade in each interval, and what their chargers could feed them, Wh.

        As known at gate closure: by power, presence and the departure that was told.
        """
        return self._side(self._stays.bid_cap_wh > 0, self._stays.chargeable_wh)

    @cached_property
    def askers(self) -> ByInterval:
        """Sellers who may trade in each interval, and what their chargers could take, Wh."""
        stays = self._stays
        return self._side(stays.may_sell, stays.dischargeable_wh)

    def _side(
        self, is_on_it: npt.NDArray[np.bool_], movable: Callable[..., Int64Array]
    ) -> ByInterval:
        step = self._stays.rules.interval_s
        _, rows, interval = self._stands
        on_it = np.flatnonzero(is_on_it[rows])
        rows, interval = rows[on_it], interval[on_it]
        start_s = self.first_s + interval * step
        can_move = movable(start_s, start_s + step, planned=True, rows=rows)
        can_move[~self._stays.is_there(start_s, rows)] = 0
        return ByInterval.of(self.n, [(interval, rows, can_move)])

    def _part_of(self, parts: list[Int64Array], at: int) -> Int64Array:
        k, part = divmod(at, self._parts)
        since = self._stands[0]
        return parts[part][since[k] : since[k + 1]]

    @cached_property
    def _chargeable(self) -> list[Int64Array]:
        return self._in_parts(self._stays.chargeable_wh)

    @cached_property
    def _dischargeable(self) -> list[Int64Array]:
        return self._in_parts(self._stays.dischargeable_wh)

    def _in_parts(self, movable: Callable[..., Int64Array]) -> list[Int64Array]:
        """For the first, second ... meter interval of each market interval, by piece of a stay."""
        _, rows, interval = self._stands
        step = self._stays.rules.metered_s
        starts_s = self.first_s + interval * self._stays.rules.interval_s
        return [
            movable(starts_s + part * step, starts_s + (part + 1) * step, rows=rows)
            for part in range(self._parts)
        ]

    @cached_property
    def _stands(self) -> tuple[list[int], Int64Array, Int64Array]:
        """Stays cut into intervals, in their order.

        Returns:
            positions at which each interval begins, then code and interval of each piece.
        """
        stays, step = self._stays, self._stays.rules.interval_s
        begins = np.clip((stays.arrival_s - self.first_s) // step, 0, self.n - 1)
        # Who leaves between gate and start may have traded without telling anyone.
        until_s = stays.departure_s + stays.rules.gate_lead_s
        ends = np.clip(-(-(until_s - self.first_s) // step), begins + 1, self.n)
        lengths = ends - begins
        rows = np.repeat(np.arange(len(stays)), lengths)
        offset = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        interval = np.repeat(begins, lengths) + offset
        order = np.argsort(interval, kind="stable")
        interval = interval[order]
        since = np.searchsorted(interval, np.arange(self.n + 1)).tolist()
        return since, rows[order], interval
