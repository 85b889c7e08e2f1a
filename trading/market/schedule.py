"""The best day there is: who charges and discharges when, as one linear program.

With c and d the energy that buyer i and seller j move in interval t, and g what the grid adds:

    maximise   sum ceiling_i * c_it - sum (floor_j + fee) * d_jt - sum grid_t * g_t     (welfare)
          or   sum 2 * d_jt + sum g_t                                                   (energy)
    limits     0 <= c_it, d_jt <= power * time present in t;   0 <= g_t <= transformer limit
               sum over t of c_it <= order of i, the same for d_jt
               sum over i of c_it = sum over j of d_jt + g_t, for every t

Everything flows from orders through intervals to orders, so the matrix is that of a network: the
corners of its solutions are whole numbers, and HiGHS returns a corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from trading.errors import OptionError
from trading.market.book import ALWAYS_S, OrderBook, Orders, PeerPrice
from trading.market.queues import willing_wh
from trading.units import Int64Array

Goal = Literal["welfare", "energy"]
Float64Array = npt.NDArray[np.float64]

# A book over more intervals than this has a mistaken time in it: 96 of them are a day.
MAX_INTERVALS = 10_000

# Solutions are whole but for the solver's tolerance of 1e-7 relative; half a Wh is far from both.
_ROUNDING_WH = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """The intervals of a day.

    Attributes:
        start_s: Unix time at which the first begins.
        interval_s: their length, 1 s or more.
        n_intervals: how many there are.
    """

    start_s: int
    interval_s: int
    n_intervals: int

    def __post_init__(self) -> None:
        _check_interval(self.interval_s)
        if not 1 <= self.n_intervals <= MAX_INTERVALS:
            raise OptionError(
                "n_intervals",
                self.n_intervals,
                f"1 to {MAX_INTERVALS} intervals between the "
                "first and the last time of the orders; check the times or use longer intervals",
            )

    @classmethod
    def of(cls, book: OrderBook, *, interval_s: int) -> Horizon | None:
        """Whole intervals from the first to the last time that orders name; None if none does."""
        _check_interval(interval_s)
        columns = [
            column
            for side in (book.buyers, book.sellers)
            for column in (side.earliest_s, side.latest_s)
            if column is not None
        ]
        times = np.concatenate([np.empty(0, dtype=np.int64), *columns])
        times = times[(times > ALWAYS_S[0]) & (times < ALWAYS_S[1])]
        if len(times) == 0:
            return None
        first, last = int(times.min()) // interval_s, -(-int(times.max()) // interval_s)
        return cls(
            start_s=first * interval_s,
            interval_s=interval_s,
            n_intervals=max(last - first, 1),
        )

    def most_wh(self, side: Orders, energy_wh: Int64Array) -> Int64Array:
        """What each order can move in each interval, shape (orders, intervals).

        That is its power over the seconds it is there, rounded down, and at most its energy.
        """
        start_s = self.start_s + self.interval_s * np.arange(self.n_intervals)
        shape = (len(side), self.n_intervals)
        earliest = np.full(len(side), ALWAYS_S[0]) if side.earliest_s is None else side.earliest_s
        latest = np.full(len(side), ALWAYS_S[1]) if side.latest_s is None else side.latest_s
        from_s = np.maximum(start_s[None, :], earliest[:, None])
        until_s = np.minimum(start_s[None, :] + self.interval_s, latest[:, None])
        present_s = np.maximum(until_s - from_s, 0)
        most_wh = np.broadcast_to(energy_wh[:, None], shape)
        if side.power_limit_w is None:
            return np.where(present_s > 0, most_wh, 0)
        by_power: Int64Array = side.power_limit_w[:, None] * present_s // 3_600
        return np.minimum(most_wh, by_power)


def _check_interval(interval_s: int) -> None:
    if interval_s < 1:
        raise OptionError("interval_s", interval_s, "1 s or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSupply:
    """What the grid can add in each interval.

    Attributes:
        price_ueur_per_kwh: of each interval, or of all; may be negative.
        limit_w: what the transformer leaves to vehicles, background load subtracted, of each
            interval or of all; None for no limit.
    """

    price_ueur_per_kwh: Int64Array | int
    limit_w: Int64Array | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Who moves how much when, in whole Wh.

    Attributes:
        bought_wh: of each buyer in each interval, shape (buyers, intervals).
        sold_wh: of each seller in each interval, shape (sellers, intervals).
        grid_wh: what the grid adds, shape (intervals,); in each one bought = sold + grid.
    """

    bought_wh: Int64Array
    sold_wh: Int64Array
    grid_wh: Int64Array


