"""What a seller may promise at gate closure without breaking what its owner was promised.

Under `consent` its own need comes first: it sells only in an interval after which its need can
still be charged, so that trading never takes charging away from anyone. Under `whole` it must be
able to recharge what it sells as well. Both go by planned departures and by the power that each
battery is sure to take; a connection limit that cuts everyone's charging can still come between,
and what is then missing is counted. The lot asks these functions before it offers, and each
operator asks them again on its own data.
"""

from __future__ import annotations

import numpy as np

from trading.lot.stays import ALL, UNKNOWN, BoolArray, Rows, Stays
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
    stays: Stays,
    *,
    drawn_wh: Int64Array,
    sold_wh: Int64Array,
    content_wh: Int64Array,
    after_s: int,
    rows: Rows = ALL,
) -> Int64Array:
    """What each seller may still sell in the interval that ends at `after_s`.

    Args:
        stays: the sessions under their rules.
        drawn_wh: what each meter of `rows` fed its vehicle until the interval begins.
        sold_wh: what each of them sold until then.
        content_wh: what each of their batteries holds then.
        after_s: Unix seconds.
        rows: positions of the sessions that are asked about.

    Returns:
        Wh, of `rows`. Under `consent` all or nothing, and no bound where nobody knows the
        departure; under `whole` what can be recharged, and nothing where nobody knows.
    """
    efficiency, need_wh = stays.rules.efficiency, stays.need_wh[rows]
    leaves = stays.known_departure(after_s - stays.rules.interval_s, rows)
    is_known = leaves != UNKNOWN
    until = np.where(is_known, leaves, after_s)
    if stays.rules.guarantee == "consent":
        left_wh = need_wh - drawn_wh
        in_time = left_wh <= stays.chargeable_wh(after_s, until, planned=True, rows=rows)
        in_time &= ~_is_late(stays, left_wh, content_wh, after_s, until, rows)
        limit: Int64Array = np.where(~is_known | in_time, _NO_LIMIT, 0)
        return limit
    # Meters count whole Wh: near full each interval may bring one less than power and time say.
    kept_back = (until - after_s) // stays.rules.metered_s + 2
    kept_back = np.where(stays.taper_place[rows] >= 0, kept_back, 0)
    surely = stays.surely_chargeable_wh(after_s, until, rows=rows)
    within = drawn_wh + np.maximum(surely - np.maximum(kept_back, 0), 0)
    spare = efficiency.stored(within) - efficiency.stored(need_wh)
    most: Int64Array = efficiency.discharge_from(np.maximum(spare, 0))
    left: Int64Array = np.maximum(most - sold_wh, 0)
    return left


def _is_late(
    stays: Stays,
    left_wh: Int64Array,
    content_wh: Int64Array,
    after_s: int,
    until_s: Int64Array,
    rows: Rows,
) -> BoolArray:
    """Who could not draw `left_wh` between the two times because its battery nears full."""
    late = np.zeros(len(left_wh), np.bool_)
    taper = stays.taper
    if taper is None:
        return late
    final_wh = content_wh + stays.rules.efficiency.stored(left_wh)
    is_near = (left_wh > 0) & (final_wh > stays.tapers_from_wh[rows]) & stays.is_seller[rows]
    i = np.flatnonzero(is_near & (until_s > after_s))
    if len(i):
        needs_s = taper.seconds(stays.taper_place[rows][i], content_wh[i], final_wh[i])
        late[i] = needs_s > until_s[i] - np.maximum(after_s, stays.arrival_s[rows][i])
    return late
