"""The embedded chain knows no clock and no chance: the same calls leave the same bytes."""

from __future__ import annotations

from tests.contract.world import GENESIS_TIME, World
from trading.chain import open_network


def one_run() -> tuple[str, str, int]:
    """Address, record and last second of a batch's life on a new chain."""
    with open_network("embedded", genesis_time=GENESIS_TIME) as network:
        world = World(network)
        batch = world.confirmed()
        network.travel_to(batch.deadline)
        world.consortium.settle(batch, by=world.engine)
        record = world.consortium.record().to_csv(index=False)
        return world.consortium.address, record, network.now()


def test_runs_repeat_to_the_byte_on_the_embedded_chain() -> None:
    assert one_run() == one_run()
