"""The best day by successive cheapest paths: whole Wh, no solver, slow and plain.

A network from a source over sellers, intervals and buyers to a sink; as long as a path to the sink
gains, as much as fits flows along the best one (Ford and Fulkerson; paths by Bellman and Ford).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field


@dataclass
class Network:
    """Edges with what still fits, what a unit costs, and the edge back."""

    ends: list[tuple[Hashable, Hashable]] = field(default_factory=list)
    room: list[int] = field(default_factory=list)
    cost: list[int] = field(default_factory=list)

    def add(self, start: Hashable, end: Hashable, room: int, cost: int) -> None:
        self.ends += [(start, end), (end, start)]
        self.room += [room, 0]
        self.cost += [cost, -cost]

    def cheapest_path(self) -> tuple[int, list[int]] | None:
        nodes = {node for pair in self.ends for node in pair}
        reach: dict[Hashable, tuple[int, list[int]]] = {"source": (0, [])}
        for _ in nodes:
            for edge, (start, end) in enumerate(self.ends):
                if self.room[edge] and start in reach:
                    cost = reach[start][0] + self.cost[edge]
                    if end not in reach or cost < reach[end][0]:
                        reach[end] = (cost, [*reach[start][1], edge])
        return reach.get("sink")

    def gain(self) -> int:
        """What the best flow earns."""
        earned = 0
        while (found := self.cheapest_path()) and found[0] < 0:
            wh = min(self.room[edge] for edge in found[1])
            for edge in found[1]:
                self.room[edge] -= wh
                self.room[edge ^ 1] += wh
            earned -= found[0] * wh
        return earned


def best_gain(
    *,
    buyers: Sequence[tuple[int, int]],
    sellers: Sequence[tuple[int, int]],
    buyers_most_wh: Sequence[Sequence[int]],
    sellers_most_wh: Sequence[Sequence[int]],
    grid: Sequence[tuple[int, int]] = (),
) -> int:
    """The most that can be earned.

    Buyers are (Wh, worth of a Wh), sellers (Wh, cost of a Wh), the grid (Wh, cost of a Wh) of each
    interval; `most_wh` has what each moves in each interval at most.
    """
    network = Network()
    for i, (wh, worth) in enumerate(buyers):
        network.add(("buyer", i), "sink", wh, -worth)
        for t, most in enumerate(buyers_most_wh[i]):
            network.add(("interval", t), ("buyer", i), most, 0)
    for j, (wh, cost) in enumerate(sellers):
        network.add("source", ("seller", j), wh, cost)
        for t, most in enumerate(sellers_most_wh[j]):
            network.add(("seller", j), ("interval", t), most, 0)
    for t, (wh, cost) in enumerate(grid):
        network.add("source", ("interval", t), wh, cost)
    return network.gain()
