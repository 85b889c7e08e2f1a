"""The auctions once more, order by order with loops and fractions, to be believed by reading.

Prices and limits are whole micro-euro per kWh. `fee` is what the lot keeps of each kWh, so a seller
with the limit x sells where buyers pay x + fee. Nothing here imports the code under test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
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


MECHANISMS: dict[str, Reference] = {
    **{name: posted(rule) for name, rule in PRIORITIES.items()},
    "uniform-price": uniform_price,
}
