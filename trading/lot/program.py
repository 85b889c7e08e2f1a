"""The linear program of `trading.lot.optimal` for stays that overlap, and its solution in whole Wh.

With the selling intervals of every seller fixed, all rows but a buyer's cap on peer energy are
those of a network, whose corners are whole numbers; HiGHS' simplex returns a corner. Where one is
not whole, the same rows are solved again with whole variables. Each solution is checked in
integers against every row before it leaves this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trading.errors import SolverError
from trading.units import Int64Array

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Where a search over who sells when is cut short. The sample's days need 1 to 142 nodes; a number
# of nodes, unlike a time, ends alike on every machine.
_MOST_NODES = 500
_LEAST_GAP = 1e-6

# A peak this far above its bound is worth a second search, which costs as much as the first.
_FLAT = 1.05

# Solutions hold to 1e-6 Wh; what is below this is nothing, and half a Wh is far from both.
_NOTHING_WH = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What is known of n sessions in T intervals that no other session shares.

    Attributes:
        sessions, intervals: their positions in the whole lot, shapes (n,) and (T,).
        charge_wh, discharge_wh: what each charger can move in each interval, shape (n, T).
        need_wh, bid_cap_wh, ask_cap_wh: of each session, shape (n,).
        tariff, floor: micro-euro per kWh of each interval and each session.
        limit_wh: of the grid connection in each interval; None for no limit.
    """

    sessions: Int64Array
    intervals: Int64Array
    charge_wh: Int64Array
    discharge_wh: Int64Array
    need_wh: Int64Array
    bid_cap_wh: Int64Array
    ask_cap_wh: Int64Array
    tariff: Int64Array
    floor: Int64Array
    limit_wh: Int64Array | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Who moves how much when, at the chargers' meters; one row a session and interval.

    Only pairs in which the stay allows some flow are listed, in order of session, then interval.

    Attributes:
        session: position in `stays.ids`.
        interval: position in `Optimum.start_s`.
        grid_wh, bought_wh, sold_wh: from the grid, from peers, to peers.
    """

    session: Int64Array
    interval: Int64Array
    grid_wh: Int64Array
    bought_wh: Int64Array
    sold_wh: Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Whole values of a program's columns, and whether nothing serves more or is cheaper."""

    x: Int64Array
    is_proven: bool


