"""Which claim of the case study holds under which assumption: a run of its own for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from trading.engine.case_claims import grid_only_cost_ueur, rounding_ueur, supply_to_demand
from trading.engine.case_fleet import BARE, MAX_VEHICLES, CaseStudyOptions, fleet_of, sessions_of
from trading.engine.case_load import load_over_time
from trading.fleet import roles
from trading.lot import Accounts, Efficiency, LotRun, accounts_of, simulate_lot
from trading.lot.stays import PUBLISHED_V2G_SHARE
from trading.market import mechanism_named
from trading.units import MAX_U32, UEUR_PER_EUR

TRUTH_COLUMNS = (
    "assumption",
    "price_ueur_per_kwh",
    "grid_tariff_ueur_per_kwh",
    "refill",
    "refill_price_ueur_per_kwh",
    "wear_ueur_per_kwh",
    "efficiency_one_way",
    "supply_to_demand",
    "traded_wh",
    "grid_only_wh",
    "with_p2p_wh",
    "with_refill_wh",
    "peak_grid_only_w",
    "peak_with_p2p_w",
    "missing_wh",
    "buyers_gain_ueur",
    "sellers_gain_ueur",
    "replacement_ueur",
    "lot_sales_change_ueur",
    "is_grid_energy_lower",
    "is_peak_lower",
    "is_grid_energy_lower_with_refill",
    "is_buyers_cost_lower",
    "is_sellers_gain_positive",
    "is_joint_gain_positive",
    "borne_by",
)
"""Columns of the truth table.

`with_p2p_wh` is drawn from the lot's grid, refills in the lot included; `with_refill_wh` adds what
sellers draw at home. Gains count replacement and, where `wear_ueur_per_kwh` says so, wear; both
together are `is_joint_gain_positive`, and `borne_by` names the drivers who are worse off.
`lot_sales_change_ueur` is what the lot sells more, or less, of the grid's energy."""

Refill = Literal["nobody refills", "at home", "in the lot"]
PRICE_STEP = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """One row of assumptions; the defaults are those of the run itself.

    Attributes:
        words: what the row assumes, as the reader sees it.
        options: numbers of vehicles, prices, order of charging.
        refill: where sellers draw again what they sold.
        efficiency: between meter and battery.
        wear: counted for a kWh sold, ueur.
        v2g_share: share of the vehicles that can discharge.
        until_full: buyers need a full battery and not T_b.
    """

    words: str
    options: CaseStudyOptions
    refill: Refill = "at home"
    efficiency: Efficiency = BARE
    wear: int = 0
    v2g_share: float = 1.0
    until_full: bool = False

    @property
    def refill_price(self) -> int:
        """What a seller pays for a kWh that it draws again, ueur."""
        prices = {"nobody refills": 0, "at home": self.options.replacement}
        return prices.get(self.refill, self.options.grid_tariff)


def truth_table(options: CaseStudyOptions) -> pd.DataFrame:
    """Run the case study under each assumption: one row each, columns `TRUTH_COLUMNS`.

    No ledger is involved; with honest operators it changes nothing.
    """
    return pd.DataFrame([row_of(case) for case in cases(options)], columns=list(TRUTH_COLUMNS))


