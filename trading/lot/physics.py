"""Energy between a charger's meter and a battery, in whole watt-hours that conserve exactly.

A battery's content is a function of the *cumulative* energy at its charger's meter (by step of the
efficiency curve, where there is one), never a sum of rounded steps, so two runs that move the same
energy end with the same battery whatever the interval. What rounding leaves over is loss, and loss
is always borne where it arises: the buyer bears its charge loss, the seller its discharge loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trading.errors import OptionError
from trading.units import Int64Array

_PPM = 1_000_000
SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLoad:
    """Efficiencies where a charger moves less than `below` of what it could.

    Attributes:
        below: share of the energy that power and presence allow in a meter interval, from 0 to 1.
        charge_ppm, discharge_ppm: one-way efficiencies there, in parts per million.
    """

    below: float
    charge_ppm: int
    discharge_ppm: int

    def __post_init__(self) -> None:
        if not 0 < self.below <= 1:
            raise OptionError("below", self.below, "a share above 0 and at most 1")
        for name in ("charge_ppm", "discharge_ppm"):
            value = getattr(self, name)
            if not 0 < value <= _PPM:
                raise OptionError(name, value, f"parts per million from 1 to {_PPM}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """One-way efficiencies between meter and battery, in parts per million.

    Assumption: 0.933 each way (0.87 for the round trip), at every power: chargers that move little
    in an interval are taken to run at full power for a part of it. A curve says otherwise.

    Attributes:
        charge_ppm, discharge_ppm: at full power.
        part_load: the curve below it, as steps in ascending order of `below`; none for a flat one.
    """

    charge_ppm: int = 933_000
    discharge_ppm: int = 933_000
    part_load: tuple[PartLoad, ...] = ()

    def __post_init__(self) -> None:
        for name in ("charge_ppm", "discharge_ppm"):
            value = getattr(self, name)
            if not 0 < value <= _PPM:
                raise OptionError(name, value, f"parts per million from 1 to {_PPM}")
        edges = [step.below for step in self.part_load]
        if edges != sorted(set(edges)):
            raise OptionError("part_load", edges, "steps in ascending order of `below`")

    @property
    def steps(self) -> tuple[Efficiency, ...]:
        """The flat efficiency of each step of the curve, full power last."""
        below = [
            Efficiency(charge_ppm=step.charge_ppm, discharge_ppm=step.discharge_ppm)
            for step in self.part_load
        ]
        return (*below, replace(self, part_load=()))

    def step_of(self, moved_wh: Int64Array, most_wh: Int64Array) -> Int64Array:
        """Which of `steps` applies where `moved_wh` of a possible `most_wh` is moved."""
        share = moved_wh / np.maximum(most_wh, 1)
        edges = np.array([step.below for step in self.part_load])
        return np.searchsorted(edges, share, side="right")

    @property
    def worst(self) -> Efficiency:
        """The lowest of all steps, each way: what a promise has to reckon with."""
        return Efficiency(
            charge_ppm=min(step.charge_ppm for step in self.steps),
            discharge_ppm=min(step.discharge_ppm for step in self.steps),
        )

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """How much power a battery takes: constant up to the knee, then less and less until full.

    The shape of constant-current, constant-voltage charging: the power falls in proportion to what
    is missing to full, down to a last trickle. At 6.656 kW it only shows above some 97 %.
    Assumptions: a capacity an hour (1 C), a knee at 80 %, a trickle of a twentieth (C/20).

    Attributes:
        most_permille: power up to the knee, in thousandths of the capacity an hour.
        knee_permille: state of charge at which it begins to fall.
        least_permille: power of the last trickle.
    """

    most_permille: int = 1_000
    knee_permille: int = 800
    least_permille: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.knee_permille < 1_000:
            raise OptionError("knee_permille", self.knee_permille, "from 0 to 999")
        if not 0 < self.least_permille <= self.most_permille:
            expected = f"above 0 and at most most_permille={self.most_permille}"
            raise OptionError("least_permille", self.least_permille, expected)

    def most_w(self, content_wh: Int64Array, capacity_wh: Int64Array) -> Int64Array:
        """Power into the battery at that content, in whole W."""
        falling = (capacity_wh - content_wh) * self.most_permille // (1_000 - self.knee_permille)
        top = capacity_wh * self.most_permille // 1_000
        least = capacity_wh * self.least_permille // 1_000
        most: Int64Array = np.maximum(np.minimum(falling, top), least)
        return most

    def full_power_until_wh(self, power_w: Int64Array, capacity_wh: Int64Array) -> Int64Array:
        """The content up to which a battery takes `power_w`: all of it where it always does."""
        fallen = -(-power_w * (1_000 - self.knee_permille) // self.most_permille)
        knee = np.where(power_w <= capacity_wh * self.most_permille // 1_000, capacity_wh - fallen,
                        0)  # fmt: skip
        always = power_w <= capacity_wh * self.least_permille // 1_000
        return np.where(always, capacity_wh, np.maximum(knee, 0))


def tapered_wh(
    *,
    power_w: Int64Array,
    content_wh: Int64Array,
    capacity_wh: Int64Array,
    since_s: Int64Array,
    until_s: Int64Array,
    acceptance: Acceptance,
    charge_ppm: int,
) -> Int64Array:
    """Most energy at the meter between two instants for batteries that near full, in whole Wh.

    Followed minute by minute on the clock, in thousandths of a Wh. All arrays have shape (n,).
    """
    content = content_wh * 1_000
    moved = np.zeros(len(content), np.int64)
    at = since_s.copy()
    while (at < until_s).any():
        step = np.maximum(np.minimum(until_s, at // 60 * 60 + 60) - at, 0)
        accepted = acceptance.most_w(content // 1_000, capacity_wh) * _PPM // charge_ppm
        charged = np.minimum(power_w, accepted) * step * 1_000 // SECONDS_PER_HOUR
        gained = np.minimum(charged * charge_ppm // _PPM, capacity_wh * 1_000 - content)
        content += gained
        moved += np.minimum(charged, -(-gained * _PPM // charge_ppm))
        at += step
    return moved // 1_000


def movable_wh(power_w: Int64Array, since_s: Int64Array, until_s: Int64Array) -> Int64Array:
    """Energy that `power_w` moves between two instants counted from plug-in, whole Wh.

    The difference of two cumulative, rounded-down amounts: intervals of a stay add up to exactly
    what the whole stay can move. An `until_s` before `since_s` gives 0.
    """
    until_s = np.maximum(until_s, since_s)
    return power_w * until_s // SECONDS_PER_HOUR - power_w * since_s // SECONDS_PER_HOUR
