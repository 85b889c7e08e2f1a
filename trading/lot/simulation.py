"""A parking lot through a day: bids and asks at each gate closure, then the power that flows.

Pure: the market mechanism and the agreement of the consortium are arguments. The order of things
is DESIGN's "Gate closure": trades of an interval are matched and agreed before it begins, and only
agreed trades move energy. Every vehicle charges at once whatever peers do not cover; a seller
neither charges in an interval in which it sells, nor sells what it bought in its stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from trading.lot.guarantee import saleable_wh, target_wh
from trading.lot.stays import BoolArray, LotRules, Stays
from trading.lot.terms import Terms
from trading.market import Fills, Mechanism, OrderBook, PeerPrice, order_book
from trading.market.orders import trade_table
from trading.units import Int64Array

Agree = Callable[[int, pd.DataFrame], pd.DataFrame]
"""What the consortium makes of an interval's trades: (start in Unix s, priced trades) -> the trades
that it agreed to, as the ledger has them, with their index kept. Those are what flows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A market interval: `gate_s` closes the market, power flows in [start_s, end_s)."""

    start_s: int
    end_s: int
    gate_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRun:
    """What happened in a lot; arrays are in the order of `stays.ids`.

    Attributes:
        stays: the sessions and the rules they were under.
        terms: what things cost.
        price: the posted price of every trade.
        trades: what was agreed: TRADES columns after `interval_start` and `trade_id`.
        start_s: beginning of each interval, Unix seconds.
        grid_only_wh, grid_wh, peers_wh: energy at the chargers' meters in each interval: from the
            grid without trading, from the grid with it, and from peers.
        from_grid_wh, from_peers_wh, to_peers_wh: energy at each session's meter.
        owed_wh: grid energy that a session owes because it left before delivering what it sold.
        covered_wh: grid energy that a session drew at the expense of a seller who had left.
        shortfall_wh: agreed energy that did not flow because a party left before its time.
        blocked, blocked_wh: trades, and their energy, that the same day would have had if floor
            and ceiling did not matter; 0 where the posted price lies within both.
        dust_wh: energy that buyers drew from the grid because the trade for it was too small.
    """

    stays: Stays
    terms: Terms
    price: PeerPrice
    trades: pd.DataFrame
    start_s: Int64Array
    grid_only_wh: Int64Array
    grid_wh: Int64Array
    peers_wh: Int64Array
    from_grid_wh: Int64Array
    from_peers_wh: Int64Array
    to_peers_wh: Int64Array
    owed_wh: Int64Array
    covered_wh: Int64Array
    shortfall_wh: int
    blocked: int
    blocked_wh: int
    dust_wh: int


def intervals_of(stays: Stays) -> list[Interval]:
    """The market intervals that cover all stays, in order."""
    step = stays.rules.interval_s
    first = int(stays.arrival_s.min()) // step * step
    last = -(-int(stays.departure_s.max()) // step) * step
    return [
        Interval(start_s=start, end_s=start + step, gate_s=start - stays.rules.gate_lead_s)
        for start in range(first, last, step)
    ]


def simulate_lot(
    sessions: pd.DataFrame,
    *,
    rules: LotRules,
    terms: Terms,
    mechanism: Mechanism,
    agree: Agree | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LotRun:
    """Run a lot from the first arrival to the last departure.

    Args:
        sessions: a SESSIONS table.
        rules: how the lot trades.
        terms: what things cost.
        mechanism: matches an interval's bids and asks.
        agree: decides each interval's trades before it begins; a trade refused moves no energy.
            None agrees to all, for scenarios that are compared off chain.
        progress: called with (intervals done, intervals in all).

    Raises:
        TableError: the sessions break their schema.
    """
    stays = Stays(sessions, rules)
    return _Lot(stays, terms, mechanism, agree).run(progress)


class _Lot:
    """The state of a run: counters at each session's meter, in whole Wh."""

    def __init__(
        self, stays: Stays, terms: Terms, mechanism: Mechanism, agree: Agree | None
    ) -> None:
        self.stays, self.terms, self.mechanism, self.agree = stays, terms, mechanism, agree
        self.rules = stays.rules
        guarantee, efficiency = self.rules.guarantee, self.rules.efficiency
        self.price = terms.peer_price(guarantee, efficiency)
        self.blocks = terms.limits and not terms.is_rational(self.price, guarantee, efficiency)
        n = len(stays)
        self.drawn_wh = np.zeros(n, np.int64)
        self.from_peers_wh = np.zeros(n, np.int64)
        self.to_peers_wh = np.zeros(n, np.int64)
        self.promised_wh = np.zeros(n, np.int64)
        self.owed_wh = np.zeros(n, np.int64)
        self.covered_wh = np.zeros(n, np.int64)
        self.shortfall_wh = self.dust_wh = 0
        self.agreed: list[tuple[int, Int64Array, Fills]] = []

    def run(self, progress: Callable[[int, int], None] | None) -> LotRun:
        intervals = intervals_of(self.stays)
        grid_wh = np.zeros(len(intervals), np.int64)
        peers_wh = np.zeros(len(intervals), np.int64)
        for k, interval in enumerate(intervals):
            fills = self._trade(interval)
            grid_wh[k], peers_wh[k] = self._flow(interval, fills)
            if progress is not None:
                progress(k + 1, len(intervals))
        blocked = self._blocked_table()
        edges = np.array([i.start_s for i in intervals] + [intervals[-1].end_s])
        alone = np.array([int(self.stays.grid_only_wh(int(edge)).sum()) for edge in edges])
        return LotRun(
            stays=self.stays,
            terms=self.terms,
            price=self.price,
            trades=self._agreed_table(),
            start_s=edges[:-1],
            grid_only_wh=np.diff(alone),
            grid_wh=grid_wh,
            peers_wh=peers_wh,
            from_grid_wh=self.drawn_wh - self.from_peers_wh,
            from_peers_wh=self.from_peers_wh,
            to_peers_wh=self.to_peers_wh,
            owed_wh=self.owed_wh,
            covered_wh=self.covered_wh,
            shortfall_wh=self.shortfall_wh,
            blocked=len(blocked),
            blocked_wh=int(blocked["energy_wh"].sum()),
            dust_wh=self.dust_wh,
        )

    # ------------------------------------------------------------------ before the interval

    def _trade(self, interval: Interval) -> Fills | None:
        """Match what is offered at gate closure, price it, and ask for agreement."""
        book = None if self.blocks else self._book(interval)
        if book is None:
            return None
        fills = self.mechanism(book, self.price)
        cost = fills.energy_wh * fills.price_ueur_per_kwh // 1000
        is_dust = (fills.energy_wh < self.rules.smallest_trade_wh) | (cost == 0)
        self.dust_wh += int(fills.energy_wh[is_dust].sum())
        fills = _where(fills, ~is_dust)
        if not len(fills):
            return None
        numbers = np.arange(len(fills))
        if self.agree is not None:
            agreed = self.agree(interval.start_s, self._table(interval.start_s, numbers, fills))
            numbers, fills = agreed.index.to_numpy(), self._fills(agreed)
        if not len(fills):
            return None
        self.agreed.append((interval.start_s, numbers, fills))
        return fills

    def _book(self, interval: Interval) -> OrderBook | None:
        """Bids and asks of the vehicles that are there at gate closure, or None without both."""
        stays = self.stays
        start, end = interval.start_s, interval.end_s
        there = stays.is_there(start)
        bids = np.where(there, np.maximum(stays.bid_cap_wh - self.drawn_wh, 0), 0)
        asks = np.where(there, stays.ask_cap_wh - self.promised_wh, 0)
        if not bids.any() or not asks.any():
            return None
        bids = np.minimum(bids, stays.chargeable_wh(start, end, planned=True))
        asks = np.minimum(asks, stays.dischargeable_wh(start, end, planned=True))
        saleable = saleable_wh(stays, drawn_wh=self.drawn_wh, sold_wh=self.promised_wh, after_s=end)
        asks = np.minimum(asks, saleable)
        if not bids.any() or not asks.any():
            return None
        efficiency = self.rules.efficiency
        content = (
            stays.content_wh + efficiency.stored(self.drawn_wh) - efficiency.drawn(self.to_peers_wh)
        )
        return order_book(
            required_wh=bids,
            available_wh=asks,
            soc=content / stays.capacity_wh,
            arrival=stays.arrival_s,
        )

    def _table(self, start_s: int, numbers: Int64Array, fills: Fills) -> pd.DataFrame:
        trades = trade_table(fills, self.stays.ids)
        start = pd.Timestamp(start_s, unit="s", tz="UTC").as_unit("us")
        stamp = start.strftime("%Y%m%dT%H%MZ")
        trades.insert(0, "interval_start", start)
        ids = pd.Series([f"{stamp}-{number:03d}" for number in numbers], dtype="str")
        trades.insert(1, "trade_id", ids)
        return trades

    def _fills(self, trades: pd.DataFrame) -> Fills:
        """Agreed trades as codes: the ledger may have agreed to others than were matched."""
        return Fills(
            buyer=np.searchsorted(self.stays.ids, trades["buyer_id"].to_numpy(dtype=object)),
            seller=np.searchsorted(self.stays.ids, trades["seller_id"].to_numpy(dtype=object)),
            energy_wh=trades["energy_wh"].to_numpy(np.int64),
            price_ueur_per_kwh=trades["price_ueur_per_kwh"].to_numpy(np.int64),
            seller_price_ueur_per_kwh=trades["seller_price_ueur_per_kwh"].to_numpy(np.int64),
        )

    def _blocked_table(self) -> pd.DataFrame:
        """What would have been traded if only floor and ceiling had not been in the way."""
        if not self.blocks:
            return self._agreed_table().iloc[:0]
        free = replace(self.terms, limits=False)
        return _Lot(self.stays, free, self.mechanism, None).run(None).trades

    def _agreed_table(self) -> pd.DataFrame:
        if self.agreed:
            tables = [self._table(*interval) for interval in self.agreed]
            return pd.concat(tables, ignore_index=True)
        none = np.zeros(0, np.int64)
        nothing = Fills(
            buyer=none,
            seller=none,
            energy_wh=none,
            price_ueur_per_kwh=none,
            seller_price_ueur_per_kwh=none,
        )
        return self._table(0, none, nothing)

    # ------------------------------------------------------------------ during the interval

    def _flow(self, interval: Interval, fills: Fills | None) -> tuple[int, int]:
        """Let power flow: (Wh from the grid, Wh from peers) at the chargers' meters."""
        stays = self.stays
        n = len(stays)
        sold = np.zeros(n, np.int64)
        target = target_wh(stays, self.to_peers_wh)
        room = stays.chargeable_wh(interval.start_s, interval.end_s)
        drawn = np.minimum(np.maximum(target - self.drawn_wh, 0), room)
        bought = np.zeros(n, np.int64)
        if fills is not None:
            drawn[fills.seller] = 0
            np.add.at(self.promised_wh, fills.seller, fills.energy_wh)
            moved = self._deliver(fills, drawn, interval)
            np.add.at(bought, fills.buyer, moved)
            np.add.at(sold, fills.seller, moved)
        self.drawn_wh += drawn
        self.from_peers_wh += bought
        self.to_peers_wh += sold
        return int((drawn - bought).sum()), int(bought.sum())

    def _deliver(self, fills: Fills, drawn: Int64Array, interval: Interval) -> Int64Array:
        """What flows of each agreed trade: all of it, unless a party left before its time.

        Whoever left bears it: a buyer pays for what it did not take; a seller owes the grid energy
        that replaces what it did not deliver.
        """
        can_take = drawn.copy()
        can_give = self.stays.dischargeable_wh(interval.start_s, interval.end_s)
        moved = fills.energy_wh.copy()
        asked = np.bincount(fills.buyer, fills.energy_wh, len(can_take))
        offered = np.bincount(fills.seller, fills.energy_wh, len(can_give))
        if (asked <= can_take).all() and (offered <= can_give).all():
            return moved
        for i in range(len(fills)):
            buyer, seller = fills.buyer[i], fills.seller[i]
            moved[i] = min(fills.energy_wh[i], can_take[buyer], can_give[seller])
            can_take[buyer] -= moved[i]
            can_give[seller] -= moved[i]
            missing = fills.energy_wh[i] - moved[i]
            replaced = min(missing, can_take[buyer])
            can_take[buyer] -= replaced
            self.covered_wh[buyer] += replaced
            self.owed_wh[seller] += replaced
            self.shortfall_wh += int(missing)
        return moved


def _where(fills: Fills, kept: BoolArray) -> Fills:
    return Fills(
        buyer=fills.buyer[kept],
        seller=fills.seller[kept],
        energy_wh=fills.energy_wh[kept],
        price_ueur_per_kwh=fills.price_ueur_per_kwh[kept],
        seller_price_ueur_per_kwh=fills.seller_price_ueur_per_kwh[kept],
    )
