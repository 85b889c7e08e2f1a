"""How fast an order book clears: medians by size and mechanism, volumes checked.

    python -m benchmarks.clearing                    every auction, 1k to 1M orders
    python -m benchmarks.clearing --mechanism uniform-price --max-orders 100000

and the optimum of one day: 55 chargers that are there all day, 96 intervals, 11 kW each.

The book: half bids, half asks, sizes of 0.1 to 60 kWh and limit prices of 0.10 to 0.50 EUR/kWh,
drawn evenly, in order of vehicle id. Timed are two spans. "Match": from the two sides as arrays to
fills. "Table": from a validated table of orders, with integer codes for vehicle ids, to the table
of trades with ids, prices and costs. Not timed: making the book, and what `clear` adds to it
(checking a table, and ranking its ids). Peak memory is what Python and numpy allocate from table to
table, the table of orders not counted.
"""

from __future__ import annotations

import argparse
import os
import platform
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.timing import Timing, peak_mb, timed
from trading.market import (
    MECHANISMS,
    Mechanism,
    OrderBook,
    Orders,
    PeerPrice,
    order_side,
    trade_table,
)
from trading.market.schedule import Horizon, best_day

SIZES = (1_000, 10_000, 100_000, 1_000_000)
PRICE = PeerPrice(buyer_ueur_per_kwh=300_000, seller_ueur_per_kwh=300_000)
SEED = 2019

#: Milliseconds that issue 4 allows on two cores, by number of orders, for `uniform-price`.
BARS_MS = {100_000: 25.0, 1_000_000: 400.0}

#: Seconds that it allows for the optimum of a day.
DAY_BAR_S = 1.0

#: Mechanisms that promise the largest volume any one price allows.
EXACT = ("uniform-price", "pay-as-bid", "optimum")

_OF_AN_ORDER = ("code", "energy_wh", "soc", "limit_price_ueur_per_kwh")


class VolumeError(Exception):
    """A mechanism traded more than exists at one price, or less than it promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mechanism on one size of book."""

    mechanism: str
    orders: int
    trades: int
    match: Timing
    table: Timing
    volume_wh: int
    optimum_wh: int
    peak_mb: float


