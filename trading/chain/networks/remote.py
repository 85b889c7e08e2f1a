"""Nodes that already run: one JSON-RPC endpoint at an HTTP or IPC address, or several over HTTP."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import requests
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import HTTPProvider, IPCProvider, Web3
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.base import JSONBaseProvider
from web3.providers.rpc.utils import ExceptionRetryConfiguration

from trading.chain.keys import Key
from trading.chain.networks.base import JsonRpcNetwork, Network, Opening, addresses_of
from trading.chain.networks.endpoints import Endpoint, Endpoints
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

RECONSIDER_AFTER_S = 10.0
"""How long a receipt is awaited before all endpoints are asked how far they are."""

_TRANSFER_GAS = 21_000
_FUND_TIMEOUT_S = 60.0

log = logging.getLogger(__name__)


class RemoteNetwork(JsonRpcNetwork):
    """A node at an address; its time passes by itself."""

    first_poll_s: ClassVar[float] = 0.01

    def __init__(self, name: str, w3: Web3, endpoints: Endpoints) -> None:
        super().__init__(name, w3, endpoints.chain_id)
        self._endpoints = endpoints
        self._fixed_gas_price = _gas_price_of_environment()

    @property
    def endpoint(self) -> str:
        """The endpoint that requests go to at present."""
        return self._endpoints.current

    def reconsider(self) -> bool:
        """Move to an endpoint whose chain is further, if there is one; asks all of them."""
        return self._endpoints.reconsider()

    def receipt(self, transaction: HexBytes, *, timeout_s: float) -> Mapping[str, Any] | None:
        """As any network does; asks now and then whether the endpoint was cut off meanwhile."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = deadline - time.monotonic()
            found = super().receipt(transaction, timeout_s=min(left_s, RECONSIDER_AFTER_S))
            if found is not None or left_s <= RECONSIDER_AFTER_S:
                return found
            self.reconsider()

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
    """Connect to the node at an address, or at the first of several, and check that it is one.

    Raises:
        LedgerUnreachableError: nothing there, no answer in time, not the answer of a node, or a
            node that is not in sync; of several, none that is better.
        WrongLedgerError: of several, none is of the expected chain, or they are of different ones.
    """
    settings = addresses_of(opening.setting)
    with ExitStack() as stack:
        endpoints = Endpoints(
            [
                Endpoint(
                    shown(setting),
                    stack.enter_context(
                        _provider(setting, opening.timeout_s, is_alone=len(settings) == 1)
                    ),
                )
                for setting in settings
            ],
            chain_id=opening.chain_id,
        )
        w3 = Web3(endpoints)
        # Headers of QBFT, IBFT and Clique carry the validators' seals in extraData.
        w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        yield RemoteNetwork(", ".join(map(shown, settings)), w3, endpoints)


@contextmanager
def _provider(setting: str, timeout_s: float, *, is_alone: bool) -> Iterator[JSONBaseProvider]:
    if setting.startswith(("http://", "https://")):
        with requests.Session() as session:
            # One retry hides a restarted connection; more would hide a dead node for seconds. Where
            # there is another endpoint, that is tried instead.
            retries = ExceptionRetryConfiguration(
                errors=(requests.exceptions.ConnectionError,),
                retries=2 if is_alone else 1,
                backoff_factor=0.1,
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


def _gas_price_of_environment() -> int | None:
    text = os.environ.get(GAS_PRICE_VARIABLE)
    if not text:
        return None
    if not text.isdecimal():
        raise OptionError(GAS_PRICE_VARIABLE, text, "a whole number of wei, such as 0")
    return int(text)
