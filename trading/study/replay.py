"""A run walked through again, with its trades as they were: what each interval knew and offered.

A `LotRun` keeps what flowed, not the state in which each trade was made. A lot is deterministic, so
a second one that lets the same trades flow passes through the same states.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trading.lot import Lot, LotRun, Offers, intervals_of
from trading.market import Fills
from trading.units import Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An interval with bids and asks, as it was at its gate closure.

    Attributes:
        start_s: Unix time at which power begins to flow.
        offers: what was bid and asked.
        ceilings, floors: of all sessions, ueur per kWh.
        fills: what was agreed; without rows where nothing was.
    """

    start_s: int
    offers: Offers
    ceilings: Int64Array
    floors: Int64Array
    fills: Fills


def replayed(run: LotRun) -> Iterator[Moment]:
    """The intervals of `run` in which there were both bids and asks, in order."""
    stays = run.stays
    lot = Lot(stays, run.terms)
    starts = run.trades["interval_start"].dt.as_unit("s").astype("int64").to_numpy(np.int64)
    agreed = _fills(run)
    for interval in intervals_of(stays):
        first, last = np.searchsorted(starts, [interval.start_s, interval.start_s + 1])
        fills = agreed.take(np.arange(first, last))
        offers = lot.offers(interval)
        if offers is not None:
            ceilings, floors = lot.limits(interval.start_s)
            yield Moment(
                start_s=interval.start_s,
                offers=offers,
                ceilings=ceilings,
                floors=floors,
                fills=fills,
            )
        lot.flow(interval, fills if len(fills) else None)


def _fills(run: LotRun) -> Fills:
    trades, ids = run.trades, run.stays.ids
    return Fills(
        buyer=np.searchsorted(ids, trades["buyer_id"].to_numpy(dtype=object)),
        seller=np.searchsorted(ids, trades["seller_id"].to_numpy(dtype=object)),
        energy_wh=trades["energy_wh"].to_numpy(np.int64),
        price_ueur_per_kwh=trades["price_ueur_per_kwh"].to_numpy(np.int64),
        seller_price_ueur_per_kwh=trades["seller_price_ueur_per_kwh"].to_numpy(np.int64),
    )
