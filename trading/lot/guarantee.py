"""What a seller may promise at gate closure without breaking what its owner was promised.

Under `consent` its own need comes first: it sells only in an interval after which its need can
still be charged, so that trading never takes charging away from anyone. Under `whole` it must be
able to recharge what it sells as well. Both go by planned departures and by the power that each
battery is sure to take; a connection limit that cuts everyone's charging can still come between,
and what is then missing is counted. The lot asks these functions before it offers, and each
operator asks them again on its own data.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trading.lot.stays import ALL, UNKNOWN, Rows, Stays
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


def later_wh(stays: Stays, after_s: int | Int64Array, rows: Rows = ALL) -> Int64Array:
    """What each meter can still feed its vehicle after a market interval, as planned before it.

    Args:
        stays: the sessions under their rules.
        after_s: Unix time at which the interval ends, of all or of each of `rows`.
        rows: positions of the sessions that are asked about.

    Returns:
        Wh until departure, of `rows`: under `consent` by power and time, and no bound where nobody
        knows the departure; under `whole` what is sure, and nothing where nobody knows.
    """
    leaves = stays.known_departure(after_s - stays.rules.interval_s, rows)
    is_known = leaves != UNKNOWN
    until = np.where(is_known, leaves, after_s)
    if stays.rules.guarantee == "consent":
        by_power = stays.chargeable_wh(after_s, until, planned=True, rows=rows)
        return np.where(is_known, by_power, _NO_LIMIT)
    # Meters count whole Wh: near full each interval may bring one less than power and time say.
    kept_back = np.maximum((until - after_s) // stays.rules.metered_s + 2, 0)
    kept_back = np.where(stays.taper_place[rows] >= 0, kept_back, 0)
    surely = stays.surely_chargeable_wh(after_s, until, rows=rows)
    later: Int64Array = np.maximum(surely - kept_back, 0)
    return later


def saleable_wh(
    stays: Stays,
    *,
    drawn_wh: Int64Array,
    sold_wh: Int64Array,
    content_of: Callable[[Int64Array], Int64Array],
    after_s: int,
    later_wh: Int64Array,
    rows: Rows = ALL,
) -> Int64Array:
    """What each seller may still sell in the interval that ends at `after_s`.

    Args:
        stays: the sessions under their rules.
        drawn_wh: what each meter of `rows` fed its vehicle until the interval begins.
        sold_wh: what each of them sold until then.
        content_of: what the batteries of some codes hold then.
        after_s: Unix seconds.
        later_wh: what each meter can feed after it, as the function of that name has it.
        rows: positions of the sessions that are asked about.

    Returns:
        Wh, of `rows`. Under `consent` all or nothing, and no bound where nobody knows the
        departure; under `whole` what can be recharged, and nothing where nobody knows.
    """
    need_wh = stays.need_wh[rows]
    if stays.rules.guarantee == "consent":
        limit = np.full(len(need_wh), _NO_LIMIT)
        left_wh = need_wh - drawn_wh
        limit[left_wh > later_wh] = 0
        limit[_held_back(stays, left_wh, content_of, after_s, rows)] = 0
        return limit
    efficiency = stays.rules.efficiency
    spare = efficiency.stored(drawn_wh + later_wh) - efficiency.stored(need_wh)
    most: Int64Array = efficiency.discharge_from(np.maximum(spare, 0))
    left: Int64Array = np.maximum(most - sold_wh, 0)
    return left


def _held_back(
    stays: Stays,
    left_wh: Int64Array,
    content_of: Callable[[Int64Array], Int64Array],
    after_s: int,
    rows: Rows,
) -> Int64Array:
    """Positions of sellers that cannot draw `left_wh` in time as their batteries near full."""
    taper, place = stays.taper, stays.taper_place[rows]
    i = ((left_wh > 0) & (place >= 0)).nonzero()[0]
    if taper is None or not len(i):
        return i[:0]
    who = i if isinstance(rows, slice) else rows[i]
    content_wh = content_of(who)
    final_wh = content_wh + stays.rules.efficiency.stored(left_wh[i])
    leaves = stays.known_departure(after_s - stays.rules.interval_s, who)
    nears = (final_wh > stays.tapers_from_wh[who]) & (leaves > after_s) & stays.is_seller[who]
    i, who, leaves = i[nears], who[nears], leaves[nears]
    if not len(i):
        return i
    needs_s = taper.seconds(place[i], content_wh[nears], final_wh[nears])
    late: Int64Array = i[needs_s > leaves - np.maximum(after_s, stays.arrival_s[who])]
    return late
