"""A program with corners that are not whole, since caps on what buyers buy are no network."""

from __future__ import annotations

from itertools import product

import numpy as np

from tests.reference_flow import Network
from trading.lot.program import Group, Program, solved

# Found by a random search; 1 in some thousands of small lots under a tight limit is like it.
GROUP = Group(
    sessions=np.arange(8),
    intervals=np.arange(3),
    charge_wh=np.array(
        [[1, 2, 2], [2, 0, 2], [1, 0, 1], [2, 2, 1], [0, 2, 2], [0, 1, 2], [1, 0, 1], [1, 0, 1]]
    ),
    discharge_wh=np.array(
        [[1, 2, 2], [0, 2, 2], [1, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 2], [0, 1, 1], [1, 1, 0]]
    ),
    need_wh=np.array([1, 1, 2, 2, 1, 1, 0, 0]),
    bid_cap_wh=np.array([1, 1, 1, 2, 0, 0, 0, 0]),
    ask_cap_wh=np.array([0, 0, 0, 0, 0, 0, 1, 3]),
    tariff=np.array([400, 600, 300]),
    floor=np.full(8, 383),
    limit_wh=np.array([3, 2, 3]),
)


def best_by_trying() -> tuple[int, int]:
    """(-served, cost): every way to buy from peers, and for each the cheapest from the grid."""
    ways = []
    for i in range(4):
        most = np.minimum(GROUP.charge_wh[i], GROUP.bid_cap_wh[i]).tolist()
        options = product(*(range(wh + 1) for wh in most))
        ways.append([way for way in options if sum(way) <= GROUP.bid_cap_wh[i]])
    return min(grid_for(np.array(way)) for way in product(*ways) if is_sold(np.array(way)))


def is_sold(bought: np.ndarray) -> bool:
    network = Network()
    for j in (6, 7):
        network.add("source", ("seller", j), int(GROUP.ask_cap_wh[j]), -1)
        for t in range(3):
            network.add(("seller", j), ("interval", t), int(GROUP.discharge_wh[j, t]), 0)
    for t in range(3):
        network.add(("interval", t), "sink", int(bought[:, t].sum()), 0)
    return network.gain() == bought.sum()


def grid_for(bought: np.ndarray) -> tuple[int, int]:
    network, worth = Network(), 100_000
    for t in range(3):
        network.add("source", ("interval", t), int(GROUP.limit_wh[t]), int(GROUP.tariff[t]))
    for i in range(6):
        from_peers = bought[i] if i < 4 else np.zeros(3, int)
        left = int(GROUP.need_wh[i] - from_peers.sum())
        network.add(("need", i), "sink", left, -worth)
        for t in range(3):
            room = int(GROUP.charge_wh[i, t] - from_peers[t])
            network.add(("interval", t), ("need", i), room, 0)
    gain = network.gain()
    served = -(-gain // worth)
    peers = int(bought.sum())
    return -(served + peers), served * worth - gain + 383 * peers


def test_the_best_in_whole_wh_is_found_where_corners_are_not_whole() -> None:
    program = Program(GROUP, has_peers=True)
    best = solved(program, gap=0.0)
    assert best.is_proven
    assert program.rank(best.x)[:2] == best_by_trying()
