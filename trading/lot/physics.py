"""Energy between a charger's meter and a battery, in whole watt-hours that conserve exactly.

A battery's content is a function of the *cumulative* energy at its charger's meter, never a sum of
rounded steps, so two runs that move the same energy end with the same battery whatever the
interval. What rounding leaves over is loss, and loss is always borne where it arises: the buyer
bears its charge loss, the seller its discharge loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trading.errors import OptionError
from trading.units import Int64Array

_PPM = 1_000_000
SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """One-way efficiencies between meter and battery, in parts per million.

    Assumption: 0.933 each way (0.87 for the round trip), the figure of the shared data's rule.
    """

    charge_ppm: int = 933_000
    discharge_ppm: int = 933_000

    def __post_init__(self) -> None:
        for name in ("charge_ppm", "discharge_ppm"):
            value = getattr(self, name)
            if not 0 < value <= _PPM:
                raise OptionError(name, value, f"parts per million from 1 to {_PPM}")

    @property
    def round_trip(self) -> float:
        """Fraction of the energy charged that comes back, for people and prices."""
        return self.charge_ppm * self.discharge_ppm / _PPM**2

    def stored(self, charged_wh: Int64Array) -> Int64Array:
        """What the battery gained when its meter counted `charged_wh` in all (rounded down)."""
        return charged_wh * self.charge_ppm // _PPM

    def charge_for(self, gain_wh: Int64Array) -> Int64Array:
        """The least energy at the meter after which the battery has gained `gain_wh`."""
        return -(-gain_wh * _PPM // self.charge_ppm)

    def charge_within(self, room_wh: Int64Array) -> Int64Array:
        """The most energy at the meter that a battery with `room_wh` of room can take."""
        return ((room_wh + 1) * _PPM - 1) // self.charge_ppm

    def drawn(self, discharged_wh: Int64Array) -> Int64Array:
        """What the battery gave when its meter counted `discharged_wh` in all (rounded up)."""
        return -(-discharged_wh * _PPM // self.discharge_ppm)

    def discharge_from(self, content_wh: Int64Array) -> Int64Array:
        """The most energy at the meter that `content_wh` of the battery can deliver."""
        return content_wh * self.discharge_ppm // _PPM


def movable_wh(power_w: Int64Array, since_s: Int64Array, until_s: Int64Array) -> Int64Array:
    """Energy that `power_w` moves between two instants counted from plug-in, whole Wh.

    The difference of two cumulative, rounded-down amounts: intervals of a stay add up to exactly
    what the whole stay can move. An `until_s` before `since_s` gives 0.
    """
    until_s = np.maximum(until_s, since_s)
    return power_w * until_s // SECONDS_PER_HOUR - power_w * since_s // SECONDS_PER_HOUR
