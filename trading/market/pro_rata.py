"""Pro-rata: the side with too much gives or gets in proportion to its orders.

There is no queue to have a place in: what a vehicle gets depends on the sizes of the orders alone.
"""

from __future__ import annotations

import numpy as np

from trading.market.book import Fills, OrderBook, PeerPrice
from trading.market.queues import served, willing_wh
from trading.units import Int64Array


def proportional(book: OrderBook, price: PeerPrice, /) -> Fills:
    """Everyone on the short side trades all of its order, everyone on the long side its share.

    The shares are `shares_wh`. Who trades with whom follows by walking both sides in order of
    vehicle id; a share of 0 Wh is no trade.
    """
    bought_wh, sold_wh = willing_wh(book, price)
    demand_wh, supply_wh = int(bought_wh.sum()), int(sold_wh.sum())
    if demand_wh > supply_wh:
        bought_wh = shares_wh(bought_wh, supply_wh)
    else:
        sold_wh = shares_wh(sold_wh, demand_wh)
    return served(price, book.buyers.code, bought_wh, book.sellers.code, sold_wh)


def shares_wh(orders_wh: Int64Array, total_wh: int) -> Int64Array:
    """`total_wh` split over orders in proportion to them, in whole Wh and exactly.

    Each order first gets its proportional share rounded down. The Wh still left go one each to the
    largest remainders (Hamilton's method), equal remainders in order of position.

    Args:
        orders_wh: Wh of each order, 0 to 2**32 - 1, shape (n,).
        total_wh: Wh to hand out, from 0 to the sum of the orders.

    Returns:
        Wh for each order, shape (n,), never above the order; the sum is `total_wh`.

    >>> import numpy as np
    >>> shares_wh(np.array([5, 5, 10]), 9).tolist()
    [2, 2, 5]
    """
    sum_wh = int(orders_wh.sum())
    if total_wh == sum_wh:
        return orders_wh
    # Python integers where order * total could pass 63 bits: 30 times slower, and needed only
    # beyond some 10**14 Wh on one side with orders of 100 kWh.
    exact = orders_wh
    if int(orders_wh.max()) * total_wh >= 2**63:
        exact = orders_wh.astype(object)
    product = exact * total_wh
    floor = product // sum_wh
    remainder = (product - floor * sum_wh).astype(np.int64)
    shares = floor.astype(np.int64)
    shares[_largest(remainder, total_wh - int(shares.sum()))] += 1
    return shares


def _largest(values: Int64Array, n: int) -> Int64Array:
    """Positions of the `n` largest values, the first of equal ones; found without a full sort."""
    if n == 0:
        return np.empty(0, dtype=np.int64)
    least = np.partition(values, len(values) - n)[len(values) - n]
    above = (values > least).nonzero()[0]
    level = (values == least).nonzero()[0][: n - len(above)]
    return np.concatenate((above, level))
