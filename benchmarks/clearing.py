"""How fast an order book clears: medians by size and mechanism, volumes checked.

    python benchmarks/clearing.py                    every auction, 1k to 1M orders
    python benchmarks/clearing.py --mechanism uniform-price --max-orders 100000

and the optimum of one day: 55 chargers that are there all day, 96 intervals, 11 kW each.

The book: half bids, half asks, sizes of 0.1 to 60 kWh and limit prices of 0.10 to 0.50 EUR/kWh,
drawn evenly. Timed: from validated arrays with integer codes to fills; not timed: making the book,
and turning fills into a table. Peak memory is what Python and numpy allocate during one clearing,
the book not counted.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import time
import tracemalloc
from dataclasses import dataclass, replace

import numpy as np

from trading.market import MECHANISMS, Mechanism, OrderBook, Orders, PeerPrice, order_side
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


class VolumeError(Exception):
    """A mechanism traded more than exists at one price, or less than it promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mechanism on one size of book."""

    mechanism: str
    orders: int
    median_ms: float
    spread_ms: float
    volume_wh: int
    optimum_wh: int
    fills: int
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


def measure(name: str, mechanism: Mechanism, book: OrderBook, *, repeats: int) -> Row:
    """Check the volume, then time; the first run warms up and is not counted."""
    fills = mechanism(book, PRICE)
    volume_wh, best_wh = int(fills.energy_wh.sum()), optimum_wh(book)
    if name in EXACT and volume_wh != best_wh:
        raise VolumeError(f"{name} trades {volume_wh} Wh, the exact optimum is {best_wh} Wh")
    times_ms = []
    for _ in range(repeats):
        gc.collect()
        start = time.perf_counter()
        mechanism(book, PRICE)
        times_ms.append((time.perf_counter() - start) * 1_000)
    tracemalloc.start()
    mechanism(book, PRICE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Row(
        mechanism=name,
        orders=len(book.buyers) + len(book.sellers),
        median_ms=statistics.median(times_ms),
        spread_ms=max(times_ms) - min(times_ms),
        volume_wh=volume_wh,
        optimum_wh=best_wh,
        fills=len(fills),
        peak_mb=peak / 1e6,
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


def measure_day(*, repeats: int) -> float:
    """Median seconds of the day's linear program; the first run imports the solver."""
    book, times_s = day_book(), []
    horizon = Horizon(start_s=0, interval_s=900, n_intervals=96)
    best_day(book, PRICE, horizon=horizon)
    for _ in range(repeats):
        start = time.perf_counter()
        best_day(book, PRICE, horizon=horizon)
        times_s.append(time.perf_counter() - start)
    return statistics.median(times_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mechanism", action="append", choices=MECHANISMS, metavar="NAME")
    parser.add_argument("--max-orders", type=int, default=SIZES[-1])
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores")
    print(f"{'mechanism':<16}{'orders':>10}{'median':>12}{'max-min':>12}{'peak':>10}{'volume':>22}")
    for n_orders in (size for size in SIZES if size <= options.max_orders):
        book = random_book(n_orders)
        for name in options.mechanism or MECHANISMS:
            row = measure(name, MECHANISMS[name], book, repeats=options.repeats)
            bar = BARS_MS.get(n_orders) if name == "uniform-price" else None
            verdict = "" if bar is None else f"  bar {bar:g} ms"
            print(
                f"{name:<16}{row.orders:>10,}{row.median_ms:>9.2f} ms{row.spread_ms:>9.2f} ms"
                f"{row.peak_mb:>7.1f} MB{row.volume_wh / row.optimum_wh:>13.4%} of best{verdict}"
            )
    if options.mechanism is None:
        day_s = measure_day(repeats=options.repeats)
        print(f"optimum of a day, 55 chargers, 96 intervals: {day_s:.3f} s, bar {DAY_BAR_S:g} s")


if __name__ == "__main__":
    main()
