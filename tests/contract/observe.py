"""Everything the contract tells of itself in one answer, and the same from the model.

A view costs some 5 ms through web3 on the embedded chain and 60 are asked after each step. So one
`eth_call` without a receiver runs a few bytes of code that call all views and return what they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hexbytes import HexBytes

from tests.reference_governance import MAX_SEATS
from tests.reference_records import NOBODY, Mandate, State

if TYPE_CHECKING:
    from tests.contract.twin import Twin
    from trading.chain.contract import Contract

LOTS = (1, 2, 3)
UNKNOWN_BATCH = "0x" + "77" * 32

_AT_ONCE = 60
"""Calls in one program; what it returns counts as code, of which 24,576 bytes are allowed."""

_ANSWERS = 0x400
"""Memory before this holds the call at hand; answers follow it, each after its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is looked at besides accounts, settings and sums, which always are."""

    people: Sequence[str]
    batches: Sequence[str]
    lots: Sequence[int]


def all_of(twin: Twin) -> Scope:
    """Everything."""
    return Scope(people=list(twin.people), batches=[*twin.model.batches, UNKNOWN_BATCH], lots=LOTS)


def touched(twin: Twin, by: str) -> Scope:
    """What the last call may have touched: who did it, whom and what its events name.

    Besides, every batch that can still change: those are what time and votes work on. People, lots
    and closed batches are three quarters of the views and so of a step's time.
    """
    named = {v for event in twin.model.events for v in event.arguments.values()}
    now = twin.model.now
    return Scope(
        people=[address for address in twin.people if address in named or address == by],
        batches=[
            identity
            for identity, batch in twin.model.batches.items()
            if identity in named or batch.state(now) not in (State.SETTLED, State.REFUNDED)
        ],
        lots=[lot for lot in LOTS if any(e.name == "LotSet" for e in twin.model.events)],
    )


def read_contract(twin: Twin, scope: Scope) -> dict[str, Any]:
    """What the contract's views say, under the names that `read_model` uses."""
    consortium, token = twin.consortium, twin.consortium.token
    asked: dict[str, tuple[Contract, str, tuple[Any, ...]]] = {
        name: (consortium, view, ()) for name, view in _SETTINGS.items()
    }
    for number in range(1, len(twin.model.accounts) + 2):
        asked[f"account {number}"] = (consortium, "account", (number,))
    for identity in scope.batches:
        asked[f"batch {identity}"] = (consortium, "batch", (bytes(HexBytes(identity)),))
    for lot in scope.lots:
        asked[f"lot {lot}"] = (consortium, "lotAccount", (lot,))
        asked[f"spread of lot {lot}"] = (consortium, "spreadAccount", (lot,))
    for address in scope.people:
        asked[f"seated {address}"] = (consortium, "isOperator", (address,))
        asked[f"aggregator {address}"] = (consortium, "isAggregator", (address,))
        asked[f"nonce {address}"] = (consortium, "nonces", (address,))
    for address in (*scope.people, consortium.address):
        asked[f"tokens of {address}"] = (token, "balanceOf", (address,))
    if _seats_changed(twin):
        # The one view that loops over all seats: 10 ms of the 40 that a step takes.
        asked["operators"] = (consortium, "operators", ())
    answers = _ask_all(twin, list(asked.values()))
    return {
        name: _flat(contract.interface.decode_answer(view, answer))
        for (name, (contract, view, _)), answer in zip(asked.items(), answers, strict=True)
    }


