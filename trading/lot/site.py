"""The lot's equipment: its chargers, its cables, its connection, and what else hangs on that.

Powers are in whole W, at the connection point unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from trading.errors import OptionError
from trading.lot.physics import SECONDS_PER_HOUR
from trading.lot.profile import Profile
from trading.units import Int64Array

PHASE_V = 230
"""Volts between a phase and neutral, in Europe."""
NOTHING = Profile.constant(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charger:
    """What every charger of the lot can do; a vehicle moves no more than it and its charger can.

    Attributes:
        charge_w: most power into a vehicle.
        discharge_w: most power out of one; 0 for a charger that only charges.
    """

    charge_w: int
    discharge_w: int = 0

    def __post_init__(self) -> None:
        if self.charge_w < 1 or self.discharge_w < 0:
            found = f"{self.charge_w} and {self.discharge_w} W"
            raise OptionError("charger", found, "1 W or more into, 0 W or more out of a vehicle")

    @classmethod
    def ac(cls, *, phases: Literal[1, 3], current_a: int, bidirectional: bool = False) -> Charger:
        """An alternating-current charger of one or three phases.

        >>> Charger.ac(phases=3, current_a=16).charge_w
        11040
        """
        if phases not in (1, 3):
            raise OptionError("phases", phases, "1 or 3")
        power_w = PHASE_V * phases * current_a
        return cls(charge_w=power_w, discharge_w=power_w if bidirectional else 0)

    @classmethod
    def dc(cls, *, power_w: int, bidirectional: bool = False) -> Charger:
        """A direct-current charger."""
        return cls(charge_w=power_w, discharge_w=power_w if bidirectional else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A lot's equipment; without arguments a lot that limits nothing and has no sun.

    Attributes:
        connection_w: what the transformer leaves for lot and background; None for no limit.
        background_w: other load behind the same transformer.
        pv_w: what the roof gives; it goes to vehicles first, the rest is fed in.
        cable_w: most power through the lot's cables into vehicles; None for no limit.
        cable_loss_ppm: what cables lose of all energy into vehicles, drawn at the connection.
        charger: what each charger can do; None takes each session's own power as it is.
        chargers: how many there are: who comes when all are taken waits; None for enough.
    """

    connection_w: int | None = None
    background_w: Profile = NOTHING
    pv_w: Profile = NOTHING
    cable_w: int | None = None
    cable_loss_ppm: int = 0
    charger: Charger | None = None
    chargers: int | None = None

    def __post_init__(self) -> None:
        for name in ("connection_w", "cable_w"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise OptionError(name, value, "0 W or more, or None for no limit")
        if self.chargers is not None and self.chargers < 1:
            raise OptionError("chargers", self.chargers, "1 or more, or None for enough")
        if not 0 <= self.cable_loss_ppm < 1_000_000:
            raise OptionError("cable_loss_ppm", self.cable_loss_ppm, "from 0 to 999999")
        for name in ("background_w", "pv_w"):
            if getattr(self, name).lowest < 0:
                raise OptionError(name, getattr(self, name).lowest, "0 W or more at all times")

    @property
    def is_plain(self) -> bool:
        """Whether nothing of it is set."""
        return all(getattr(self, field.name) == field.default for field in fields(self))

    def pv_wh(self, edges_s: Int64Array) -> Int64Array:
        """What the roof gives between each two of those Unix times, shape (n - 1,), whole Wh."""
        return _energy_wh(self.pv_w, edges_s)

    def connection_wh(self, edges_s: Int64Array) -> Int64Array | None:
        """What the connection leaves for the lot between each two times; None for no limit."""
        if self.connection_w is None:
            return None
        allowed = _whole_wh(np.int64(self.connection_w), edges_s) - _energy_wh(
            self.background_w, edges_s
        )
        left: Int64Array = np.maximum(allowed, 0)
        return left

    def cable_wh(self, edges_s: Int64Array) -> Int64Array | None:
        """What the cables carry into vehicles between each two times; None for no limit."""
        return None if self.cable_w is None else _whole_wh(np.int64(self.cable_w), edges_s)


def _energy_wh(power_w: Profile, edges_s: Int64Array) -> Int64Array:
    energy: Int64Array = power_w.over(edges_s) // SECONDS_PER_HOUR
    return energy


def _whole_wh(power_w: Int64Array | np.int64, edges_s: Int64Array) -> Int64Array:
    energy: Int64Array = power_w * np.diff(edges_s) // SECONDS_PER_HOUR
    return energy
