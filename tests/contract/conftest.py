"""Every test of this folder runs on the embedded chain and on a real node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.world import GENESIS_TIME, World
from tests.tools import need_tool
from trading.chain import Network, open_network
from trading.chain.networks.anvil import find_anvil


@pytest.fixture(scope="session", params=["embedded", pytest.param("anvil", marks=pytest.mark.node)])
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    """One network for all tests."""
    if request.param == "anvil" and find_anvil() is None:
        need_tool("anvil")
    with open_network(request.param, genesis_time=GENESIS_TIME) as opened:
        yield opened


@pytest.fixture(scope="session")
def founded(network: Network) -> World:
    """A consortium with buyers, sellers and a lot, as each test finds it."""
    return World(network)


@pytest.fixture
def world(founded: World) -> Iterator[World]:
    """The consortium for one test, which counts its money and takes back what the test did."""
    network = founded.network
    before = network.ask("evm_snapshot")
    yield founded
    founded.check_money()
    network.ask("evm_revert", before)
    network.forget_nonces()
