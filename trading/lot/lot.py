"""The state of a lot between two instants: what vehicles offer next, and how power then flows.

The simulation steps one of these through the day; each operator steps its own, on its own copy of
the sessions and with the trades that the chain confirmed, and so knows what every meter must show.

In each meter interval agreed trades flow first, then grid energy by the lot's strategy, cut to what
cables and connection leave. A seller neither charges in a market interval in which it sells, nor
sells what it bought from peers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from trading.lot.connection import Connection, Flows
from trading.lot.guarantee import later_wh, saleable_wh, target_wh
from trading.lot.physics import SECONDS_PER_HOUR
from trading.lot.stays import ALL, UNKNOWN, Rows, Stays
from trading.lot.strategy import STRATEGIES, Outlook
from trading.lot.terms import Terms
from trading.market import Fills, OrderBook, Orders, PeerPrice
from trading.market.pricing import BookTotals
from trading.units import MAX_U32, Int64Array, cost_ueur


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A market interval: `gate_s` closes the market, power flows in [start_s, end_s)."""

    start_s: int
    end_s: int
    gate_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What the vehicles that are there at gate closure bid and ask.

    Attributes:
        book: the orders by code of session, with limit prices where limits count; who could never
            pay a price of 0 bids nothing.
        price: what is posted for the interval; None where nothing is, and all stay on the grid.
    """

    book: OrderBook
    price: PeerPrice | None


class Lot:
    """A lot in motion; call `offers` and then `flow` for each market interval in turn.

    Attributes:
        stays: the sessions under their rules.
        drawn_wh, from_peers_wh, to_peers_wh: energy at each session's meter so far.
        promised_wh: what each seller has agreed to sell so far.
        owed_wh: grid energy that a session owes because it left before delivering what it sold.
        covered_wh: grid energy that a session drew at the expense of a seller who had left.
        refund_ueur: what the lot pays back to buyers who left before taking what they bought.
        shortfall_wh: agreed energy that did not flow because a party left before its time.
    """

    def __init__(self, stays: Stays, terms: Terms) -> None:
        self.stays, self.terms, self.rules = stays, terms, stays.rules
        n = len(stays)
        self._steps = self.rules.efficiency.steps
        self._drawn_at = np.zeros((len(self._steps), n), np.int64)
        self._sold_at = np.zeros((len(self._steps), n), np.int64)
        # Under one efficiency for all powers these are the same sums, and so the same arrays.
        is_flat = len(self._steps) == 1
        self.drawn_wh = self._drawn_at[0] if is_flat else np.zeros(n, np.int64)
        self.to_peers_wh = self._sold_at[0] if is_flat else np.zeros(n, np.int64)
        self.from_peers_wh = np.zeros(n, np.int64)
        self.promised_wh = np.zeros(n, np.int64)
        self.owed_wh = np.zeros(n, np.int64)
        self.covered_wh = np.zeros(n, np.int64)
        self.refund_ueur = np.zeros(n, np.int64)
        self.shortfall_wh = 0
        self._billed = np.zeros(n, np.int64)
        self._wants = STRATEGIES[self.rules.strategy]
        presence, step = stays.presence, self.rules.metered_s
        self._meter_s, self._n = step, presence.n * self.rules.interval_s // step
        self._first_s = presence.first_s
        last_s = presence.first_s + presence.n * self.rules.interval_s
        self.edges_s = np.arange(presence.first_s, last_s + step, step)
        # Who no longer draws what its course says, since it sold.
        self._is_astray = np.zeros(n, np.bool_)
        self._connection = Connection(self.rules.site, self.edges_s)
        terms.check_covers(presence.first_s, last_s)
        self._tariff = terms.buy_over(self.edges_s)
        # Trades are agreed for a market interval, in which these may differ.
        within = self.rules.interval_s // step
        self._mean_tariff = terms.buy_over(self.edges_s[::within])
        self._lowest_tariff = self._tariff.reshape(-1, within).min(axis=1)
        self._mean_feed_in = terms.feed_in_over(self.edges_s[::within])
        self._standing: dict[int, PeerPrice | None] = {}
        self.replacements = terms.replacements(stays.ids, self.rules.seed)
        self._floors = terms.floors(self.replacements, self.rules.guarantee, self.rules.efficiency)

    # ------------------------------------------------------------------ what is known

    @property
    def flows(self) -> Flows:
        """What moved in each meter interval so far."""
        return self._connection.flows()

    @property
    def gained_wh(self) -> Int64Array:
        """What each battery gained by charging so far."""
        gained = [step.stored(wh) for step, wh in zip(self._steps, self._drawn_at, strict=True)]
        return gained[0] if len(gained) == 1 else np.sum(gained, axis=0)

    @property
    def gave_wh(self) -> Int64Array:
        """What each battery gave by discharging so far."""
        gave = [step.drawn(wh) for step, wh in zip(self._steps, self._sold_at, strict=True)]
        return gave[0] if len(gave) == 1 else np.sum(gave, axis=0)

    @property
    def content_wh(self) -> Int64Array:
        """What each battery holds, or held when it left."""
        return self.stays.content_wh + self.gained_wh - self.gave_wh

    @property
    def grid_bill_ueur(self) -> Int64Array:
        """What each session owes for grid energy so far, every kWh at the tariff of its time."""
        return self._billed // 1_000

    def chargeable_wh(
        self,
        wanted_wh: Int64Array,
        since_s: int | Int64Array,
        until_s: int | Int64Array,
        *,
        planned: bool = False,
        rows: Rows = ALL,
    ) -> Int64Array:
        """What each charger can feed of `wanted_wh`: power, presence and battery considered."""
        most = np.minimum(
            wanted_wh, self.stays.chargeable_wh(since_s, until_s, planned=planned, rows=rows)
        )
        return self.stays.accepted_wh(
            most, self.content_of, since_s, until_s, planned=planned, rows=rows
        )

    def content_of(self, rows: Int64Array) -> Int64Array:
        """`content_wh` of some sessions."""
        if len(self._steps) > 1:
            return self.content_wh[rows]
        flat = self._steps[0]
        gained, gave = flat.stored(self._drawn_at[0, rows]), flat.drawn(self._sold_at[0, rows])
        return self.stays.content_wh[rows] + gained - gave

    # ------------------------------------------------------------------ before an interval

    def may_trade(self, interval: Interval) -> bool:
        """Whether a market interval has bidders and askers, whatever these have left."""
        k, presence = self._market_at(interval), self.stays.presence
        return 0 <= k < presence.n and presence.may_trade[k]

    def offers(self, interval: Interval) -> Offers | None:
        """Bids and asks at gate closure, or None without both."""
        if not self.may_trade(interval):
            return None
        k, start = self._market_at(interval), interval.start_s
        buyers, bids = self._bids(k, start, interval.end_s)
        if not len(buyers):
            return None
        sellers, asks = self._asks(k, interval.end_s)
        if not len(sellers):
            return None
        price = self._quote(k, bids, asks)
        return Offers(book=self._order_book(k, buyers, bids, sellers, asks), price=price)

    def _bids(self, k: int, start: int, end: int) -> tuple[Int64Array, Int64Array]:
        """Who bids in market interval `k`, and for how much."""
        stays, cable_wh = self.stays, self._connection.cable_wh
        buyers, can_take = stays.presence.bidders.at(k)
        left = np.maximum(stays.bid_cap_wh[buyers] - self.drawn_wh[buyers], 0)
        bids = np.minimum(left, can_take)
        if stays.bids_may_taper:
            bids = stays.accepted_wh(bids, self.content_of, start, end, planned=True, rows=buyers)
        if cable_wh is not None:
            at, last = self._step_at(start), self._step_at(end)
            bids = _scaled(bids, int(cable_wh[at:last].min()) * (last - at))
        return _above_0(buyers, bids)

    def _asks(self, k: int, end: int) -> tuple[Int64Array, Int64Array]:
        """Who asks in market interval `k`, and with how much."""
        askers = self.stays.presence.askers
        sellers, can_give = askers.at(k)
        asks = np.minimum(self.left_to_sell_wh(sellers), can_give)
        some = (asks > 0).nonzero()[0]
        if not len(some):
            return some, some
        sellers, asks = sellers[some], asks[some]
        saleable = saleable_wh(
            self.stays,
            rows=sellers,
            drawn_wh=self.drawn_wh[sellers],
            sold_wh=self.promised_wh[sellers],
            content_of=self.content_of,
            after_s=end,
            later_wh=self._later_wh[askers.since[k] + some],
        )
        return _above_0(sellers, np.minimum(asks, saleable))

    def _order_book(
        self, k: int, buyers: Int64Array, bids: Int64Array, sellers: Int64Array, asks: Int64Array
    ) -> OrderBook:
        ceilings = floors = None
        if self.terms.limits:
            ceilings, floors = self._ceilings(k, buyers), self._floors[sellers]
            floors = np.minimum(floors, MAX_U32)
            if ceilings.min() < 0:
                pays = ceilings >= 0
                buyers, bids, ceilings = buyers[pays], bids[pays], ceilings[pays]
        who, n = np.concatenate((buyers, sellers)), len(buyers)
        soc = self.content_of(who) / self.stays.capacity_wh[who]
        arrival = self.stays.arrival_s[who]
        return OrderBook(
            buyers=Orders(
                code=buyers,
                energy_wh=bids,
                soc=soc[:n],
                arrival=arrival[:n],
                limit_price_ueur_per_kwh=ceilings,
            ),
            sellers=Orders(
                code=sellers,
                energy_wh=asks,
                soc=soc[n:],
                arrival=arrival[n:],
                limit_price_ueur_per_kwh=floors,
            ),
        )

    @cached_property
    def _later_wh(self) -> Int64Array:
        """What each of `presence.askers` can still be fed after its interval."""
        askers = self.stays.presence.askers
        ends_s = self._first_s + (askers.interval + 1) * self.rules.interval_s
        return later_wh(self.stays, ends_s, askers.rows)

    def posted(self, interval: Interval) -> PeerPrice | None:
        """The price posted for an interval, as its offers have it."""
        offers = self.offers(interval) if self.terms.pricing is not None else None
        if offers is not None:
            return offers.price
        nothing = np.zeros(0, np.int64)
        return self._quote(self._nearest_market(interval.start_s), nothing, nothing)

    def _quote(self, k: int, bids: Int64Array, asks: Int64Array) -> PeerPrice | None:
        """What is posted for market interval `k`, by the mean of its tariff."""
        terms, rules = self.terms, self.rules
        tariff = int(self._mean_tariff[k])
        if terms.pricing is not None:
            return terms.quote(
                rules.guarantee,
                rules.efficiency,
                tariff=tariff,
                feed_in=int(self._mean_feed_in[k]),
                totals=BookTotals(demand_wh=int(bids.sum()), supply_wh=int(asks.sum())),
            )
        if tariff not in self._standing:
            price = terms.standing_price(rules.guarantee, rules.efficiency, tariff=tariff)
            self._standing[tariff] = price
        return self._standing[tariff]

    def limits(self, start_s: int) -> tuple[Int64Array, Int64Array]:
        """(ceilings, floors) of all sessions in the interval that begins then, ueur per kWh."""
        return self._ceilings(self._nearest_market(start_s)), self._floors

    def left_to_sell_wh(self, rows: Rows = ALL) -> Int64Array:
        """What each seller may still sell in its stay, time and power left aside."""
        stays, rules = self.stays, self.rules
        worst = rules.efficiency.worst if rules.efficiency.part_load else rules.efficiency
        if not rules.arbitrage:
            left = stays.ask_cap_wh[rows] - self.promised_wh[rows]
            if not rules.efficiency.part_load:
                return left
            own = stays.content_wh - self.gave_wh
            bound = worst.discharge_from(np.maximum(own - stays.kept_wh, 0)[rows])
            bounded: Int64Array = np.minimum(left, bound)
            return bounded
        above = np.maximum(self.content_wh - stays.kept_wh, 0)[rows]
        left = np.where(stays.is_seller[rows], worst.discharge_from(above), 0)
        capped: Int64Array = np.minimum(left, stays.v2g_cap_wh[rows] - self.promised_wh[rows])
        return capped

    def _ceilings(self, k: int, rows: Rows = ALL) -> Int64Array:
        """The least that grid energy costs each buyer instead of trades in market interval `k`.

        For who would charge now that is the lowest tariff of the interval's meters: when in it a
        buyer would have drawn the same energy hangs on its need, and trades are spread evenly.
        """
        tariff, at = self._tariff, k * self.rules.interval_s // self._meter_s
        n = len(self.stays) if isinstance(rows, slice) else len(rows)
        now = np.full(n, self._lowest_tariff[k])
        if self.rules.strategy == "at-once" or self.terms.tariff is None:
            return now
        wanted = target_wh(self.stays, self.to_peers_wh) - self.drawn_wh
        outlook = self._outlook(at, wanted[rows], rows)
        waits = (self._wants(outlook) <= 0) & (outlook.leaves_s != UNKNOWN)
        if not waits.any() or at + 1 >= len(tariff):
            return now
        # Who waits takes the lowest tariff still to come: it never regrets not having bought.
        lowest = np.minimum.accumulate(tariff[at + 1 :])
        last = np.searchsorted(outlook.later_s, outlook.leaves_s, side="left") - 1
        later = np.where(last >= 0, lowest[np.maximum(last, 0)], tariff[at])
        return np.where(waits, np.minimum(later, now), now)

    # ------------------------------------------------------------------ during an interval

    def flow_alone(self) -> None:
        """Let the whole time pass without trading; the same as `flow` of every interval."""
        self._untraded(0, self._n)

    def flow(self, interval: Interval, fills: Fills | None) -> None:
        """Let agreed trades and grid energy flow; without trades also over several intervals."""
        first, last = self._step_at(interval.start_s), self._step_at(interval.end_s)
        if fills is None:
            self._untraded(first, last)
            return
        np.add.at(self.promised_wh, fills.seller, fills.energy_wh)
        if last - first == 1:
            self._traded(first, fills)
            return
        fills, due_wh = self._spread(interval, fills, first, last)
        done = np.zeros(len(fills), np.int64)
        for k, at in enumerate(range(first, last)):
            part = replace(fills, energy_wh=due_wh[k] - done)
            done += self._traded(at, part, later_wh=fills.energy_wh - due_wh[k])

    def _spread(
        self, interval: Interval, fills: Fills, first: int, last: int
    ) -> tuple[Fills, Int64Array]:
        """Trades over the meter intervals in which both parties are expected to be there.

        Returns:
            the trades, first those that have to end first, and what is due of each by the end of
            each meter interval, shape (intervals, trades).
        """
        leaves = self.stays.known_departure(interval.gate_s)
        until = np.minimum(leaves[fills.buyer], leaves[fills.seller])
        until = np.clip(until, interval.start_s, interval.end_s)
        until = np.where(until == interval.start_s, interval.end_s, until)
        order = np.argsort(until, kind="stable")
        fills, until = fills.take(order), until[order]
        passed = np.minimum(self.edges_s[first + 1 : last + 1, None], until) - interval.start_s
        return fills, fills.energy_wh * passed // (until - interval.start_s)

    def _untraded(self, first: int, last: int) -> None:
        """Meter intervals `first` to `last` - 1, in which nobody trades."""
        course = self.stays.course
        if course is None:
            for at in range(first, last):
                self._charge(at, ALL)
            return
        steps, rows, drawn = course.between(first, last)
        if len(rows):
            keeps = ~self._is_astray[rows]
            steps, rows, drawn = steps[keeps], rows[keeps], drawn[keeps]
            np.add.at(self.drawn_wh, rows, drawn)
            np.add.at(self._billed, rows, drawn * self._tariff[steps])
            self._connection.carry_each(steps, drawn)
        for at in range(first, last):
            astray = self._is_astray[self._there(at)].nonzero()[0]
            if len(astray):
                self._charge(at, astray)

    def _charge(self, at: int, some: Rows) -> None:
        """Let those at positions `some` of who is there draw from the grid."""
        rows = self._there(at)[some]
        wanted = self._wanted_wh(rows)
        if not wanted.any():
            return
        start = self._first_s + at * self._meter_s
        end = start + self._meter_s
        can_feed = self.stays.presence.chargeable_wh(at)[some]
        possible = self._accepted(wanted, can_feed, start, end, rows)
        asked = self._from_grid(at, wanted, possible, rows)
        drawn, curtailed = self._within_limits(at, asked, 0, rows)
        self._billed[rows] += drawn * self._tariff[at]
        self._book(drawn, None, start, end, rows)
        self._connection.carry(at, int(drawn.sum()), 0, curtailed)

    def _traded(self, at: int, fills: Fills, later_wh: Int64Array | None = None) -> Int64Array:
        """A meter interval with trades: what of each has flowed or been made good.

        Args:
            at: the meter interval.
            fills: what is due of each trade in it.
            later_wh: what is due of each in those that follow, which buyers do not draw from the
                grid now; None, and all 0, for the last. What does not flow before the last while
                both parties stay is due again.
        """
        is_last = later_wh is None or not later_wh.any()
        start = self._first_s + at * self._meter_s
        end = start + self._meter_s
        rows, can_feed, can_give = self._there_with(at, fills)
        places = rows.searchsorted(fills.buyer), rows.searchsorted(fills.seller)
        buyers, sellers = places
        wanted = self._wanted_wh(rows)
        possible = self._possible_wh(at, rows, wanted, can_feed, sellers)
        moved = fills.energy_wh
        bought, sold = _sums(moved, places, len(possible))
        if (possible - bought).min() < 0 or (can_give - sold).min() < 0:
            moved = _deliverable(moved, buyers, sellers, possible, can_give)
        if self._connection.cable_wh is not None:
            most = self._connection.cable_wh[at]
            moved = np.diff(np.minimum(np.cumsum(moved), most), prepend=0)
        if moved is not fills.energy_wh:
            bought, sold = _sums(moved, places, len(possible))
        left = wanted - bought
        if not is_last and later_wh is not None:
            np.subtract.at(left, buyers, later_wh + fills.energy_wh - moved)
        possible -= bought
        asked = self._from_grid(at, left, np.minimum(np.maximum(left, 0), possible), rows)
        grid, curtailed = self._within_limits(at, asked, int(bought.sum()), rows)
        missing = fills.energy_wh - moved
        if missing.any():
            if not is_last:
                leaves = self.stays.departure_s
                stay = (leaves[fills.buyer] > end) & (leaves[fills.seller] > end)
                missing = np.where(stay, 0, missing)
            # Who charges at once draws what is missing now; who waits, some time in its stay.
            instead = grid if self.rules.strategy == "at-once" else wanted - bought
            self._make_good(fills, missing, instead, buyers, int(self._tariff[at]))
        drawn = bought + grid
        self._billed[rows] += grid * self._tariff[at]
        self._book(drawn, sold, start, end, rows)
        self.from_peers_wh[rows] += bought
        self._is_astray[fills.seller] = True
        if later_wh is not None:
            # What is due later was not drawn now.
            self._is_astray[fills.buyer] = True
        self._connection.carry(at, int(grid.sum()), int(bought.sum()), curtailed)
        return moved + missing

    def _there_with(self, at: int, fills: Fills) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Who is there, with all parties to trades, and what their chargers can feed and take."""
        presence, rows = self.stays.presence, self._there(at)
        parties = np.concatenate((fills.buyer, fills.seller))
        place = rows.searchsorted(parties)
        if len(rows) and place.max() < len(rows) and (rows[place] == parties).all():
            return rows, presence.chargeable_wh(at), presence.dischargeable_wh(at)
        # The ledger agreed to a trade of someone who was not there.
        rows = np.union1d(rows, parties)
        start, end = int(self.edges_s[at]), int(self.edges_s[at + 1])
        can_feed = self.stays.chargeable_wh(start, end, rows=rows)
        return rows, can_feed, self.stays.dischargeable_wh(start, end, rows=rows)

    def _possible_wh(
        self,
        at: int,
        rows: Int64Array,
        wanted: Int64Array,
        can_feed: Int64Array,
        sellers: Int64Array,
    ) -> Int64Array:
        """What each of `rows` can draw; those at positions `sellers` sell, and so do not charge."""
        course, is_open = self.stays.course, np.ones(len(rows), np.bool_)
        possible = np.zeros(len(rows), np.int64)
        if course is not None:
            keeping, drawn = course.at(at)
            possible[rows.searchsorted(keeping)] = drawn
            is_open = self._is_astray[rows]
        possible[sellers] = 0
        is_open[sellers] = False
        i = is_open.nonzero()[0]
        if len(i):
            start = self._first_s + at * self._meter_s
            possible[i] = self._accepted(
                wanted[i], can_feed[i], start, start + self._meter_s, rows[i]
            )
        return possible

    def _wanted_wh(self, rows: Rows) -> Int64Array:
        """What each vehicle is still to draw."""
        if self.rules.guarantee == "consent":
            target = self.stays.need_wh[rows]
        else:
            target = target_wh(self.stays, self.to_peers_wh)[rows]
        wanted: Int64Array = np.maximum(target - self.drawn_wh[rows], 0)
        return wanted

    def _accepted(
        self, wanted: Int64Array, can_feed: Int64Array, start: int, end: int, rows: Rows
    ) -> Int64Array:
        """What each vehicle can draw of what it wants."""
        most = np.minimum(wanted, can_feed)
        return self.stays.accepted_wh(most, self.content_of, start, end, rows=rows)

    def _from_grid(
        self, at: int, wanted: Int64Array, possible: Int64Array, rows: Rows
    ) -> Int64Array:
        """What each vehicle asks of the grid."""
        if self.rules.strategy == "at-once":
            return possible
        return np.minimum(self._wants(self._outlook(at, wanted, rows)), possible)

    def _outlook(self, at: int, wanted: Int64Array, rows: Rows = ALL) -> Outlook:
        return Outlook(
            end_s=int(self.edges_s[at + 1]),
            wanted_wh=np.maximum(wanted, 0),
            power_w=self.stays.sure_charge_w[rows],
            leaves_s=self.stays.known_departure(int(self.edges_s[at]), rows),
            now_ueur_per_kwh=int(self._tariff[at]),
            later_s=self.edges_s[at + 1 : -1],
            later_ueur_per_kwh=self._tariff[at + 1 :],
            step_s=self.rules.metered_s,
        )

    def _within_limits(
        self, at: int, grid: Int64Array, peers: int, rows: Rows
    ) -> tuple[Int64Array, int]:
        """Cut grid energy to what cables and connection leave: (Wh, Wh cut).

        Who could least make up for it later is served first.
        """
        if not self._connection.is_limited:
            return grid, 0
        asked = int(grid.sum())
        most = self._connection.left_wh(at, asked, peers)
        if most >= asked:
            return grid, 0
        order = np.lexsort((np.arange(len(grid)), self._slack_s(at)[rows]))
        before = np.cumsum(grid[order]) - grid[order]
        served = np.zeros_like(grid)
        served[order] = np.clip(most - before, 0, grid[order])
        return served, asked - most

    def _slack_s(self, at: int) -> Int64Array:
        """Seconds each vehicle could wait and still draw what it wants by its departure."""
        wanted = np.maximum(target_wh(self.stays, self.to_peers_wh) - self.drawn_wh, 0)
        start = int(self.edges_s[at])
        left_s = np.minimum(self.stays.known_departure(start) - start, 30 * 86_400)
        needs_s = wanted * SECONDS_PER_HOUR // np.maximum(self.stays.sure_charge_w, 1)
        slack: Int64Array = left_s - needs_s
        return slack

    def _book(
        self, drawn: Int64Array, sold: Int64Array | None, start: int, end: int, rows: Rows
    ) -> None:
        """Enter what meters counted, where there is one under the efficiency that it moved at."""
        if len(self._steps) > 1:
            self._book_by_step(drawn, sold, start, end, rows)
        self.drawn_wh[rows] += drawn
        if sold is not None:
            self.to_peers_wh[rows] += sold

    def _book_by_step(
        self, drawn: Int64Array, sold: Int64Array | None, start: int, end: int, rows: Rows
    ) -> None:
        """The same under the step of the efficiency curve that each meter moved at."""
        efficiency = self.rules.efficiency
        who = np.arange(len(self.stays))[rows]
        most = np.maximum(self.stays.chargeable_wh(start, end, rows=rows), drawn)
        self._drawn_at[efficiency.step_of(drawn, most), who] += drawn
        if sold is not None:
            most = np.maximum(self.stays.dischargeable_wh(start, end, rows=rows), sold)
            self._sold_at[efficiency.step_of(sold, most), who] += sold

    def _make_good(
        self,
        fills: Fills,
        missing: Int64Array,
        grid: Int64Array,
        places: Int64Array,
        tariff: int,
    ) -> None:
        """Settle what did not flow with whoever left, or with the lot (`terms.shortfall`).

        A buyer pays for what it did not take. A seller owes the grid energy that its buyer draws in
        place of what it did not deliver, at the tariff of this interval.
        """
        can_replace = grid.copy()
        lot_bears = self.terms.shortfall == "lot"
        for i in np.flatnonzero(missing):
            buyer, seller = fills.buyer[i], fills.seller[i]
            replaced = min(int(missing[i]), int(can_replace[places[i]]))
            can_replace[places[i]] -= replaced
            self.covered_wh[buyer] += replaced
            self._billed[buyer] -= replaced * tariff
            if lot_bears:
                left = np.array([missing[i] - replaced])
                self.refund_ueur[buyer] += cost_ueur(left, fills.price_ueur_per_kwh[i : i + 1])[0]
            else:
                self.owed_wh[seller] += replaced
                self._billed[seller] += replaced * tariff
            self.shortfall_wh += int(missing[i])

    def _there(self, at: int) -> Int64Array:
        """Who may matter in the market interval of a meter interval: there since its gate."""
        return self.stays.presence.there(at * self._meter_s // self.rules.interval_s)

    def _market_at(self, interval: Interval) -> int:
        return (interval.start_s - self._first_s) // self.rules.interval_s

    def _nearest_market(self, start_s: int) -> int:
        """The market interval that begins then, the nearest there is."""
        k = (start_s - self._first_s) // self.rules.interval_s
        return min(max(k, 0), len(self._mean_tariff) - 1)

    def _step_at(self, time_s: int) -> int:
        """The meter interval at that time, the nearest there is."""
        return min(max((time_s - self._first_s) // self._meter_s, 0), self._n)


def _sums(
    energy_wh: Int64Array, places: tuple[Int64Array, Int64Array], n: int
) -> tuple[Int64Array, Int64Array]:
    """What trades take to each of `n` buyers' places and from each of as many sellers'."""
    bought, sold = np.zeros((2, n), np.int64)
    np.add.at(bought, places[0], energy_wh)
    np.add.at(sold, places[1], energy_wh)
    return bought, sold


def _deliverable(
    energy_wh: Int64Array,
    buyers: Int64Array,
    sellers: Int64Array,
    can_take: Int64Array,
    can_give: Int64Array,
) -> Int64Array:
    """What flows of agreed trades where a party left before its time: one after another."""
    moved = energy_wh.copy()
    can_take, can_give = can_take.copy(), can_give.copy()
    for i, (buyer, seller) in enumerate(zip(buyers, sellers, strict=True)):
        moved[i] = min(energy_wh[i], can_take[buyer], can_give[seller])
        can_take[buyer] -= moved[i]
        can_give[seller] -= moved[i]
    return moved


def _above_0(rows: Int64Array, energy_wh: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Those of `rows` with energy to offer, and how much."""
    some = energy_wh > 0
    return (rows, energy_wh) if some.all() else (rows[some], energy_wh[some])


def _scaled(bids: Int64Array, most_wh: int) -> Int64Array:
    """Bids cut in proportion to what the cables carry."""
    total = int(bids.sum())
    return bids if total <= most_wh else bids * max(most_wh, 0) // total