def best_day(
    book: OrderBook,
    price: PeerPrice,
    /,
    *,
    horizon: Horizon,
    goal: Goal = "welfare",
    grid: GridSupply | None = None,
) -> Schedule:
    """Solve the linear program of this module.

    Args:
        book: orders with their limits, times and powers; what is absent limits nothing.
        price: for `welfare` its spread is the lot's fee; for `energy` it is posted, and who is not
            willing to trade at it is left out.
        horizon: the intervals.
        goal: `welfare`, or the most energy between peers and then the most from the grid.
        grid: what the grid can add; without it there are peers alone.

    Raises:
        OptionError: an unknown goal, or a supply that is not one number or one an interval.
    """
    if goal not in get_args(Goal):
        raise OptionError("goal", goal, "welfare or energy")
    orders_wh = (book.buyers.energy_wh, book.sellers.energy_wh)
    if goal == "energy":
        orders_wh = willing_wh(book, price)
    most_wh = [
        horizon.most_wh(side, wh)
        for side, wh in zip((book.buyers, book.sellers), orders_wh, strict=True)
    ]
    grid_price, grid_most_wh = _grid_columns(grid, horizon, demand_wh=int(orders_wh[0].sum()))
    if goal == "welfare":
        worth = (book.ceilings(), -(book.floors() + price.spread_ueur_per_kwh), -grid_price)
    else:
        worth = (
            np.zeros(len(book.buyers), dtype=np.int64),
            np.full(len(book.sellers), 2, dtype=np.int64),
            np.ones(horizon.n_intervals, dtype=np.int64),
        )
    moved = _solved(orders_wh, (most_wh[0], most_wh[1]), grid_most_wh, worth)
    return _whole(moved, orders_wh)


_Moved = tuple[Float64Array, Float64Array, Float64Array]


def _grid_columns(
    grid: GridSupply | None, horizon: Horizon, *, demand_wh: int
) -> tuple[Int64Array, Int64Array]:
    n = horizon.n_intervals
    if grid is None:
        return np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)

    def each(name: str, value: Int64Array | int) -> Int64Array:
        values = np.asarray(value, dtype=np.int64)
        if values.shape not in ((), (n,)):
            raise OptionError(name, values.shape, f"one number, or {n} of them, one an interval")
        return np.broadcast_to(values, (n,))

    price = each("price_ueur_per_kwh", grid.price_ueur_per_kwh)
    if grid.limit_w is None:
        return price, np.full(n, demand_wh, dtype=np.int64)
    limit_w = np.maximum(each("limit_w", grid.limit_w), 0)
    return price, np.minimum(limit_w * horizon.interval_s // 3_600, demand_wh)


def _solved(
    orders_wh: tuple[Int64Array, Int64Array],
    most_wh: tuple[Int64Array, Int64Array],
    grid_most_wh: Int64Array,
    worth: tuple[Int64Array, Int64Array, Int64Array],
) -> _Moved:
    """The corner that HiGHS finds, in the shapes of `Schedule`."""
    # scipy takes half a second to import, and only this needs it.
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    n_buyers, n_intervals = most_wh[0].shape
    where = [np.nonzero(most) for most in most_wh]
    at_grid = np.flatnonzero(grid_most_wh)
    moved = (np.zeros(most_wh[0].shape), np.zeros(most_wh[1].shape), np.zeros(n_intervals))
    sizes = [len(where[0][0]), len(where[1][0]), len(at_grid)]
    if sizes[0] == 0 or sizes[1] + sizes[2] == 0:
        return moved
    column = np.arange(sum(sizes))
    order_of = np.concatenate((where[0][0], n_buyers + where[1][0]))
    interval_of = np.concatenate((where[0][1], where[1][1], at_grid))
    sign = np.repeat([1.0, -1.0, -1.0], sizes)
    energy = csr_array(
        (np.ones(len(order_of)), (order_of, column[: len(order_of)])),
        shape=(sum(map(len, orders_wh)), len(column)),
    )
    balance = csr_array((sign, (interval_of, column)), shape=(n_intervals, len(column)))
    value = np.concatenate((worth[0][where[0][0]], worth[1][where[1][0]], worth[2][at_grid]))
    most = np.concatenate((most_wh[0][where[0]], most_wh[1][where[1]], grid_most_wh[at_grid]))
    answer = linprog(
        -value.astype(float),
        A_ub=energy,
        b_ub=np.concatenate(orders_wh),
        A_eq=balance,
        b_eq=np.zeros(n_intervals),
        bounds=np.column_stack((np.zeros(len(most)), most)),
        # The simplex method ends in a corner; an interior point need not.
        method="highs-ds",
    )
    if not answer.success:
        raise RuntimeError(f"HiGHS found no optimum though doing nothing is one: {answer.message}")
    bought, sold, added = np.split(answer.x, np.cumsum(sizes)[:-1])
    moved[0][where[0]] = bought
    moved[1][where[1]] = sold
    moved[2][at_grid] = added
    return moved


def _whole(moved: _Moved, orders_wh: tuple[Int64Array, Int64Array]) -> Schedule:
    """Whole Wh, rounded down, and in each interval as much bought as sold and added.

    A corner is whole, so nothing is lost; should a solver return something between corners, the
    excess of the one side over the other, less than 1 Wh an order, is taken off its last orders.
    """
    bought, sold, grid = (np.floor(part + _ROUNDING_WH).astype(np.int64) for part in moved)
    bought = _at_most(bought, orders_wh[0], axis=1)
    sold = _at_most(sold, orders_wh[1], axis=1)
    bought = _at_most(bought, sold.sum(axis=0) + grid, axis=0)
    grid = np.minimum(grid, np.maximum(bought.sum(axis=0) - sold.sum(axis=0), 0))
    sold = _at_most(sold, bought.sum(axis=0) - grid, axis=0)
    return Schedule(bought_wh=bought, sold_wh=sold, grid_wh=grid)


def _at_most(wh: Int64Array, limit_wh: Int64Array, *, axis: int) -> Int64Array:
    """The first entries along `axis` whose running sum stays within the limit, one cut short."""
    limit = np.expand_dims(limit_wh, axis)
    reached = np.minimum(np.cumsum(wh, axis=axis), limit)
    return np.diff(reached, axis=axis, prepend=0)
