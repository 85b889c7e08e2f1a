"""What the reference model of the consortium takes and gives: trades, mandates, votes, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

NOBODY = "0x" + "0" * 40
DAY_S = 86_400

TRADE_FIELDS = {
    "buyer": 32,
    "seller": 32,
    "energy_wh": 32,
    "buyer_price": 32,
    "seller_price": 32,
    "sequence": 32,
    "interval": 32,
    "lot": 16,
    "spare": 16,
}
"""Fields of a trade word and their bits, most significant first."""


class State(IntEnum):
    """Where a batch stands, numbered as the contract does."""

    NONE = 0
    PENDING = 1
    CONFIRMED = 2
    SETTLED = 3
    REJECTED = 4
    CANCELLED = 5
    REFUNDED = 6
    EXPIRED = 7


class Refusal(Exception):  # noqa: N818 - the contract refuses; the model does not fail
    """The contract would revert with this error.

    Attributes:
        name: the Solidity error.
        arguments: its arguments, under the ABI's names.
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__(f"{name} {arguments}")
        self.name = name
        self.arguments = arguments


@dataclass(frozen=True, slots=True)
class Event:
    """One event the contract would emit; arguments under the ABI's names, in the ABI's order."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade: energy in Wh, prices in micro-euro per kWh, the interval in minutes since 1970."""

    buyer: int
    seller: int
    energy_wh: int
    buyer_price: int
    seller_price: int
    sequence: int
    interval: int
    lot: int
    spare: int = 0

    @property
    def cost(self) -> int:
        """What the buyer pays, in micro-euro."""
        return self.energy_wh * self.buyer_price // 1000

    @property
    def income(self) -> int:
        """What the seller gets, in micro-euro."""
        return self.energy_wh * self.seller_price // 1000

    @property
    def spread(self) -> int:
        """What is left for the lot, in micro-euro."""
        return self.cost - self.income

    @property
    def word(self) -> int:
        """The 256 bits that stand for it on chain."""
        word = 0
        for name, bits in TRADE_FIELDS.items():
            word = (word << bits) | getattr(self, name)
        return word

    @classmethod
    def of(cls, word: int) -> Trade:
        """The trade in a word."""
        found = {}
        for name, bits in reversed(TRADE_FIELDS.items()):
            found[name] = word % 2**bits
            word >>= bits
        return cls(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """A holder's standing limits."""

    max_buy_price: int
    min_sell_price: int
    valid_until: int
    aggregator: str = NOBODY
    open_to_buyers: bool = False


@dataclass(slots=True, kw_only=True)
class Account:
    """One account; money in micro-euro."""

    owner: str
    tag: str
    free: int = 0
    locked: int = 0
    sequence: int = 0
    mandate: Mandate | None = None


@dataclass(slots=True, kw_only=True)
class Batch:
    """One batch. `stored` is where it stood when it was last touched; expiry is not stored."""

    submitter: str
    deadline: int
    trades: tuple[Trade, ...]
    stored: State = State.PENDING
    confirmed_by: set[int] = field(default_factory=set)
    rejected_by: set[int] = field(default_factory=set)

    @property
    def cost(self) -> int:
        """What all buyers together pay."""
        return sum(trade.cost for trade in self.trades)

    def state(self, now: int) -> State:
        """Where it stands: pending until the deadline, included, and expired after it."""
        late = self.stored is State.PENDING and now > self.deadline
        return State.EXPIRED if late else self.stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The one contract on the one chain that a signature is for."""

    chain: int
    contract: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Something that was signed off chain: a type's name and all of its fields, in order."""

    domain: Domain
    kind: str
    content: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The fact that `signer` signed `statement`.

    Attributes:
        signer: address of the key.
        statement: what it signed.
        otherwise: whom the curve's arithmetic names when the signature is read as one over another
            statement, which a fact cannot foresee; zero for nobody.
        is_spoiled: the bytes were changed so that they are no signature at all.
    """

    signer: str
    statement: Statement
    otherwise: str = NOBODY
    is_spoiled: bool = False

    def signer_of(self, statement: Statement) -> str:
        """Who seems to have signed `statement`."""
        if self.is_spoiled:
            return NOBODY
        return self.signer if self.statement == statement else self.otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatSignature:
    """A confirmation in a bundle: the seat it is handed in for, and the signature."""

    seat: int
    signature: Signature


def trades_hash(trades: tuple[Trade, ...]) -> str:
    """keccak256 over the packed trades."""
    return "0x" + keccak(b"".join(trade.word.to_bytes(32, "big") for trade in trades)).hex()


def batch_id(domain: Domain, submitter: str, deadline: int, hash_of_trades: str) -> str:
    """keccak256(abi.encode(chainid, contract, submitter, deadline, keccak256(trades)))."""
    kinds = ["uint256", "address", "address", "uint40", "bytes32"]
    values = [
        domain.chain,
        domain.contract,
        submitter,
        deadline,
        bytes.fromhex(hash_of_trades[2:]),
    ]
    return "0x" + keccak(encode(kinds, values)).hex()
