"""Equations (1) to (5) over a whole fleet: roles, orders, trades and their cost.

The fleet: states of charge drawn evenly from 10 to 100 %, batteries of 40, 60, 80 or 100 kWh, as in
the case study, vehicles in order of id. Timed: from arrays of both to trades with codes for
vehicles and a cost each, `pro-rata` at one posted price. Not timed: drawing the fleet, and checks
and names, which tables add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.timing import Timing, peak_mb, timed
from trading.fleet import role_arrays
from trading.market import DEFAULT_MECHANISM, MECHANISMS, PeerPrice, order_book
from trading.units import Int64Array, cost_ueur

VEHICLES = 1_000_000
SEED = 2019
PRICE = PeerPrice.same(300_000)

#: Milliseconds that issue 4 allows.
BAR_MS = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The equations over one fleet."""

    vehicles: int
    trades: int
    energy_wh: int
    cost_ueur: int
    timing: Timing
    peak_mb: float


def measure(*, repeats: int, vehicles: int = VEHICLES) -> Row:
    random = np.random.default_rng(SEED)
    soc = random.uniform(0.1, 1.0, vehicles)
    capacity_kwh = random.choice([40.0, 60.0, 80.0, 100.0], vehicles)
    energy_wh, cost = equations(soc, capacity_kwh)
    return Row(
        vehicles=vehicles,
        trades=len(energy_wh),
        energy_wh=int(energy_wh.sum()),
        cost_ueur=int(cost.sum()),
        timing=timed(lambda: equations(soc, capacity_kwh), repeats=repeats),
        peak_mb=peak_mb(lambda: equations(soc, capacity_kwh)),
    )


def equations(
    soc: npt.NDArray[np.float64], capacity_kwh: npt.NDArray[np.float64]
) -> tuple[Int64Array, Int64Array]:
    """Energy and cost of each trade in the fleet."""
    roles = role_arrays(soc, capacity_kwh)
    book = order_book(required_wh=roles.required_wh, available_wh=roles.available_wh, soc=soc)
    fills = MECHANISMS[DEFAULT_MECHANISM](book, PRICE)
    return fills.energy_wh, cost_ueur(fills.energy_wh, fills.price_ueur_per_kwh)
