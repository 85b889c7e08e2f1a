"""A parking lot through a day: bids and asks at each gate closure, then the power that flows.

Pure: the market mechanism and the agreement of the consortium are arguments. The order of things
is DESIGN's "Gate closure": trades of an interval are matched and agreed before it begins, and only
agreed trades move energy. What the lot itself does is in `lot.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby

import numpy as np
import pandas as pd

from trading.lot.lot import Interval, Lot, Offers
from trading.lot.stays import LotRules, Stays
from trading.lot.terms import Terms
from trading.market import DEFAULT_MECHANISM, PRIORITIES, Fills, Mechanism, PeerPrice, merge_small
from trading.market.orders import trade_table
from trading.units import WH_PER_KWH, Int64Array

Agree = Callable[[int, pd.DataFrame], pd.DataFrame]
"""What the consortium makes of an interval's trades: (start in Unix s, priced trades) -> the trades
that it agreed to, as the ledger has them, with their index kept. Those are what flows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRun:
    """What happened in a lot; arrays over sessions are in the order of `stays.ids`.

    Attributes:
        stays: the sessions and the rules they were under.
        terms: what things cost.
        price: what is posted at the highest tariff; a trade's own prices are in `trades`.
        trades: what was agreed: TRADES columns after `interval_start` and `trade_id`.
        start_s: beginning of each meter interval, Unix seconds.
        grid_wh: drawn from the grid at the connection in each meter interval, with trading.
        grid_only_wh: the same without trading.
        peers_wh: from sellers' to buyers' meters in each meter interval.
        pv_wh, export_wh: the roof's, into the lot and into the grid.
        cable_loss_wh: lost in the lot's cables.
        curtailed_wh, curtailed_grid_only_wh: wanted of the grid and cut by connection or cables,
            with and without trading; it counts again in each interval in which it is still wanted.
        from_grid_wh, from_peers_wh, to_peers_wh: energy at each session's meter.
        alone_wh: energy at each session's meter without trading.
        gained_wh, gave_wh: what each battery gained by charging, and gave by discharging.
        alone_gained_wh: what each battery gained without trading.
        grid_bill_ueur, alone_bill_ueur: each session's grid energy at the tariffs of its times,
            with and without trading, what it owes as a leaver included.
        replacements: price of energy at each driver's home.
        owed_wh: grid energy that a session owes because it left before delivering what it sold.
        covered_wh: grid energy that a session drew at the expense of a seller who had left.
        refund_ueur: what the lot pays back to buyers who left, where it bears the shortfall.
        shortfall_wh: agreed energy that did not flow because a party left before its time.
        blocked, blocked_wh: trades, and their energy, that the same day would have had more if
            floor and ceiling did not matter; 0 where they kept no interval from trading, and in an
            auction, which is about nothing else.
        dust_wh: energy that buyers drew from the grid because the trade for it was too small.
    """

    stays: Stays
    terms: Terms
    price: PeerPrice
    trades: pd.DataFrame
    start_s: Int64Array
    grid_wh: Int64Array
    grid_only_wh: Int64Array
    peers_wh: Int64Array
    pv_wh: Int64Array
    export_wh: Int64Array
    cable_loss_wh: Int64Array
    curtailed_wh: Int64Array
    curtailed_grid_only_wh: Int64Array
    from_grid_wh: Int64Array
    from_peers_wh: Int64Array
    to_peers_wh: Int64Array
    alone_wh: Int64Array
    gained_wh: Int64Array
    gave_wh: Int64Array
    alone_gained_wh: Int64Array
    grid_bill_ueur: Int64Array
    alone_bill_ueur: Int64Array
    replacements: Int64Array
    owed_wh: Int64Array
    covered_wh: Int64Array
    refund_ueur: Int64Array
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
    day = _Day(Lot(stays, terms), mechanism, agree)
    day.run(progress)
    return _run_of(day, uncontested(stays, terms))


