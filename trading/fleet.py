"""Equations (1) to (3): who buys, who sells, and how much, for a whole fleet at once.

The equations are those of FLOW D5.5 section 2.2.4, reconstructed: the source prints them as images
and only its list of symbols survives. The form here fits that list and the case study.

`roles` takes and returns tables. `role_arrays` is the same arithmetic on plain arrays, for a
simulation that evaluates it each interval and cannot afford a table each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import OptionError
from trading.tables import FLEET, check
from trading.units import WH_PER_KWH, Int64Array, is_fraction

Float64Array = npt.NDArray[np.float64]
Int8Array = npt.NDArray[np.int8]

NEUTRAL, BUYER, SELLER = 0, 1, 2
ROLE_NAMES = ("neutral", "buyer", "seller")
"""The name of each role code: `ROLE_NAMES[BUYER] == "buyer"`."""

# Assumption: the inner edges of the case study's SoC ranges (buyers 30-60 %, sellers 80-95 %); the
# source names T_b and T_s without giving them a value.
BUYER_THRESHOLD = 0.60
SELLER_THRESHOLD = 0.80


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """T_b and T_s of Equation (1), and which side of them a vehicle exactly on one falls.

    Attributes:
        buyer: T_b, a state of charge from 0 to 1; who stands at or below it buys.
        seller: T_s, a state of charge from 0 to 1, not below T_b; who stands at or above it sells.
        strict: a vehicle exactly on a threshold is neutral instead.

    Raises:
        OptionError: a threshold is NaN or outside [0, 1], or T_b is above T_s.
    """

    buyer: float = BUYER_THRESHOLD
    seller: float = SELLER_THRESHOLD
    strict: bool = False

    def __post_init__(self) -> None:
        for name, value in (("buyer_threshold", self.buyer), ("seller_threshold", self.seller)):
            if not is_fraction(value):
                raise OptionError(name, value, "a state of charge from 0 to 1")
        if self.buyer > self.seller:
            raise OptionError(
                "buyer_threshold",
                self.buyer,
                f"at most seller_threshold={self.seller!r}, since Equation (1) needs T_b <= T_s; "
                "lower buyer_threshold or raise seller_threshold",
            )


DEFAULT_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleArrays:
    """Equations (1) to (3) of a fleet, one element a vehicle, in the order of the input.

    Attributes:
        role: NEUTRAL, BUYER or SELLER.
        required_wh: E_req in Wh; 0 unless the role is BUYER.
        available_wh: E_av in Wh; 0 unless the role is SELLER.
    """

    role: Int8Array
    required_wh: Int64Array
    available_wh: Int64Array


def roles(
    fleet: pd.DataFrame,
    *,
    buyer_threshold: float = BUYER_THRESHOLD,
    seller_threshold: float = SELLER_THRESHOLD,
    strict: bool = False,
) -> pd.DataFrame:
    """Equations (1) to (3): the role and the energy of each vehicle.

    FLOW D5.5 section 2.2.4, reconstructed:

    - (1) a vehicle is a buyer if SoC <= T_b, a seller if SoC >= T_s, and otherwise neutral; with
      `strict`, if SoC < T_b and SoC > T_s. Where T_b == T_s, one exactly on it is neutral.
    - (2) required energy of a buyer, E_req = (T_b - SoC) * BC, never below 0.
    - (3) available energy of a seller, E_av = (SoC - T_s) * BC, never below 0.

    Args:
        fleet: FLEET table: `vehicle_id`, `battery_capacity_kwh` above 0, `soc` from 0 to 1. Other
            columns are ignored; the table is not changed.
        buyer_threshold: T_b, a state of charge from 0 to 1.
        seller_threshold: T_s, a state of charge from 0 to 1, not below T_b.
        strict: a vehicle exactly on a threshold is neutral.

    Returns:
        ROLES table in the order of the fleet, indexed from 0: `vehicle_id`, `role`, `required_wh`
        and `available_wh` in whole Wh (nearest, ties to even). A vehicle closer than half a Wh to
        its threshold keeps its role with 0 Wh.

    Raises:
        TableError: the fleet breaks its schema; all faults are named.
        OptionError: a threshold is not in [0, 1], or T_b > T_s.

    >>> import pandas as pd
    >>> fleet = pd.DataFrame(
    ...     {
    ...         "vehicle_id": ["ev-1", "ev-2", "ev-3"],
    ...         "battery_capacity_kwh": [40.0, 60.0, 80.0],
    ...         "soc": [0.35, 0.70, 0.95],
    ...     }
    ... )
    >>> print(roles(fleet).to_string(index=False))
    vehicle_id    role  required_wh  available_wh
          ev-1   buyer        10000             0
          ev-2 neutral            0             0
          ev-3  seller            0         12000
    """
    thresholds = Thresholds(buyer=buyer_threshold, seller=seller_threshold, strict=strict)
    checked = check(fleet, FLEET)
    arrays = role_arrays(
        checked["soc"].to_numpy(), checked["battery_capacity_kwh"].to_numpy(), thresholds
    )
    return pd.DataFrame(
        {
            "vehicle_id": checked["vehicle_id"],
            "role": pd.Series(np.array(ROLE_NAMES, dtype=object)[arrays.role], dtype="str"),
            "required_wh": arrays.required_wh,
            "available_wh": arrays.available_wh,
        }
    )


def role_arrays(
    soc: Float64Array, capacity_kwh: Float64Array, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> RoleArrays:
    """`roles` on plain arrays: nothing is checked and no table is made.

    Equations (1) to (3) of FLOW D5.5 section 2.2.4, reconstructed. The energies are IEEE doubles
    computed as ((T_b - SoC) * BC) * 1000, in that order, then rounded to the nearest Wh with ties
    to even, so that any other program can repeat them to the bit.

    Args:
        soc: states of charge from 0 to 1, shape (n,).
        capacity_kwh: battery capacities above 0, in kWh, shape (n,).
        thresholds: T_b, T_s and strictness, validated when they were made.

    Returns:
        Arrays of shape (n,), in the order given.

    >>> import numpy as np
    >>> arrays = role_arrays(np.array([0.35, 0.95]), np.array([40.0, 80.0]))
    >>> arrays.role.tolist(), arrays.required_wh.tolist(), arrays.available_wh.tolist()
    ([1, 2], [10000, 0], [0, 12000])
    """
    if thresholds.strict:
        is_buyer, is_seller = soc < thresholds.buyer, soc > thresholds.seller
    else:
        is_buyer, is_seller = soc <= thresholds.buyer, soc >= thresholds.seller
    role = is_buyer.view(np.int8) * np.int8(BUYER) + is_seller.view(np.int8) * np.int8(SELLER)
    # Both at once happens only where SoC == T_b == T_s: nothing to buy, nothing to sell.
    role[is_buyer & is_seller] = NEUTRAL
    # No mask by role is needed: on the far side of its threshold an energy is negative, so 0.
    return RoleArrays(
        role=role,
        required_wh=_whole_wh(thresholds.buyer - soc, capacity_kwh),
        available_wh=_whole_wh(soc - thresholds.seller, capacity_kwh),
    )


def _whole_wh(soc_span: Float64Array, capacity_kwh: Float64Array) -> Int64Array:
    """Wh behind a span of SoC, never below 0; `soc_span` is overwritten to save passes."""
    energy = soc_span
    energy *= capacity_kwh
    energy *= WH_PER_KWH
    np.rint(energy, out=energy)
    np.maximum(energy, 0.0, out=energy)
    return energy.astype(np.int64)
