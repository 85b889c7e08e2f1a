"""What every network offers to the ledger door, and what it may lack."""

from __future__ import annotations

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from eth_typing import ChecksumAddress, HexStr
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import BlockNotFound, TransactionNotFound
from web3.providers.base import JSONBaseProvider
from web3.types import BlockIdentifier, LogReceipt, RPCEndpoint, RPCResponse, TxParams

from trading.chain.reach import reaching
from trading.errors import LedgerError, LedgerUnreachableError

GAS_OF_A_BATCH = 8_000_000
"""What a large batch takes from submission to settled, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What `open_network` was asked for; an opener uses what applies to it."""

    setting: str
    genesis_time: int
    timeout_s: float
    chain_id: int | None = None


def addresses_of(setting: str) -> list[str]:
    """The addresses in a setting, separated by commas.

    >>> addresses_of("http://a:8545, http://b:8545")
    ['http://a:8545', 'http://b:8545']
    """
    return [part.strip() for part in setting.split(",")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One log of a contract, with what its block and its transaction say about it.

    Attributes:
        topics: digest of the event, then its indexed arguments.
        data: its other arguments.
        block: number of the block.
        time: Unix seconds of the block.
        position: place among all logs of the block.
        transaction: hash of the transaction, `0x` and 64 digits.
        sender: address that sent the transaction.
    """

    topics: tuple[bytes, ...]
    data: bytes
    block: int
    time: int
    position: int
    transaction: str
    sender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one transaction that is in a block."""

    block: int
    block_hash: str
    gas_used: int
    succeeded: bool


@dataclass(slots=True)
class Lane:
    """The order in which one key's transactions go out: one at a time, numbered without a gap.

    A node's own count lags behind what was sent to it, so it is asked once and then kept here.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    next_nonce: int | None = None


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
        self._lanes: dict[str, Lane] = {}
        self._lanes_lock = threading.Lock()

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

    def block_hash(self, number: int) -> str | None:
        """Hash of a block; None where the chain has none with this number."""
        try:
            with reaching(self.name):
                found = self.w3.eth.get_block(number)["hash"].to_0x_hex()
        except LedgerError as error:
            if isinstance(error.__cause__, BlockNotFound):
                return None
            raise
        return str(found)

    def reconsider(self) -> bool:
        """Look for a better way to the network; True if requests go elsewhere from now on."""
        return False

    def travel_to(self, timestamp: int) -> None:
        """Mine one block at `timestamp`, so that `now()` is `timestamp`.

        Raises:
            LedgerError: time passes by itself here, or `timestamp` is not after `now()`.
        """
        raise LedgerError(
            f"{self.name} is a running chain: it cannot be moved to {timestamp}; wait, or use the "
            "network `embedded` or `anvil`."
        )

    def lane(self, address: str) -> Lane:
        """The lane of a key, shared by all who send with it on this network in this process."""
        with self._lanes_lock:
            return self._lanes.setdefault(address, Lane())

    def forget_nonces(self) -> None:
        """Ask the node anew for each key; for when its chain was set back."""
        with self._lanes_lock:
            self._lanes.clear()

    def nonce(self, address: str) -> int:
        """How many transactions of `address` the node knows, those not yet mined included."""
        with reaching(self.name):
            sender = Web3.to_checksum_address(address)
            return int(self.w3.eth.get_transaction_count(sender, "pending"))

    def call(self, fields: TxParams, block: BlockIdentifier) -> bytes:
        """What a contract answers in the state after `block`; nothing changes.

        Raises what web3 raises: `trading.chain.sender.read` makes errors of this project of it.
        """
        # A contract must not make this process fetch an address of its choice (EIP-3668).
        return bytes(self.w3.eth.call(fields, block, ccip_read_enabled=False))

    @abstractmethod
    def gas_price(self) -> int:
        """What a transaction pays for a unit of gas, in wei; 0 where gas is free."""

    def fund(self, address: str) -> None:  # noqa: B027 - nothing to do is the common case
        """Give `address` what it needs to pay for gas; nothing where gas is free."""

    def is_broke(self, address: str) -> bool:
        """Whether gas has a price here, and `address` cannot pay for one batch."""
        price = self.gas_price()
        if price == 0:
            return False
        with reaching(self.name):
            return int(self.w3.eth.get_balance(Web3.to_checksum_address(address))) < (
                price * GAS_OF_A_BATCH
            )

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

    def offer(self, signed: Sequence[bytes]) -> list[str]:
        """Send signed transactions in order, whatever becomes of those before.

        Returns:
            For each what the node had against it; empty where it took it, or had it already.

        Raises:
            LedgerUnreachableError: no answer; which of them the node has is not known.
        """
        said = []
        for raw in signed:
            try:
                self.send_raw([raw])
                said.append("")
            except LedgerUnreachableError:
                raise
            except LedgerError as error:
                said.append(objection(str(error)))
        return said

    def outcomes(self, transactions: Sequence[str]) -> list[Outcome | None]:
        """What became of transactions, by hash; None for one that is in no block yet."""
        found = [self.receipt(HexBytes(one), timeout_s=0) for one in transactions]
        return [
            Outcome(
                block=int(receipt["blockNumber"]),
                block_hash=receipt["blockHash"].to_0x_hex(),
                gas_used=int(receipt["gasUsed"]),
                succeeded=receipt["status"] == 1,
            )
            if receipt is not None
            else None
            for receipt in found
        ]

    def mined_count(self, address: str) -> int:
        """How many transactions of `address` are in blocks."""
        with reaching(self.name):
            return int(self.w3.eth.get_transaction_count(Web3.to_checksum_address(address)))

    @abstractmethod
    def logs(
        self,
        address: ChecksumAddress,
        from_block: int,
        to_block: int,
        *,
        topics: Collection[bytes] = (),
    ) -> list[Log]:
        """Logs of the contract at `address`, both blocks included, in chain order.

        Args:
            address: the contract.
            from_block: first block.
            to_block: last block.
            topics: digests of the events that are wanted; none for all.
        """

    def ask(self, method: str, *parameters: Any) -> Any:
        """One JSON-RPC request that web3 has no function for; returns its result."""
        with reaching(self.name):
            answer = self.w3.provider.make_request(RPCEndpoint(method), list(parameters))
        return result_of(answer, self.name)


class Standstill:
    """Notices that a chain does not grow, and then looks for a better way to the network.

    A validator that is cut off from the others answers all the same.
    """

    def __init__(
        self,
        network: Network,
        *,
        patience_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch over `network`; `patience_s` is several block times."""
        self._network, self._patience_s, self._clock = network, patience_s, clock
        self._head, self._since_s = -1, clock()

    def saw(self, head: int) -> None:
        """Told where the chain is at each look.

        Raises:
            LedgerUnreachableError: no endpoint answers.
        """
        now = self._clock()
        if head != self._head:
            self._head, self._since_s = head, now
        elif now - self._since_s > self._patience_s:
            self._since_s = now
            self._network.reconsider()


class JsonRpcNetwork(Network):
    """A network behind a JSON-RPC provider, where requests can travel in one batch."""

    batch_size: ClassVar[int] = 100

    logs_range: ClassVar[int] = 5_000
    """Blocks asked at once; Besu refuses more unless it is configured otherwise."""

    def logs(
        self,
        address: ChecksumAddress,
        from_block: int,
        to_block: int,
        *,
        topics: Collection[bytes] = (),
    ) -> list[Log]:
        """Logs of the contract at `address`, both blocks included, in chain order.

        Times and senders, which logs do not carry, are asked for once a block and a transaction.
        """
        wanted = [[HexStr("0x" + topic.hex()) for topic in topics]] if topics else []
        found: list[LogReceipt] = []
        for first in range(from_block, to_block + 1, self.logs_range):
            last = min(first + self.logs_range - 1, to_block)
            with reaching(self.name):
                found += self.w3.eth.get_logs(
                    {"address": address, "fromBlock": first, "toBlock": last, "topics": wanted}
                )
        with reaching(self.name):
            return self._complete(found)

    def _complete(self, found: list[LogReceipt]) -> list[Log]:
        """Logs with the times of their blocks and the senders of their transactions."""
        blocks = sorted({int(log["blockNumber"]) for log in found})
        hashes = list(dict.fromkeys(log["transactionHash"].to_0x_hex() for log in found))
        headers = self.ask_all([("eth_getBlockByNumber", [hex(n), False]) for n in blocks])
        transactions = self.ask_all([("eth_getTransactionByHash", [h]) for h in hashes])
        try:
            times = {n: int(h["timestamp"], 16) for n, h in zip(blocks, headers, strict=True)}
            senders = {
                h: Web3.to_checksum_address(t["from"])
                for h, t in zip(hashes, transactions, strict=True)
            }
        except TypeError as error:
            # A null answer: the block left the chain between two requests.
            raise LedgerUnreachableError(
                f"{self.name} changed its mind about a block while it was read; read again."
            ) from error
        return [
            Log(
                topics=tuple(bytes(topic) for topic in log["topics"]),
                data=bytes(log["data"]),
                block=int(log["blockNumber"]),
                time=times[int(log["blockNumber"])],
                position=int(log["logIndex"]),
                transaction=log["transactionHash"].to_0x_hex(),
                sender=senders[log["transactionHash"].to_0x_hex()],
            )
            for log in sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"]))
        ]

    def send_raw(self, signed: Sequence[bytes]) -> list[HexBytes]:
        """Send signed transactions in order, up to `batch_size` in one request.

        One that the node has already, waiting or in a block, is as good as sent.
        """
        refused = next((said for said in self.offer(signed) if said), None)
        if refused is not None:
            raise LedgerError(refused)
        return [HexBytes(keccak(raw)) for raw in signed]

    def offer(self, signed: Sequence[bytes]) -> list[str]:
        """As any network does, up to `batch_size` of them in one request."""
        method = "eth_sendRawTransaction"
        answers = self.answers([(method, [HexBytes(raw).to_0x_hex()]) for raw in signed])
        said = []
        for answer in answers:
            try:
                result_of(answer, self.name)
                said.append("")
            except LedgerUnreachableError:
                raise
            except LedgerError as error:
                said.append(objection(str(error)))
        late = [n for n, text in enumerate(said) if _TOO_LOW.search(text)]
        if late:
            # Its nonce is taken: by itself, where an endpoint did not say so and it was sent again.
            hashes = ["0x" + keccak(signed[n]).hex() for n in late]
            for n, outcome in zip(late, self.outcomes(hashes), strict=True):
                said[n] = said[n] if outcome is None else ""
        return said

    def outcomes(self, transactions: Sequence[str]) -> list[Outcome | None]:
        """As any network does, up to `batch_size` of them in one request."""
        found = self.ask_all([("eth_getTransactionReceipt", [one]) for one in transactions])
        with reaching(self.name):
            return [
                Outcome(
                    block=int(receipt["blockNumber"], 16),
                    block_hash=str(receipt["blockHash"]),
                    gas_used=int(receipt["gasUsed"], 16),
                    succeeded=int(receipt["status"], 16) == 1,
                )
                if receipt is not None
                else None
                for receipt in found
            ]

    def ask_all(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results of many JSON-RPC requests, up to `batch_size` in one message."""
        return [result_of(answer, self.name) for answer in self.answers(requests)]

    def answers(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[RPCResponse]:
        """Answers to many JSON-RPC requests, refusals among them, in the order of the requests."""
        results: list[RPCResponse] = []
        for start in range(0, len(requests), self.batch_size):
            part = requests[start : start + self.batch_size]
            message = [(RPCEndpoint(method), list(parameters)) for method, parameters in part]
            with reaching(self.name):
                provider = cast(JSONBaseProvider, self.w3.provider)
                if len(message) == 1:
                    results.append(provider.make_request(*message[0]))
                    continue
                answers = provider.make_batch_request(message)
            if not isinstance(answers, list) or len(answers) != len(part):
                raise LedgerUnreachableError(
                    f"{self.name} did not answer a batch of requests; check that it takes them."
                )
            results += answers
        return results


_TOO_LOW = re.compile(r"nonce.{0,20}too low|old nonce|nonce has already been used", re.I)
_HAS_IT = re.compile(r"already known|known transaction|already imported|already exists", re.I)


def objection(said: str) -> str:
    """What a node said against a transaction; nothing where it only says that it has it."""
    return "" if _HAS_IT.search(said) else said


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
