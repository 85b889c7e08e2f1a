"""One short day on anvil for all tests of the API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import KINDS, copy_rows, databases
from tests.tools import need_tool
from tests.web.lot import Api, Filled, api_over, fill
from trading.chain import open_network
from trading.chain.networks.anvil import find_anvil


@pytest.fixture(scope="package", params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Of which kind the database is."""
    return str(request.param)


@pytest.fixture(scope="package")
def filled(tmp_path_factory: pytest.TempPathFactory, database_kind: str) -> Iterator[Filled]:
    """The database that the day left behind."""
    if find_anvil() is None:
        need_tool("anvil")
    with open_network("anvil", genesis_time=int(time.time())) as node:
        node.ask("anvil_removeBlockTimestampInterval")
        url = str(node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
        # Through a connection as a service has one: it cannot move the node's clock.
        with (
            databases(database_kind, tmp_path_factory.mktemp("web")) as at,
            open_network(url) as network,
        ):
            yield fill(network, at("engine"))


@pytest.fixture
def copied(filled: Filled, database_kind: str, tmp_path: Path) -> Iterator[str]:
    """A copy of the database, to write into; of SQLite the file `engine.db` in `tmp_path`."""
    with databases(database_kind, tmp_path) as at:
        copy_rows(filled.file, at("engine"))
        yield at("engine")


@pytest.fixture(scope="package")
def api(filled: Filled) -> Iterator[Api]:
    """The service over it."""
    with api_over(filled.file) as opened:
        yield opened