def replayed(stays: Stays, terms: Terms, fills: Mapping[int, Fills]) -> LotRun:
    """The run of a lot whose trades are known, such as those that a chain confirmed.

    Args:
        stays: the sessions under their rules.
        terms: what things cost.
        fills: what was agreed, by the start of its interval, Unix s.
    """
    day = _Day(Lot(stays, terms), PRIORITIES[DEFAULT_MECHANISM], None)
    for interval in intervals_of(stays):
        agreed = fills.get(interval.start_s)
        day.lot.flow(interval, agreed)
        if agreed is not None:
            day.agreed.append((interval.start_s, np.arange(len(agreed)), agreed))
    return _run_of(day, uncontested(stays, terms))


def traded(stays: Stays, terms: Terms, mechanism: Mechanism) -> tuple[Lot, pd.DataFrame]:
    """The lot with trading alone: its state after the last departure, and its trades.

    As in `simulate_lot`, which also runs the lot without trading to compare the two.
    """
    day = _Day(Lot(stays, terms), mechanism, None)
    day.run(None)
    return day.lot, _table(stays, day.agreed)


def uncontested(stays: Stays, terms: Terms) -> Lot:
    """The same lot without trading, after the last departure."""
    lot = Lot(stays, terms)
    lot.flow_alone()
    return lot


class _Day:
    """A run under way: the lot, the market, and what was agreed."""

    def __init__(self, lot: Lot, mechanism: Mechanism, agree: Agree | None) -> None:
        self.lot, self.mechanism, self.agree = lot, mechanism, agree
        self.stays, self.terms, self.rules = lot.stays, lot.terms, lot.rules
        self.price = self.terms.peer_price(self.rules.guarantee, self.rules.efficiency)
        self.agreed: list[tuple[int, Int64Array, Fills]] = []
        self.dust_wh = 0
        self.is_blocked = False

    def run(self, progress: Callable[[int, int], None] | None) -> None:
        intervals, done = intervals_of(self.stays), 0
        for may_trade, stretch in groupby(intervals, self.lot.may_trade):
            for interval in stretch if may_trade else [_as_one(stretch)]:
                self.lot.flow(interval, self._trade(interval) if may_trade else None)
                done += (interval.end_s - interval.start_s) // self.rules.interval_s
                if progress is not None:
                    progress(done, len(intervals))

    def _trade(self, interval: Interval) -> Fills | None:
        """Match what is offered at gate closure, price it, and ask for agreement."""
        offers = self.lot.offers(interval)
        if offers is None:
            return None
        fills = self._matched(offers)
        if fills is None or not len(fills):
            return None
        numbers = np.arange(len(fills))
        if self.agree is not None:
            table = trades_of_interval(self.stays, interval.start_s, fills)
            agreed = self.agree(interval.start_s, table)
            numbers, fills = agreed.index.to_numpy(), self._fills(agreed)
        if not len(fills):
            return None
        self.agreed.append((interval.start_s, numbers, fills))
        return fills

    def _matched(self, offers: Offers) -> Fills | None:
        """The mechanism's fills without those too small to settle."""
        market = matched(self.stays, offers, self.mechanism)
        if market is None:
            self.is_blocked = True
            return None
        fills, dust_wh = market
        self.dust_wh += dust_wh
        return fills

    def _fills(self, trades: pd.DataFrame) -> Fills:
        """Agreed trades as codes: the ledger may have agreed to others than were matched."""
        return Fills(
            buyer=np.searchsorted(self.stays.ids, trades["buyer_id"].to_numpy(dtype=object)),
            seller=np.searchsorted(self.stays.ids, trades["seller_id"].to_numpy(dtype=object)),
            energy_wh=trades["energy_wh"].to_numpy(np.int64),
            price_ueur_per_kwh=trades["price_ueur_per_kwh"].to_numpy(np.int64),
            seller_price_ueur_per_kwh=trades["seller_price_ueur_per_kwh"].to_numpy(np.int64),
        )

    def blocked(self, trades: pd.DataFrame) -> tuple[int, int]:
        """Trades, and Wh, more if only floor and ceiling had not been in the way."""
        is_posted = self.mechanism in PRIORITIES.values()
        if not (self.terms.limits and self.is_blocked and is_posted):
            return 0, 0
        free = replace(self.terms, limits=False, pricing=None)
        day = _Day(Lot(self.stays, free), self.mechanism, None)
        day.run(None)
        would = _table(self.stays, day.agreed)
        more_wh = int(would["energy_wh"].sum()) - int(trades["energy_wh"].sum())
        return max(len(would) - len(trades), 0), max(more_wh, 0)


