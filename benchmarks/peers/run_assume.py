"""Clear a book with ASSUME's mechanisms; run by `benchmarks/speed.py` in ASSUME's environment.

    python run_assume.py BOOK.npz REPEATS MECHANISM...

Timed: `clear` of the mechanism's role, from an order book to accepted and rejected orders. Not
timed: making the order book, and starting agents and their messages.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from datetime import datetime, timedelta

import numpy as np
from assume.common.market_objects import MarketConfig, MarketProduct
from assume.common.utils import get_available_products
from assume.markets.clearing_algorithms import clearing_mechanisms
from dateutil import rrule
from dateutil.relativedelta import relativedelta
from memory import peak_mb

START = datetime(2019, 10, 29)
SEED = 2019


def main(path: str, repeats: int, mechanisms: list[str]) -> None:
    book = np.load(path)
    runs = []
    for mechanism in mechanisms:
        config = MarketConfig(
            market_id="lot",
            market_mechanism=mechanism,
            opening_hours=rrule.rrule(
                rrule.HOURLY, dtstart=START, until=START + timedelta(days=1), cache=True
            ),
            opening_duration=timedelta(hours=1),
            market_products=[MarketProduct(relativedelta(hours=1), 1, relativedelta(hours=1))],
            maximum_bid_volume=None,
        )
        role = clearing_mechanisms[mechanism](config)
        products = get_available_products(config.market_products, START)
        wall_s: list[float] = []
        cpu_s: list[float] = []
        for _ in range(repeats):
            orders = orders_of(book, products[0])
            random.seed(SEED)
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            accepted = role.clear(orders, products)[0]
            cpu_s.append(time.process_time() - cpu)
            wall_s.append(time.perf_counter() - wall)
        # Supply is positive. Pay-as-bid splits an order where it is served in part.
        volumes_wh = [float(order["accepted_volume"]) for order in accepted]
        runs.append(
            {
                "mechanism": mechanism,
                "wall_s": wall_s,
                "cpu_s": cpu_s,
                "bought_wh": -sum(volume for volume in volumes_wh if volume < 0),
                "sold_wh": sum(volume for volume in volumes_wh if volume > 0),
            }
        )
    print(json.dumps({"runs": runs, "peak_mb": peak_mb()}))


def orders_of(book: np.lib.npyio.NpzFile, product: tuple) -> list[dict]:
    """Fresh orders for each run, since a clearing writes into them."""
    orders = []
    for side, sign in (("buy", -1), ("sell", 1)):
        for energy_wh, price in zip(
            book[f"{side}_wh"].tolist(), book[f"{side}_ueur_per_kwh"].tolist(), strict=True
        ):
            number = str(len(orders))
            orders.append(
                {
                    "start_time": product[0],
                    "end_time": product[1],
                    "only_hours": product[2],
                    "agent_addr": number,
                    "bid_id": number,
                    # Only complex_clearing reads these two: a simple order at the only node.
                    "bid_type": "SB",
                    "node": "node0",
                    "volume": sign * energy_wh,
                    "price": price,
                }
            )
    return orders


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
