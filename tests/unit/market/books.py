"""Books as a person would write them: (Wh, limit) a row, buyers first, codes in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trading.market import Fills, OrderBook, Orders, order_side

Row = tuple[int, int]


def side(rows: Sequence[Row], first_code: int, **others: Sequence[int] | None) -> Orders:
    n = len(rows)
    table = np.array(rows, dtype=np.int64).reshape(n, 2)
    return order_side(
        code=np.arange(first_code, first_code + n),
        energy_wh=table[:, 0],
        soc=np.full(n, 0.5),
        limit_price_ueur_per_kwh=table[:, 1],
        **{name: None if v is None else np.array(v) for name, v in others.items()},
    )


def book_of(bids: Sequence[Row], asks: Sequence[Row]) -> OrderBook:
    return OrderBook(buyers=side(bids, 0), sellers=side(asks, len(bids)))


def rows_of(fills: Fills) -> list[tuple[int, ...]]:
    """(buyer, seller, Wh, buyer's price, seller's price) of each fill."""
    columns = [getattr(fills, name).tolist() for name in Fills.__slots__]
    return list(zip(*columns, strict=True))
