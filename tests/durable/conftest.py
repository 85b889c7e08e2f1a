"""A node that outlives the processes under test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.databases import databases
from tests.durable.stage import Stage
from tests.tools import need_tool
from trading.chain import Network, open_network
from trading.chain.networks.anvil import find_anvil


@pytest.fixture(scope="package")
def node() -> Iterator[str]:
    """The address of an anvil of these tests' own, whose clock is the wall's."""
    if find_anvil() is None:
        need_tool("anvil")
    with open_network("anvil", genesis_time=int(time.time())) as network:
        network.ask("anvil_removeBlockTimestampInterval")
        yield str(network.w3.provider.endpoint_uri)  # type: ignore[attr-defined]


@pytest.fixture
def network(node: str) -> Iterator[Network]:
    """A connection to it, as a service has one."""
    with open_network(node) as opened:
        yield opened


@pytest.fixture
def database_kind() -> str:
    """Which databases a stage has; a module may ask for both kinds."""
    return "sqlite"


@pytest.fixture
def stage(network: Network, tmp_path: Path, database_kind: str) -> Iterator[Stage]:
    """A founded consortium with its engine, whose operators a test seats."""
    with databases(database_kind, tmp_path) as at, ExitStack() as stack:
        yield Stage(network, tmp_path, stack, at)
