"""Signatures of the model's facts: made with real keys, and read as the curve's arithmetic does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data

from tests.reference_records import (
    NOBODY,
    Mandate,
    SeatSignature,
    Signature,
    Statement,
    batch_id,
    trades_hash,
)
from trading.chain import Key

if TYPE_CHECKING:
    from tests.contract.twin import Act
    from tests.reference_consortium import ReferenceConsortium

TYPES = {
    "Confirmation": "bytes32 batchId,uint8 seat",
    "Mandate": "uint32 maxBuyPrice,uint32 minSellPrice,uint32 validUntil,address aggregator,"
    "bool openToBuyers",
    "Enrollment": "address owner,bytes32 tag,Mandate mandate,uint256 nonce,uint40 deadline",
    "MandateChange": "uint32 account,Mandate mandate,uint256 nonce,uint40 deadline",
    "MandateRevocation": "uint32 account,uint256 nonce,uint40 deadline",
    "Withdrawal": "uint32 account,uint64 amount,address to,uint256 nonce,uint40 deadline",
}
"""What the interface's notes say is signed, typed in again: `trading.chain.typed` reads a file."""

DOMAIN = {"name": "peercharge EnergyConsortium", "version": "1"}
BLANK = bytes(32)
HIGH_BIT = 1 << 255
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def owner_signature(signature: Signature, people: dict[str, Key]) -> bytes:
    """65 bytes r, s, v; a spoiled one has the higher s, which the curve takes and we must not."""
    raw = _signed(signature.signer, signature.statement, people)
    if not signature.is_spoiled:
        return raw
    s = CURVE_ORDER - int.from_bytes(raw[32:64], "big")
    return raw[:32] + s.to_bytes(32, "big") + bytes([27 + 28 - raw[64]])


def seat_signature(signature: Signature, people: dict[str, Key]) -> tuple[bytes, bytes]:
    """r and vs as a bundle takes them; a spoiled one is blank."""
    if signature.is_spoiled:
        return BLANK, BLANK
    raw = _signed(signature.signer, signature.statement, people)
    s = int.from_bytes(raw[32:64], "big")
    return raw[:32], ((raw[64] - 27) * HIGH_BIT | s).to_bytes(32, "big")


def with_arithmetic(act: Act, model: ReferenceConsortium, people: dict[str, Key]) -> Act:
    """The act, with whom each misplaced confirmation names when it is read where it was put."""
    if act.function == "confirm_with_signatures":
        identity, signatures = act.arguments
    elif act.function == "submit_with_signatures":
        trades, deadline, signatures = act.arguments
        identity = batch_id(model.domain, act.by.address, deadline, trades_hash(trades))
    else:
        return act
    read = []
    for one in signatures:
        wanted = Statement(domain=model.domain, kind="Confirmation", content=(identity, one.seat))
        named = _read_as(one.signature, wanted, people)
        read.append(SeatSignature(seat=one.seat, signature=replace(one.signature, otherwise=named)))
    return replace(act, arguments=(*act.arguments[:-1], tuple(read)))


def _read_as(signature: Signature, wanted: Statement, people: dict[str, Key]) -> str:
    if signature.is_spoiled or signature.statement == wanted:
        return NOBODY
    raw = _signed(signature.signer, signature.statement, people)
    return str(Account.recover_message(_message(wanted), signature=raw))


_made: dict[tuple[str, Statement], bytes] = {}


def _signed(signer: str, statement: Statement, people: dict[str, Key]) -> bytes:
    found = _made.get((signer, statement))
    if found is None:
        found = _made[signer, statement] = people[signer].sign_message(_message(statement))
    return found


@cache
def _message(statement: Statement) -> SignableMessage:
    fields = _fields(statement.kind)
    content = {
        field["name"]: _plain(value) for field, value in zip(fields, statement.content, strict=True)
    }
    types = {statement.kind: fields}
    if any(field["type"] == "Mandate" for field in fields):
        types["Mandate"] = _fields("Mandate")
    domain = {
        **DOMAIN,
        "chainId": statement.domain.chain,
        "verifyingContract": statement.domain.contract,
    }
    return encode_typed_data(domain, types, content)


def _fields(kind: str) -> list[dict[str, str]]:
    pairs = [field.split(" ") for field in TYPES[kind].split(",")]
    return [{"type": of, "name": name} for of, name in pairs]


def _plain(value: Any) -> Any:
    if isinstance(value, Mandate):
        return {
            "maxBuyPrice": value.max_buy_price,
            "minSellPrice": value.min_sell_price,
            "validUntil": value.valid_until,
            "aggregator": value.aggregator,
            "openToBuyers": value.open_to_buyers,
        }
    is_bytes = isinstance(value, str) and len(value) == 66
    return bytes.fromhex(value[2:]) if is_bytes else value
