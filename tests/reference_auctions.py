"""The auctions once more, order by order with loops and fractions, to be believed by reading.

Prices and limits are whole micro-euro per kWh. `fee` is what the lot keeps of each kWh, so a seller
with the limit x sells where buyers pay x + fee. Nothing here imports the code under test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import floor

from tests.reference import PRIORITIES, Order, serve


@dataclass(frozen=True)
class Priced:
    """A trade with what the buyer pays and the seller gets per kWh."""

    buyer_id: str
    seller_id: str
    energy_wh: int
    buyer_price: int
    seller_price: int


Reference = Callable[[list[Order], list[Order], int, int], list[Priced]]
"""Called with bids, asks, the posted buyer's price and the posted seller's price."""


def posted(rule: Callable[[list[Order], list[Order]], object]) -> Reference:
    """A priority rule among those who are willing at the posted price."""

    def run(bids: list[Order], asks: list[Order], paid: int, received: int) -> list[Priced]:
        bids = [bid for bid in bids if bid.limit >= paid]
        asks = [ask for ask in asks if ask.limit <= received]
        return [
            Priced(trade.buyer_id, trade.seller_id, trade.energy_wh, paid, received)
            for trade in rule(bids, asks)
        ]

    return run


def dearest_first(bids: list[Order]) -> list[Order]:
    return sorted(bids, key=lambda bid: (-bid.limit, bid.arrival, bid.vehicle_id))


def cheapest_first(asks: list[Order]) -> list[Order]:
    return sorted(asks, key=lambda ask: (ask.limit, ask.arrival, ask.vehicle_id))


def wanted(bids: list[Order], price: int) -> int:
    return sum(bid.energy_wh for bid in bids if bid.limit >= price)


def offered(asks: list[Order], price: int, fee: int) -> int:
    return sum(ask.energy_wh for ask in asks if ask.limit + fee <= price)


def prices_of(bids: list[Order], asks: list[Order], fee: int) -> list[int]:
    return sorted({bid.limit for bid in bids} | {ask.limit + fee for ask in asks})


def volume(bids: list[Order], asks: list[Order], fee: int) -> int:
    """The most energy that both sides agree to at one price."""
    prices = prices_of(bids, asks, fee)
    return max((min(wanted(bids, p), offered(asks, p, fee)) for p in prices), default=0)


def clearing_prices(bids: list[Order], asks: list[Order], fee: int) -> list[int]:
    """Limits at which who strictly wants to trade can, and the volume finds enough who would."""
    total = volume(bids, asks, fee)
    return [
        p
        for p in prices_of(bids, asks, fee)
        if wanted(bids, p + 1) <= total <= wanted(bids, p)
        and offered(asks, p - 1, fee) <= total <= offered(asks, p, fee)
    ]


def agreeing(bids: list[Order], asks: list[Order], fee: int) -> list[tuple[Order, Order, int]]:
    """Dearest bids with cheapest asks, as long as they agree."""
    bid_of = {bid.vehicle_id: bid for bid in bids}
    ask_of = {ask.vehicle_id: ask for ask in asks}
    trades = serve(dearest_first(bids), cheapest_first(asks))
    found = [(bid_of[t.buyer_id], ask_of[t.seller_id], t.energy_wh) for t in trades]
    return [(bid, ask, wh) for bid, ask, wh in found if bid.limit >= ask.limit + fee]


def uniform_price(bids: list[Order], asks: list[Order], paid: int, received: int) -> list[Priced]:
    return uniform_price_at(bids, asks, paid - received, Fraction(1, 2))


def uniform_price_at(bids: list[Order], asks: list[Order], fee: int, k: Fraction) -> list[Priced]:
    trades = agreeing(bids, asks, fee)
    if not trades:
        return []
    assert sum(wh for _, _, wh in trades) == volume(bids, asks, fee)
    prices = clearing_prices(bids, asks, fee)
    price = prices[0] + floor(k * (prices[-1] - prices[0]))
    return [Priced(b.vehicle_id, a.vehicle_id, wh, price, price - fee) for b, a, wh in trades]


def pay_as_bid(bids: list[Order], asks: list[Order], paid: int, received: int) -> list[Priced]:
    fee = paid - received
    trades = []
    for bid, ask, wh in agreeing(bids, asks, fee):
        price = floor(Fraction(bid.limit + ask.limit + fee, 2))
        trades.append(Priced(bid.vehicle_id, ask.vehicle_id, wh, price, price - fee))
    return trades


def mcafee(bids: list[Order], asks: list[Order], paid: int, received: int) -> list[Priced]:
    fee = paid - received
    trades = agreeing(bids, asks, fee)
    if not trades:
        return []
    bids, asks = dearest_first(bids), cheapest_first(asks)
    last_bid, last_ask = trades[-1][0], trades[-1][1]
    i, j = bids.index(last_bid), asks.index(last_ask)
    buyer_price, seller_price = last_bid.limit, last_ask.limit
    is_whole = False
    if i + 1 < len(bids) and j + 1 < len(asks):
        middle = floor(Fraction(bids[i + 1].limit + asks[j + 1].limit + fee, 2))
        is_whole = last_ask.limit + fee <= middle <= last_bid.limit
    if is_whole:
        buyer_price, seller_price = middle, middle - fee
        i, j = i + 1, j + 1
    return [
        Priced(trade.buyer_id, trade.seller_id, trade.energy_wh, buyer_price, seller_price)
        for trade in serve(bids[:i], asks[:j])
    ]


def mixed(z: int) -> int:
    """The finish of splitmix64 (Steele, Lea and Flood, 2014)."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def dealt(order: Order, seed: int, draw: int) -> int:
    start = mixed((seed * 0xD1342543DE82EF95 ^ draw << 32) % 2**64)
    return mixed((int(order.vehicle_id) + 1) * 0x9E3779B97F4A7C15 % 2**64 ^ start)


