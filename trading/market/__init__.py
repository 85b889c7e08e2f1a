"""Equations (4) and (5): orders in, priced trades out.

`clear` takes and returns tables. `MECHANISMS` holds the same mechanisms on plain arrays, for a
simulation that clears each interval: `order_book` makes their input, `Fills` is what they return.
Those of them that trade at a posted price are `PRIORITIES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import pandas as pd

from trading.errors import OptionError
from trading.market.bilateral import bilateral
from trading.market.book import (
    Fills,
    Mechanism,
    OrderBook,
    Orders,
    PeerPrice,
    order_book,
    order_side,
)
from trading.market.mcafee import mcafee
from trading.market.muda import muda
from trading.market.optimum import optimum
from trading.market.orders import checked_orders, coded_book, orders_of, trade_table
from trading.market.pay_as_bid import pay_as_bid
from trading.market.priority import arrival, largest, neediest
from trading.market.pro_rata import proportional
from trading.market.small import WithoutSmall, leave_small, merge_small
from trading.market.uniform_price import uniform_price

__all__ = [
    "DEFAULT_MECHANISM",
    "MECHANISMS",
    "PRIORITIES",
    "Fills",
    "Mechanism",
    "OrderBook",
    "Orders",
    "PeerPrice",
    "WithoutSmall",
    "clear",
    "leave_small",
    "mechanism_named",
    "merge_small",
    "order_book",
    "order_side",
    "orders_of",
    "trade_table",
]

PRIORITIES: dict[str, Mechanism] = {
    "pro-rata": proportional,
    "arrival": arrival,
    "neediest": neediest,
    "largest": largest,
}
"""Mechanisms that trade at a posted price and say who is served; orders need no limit prices."""

MECHANISMS: dict[str, Mechanism] = {
    **PRIORITIES,
    "uniform-price": uniform_price,
    "pay-as-bid": pay_as_bid,
    "mcafee": mcafee,
    "muda": muda,
    "bilateral": bilateral,
    "optimum": optimum,
}
"""Every mechanism by the name that users type. A new one is a file and a line, here or above."""

# A claimed state of charge should not buy a place in a queue; it sizes the order, and so the share.
DEFAULT_MECHANISM = "pro-rata"


def clear(
    orders: pd.DataFrame, *, mechanism: str = DEFAULT_MECHANISM, price: PeerPrice
) -> pd.DataFrame:
    """Equations (4) and (5): match bids with asks and price every trade.

    FLOW D5.5 section 2.2.4, reconstructed: E_ij = min(remaining E_req,i, remaining E_av,j), both
    reduced by it, many-to-many in the order of the mechanism; C_ij = P * E_ij, rounded down to
    whole micro-euro.

    Args:
        orders: ORDERS table; it is not changed. One without rows gives no trades.
        mechanism: a name in `MECHANISMS`.
        price: what buyers pay and sellers get; an auction takes the lot's fee, its spread.

    Returns:
        TRADES table, each pair at most once, in the order of the buyers' queue, then of the
        sellers'; for `pro-rata` both queues are in order of vehicle id. Ids are ordered by Unicode
        code point, and neither order nor trades depend on the order of the rows.

    Raises:
        TableError: the orders break their schema; all faults are named.
        OptionError: no mechanism has that name.

    >>> import pandas as pd
    >>> book = pd.DataFrame(
    ...     {
    ...         "vehicle_id": ["a", "b", "c"],
    ...         "side": ["buy", "buy", "sell"],
    ...         "energy_wh": [10_000, 5_000, 9_000],
    ...         "soc": [0.35, 0.50, 0.95],
    ...         "arrival": [1, 2, 3],
    ...     }
    ... )
    >>> trades = clear(book, mechanism="pro-rata", price=PeerPrice.same(250_000))
    >>> print(trades[["buyer_id", "seller_id", "energy_wh", "cost_ueur"]].to_string(index=False))
    buyer_id seller_id  energy_wh  cost_ueur
           a         c       6000    1500000
           b         c       3000     750000
    """
    run = mechanism_named(mechanism, among=MECHANISMS)
    coded = coded_book(checked_orders(orders))
    return trade_table(run(coded.book, price), coded.vehicle_ids)


def mechanism_named(
    name: str, *, option: str = "mechanism", among: Mapping[str, Mechanism] = PRIORITIES
) -> Mechanism:
    """The mechanism of that name, which the user gave as `option`.

    Args:
        name: what the user typed.
        option: where.
        among: what can be used there; by default what trades at a posted price.

    Raises:
        OptionError: it is not among them; the message lists those that are, and the nearest, or
            says that the mechanism needs limit prices.
    """
    if name in among:
        return among[name]
    expected = "one of " + ", ".join(among)
    near = get_close_matches(str(name).lower(), among, n=1)
    if name in MECHANISMS:
        expected += f"; {name} finds its price from limit prices, and there are none here"
    elif near:
        expected += f"; did you mean {near[0]!r}?"
    raise OptionError(option, name, expected)
