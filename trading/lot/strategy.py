"""When grid energy is drawn: at once, at the latest, or in the cheapest intervals.

A strategy sees what plans know: departures as told, power that a battery is sure to take, and the
tariff. A new one is a function and a line in `STRATEGIES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trading.lot.physics import SECONDS_PER_HOUR
from trading.lot.stays import UNKNOWN
from trading.units import Int64Array

_LONGEST_S = 30 * 86_400
"""Longer than any stay; keeps products of power and time within 63 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a plan for one meter interval is made from; arrays are in the order of the stays.

    Attributes:
        end_s: end of the interval.
        wanted_wh: what each meter is still to feed its vehicle.
        power_w: power that each battery is sure to take until its need is met.
        leaves_s: departure as plans know it, `UNKNOWN` where nobody has told.
        now_ueur_per_kwh: grid tariff in the interval.
        later_s: beginnings of the intervals that follow, shape (m,).
        later_ueur_per_kwh: their tariffs, shape (m,).
        step_s: length of an interval.
    """

    end_s: int
    wanted_wh: Int64Array
    power_w: Int64Array
    leaves_s: Int64Array
    now_ueur_per_kwh: int
    later_s: Int64Array
    later_ueur_per_kwh: Int64Array
    step_s: int


Strategy = Callable[[Outlook], Int64Array]
"""What each vehicle asks of the grid in the interval, whole Wh; the lot cuts it to what flows."""


def at_once(outlook: Outlook, /) -> Int64Array:
    """All that is wanted, as fast as the charger goes."""
    return outlook.wanted_wh


def at_the_latest(outlook: Outlook, /) -> Int64Array:
    """Only what could not be drawn any more after the interval; at once if nobody knows."""
    left_s = np.maximum(outlook.leaves_s - outlook.end_s, 0)
    later_wh = outlook.power_w * np.minimum(left_s, _LONGEST_S) // SECONDS_PER_HOUR - 1
    return _now_wh(outlook, later_wh)


def cheapest(outlook: Outlook, /) -> Int64Array:
    """What does not fit the cheaper intervals that follow; of equal ones the earlier."""
    is_cheaper = outlook.later_ueur_per_kwh < outlook.now_ueur_per_kwh
    if not is_cheaper.any():
        return outlook.wanted_wh
    # Seconds in cheaper intervals before each, so that a departure finds its sum at once.
    before_s = np.concatenate(([0], np.cumsum(is_cheaper * outlook.step_s)))
    last = np.searchsorted(outlook.later_s, outlook.leaves_s, side="left")
    cheaper_s = before_s[last]
    in_last = np.maximum(last - 1, 0)
    # The interval in which a vehicle leaves counts until it leaves.
    cut_s = np.clip(outlook.later_s[in_last] + outlook.step_s - outlook.leaves_s, 0, outlook.step_s)
    cheaper_s = cheaper_s - np.where((last > 0) & is_cheaper[in_last], cut_s, 0)
    # Meters count whole Wh: each interval may bring one less.
    later_wh = outlook.power_w * cheaper_s // SECONDS_PER_HOUR - last
    return _now_wh(outlook, later_wh)


def _now_wh(outlook: Outlook, later_wh: Int64Array) -> Int64Array:
    """What is wanted and does not fit later; all of it where nobody knows the departure."""
    left = np.maximum(outlook.wanted_wh - np.maximum(later_wh, 0), 0)
    now: Int64Array = np.where(outlook.leaves_s != UNKNOWN, left, outlook.wanted_wh)
    return now


STRATEGIES: dict[str, Strategy] = {
    "at-once": at_once,
    "latest": at_the_latest,
    "cheapest": cheapest,
}
"""Every strategy by the name that users type."""
