"""A dishonest engine, on purpose: one wrong trade slipped into a batch after matching.

Every fault passes the contract's own checks (mandates, band, spread, balance), so that only the
operators stand between it and the money. Used by `--engine-fault` and by tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd

from trading.lot import Stays, Terms
from trading.units import cost_ueur

EngineFault = Literal["energy", "price", "cost", "absent"]
EXTRA_WH = 3_000
PRICE_STEP_UEUR = 20_000
SKIM_UEUR = 5_000


def _energy(trades: pd.DataFrame, _stays: Stays, _terms: Terms, _start_s: int) -> pd.DataFrame:
    """The largest trade claims more than its chargers can move in the interval."""
    energy = trades["energy_wh"].to_numpy(np.int64).copy()
    energy[energy.argmax()] += EXTRA_WH
    return trades.assign(energy_wh=energy)


def _price(trades: pd.DataFrame, _stays: Stays, terms: Terms, _start_s: int) -> pd.DataFrame:
    """The first trade is dearer than posted, still below the buyer's limit."""
    buyer = trades["price_ueur_per_kwh"].to_numpy(np.int64).copy()
    seller = trades["seller_price_ueur_per_kwh"].to_numpy(np.int64).copy()
    step = min(PRICE_STEP_UEUR, terms.ceiling() - int(buyer[0]))
    buyer[0] += step
    seller[0] += step
    return trades.assign(price_ueur_per_kwh=buyer, seller_price_ueur_per_kwh=seller)


def _cost(trades: pd.DataFrame, _stays: Stays, _terms: Terms, _start_s: int) -> pd.DataFrame:
    """The first seller gets less than posted; the difference would go to the lot."""
    seller = trades["seller_price_ueur_per_kwh"].to_numpy(np.int64).copy()
    seller[0] -= SKIM_UEUR
    return trades.assign(seller_price_ueur_per_kwh=seller)


def _absent(trades: pd.DataFrame, stays: Stays, _terms: Terms, start_s: int) -> pd.DataFrame:
    """The first trade names a seller that is not in the lot."""
    gone = stays.is_seller & ((stays.departure_s <= start_s) | (stays.arrival_s > start_s))
    wrong = trades.copy()
    if gone.any():
        wrong.loc[0, "seller_id"] = str(stays.ids[np.flatnonzero(gone)[0]])
    return wrong


ENGINE_FAULTS: dict[EngineFault, Callable[[pd.DataFrame, Stays, Terms, int], pd.DataFrame]] = {
    "energy": _energy,
    "price": _price,
    "cost": _cost,
    "absent": _absent,
}


def tamper(
    fault: EngineFault, trades: pd.DataFrame, *, stays: Stays, terms: Terms, start_s: int
) -> pd.DataFrame:
    """`trades` with one of them wrong, costs and incomes recomputed so that they look right."""
    wrong = ENGINE_FAULTS[fault](trades.reset_index(drop=True), stays, terms, start_s)
    wrong = wrong.set_index(trades.index)
    energy = wrong["energy_wh"].to_numpy(np.int64)
    return wrong.assign(
        cost_ueur=cost_ueur(energy, wrong["price_ueur_per_kwh"].to_numpy(np.int64)),
        income_ueur=cost_ueur(energy, wrong["seller_price_ueur_per_kwh"].to_numpy(np.int64)),
    )