def _as_one(intervals: Iterable[Interval]) -> Interval:
    """The time of consecutive intervals."""
    first, *others = intervals
    return replace(first, end_s=others[-1].end_s) if others else first


def matched(stays: Stays, offers: Offers, mechanism: Mechanism) -> tuple[Fills, int] | None:
    """What a market makes of offers: fills large enough to settle, and the Wh of the others.

    None where nothing is posted, or nobody's limits meet.
    """
    if offers.price is None:
        return None
    fills = mechanism(offers.book, offers.price)
    if not len(fills):
        return None
    smallest = stays.rules.smallest_trade_wh
    if stays.rules.merge_small:
        fills = merge_small(offers.book, fills, smallest_wh=smallest).fills
    costs_nothing = fills.energy_wh * fills.price_ueur_per_kwh < WH_PER_KWH
    is_dust = (fills.energy_wh < smallest) | costs_nothing
    if not is_dust.any():
        return fills, 0
    return fills.take(~is_dust), int(fills.energy_wh[is_dust].sum())


def trades_of_interval(stays: Stays, start_s: int, fills: Fills) -> pd.DataFrame:
    """The trade table of the fills of one interval, numbered from 0."""
    return _table(stays, [(start_s, np.arange(len(fills)), fills)])


def _run_of(day: _Day, alone: Lot) -> LotRun:
    lot = day.lot
    flows, flows_alone = lot.flows, alone.flows
    trades = _table(lot.stays, day.agreed)
    blocked, blocked_wh = day.blocked(trades)
    return LotRun(
        stays=lot.stays,
        terms=lot.terms,
        price=day.price,
        trades=trades,
        start_s=lot.edges_s[:-1],
        grid_wh=flows.grid_wh,
        grid_only_wh=flows_alone.grid_wh,
        peers_wh=flows.peers_wh,
        pv_wh=flows.pv_wh,
        export_wh=flows.export_wh,
        cable_loss_wh=flows.cable_loss_wh,
        curtailed_wh=flows.curtailed_wh,
        curtailed_grid_only_wh=flows_alone.curtailed_wh,
        from_grid_wh=lot.drawn_wh - lot.from_peers_wh,
        from_peers_wh=lot.from_peers_wh,
        to_peers_wh=lot.to_peers_wh,
        alone_wh=alone.drawn_wh,
        gained_wh=lot.gained_wh,
        gave_wh=lot.gave_wh,
        alone_gained_wh=alone.gained_wh,
        grid_bill_ueur=lot.grid_bill_ueur,
        alone_bill_ueur=alone.grid_bill_ueur,
        replacements=lot.replacements,
        owed_wh=lot.owed_wh,
        covered_wh=lot.covered_wh,
        refund_ueur=lot.refund_ueur,
        shortfall_wh=lot.shortfall_wh,
        blocked=blocked,
        blocked_wh=blocked_wh,
        dust_wh=day.dust_wh,
    )


def _table(stays: Stays, agreed: list[tuple[int, Int64Array, Fills]]) -> pd.DataFrame:
    """The trade table of fills by interval; `trade_id` counts from 0 in each."""
    fills = Fills.joined(fills for _, _, fills in agreed)
    trades = trade_table(fills, stays.ids)
    counts = [len(numbers) for _, numbers, _ in agreed]
    starts = np.repeat(np.array([start for start, _, _ in agreed], dtype=np.int64), counts)
    times = pd.DatetimeIndex(starts.astype("datetime64[s]")).tz_localize("UTC").as_unit("us")
    trades.insert(0, "interval_start", times)
    stamps = [datetime.fromtimestamp(start, UTC).strftime("%Y%m%dT%H%MZ") for start, _, _ in agreed]
    ids = [
        f"{stamp}-{number:03d}"
        for stamp, (_, numbers, _) in zip(stamps, agreed, strict=True)
        for number in numbers.tolist()
    ]
    trades.insert(1, "trade_id", pd.Series(ids, dtype="str"))
    return trades
