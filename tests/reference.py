"""Equations (1) to (5) once more: one vehicle at a time, slow, and plain enough to be believed.

Nothing here imports the code under test. The fast code has to agree exactly, trade by trade.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class Order:
    vehicle_id: str
    energy_wh: int
    soc: float
    arrival: int
    limit: int = 0
    group: int = -1
    source: int = -1


@dataclass(frozen=True)
class Trade:
    buyer_id: str
    seller_id: str
    energy_wh: int


def role(soc: float, t_b: float, t_s: float, *, strict: bool) -> str:
    """Equation (1)."""
    buys = soc < t_b if strict else soc <= t_b
    sells = soc > t_s if strict else soc >= t_s
    if buys and not sells:
        return "buyer"
    if sells and not buys:
        return "seller"
    return "neutral"


def required_wh(soc: float, capacity_kwh: float, t_b: float) -> int:
    """Equation (2); Python's round goes to the nearest, ties to even."""
    return max(0, round((t_b - soc) * capacity_kwh * 1000))


def available_wh(soc: float, capacity_kwh: float, t_s: float) -> int:
    """Equation (3)."""
    return max(0, round((soc - t_s) * capacity_kwh * 1000))


def serve(bids: list[Order], asks: list[Order]) -> list[Trade]:
    """Equation (4), for queues that are in order."""
    wanted = [bid.energy_wh for bid in bids]
    left = [ask.energy_wh for ask in asks]
    trades = []
    for i, bid in enumerate(bids):
        for j, ask in enumerate(asks):
            energy_wh = min(wanted[i], left[j])
            if energy_wh > 0:
                trades.append(Trade(bid.vehicle_id, ask.vehicle_id, energy_wh))
                wanted[i] -= energy_wh
                left[j] -= energy_wh
    return trades


def cost_ueur(energy_wh: int, price_ueur_per_kwh: int) -> int:
    """Equation (5), rounded down."""
    return energy_wh * price_ueur_per_kwh // 1000


def arrival(bids: list[Order], asks: list[Order]) -> list[Trade]:
    def key(order: Order) -> object:
        return order.arrival, order.vehicle_id

    return serve(sorted(bids, key=key), sorted(asks, key=key))


def neediest(bids: list[Order], asks: list[Order]) -> list[Trade]:
    return serve(
        sorted(bids, key=lambda bid: (bid.soc, bid.vehicle_id)),
        sorted(asks, key=lambda ask: (-ask.soc, ask.vehicle_id)),
    )


def largest(bids: list[Order], asks: list[Order]) -> list[Trade]:
    def key(order: Order) -> object:
        return -order.energy_wh, order.vehicle_id

    return serve(sorted(bids, key=key), sorted(asks, key=key))


def pro_rata(bids: list[Order], asks: list[Order]) -> list[Trade]:
    demand = sum(bid.energy_wh for bid in bids)
    supply = sum(ask.energy_wh for ask in asks)
    bids = shares(bids, supply) if demand > supply else bids
    asks = shares(asks, demand) if supply > demand else asks
    return serve(
        sorted(bids, key=lambda bid: bid.vehicle_id), sorted(asks, key=lambda ask: ask.vehicle_id)
    )


def shares(orders: list[Order], total_wh: int) -> list[Order]:
    """Whole Wh in proportion to the orders, what is left over to the largest fractions."""
    sum_wh = sum(order.energy_wh for order in orders)
    exact = {order: Fraction(order.energy_wh) * total_wh / sum_wh for order in orders}
    whole = {order: share.numerator // share.denominator for order, share in exact.items()}
    left = total_wh - sum(whole.values())
    by_fraction = sorted(orders, key=lambda order: (whole[order] - exact[order], order.vehicle_id))
    for order in by_fraction[:left]:
        whole[order] += 1
    return [replace(order, energy_wh=whole[order]) for order in orders]


PRIORITIES: dict[str, Callable[[list[Order], list[Order]], list[Trade]]] = {
    "pro-rata": pro_rata,
    "arrival": arrival,
    "neediest": neediest,
    "largest": largest,
}
