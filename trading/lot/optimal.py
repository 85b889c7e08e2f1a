"""The best that charging can be: V1G, and V1G with peers, as linear programs over whole stays.

With g the energy from the grid, p from peers and d to peers, of session i in interval t:

    served   maximise sum g_it + p_it
    cost     then minimise sum tariff_t * g_it + sum floor_i * d_it
    peak     then minimise the highest sum over i of g_it
    limits   g_it + p_it <= what charger and stay allow;  sum over t of g_it + p_it <= need_i
             sum over i of g_it <= limit_t;               sum over i of p_it = sum over i of d_it
             sum over t of p_it <= bid cap of i;          sum over t of d_it <= ask cap of i
             nobody charges and discharges in one interval

V1G is the same without p and d. It knows actual departures and every need beforehand, so it is a
yardstick and no way to run a lot (docs/baselines.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trading.errors import OptionError
from trading.lot.program import Flows, Group, Program, solved
from trading.lot.stays import Stays
from trading.units import WH_PER_KWH, Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCosts:
    """What energy between peers costs.

    Attributes:
        floor_ueur_per_kwh: what a kWh sold costs its seller, at its meter (`Terms.floor`); of all
            sessions or of each. The lot's fee belongs to it where it leaves the drivers.
    """

    floor_ueur_per_kwh: Int64Array | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best schedule, in whole Wh whose balances are exact.

    Attributes:
        start_s: beginning of each interval, Unix seconds.
        grid_wh, peers_wh: energy at the chargers' meters in each interval.
        from_grid_wh, from_peers_wh, to_peers_wh: energy at each session's meter.
        unserved_wh: need of each session that fits neither its stay nor the limit. Only the sum is
            the least there is; which of several sessions goes short, the cost decides.
        grid_cost_ueur: tariff times energy from the grid, rounded down once.
        peers_cost_ueur: floor times energy sold, rounded down once.
        is_proven: whether nothing serves more, and nothing that serves as much is cheaper by more
            than `gap`. False where the search over who sells when was cut short.
        flows: the schedule itself.
    """

    start_s: Int64Array
    grid_wh: Int64Array
    peers_wh: Int64Array
    from_grid_wh: Int64Array
    from_peers_wh: Int64Array
    to_peers_wh: Int64Array
    unserved_wh: Int64Array
    grid_cost_ueur: int
    peers_cost_ueur: int
    is_proven: bool
    flows: Flows

    @property
    def cost_ueur(self) -> int:
        """What was minimised: grid energy at the tariff and sold energy at its sellers' floors."""
        return self.grid_cost_ueur + self.peers_cost_ueur