def read_model(twin: Twin, scope: Scope) -> dict[str, Any]:
    """What the model says they should."""
    model = twin.model
    state: dict[str, Any] = {
        "authority": model.authority,
        "pending authority": model.pending_authority,
        "paused": model.is_paused,
        "quorum": model.quorum,
        "operator count": len(model.seats),
        "current seats": _bits(set(model.seats)),
        "price band": model.band,
        "largest spread": model.largest_spread,
        "tracked deposits": model.tracked_deposits,
        "number of accounts": len(model.accounts),
    }
    for number in range(1, len(model.accounts) + 2):
        account = model.accounts.get(number)
        state[f"account {number}"] = (
            (
                account.owner,
                account.free,
                account.locked,
                account.sequence,
                account.tag,
                _mandate(account.mandate),
            )
            if account
            else (NOBODY, 0, 0, 0, "0x" + "00" * 32, _mandate(None))
        )
    for identity in scope.batches:
        batch = model.batches.get(identity)
        state[f"batch {identity}"] = (
            (
                int(batch.state(model.now)),
                len(batch.trades),
                batch.deadline,
                _bits(batch.confirmed_by),
                _bits(batch.rejected_by),
            )
            if batch
            else (int(State.NONE), 0, 0, 0, 0)
        )
    for lot in scope.lots:
        state[f"lot {lot}"] = model.lots[lot] if lot in model.open_lots else 0
        state[f"spread of lot {lot}"] = model.lots.get(lot, 0)
    for address in scope.people:
        state[f"seated {address}"] = address in model.seats.values()
        state[f"aggregator {address}"] = model.is_aggregator(address)
        state[f"nonce {address}"] = model.nonces.get(address, 0)
    for address in (*scope.people, model.domain.contract):
        state[f"tokens of {address}"] = model.tokens.get(address, 0)
    if _seats_changed(twin):
        state["operators"] = tuple((holder, seat) for seat, holder in sorted(model.seats.items()))
    return state


_SETTINGS = {
    "authority": "authority",
    "pending authority": "pendingAuthority",
    "paused": "paused",
    "quorum": "quorum",
    "operator count": "operatorCount",
    "current seats": "currentSeats",
    "price band": "priceBand",
    "largest spread": "largestSpread",
    "tracked deposits": "trackedDeposits",
    "number of accounts": "accountCount",
}


def _seats_changed(twin: Twin) -> bool:
    return any(event.name.startswith("Operator") for event in twin.model.events)


def _mandate(mandate: Mandate | None) -> tuple[Any, ...]:
    if mandate is None:
        return (0, 0, 0, NOBODY, False)
    return (
        mandate.max_buy_price,
        mandate.min_sell_price,
        mandate.valid_until,
        mandate.aggregator,
        mandate.open_to_buyers,
    )


def _bits(seats: set[int]) -> int:
    return sum(1 << seat for seat in seats if seat < MAX_SEATS)


def _flat(values: tuple[Any, ...]) -> Any:
    return values[0] if len(values) == 1 else values


def _ask_all(twin: Twin, asked: list[tuple[Contract, str, tuple[Any, ...]]]) -> list[bytes]:
    calls = [
        (HexBytes(contract.address), contract.interface.encode_call(view, arguments))
        for contract, view, arguments in asked
    ]
    parts: list[bytes] = []
    for start in range(0, len(calls), _AT_ONCE):
        some = calls[start : start + _AT_ONCE]
        answer = twin.network.call({"data": HexBytes(_program(some))}, "latest")
        at = 0
        for _ in some:
            size = int.from_bytes(answer[at : at + 32], "big")
            parts.append(answer[at + 32 : at + 32 + size])
            at += 32 + size
    return parts


def _program(calls: list[tuple[HexBytes, bytes]]) -> bytes:
    """Code that makes these calls and returns length and content of each answer.

    The address at which the next answer goes stays on the stack throughout.
    """
    pieces: list[bytes] = []
    data = b""
    # Every piece has the same length, so where the call data begins is known before they are made.
    after_code = 4 + len(calls) * len(_piece(calls[0][0], 0, 0)) + 8
    for address, call in calls:
        pieces.append(_piece(address, len(call), after_code + len(data)))
        data += call
    start = b"\x61" + _ANSWERS.to_bytes(2, "big")  # PUSH2: the first address
    end = b"\x90\x03" + start + b"\xf3"  # SWAP1 SUB, PUSH2, RETURN: all from there to the last
    code = start + b"".join(pieces) + start + end
    code += bytes(after_code - len(code))
    return code + data


def _piece(address: bytes, size: int, offset: int) -> bytes:
    n = size.to_bytes(4, "big")
    return b"".join(
        (
            b"\x63" + n + b"\x63" + offset.to_bytes(4, "big") + b"\x60\x00\x39",  # CODECOPY to 0
            b"\x60\x00\x60\x00\x63" + n + b"\x60\x00\x73" + address + b"\x5a\xfa\x50",  # STATICCALL
            b"\x3d\x81\x52",  # the answer's size at the address
            b"\x3d\x60\x00\x82\x60\x20\x01\x3e",  # RETURNDATACOPY behind it
            b"\x3d\x01\x60\x20\x01",  # the next address
        )
    )
