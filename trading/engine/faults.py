"""A dishonest engine, on purpose: one wrong trade slipped into a batch after matching.

Every fault passes the contract's own checks (mandates, band, spread, balance), so that only the
operators stand between it and the money. Used by `--engine-fault` and by tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from trading.errors import OptionError
from trading.lot import Stays, Terms
from trading.units import cost_ueur

EngineFault = Literal["energy", "price", "cost", "absent"]
EXTRA_WH = 3_000
PRICE_STEP_UEUR = 20_000
SKIM_UEUR = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a liar knows: who is where, and how far both prices may move unnoticed by mandates."""

    stays: Stays
    highest_buyer_price: int
    lowest_seller_price: int
    start_s: int


def _energy(trades: pd.DataFrame, _scene: Scene) -> pd.DataFrame | None:
    """The largest trade claims more than its chargers can move in the interval."""
    energy = trades["energy_wh"].to_numpy(np.int64).copy()
    energy[energy.argmax()] += EXTRA_WH
    return trades.assign(energy_wh=energy)


def _price(trades: pd.DataFrame, scene: Scene) -> pd.DataFrame | None:
    """The first trade is dearer than posted, or cheaper where it cannot be dearer."""
    buyer = trades["price_ueur_per_kwh"].to_numpy(np.int64).copy()
    seller = trades["seller_price_ueur_per_kwh"].to_numpy(np.int64).copy()
    step = min(PRICE_STEP_UEUR, scene.highest_buyer_price - int(buyer[0]))
    if step <= 0:
        step = -min(PRICE_STEP_UEUR, int(seller[0]) - scene.lowest_seller_price)
    buyer[0] += step
    seller[0] += step
    changed = trades.assign(price_ueur_per_kwh=buyer, seller_price_ueur_per_kwh=seller)
    return changed if step else None


def _cost(trades: pd.DataFrame, scene: Scene) -> pd.DataFrame | None:
    """The first seller gets less than posted; the difference would go to the lot."""
    seller = trades["seller_price_ueur_per_kwh"].to_numpy(np.int64).copy()
    skimmed = min(SKIM_UEUR, int(seller[0]) - scene.lowest_seller_price)
    seller[0] -= skimmed
    return trades.assign(seller_price_ueur_per_kwh=seller) if skimmed > 0 else None


def _absent(trades: pd.DataFrame, scene: Scene) -> pd.DataFrame | None:
    """The first trade names a seller that is not in the lot."""
    stays = scene.stays
    away = (stays.departure_s <= scene.start_s) | (stays.arrival_s > scene.start_s)
    gone = np.flatnonzero((stays.ask_cap_wh > 0) & away)
    if not len(gone):
        return None
    seller = trades["seller_id"].to_numpy(dtype=object).copy()
    seller[0] = stays.ids[gone[0]]
    return trades.assign(seller_id=pd.Series(seller, index=trades.index, dtype="str"))


ENGINE_FAULTS: dict[EngineFault, Callable[[pd.DataFrame, Scene], pd.DataFrame | None]] = {
    "energy": _energy,
    "price": _price,
    "cost": _cost,
    "absent": _absent,
}


def engine_fault_named(name: str) -> EngineFault:
    """The fault of this name.

    Raises:
        OptionError: there is none.
    """
    for fault in ENGINE_FAULTS:
        if fault == name:
            return fault
    raise OptionError("engine_fault", name, "one of " + ", ".join(ENGINE_FAULTS))


class OneLie:
    """An engine that lies once: in its batch number `at`, or the first after in which it can.

    Attributes:
        told: whether it has lied.
    """

    def __init__(self, fault: EngineFault, terms: Terms, *, at: int = 1) -> None:
        """A lie of this kind, in a lot with these prices; batches are counted from 1."""
        self._fault, self._terms, self._before = fault, terms, at - 1
        self.told = False

    def __call__(self, trades: pd.DataFrame, stays: Stays, start_s: int) -> pd.DataFrame:
        """The trades of one batch, with a wrong one among them if it is time for that."""
        if self._before > 0:
            self._before -= 1
            return trades
        if self.told:
            return trades
        wrong = tamper(self._fault, trades, stays=stays, terms=self._terms, start_s=start_s)
        self.told = wrong is not None
        return trades if wrong is None else wrong


def tamper(
    fault: EngineFault, trades: pd.DataFrame, *, stays: Stays, terms: Terms, start_s: int
) -> pd.DataFrame | None:
    """`trades` with one of them wrong, costs and incomes recomputed so that they look right.

    None where this lie is not possible here, such as a price with no room to move.
    """
    rules = stays.rules
    posted = terms.peer_price(rules.guarantee, rules.efficiency)
    floor = terms.floor(rules.guarantee, rules.efficiency)
    scene = Scene(
        stays=stays,
        highest_buyer_price=max(terms.ceiling(), posted.buyer_ueur_per_kwh),
        lowest_seller_price=min(floor, posted.seller_ueur_per_kwh),
        start_s=start_s,
    )
    wrong = ENGINE_FAULTS[fault](trades, scene)
    if wrong is None:
        return None
    energy = wrong["energy_wh"].to_numpy(np.int64)
    return wrong.assign(
        cost_ueur=cost_ueur(energy, wrong["price_ueur_per_kwh"].to_numpy(np.int64)),
        income_ueur=cost_ueur(energy, wrong["seller_price_ueur_per_kwh"].to_numpy(np.int64)),
    )
