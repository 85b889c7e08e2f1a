"""Several endpoints of one network: where one fails in whatever way, work goes on at the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hexbytes import HexBytes

from tests.network import bad_nodes
from tests.network.bad_nodes import Relay
from tests.network.test_running_node import AUTHORITY, GENESIS_TIME, OWNER, address_of, deployed
from tests.tools import need_tool
from trading.chain import Consortium, Network, open_network
from trading.chain.networks import remote
from trading.chain.networks.anvil import CHAIN_ID, find_anvil
from trading.chain.networks.endpoints import MOST_BLOCKS_BEHIND
from trading.chain.networks.remote import RemoteNetwork
from trading.errors import (
    LedgerError,
    LedgerUnreachableError,
    OptionError,
    WrongLedgerError,
)

TIMEOUT_S = 0.5
TAG = bytes(32)


@pytest.fixture(scope="module")
def node() -> Iterator[Network]:
    if find_anvil() is None:
        need_tool("anvil")
    with open_network("anvil", genesis_time=GENESIS_TIME) as network:
        yield network


@pytest.fixture
def relays(node: Network) -> Iterator[tuple[Relay, Relay]]:
    """Two doors to one node, as two nodes of one network would be."""
    with Relay(address_of(node)) as first, Relay(address_of(node)) as second:
        yield first, second


def both(relays: tuple[Relay, Relay]) -> str:
    return ",".join(relay.address for relay in relays)


@pytest.mark.node
@pytest.mark.parametrize("end", ["dies", "hangs", "lies", "fails"])
def test_work_goes_on_when_an_endpoint_fails_midway(relays: tuple[Relay, Relay], end: str) -> None:
    first, second = relays
    with open_network(both(relays), timeout_s=TIMEOUT_S) as network:
        assert isinstance(network, RemoteNetwork)
        consortium = deployed(network)
        assert consortium.register(TAG, by=OWNER).account == 1
        assert network.endpoint == first.address
        # It was asked for its chain, and no more.
        assert second.requests == 1
        if end == "dies":
            first.dies()
        else:
            first.mode = end
        # Whether a lying endpoint passed it on or not, the transaction is taken once.
        assert consortium.register(TAG, by=OWNER).account == 2
        assert network.endpoint == second.address
        asked = first.requests
        assert consortium.account_count() == 2
        receipts = consortium.send_all([consortium.call("register", TAG, by=OWNER)] * 7)
        assert [receipt.account for receipt in receipts] == list(range(3, 10))  # type: ignore[attr-defined]
        assert len(consortium.record()) == 9 + 5
        assert first.requests == asked


@pytest.mark.node
@pytest.mark.parametrize("n_sent", [1, 7])
def test_what_an_endpoint_took_without_saying_so_is_not_sent_twice(
    node: Network, relays: tuple[Relay, Relay], n_sent: int
) -> None:
    first, second = relays
    consortium_at_node = deployed(node)
    with open_network(both(relays), timeout_s=TIMEOUT_S) as network:
        consortium = Consortium(
            network, consortium_at_node.address, first_block=consortium_at_node.first_block
        )
        consortium.register(TAG, by=OWNER)
        first.mode = "lies"
        receipts = consortium.send_all([consortium.call("register", TAG, by=OWNER)] * n_sent)
        assert network.endpoint == second.address  # type: ignore[attr-defined]
    assert len({receipt.transaction for receipt in receipts}) == n_sent
    assert consortium_at_node.account_count() == 1 + n_sent


@pytest.mark.node
def test_what_waits_already_is_as_good_as_sent(node: Network) -> None:
    consortium = deployed(node)
    call = consortium.call("register", TAG, by=OWNER)
    node.ask("evm_setAutomine", False)
    with open_network(address_of(node)) as network:
        try:
            raw = remote_raw(network, consortium, call)
            hashes = network.send_raw([raw])
            assert network.send_raw([raw]) == hashes
        finally:
            node.ask("evm_setAutomine", True)
            node.ask("evm_mine")
        assert network.receipt(hashes[0], timeout_s=5) is not None
        # Now it is in a block, and its nonce is taken by itself.
        assert network.send_raw([raw, raw]) == hashes * 2
    assert consortium.account_count() == 1
    node.forget_nonces()


@pytest.mark.node
def test_a_nonce_that_another_transaction_took_is_refused(node: Network) -> None:
    consortium = deployed(node)
    with open_network(address_of(node)) as network:
        first, other = (
            remote_raw(network, consortium, consortium.call(function, *arguments, by=AUTHORITY))
            for function, arguments in (("setQuorum", (1,)), ("setLargestSpread", (7,)))
        )
        network.send_raw([first])
        with pytest.raises(LedgerError, match="nonce too low"):
            network.send_raw([other])
    node.forget_nonces()


def remote_raw(network: Network, consortium: Consortium, call) -> bytes:
    from trading.chain.sender import sign

    return sign(network, call, network.nonce(call.key.address), 0).raw


@pytest.mark.node
def test_an_endpoint_that_is_down_at_first_is_used_later(relays: tuple[Relay, Relay]) -> None:
    first, second = relays
    first.mode = "fails"
    with open_network(both(relays), timeout_s=TIMEOUT_S) as network:
        assert network.chain_id == CHAIN_ID
        assert network.endpoint == second.address  # type: ignore[attr-defined]
        first.mode = "sound"
        second.dies()
        assert network.block_number() >= 0
        assert network.endpoint == first.address  # type: ignore[attr-defined]


@pytest.mark.node
def test_all_endpoints_are_named_when_none_is_left(relays: tuple[Relay, Relay]) -> None:
    first, second = relays
    with open_network(both(relays), timeout_s=TIMEOUT_S) as network:
        first.dies()
        second.mode = "hangs"
        with pytest.raises(LedgerUnreachableError, match="none of 2 endpoints can be used") as got:
            network.now()
        assert f"{first.address} cannot be reached" in str(got.value)
        assert f"{second.address} did not answer in time" in str(got.value)
        second.mode = "sound"
        assert network.now() >= GENESIS_TIME


def at_block(number: int, *, chain: int = 1, **answers: object) -> bad_nodes.Answer:
    """A node that is at this block."""
    return bad_nodes.methods(eth_chainId=hex(chain), eth_blockNumber=hex(number), **answers)


def opened(stack: ExitStack, *answers: bad_nodes.Answer) -> list[str]:
    return [stack.enter_context(bad_nodes.serving(answer)) for answer in answers]


def test_endpoints_of_different_chains_are_refused() -> None:
    with ExitStack() as stack:
        addresses = opened(stack, at_block(9, chain=1), at_block(9, chain=5))
        with (
            pytest.raises(WrongLedgerError, match="of different chains") as caught,
            open_network(",".join(addresses)),
        ):
            pass
        for address, chain in zip(addresses, (1, 5), strict=True):
            assert f"{address} is chain {chain}" in str(caught.value)


def test_an_endpoint_of_another_chain_is_left_out_when_the_chain_is_known() -> None:
    with ExitStack() as stack:
        addresses = opened(stack, at_block(90, chain=1), at_block(9, chain=5))
        with open_network(",".join(addresses), chain_id=5) as network:
            assert (network.chain_id, network.block_number()) == (5, 9)
        with (
            pytest.raises(WrongLedgerError, match="none of 2 endpoints") as caught,
            open_network(",".join(addresses), chain_id=7),
        ):
            pass
        assert "is chain 1, expected chain 7" in str(caught.value)
        assert "is chain 5, expected chain 7" in str(caught.value)


def test_work_never_moves_to_another_chain() -> None:
    with ExitStack() as stack, bad_nodes.serving(at_block(9, chain=5)) as other:
        address = stack.enter_context(bad_nodes.serving(at_block(9, chain=1)))
        with open_network(f"{address},{other}", chain_id=1) as network:
            stack.close()
            with pytest.raises(LedgerUnreachableError, match="is chain 5, expected chain 1"):
                network.block_number()


def test_an_endpoint_that_lags_behind_is_not_believed() -> None:
    with ExitStack() as stack:
        ahead = stack.enter_context(ExitStack())
        late = stack.enter_context(bad_nodes.serving(at_block(100 - MOST_BLOCKS_BEHIND - 1)))
        near = stack.enter_context(bad_nodes.serving(at_block(100 - MOST_BLOCKS_BEHIND)))
        first = ahead.enter_context(bad_nodes.serving(at_block(100)))
        with open_network(f"{first},{late},{near}") as network:
            assert network.block_number() == 100
            ahead.close()
            assert network.block_number() == 100 - MOST_BLOCKS_BEHIND
            assert network.endpoint == near  # type: ignore[attr-defined]
        with ExitStack() as again:
            first = again.enter_context(bad_nodes.serving(at_block(100)))
            with open_network(f"{first},{late}") as network:
                assert network.block_number() == 100
                again.close()
                with pytest.raises(LedgerUnreachableError, match="out of sync") as caught:
                    network.block_number()
                assert "is at block 94 after block 100 was seen" in str(caught.value)


def test_a_node_that_was_set_back_is_not_believed() -> None:
    heads = iter([100, 99, 20, 101])
    answer = bad_nodes.methods(eth_chainId="0x1")

    def falling(request):
        if request["method"] == "eth_blockNumber":
            return bad_nodes.result(hex(next(heads)))(request)
        return answer(request)

    with bad_nodes.serving(falling) as address, open_network(address) as network:
        assert [network.block_number(), network.block_number()] == [100, 99]
        with pytest.raises(LedgerUnreachableError, match="at block 20 after block 100") as caught:
            network.block_number()
        assert caught.value.retryable
        assert network.block_number() == 101


def test_a_node_that_is_catching_up_is_not_used() -> None:
    progress = {"startingBlock": "0x0", "currentBlock": "0x2", "highestBlock": "0x64"}
    with ExitStack() as stack:
        late, ready = opened(stack, at_block(2, eth_syncing=progress), at_block(100))
        with (
            pytest.raises(LedgerUnreachableError, match="98 blocks to catch up with"),
            open_network(late),
        ):
            pass
        with open_network(f"{late},{ready}") as network:
            assert network.block_number() == 100


def test_a_chain_that_stands_still_is_left_for_one_that_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "RECONSIDER_AFTER_S", 0.05)
    receipt = {"transactionHash": "0x" + "11" * 32, "blockNumber": "0x64", "status": "0x1"}
    with ExitStack() as stack:
        still, grown = opened(stack, at_block(10), at_block(100, eth_getTransactionReceipt=receipt))
        with open_network(f"{still},{grown}") as network:
            assert network.block_number() == 10
            found = network.receipt(HexBytes("0x" + "11" * 32), timeout_s=20)
            assert found is not None
            assert found["blockNumber"] == 100
            assert network.endpoint == grown  # type: ignore[attr-defined]
            assert not network.reconsider()


@pytest.mark.parametrize(
    "setting",
    [
        "http://127.0.0.1:1,",
        ",http://127.0.0.1:1",
        "http://127.0.0.1:1,embedded",
        "http://127.0.0.1:1,ipc:node.ipc",
        "anvil,embedded",
        "http://127.0.0.1:1,http://",
    ],
)
def test_a_list_of_something_else_is_refused(setting: str) -> None:
    with pytest.raises(OptionError, match="network="), open_network(setting):
        pass


def test_secrets_of_addresses_stay_hidden() -> None:
    ports = bad_nodes.closed_port(), bad_nodes.closed_port()
    setting = ",".join(f"http://user:secret@127.0.0.1:{port}/token" for port in ports)
    with pytest.raises(LedgerUnreachableError) as caught, open_network(setting):
        pass
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)