def random_book(n_orders: int, seed: int = SEED) -> OrderBook:
    """Half bids, half asks; codes are dealt at random so that neither side is a block of them."""
    random = np.random.default_rng(seed)
    codes = random.permutation(n_orders)

    def side(code: np.ndarray) -> Orders:
        n = len(code)
        return order_side(
            code=np.sort(code),
            energy_wh=random.integers(100, 60_000, n, endpoint=True),
            soc=random.uniform(0.0, 1.0, n),
            limit_price_ueur_per_kwh=random.integers(100_000, 500_000, n, endpoint=True),
        )

    return OrderBook(buyers=side(codes[: n_orders // 2]), sellers=side(codes[n_orders // 2 :]))


def optimum_wh(book: OrderBook) -> int:
    """The largest energy that both sides agree to at one price: sort, cumulate, compare.

    Written apart from the code under test: it walks over prices, not over orders.
    """
    bids, asks = book.ceilings(), book.floors()
    prices = np.unique(np.concatenate((bids, asks)))
    bid_order, ask_order = np.argsort(bids), np.argsort(asks)
    demand = np.concatenate(([0], np.cumsum(book.buyers.energy_wh[bid_order])))
    supply = np.concatenate(([0], np.cumsum(book.sellers.energy_wh[ask_order])))
    wanted = demand[-1] - demand[np.searchsorted(bids[bid_order], prices, side="left")]
    offered = supply[np.searchsorted(asks[ask_order], prices, side="right")]
    return int(np.minimum(wanted, offered).max())


def order_table(book: OrderBook) -> pd.DataFrame:
    """The book as one table, a row an order, in order of code; `is_bid` tells the side."""
    sides = [
        pd.DataFrame({name: getattr(side, name) for name in _OF_AN_ORDER}).assign(is_bid=is_bid)
        for side, is_bid in ((book.buyers, True), (book.sellers, False))
    ]
    return pd.concat(sides).sort_values("code", ignore_index=True)


def clear_table(
    orders: pd.DataFrame, mechanism: Mechanism, vehicle_ids: npt.NDArray[np.object_]
) -> pd.DataFrame:
    """From the table of orders to the table of trades."""
    is_bid = orders["is_bid"].to_numpy()
    columns = {name: orders[name].to_numpy() for name in _OF_AN_ORDER}
    buyers, sellers = (
        order_side(**{name: values[rows] for name, values in columns.items()})
        for rows in (np.flatnonzero(is_bid), np.flatnonzero(~is_bid))
    )
    return trade_table(mechanism(OrderBook(buyers=buyers, sellers=sellers), PRICE), vehicle_ids)


def measure(name: str, mechanism: Mechanism, book: OrderBook, *, repeats: int) -> Row:
    """Check the volume, then time; the first run warms up and is not counted.

    Raises:
        VolumeError: the mechanism promises the largest volume, and its trades do not have it.
    """
    orders = order_table(book)
    vehicle_ids = np.array([f"ev-{number:07d}" for number in range(len(orders))], dtype=object)
    trades = clear_table(orders, mechanism, vehicle_ids)
    volume_wh, best_wh = int(trades["energy_wh"].sum()), optimum_wh(book)
    if name in EXACT and volume_wh != best_wh:
        raise VolumeError(f"{name} trades {volume_wh} Wh, the exact optimum is {best_wh} Wh")
    return Row(
        mechanism=name,
        orders=len(orders),
        trades=len(trades),
        match=timed(lambda: mechanism(book, PRICE), repeats=repeats),
        table=timed(lambda: clear_table(orders, mechanism, vehicle_ids), repeats=repeats),
        volume_wh=volume_wh,
        optimum_wh=best_wh,
        peak_mb=peak_mb(lambda: clear_table(orders, mechanism, vehicle_ids)),
    )


def day_book(n_chargers: int = 55, seed: int = SEED) -> OrderBook:
    """A lot whose every vehicle could trade in every interval: the most variables it can have."""
    book = random_book(n_chargers, seed)

    def all_day(side: Orders) -> Orders:
        n = len(side)
        return replace(
            side,
            earliest_s=np.zeros(n, dtype=np.int64),
            latest_s=np.full(n, 86_400),
            power_limit_w=np.full(n, 11_000),
        )

    return OrderBook(buyers=all_day(book.buyers), sellers=all_day(book.sellers))


def measure_day(*, repeats: int) -> Timing:
    """The day's linear program; the run that warms up imports the solver."""
    book = day_book()
    horizon = Horizon(start_s=0, interval_s=900, n_intervals=96)
    return timed(lambda: best_day(book, PRICE, horizon=horizon), repeats=repeats)


def heading() -> str:
    """What stands above `line`."""
    return (
        f"{'mechanism':<26}{'orders':>10}{'match':>12}{'table':>12}{'CPU':>12}{'peak':>10}"
        f"{'volume':>20}"
    )


def line(row: Row) -> str:
    """A row as text; `CPU` is of the table's span."""
    return (
        f"{row.mechanism:<26}{row.orders:>10,}{row.match.median_ms:>9.2f} ms"
        f"{row.table.median_ms:>9.2f} ms{row.table.cpu_s * 1e3:>9.2f} ms{row.peak_mb:>7.1f} MB"
        f"{row.volume_wh / row.optimum_wh:>12.4%} of best"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mechanism", action="append", choices=MECHANISMS, metavar="NAME")
    parser.add_argument("--max-orders", type=int, default=SIZES[-1])
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores")
    print(heading())
    for n_orders in (size for size in SIZES if size <= options.max_orders):
        book = random_book(n_orders)
        for name in options.mechanism or MECHANISMS:
            row = measure(name, MECHANISMS[name], book, repeats=options.repeats)
            bar = BARS_MS.get(n_orders) if name == "uniform-price" else None
            print(line(row) + ("" if bar is None else f"  bar {bar:g} ms"))
    if options.mechanism is None:
        day = measure_day(repeats=options.repeats)
        print(f"optimum of a day, 55 chargers, 96 intervals: {day.median_s:.3f} s")


if __name__ == "__main__":
    main()
