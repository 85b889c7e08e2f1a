"""Load over time of the case study, at an assumed charger power.

The bare equations have neither power nor time. To draw the load that a claim speaks of, every
vehicle plugs in at once and its charger runs at full power until all its energy has moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from trading.lot import LotRun
from trading.lot.physics import SECONDS_PER_HOUR, movable_wh
from trading.units import Int64Array

Order = Literal["peers first", "grid first"]
"""What a buyer's charger takes first: energy that peers deliver, or the rest from the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chargers:
    """How the load of the case study comes about; every field is an assumption of ours.

    Attributes:
        power_w: of each charger, in both directions.
        step_s: length of a step of the load curve; in 6 min 11 kW move a whole number of Wh.
        order: what buyers take first.
        refill_here: sellers that have delivered draw the energy back from the same lot's grid.
    """

    power_w: int = 11_000
    step_s: int = 360
    order: Order = "peers first"
    refill_here: bool = False


def load_over_time(run: LotRun, chargers: Chargers) -> pd.DataFrame:
    """Mean power of each step in whole W: from the grid without and with trading, and from peers.

    A trade flows as soon as both chargers are free for it, in the order of the trades; what a
    charger can move in a step bounds all that passes through it.

    Args:
        run: a lot of one interval; its trades are spread over time here.
        chargers: power, step and order.

    Returns:
        `time`, `grid_only_w`, `with_p2p_w`, `p2p_w`, as in `load.csv`, from the first arrival to
        the end of the last charging, and one step more in which nothing flows.
    """
    flows = _Flows(run, chargers)
    steps = flows.until_done()
    step = chargers.step_s
    table = np.array(steps, dtype=np.int64) * SECONDS_PER_HOUR // step
    start_s = int(run.stays.arrival_s.min())
    times = pd.to_datetime(start_s + step * np.arange(len(table)), unit="s", utc=True)
    return pd.DataFrame(
        {
            "time": times.as_unit("us"),
            "grid_only_w": table[:, 0],
            "with_p2p_w": table[:, 1],
            "p2p_w": table[:, 2],
        }
    )


class _Flows:
    """What is still to flow, in whole Wh at the chargers' meters."""

    def __init__(self, run: LotRun, chargers: Chargers) -> None:
        ids, trades = run.stays.ids, run.trades
        self.chargers = chargers
        self.buyer = np.searchsorted(ids, trades["buyer_id"].to_numpy(dtype=object))
        self.seller = np.searchsorted(ids, trades["seller_id"].to_numpy(dtype=object))
        self.promised_wh: Int64Array = trades["energy_wh"].to_numpy(np.int64).copy()
        self.alone_wh = run.stays.need_wh.copy()
        bought = np.zeros(len(ids), np.int64)
        np.add.at(bought, self.buyer, self.promised_wh)
        self.rest_wh = np.maximum(run.stays.need_wh - bought, 0)
        self.refill_wh = np.zeros(len(ids), np.int64)
        if chargers.refill_here:
            efficiency = run.stays.rules.efficiency
            self.refill_wh = efficiency.charge_for(efficiency.drawn(run.to_peers_wh))

    def until_done(self) -> list[tuple[int, int, int]]:
        """Wh of each step: from the grid without trading, from it with trading, from peers."""
        steps: list[tuple[int, int, int]] = []
        while self.alone_wh.any() or self.rest_wh.any() or self.promised_wh.any():
            steps.append(self._step(len(steps)))
        while self.refill_wh.any():
            steps.append(self._step(len(steps)))
        return [*steps, (0, 0, 0)]

    def _step(self, number: int) -> tuple[int, int, int]:
        n, step = len(self.alone_wh), self.chargers.step_s
        power, since, until = np.array(
            [[self.chargers.power_w], [number * step], [(number + 1) * step]], dtype=np.int64
        )
        most = int(movable_wh(power, since, until)[0])
        free = np.full(n, most)
        alone = np.minimum(self.alone_wh, most)
        self.alone_wh -= alone
        still_owes = np.zeros(n, bool)
        still_owes[self.seller[self.promised_wh > 0]] = True
        if self.chargers.order == "grid first":
            grid = self._draw(free)
            peers = self._deliver(free)
        else:
            peers = self._deliver(free)
            grid = self._draw(free)
        refill = np.where(still_owes, 0, np.minimum(self.refill_wh, free))
        self.refill_wh -= refill
        return int(alone.sum()), grid + int(refill.sum()), peers

    def _draw(self, free: Int64Array) -> int:
        drawn = np.minimum(self.rest_wh, free)
        self.rest_wh -= drawn
        free -= drawn
        return int(drawn.sum())

    def _deliver(self, free: Int64Array) -> int:
        total = 0
        for k in np.flatnonzero(self.promised_wh):
            buyer, seller = self.buyer[k], self.seller[k]
            moved = min(self.promised_wh[k], free[buyer], free[seller])
            self.promised_wh[k] -= moved
            free[buyer] -= moved
            free[seller] -= moved
            total += int(moved)
        return total