def muda(bids: list[Order], asks: list[Order], paid: int, received: int) -> list[Priced]:
    fee = paid - received
    halves = [
        (
            [bid for bid in bids if dealt(bid, 0, 0) % 2 == half],
            [ask for ask in asks if dealt(ask, 0, 0) % 2 == half],
        )
        for half in (0, 1)
    ]
    trades = []
    for here, there in ((0, 1), (1, 0)):
        prices = clearing_prices(*halves[there], fee)
        if not prices:
            continue
        price = floor(Fraction(prices[0] + prices[-1], 2))
        willing_bids = [bid for bid in halves[here][0] if bid.limit >= price]
        willing_asks = [ask for ask in halves[here][1] if ask.limit + fee <= price]
        found = serve(
            sorted(willing_bids, key=lambda bid: dealt(bid, 0, 1)),
            sorted(willing_asks, key=lambda ask: dealt(ask, 0, 1)),
        )
        trades += [Priced(t.buyer_id, t.seller_id, t.energy_wh, price, price - fee) for t in found]
    return trades


def bilateral(bids: list[Order], asks: list[Order], paid: int, received: int) -> list[Priced]:
    fee = paid - received
    left = {order.vehicle_id: order.energy_wh for order in bids + asks}
    trades = []
    rounds = [lambda order: order.group, lambda order: order.source, lambda _: 0]
    for value_of in rounds:
        for value in sorted({value_of(order) for order in bids + asks} - {-1}):
            now = [replace(order, energy_wh=left[order.vehicle_id]) for order in bids + asks]
            same = {order.vehicle_id: order for order in now if value_of(order) == value}
            our_bids = [same[bid.vehicle_id] for bid in bids if bid.vehicle_id in same]
            our_asks = [same[ask.vehicle_id] for ask in asks if ask.vehicle_id in same]
            for bid, ask, wh in agreeing(our_bids, our_asks, fee):
                price = min(max(paid, ask.limit + fee), bid.limit)
                trades.append(Priced(bid.vehicle_id, ask.vehicle_id, wh, price, price - fee))
                left[bid.vehicle_id] -= wh
                left[ask.vehicle_id] -= wh
    return trades


def optimum(bids: list[Order], asks: list[Order], paid: int, received: int) -> list[Priced]:
    """Without times in the book: the uniform price's trades, in order of id."""
    trades = uniform_price(bids, asks, paid, received)
    return sorted(trades, key=lambda trade: (trade.buyer_id, trade.seller_id))


def best_welfare(bids: list[Order], asks: list[Order], fee: int) -> int:
    """The largest sum of (ceiling - floor - fee) * Wh, Wh by Wh over runs without a mark."""
    marks = {0}
    for queue in (dearest_first(bids), cheapest_first(asks)):
        marks |= {sum(order.energy_wh for order in queue[: n + 1]) for n in range(len(queue))}
    ends = sorted(marks)
    total = 0
    for start, end in pairwise(ends):
        bid, ask = at(dearest_first(bids), start), at(cheapest_first(asks), start)
        if bid is not None and ask is not None:
            total += max(0, bid.limit - ask.limit - fee) * (end - start)
    return total


def at(queue: list[Order], wh: int) -> Order | None:
    """Whose order the Wh after the first `wh` belongs to."""
    for order in queue:
        wh -= order.energy_wh
        if wh < 0:
            return order
    return None


MECHANISMS: dict[str, Reference] = {
    **{name: posted(rule) for name, rule in PRIORITIES.items()},
    "uniform-price": uniform_price,
    "pay-as-bid": pay_as_bid,
    "mcafee": mcafee,
    "muda": muda,
    "bilateral": bilateral,
    "optimum": optimum,
}
