"""Events of the contract, from receipts and from blocks, whoever sent the transactions."""

from __future__ import annotations

from collections.abc import Iterable

from eth_typing import ChecksumAddress

from trading.chain.abi import Interface
from trading.chain.networks.base import Log
from trading.chain.records import LedgerEvent
from trading.chain.sender import RawReceipt


def decode_logs(interface: Interface, logs: Iterable[Log]) -> list[LedgerEvent]:
    """The events in logs, in their order; logs of events that the ABI lacks are left out."""
    return [
        LedgerEvent(
            name=event.name,
            arguments=event.decode(log.topics, log.data),
            block=log.block,
            time=log.time,
            transaction=log.transaction,
            position=log.position,
            actor=log.sender,
        )
        for log in logs
        if log.topics and (event := interface.events.get(log.topics[0])) is not None
    ]


def logs_of(receipt: RawReceipt, address: ChecksumAddress, *, time: int) -> list[Log]:
    """The logs of the contract at `address` in a receipt whose block has this time."""
    return [
        Log(
            topics=tuple(bytes(topic) for topic in log["topics"]),
            data=bytes(log["data"]),
            block=int(log["blockNumber"]),
            time=time,
            position=int(log["logIndex"]),
            transaction=log["transactionHash"].to_0x_hex(),
            sender=str(receipt["from"]),
        )
        for log in receipt["logs"]
        if log["address"] == address
    ]
