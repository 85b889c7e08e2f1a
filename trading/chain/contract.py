"""What all contracts have in common: calls out, answers in, by the names of the ABI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3

from trading.chain import artifacts, words
from trading.chain.events import decode_logs, logs_of
from trading.chain.keys import Key
from trading.chain.networks import Network
from trading.chain.records import (
    Mandate,
    Receipt,
    RegisterReceipt,
    SeatReceipt,
    Submission,
    SubmitReceipt,
)
from trading.chain.sender import Call, RawReceipt, ask_as, read, transact, transact_all
from trading.chain.typed import mandate_fields

NOBODY = ChecksumAddress(Web3.to_checksum_address("0x" + "0" * 40))

GAS = 500_000
"""Enough for every function but those that take trades."""

GAS_OF_BATCH = 300_000
GAS_OF_TRADE = 40_000
GAS_OF_SIGNATURE = 15_000
MOST_GAS = 16_777_216
"""EIP-7825: no transaction may ask for more. MAX_TRADES keeps a batch below it."""


class Contract:
    """One contract on one network.

    Attributes:
        network: where it is.
        address: the contract.
    """

    artifact_name: str

    def __init__(self, network: Network, address: str) -> None:
        self.network = network
        self.address = Web3.to_checksum_address(address)
        self.interface = artifacts.load(self.artifact_name).interface

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address} on {self.network.name}>"

    def call(self, function: str, *arguments: Any, by: Key) -> Call:
        """A transaction to be, for `send_all`.

        Args:
            function: the contract's name of it, such as `setMandate`.
            arguments: in the contract's order; a `Mandate`, a CHAIN table and hexadecimal text
                stand for what the contract takes instead.
            by: the key that signs.

        Raises:
            TableError: trades that do not fit a word.
        """
        data, gas = self.encoded(function, *arguments)
        return Call(
            key=by,
            to=self.address,
            data=data,
            gas=gas,
            interface=self.interface,
            function=function,
        )

    def answer_as(self, sender: str, function: str, *arguments: Any) -> Any:
        """What a function would return to `sender` at the latest block; nothing is sent.

        Args:
            sender: an address; its key is not needed.
            function: the contract's name of it.
            arguments: as for `call`.

        Returns:
            None, one value, or a tuple of several.

        Raises:
            LedgerRevertedError: the contract would refuse it.
            LedgerError: the node refused or cannot be reached.
        """
        data, gas = self.encoded(function, *arguments)
        answer = ask_as(
            self.network, self.interface, sender=sender, to=self.address, data=data, gas=gas
        )
        found = self.interface.decode_answer(function, answer)
        return None if not found else found[0] if len(found) == 1 else found

    def encoded(self, function: str, *arguments: Any) -> tuple[bytes, int]:
        """Call data, and the units of gas that a call is given; arguments as for `call`."""
        kinds = self.interface.functions[function].input_types
        values = [_to_abi(kind, value) for kind, value in zip(kinds, arguments, strict=True)]
        n_trades = sum(len(v) for k, v in zip(kinds, values, strict=True) if k == "uint256[]")
        n_signatures = sum(
            len(v)
            for k, v in zip(kinds, values, strict=True)
            if k.startswith("(") and k.endswith("]")
        )
        gas = GAS_OF_BATCH + GAS_OF_TRADE * n_trades if n_trades else GAS
        gas = min(gas + GAS_OF_SIGNATURE * n_signatures, MOST_GAS)
        return self.interface.encode_call(function, values), gas

    def send_all(self, calls: Sequence[Call]) -> list[Receipt]:
        """Send many transactions, of any contract, and return their receipts in order.

        On a network of nodes all are sent before the first is awaited, so none may need another's
        outcome to be built; those of one key keep their order.

        Raises:
            LedgerRevertedError: the first refusal; all were sent, and the others stand.
        """
        done = transact_all(self.network, calls)
        times: dict[int, int] = {}
        receipts = []
        for call, raw in zip(calls, done, strict=True):
            block = int(raw["blockNumber"])
            if block not in times:
                times[block] = self.network.block_time(block)
            receipts.append(self._receipt(call, raw, times[block]))
        return receipts

    def _transact(self, function: str, *arguments: Any, by: Key) -> Receipt:
        call = self.call(function, *arguments, by=by)
        raw = transact(self.network, call)
        return self._receipt(call, raw, self.network.block_time(int(raw["blockNumber"])))

    def _read(self, function: str, *arguments: Any) -> Any:
        """What a view returns: one value, or a tuple where it returns several."""
        kinds = self.interface.functions[function].input_types
        values = [_to_abi(kind, value) for kind, value in zip(kinds, arguments, strict=True)]
        data = self.interface.encode_call(function, values)
        answer = read(self.network, self.interface, self.address, data)
        decoded = self.interface.decode_answer(function, answer)
        return decoded[0] if len(decoded) == 1 else decoded

    def _receipt(self, call: Call, raw: RawReceipt, time: int) -> Receipt:
        """The receipt of a call, of the class that its function's result asks for."""
        events = tuple(decode_logs(self.interface, logs_of(raw, self.address, time=time)))
        parts: dict[str, Any] = {
            "transaction": raw["transactionHash"].to_0x_hex(),
            "block": int(raw["blockNumber"]),
            "time": time,
            "gas_used": int(raw["gasUsed"]),
            "events": events,
        }
        found = {event.name: event for event in events}
        if call.function == "submit":
            return SubmitReceipt(**parts, batch=Submission.of(found["BatchSubmitted"]))
        if call.function in ("register", "enroll"):
            opened = found["AccountRegistered"].arguments["account"]
            return RegisterReceipt(**parts, account=opened)
        if call.function == "addOperator":
            return SeatReceipt(**parts, seat=found["OperatorAdded"].arguments["seat"])
        if call.function == "rotateOperator":
            return SeatReceipt(**parts, seat=found["OperatorRotated"].arguments["newSeat"])
        return Receipt(**parts)


def _to_abi(kind: str, value: Any) -> Any:
    """A value of the domain as the ABI type `kind` takes it."""
    if isinstance(value, Mandate):
        return tuple(mandate_fields(value).values())
    if isinstance(value, pd.DataFrame):
        return words.encode(value)
    if isinstance(value, Key):
        return value.address
    if kind == "address":
        return Web3.to_checksum_address(value)
    if kind.startswith("bytes") and isinstance(value, str):
        return bytes(HexBytes(value))
    return value
