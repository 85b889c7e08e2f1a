"""A node that already runs, reached by its address: what differs from the networks started here."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.tools import need_tool
from trading.chain import Consortium, Key, Network, PriceBand, attach, deploy, open_network
from trading.chain.networks.anvil import find_anvil
from trading.chain.networks.base import JsonRpcNetwork
from trading.chain.networks.remote import GAS_PRICE_VARIABLE
from trading.chain.sender import outcome, send, transact
from trading.errors import (
    LedgerError,
    LedgerUnreachableError,
    NotAllowedError,
    OptionError,
    OutcomeUnknownError,
    WrongLedgerError,
)

GENESIS_TIME = 1_572_307_200
AUTHORITY = Key.demonstration(3, "authority")
OWNER = Key.demonstration(3, "owner")
# The first of the keys that anvil and Hardhat document, with money on every such chain.
DEVELOPMENT_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def node() -> Iterator[Network]:
    """A node of this machine; tests reach it by its address."""
    if find_anvil() is None:
        need_tool("anvil")
    with open_network("anvil", genesis_time=GENESIS_TIME) as network:
        yield network


@pytest.fixture
def address(node: Network) -> str:
    return address_of(node)


def address_of(node: Network) -> str:
    return str(node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]


def deployed(network: Network) -> Consortium:
    return deploy(
        network,
        authority=AUTHORITY,
        operators=[OWNER.address],
        quorum=1,
        band=PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=1),
        largest_spread_ueur_per_kwh=0,
    )


def test_contract_is_used_from_its_address(address: str) -> None:
    with open_network(address) as network:
        found = attach(network, deployed(network).address)
        receipts = found.send_all([found.call("register", bytes(32), by=OWNER) for _ in range(250)])
        assert found.account_count() == 250
        assert [receipt.account for receipt in receipts] == list(range(1, 251))  # type: ignore[attr-defined]
        assert len(found.record()) == 250 + 5
        with pytest.raises(NotAllowedError):
            found.pause(by=OWNER)


def test_events_are_the_same_when_read_in_small_ranges(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_network(address) as network:
        consortium = deployed(network)
        for _ in range(9):
            consortium.register(bytes(32), by=OWNER)
        whole = consortium.events()
        monkeypatch.setattr(JsonRpcNetwork, "logs_range", 4)
        assert consortium.events() == whole
    assert len(whole) == 9 + 5


def test_contract_is_used_through_a_socket(tmp_path: Path) -> None:
    binary = find_anvil() or need_tool("anvil")
    path = tmp_path / "node.ipc"
    with subprocess.Popen(
        [binary, "--quiet", "--port", "0", "--ipc", path, "--base-fee", "0", "--gas-price", "0"]
    ) as process:
        try:
            _wait_for(path)
            with open_network(f"ipc:{path}", chain_id=31337) as network:
                assert deployed(network).quorum() == 1
        finally:
            process.terminate()


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        assert time.monotonic() < until, "the node opened no socket"
        time.sleep(0.01)


def test_attach_says_so_when_nothing_is_at_the_address(address: str) -> None:
    with (
        open_network(address) as network,
        pytest.raises(WrongLedgerError, match="no contract at"),
    ):
        attach(network, OWNER.address)


def test_attach_says_so_when_it_is_another_contract(address: str) -> None:
    with open_network(address) as network:
        token = deployed(network).token
        with pytest.raises(WrongLedgerError, match="not the consortium contract of this version"):
            attach(network, token.address)


def test_attach_refuses_what_is_no_address(node: Network) -> None:
    with pytest.raises(OptionError, match="40 hexadecimal digits"):
        attach(node, "0x1234")


def test_gas_is_free_when_the_node_asks_nothing(address: str) -> None:
    with open_network(address) as network:
        assert network.gas_price() == 0
        network.fund(OWNER.address)
        assert network.w3.eth.get_balance(OWNER.address) == 0


def test_payer_of_the_environment_pays_when_gas_has_a_price(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GAS_PRICE_VARIABLE, "1000")
    monkeypatch.setenv("PEERCHARGE_KEY", DEVELOPMENT_KEY)
    driver = Key.demonstration(3, "driver")
    with open_network(address) as network:
        network.fund(driver.address)
        before = network.w3.eth.get_balance(driver.address)
        network.fund(driver.address)
        assert network.w3.eth.get_balance(driver.address) == before > 0
        network.fund(AUTHORITY.address)
        consortium = deployed(network)
        receipt = consortium.register(bytes(32), by=driver)
        left = network.w3.eth.get_balance(driver.address)
    assert left == before - 1000 * receipt.gas_used


def test_fund_names_the_settings_when_gas_has_a_price_and_nobody_pays(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GAS_PRICE_VARIABLE, "1000")
    monkeypatch.delenv("PEERCHARGE_KEY", raising=False)
    stranger = Key.demonstration(3, "stranger")
    with open_network(address) as network:
        with pytest.raises(LedgerError, match="PEERCHARGE_KEYSTORE"):
            network.fund(stranger.address)
        pause = Consortium(network, OWNER.address).call("pause", by=stranger)
        with pytest.raises(LedgerError, match="refused the request"):
            transact(network, pause)


def test_lane_goes_on_when_the_node_has_refused_one(address: str) -> None:
    with open_network(address) as network:
        consortium = deployed(network)
        consortium.register(bytes(32), by=OWNER)
        network.lane(OWNER.address).next_nonce = 0
        # Other bytes than those that have the number: the same ones would be no refusal.
        with pytest.raises(LedgerError, match="nonce"):
            consortium.register(b"x" * 32, by=OWNER)
        assert consortium.register(bytes(32), by=OWNER).account == 2


def test_outcome_is_unknown_when_no_block_comes(node: Network) -> None:
    consortium = deployed(node)
    node.ask("evm_setAutomine", False)
    try:
        sent = send(node, [consortium.call("register", bytes(32), by=OWNER)])[0]
        with pytest.raises(OutcomeUnknownError) as caught:
            outcome(node, sent, timeout_s=0.05)
    finally:
        node.ask("evm_setAutomine", True)
    assert caught.value.transaction == sent.transaction
    assert caught.value.retryable
    node.ask("evm_mine")
    assert outcome(node, sent)["status"] == 1


def test_node_that_died_is_unreachable() -> None:
    if find_anvil() is None:
        need_tool("anvil")
    with ExitStack() as stack:
        with open_network("anvil", genesis_time=GENESIS_TIME) as node:
            network = stack.enter_context(open_network(address_of(node)))
            consortium = Consortium(network, deployed(node).address)
            assert consortium.quorum() == 1
        for use in (network.now, consortium.quorum, consortium.record):
            with pytest.raises(LedgerUnreachableError, match="cannot be reached"):
                use()
        with pytest.raises(LedgerUnreachableError, match="cannot be reached"):
            consortium.pause(by=AUTHORITY)
