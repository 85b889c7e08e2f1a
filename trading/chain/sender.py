"""Transactions: signed here, sent in order, awaited without a fixed sleep, refusals explained.

Every transaction carries explicit gas, gas price, chain id and nonce, so that a node is asked
nothing before it is sent, and the same call gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from eth_typing import BlockNumber, ChecksumAddress
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3.types import BlockIdentifier, TxParams

from trading.chain.abi import Interface
from trading.chain.keys import Key
from trading.chain.networks import Network
from trading.chain.reach import reaching
from trading.chain.reverts import REFUSALS, as_error, refusal
from trading.errors import (
    LedgerError,
    LedgerRevertedError,
    LedgerUnreachableError,
    OutcomeUnknownError,
)

RECEIPT_TIMEOUT_S = 120.0
"""Longer than any block time of a consortium network, with room for a validator that restarts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One transaction to be: who sends what to which contract.

    Attributes:
        key: signs and sends it.
        to: the contract, or None to deploy one.
        data: call data, or code.
        gas: units of gas it may use.
        interface: what its refusals mean.
        function: the contract's name for what is called; empty for a deployment.
    """

    key: Key
    to: ChecksumAddress | None
    data: bytes
    gas: int
    interface: Interface
    function: str = ""


RawReceipt = Mapping[str, Any]
"""A receipt as web3 returns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A transaction that is ready to be sent, any number of times: a node takes it once."""

    call: Call
    nonce: int
    raw: bytes
    transaction: str


def transact(network: Network, call: Call) -> RawReceipt:
    """Send one transaction and return its receipt.

    Raises:
        LedgerRevertedError: the contract refused it; nothing changed.
        OutcomeUnknownError: it went out and no receipt came.
        LedgerError: the node refused it.
    """
    return outcome(network, send(network, [call])[0])


def transact_all(network: Network, calls: Sequence[Call]) -> list[RawReceipt]:
    """Send many transactions; where the network allows it, all before the first is awaited.

    All are sent, those of one key in order. When some are refused, the first refusal is raised once
    every outcome is known, and the others stand.

    Raises:
        As `transact`.
    """
    receipts: list[RawReceipt] = []
    first: LedgerRevertedError | None = None
    sent = send(network, calls) if network.is_pipelined else None
    for position, call in enumerate(calls):
        try:
            receipts.append(
                transact(network, call) if sent is None else outcome(network, sent[position])
            )
        except LedgerRevertedError as error:
            first = first or error
    if first is not None:
        raise first
    return receipts


def sign(network: Network, call: Call, nonce: int, gas_price: int) -> Signed:
    """Sign a call as the transaction of its key with this nonce."""
    fields: dict[str, Any] = {
        "value": 0,
        "data": call.data,
        "gas": call.gas,
        "gasPrice": gas_price,
        "nonce": nonce,
        "chainId": network.chain_id,
    }
    if call.to is not None:
        fields["to"] = call.to
    raw = call.key.sign_transaction(fields)
    return Signed(call=call, nonce=nonce, raw=raw, transaction="0x" + keccak(raw).hex())


def send(network: Network, calls: Sequence[Call]) -> list[Signed]:
    """Sign calls and send them in order, each in the lane of its key, without awaiting them.

    Raises:
        OutcomeUnknownError: the connection broke while they went out.
        LedgerError: the node refused one; those before it were sent.
    """
    gas_price = network.gas_price()
    addresses = sorted({call.key.address for call in calls})
    lanes = {address: network.lane(address) for address in addresses}
    with ExitStack() as stack:
        # In the order of addresses, so that two threads never wait for each other's lane.
        for lane in lanes.values():
            stack.enter_context(lane.lock)
        signed = []
        for call in calls:
            lane = lanes[call.key.address]
            if lane.next_nonce is None:
                lane.next_nonce = network.nonce(call.key.address)
            signed.append(sign(network, call, lane.next_nonce, gas_price))
            lane.next_nonce += 1
        try:
            network.send_raw([one.raw for one in signed])
        except LedgerError as error:
            # What the node took is not known: it is asked again before the next transaction.
            for lane in lanes.values():
                lane.next_nonce = None
            if isinstance(error, LedgerUnreachableError):
                raise OutcomeUnknownError(signed[0].transaction, str(error)) from error
            raise
    return signed


def outcome(
    network: Network, signed: Signed, *, timeout_s: float = RECEIPT_TIMEOUT_S
) -> RawReceipt:
    """Await the receipt of a transaction that was sent.

    Raises:
        LedgerRevertedError: the contract refused it.
        OutcomeUnknownError: no receipt came in time.
    """
    try:
        receipt = network.receipt(HexBytes(signed.transaction), timeout_s=timeout_s)
    except LedgerUnreachableError as error:
        raise OutcomeUnknownError(signed.transaction, str(error)) from error
    if receipt is None:
        raise OutcomeUnknownError(
            signed.transaction,
            f"{network.name} mined no block with transaction {signed.transaction} within "
            f"{timeout_s:.0f} s; check that its validators run, then look for the receipt again.",
        )
    if receipt["status"] != 1:
        raise _explained(network, signed, receipt)
    return receipt


def read(network: Network, interface: Interface, address: ChecksumAddress, data: bytes) -> bytes:
    """What the contract answers at the latest block; nothing changes.

    Raises:
        LedgerRevertedError: the contract refused.
        LedgerError: the node refused or cannot be reached.
    """
    return _ask(network, interface, {"to": address, "data": HexBytes(data)}, "latest")


def rehearse(network: Network, call: Call) -> None:
    """Ask what would become of a transaction at the latest block; nothing is sent.

    Raises:
        LedgerRevertedError: the contract would refuse it.
        LedgerError: the node refused or cannot be reached.
    """
    ask_as(
        network,
        call.interface,
        sender=call.key.address,
        to=call.to,
        data=call.data,
        gas=call.gas,
    )


def ask_as(
    network: Network,
    interface: Interface,
    *,
    sender: str,
    to: ChecksumAddress | None,
    data: bytes,
    gas: int,
) -> bytes:
    """What a call of `sender`'s would return at the latest block; its key is not needed.

    Raises:
        As `rehearse`.
    """
    fields = _question(sender=sender, to=to, data=data, gas=gas)
    return _ask(network, interface, fields, "latest")


def explained(
    network: Network,
    interface: Interface,
    *,
    sender: str,
    to: ChecksumAddress | None,
    data: bytes,
    gas: int,
    block: int,
    gas_used: int,
) -> LedgerRevertedError:
    """Why a mined transaction failed, found by asking the same call again.

    Alone in its block, the state after the block is the state it met, time included. Among others,
    the state before the block is nearer.
    """
    fields = _question(sender=sender, to=to, data=data, gas=gas)
    with reaching(network.name):
        alone = network.w3.eth.get_block_transaction_count(block) == 1
    error: LedgerRevertedError | None = None
    for number in (block, block - 1) if alone else (block - 1, block):
        try:
            _ask(network, interface, fields, BlockNumber(number))
        except LedgerRevertedError as found:
            error = found
            break
        except LedgerUnreachableError:
            raise
        except LedgerError:
            # Some nodes answer a call that ran out of gas with an error of their own.
            continue
    if gas_used >= gas and (error is None or error.name in ("Error", "Unknown")):
        error = as_error("OutOfGas", {"gas": gas})
    return as_error("Unknown", {"data": "0x"}) if error is None else error


def _explained(network: Network, signed: Signed, receipt: RawReceipt) -> LedgerRevertedError:
    call = signed.call
    error = explained(
        network,
        call.interface,
        sender=call.key.address,
        to=call.to,
        data=call.data,
        gas=call.gas,
        block=int(receipt["blockNumber"]),
        gas_used=int(receipt["gasUsed"]),
    )
    error.transaction = signed.transaction
    return error


def _question(*, sender: str, to: ChecksumAddress | None, data: bytes, gas: int) -> TxParams:
    """A transaction as `eth_call` takes it."""
    fields: TxParams = {"from": sender, "data": HexBytes(data), "gas": gas}
    if to is not None:
        fields["to"] = to
    return fields


def _ask(network: Network, interface: Interface, fields: TxParams, block: BlockIdentifier) -> bytes:
    with reaching(network.name):
        try:
            return network.call(fields, block)
        except REFUSALS as cause:
            error = refusal(cause, interface)
            if error is None:
                raise
            raise error from cause
