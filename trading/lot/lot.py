"""The state of a lot between two instants: what vehicles offer next, and how power then flows.

The simulation steps one of these through the day; each operator steps its own, on its own copy of
the sessions and with the trades that the chain confirmed, and so knows what every meter must show.

In each meter interval agreed trades flow first, then grid energy by the lot's strategy, cut to what
cables and connection leave. A seller neither charges in a market interval in which it sells, nor
sells what it bought from peers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trading.lot.guarantee import saleable_wh, target_wh
from trading.lot.physics import SECONDS_PER_HOUR, Efficiency
from trading.lot.stays import ALL, UNKNOWN, BoolArray, Rows, Stays
from trading.lot.strategy import STRATEGIES, Outlook
from trading.lot.terms import Terms
from trading.market import Fills, OrderBook, PeerPrice, order_side
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
    """What the vehicles that are there at gate closure bid and ask; arrays as the stays.

    Attributes:
        bids_wh, asks_wh: energy at their meters.
        ceilings, floors: the most each buyer pays, the least each seller takes, ueur per kWh; None
            where limits do not count.
        price: what is posted for the interval; None where nothing is, and all stay on the grid.
        soc: state of charge.
    """

    bids_wh: Int64Array
    asks_wh: Int64Array
    ceilings: Int64Array | None
    floors: Int64Array | None
    price: PeerPrice | None
    soc: np.ndarray

    def book(self, stays: Stays) -> OrderBook:
        """The order book of these offers; who could never pay a price of 0 bids nothing."""
        ceilings, floors = self.ceilings, self.floors
        bids = self.bids_wh if ceilings is None else np.where(ceilings >= 0, self.bids_wh, 0)
        buying, selling = np.flatnonzero(bids), np.flatnonzero(self.asks_wh)
        return OrderBook(
            buyers=order_side(
                code=buying,
                energy_wh=bids[buying],
                soc=self.soc[buying],
                arrival=stays.arrival_s[buying],
                limit_price_ueur_per_kwh=None if ceilings is None else ceilings[buying],
            ),
            sellers=order_side(
                code=selling,
                energy_wh=self.asks_wh[selling],
                soc=self.soc[selling],
                arrival=stays.arrival_s[selling],
                limit_price_ueur_per_kwh=None
                if floors is None
                else np.minimum(floors[selling], MAX_U32),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What moved in a meter interval, whole Wh.

    Attributes:
        grid_wh: drawn from the grid at the connection, cable losses included.
        peers_wh: from sellers' to buyers' meters.
        pv_wh: of the roof, into vehicles and cables.
        export_wh: of the roof, fed into the grid.
        cable_loss_wh: lost in the lot's cables.
        curtailed_wh: wanted of the grid, and cut because of connection or cables.
    """

    grid_wh: int
    peers_wh: int
    pv_wh: int
    export_wh: int
    cable_loss_wh: int
    curtailed_wh: int


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
        self.drawn_wh = np.zeros(n, np.int64)
        self.from_peers_wh = np.zeros(n, np.int64)
        self.to_peers_wh = np.zeros(n, np.int64)
        self.promised_wh = np.zeros(n, np.int64)
        self.owed_wh = np.zeros(n, np.int64)
        self.covered_wh = np.zeros(n, np.int64)
        self.refund_ueur = np.zeros(n, np.int64)
        self.shortfall_wh = 0
        self._billed = np.zeros(n, np.int64)
        self._wants = STRATEGIES[self.rules.strategy]
        self._steps = self.rules.efficiency.steps
        self._drawn_at = np.zeros((len(self._steps), n), np.int64)
        self._sold_at = np.zeros((len(self._steps), n), np.int64)
        self._into_cables_wh = 0
        step = self.rules.metered_s
        first = int(stays.arrival_s.min()) // self.rules.interval_s * self.rules.interval_s
        last = -(-int(stays.departure_s.max()) // self.rules.interval_s) * self.rules.interval_s
        edges = np.arange(first, last + step, step)
        self.edges_s = edges
        site = self.rules.site
        self._may_trade = self._where_both_are()
        self._since, self._who = self._windows()
        terms.check_covers(first, last)
        self._tariff = terms.buy_over(edges)
        self._pv_wh = site.pv_wh(edges)
        self._connection_wh = site.connection_wh(edges)
        self._cable_wh = site.cable_wh(edges)
        replacements = terms.replacements(stays.ids, self.rules.seed)
        self.replacements = replacements
        self._floors = terms.floors(replacements, self.rules.guarantee, self.rules.efficiency)

    # ------------------------------------------------------------------ what is known

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
        stays, taper = self.stays, self.stays.taper
        most = np.minimum(
            wanted_wh, stays.chargeable_wh(since_s, until_s, planned=planned, rows=rows)
        )
        if taper is None:
            return most
        place = stays.taper_place[rows]
        i = np.flatnonzero((most > 0) & (place >= 0))
        if not len(i):
            return most
        who = i if isinstance(rows, slice) else rows[i]
        content = self._content_of(who)
        final = content + self.rules.efficiency.stored(most[i])
        nears = final > stays.tapers_from_wh[who]
        if not nears.any():
            return most
        i, who, content = i[nears], who[nears], content[nears]
        begins = since_s if isinstance(since_s, int) else since_s[i]
        ends = until_s if isinstance(until_s, int) else until_s[i]
        leaves = stays.known_departure(begins, who) if planned else stays.departure_s[who]
        seconds = np.minimum(ends, leaves) - np.maximum(begins, stays.arrival_s[who])
        most[i] = np.minimum(most[i], taper.charged_wh(place[i], content, seconds))
        return most

    def _content_of(self, rows: Int64Array) -> Int64Array:
        if len(self._steps) > 1:
            return self.content_wh[rows]
        flat = self._steps[0]
        gained, gave = flat.stored(self._drawn_at[0, rows]), flat.drawn(self._sold_at[0, rows])
        return self.stays.content_wh[rows] + gained - gave

    def _where_both_are(self) -> BoolArray:
        """In which market intervals buyers and sellers are in the lot, whatever they have left."""
        step, first = self.rules.interval_s, int(self.edges_s[0])
        n = (int(self.edges_s[-1]) - first) // step
        both = np.ones(n, np.bool_)
        for cap in (self.stays.bid_cap_wh, self.stays.may_sell):
            who = np.flatnonzero(cap)
            change = np.zeros(n + 1, np.int64)
            np.add.at(change, (self.stays.arrival_s[who] - first) // step, 1)
            np.add.at(change, -(-(self.stays.departure_s[who] - first) // step), -1)
            both &= np.cumsum(change[:-1]) > 0
        return both

    def _windows(self) -> tuple[Int64Array, Int64Array]:
        """Who is there from gate closure to the end of each market interval.

        Returns:
            positions at which each interval's sessions begin, and the sessions of all intervals.
        """
        stays, step, first = self.stays, self.rules.interval_s, int(self.edges_s[0])
        n = (int(self.edges_s[-1]) - first) // step
        begins = np.clip((stays.arrival_s - first) // step, 0, n - 1)
        # Who leaves between gate and start may have traded without telling anyone.
        until_s = stays.departure_s + self.rules.gate_lead_s
        ends = np.clip(-(-(until_s - first) // step), begins + 1, n)
        lengths = ends - begins
        who = np.repeat(np.arange(len(stays)), lengths)
        offset = np.arange(len(who)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        interval = np.repeat(begins, lengths) + offset
        order = np.argsort(interval, kind="stable")
        since = np.searchsorted(interval[order], np.arange(n + 1))
        return since, who[order]

    # ------------------------------------------------------------------ before an interval

    def offers(self, interval: Interval) -> Offers | None:
        """Bids and asks at gate closure, or None without both."""
        stays = self.stays
        start, end = interval.start_s, interval.end_s
        is_known = self.edges_s[0] <= start < self.edges_s[-1]
        if not is_known or not self._may_trade[self._interval_at(start)]:
            return None
        rows = self._window(start)
        there = stays.is_there(start, rows)
        bids = np.where(there, np.maximum(stays.bid_cap_wh[rows] - self.drawn_wh[rows], 0), 0)
        asks = np.where(there, self.left_to_sell_wh(rows), 0)
        if not bids.any() or not asks.any():
            return None
        bids = self.chargeable_wh(bids, start, end, planned=True, rows=rows)
        asks = np.minimum(asks, stays.dischargeable_wh(start, end, planned=True, rows=rows))
        content = self._content_of(rows)
        offering = np.flatnonzero(asks)
        sellers = rows[offering]
        saleable = saleable_wh(
            stays,
            rows=sellers,
            drawn_wh=self.drawn_wh[sellers],
            sold_wh=self.promised_wh[sellers],
            content_wh=content[offering],
            after_s=end,
        )
        asks[offering] = np.minimum(asks[offering], saleable)
        at = self._step_at(start)
        if self._cable_wh is not None:
            last = self._step_at(end)
            bids = _scaled(bids, int(self._cable_wh[at:last].min()) * (last - at))
        if not bids.any() or not asks.any():
            return None
        totals = BookTotals(demand_wh=int(bids.sum()), supply_wh=int(asks.sum()))
        limits = self.terms.limits
        return Offers(
            bids_wh=self._scattered(bids, rows),
            asks_wh=self._scattered(asks, rows),
            ceilings=self._ceilings(at) if limits else None,
            floors=self._floors if limits else None,
            price=self._quote(start, totals),
            soc=self._scattered(content, rows) / stays.capacity_wh,
        )

    def _scattered(self, values: Int64Array, rows: Int64Array) -> Int64Array:
        """Values of `rows` among zeros for all others."""
        all_of_them = np.zeros(len(self.stays), np.int64)
        all_of_them[rows] = values
        return all_of_them

    def _window(self, time_s: int) -> Int64Array:
        """Who may matter in the market interval that holds this time: there since its gate."""
        k = self._interval_at(time_s)
        return self._who[self._since[k] : self._since[k + 1]]

    def posted(self, interval: Interval) -> PeerPrice | None:
        """The price posted for an interval, as its offers have it."""
        offers = self.offers(interval) if self.terms.pricing is not None else None
        if offers is not None:
            return offers.price
        return self._quote(interval.start_s, BookTotals(demand_wh=0, supply_wh=0))

    def _quote(self, start_s: int, totals: BookTotals) -> PeerPrice | None:
        return self.terms.quote(
            self.rules.guarantee,
            self.rules.efficiency,
            tariff=int(self._tariff[min(self._step_at(start_s), len(self._tariff) - 1)]),
            feed_in=int(self.terms.feed_in_at(np.array([start_s]))[0]),
            totals=totals,
        )

    def limits(self, start_s: int) -> tuple[Int64Array, Int64Array]:
        """(ceilings, floors) of all sessions in the interval that begins then, ueur per kWh."""
        return self._ceilings(min(self._step_at(start_s), len(self._tariff) - 1)), self._floors

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

    def _ceilings(self, at: int) -> Int64Array:
        """What grid energy costs each buyer instead: now's tariff if it would charge now."""
        tariff = self._tariff
        now = np.full(len(self.stays), tariff[at])
        if self.rules.strategy == "at-once" or self.terms.tariff is None:
            return now
        outlook = self._outlook(at, target_wh(self.stays, self.to_peers_wh) - self.drawn_wh)
        waits = (self._wants(outlook) <= 0) & (outlook.leaves_s != UNKNOWN)
        if not waits.any() or at + 1 >= len(tariff):
            return now
        # Who waits takes the lowest tariff still to come: it never regrets not having bought.
        lowest = np.minimum.accumulate(tariff[at + 1 :])
        last = np.searchsorted(outlook.later_s, outlook.leaves_s, side="left") - 1
        later = np.where(last >= 0, lowest[np.maximum(last, 0)], tariff[at])
        return np.where(waits, np.minimum(later, now), now)

    # ------------------------------------------------------------------ during an interval

    def flow_alone(self) -> list[Flow]:
        """Let the whole time pass without trading; the same as `flow` of every interval."""
        rules, site = self.rules, self.rules.site
        is_limited = site.connection_w is not None or site.cable_w is not None
        if is_limited or rules.strategy != "at-once" or len(self._steps) > 1:
            return [self._flow(at, None)[0] for at in range(len(self._tariff))]
        # Vehicles that nothing couples are followed each from its own arrival, all at once.
        grid_wh = np.zeros(len(self._tariff), np.int64)
        first = (self.stays.arrival_s - self.edges_s[0]) // rules.metered_s
        rows = np.flatnonzero(self.stays.need_wh)
        while len(rows):
            since = self.edges_s[first[rows]]
            until = since + rules.metered_s
            wanted = self.stays.need_wh[rows] - self.drawn_wh[rows]
            drawn = self.chargeable_wh(wanted, since, until, rows=rows)
            self._billed[rows] += drawn * self._tariff[first[rows]]
            self._drawn_at[0, rows] += drawn
            self.drawn_wh[rows] += drawn
            np.add.at(grid_wh, first[rows], drawn)
            first[rows] += 1
            rows = rows[(drawn < wanted) & (until < self.stays.departure_s[rows])]
        return [self._at_connection(at, wh, 0, 0) for at, wh in enumerate(grid_wh.tolist())]

    def flow(self, interval: Interval, fills: Fills | None) -> list[Flow]:
        """Let agreed trades and grid energy flow; one `Flow` a meter interval."""
        first, last = self._step_at(interval.start_s), self._step_at(interval.end_s)
        if fills is None:
            return [self._flow(at, None)[0] for at in range(first, last)]
        np.add.at(self.promised_wh, fills.seller, fills.energy_wh)
        if last - first == 1:
            return [self._flow(first, fills)[0]]
        fills, due_wh = self._spread(interval, fills, first, last)
        flows, done = [], np.zeros(len(fills), np.int64)
        for k, at in enumerate(range(first, last)):
            part = replace(fills, energy_wh=due_wh[k] - done)
            flow, settled = self._flow(at, part, later_wh=fills.energy_wh - due_wh[k])
            flows.append(flow)
            done += settled
        return flows

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

    def _flow(
        self, at: int, fills: Fills | None, *, later_wh: Int64Array | None = None
    ) -> tuple[Flow, Int64Array]:
        """A meter interval: what moved, and what of each trade has flowed or been made good.

        Args:
            at: the meter interval.
            fills: what is due of each trade in it.
            later_wh: what is due of each in those that follow, which buyers do not draw from the
                grid now; None, and all 0, for the last. What does not flow before the last while
                both parties stay is due again.
        """
        is_last = later_wh is None or not later_wh.any()
        nothing = np.zeros(0, np.int64)
        start, end = int(self.edges_s[at]), int(self.edges_s[at + 1])
        window = self._window(start)
        rows: Rows = window
        places = None if fills is None else _places(window, fills)
        if fills is not None and places is None:
            # The ledger agreed to a trade of someone who was not there.
            rows, places = ALL, (fills.buyer, fills.seller)
        wanted = np.maximum(self._target_wh(rows) - self.drawn_wh[rows], 0)
        if places is None and not wanted.any():
            return self._at_connection(at, 0, 0, 0), nothing
        possible = self.chargeable_wh(wanted, start, end, rows=rows)
        if fills is None or places is None:
            asked = self._from_grid(at, wanted, possible, rows)
            drawn, curtailed = self._within_limits(at, asked, 0, rows)
            self._billed[rows] += drawn * self._tariff[at]
            self._book(drawn, None, start, end, rows)
            self.drawn_wh[rows] += drawn
            return self._at_connection(at, int(drawn.sum()), 0, curtailed), nothing
        buyers, sellers = places
        possible[sellers] = 0
        bought, sold = np.zeros_like(possible), np.zeros_like(possible)
        can_give = self.stays.dischargeable_wh(start, end, rows=rows)
        moved = _deliverable(fills.energy_wh, buyers, sellers, possible, can_give)
        if self._cable_wh is not None:
            moved = np.diff(np.minimum(np.cumsum(moved), self._cable_wh[at]), prepend=0)
        np.add.at(bought, buyers, moved)
        np.add.at(sold, sellers, moved)
        left = wanted - bought
        if not is_last and later_wh is not None:
            np.subtract.at(left, buyers, later_wh + fills.energy_wh - moved)
        asked = self._from_grid(at, left, np.clip(left, 0, possible - bought), rows)
        grid, curtailed = self._within_limits(at, asked, int(bought.sum()), rows)
        missing = fills.energy_wh - moved
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
        self.drawn_wh[rows] += drawn
        self.from_peers_wh[rows] += bought
        self.to_peers_wh[rows] += sold
        flow = self._at_connection(at, int(grid.sum()), int(bought.sum()), curtailed)
        return flow, moved + missing

    def _target_wh(self, rows: Rows) -> Int64Array:
        if self.rules.guarantee == "consent":
            return self.stays.need_wh[rows]
        return target_wh(self.stays, self.to_peers_wh)[rows]

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
        if self._connection_wh is None and self._cable_wh is None:
            return grid, 0
        most = int(grid.sum())
        if self._cable_wh is not None:
            most = min(most, max(int(self._cable_wh[at]) - peers, 0))
        if self._connection_wh is not None:
            allowed = int(self._connection_wh[at]) + int(self._pv_wh[at])
            most = min(most, max(self._net_of_loss(allowed, peers), 0))
        cut = int(grid.sum()) - most
        if cut <= 0:
            return grid, 0
        order = np.lexsort((np.arange(len(grid)), self._slack_s(at)[rows]))
        before = np.cumsum(grid[order]) - grid[order]
        served = np.zeros_like(grid)
        served[order] = np.clip(most - before, 0, grid[order])
        return served, cut

    def _slack_s(self, at: int) -> Int64Array:
        """Seconds each vehicle could wait and still draw what it wants by its departure."""
        wanted = np.maximum(target_wh(self.stays, self.to_peers_wh) - self.drawn_wh, 0)
        start = int(self.edges_s[at])
        left_s = np.minimum(self.stays.known_departure(start) - start, 30 * 86_400)
        needs_s = wanted * SECONDS_PER_HOUR // np.maximum(self.stays.sure_charge_w, 1)
        slack: Int64Array = left_s - needs_s
        return slack

    def _net_of_loss(self, allowed_wh: int, peers_wh: int) -> int:
        """The grid energy into vehicles that draws `allowed_wh` at the connection, losses paid."""
        ppm = self.rules.site.cable_loss_ppm
        most = allowed_wh
        while most > 0 and most + self._loss_wh(most + peers_wh) > allowed_wh:
            most -= max((most + self._loss_wh(most + peers_wh) - allowed_wh) * (1_000_000 - ppm)
                        // 1_000_000, 1)  # fmt: skip
        return most

    def _loss_wh(self, into_vehicles_wh: int) -> int:
        """Cable loss of the energy that flows now: the difference of two rounded-down sums."""
        ppm = self.rules.site.cable_loss_ppm
        return (
            (self._into_cables_wh + into_vehicles_wh) * ppm // 1_000_000
            - self._into_cables_wh * ppm // 1_000_000
        )  # fmt: skip

    def _at_connection(self, at: int, grid: int, peers: int, curtailed: int) -> Flow:
        loss = self._loss_wh(grid + peers)
        self._into_cables_wh += grid + peers
        roof = int(self._pv_wh[at])
        used = min(roof, grid + loss)
        export = roof - used
        if self.rules.site.connection_w is not None:
            export = min(export, self.rules.site.connection_w * self.rules.metered_s
                         // SECONDS_PER_HOUR)  # fmt: skip
        return Flow(
            grid_wh=grid + loss - used,
            peers_wh=peers,
            pv_wh=used,
            export_wh=export,
            cable_loss_wh=loss,
            curtailed_wh=curtailed,
        )

    def _book(
        self, drawn: Int64Array, sold: Int64Array | None, start: int, end: int, rows: Rows
    ) -> None:
        """Enter what meters counted under the step of the efficiency curve that it moved at."""
        if len(self._steps) == 1:
            self._drawn_at[0, rows] += drawn
            if sold is not None:
                self._sold_at[0, rows] += sold
            return
        efficiency: Efficiency = self.rules.efficiency
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
        if not missing.any():
            return
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

    def _interval_at(self, time_s: int) -> int:
        return (time_s - int(self.edges_s[0])) // self.rules.interval_s

    def _step_at(self, time_s: int) -> int:
        """The meter interval at that time, the nearest there is."""
        at = (time_s - int(self.edges_s[0])) // self.rules.metered_s
        return min(max(at, 0), len(self._tariff))


def _places(rows: Int64Array, fills: Fills) -> tuple[Int64Array, Int64Array] | None:
    """Where buyers and sellers stand among `rows`; None where one does not."""
    if not len(rows):
        return None
    places = []
    for codes in (fills.buyer, fills.seller):
        place = np.minimum(np.searchsorted(rows, codes), len(rows) - 1)
        if (rows[place] != codes).any():
            return None
        places.append(place)
    return places[0], places[1]


def _deliverable(
    energy_wh: Int64Array,
    buyers: Int64Array,
    sellers: Int64Array,
    can_take: Int64Array,
    can_give: Int64Array,
) -> Int64Array:
    """What flows of each agreed trade: all of it, unless a party left before its time."""
    moved = energy_wh.copy()
    asked = np.bincount(buyers, energy_wh, len(can_take))
    offered = np.bincount(sellers, energy_wh, len(can_give))
    if (asked <= can_take).all() and (offered <= can_give).all():
        return moved
    can_take, can_give = can_take.copy(), can_give.copy()
    for i, (buyer, seller) in enumerate(zip(buyers, sellers, strict=True)):
        moved[i] = min(energy_wh[i], can_take[buyer], can_give[seller])
        can_take[buyer] -= moved[i]
        can_give[seller] -= moved[i]
    return moved


def _scaled(bids: Int64Array, most_wh: int) -> Int64Array:
    """Bids cut in proportion to what the cables carry."""
    total = int(bids.sum())
    return bids if total <= most_wh else bids * max(most_wh, 0) // total
