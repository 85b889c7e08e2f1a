"""The honest comparison as typed rows, for figures and report, and each row's cost in its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trading.engine.result import DayResult
from trading.lot import Terms
from trading.reports.numbers import percent
from trading.units import cost_ueur


@dataclass(frozen=True, slots=True, kw_only=True)
class CostParts:
    """All drivers' net cost of a scenario in its parts, micro-euro; they add up to it."""

    grid_ueur: int
    fee_ueur: int
    wear_ueur: int
    replacement_ueur: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A row of `DayResult.scenarios`; `v2g_share` is None where nobody trades at all."""

    name: str
    v2g_share: float | None
    trades: int
    blocked: int
    peers_wh: int
    grid_wh: int
    peak_w: int
    drivers_cost_ueur: int
    buyers_gain_ueur: int
    sellers_gain_ueur: int
    missing_wh: int
    replacement_cost_ueur: int

    @property
    def label(self) -> str:
        """Name of the scenario on an axis."""
        share = self.v2g_share
        return self.name if share is None else f"{self.name}, {percent(share)} V2G"

    def cost_parts(self, terms: Terms) -> CostParts:
        """What the drivers' cost is made of.

        Among all drivers what buyers pay and sellers earn cancels, but for the lot's fee. Grid and
        wear are rounded once here and once a vehicle in the books; the few micro-euro between the
        two stay with the fee.
        """
        total, replacement = self.drivers_cost_ueur, self.replacement_cost_ueur
        if not self.peers_wh:
            return CostParts(
                grid_ueur=total - replacement,
                fee_ueur=0,
                wear_ueur=0,
                replacement_ueur=replacement,
            )
        energies = np.array([self.grid_wh, self.peers_wh], dtype=np.int64)
        prices = np.array([terms.lot_tariff, terms.wear], dtype=np.int64)
        grid, wear = (int(part) for part in cost_ueur(energies, prices))
        return CostParts(
            grid_ueur=grid,
            fee_ueur=total - replacement - grid - wear,
            wear_ueur=wear,
            replacement_ueur=replacement,
        )


def compared(result: DayResult) -> list[Compared]:
    """The rows of the comparison, in its order: uncontrolled charging first."""
    rows = []
    for row in result.scenarios.to_dict("records"):
        share = float(row["v2g_share"])
        rows.append(
            Compared(
                name=str(row["scenario"]),
                v2g_share=None if math.isnan(share) else share,
                **{
                    str(name): int(value)
                    for name, value in row.items()
                    if name not in ("scenario", "v2g_share")
                },
            )
        )
    return rows