def cases(options: CaseStudyOptions) -> Sequence[Assumed]:
    """The rows of the truth table: the run itself, then one assumption changed at a time."""
    tariff, home = options.grid_tariff, options.replacement
    dearer = min(tariff + PRICE_STEP, MAX_U32 // 2)
    few, enough = max(1, options.sellers // 4), _sellers_that_suffice(options)
    losses = Efficiency()
    loss_words = f"losses, efficiency {losses.charge_ppm / 1e6:g} each way"
    last = replace(options, chargers=replace(options.chargers, order="grid first"))
    return (
        Assumed(words="sellers never refill, and nobody counts it", options=options,
                refill="nobody refills"),
        Assumed(words=f"as run: sellers refill at home at {_price(home)}", options=options),
        Assumed(words=f"sellers refill at home at the lot's {_price(tariff)}",
                options=replace(options, replacement=tariff)),
        Assumed(words="sellers refill in the same lot", options=options, refill="in the lot"),
        Assumed(words=f"price equal to the tariff, {_price(tariff)}",
                options=replace(options, price=max(tariff, 1_000))),
        Assumed(words=f"price above the tariff, {_price(dearer)}",
                options=replace(options, price=dearer)),
        Assumed(words=f"wear of {_price(options.wear)} counted", options=options,
                wear=options.wear),
        Assumed(words=loss_words, options=options, efficiency=losses),
        Assumed(words="losses and wear", options=options, efficiency=losses, wear=options.wear),
        Assumed(words="buyers draw from the grid first, from peers last", options=last),
        Assumed(words=f"fewer sellers: {few}", options=replace(options, sellers=few)),
        Assumed(words=f"sellers enough for all: {enough}",
                options=replace(options, sellers=enough)),
        Assumed(words=f"{PUBLISHED_V2G_SHARE * 100:g} % of the vehicles can discharge",
                options=options, v2g_share=PUBLISHED_V2G_SHARE),
        Assumed(words="buyers need a full battery", options=options, until_full=True),
    )  # fmt: skip


def row_of(case: Assumed) -> dict[str, object]:
    """Run one case and read its claims off its books."""
    options = case.options
    run = _run(case)
    books = accounts_of(run)
    in_lot = case.refill == "in the lot"
    load = load_over_time(run, replace(options.chargers, refill_here=in_lot))
    peak, peak_with = int(load["grid_only_w"].max()), int(load["with_p2p_w"].max())
    refilled = 0
    if case.refill != "nobody refills":
        gave = np.array([books.missing_wh], dtype=np.int64)
        refilled = int(case.efficiency.charge_for(gave)[0])
    alone, drawn = int(run.grid_only_wh.sum()), books.energy.grid_wh
    lot = drawn + (refilled if in_lot else 0)
    sales = books.money.lot_energy + (books.replacement_ueur if in_lot else 0)
    return {
        "assumption": case.words,
        "price_ueur_per_kwh": options.price,
        "grid_tariff_ueur_per_kwh": options.grid_tariff,
        "refill": case.refill,
        "refill_price_ueur_per_kwh": case.refill_price,
        "wear_ueur_per_kwh": case.wear,
        "efficiency_one_way": case.efficiency.charge_ppm / 1e6,
        "supply_to_demand": supply_to_demand(run),
        "traded_wh": books.energy.buyers_wh,
        "grid_only_wh": alone,
        "with_p2p_wh": lot,
        "with_refill_wh": drawn + refilled,
        "peak_grid_only_w": peak,
        "peak_with_p2p_w": peak_with,
        "missing_wh": 0 if in_lot else books.missing_wh,
        "buyers_gain_ueur": books.buyers_gain_ueur,
        "sellers_gain_ueur": books.sellers_gain_ueur,
        "replacement_ueur": books.replacement_ueur,
        "lot_sales_change_ueur": sales - int(grid_only_cost_ueur(run).sum()),
        "is_grid_energy_lower": lot < alone,
        "is_peak_lower": peak_with < peak,
        "is_grid_energy_lower_with_refill": drawn + refilled < alone,
        "is_buyers_cost_lower": books.buyers_gain_ueur > rounding_ueur(run),
        "is_sellers_gain_positive": books.sellers_gain_ueur > 0,
        "is_joint_gain_positive": books.buyers_gain_ueur + books.sellers_gain_ueur > 0,
        "borne_by": _borne_by(books),
    }


def _run(case: Assumed) -> LotRun:
    options = case.options
    fleet = fleet_of(buyers=options.buyers, sellers=options.sellers, seed=options.seed)
    sessions = sessions_of(fleet, options, efficiency=case.efficiency, until_full=case.until_full)
    rules = replace(options.rules(), efficiency=case.efficiency, v2g_share=case.v2g_share)
    terms = replace(options.terms(), replacement=case.refill_price, wear=case.wear)
    mechanism = mechanism_named(options.mechanism, option="priority")
    return simulate_lot(sessions, rules=rules, terms=terms, mechanism=mechanism)


def _sellers_that_suffice(options: CaseStudyOptions) -> int:
    """The fewest sellers whose energy covers all buyers, or as many as there may be."""
    fleet = fleet_of(buyers=options.buyers, sellers=MAX_VEHICLES, seed=options.seed)
    limits = options.thresholds
    table = roles(
        fleet,
        buyer_threshold=limits.buyer,
        seller_threshold=limits.seller,
        strict=limits.strict,
    )
    supply = table["available_wh"].to_numpy()[options.buyers :].cumsum()
    demand = int(table["required_wh"].to_numpy()[: options.buyers].sum())
    return min(int(np.searchsorted(supply, demand)) + 1, MAX_VEHICLES)


def _borne_by(books: Accounts) -> str:
    gains = {"buyers": books.buyers_gain_ueur, "sellers": books.sellers_gain_ueur}
    return " and ".join(who for who, gain in gains.items() if gain < 0) or "nobody"


def _price(ueur: int) -> str:
    return f"{ueur / UEUR_PER_EUR:.2f} EUR/kWh"
