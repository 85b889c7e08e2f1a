"""What a charger's meter proves of a battery whose state of charge is only told.

An AC charger does not see a battery. Where the state of charge at arrival comes from a source that
is not trusted by itself, as when the driver typed it in, then only energy that the meter of this
stay fed in is surely there. It can be given back, less the losses of both ways, within what the
stay and the charger's power allow, which other rules check. Until something was metered, nothing is
proven, and nothing is sold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from trading.chain.rebuild import Ledger
from trading.lot import Lot, Offers, Stays
from trading.lot.stays import BoolArray
from trading.market import OrderBook
from trading.units import Int64Array

_NO_LIMIT = np.iinfo(np.int64).max


def proven_wh(lot: Lot) -> Int64Array:
    """What each session may have sold in all, at its meter, by what it was fed in its stay."""
    proven: Int64Array = lot.rules.efficiency.discharge_from(lot.gained_wh)
    return proven


def may_still_sell_wh(lot: Lot, trusted_soc: Collection[str]) -> Int64Array:
    """What provenance leaves each session to sell, in Wh; no limit where its source is trusted."""
    is_trusted = lot.stays.table["soc_source"].isin(list(trusted_soc)).to_numpy()
    left = np.maximum(proven_wh(lot) - lot.promised_wh, 0)
    return np.where(is_trusted, _NO_LIMIT, left)


def taking_part(
    ledger: Ledger, code_of_account: Mapping[int, int], *, n: int, gate_s: int
) -> BoolArray:
    """Which of `n` sessions have an account with a mandate that is valid at a gate closure."""
    enabled = np.zeros(n, np.bool_)
    for number, code in code_of_account.items():
        mandate = ledger.accounts[number].mandate
        enabled[code] = mandate is not None and mandate.valid_until >= gate_s
    return enabled


def admitted(
    offers: Offers, lot: Lot, *, enabled: BoolArray, trusted_soc: Collection[str]
) -> Offers:
    """The offers of those who take part, sellers within what is proven of their batteries.

    Engine and operators both hold the market over these.
    """
    buyers, sellers = offers.book.buyers, offers.book.sellers
    most_wh = may_still_sell_wh(lot, trusted_soc)[sellers.code]
    sellers = replace(sellers, energy_wh=np.minimum(sellers.energy_wh, most_wh))
    book = OrderBook(
        buyers=buyers.take(enabled[buyers.code]),
        sellers=sellers.take(enabled[sellers.code] & (sellers.energy_wh > 0)),
    )
    return replace(offers, book=book)


def resting_on(stays: Stays, codes: Collection[int]) -> dict[str, int]:
    """How many of these sessions there are by the source of their state of charge."""
    sources = stays.table["soc_source"].iloc[sorted(set(codes))]
    return {str(name): int(count) for name, count in sorted(sources.value_counts().items())}
