"""Clear a book with pymarket's mechanisms; run by `benchmarks/speed.py` in pymarket's environment.

    python run_pymarket.py BOOK.npz REPEATS MECHANISM...

Timed: `Market.run`, from accepted bids to transactions. Not timed: accepting the bids.
"""

from __future__ import annotations

import gc
import json
import sys
import time

import numpy as np
import pymarket
from memory import peak_mb
from pymarket.bids import BidManager

SEED = 2019


def main(path: str, repeats: int, mechanisms: list[str]) -> None:
    book = np.load(path)
    runs = []
    for mechanism in mechanisms:
        wall_s: list[float] = []
        cpu_s: list[float] = []
        for _ in range(repeats):
            market = pymarket.Market()
            accept(market.bm, book)
            gc.collect()
            # Only these two draw; without a seed their volume changes from run to run.
            seed = {"r": np.random.RandomState(SEED)} if mechanism in ("muda", "p2p") else {}
            wall, cpu = time.perf_counter(), time.process_time()
            transactions, _ = market.run(mechanism, **seed)
            cpu_s.append(time.process_time() - cpu)
            wall_s.append(time.perf_counter() - wall)
        table = transactions.get_df()
        is_buyer = table["bid"].to_numpy(dtype=np.int64) < len(book["buy_wh"])
        energy_wh = table["quantity"].to_numpy(dtype=np.float64)
        runs.append(
            {
                "mechanism": mechanism,
                "wall_s": wall_s,
                "cpu_s": cpu_s,
                "bought_wh": float(energy_wh[is_buyer].sum()),
                "sold_wh": float(energy_wh[~is_buyer].sum()),
            }
        )
    print(json.dumps({"runs": runs, "peak_mb": peak_mb()}))


def accept(bids: BidManager, book: np.lib.npyio.NpzFile) -> None:
    """Bids first, then asks, so that a bid's number tells its side; each order its own user."""
    for side, is_bid in (("buy", True), ("sell", False)):
        for energy_wh, price in zip(
            book[f"{side}_wh"].tolist(), book[f"{side}_ueur_per_kwh"].tolist(), strict=True
        ):
            bids.add_bid(energy_wh, price, bids.n_bids, is_bid)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
