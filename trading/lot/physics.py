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
        for step in self.part_load:
            if step.charge_ppm > self.charge_ppm or step.discharge_ppm > self.discharge_ppm:
                found = f"{step.charge_ppm} and {step.discharge_ppm}"
                expected = f"at most {self.charge_ppm} and {self.discharge_ppm}, as at full power"
                raise OptionError("part_load", found, expected)

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


class Taper:
    """How batteries that come near full go on from the knee, tabulated minute by minute.

    Integers throughout: the closed form is an exponential, whose last digit differs between
    machines, and parties that check one another must not disagree over one.
    """

    MINUTE_MS = 60_000

    def __init__(
        self,
        *,
        power_w: Int64Array,
        from_wh: Int64Array,
        capacity_wh: Int64Array,
        acceptance: Acceptance,
        charge_ppm: int,
    ) -> None:
        """Follow each battery from `from_wh` until it is full; all arrays have shape (n,).

        Args:
            power_w: of the charger, at the meter.
            from_wh: content up to which the battery takes all of it.
            capacity_wh: when it is full.
            acceptance: how its power falls.
            charge_ppm: efficiency from meter to battery, parts per million.
        """
        self._charge_ppm = charge_ppm
        self._into_w = power_w * charge_ppm // _PPM
        self._full_mwh = full = capacity_wh * 1_000
        content = np.minimum(from_wh * 1_000, full)
        rows = [content]
        while (content < full).any():
            accepted = acceptance.most_w(content // 1_000, capacity_wh)
            gained = np.minimum(self._into_w, accepted) * self.MINUTE_MS // SECONDS_PER_HOUR
            # The last minute passes full, so that it is as fast as the others; results stop there.
            content = content + np.maximum(gained, 1)
            rows.append(content)
        rows.append(content)
        # One ascending array, battery after battery, each lifted above the one before: a single
        # search then finds the minutes of any of them.
        self._from_mwh, self._n = rows[0], len(rows)
        self._lift_mwh = 2 * int(full.max()) + 1
        lifts = np.arange(len(full))[:, np.newaxis] * self._lift_mwh
        self._mwh = (np.array(rows).T + lifts).ravel()

    def charged_wh(self, i: Int64Array, content_wh: Int64Array, seconds: Int64Array) -> Int64Array:
        """Most energy at the meter in that time, whole Wh, for the batteries at positions `i`.

        The largest number for a battery that can be full by then.
        """
        content, into_w = content_wh * 1_000, self._into_w[i]
        left_ms = seconds * 1_000
        to_knee = np.maximum(self._from_mwh[i] - content, 0)
        to_knee_ms = -(-to_knee * SECONDS_PER_HOUR // into_w)
        before_ms = np.minimum(left_ms, to_knee_ms)
        gained = into_w * before_ms // SECONDS_PER_HOUR
        at_ms = self._at_ms(i, content) + left_ms - before_ms
        ends = np.where(left_ms > to_knee_ms, self._content(i, at_ms), content + gained)
        gained = np.maximum(ends - content, 0)
        charged = -(-gained * _PPM // self._charge_ppm) // 1_000
        # Whoever comes to be full is held back by what it wants, to the last Wh, and not by time.
        is_full = ends >= self._full_mwh[i]
        most: Int64Array = np.where(is_full, np.iinfo(np.int64).max, charged)
        return most

    def seconds(self, i: Int64Array, content_wh: Int64Array, final_wh: Int64Array) -> Int64Array:
        """Within which the batteries at positions `i` surely come from one content to another."""
        content, final = content_wh * 1_000, final_wh * 1_000
        to_knee = np.maximum(np.minimum(self._from_mwh[i], final) - content, 0)
        to_knee_ms = -(-to_knee * SECONDS_PER_HOUR // self._into_w[i])
        at_ms = self._at_ms(np.concatenate((i, i)), np.concatenate((content, final)))
        left_ms = to_knee_ms + at_ms[len(i) :] - at_ms[: len(i)]
        # A minute more: meters count whole Wh, and the last of them may take as long.
        seconds: Int64Array = -(-left_ms // 1_000) + 60
        return seconds

    def _at_ms(self, i: Int64Array, content: Int64Array) -> Int64Array:
        """Time on the curve at which a battery has that content, 0 before the knee."""
        first, lift = i * self._n, i * self._lift_mwh
        k = self._mwh.searchsorted(content + lift, side="right") - 1 - first
        k = np.minimum(np.maximum(k, 0), self._n - 2)
        begins, ends = self._mwh[first + k], self._mwh[first + k + 1]
        gone = np.maximum(content + lift - begins, 0)
        share_ms = gone * self.MINUTE_MS // np.maximum(ends - begins, 1)
        at_ms: Int64Array = k * self.MINUTE_MS + np.minimum(share_ms, self.MINUTE_MS)
        return at_ms

    def _content(self, i: Int64Array, at_ms: Int64Array) -> Int64Array:
        """Content at a time on the curve."""
        k = np.minimum(at_ms // self.MINUTE_MS, self._n - 2)
        first = i * self._n
        begins, ends = self._mwh[first + k], self._mwh[first + k + 1]
        share_ms = np.minimum(at_ms - k * self.MINUTE_MS, self.MINUTE_MS)
        content: Int64Array = (
            begins - i * self._lift_mwh + (ends - begins) * share_ms // self.MINUTE_MS
        )
        return content


def movable_wh(power_w: Int64Array, since_s: Int64Array, until_s: Int64Array) -> Int64Array:
    """Energy that `power_w` moves between two instants counted from plug-in, whole Wh.

    The difference of two cumulative, rounded-down amounts: intervals of a stay add up to exactly
    what the whole stay can move. An `until_s` before `since_s` gives 0.
    """
    until_s = np.maximum(until_s, since_s)
    return power_w * until_s // SECONDS_PER_HOUR - power_w * since_s // SECONDS_PER_HOUR
