"""A lot's day told again, one vehicle and one interval at a time, in plain integers and fractions.

It takes nothing from `trading.lot` but the trades that were agreed, and works out from the sessions
alone what every vehicle drew, sold, kept, missed and paid. Slow, and easy to check by eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import pandas as pd

EFFICIENCY = Fraction(933, 1000)
TARIFF, REPLACEMENT, WEAR = 500_000, 250_000, 50_000
GUARANTEES = ("consent", "whole")


@dataclass
class Vehicle:
    arrival: int
    departure: int
    capacity: int
    content: int
    need: int
    charge_w: int
    discharge_w: int
    drawn: int = 0
    from_peers: int = 0
    sold: int = 0
    owed: int = 0
    covered: int = 0
    paid_peers: int = 0
    earned: int = 0

    def can_move(self, power_w: int, start: int, end: int) -> int:
        since = max(start, self.arrival) - self.arrival
        until = max(min(end, self.departure) - self.arrival, since)
        return power_w * until // 3600 - power_w * since // 3600

    def can_charge(self, start: int, end: int) -> int:
        """Power and presence, and along a minute by minute table what still goes in near full."""
        into = floor(self.charge_w * EFFICIENCY)
        knee = self.capacity - ceil(Fraction(into, 5)) if into <= self.capacity else 0
        table = [max(knee, 0) * 1000]
        while table[-1] < self.capacity * 1000:
            to_full = self.capacity - table[-1] // 1000
            accepts = max(min(to_full * 5, self.capacity), self.capacity // 20)
            gained = max(min(into, accepts) * 60_000 // 3600, 1)
            table.append(table[-1] + gained)
        left_ms = (min(end, self.departure) - max(start, self.arrival)) * 1000
        before = content = self.final_content() * 1000
        at_knee_ms = ceil(Fraction(max(table[0] - content, 0) * 3600, into))
        if left_ms <= at_knee_ms:
            content += into * left_ms // 3600
        else:
            at = 0
            if content > table[0]:
                k = max(i for i, row in enumerate(table) if row <= content)
                if k < len(table) - 1:
                    share = (content - table[k]) * 60_000 // (table[k + 1] - table[k])
                    at = k * 60_000 + share
                else:
                    at = k * 60_000
            at += left_ms - at_knee_ms
            k = min(at // 60_000, len(table) - 1)
            following = table[min(k + 1, len(table) - 1)]
            content = table[k] + (following - table[k]) * min(at - k * 60_000, 60_000) // 60_000
        if content >= self.capacity * 1000:
            return self.can_move(self.charge_w, start, end)
        return ceil(max(content - before, 0) / EFFICIENCY) // 1000

    def charges(self, wanted: int, start: int, end: int) -> int:
        most = min(wanted, self.can_move(self.charge_w, start, end))
        into = floor(self.charge_w * EFFICIENCY)
        if most == 0 or into <= self.capacity // 20:
            return most
        knee = self.capacity - ceil(Fraction(into, 5)) if into <= self.capacity else 0
        if self.final_content() + floor(most * EFFICIENCY) <= max(knee, 0):
            return most
        return min(most, self.can_charge(start, end))

    def target(self, guarantee: str) -> int:
        if guarantee == "consent" or self.sold == 0:
            return self.need
        kept = floor(self.need * EFFICIENCY) + ceil(self.sold / EFFICIENCY)
        return ceil(kept / EFFICIENCY)

    def final_content(self) -> int:
        return self.content + floor(self.drawn * EFFICIENCY) - ceil(self.sold / EFFICIENCY)

    def missing(self) -> int:
        return max(self.content + floor(self.need * EFFICIENCY) - self.final_content(), 0)

    def paid_grid(self) -> int:
        return (self.drawn - self.from_peers - self.covered + self.owed) * TARIFF // 1000

    def replacement(self) -> int:
        return ceil(self.missing() / EFFICIENCY) * REPLACEMENT // 1000

    def net_cost(self) -> int:
        wear = self.sold * WEAR // 1000
        return self.paid_grid() + self.paid_peers - self.earned + self.replacement() + wear


def replay(
    sessions: pd.DataFrame, trades: pd.DataFrame, *, step: int, guarantee: str
) -> dict[str, Vehicle]:
    """What became of every vehicle, by session id."""
    vehicles = {row.session_id: _vehicle(row) for row in sessions.itertuples()}
    first = min(v.arrival for v in vehicles.values()) // step * step
    last = max(v.departure for v in vehicles.values())
    by_start: dict[int, list[object]] = {}
    for trade in trades.itertuples():
        by_start.setdefault(int(trade.interval_start.timestamp()), []).append(trade)
    for start in range(first, last, step):
        _interval(vehicles, by_start.pop(start, []), start, start + step, guarantee)
    assert not by_start, "a trade lies outside all stays"
    return vehicles


def _interval(vehicles, trades, start, end, guarantee) -> None:
    selling = {trade.seller_id for trade in trades}
    charging = {}
    for name, vehicle in vehicles.items():
        left = max(vehicle.target(guarantee) - vehicle.drawn, 0)
        charging[name] = 0 if name in selling else vehicle.charges(left, start, end)
    can_take = dict(charging)
    can_give = {n: v.can_move(v.discharge_w, start, end) for n, v in vehicles.items()}
    undelivered = []
    for trade in trades:
        buyer, seller = vehicles[trade.buyer_id], vehicles[trade.seller_id]
        flows = min(trade.energy_wh, can_take[trade.buyer_id], can_give[trade.seller_id])
        can_take[trade.buyer_id] -= flows
        can_give[trade.seller_id] -= flows
        buyer.from_peers += flows
        seller.sold += flows
        undelivered.append((trade, trade.energy_wh - flows))
        buyer.paid_peers += trade.energy_wh * trade.price_ueur_per_kwh // 1000
        seller.earned += trade.energy_wh * trade.seller_price_ueur_per_kwh // 1000
    for trade, missing in undelivered:
        replaced = min(missing, can_take[trade.buyer_id])
        can_take[trade.buyer_id] -= replaced
        vehicles[trade.buyer_id].covered += replaced
        vehicles[trade.seller_id].owed += replaced
    for name, vehicle in vehicles.items():
        vehicle.drawn += charging[name]
        assert 0 <= vehicle.final_content() <= vehicle.capacity


def _vehicle(row) -> Vehicle:
    content = round(row.soc_arrival * row.battery_capacity_wh)
    need = row.need_wh
    while floor(need * EFFICIENCY) > row.battery_capacity_wh - content:
        need -= 1
    return Vehicle(
        arrival=int(row.arrival.timestamp()),
        departure=int(row.departure.timestamp()),
        capacity=row.battery_capacity_wh,
        content=content,
        need=need,
        charge_w=row.charge_power_w,
        discharge_w=row.discharge_power_w,
    )
