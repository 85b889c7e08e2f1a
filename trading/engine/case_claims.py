"""The two claims of the case study with their numbers, and under which assumptions they hold.

Claims: trading lowers the load on the grid, and covers the buyers' requirement at lower cost.
Beside them stands what they leave out: what sellers lack afterwards, what its replacement costs,
how far supply reaches, and that buyers leave at T_b. Nothing here is asserted; each row of the
truth table is a run of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from trading.engine.case_fleet import BARE, MAX_VEHICLES, CaseStudyOptions, fleet_of, sessions_of
from trading.engine.case_load import Chargers, load_over_time
from trading.engine.scenarios import PUBLISHED_V2G_SHARE
from trading.fleet import roles
from trading.lot import Accounts, Efficiency, LotRun, Terms, accounts_of, simulate_lot
from trading.market import mechanism_named
from trading.units import cost_ueur, eur

CLAIM_COLUMNS = ("key", "claim", "quantity", "unit", "without_p2p", "with_p2p", "change", "holds")
LOWER_LOAD = "the load on the grid is lower"
LOWER_COST = "the requirement is covered at lower cost"
BESIDE = "to be read beside the claims"

Refill = Literal["nobody", "at home", "in the lot"]
PRICE_STEP_UEUR = 100_000


# ---------------------------------------------------------------------- the claims


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
        Energies in Wh, power in W, money in micro-euro, all whole; ratios and states of charge as
        fractions. `holds` is "yes" or "no" for a claim and empty for what stands beside.
    """
    rows = [*_claims(books, load), *_beside(options, run, books, load)]
    table = pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))
    # As objects, whole numbers stay whole beside fractions.
    numbers = ["without_p2p", "with_p2p", "change"]
    values = [[row[name] for name in numbers] for row in rows]
    table[numbers] = pd.DataFrame(values, columns=numbers, dtype=object)
    return table


def _claims(books: Accounts, load: pd.DataFrame) -> Iterator[dict[str, object]]:
    buyers = books.vehicles[books.vehicles["role"] == "buyer"]
    alone = _grid_only_cost(books, buyers)
    paid = (buyers["paid_peers_ueur"] + buyers["paid_grid_ueur"]).to_numpy(np.int64)
    needed, drawn = int(buyers["need_wh"].sum()), int(buyers["from_grid_wh"].sum())
    peaks = [int(load[name].max()) for name in ("grid_only_w", "with_p2p_w")]
    unmet = needed - drawn - int(buyers["from_peers_wh"].sum())
    yield _row(
        "grid_wh", LOWER_LOAD, "energy that buyers draw from the grid", "Wh", needed, drawn,
        drawn < needed,
    )  # fmt: skip
    yield _row(
        "peak_w", LOWER_LOAD, "highest load on the grid", "W", *peaks, peaks[1] < peaks[0]
    )
    yield _row(
        "unmet_wh", LOWER_COST, "requirement that is not covered", "Wh", 0, unmet, unmet == 0
    )
    yield _row(
        "buyers_cost_ueur", LOWER_COST, "cost of all buyers", "micro-euro",
        int(alone.sum()), int(paid.sum()), int(paid.sum()) < int(alone.sum()),
    )  # fmt: skip
    worse = int((paid > alone).sum())
    yield _row(
        "buyers_worse_off", LOWER_COST, "buyers who pay more than from the grid alone", "buyers",
        0, worse, worse == 0,
    )  # fmt: skip


def _beside(
    options: CaseStudyOptions, run: LotRun, books: Accounts, load: pd.DataFrame
) -> Iterator[dict[str, object]]:
    stays, vehicles = run.stays, books.vehicles
    buyers, sellers = (vehicles[vehicles["role"] == role] for role in ("buyer", "seller"))
    demand, supply = int(stays.bid_cap_wh.sum()), int(stays.ask_cap_wh.sum())
    traded, grid = books.energy.buyers_wh, books.energy.grid_wh
    earned = int(sellers["earned_ueur"].sum())
    replaced = int(sellers["replacement_cost_ueur"].sum())
    wear = int(cost_ueur(sellers["to_peers_wh"].to_numpy(np.int64), options.wear).sum())
    soc = float(buyers["soc_departure"].mean()) if len(buyers) else 0.0
    gap = int((buyers["battery_capacity_wh"] * (1 - buyers["soc_departure"])).sum().round())
    minutes = [
        int((load[columns].sum(axis=1) > 0).sum()) * options.chargers.step_s // 60
        for columns in (["grid_only_w"], ["with_p2p_w", "p2p_w"])
    ]
    ratio = round(supply / demand, 6) if demand else 0.0
    yield _row("required_wh", BESIDE, "required by buyers, Equation (2)", "Wh", demand, demand)
    yield _row("available_wh", BESIDE, "available from sellers, Equation (3)", "Wh", 0, supply)
    yield _row("supply_to_demand", BESIDE, "supply over demand", "ratio", 0, ratio)
    yield _row("traded_wh", BESIDE, "traded among peers, Equation (4)", "Wh", 0, traded)
    yield _row(
        "buyers_soc", BESIDE, "mean state of charge with which buyers leave", "fraction", soc, soc
    )
    yield _row("to_full_wh", BESIDE, "what buyers then lack to a full battery", "Wh", gap, gap)
    yield _row("charging_min", BESIDE, "time until the last buyer is done", "min", *minutes)
    yield _row(
        "missing_wh", BESIDE, "missing from sellers' batteries afterwards", "Wh",
        books.missing_grid_only_wh, books.missing_wh,
    )  # fmt: skip
    yield _row(
        "grid_with_refill_wh", BESIDE, "grid energy once sellers have refilled", "Wh",
        int(run.grid_only_wh.sum()), grid + books.missing_wh,
    )  # fmt: skip
    yield _row("earned_ueur", BESIDE, "sellers' income", "micro-euro", 0, earned)
    yield _row("replacement_ueur", BESIDE, "replacement at home", "micro-euro", 0, replaced)
    yield _row("sellers_net_ueur", BESIDE, "sellers' income after it", "micro-euro", 0,
               earned - replaced)  # fmt: skip
    yield _row("sellers_net_of_wear_ueur", BESIDE, "and after wear of their batteries",
               "micro-euro", 0, earned - replaced - wear)  # fmt: skip


def _grid_only_cost(books: Accounts, buyers: pd.DataFrame) -> np.ndarray:
    tariff = books.grid_tariff
    return cost_ueur(buyers["need_wh"].to_numpy(np.int64), tariff)