class Program:
    """Columns and rows of a group.

    Columns, in this order: energy from the grid, bought, sold (one a session and interval where it
    can flow), the modes of sellers that could also charge, and the peak.

    Attributes:
        matrix, low, high: the rows, low <= matrix @ x <= high; all coefficients are whole.
        most: the highest value of each column; none goes below 0.
        serves: 1 for the columns that serve a need.
        cost: micro-euro per kWh of each column.
        modes: the columns that are 1 where a seller may sell and 0 where it may charge.
        peak: the column that no interval's energy from the grid exceeds.
    """

    def __init__(self, group: Group, *, has_peers: bool) -> None:
        self.group = group
        charge, discharge, need = group.charge_wh, group.discharge_wh, group.need_wh
        draws = (charge > 0) & (need > 0)[:, None]
        buys = draws & (group.bid_cap_wh > 0)[:, None] & has_peers
        sells = (discharge > 0) & (group.ask_cap_wh > 0)[:, None] & has_peers
        meet = buys.any(axis=0) & sells.any(axis=0)
        self.draws_at, self.buys_at, self.sells_at = map(
            np.nonzero, (draws, buys & meet, sells & meet)
        )
        sizes = [len(at[0]) for at in (self.draws_at, self.buys_at, self.sells_at)]
        could_charge = draws[self.sells_at]
        ends = np.cumsum([*sizes, np.count_nonzero(could_charge), 1]).tolist()
        self.drawn, self.bought, self.sold, self.modes = (
            np.arange(start, end) for start, end in zip([0, *ends[:3]], ends[:4], strict=True)
        )
        self.peak = ends[3]
        draw_of = np.zeros(charge.shape, np.int64)
        draw_of[self.draws_at] = self.drawn
        self.draw_of_mode = draw_of[self.sells_at][could_charge]
        self.sold_of_mode = self.sold[could_charge]

        n = ends[4]
        self.most = np.ones(n, np.int64)
        self.most[self.drawn] = charge[self.draws_at]
        self.most[self.bought] = charge[self.buys_at]
        self.most[self.sold] = discharge[self.sells_at]
        self.most[self.peak] = need.sum()
        self.serves, self.cost = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.serves[: ends[1]] = 1
        self.cost[self.drawn] = group.tariff[self.draws_at[1]]
        self.cost[self.sold] = group.floor[self.sells_at[0]]
        self.matrix, self.low, self.high = self._rows(draw_of).made()

    def _rows(self, draw_of: Int64Array) -> _Rows:
        group, rows = self.group, _Rows(len(self.most))
        drawn, bought, sold = self.drawn, self.bought, self.sold
        # Needs; the charger of who draws and buys at once; both caps.
        rows.add(self.draws_at[0], drawn).add(self.buys_at[0], bought).at_most(group.need_wh)
        pairs = np.arange(len(bought))
        rows.add(pairs, draw_of[self.buys_at]).add(pairs, bought)
        rows.at_most(group.charge_wh[self.buys_at])
        rows.add(self.buys_at[0], bought).at_most(group.bid_cap_wh)
        rows.add(self.sells_at[0], sold).at_most(group.ask_cap_wh)
        # In each interval: bought = sold, the connection's limit, the peak.
        nothing = np.zeros_like(group.tariff)
        rows.add(self.buys_at[1], bought).add(self.sells_at[1], sold, -1)
        rows.at_most(nothing, at_least=nothing)
        if group.limit_wh is not None:
            rows.add(self.draws_at[1], drawn).at_most(group.limit_wh)
        each = np.arange(len(nothing))
        rows.add(self.draws_at[1], drawn).add(each, np.full_like(each, self.peak), -1)
        rows.at_most(nothing)
        # A seller sells where its mode is 1 and charges where it is 0.
        pairs = np.arange(len(self.modes))
        charges, sells = self.most[self.draw_of_mode], self.most[self.sold_of_mode]
        rows.add(pairs, self.draw_of_mode).add(pairs, self.modes, charges).at_most(charges)
        rows.add(pairs, self.sold_of_mode).add(pairs, self.modes, -sells)
        return rows.at_most(np.zeros_like(pairs))

    def peak_wh(self, x: Int64Array) -> int:
        """The most that is drawn from the grid in an interval."""
        sums = np.zeros(len(self.group.tariff), np.int64)
        np.add.at(sums, self.draws_at[1], x[self.drawn])
        return int(sums.max(initial=0))

    def rank(self, x: Int64Array) -> tuple[int, int, int]:
        """What schedules are compared by, lower is better: less served, cost, peak."""
        return -int(self.serves @ x), _exact(self.cost, x), self.peak_wh(x)

    def flows(self, x: Int64Array) -> Flows:
        """The schedule, its sessions and intervals counted as the whole lot does."""
        group = self.group
        wh = np.zeros((3, *group.charge_wh.shape), np.int64)
        wh[0][self.draws_at] = x[self.drawn]
        wh[1][self.buys_at] = x[self.bought]
        wh[2][self.sells_at] = x[self.sold]
        listed = np.zeros(group.charge_wh.shape, np.bool_)
        listed[self.draws_at] = listed[self.sells_at] = True
        at = np.nonzero(listed)
        return Flows(
            session=group.sessions[at[0]],
            interval=group.intervals[at[1]],
            grid_wh=wh[0][at],
            bought_wh=wh[1][at],
            sold_wh=wh[2][at],
        )


class _Rows:
    """Rows of a sparse matrix, gathered a block at a time."""

    def __init__(self, n_columns: int) -> None:
        self._n_columns, self._n_rows = n_columns, 0
        self._entries: list[tuple[Int64Array, Int64Array, Int64Array]] = []
        self._bounds: list[tuple[Float64Array, Float64Array]] = []

    def add(self, row: Int64Array, column: Int64Array, value: Int64Array | int = 1) -> _Rows:
        """Coefficients of the block at hand; its rows count from 0."""
        values = np.broadcast_to(np.asarray(value, np.int64), row.shape)
        self._entries.append((row + self._n_rows, column, values))
        return self

    def at_most(self, high: Int64Array, *, at_least: Int64Array | None = None) -> _Rows:
        """End the block at hand with the bounds of its rows."""
        low = np.full(len(high), -np.inf) if at_least is None else at_least.astype(float)
        self._bounds.append((low, high.astype(float)))
        self._n_rows += len(high)
        return self

    def made(self) -> tuple[Any, Float64Array, Float64Array]:
        from scipy.sparse import csr_array

        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        low, high = (np.concatenate(part) for part in zip(*self._bounds, strict=True))
        shape = (self._n_rows, self._n_columns)
        return csr_array((value.astype(float), (row, column)), shape=shape), low, high


# ---------------------------------------------------------------------- solving


def solved(program: Program, *, gap: float) -> Solution:
    """Serve the most, at the least cost, with the lowest peak.

    Args:
        program: columns and rows.
        gap: how far above its bound, as a share of it, the least cost may be with peers.

    Raises:
        SolverError: HiGHS gave no usable answer.
    """
    if len(program.drawn) == 0:
        return Solution(x=np.zeros(len(program.most), np.int64), is_proven=True)
    search = _Search(program, gap)
    if not len(program.modes):
        return Solution(x=search.best(), is_proven=True)
    is_proven = search.fix_modes()
    x = search.best()
    if search.fix_flatter_modes(x):
        x = min(x, search.best(), key=program.rank)
    return Solution(x=x, is_proven=is_proven)


