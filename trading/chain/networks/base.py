"""What every network offers to the ledger door, and what it may lack."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from eth_typing import ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import TransactionNotFound
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from trading.chain.reach import reaching
from trading.errors import LedgerError, LedgerUnreachableError

Log = Mapping[str, Any]
"""One log as a node returns it: address, topics, data, blockNumber, transactionHash, logIndex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What `open_network` was asked for; an opener uses what applies to it."""

    setting: str
    genesis_time: int
    timeout_s: float


class Network(ABC):
    """A chain that is open for use.

    Attributes:
        name: what people call it: `embedded`, `anvil`, or the node's address without secrets.
        w3: the web3 client, for what this class does not offer.
        chain_id: the chain's id, which every transaction is signed for.
    """

    can_travel: ClassVar[bool] = False
    """Whether the time of the chain can be moved by `travel_to`."""

    is_pipelined: ClassVar[bool] = True
    """Whether many transactions may be sent before the first receipt is awaited."""

    first_poll_s: ClassVar[float] = 0.001
    slowest_poll_s: ClassVar[float] = 0.25

    def __init__(self, name: str, w3: Web3, chain_id: int) -> None:
        self.name = name
        self.w3 = w3
        self.chain_id = chain_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, chain {self.chain_id}>"

    def now(self) -> int:
        """Chain time: Unix seconds of the latest block."""
        with reaching(self.name):
            return int(self.w3.eth.get_block("latest")["timestamp"])

    def block_number(self) -> int:
        """Number of the latest block."""
        with reaching(self.name):
            return int(self.w3.eth.block_number)

    def block_time(self, number: int) -> int:
        """Unix seconds of a block."""
        with reaching(self.name):
            return int(self.w3.eth.get_block(number)["timestamp"])

    def travel_to(self, timestamp: int) -> None:
        """Mine one block at `timestamp`, so that `now()` is `timestamp`.

        Raises:
            LedgerError: time passes by itself here, or `timestamp` is not after `now()`.
        """
        raise LedgerError(
            f"{self.name} is a running chain: it cannot be moved to {timestamp}; wait, or use the "
            "network `embedded` or `anvil`."
        )

    @abstractmethod
    def gas_price(self) -> int:
        """What a transaction pays for a unit of gas, in wei; 0 where gas is free."""

    def fund(self, address: str) -> None:  # noqa: B027 - nothing to do is the common case
        """Give `address` what it needs to pay for gas; nothing where gas is free."""

    def send_raw(self, signed: Sequence[bytes]) -> list[HexBytes]:
        """Send signed transactions in order, without awaiting them; returns their hashes."""
        with reaching(self.name):
            return [self.w3.eth.send_raw_transaction(HexBytes(raw)) for raw in signed]

    def receipt(self, transaction: HexBytes, *, timeout_s: float) -> Mapping[str, Any] | None:
        """The receipt as soon as it exists, or None when `timeout_s` passed without one.

        Polls at intervals that double from `first_poll_s` to `slowest_poll_s`: a local node answers
        within the first few, and a slow one is not flooded.
        """
        deadline = time.monotonic() + timeout_s
        pause_s = self.first_poll_s
        while True:
            try:
                with reaching(self.name):
                    return self.w3.eth.get_transaction_receipt(transaction)
            except LedgerError as error:
                if not isinstance(error.__cause__, TransactionNotFound):
                    raise
            if time.monotonic() + pause_s > deadline:
                return None
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, self.slowest_poll_s)

    def logs(self, address: ChecksumAddress, from_block: int, to_block: int) -> list[Log]:
        """Logs of the contract at `address`, both blocks included, in chain order."""
        with reaching(self.name):
            found = self.w3.eth.get_logs(
                {"address": address, "fromBlock": from_block, "toBlock": to_block}
            )
        return sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"]))

    def ask(self, method: str, *parameters: Any) -> Any:
        """One JSON-RPC request that web3 has no function for; returns its result."""
        with reaching(self.name):
            answer = self.w3.provider.make_request(RPCEndpoint(method), list(parameters))
        return result_of(answer, self.name)


class JsonRpcNetwork(Network):
    """A network behind a JSON-RPC provider, where requests can travel in one batch."""

    batch_size: ClassVar[int] = 100

    def send_raw(self, signed: Sequence[bytes]) -> list[HexBytes]:
        """Send signed transactions in order, up to `batch_size` in one request.

        `batch_requests` of web3 refuses raw transactions, its provider does not.
        """
        if len(signed) == 1:
            return super().send_raw(signed)
        hashes: list[HexBytes] = []
        for start in range(0, len(signed), self.batch_size):
            part = signed[start : start + self.batch_size]
            requests = [
                (RPCEndpoint("eth_sendRawTransaction"), [HexStr(HexBytes(raw).to_0x_hex())])
                for raw in part
            ]
            with reaching(self.name):
                answers = cast(JSONBaseProvider, self.w3.provider).make_batch_request(requests)
            if not isinstance(answers, list) or len(answers) != len(part):
                raise LedgerUnreachableError(
                    f"{self.name} did not answer a batch of requests; check that it takes them."
                )
            hashes += [HexBytes(result_of(answer, self.name)) for answer in answers]
        return hashes


def result_of(answer: RPCResponse, name: str) -> Any:
    """The result in a JSON-RPC answer.

    Raises:
        LedgerUnreachableError: it is not a JSON-RPC answer.
        LedgerError: the node reports an error.
    """
    if not isinstance(answer, dict) or not ({"result", "error"} & answer.keys()):
        raise LedgerUnreachableError(
            f"{name} answers, but not as an Ethereum node does; check that the address is its "
            "JSON-RPC endpoint."
        )
    error = cast(Any, answer.get("error"))
    if error:
        said = error.get("message", error) if isinstance(error, dict) else error
        raise LedgerError(f"{name} refused the request: {said}")
    return answer["result"]
