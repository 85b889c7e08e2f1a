"""Between the grid and the vehicles: what cables and connection carry, lose, and take of the roof.

Cable losses are the difference of two rounded-down sums, so that those of all intervals add up to
the loss of all energy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trading.lot.physics import SECONDS_PER_HOUR
from trading.lot.site import Site
from trading.units import Int64Array

_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """What moved in each meter interval, whole Wh, shape (n,).

    Attributes:
        grid_wh: drawn from the grid at the connection, cable losses included.
        peers_wh: from sellers' to buyers' meters.
        pv_wh: of the roof, into vehicles and cables.
        export_wh: of the roof, fed into the grid.
        cable_loss_wh: lost in the lot's cables.
        curtailed_wh: wanted of the grid, and cut because of connection or cables.
    """

    grid_wh: Int64Array
    peers_wh: Int64Array
    pv_wh: Int64Array
    export_wh: Int64Array
    cable_loss_wh: Int64Array
    curtailed_wh: Int64Array


class Connection:
    """A lot's cables and connection through time; call `carry` for each meter interval in turn.

    Attributes:
        is_limited: whether anything limits what all vehicles draw together.
        cable_wh: what the cables carry in each meter interval; None for no limit.
    """

    def __init__(self, site: Site, edges_s: Int64Array) -> None:
        """`edges_s`: Unix times between meter intervals of equal length, shape (n + 1,)."""
        self._site, self._edges_s = site, edges_s
        self.cable_wh = site.cable_wh(edges_s)
        self._connection_wh = site.connection_wh(edges_s)
        self.is_limited = self.cable_wh is not None or self._connection_wh is not None
        self._pv_wh = site.pv_wh(edges_s)
        self._carried_wh = 0
        # Into vehicles from the grid and from peers, and what was cut, in each interval.
        self._grid_wh, self._peers_wh, self._curtailed_wh = np.zeros(
            (3, len(edges_s) - 1), np.int64
        )

    def left_wh(self, at: int, wanted_wh: int, peers_wh: int) -> int:
        """What vehicles can draw of `wanted_wh` in an interval in which peers move `peers_wh`."""
        most = wanted_wh
        if self.cable_wh is not None:
            most = min(most, max(int(self.cable_wh[at]) - peers_wh, 0))
        if self._connection_wh is not None:
            allowed = int(self._connection_wh[at]) + int(self._pv_wh[at])
            most = min(most, max(self._net_of_loss(allowed, peers_wh), 0))
        return most

    def carry(self, at: int, grid_wh: int, peers_wh: int = 0, curtailed_wh: int = 0) -> None:
        """Count what vehicles draw of the grid and of peers in an interval."""
        self._carried_wh += grid_wh + peers_wh
        self._grid_wh[at] += grid_wh
        self._peers_wh[at] += peers_wh
        self._curtailed_wh[at] += curtailed_wh

    def carry_each(self, at: Int64Array, grid_wh: Int64Array) -> None:
        """Count draws of the grid, each in its interval."""
        self._carried_wh += int(grid_wh.sum())
        np.add.at(self._grid_wh, at, grid_wh)

    def flows(self) -> Flows:
        """What moved in each meter interval so far; none in those to come."""
        carried = np.cumsum(self._grid_wh + self._peers_wh)
        loss = np.diff(carried * self._site.cable_loss_ppm // _PPM, prepend=0)
        used = np.minimum(self._pv_wh, self._grid_wh + loss)
        export = self._pv_wh - used
        if self._site.connection_w is not None:
            most = self._site.connection_w * np.diff(self._edges_s) // SECONDS_PER_HOUR
            export = np.minimum(export, most)
        return Flows(
            grid_wh=self._grid_wh + loss - used,
            peers_wh=self._peers_wh.copy(),
            pv_wh=used,
            export_wh=export,
            cable_loss_wh=loss,
            curtailed_wh=self._curtailed_wh.copy(),
        )

    def _net_of_loss(self, allowed_wh: int, peers_wh: int) -> int:
        """The grid energy into vehicles that draws `allowed_wh` at the connection, losses paid."""
        ppm = self._site.cable_loss_ppm
        most = allowed_wh
        while most > 0 and most + self._loss_wh(most + peers_wh) > allowed_wh:
            over = most + self._loss_wh(most + peers_wh) - allowed_wh
            most -= max(over * (_PPM - ppm) // _PPM, 1)
        return most

    def _loss_wh(self, into_vehicles_wh: int) -> int:
        """Cable loss of the energy that flows now."""
        ppm, carried = self._site.cable_loss_ppm, self._carried_wh
        return (carried + into_vehicles_wh) * ppm // _PPM - carried * ppm // _PPM
