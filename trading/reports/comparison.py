"""The honest comparison as typed rows, for figures and report, and each row's cost in its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from trading.engine import DayResult
from trading.lot import Terms
from trading.reports.numbers import percent
from trading.units import cost_ueur

NO_LIMITS = "whole, no limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostParts:
    """All drivers' net cost of a scenario in its parts, micro-euro; they add up to it."""

    grid_ueur: int
    fee_ueur: int
    wear_ueur: int
    replacement_ueur: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A row of the comparison, as in `DayResult.scenarios`.

    Attributes:
        v2g_share: None where nobody trades at all.
        is_this_run: whether the row is what happened in the run on chain.
    """

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
    is_this_run: bool = False

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
    """The rows of the comparison, in its order: uncontrolled charging first.

    The scenarios have honest operators. Where the run on chain went another way than the scenario
    with its settings, it stands below it as a row of its own.
    """
    rows: list[Compared] = []
    for row in _scenarios(result):
        run = _on_chain(result, row)
        if not has_settings_of(result, row):
            rows.append(row)
        elif replace(run, name=row.name, is_this_run=False) == row:
            rows.append(replace(row, is_this_run=True))
        else:
            rows += [row, run]
    return rows


def has_settings_of(result: DayResult, row: Compared) -> bool:
    """Whether a scenario has the settings of the run on chain."""
    rules, terms = result.run.stays.rules, result.run.terms
    is_free_whole = not terms.limits and rules.guarantee == "whole"
    name = NO_LIMITS if is_free_whole else rules.guarantee
    return row.name == name and row.v2g_share == rules.v2g_share


def _scenarios(result: DayResult) -> list[Compared]:
    rows = []
    for row in result.scenarios.to_dict("records"):
        share = float(row["v2g_share"])
        rows.append(
            Compared(
                name=str(row["scenario"]),
                v2g_share=None if math.isnan(share) else share,
                trades=int(row["trades"]),
                blocked=int(row["blocked"]),
                peers_wh=int(row["peers_wh"]),
                grid_wh=int(row["grid_wh"]),
                peak_w=int(row["peak_w"]),
                drivers_cost_ueur=int(row["drivers_cost_ueur"]),
                buyers_gain_ueur=int(row["buyers_gain_ueur"]),
                sellers_gain_ueur=int(row["sellers_gain_ueur"]),
                missing_wh=int(row["missing_wh"]),
                replacement_cost_ueur=int(row["replacement_cost_ueur"]),
            )
        )
    return rows


def _on_chain(result: DayResult, scenario: Compared) -> Compared:
    books = result.accounts
    return Compared(
        name=f"{scenario.name}, on chain",
        v2g_share=scenario.v2g_share,
        trades=int((result.trades["status"] == "settled").sum()),
        blocked=result.run.blocked,
        peers_wh=books.energy.buyers_wh,
        grid_wh=books.energy.grid_wh,
        peak_w=books.peak_with_p2p_w,
        drivers_cost_ueur=books.cost_ueur,
        buyers_gain_ueur=books.buyers_gain_ueur,
        sellers_gain_ueur=books.sellers_gain_ueur,
        missing_wh=books.missing_wh,
        replacement_cost_ueur=books.replacement_ueur,
        is_this_run=True,
    )
