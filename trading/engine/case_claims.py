"""The two claims of the case study with their numbers, and what has to be read beside them.

The source claims that trading lowers the load on the grid and covers the buyers' requirement at
lower cost. It leaves out what sellers lack afterwards and what that costs, how far supply reaches,
and that buyers leave at T_b and not full.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from trading.engine.case_fleet import CaseStudyOptions
from trading.lot import Accounts, LotRun
from trading.units import Int64Array, cost_ueur

CLAIM_COLUMNS = ("key", "claim", "quantity", "unit", "without_p2p", "with_p2p", "change", "holds")
LOWER_LOAD = "lower load on the grid"
LOWER_COST = "requirement covered at lower cost"
BESIDE = "to be read beside the claims"

Number = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    key: str
    claim: str
    quantity: str
    unit: str
    without_p2p: Number
    with_p2p: Number
    holds: str = ""


def claims_of(
    options: CaseStudyOptions, run: LotRun, books: Accounts, load: pd.DataFrame
) -> pd.DataFrame:
    """The claims and what stands beside them: one row a quantity, columns `CLAIM_COLUMNS`.

    Args:
        options: of the run.
        run: the one interval of the case study.
        books: its accounts.
        load: `load_over_time` of the run.

    Returns:
        Energies in whole Wh, power in whole W, money in whole micro-euro; ratios and states of
        charge as fractions. `holds` is "yes" or "no" for a claim, empty for what stands beside.
    """
    lines = [*_claims(run, books, load), *_beside(options, run, books, load)]
    table = pd.DataFrame([asdict(line) for line in lines])
    change = [_exact(line.with_p2p - line.without_p2p) for line in lines]
    # As objects, whole numbers stay whole beside fractions.
    for name, values in (
        ("without_p2p", [line.without_p2p for line in lines]),
        ("with_p2p", [line.with_p2p for line in lines]),
        ("change", change),
    ):
        table[name] = pd.Series(values, dtype=object)
    return table[list(CLAIM_COLUMNS)]


def _exact(value: Number) -> Number:
    return value if isinstance(value, int) else round(value, 6)


def grid_only_cost_ueur(run: LotRun) -> Int64Array:
    """What each vehicle would pay the grid for all it needs, in the order of `run.stays.ids`."""
    return cost_ueur(run.stays.need_wh, run.terms.lot_tariff)


def _claims(run: LotRun, books: Accounts, load: pd.DataFrame) -> list[_Line]:
    is_buyer = run.stays.is_buyer
    vehicles = books.vehicles.set_index("session_id").reindex(run.stays.ids)
    paid = (vehicles["paid_peers_ueur"] + vehicles["paid_grid_ueur"]).to_numpy(np.int64)[is_buyer]
    alone = grid_only_cost_ueur(run)[is_buyer]
    needed = int(run.stays.need_wh[is_buyer].sum())
    drawn = int(run.from_grid_wh[is_buyer].sum())
    unmet = needed - drawn - int(run.from_peers_wh[is_buyer].sum())
    peak, peak_with = int(load["grid_only_w"].max()), int(load["with_p2p_w"].max())
    cost, cost_with = int(alone.sum()), int(paid.sum())
    worse = int((paid > alone).sum())
    return [
        _claim("grid_wh", LOWER_LOAD, "energy that buyers draw from the grid", "Wh", needed, drawn),
        _claim("peak_w", LOWER_LOAD, "highest load on the grid", "W", peak, peak_with),
        _Line(
            key="unmet_wh",
            claim=LOWER_COST,
            quantity="requirement that stays uncovered",
            unit="Wh",
            without_p2p=0,
            with_p2p=unmet,
            holds=_yes(unmet == 0),
        ),
        _Line(
            key="buyers_cost_ueur",
            claim=LOWER_COST,
            quantity="cost of all buyers",
            unit="micro-euro",
            without_p2p=cost,
            with_p2p=cost_with,
            holds=_yes(cost - cost_with > rounding_ueur(run)),
        ),
        _Line(
            key="buyers_worse_off",
            claim=LOWER_COST,
            quantity="buyers who pay more than before",
            unit="buyers",
            without_p2p=0,
            with_p2p=worse,
            holds=_yes(worse == 0),
        ),
    ]


def _claim(key: str, claim: str, quantity: str, unit: str, before: int, after: int) -> _Line:
    """A claim that something is lower with trading than without."""
    return _Line(
        key=key,
        claim=claim,
        quantity=quantity,
        unit=unit,
        without_p2p=before,
        with_p2p=after,
        holds=_yes(after < before),
    )


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _beside(
    options: CaseStudyOptions, run: LotRun, books: Accounts, load: pd.DataFrame
) -> list[_Line]:
    stays, vehicles = run.stays, books.vehicles
    buyers = vehicles[vehicles["role"] == "buyer"]
    demand, supply = int(stays.bid_cap_wh.sum()), int(stays.ask_cap_wh.sum())
    leave_with = round(float(buyers["soc_departure"].mean()), 6) if len(buyers) else 0.0
    lack = buyers["battery_capacity_wh"] * (1 - buyers["soc_departure"])
    to_full = int(lack.round().sum())
    earned = int(vehicles["earned_ueur"].sum())
    after_replacement = earned - books.replacement_ueur
    wear = int(cost_ueur(run.to_peers_wh, options.wear).sum())
    step = options.chargers.step_s
    minutes = [
        int((load[names] > 0).any(axis=1).sum()) * step // 60
        for names in (["grid_only_w"], ["with_p2p_w", "p2p_w"])
    ]
    grid = int(run.grid_only_wh.sum())
    lines: list[tuple[str, str, str, Number, Number]] = [
        ("required_wh", "required by buyers, Equation (2)", "Wh", demand, demand),
        ("available_wh", "available from sellers, Equation (3)", "Wh", 0, supply),
        ("supply_to_demand", "supply over demand", "ratio", 0, supply_to_demand(run)),
        ("traded_wh", "traded among peers, Equation (4)", "Wh", 0, books.energy.buyers_wh),
        ("buyers_soc", "mean SoC with which buyers leave", "fraction", leave_with, leave_with),
        ("to_full_wh", "what buyers then lack to a full battery", "Wh", to_full, to_full),
        ("charging_min", "time until the last buyer is done", "min", minutes[0], minutes[1]),
        ("missing_wh", "missing from sellers' batteries", "Wh", 0, books.missing_wh),
        (
            "grid_with_refill_wh",
            "grid energy once sellers have refilled",
            "Wh",
            grid,
            books.energy.grid_wh + books.missing_wh,
        ),
        ("earned_ueur", "sellers' income", "micro-euro", 0, earned),
        (
            "replacement_ueur",
            "replacement of what is missing, at home",
            "micro-euro",
            0,
            books.replacement_ueur,
        ),
        ("sellers_gain_ueur", "sellers' gain after replacement", "micro-euro", 0,
         after_replacement),
        ("sellers_gain_after_wear_ueur", "sellers' gain after replacement and wear", "micro-euro",
         0, after_replacement - wear),
    ]  # fmt: skip
    return [
        _Line(key=key, claim=BESIDE, quantity=words, unit=unit, without_p2p=a, with_p2p=b)
        for key, words, unit, a, b in lines
    ]


def rounding_ueur(run: LotRun) -> int:
    """The most that buyers can gain by rounding alone: each trade's cost is rounded down."""
    return len(run.trades)


def supply_to_demand(run: LotRun) -> float:
    """What sellers offer over what buyers ask for; 0 where nobody asks."""
    demand, supply = int(run.stays.bid_cap_wh.sum()), int(run.stays.ask_cap_wh.sum())
    return round(supply / demand, 6) if demand else 0.0
