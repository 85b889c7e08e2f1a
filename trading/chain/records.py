"""What the ledger answers: receipts, events, submissions, and the state of accounts and batches."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from trading.chain.fields import HexAddress, Price, Seconds
from trading.chain.sentences import time_text
from trading.chain.states import BatchState
from trading.chain.words import decode
from trading.tables import UTC_TIME

RECORD_COLUMNS = ("block", "time", "transaction", "event", "batch_id", "actor", "detail")

_TIMES = frozenset({"deadline", "validUntil"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEvent:
    """One event of the contract.

    Attributes:
        name: as in the contract, such as `BatchConfirmed`.
        arguments: by name, in the contract's order: numbers, texts, addresses with checksum, bytes
            in hexadecimal.
        block: number of the block.
        time: Unix seconds of the block.
        transaction: hash of the transaction.
        position: place among all logs of the block.
        actor: address that sent the transaction.
    """

    name: str
    arguments: Mapping[str, Any]
    block: int
    time: int
    transaction: str
    position: int
    actor: str

    @property
    def batch_id(self) -> str:
        """The batch it is about, or an empty text."""
        return str(self.arguments.get("batchId", ""))

    @property
    def detail(self) -> str:
        """The other arguments as `key=value`, separated by spaces; trades by their number."""
        shown = (
            f"{_snake(name)}={_plain(name, value)}"
            for name, value in self.arguments.items()
            if name != "batchId"
        )
        return " ".join(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a transaction that succeeded.

    Attributes:
        transaction: its hash.
        block: number of its block.
        time: Unix seconds of the block.
        gas_used: units of gas.
        events: events of the contract, in order.
    """

    transaction: str
    block: int
    time: int
    gas_used: int
    events: tuple[LedgerEvent, ...]

    def has(self, event: str) -> bool:
        """Whether an event of this name is among `events`."""
        return any(found.name == event for found in self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterReceipt(Receipt):
    """The receipt of an account that was opened, with its number."""

    account: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatReceipt(Receipt):
    """The receipt of an operator that was seated, with its seat."""

    seat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One batch as it was submitted: all that `settle` and `refund` need, and operators check.

    Attributes:
        batch_id: its id, `0x` and 64 digits.
        submitter: who sent it.
        deadline: Unix seconds, the last in which it can be voted on.
        words: its trades, packed.
        locked_ueur: the buyers' cost that it locked.
        block: number of the block that holds it.
        time: Unix seconds of that block.
    """

    batch_id: str
    submitter: str
    deadline: int
    words: tuple[int, ...]
    locked_ueur: int
    block: int
    time: int

    @property
    def trades(self) -> pd.DataFrame:
        """The trades, a CHAIN table decoded anew each time, in the order of the batch."""
        return decode(self.words)

    @classmethod
    def of(cls, event: LedgerEvent) -> Submission:
        """The submission in a `BatchSubmitted` event."""
        found = event.arguments
        return cls(
            batch_id=event.batch_id,
            submitter=found["submitter"],
            deadline=found["deadline"],
            words=tuple(found["trades"]),
            locked_ueur=found["locked"],
            block=event.block,
            time=event.time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReceipt(Receipt):
    """The receipt of a batch that is now pending."""

    batch: Submission

    @property
    def batch_id(self) -> str:
        """The batch's id."""
        return self.batch.batch_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """A holder's standing limits; without one an account takes part in no trade.

    Attributes:
        max_buy_ueur_per_kwh: highest price it pays; 0 buys nothing.
        min_sell_ueur_per_kwh: lowest price it accepts; 2^32 - 1 sells nothing.
        valid_until: Unix seconds, the last in which a batch naming it may be submitted.
        aggregator: address that may submit trades for it, besides itself; None for nobody.
        open_to_buyers: whether a buyer may name it as seller in a batch of the buyer's own.
    """

    max_buy_ueur_per_kwh: Price
    min_sell_ueur_per_kwh: Price
    valid_until: Seconds
    aggregator: HexAddress | None = None
    open_to_buyers: Annotated[bool, Field(strict=True)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Everything the ledger knows of one account; `mandate` is None when there is none."""

    number: int
    owner: str
    free_ueur: int
    locked_ueur: int
    sequence: int
    tag: str
    mandate: Mandate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is stored of a batch; seats are numbered from 0."""

    batch_id: str
    state: BatchState
    size: int
    deadline: int
    confirmed_by: tuple[int, ...]
    rejected_by: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator and the seat it votes from."""

    address: str
    seat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBand:
    """The prices a trade may have, both ends included."""

    lowest_ueur_per_kwh: int
    highest_ueur_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The constants of the contract."""

    max_trades: int
    max_lifetime_s: int
    max_sequence_step: int
    max_reason_bytes: int
    max_deposits_ueur: int
    max_seats: int


def record_table(events: Sequence[LedgerEvent]) -> pd.DataFrame:
    """Events as a table with the columns of `chain.csv`, in the order given."""
    rows = [(e.block, e.time, e.transaction, e.name, e.batch_id, e.actor, e.detail) for e in events]
    table = pd.DataFrame(rows, columns=list(RECORD_COLUMNS))
    times = pd.to_datetime(table["time"].astype("int64"), unit="s", utc=True)
    return table.assign(block=table["block"].astype("int64"), time=times.astype(UTC_TIME)).astype(
        dict.fromkeys(RECORD_COLUMNS[2:], "str")
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _plain(name: str, value: Any) -> str:
    if name in _TIMES:
        return time_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return str(len(value))
    if name == "reason":
        return json.dumps(value, ensure_ascii=False)
    return str(value)
