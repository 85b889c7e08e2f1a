"""The optimum as a mechanism: the yardstick for all others, with perfect knowledge of the day."""

from __future__ import annotations

import numpy as np

from trading.market.book import Fills, OrderBook, PeerPrice
from trading.market.queues import pair
from trading.market.schedule import Goal, Horizon, Schedule, best_day
from trading.market.uniform_price import uniform_price
from trading.units import Int64Array

INTERVAL_S = 900


def optimum(
    book: OrderBook, price: PeerPrice, /, *, goal: Goal = "welfare", interval_s: int = INTERVAL_S
) -> Fills:
    """The most welfare, or the most energy, that the whole book allows within times and powers.

    With `earliest` or `latest` in the book, the day between the first and the last of them is
    solved as one linear program (`trading.market.schedule`); an order without such a time is there
    from the first or until the last. Without any, there is one interval and no power limit, and
    the most welfare is what `uniform_price` finds. It knows the truth and the future, so it is no
    mechanism to run a market by: nothing keeps anyone from lying to it.

    A pair trades once, at the mean of the prices of its intervals, rounded down. The price of an
    interval is the middle between the dearest ask and the cheapest bid that are served in it;
    an optimum serves no ask above a bid in the same interval. Under `energy` it is the posted
    price.

    Args:
        book: orders with their limits, times and powers.
        price: the lot's fee in its spread; under `energy` also the posted price.
        goal: `welfare`, or the most `energy` among those who are willing at the posted price.
        interval_s: length of the day's intervals.

    Returns:
        Fills in the order of the buyers' codes, then of the sellers'.

    Raises:
        OptionError: an unknown goal, or times too far apart for the interval.
    """
    horizon = Horizon.of(book, interval_s=interval_s)
    if horizon is None and goal == "welfare":
        return _by_code(uniform_price(book, price))
    horizon = horizon or Horizon(start_s=0, interval_s=interval_s, n_intervals=1)
    schedule = best_day(book, price, horizon=horizon, goal=goal)
    return fills_of(schedule, book, price, goal=goal)


def fills_of(schedule: Schedule, book: OrderBook, price: PeerPrice, *, goal: Goal) -> Fills:
    """Who trades with whom in a schedule: in each interval, both sides in order of code.

    What the grid adds in an interval goes to the last buyers in it.
    """
    fee = price.spread_ueur_per_kwh
    ceilings, asks = book.ceilings(), book.floors() + fee
    parts: list[tuple[Int64Array, Int64Array, Int64Array, Int64Array]] = []
    for bought_wh, sold_wh in zip(schedule.bought_wh.T, schedule.sold_wh.T, strict=True):
        pairs = pair(bought_wh, sold_wh)
        if len(pairs.energy_wh) == 0:
            continue
        paid = price.buyer_ueur_per_kwh
        if goal == "welfare":
            paid = int(ceilings[pairs.buyer].min() + asks[pairs.seller].max()) // 2
        # Within the solver's tolerance a pair may miss by a micro-euro; it gets what suits both.
        each = np.clip(paid, asks[pairs.seller], ceilings[pairs.buyer])
        agree = asks[pairs.seller] <= ceilings[pairs.buyer]
        parts.append((pairs.buyer[agree], pairs.seller[agree], pairs.energy_wh[agree], each[agree]))
    nothing = (np.empty(0, dtype=np.int64),) * 4
    columns = [np.concatenate(column) for column in zip(nothing, *parts, strict=True)]
    return _once_a_pair(book, columns, fee)


def _once_a_pair(book: OrderBook, columns: list[Int64Array], fee: int) -> Fills:
    buyer, seller, energy_wh, paid = columns
    key, at = np.unique(buyer * max(len(book.sellers), 1) + seller, return_inverse=True)
    total_wh = np.zeros(len(key), dtype=np.int64)
    np.add.at(total_wh, at, energy_wh)
    # Sums of Wh times price pass 63 bits at the ends of both scales, so they are Python's.
    money = np.zeros(len(key), dtype=object)
    np.add.at(money, at, energy_wh.astype(object) * paid)
    mean = (money // total_wh).astype(np.int64)
    return Fills(
        buyer=book.buyers.code[key // max(len(book.sellers), 1)],
        seller=book.sellers.code[key % max(len(book.sellers), 1)],
        energy_wh=total_wh,
        price_ueur_per_kwh=mean,
        seller_price_ueur_per_kwh=mean - fee,
    )


def _by_code(fills: Fills) -> Fills:
    order = np.lexsort((fills.seller, fills.buyer))
    return Fills(**{name: getattr(fills, name)[order] for name in Fills.__slots__})
