"""The embedded network: a chain in this process, nothing to start, the same bytes every time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from eth.vm.forks.paris import ParisVM
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.backends.pyevm.main import get_default_genesis_params
from eth_typing import ChecksumAddress
from eth_utils.address import to_canonical_address, to_checksum_address
from web3 import EthereumTesterProvider, Web3
from web3.types import BlockIdentifier, TxParams, Wei

from trading.chain.networks.base import Log, Network, Opening
from trading.errors import LedgerError

BLOCK_GAS_LIMIT = 100_000_000
"""Room for a batch of 500 trades or more; below half of it the base fee stays at 0."""

_NO_MIX = bytes(32)
_NOBODY = bytes(19) + b"\x01"


class SteadyBackend(PyEVMBackend):  # type: ignore[misc]
    """The py-evm backend without its wall clock and its random numbers.

    py-evm dates a block with the wall clock when that is later than its parent, and eth-tester
    draws a random `prevrandao`: both would give another chain at every run. Here a block comes one
    second after its parent, or when `travel_to` says.
    """

    def __init__(self, genesis_time: int) -> None:
        parameters = get_default_genesis_params(
            {"timestamp": genesis_time, "gas_limit": BLOCK_GAS_LIMIT}
        )
        # Free gas: the base fee is a share of its parent's, so from 0 it stays 0.
        parameters["base_fee_per_gas"] = 0
        state = {_NOBODY: {"balance": 0, "nonce": 0, "code": b"", "storage": {}}}
        super().__init__(parameters, state, ((0, ParisVM),))
        self.chain.set_header_timestamp(genesis_time + 1)

    def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = bytes(20)) -> tuple[bytes, ...]:
        """Mine blocks one second apart."""
        hashes = []
        for _ in range(num_blocks):
            block = self.chain.mine_block(coinbase=coinbase, mix_hash=_NO_MIX)
            self.chain.set_header_timestamp(block.header.timestamp + 1)
            hashes.append(block.hash)
        return tuple(hashes)

    def revert_to_snapshot(self, snapshot: bytes) -> None:
        """Go back to a block; the next one comes one second after it."""
        super().revert_to_snapshot(snapshot)
        self.chain.set_header_timestamp(self.chain.get_canonical_head().timestamp + 1)


class EmbeddedNetwork(Network):
    """eth-tester with py-evm; every transaction is mined at once, in a block of its own."""

    can_travel: ClassVar[bool] = True
    # Without automine eth-tester drops transactions, so each is mined before the next.
    is_pipelined: ClassVar[bool] = False

    def __init__(self, backend: SteadyBackend) -> None:
        self._backend = backend
        w3 = Web3(EthereumTesterProvider(EthereumTester(backend)))
        super().__init__("embedded", w3, int(backend.chain.chain_id))

    def now(self) -> int:
        """Chain time: Unix seconds of the latest block."""
        return int(self._backend.chain.get_canonical_head().timestamp)

    def block_number(self) -> int:
        """Number of the latest block."""
        return int(self._backend.chain.get_canonical_head().block_number)

    def block_time(self, number: int) -> int:
        """Unix seconds of a block."""
        header = self._backend.chain.get_canonical_block_header_by_number(number)
        return int(header.timestamp)

    def travel_to(self, timestamp: int) -> None:
        """Mine one block at `timestamp`, so that `now()` is `timestamp`."""
        if timestamp <= self.now():
            raise LedgerError(
                f"the chain is at {self.now()} and cannot go to {timestamp}; time only moves on."
            )
        self._backend.chain.set_header_timestamp(timestamp)
        self._backend.mine_blocks(1)

    def call(self, fields: TxParams, block: BlockIdentifier) -> bytes:
        """What a contract answers in the state after `block`; nothing changes."""
        # eth-tester charges 1 gwei a unit of gas otherwise, which nobody here has.
        return super().call({"gas": BLOCK_GAS_LIMIT, **fields, "gasPrice": Wei(0)}, block)

    def gas_price(self) -> int:
        """0: gas is free."""
        return 0

    def logs(
        self,
        address: ChecksumAddress,
        from_block: int,
        to_block: int,
        *,
        topics: Collection[bytes] = (),
    ) -> list[Log]:
        """Logs of the contract, read from the blocks' receipts.

        `eth_getLogs` of eth-tester takes 27 s for 500 blocks.
        """
        wanted = to_canonical_address(address)
        digests = {int.from_bytes(topic, "big") for topic in topics}
        chain = self._backend.chain
        found: list[Log] = []
        for number in range(from_block, min(to_block, self.block_number()) + 1):
            block = chain.get_canonical_block_by_number(number)
            receipts = block.get_receipts(chain.chaindb)
            position = 0
            for transaction, receipt in zip(block.transactions, receipts, strict=True):
                for log in receipt.logs:
                    if log.address == wanted and (not digests or log.topics[0] in digests):
                        found.append(_log(block, position, transaction, log))
                    position += 1
        return found


def _log(block: Any, position: int, transaction: Any, log: Any) -> Log:
    return Log(
        topics=tuple(topic.to_bytes(32, "big") for topic in log.topics),
        data=bytes(log.data),
        block=int(block.number),
        time=int(block.header.timestamp),
        position=position,
        transaction="0x" + transaction.hash.hex(),
        sender=to_checksum_address(transaction.sender),
    )


@contextmanager
def open_here(opening: Opening) -> Iterator[Network]:
    """Open a new embedded chain; it is gone when the context ends."""
    yield EmbeddedNetwork(SteadyBackend(opening.genesis_time))
