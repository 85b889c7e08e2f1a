"""Bilateral trades by preference: one's own group first, then the source one likes, then anyone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from trading.errors import OptionError
from trading.market.book import Fills, OrderBook, PeerPrice
from trading.market.crossing import queue_by_price
from trading.market.queues import Pairs, pair
from trading.units import MAX_U32, Int64Array

Preference = Literal["group", "energy_source"]
PairPrice = Literal["posted", "midpoint"]
PREFERENCES: tuple[Preference, ...] = ("group", "energy_source")


def bilateral(
    book: OrderBook,
    price: PeerPrice,
    /,
    *,
    preferences: Sequence[Preference] = PREFERENCES,
    pair_price: PairPrice = "posted",
) -> Fills:
    """Serve each preference in turn, and everyone with anyone at the end.

    In the round of a preference, buyers trade with sellers of the same value in that column, those
    without a value wait. Within a round and a value the dearest bid meets the cheapest ask, equal
    ones by arrival and then by vehicle id, as long as the two agree. What is then left of the
    orders goes into the next round.

    A pair has a price of its own:

    - `posted`, the default: the buyer's price of `price`, or the nearest to it that suits both;
    - `midpoint`: the middle of the buyer's ceiling and the seller's floor with the fee, rounded
      down. It needs a book with limit prices, as those that stand for none are at the scale's ends.

    The seller gets the lot's fee less. Preferences cost energy and welfare: who trades with a
    partner it likes may keep two others apart.

    Args:
        book: the orders; without `group` and `energy_source` there is the last round alone.
        price: the posted price, and in its spread the lot's fee.
        preferences: columns in the order of the rounds.
        pair_price: which price between the two limits.

    Returns:
        Fills in the order of the rounds; within one in the order of the value's code, then of the
        buyers' queue (highest ceiling first), then of the sellers'.

    Raises:
        OptionError: an unknown preference or price.
    """
    for preference in preferences:
        if preference not in PREFERENCES:
            raise OptionError("preferences", preference, "group or energy_source")
    if pair_price not in get_args(PairPrice):
        raise OptionError("pair_price", pair_price, "posted or midpoint")
    fee = price.spread_ueur_per_kwh
    ceilings, floors = book.ceilings(), book.floors() + fee
    left_wh = book.buyers.energy_wh.copy(), book.sellers.energy_wh.copy()
    rounds = []
    for values in (*_values_of(book, preferences), _everyone(book)):
        found = _round(book, values, left_wh)
        agree = ceilings[found.buyer] >= floors[found.seller]
        found = Pairs(
            buyer=found.buyer[agree], seller=found.seller[agree], energy_wh=found.energy_wh[agree]
        )
        np.subtract.at(left_wh[0], found.buyer, found.energy_wh)
        np.subtract.at(left_wh[1], found.seller, found.energy_wh)
        rounds.append(found)
    buyer = np.concatenate([found.buyer for found in rounds])
    seller = np.concatenate([found.seller for found in rounds])
    if pair_price == "midpoint":
        paid = (ceilings[buyer] + floors[seller]) // 2
    else:
        paid = np.clip(price.buyer_ueur_per_kwh, floors[seller], ceilings[buyer])
    return Fills(
        buyer=book.buyers.code[buyer],
        seller=book.sellers.code[seller],
        energy_wh=np.concatenate([found.energy_wh for found in rounds]),
        price_ueur_per_kwh=paid,
        seller_price_ueur_per_kwh=paid - fee,
    )


_Sides = tuple[Int64Array, Int64Array]


def _values_of(book: OrderBook, preferences: Sequence[Preference]) -> list[_Sides]:
    """The values of buyers and sellers in each column that both sides have."""
    columns = [(getattr(book.buyers, name), getattr(book.sellers, name)) for name in preferences]
    return [(ours, theirs) for ours, theirs in columns if ours is not None and theirs is not None]


def _everyone(book: OrderBook) -> _Sides:
    return np.zeros(len(book.buyers), np.int64), np.zeros(len(book.sellers), np.int64)


def _round(book: OrderBook, values: _Sides, left_wh: _Sides) -> Pairs:
    """Dearest with cheapest within each value, as positions of the book's sides.

    All values are walked at once: each gets a stretch of its own on both rulers, as long as its
    longer side, and what its shorter side lacks is filled by an order that nobody placed.
    """
    keys = (MAX_U32 - book.ceilings(), book.floors())
    # Codes may be any whole numbers; their ranks make a short table.
    names = np.unique(np.concatenate(values))
    names = names[names >= 0]
    queues, ranks, sums = [], [], []
    for key, value, side, wh in zip(
        keys, values, (book.buyers, book.sellers), left_wh, strict=True
    ):
        by_price = queue_by_price(key, side)
        by_value = by_price[np.argsort(value[by_price], kind="stable")]
        queue = by_value[value[by_value] >= 0]
        rank = np.searchsorted(names, value[queue])
        total_wh = np.zeros(len(names), dtype=np.int64)
        np.add.at(total_wh, rank, wh[queue])
        queues.append(queue)
        ranks.append(rank)
        sums.append(total_wh)
    padded = [
        _padded(queue, rank, wh[queue], np.maximum(other - own, 0))
        for queue, rank, wh, own, other in zip(
            queues, ranks, left_wh, sums, reversed(sums), strict=True
        )
    ]
    pairs = pair(padded[0][1], padded[1][1])
    buyer, seller = padded[0][0][pairs.buyer], padded[1][0][pairs.seller]
    is_real = (buyer >= 0) & (seller >= 0)
    return Pairs(buyer=buyer[is_real], seller=seller[is_real], energy_wh=pairs.energy_wh[is_real])


def _padded(
    queue: Int64Array, rank: Int64Array, wh: Int64Array, missing_wh: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """A queue with an order at position -1 after each value, of what that value lacks."""
    after = np.searchsorted(rank, np.arange(len(missing_wh)), side="right")
    return np.insert(queue, after, -1), np.insert(wh, after, missing_wh)
