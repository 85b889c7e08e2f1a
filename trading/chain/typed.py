"""What operators and owners sign off chain (EIP-712), and how a signature is checked here.

The type strings are those of `contracts/eip712.json`, which the Solidity tests read too and which
travels in the contract's artifact. A signature is bound to one contract on one chain; a batch id
binds exact parties, energies and prices, and an owner's nonce lets each of its signatures act once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_keys.exceptions import BadSignature
from hexbytes import HexBytes

from trading.chain import artifacts
from trading.chain.keys import Key
from trading.chain.records import Mandate

_CONTRACT = "EnergyConsortium"
_NOBODY = "0x" + "0" * 40
_PARITY_BIT = 1 << 255
_RECOVERY_OFFSET = 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The one contract on the one chain that a signature is for."""

    chain_id: int
    contract: str

    def message(self, kind: str, content: Mapping[str, Any]) -> SignableMessage:
        """The EIP-712 message of one type of `contracts/eip712.json`."""
        types, domain = self._described(kind)
        return encode_typed_data(domain, types, dict(content))

    def typed_data(self, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """The same as a wallet takes it (`eth_signTypedData_v4`), ready for JSON."""
        types, domain = self._described(kind)
        kinds = {"name": "string", "version": "string", "chainId": "uint256"}
        of_domain = [{"name": name, "type": kinds.get(name, "address")} for name in domain]
        return {
            "types": {"EIP712Domain": of_domain, **types},
            "primaryType": kind,
            "domain": domain,
            "message": dict(content),
        }

    def _described(self, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Types and domain of one kind of message."""
        described = artifacts.load(_CONTRACT).eip712
        types = {
            name: [dict(field) for field in fields]
            for name, fields in described["types"].items()
            if name == kind or any(field["type"] == name for field in described["types"][kind])
        }
        domain = {
            **described["domain"],
            "chainId": self.chain_id,
            "verifyingContract": self.contract,
        }
        return types, domain


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatSignature:
    """An operator's confirmation of one batch, signed off chain.

    Attributes:
        batch_id: the batch.
        seat: the seat it votes from, part of what is signed.
        signer: address of the operator, as it claims; `is_valid` compares.
        r: as ECDSA names it, 32 bytes.
        vs: s with the parity of the recovery id in the highest bit (EIP-2098), 32 bytes.
    """

    batch_id: str
    seat: int
    signer: str
    r: bytes
    vs: bytes

    @classmethod
    def by(cls, key: Key, domain: Domain, *, batch_id: str, seat: int) -> SeatSignature:
        """Sign a confirmation."""
        signature = key.sign_message(_confirmation(domain, batch_id, seat))
        parity = signature[64] - _RECOVERY_OFFSET
        vs = int.from_bytes(signature[32:64], "big") | parity * _PARITY_BIT
        return cls(
            batch_id=batch_id,
            seat=seat,
            signer=key.address,
            r=signature[:32],
            vs=vs.to_bytes(32, "big"),
        )

    def is_valid(self, domain: Domain) -> bool:
        """Whether `signer` signed just this; the contract asks who holds the seat besides."""
        word = int.from_bytes(self.vs, "big")
        parity, s = word >> 255, word & (_PARITY_BIT - 1)
        signature = self.r + s.to_bytes(32, "big") + bytes([parity + _RECOVERY_OFFSET])
        message = _confirmation(domain, self.batch_id, self.seat)
        try:
            found = Account.recover_message(message, signature=signature)
        except (BadSignature, ValueError):
            return False
        return str(found) == self.signer

    def words(self) -> tuple[int, bytes, bytes]:
        """As the contract takes it."""
        return self.seat, self.r, self.vs


def sign_enrollment(
    key: Key, domain: Domain, *, tag: str | bytes, mandate: Mandate, nonce: int, deadline: int
) -> bytes:
    """Let anyone open an account for `key` with this tag and these limits, until the deadline."""
    content = {
        "owner": key.address,
        "tag": HexBytes(tag),
        "mandate": mandate_fields(mandate),
        "nonce": nonce,
        "deadline": deadline,
    }
    return key.sign_message(domain.message("Enrollment", content))


def sign_mandate(
    key: Key, domain: Domain, *, account: int, mandate: Mandate, nonce: int, deadline: int
) -> bytes:
    """Let anyone set these limits for an account of `key`, until the deadline."""
    content = {
        "account": account,
        "mandate": mandate_fields(mandate),
        "nonce": nonce,
        "deadline": deadline,
    }
    return key.sign_message(domain.message("MandateChange", content))


def sign_revocation(key: Key, domain: Domain, *, account: int, nonce: int, deadline: int) -> bytes:
    """Let anyone withdraw the limits of an account of `key`, until the deadline."""
    content = {"account": account, "nonce": nonce, "deadline": deadline}
    return key.sign_message(domain.message("MandateRevocation", content))


def sign_withdrawal(
    key: Key, domain: Domain, *, account: int, amount_ueur: int, to: str, nonce: int, deadline: int
) -> bytes:
    """Let anyone have this amount paid out from an account of `key`, to this address only."""
    content = {
        "account": account,
        "amount": amount_ueur,
        "to": to,
        "nonce": nonce,
        "deadline": deadline,
    }
    return key.sign_message(domain.message("Withdrawal", content))


def mandate_fields(mandate: Mandate) -> dict[str, Any]:
    """A mandate under the names that the contract gives its fields."""
    return {
        "maxBuyPrice": mandate.max_buy_ueur_per_kwh,
        "minSellPrice": mandate.min_sell_ueur_per_kwh,
        "validUntil": mandate.valid_until,
        "aggregator": mandate.aggregator or _NOBODY,
        "openToBuyers": mandate.open_to_buyers,
    }


def _confirmation(domain: Domain, batch_id: str, seat: int) -> SignableMessage:
    return domain.message("Confirmation", {"batchId": HexBytes(batch_id), "seat": seat})
