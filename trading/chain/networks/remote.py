"""Any node that already runs: an HTTP or IPC address of a JSON-RPC endpoint."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import requests
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import HTTPProvider, IPCProvider, Web3
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.base import JSONBaseProvider
from web3.providers.rpc.utils import ExceptionRetryConfiguration
from web3.types import RPCEndpoint

from trading.chain.keys import Key
from trading.chain.networks.base import JsonRpcNetwork, Network, Opening, result_of
from trading.chain.reach import reaching, shown
from trading.errors import (
    LedgerError,
    LedgerUnreachableError,
    OptionError,
    OutcomeUnknownError,
)

GAS_PRICE_VARIABLE = "PEERCHARGE_GAS_PRICE_WEI"
GAS_MONEY = 50_000_000
"""How many units of gas `fund` pays for: a few batches and all that comes before them."""

_TRANSFER_GAS = 21_000
_FUND_TIMEOUT_S = 60.0

log = logging.getLogger(__name__)


class RemoteNetwork(JsonRpcNetwork):
    """A node at an address; its time passes by itself."""

    first_poll_s: ClassVar[float] = 0.01

    def __init__(self, name: str, w3: Web3, chain_id: int) -> None:
        super().__init__(name, w3, chain_id)
        self._fixed_gas_price = _gas_price_of_environment()

    def gas_price(self) -> int:
        """0 where the network has no base fee, as on free-gas networks, else what its node asks.

        Asked anew each time, as a base fee moves; twice the base fee leaves room for it to rise.
        What a node recommends says nothing about what it takes: geth and anvil recommend a tip of
        1 gwei where 0 is enough. `PEERCHARGE_GAS_PRICE_WEI` overrules.
        """
        if self._fixed_gas_price is not None:
            return self._fixed_gas_price
        with reaching(self.name):
            base_fee = int(self.w3.eth.get_block("latest").get("baseFeePerGas", 0))
            if base_fee == 0:
                return 0
            asked = int(self.w3.eth.gas_price)
        return max(asked, 2 * base_fee)

    def fund(self, address: str) -> None:
        """Send `address` money for gas, where gas has a price and it has too little.

        The payer is the key that the environment names (see `Key.from_environment`).

        Raises:
            LedgerError: gas has a price here, and no payer is named, or it has not enough.
        """
        price = self.gas_price()
        needed = price * GAS_MONEY
        target = Web3.to_checksum_address(address)
        with reaching(self.name):
            if price == 0 or self.w3.eth.get_balance(target) >= needed // 2:
                return
        payer = Key.from_environment(name="payer of gas")
        if payer is None:
            raise LedgerError(
                f"gas has a price on {self.name} and {address} has no money for it; name a payer "
                "in PEERCHARGE_KEYSTORE or PEERCHARGE_KEY, send it money yourself, or run the "
                "network with free gas."
            )
        log.info("%s pays %s for gas", payer.address, address)
        sent = self._transfer(payer, target, needed, price)
        if self.receipt(sent, timeout_s=_FUND_TIMEOUT_S) is None:
            raise OutcomeUnknownError(
                sent.to_0x_hex(),
                f"{self.name} did not mine a payment for gas within {_FUND_TIMEOUT_S:.0f} s; check "
                "that its validators run.",
            )

    def _transfer(self, payer: Key, to: ChecksumAddress, wei: int, gas_price: int) -> HexBytes:
        lane = self.lane(payer.address)
        with lane.lock:
            # The payer may send by other ways too, so its count is asked for each time.
            nonce = self.nonce(payer.address)
            lane.next_nonce = None
            signed = payer.sign_transaction(
                {
                    "to": to,
                    "value": wei,
                    "nonce": nonce,
                    "gas": _TRANSFER_GAS,
                    "gasPrice": gas_price,
                    "chainId": self.chain_id,
                }
            )
            return self.send_raw([signed])[0]


@contextmanager
def open_here(opening: Opening) -> Iterator[Network]:
    """Connect to the node at an address, and check that it is one.

    Raises:
        LedgerUnreachableError: nothing there, no answer in time, or not the answer of a node.
    """
    with _provider(opening.setting, opening.timeout_s) as provider:
        name = shown(opening.setting)
        chain_id = _chain_id(provider, name)
        w3 = Web3(provider)
        # Headers of QBFT, IBFT and Clique carry the validators' seals in extraData.
        w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        yield RemoteNetwork(name, w3, chain_id)


@contextmanager
def _provider(setting: str, timeout_s: float) -> Iterator[JSONBaseProvider]:
    if setting.startswith(("http://", "https://")):
        with requests.Session() as session:
            # One retry hides a restarted connection; more would hide a dead node for seconds.
            retries = ExceptionRetryConfiguration(
                errors=(requests.exceptions.ConnectionError,), retries=2, backoff_factor=0.1
            )
            yield HTTPProvider(
                setting,
                request_kwargs={"timeout": timeout_s},
                session=session,
                exception_retry_configuration=retries,
            )
        return
    path = setting.removeprefix("ipc:").removeprefix("//")
    _check_socket(path)
    provider = IPCProvider(path, timeout=max(1, round(timeout_s)))
    try:
        yield provider
    finally:
        _close(provider)


def _check_socket(path: str) -> None:
    # web3 leaves its socket open when it cannot connect, which a long-lived process would feel.
    if sys.platform == "win32":
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(Path(path).expanduser()))
    except OSError as error:
        raise LedgerUnreachableError(
            f"ipc:{path} cannot be reached; check the path and that the node is running."
        ) from error


def _close(provider: IPCProvider) -> None:
    # web3 7 and 8 keep the socket open for good and have no method that closes it.
    opened = getattr(provider._socket, "sock", None)
    if opened is not None:
        opened.close()


def _chain_id(provider: JSONBaseProvider, name: str) -> int:
    with reaching(name):
        answer = provider.make_request(RPCEndpoint("eth_chainId"), [])
    said = result_of(answer, name)
    try:
        return int(said, 16)
    except (TypeError, ValueError) as error:
        raise LedgerUnreachableError(
            f"{name} answers, but not as an Ethereum node does; check that the address is its "
            "JSON-RPC endpoint."
        ) from error


def _gas_price_of_environment() -> int | None:
    text = os.environ.get(GAS_PRICE_VARIABLE)
    if not text:
        return None
    if not text.isdecimal():
        raise OptionError(GAS_PRICE_VARIABLE, text, "a whole number of wei, such as 0")
    return int(text)