def interval_starts(stays: Stays, *, interval_s: int) -> Int64Array:
    """Whole multiples of `interval_s` in UTC that cover all stays; Unix seconds, shape (T,).

    Raises:
        OptionError: an interval shorter than 1 s.
    """
    if interval_s < 1:
        raise OptionError("interval_s", interval_s, "1 s or more")
    if len(stays) == 0:
        return np.empty(0, np.int64)
    first = int(stays.arrival_s.min()) // interval_s
    last = -(-int(stays.departure_s.max()) // interval_s)
    return np.arange(first, last, dtype=np.int64) * interval_s


def best_charging(
    stays: Stays,
    *,
    interval_s: int,
    tariff_ueur_per_kwh: Int64Array | int,
    limit_wh: Int64Array | int | None = None,
    peers: PeerCosts | None = None,
    gap: float = 1e-4,
) -> Optimum:
    """Serve the most need, at the least cost, with the lowest peak, in this order.

    Stays that no chain of overlapping stays joins are solved apart; the peak is the lowest of each
    such group. With peers the peak is the lowest for the intervals in which sellers sell, which the
    cost has decided (docs/baselines.md).

    Args:
        stays: sessions under their rules; actual departures count.
        interval_s: length of an interval; the horizon is `interval_starts`.
        tariff_ueur_per_kwh: price of grid energy, of each interval or of all; may be negative.
        limit_wh: what the grid connection leaves to the chargers, of each interval or of all; less
            than 0 counts as 0. None for no limit.
        peers: what sold energy costs; None for V1G, in which nothing is discharged.
        gap: with peers, how far above its proven bound the cost of a group may be, as a share of
            it. V1G is exact.

    Raises:
        OptionError: a number for neither one nor all intervals or sessions, a negative floor or
            gap, or peers under the guarantee `whole`, where what is sold must be recharged.
        SolverError: HiGHS gave no usable answer.
    """
    if not 0 <= gap < 1:
        raise OptionError("gap", gap, "a share from 0 to below 1, such as 0.0001")
    starts = interval_starts(stays, interval_s=interval_s)
    n, n_intervals = len(stays), len(starts)
    tariff = _each("tariff_ueur_per_kwh", tariff_ueur_per_kwh, n_intervals, "interval")
    limit = None
    if limit_wh is not None:
        limit = np.maximum(_each("limit_wh", limit_wh, n_intervals, "interval"), 0)
    floor = None if peers is None else _checked_floor(stays, peers)
    lot = _Lot(
        stays=stays, interval_s=interval_s, tariff=tariff, limit_wh=limit, floor=floor, gap=gap
    )

    parts = [lot.best(sessions, starts) for sessions in _groups(stays, starts, interval_s)]
    flows = Flows(
        **{name: _joined([getattr(part.flows, name) for part in parts]) for name in Flows.__slots__}
    )
    order = np.lexsort((flows.interval, flows.session))
    flows = Flows(**{name: getattr(flows, name)[order] for name in Flows.__slots__})

    def summed(wh: Int64Array, over: Int64Array, size: int) -> Int64Array:
        sums = np.zeros(size, np.int64)
        np.add.at(sums, over, wh)
        return sums

    from_grid = summed(flows.grid_wh, flows.session, n)
    from_peers = summed(flows.bought_wh, flows.session, n)
    to_peers = summed(flows.sold_wh, flows.session, n)
    grid = summed(flows.grid_wh, flows.interval, n_intervals)
    return Optimum(
        start_s=starts,
        grid_wh=grid,
        peers_wh=summed(flows.bought_wh, flows.interval, n_intervals),
        from_grid_wh=from_grid,
        from_peers_wh=from_peers,
        to_peers_wh=to_peers,
        unserved_wh=stays.need_wh - from_grid - from_peers,
        grid_cost_ueur=_exact(grid, tariff) // WH_PER_KWH,
        peers_cost_ueur=0 if floor is None else _exact(to_peers, floor) // WH_PER_KWH,
        is_proven=all(part.is_proven for part in parts),
        flows=flows,
    )


def _each(name: str, value: Int64Array | int, size: int, what: str) -> Int64Array:
    values = np.asarray(value)
    if values.shape not in ((), (size,)) or not np.issubdtype(values.dtype, np.integer):
        found = f"{values.dtype} of shape {values.shape}"
        raise OptionError(name, found, f"one whole number, or {size} of them, one a {what}")
    return np.broadcast_to(values.astype(np.int64), (size,))


def _checked_floor(stays: Stays, peers: PeerCosts) -> Int64Array:
    if stays.rules.guarantee == "whole":
        raise OptionError(
            "guarantee",
            "whole",
            "consent: the optimum with peers does not recharge what is sold. "
            "Build the stays under LotRules(guarantee='consent'), or leave peers out",
        )
    floor = _each("floor_ueur_per_kwh", peers.floor_ueur_per_kwh, len(stays), "session")
    if len(floor) and floor.min() < 0:
        raise OptionError("floor_ueur_per_kwh", int(floor.min()), "0 or more micro-euro per kWh")
    return floor


def _groups(stays: Stays, starts: Int64Array, interval_s: int) -> list[Int64Array]:
    """Sessions, by position, that chains of stays in common intervals join."""
    order = np.argsort(stays.arrival_s, kind="stable")
    if len(order) == 0:
        return []
    first = (stays.arrival_s[order] - starts[0]) // interval_s
    after = -(-(stays.departure_s[order] - starts[0]) // interval_s)
    reached = np.maximum.accumulate(after)
    begins = np.flatnonzero(first[1:] >= reached[:-1]) + 1
    return [np.sort(group) for group in np.split(order, begins)]


def _joined(parts: list[Int64Array]) -> Int64Array:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _exact(wh: Int64Array, price: Int64Array) -> int:
    """Sum of products as Python counts them, without an end of the scale."""
    return int((wh.astype(object) * price.astype(object)).sum()) if len(wh) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    flows: Flows
    is_proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lot:
    """What all groups of stays have in common; `floor` is None for V1G."""

    stays: Stays
    interval_s: int
    tariff: Int64Array
    limit_wh: Int64Array | None
    floor: Int64Array | None
    gap: float

    def best(self, sessions: Int64Array, starts: Int64Array) -> _Part:
        group = self._group(sessions, starts)
        alone = Program(group, has_peers=False)
        best = solved(alone, gap=self.gap)
        if self.floor is None:
            return _Part(flows=alone.flows(best.x), is_proven=True)
        with_peers = Program(group, has_peers=True)
        traded = solved(with_peers, gap=self.gap)
        # A search that ended within the gap, or was cut short, may lose to no trade at all.
        if with_peers.rank(traded.x) < alone.rank(best.x):
            return _Part(flows=with_peers.flows(traded.x), is_proven=traded.is_proven)
        return _Part(flows=alone.flows(best.x), is_proven=traded.is_proven)

    def _group(self, sessions: Int64Array, starts: Int64Array) -> Group:
        stays = self.stays
        first = (int(stays.arrival_s[sessions].min()) - int(starts[0])) // self.interval_s
        last = -(-(int(stays.departure_s[sessions].max()) - int(starts[0])) // self.interval_s)
        intervals = np.arange(first, last)
        charge = np.zeros((len(sessions), len(intervals)), np.int64)
        discharge = np.zeros_like(charge)
        for t, start in enumerate(starts[first:last].tolist()):
            end = start + self.interval_s
            charge[:, t] = stays.chargeable_wh(start, end)[sessions]
            if self.floor is not None:
                discharge[:, t] = stays.dischargeable_wh(start, end)[sessions]
        return Group(
            sessions=sessions,
            intervals=intervals,
            charge_wh=charge,
            discharge_wh=discharge,
            need_wh=stays.need_wh[sessions],
            bid_cap_wh=stays.bid_cap_wh[sessions],
            ask_cap_wh=stays.ask_cap_wh[sessions],
            tariff=self.tariff[intervals],
            floor=np.zeros_like(sessions) if self.floor is None else self.floor[sessions],
            limit_wh=None if self.limit_wh is None else self.limit_wh[intervals],
        )
