"""One short day on anvil for all tests of the API."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.tools import need_tool
from tests.web.lot import Api, Filled, api_over, fill
from trading.chain import open_network
from trading.chain.networks.anvil import find_anvil


@pytest.fixture(scope="package")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The database that the day left behind."""
    if find_anvil() is None:
        need_tool("anvil")
    with open_network("anvil", genesis_time=int(time.time())) as node:
        node.ask("anvil_removeBlockTimestampInterval")
        url = str(node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
        # Through a connection as a service has one: it cannot move the node's clock.
        with open_network(url) as network:
            return fill(network, tmp_path_factory.mktemp("web") / "engine.db")


@pytest.fixture(scope="package")
def api(filled: Filled) -> Iterator[Api]:
    """The service over it."""
    with api_over(filled.file) as opened:
        yield opened
