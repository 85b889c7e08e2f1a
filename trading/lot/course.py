"""What vehicles draw as long as they sell nothing, followed from each one's own arrival.

Where nothing couples vehicles, neither a limit that they share nor a plan that goes by prices, what
one draws hangs on itself alone. Peers only take the grid's place in it. So the whole time is worked
out at once, in as many steps as the longest vehicle charges, and a lot in motion works again only
on those who sold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trading.lot.presence import ByInterval
from trading.units import Int64Array

if TYPE_CHECKING:
    from trading.lot.stays import Stays


def course_of(stays: Stays) -> ByInterval | None:
    """Wh at each meter in each meter interval without trading.

    Returns:
        None where it hangs on others (cables, connection), on plans (any strategy but `at-once`),
        or on a curve of efficiency.
    """
    rules, site = stays.rules, stays.rules.site
    is_limited = site.connection_w is not None or site.cable_w is not None
    if is_limited or rules.strategy != "at-once" or rules.efficiency.part_load:
        return None
    step, first_s = rules.metered_s, stays.presence.first_s
    at = (stays.arrival_s - first_s) // step
    drawn = np.zeros(len(stays), np.int64)
    pieces: list[tuple[Int64Array, Int64Array, Int64Array]] = []

    def content_of(who: Int64Array) -> Int64Array:
        return stays.content_wh[who] + rules.efficiency.stored(drawn[who])

    rows = np.flatnonzero((stays.need_wh > 0) & (stays.arrival_s < stays.departure_s))
    while len(rows):
        interval = at[rows]
        since_s = first_s + interval * step
        until_s = since_s + step
        wanted = stays.need_wh[rows] - drawn[rows]
        most = np.minimum(wanted, stays.chargeable_wh(since_s, until_s, rows=rows))
        fed = stays.accepted_wh(most, content_of, since_s, until_s, rows=rows)
        pieces.append((interval, rows, fed))
        drawn[rows] += fed
        at[rows] += 1
        rows = rows[(fed < wanted) & (until_s < stays.departure_s[rows])]
    return ByInterval.of(stays.presence.n * rules.interval_s // step, pieces)
