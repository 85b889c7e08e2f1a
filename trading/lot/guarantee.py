"""What a seller may promise at gate closure without breaking what its owner was promised.

Under `consent` its own need comes first: it sells only in an interval after which its need can
still be charged, so that trading never takes charging away from anyone. Under `whole` it must be
able to recharge what it sells as well. Both go by planned departures. The lot asks these functions
before it offers, and each operator asks them again on its own data.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trading.lot.stays import UNKNOWN, Stays
from trading.units import Int64Array

_NO_LIMIT = np.iinfo(np.int64).max


def target_wh(stays: Stays, sold_wh: Int64Array) -> Int64Array:
    """What each meter is to have fed its vehicle by departure, given what the vehicle sold."""
    if stays.rules.guarantee == "consent":
        return stays.need_wh
    efficiency = stays.rules.efficiency
    to_store = efficiency.stored(stays.need_wh) + efficiency.drawn(sold_wh)
    target: Int64Array = np.where(sold_wh > 0, efficiency.charge_for(to_store), stays.need_wh)
    return target


def saleable_wh(
    stays: Stays, *, drawn_wh: Int64Array, sold_wh: Int64Array, after_s: int
) -> Int64Array:
    """What each seller may still sell in the interval that ends at `after_s`.

    Args:
        stays: the sessions under their rules.
        drawn_wh: what each meter fed its vehicle until the interval begins.
        sold_wh: what each seller sold until then.
        after_s: Unix seconds.

    Returns:
        Wh, shape of `stays`. Under `consent` all or nothing, and no bound where nobody knows the
        departure; under `whole` what can be recharged, and nothing where nobody knows.
    """
    efficiency = stays.rules.efficiency
    leaves = stays.known_departure(after_s - stays.rules.interval_s)
    is_known = leaves != UNKNOWN
    until = np.where(is_known, leaves, after_s)
    within = drawn_wh + stays.chargeable_wh(after_s, until, planned=True)
    if stays.rules.guarantee == "consent":
        has_time = ~is_known | (within >= stays.need_wh)
        limit: Int64Array = np.where(has_time, _NO_LIMIT, 0)
        return limit
    spare = efficiency.stored(within) - efficiency.stored(stays.need_wh)
    most: Int64Array = efficiency.discharge_from(np.maximum(spare, 0))
    left: Int64Array = np.maximum(most - sold_wh, 0)
    return left


def drawn_by(stays: Stays, sold_in: Mapping[int, Int64Array], until_s: int) -> Int64Array:
    """What each meter has fed its vehicle by `until_s`, replayed from what was sold when.

    Args:
        stays: the sessions under their rules.
        sold_in: Wh sold by each session, by start of the interval in Unix s.
        until_s: the beginning of an interval.
    """
    step = stays.rules.interval_s
    drawn, sold = np.zeros(len(stays), np.int64), np.zeros(len(stays), np.int64)
    since_s = int(stays.arrival_s.min()) // step * step
    for start_s in sorted(start for start in sold_in if start < until_s):
        drawn = _charged(stays, drawn, sold, since_s, start_s)
        in_interval = sold_in[start_s]
        charging = _charged(stays, drawn, sold, start_s, start_s + step)
        drawn = np.where(in_interval > 0, drawn, charging)
        sold = sold + in_interval
        since_s = start_s + step
    return _charged(stays, drawn, sold, since_s, until_s)


def _charged(
    stays: Stays, drawn: Int64Array, sold: Int64Array, since_s: int, until_s: int
) -> Int64Array:
    left = np.maximum(target_wh(stays, sold) - drawn, 0)
    charged: Int64Array = drawn + np.minimum(left, stays.chargeable_wh(since_s, until_s))
    return charged