class _Search:
    """Bounds that narrow from stage to stage: modes, then energy served, then cost, then peak."""

    def __init__(self, program: Program, gap: float) -> None:
        self.program, self.gap = program, gap
        self.least = np.zeros(len(program.most), np.int64)
        self.most = program.most.copy()
        self.served_wh = 0
        # Divided by what all prices have in common, a flat tariff costs 1: a solver's best case.
        self.cost = program.cost // max(int(np.gcd.reduce(program.cost)), 1)

    def fix_modes(self) -> bool:
        """Decide in which intervals each seller sells; whether the decision is proven the best.

        First without the rule that a vehicle does one thing in an interval, in shares of its time:
        a bound. Where the corner found happens to keep the rule, it is the best there is.
        """
        program = self.program
        served = self._most_served()
        most = float(program.serves @ served) if served is not None else self._fitting_wh()
        most = round(most) if abs(most - round(most)) <= _NOTHING_WH else most - _LEAST_GAP
        x = self._minimum(self.cost, [(program.serves, most, np.inf)])
        is_proven = True
        if x is None or self._clash(x):
            x, is_proven = self._branched()
        self._sell_as(np.zeros(len(program.most)) if x is None else x)
        return is_proven

    def fix_flatter_modes(self, x: Int64Array) -> bool:
        """Decide on other selling intervals if those of `x` force a high peak; whether it could.

        Many choices cost the same. What is far above the bound over all of them is searched again,
        under a peak near that bound and no cost above that of `x`.
        """
        program = self.program
        self.least[program.modes], self.most[program.modes] = 0, 1
        bound_wh, cost_row = self._peak_bound(x)
        peak_wh = int(np.ceil(bound_wh * _FLAT))
        if program.peak_wh(x) <= peak_wh:
            return False
        self.most[program.peak] = peak_wh
        whole = np.zeros(len(program.most))
        whole[program.modes] = 1
        answer = self._answer(self.cost, [*self._served(), cost_row], whole, gap=self.gap)
        if answer.x is None:
            return False
        self._sell_as(answer.x)
        return True

    def _sell_as(self, x: Float64Array) -> None:
        program = self.program
        sells = (x[program.sold_of_mode] > _NOTHING_WH).astype(np.int64)
        self.least[program.modes] = self.most[program.modes] = sells

    def best(self) -> Int64Array:
        """The most served, the least cost, the lowest peak, under the modes fixed so far."""
        self.serve_the_most()
        return self.flattest(self.cheapest(peak_wh=int(self.program.most[self.program.peak])))

    def _branched(self) -> tuple[Float64Array | None, bool]:
        """The same with whole modes, by branch and bound; None if the nodes end before any."""
        program = self.program
        whole = np.zeros(len(program.most))
        whole[program.modes] = 1
        is_proven, self.served_wh = True, self._fitting_wh()
        if program.group.limit_wh is not None:
            answer = self._answer(-program.serves, [], whole)
            if answer.x is None:
                return None, False
            is_proven = answer.status == 0
            self.served_wh = int(np.floor(program.serves @ answer.x + _NOTHING_WH))
        # What serves a little more is welcome: the search for the most ended a millionth early.
        row = (program.serves, self.served_wh, np.inf)
        answer = self._answer(self.cost, [row], whole, gap=self.gap)
        return answer.x, is_proven and answer.status == 0

    def _clash(self, x: Float64Array) -> bool:
        program = self.program
        charges = x[program.draw_of_mode] > _NOTHING_WH
        return bool((charges & (x[program.sold_of_mode] > _NOTHING_WH)).any())

    def serve_the_most(self) -> None:
        """Fix the energy served at the most there is, in whole Wh."""
        x = self._most_served()
        if x is None:
            self.served_wh = self._fitting_wh()
            return
        if not _is_whole(x):
            x = self._answer(-self.program.serves, [], np.ones(len(x)), gap=0.0).x
            if x is None:
                raise _no_answer("infeasible in whole Wh, though serving nobody is a solution")
        self.served_wh = int(np.rint(self.program.serves @ x))

    def _most_served(self) -> Float64Array | None:
        """A corner that serves the most; None without a limit, where every need that fits is."""
        if self.program.group.limit_wh is None:
            return None
        x = self._minimum(-self.program.serves, [])
        if x is None:
            raise _no_answer("infeasible, though serving nobody is a solution")
        return x

    def _fitting_wh(self) -> int:
        """What stays and chargers allow of all needs, whatever the modes."""
        group = self.program.group
        return int(np.minimum(group.need_wh, group.charge_wh.sum(axis=1)).sum())

    def cheapest(self, *, peak_wh: int) -> Int64Array:
        """The least cost under a peak, in whole Wh.

        Raises:
            SolverError: there is no solution under this peak.
        """
        x = self._cheapest(peak_wh)
        if x is None:
            raise _no_answer("infeasible, though as much was served before")
        return x

    def flattest(self, x: Int64Array) -> Int64Array:
        """The lowest peak at the cost of `x`, a cheapest solution.

        A relaxation gives the bound. Under the first whole peak above it there is a schedule in
        whole Wh at the same cost, but for a corner that is not whole; then the peak goes up until
        there is one.
        """
        cost, steepest_wh = _exact(self.cost, x), self.program.peak_wh(x)
        bound_wh, _ = self._peak_bound(x)
        peak_wh, step = int(np.ceil(bound_wh - 10 * _NOTHING_WH)), 1
        while peak_wh < steepest_wh:
            flat = self._cheapest(peak_wh)
            if flat is not None and _exact(self.cost, flat) <= cost:
                return flat
            peak_wh, step = peak_wh + step, 2 * step
        return x

    def _peak_bound(self, x: Int64Array) -> tuple[float, tuple[Float64Array, float, float]]:
        """No schedule at the cost of `x` has a lower peak; and the row that holds that cost."""
        peak = self.program.peak
        self.least[peak], self.most[peak] = 0, self.program.most[peak]
        scale = float(np.abs(self.cost).max()) or 1.0
        row = (self.cost / scale, -np.inf, _exact(self.cost, x) / scale + _NOTHING_WH)
        goal = np.zeros(len(x))
        goal[peak] = 1
        bound = self._minimum(goal, [*self._served(), row])
        if bound is None:
            raise _no_answer("infeasible, though the cheapest schedule is a solution")
        return float(bound[peak]), row

    def _cheapest(self, peak_wh: int) -> Int64Array | None:
        # With the peak fixed its column leaves the network; as a column of its own it would not.
        self.least[self.program.peak] = self.most[self.program.peak] = peak_wh
        x = self._minimum(self.cost, self._served())
        if x is not None and not _is_whole(x):
            x = self._answer(self.cost, self._served(), np.ones(len(x)), gap=0.0).x
        return None if x is None else self._checked(np.rint(x).astype(np.int64))

    def _checked(self, x: Int64Array) -> Int64Array:
        """`x`, held against every row and bound in whole numbers."""
        program = self.program
        sums = program.matrix @ x
        holds = (sums >= program.low).all() and (sums <= program.high).all()
        holds &= (x >= self.least).all() and (x <= self.most).all()
        if not holds or int(program.serves @ x) != self.served_wh:
            raise _no_answer("a solution that breaks a limit by a whole Wh")
        return x

    def _served(self) -> list[tuple[Int64Array, float, float]]:
        return [(self.program.serves, self.served_wh, self.served_wh)]

    def _minimum(self, goal: Int64Array | Float64Array, rows: list[Any]) -> Float64Array | None:
        """A corner at which `goal` is least; None where the rows exclude one another."""
        answer = self._answer(goal, rows, None)
        if answer.status not in (0, 2):
            raise _no_answer(answer.message)
        x: Float64Array | None = answer.x
        return x

    def _answer(
        self,
        goal: Int64Array | Float64Array,
        rows: list[Any],
        whole: Float64Array | None,
        *,
        gap: float = _LEAST_GAP,
    ) -> Any:
        # scipy takes half a second to import, and only this needs it.
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        program = self.program
        constraints = [LinearConstraint(program.matrix, program.low, program.high)]
        constraints += [
            LinearConstraint(csr_array(row[None, :].astype(float)), low, high)
            for row, low, high in rows
        ]
        return milp(
            goal.astype(float),
            constraints=constraints,
            bounds=Bounds(self.least, self.most),
            integrality=whole,
            options={"mip_rel_gap": gap, "node_limit": _MOST_NODES},
        )


def _is_whole(x: Float64Array) -> bool:
    return bool(np.abs(x - np.rint(x)).max(initial=0.0) <= _NOTHING_WH)


def _exact(price: Int64Array, wh: Int64Array) -> int:
    """Sum of products as Python counts them, without an end of the scale."""
    return int((price.astype(object) * wh.astype(object)).sum())


def _no_answer(found: str) -> SolverError:
    return SolverError(
        f"HiGHS on the charging program: {found}; expected a schedule, since there always is one. "
        "Solve fewer days at once or a longer interval, and report the sessions with which it fails"
    )
