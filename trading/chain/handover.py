"""What an owner signed off chain, as a file that someone else hands in.

A driver holds no gas: it signs its enrolment, its limits, their withdrawal or a payout, and the
lot's engine sends it. The contract takes each signature once, for just this content, until its
deadline; so the file is safe to pass on, and whoever hands it in decides nothing but when.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, Literal

from hexbytes import HexBytes
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from trading.chain.consortium import Consortium
from trading.chain.fields import Amount, HexAddress, Number
from trading.chain.keys import Key
from trading.chain.records import Mandate
from trading.chain.sender import Call
from trading.chain.typed import (
    sign_enrollment,
    sign_mandate,
    sign_revocation,
    sign_withdrawal,
)
from trading.errors import ConfigError, WrongLedgerError


class _Signed(BaseModel, ABC):
    """What every signed act has.

    Attributes:
        chain_id: the chain it is for.
        contract: the contract it is for.
        owner: who signed.
        deadline: Unix seconds, the last in which it can be handed in.
        signature: 65 bytes in hexadecimal.
    """

    # Not strict as a whole, which would ask for an instance of `Mandate`; its fields are.
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    chain_id: Annotated[int, Field(strict=True)]
    contract: HexAddress
    owner: HexAddress
    deadline: Annotated[int, Field(strict=True, ge=0, lt=2**40)]
    signature: Annotated[str, Field(pattern="^0x([0-9a-f]{2})+$", max_length=132)]

    def to_json(self) -> str:
        """The file's text."""
        return self.model_dump_json(indent=2) + "\n"

    def call(self, consortium: Consortium, *, by: Key) -> Call:
        """The transaction that hands this in, signed by whoever does so.

        Raises:
            WrongLedgerError: it was signed for another contract or chain.
        """
        domain = consortium.domain
        if (self.chain_id, self.contract) != (domain.chain_id, domain.contract):
            raise WrongLedgerError(
                f"this was signed for the contract {self.contract} on chain {self.chain_id}, not "
                f"for {domain.contract} on chain {domain.chain_id}; sign it again for this one."
            )
        return self._call(consortium, HexBytes(self.signature), by)

    @abstractmethod
    def _call(self, consortium: Consortium, signature: bytes, by: Key) -> Call:
        """The contract's function for this act."""


class SignedEnrolment(_Signed):
    """Open an account with this tag and these limits."""

    act: Literal["enrolment"] = "enrolment"
    tag: Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]
    mandate: Mandate

    def _call(self, consortium: Consortium, signature: bytes, by: Key) -> Call:
        arguments = (self.owner, self.tag, self.mandate, self.deadline, signature)
        return consortium.call("enroll", *arguments, by=by)


class SignedMandate(_Signed):
    """Replace an account's limits."""

    act: Literal["mandate"] = "mandate"
    account: Number
    mandate: Mandate

    def _call(self, consortium: Consortium, signature: bytes, by: Key) -> Call:
        arguments = (self.account, self.mandate, self.deadline, signature)
        return consortium.call("setMandateBySignature", *arguments, by=by)


class SignedRevocation(_Signed):
    """Withdraw an account's limits."""

    act: Literal["revocation"] = "revocation"
    account: Number

    def _call(self, consortium: Consortium, signature: bytes, by: Key) -> Call:
        arguments = (self.account, self.deadline, signature)
        return consortium.call("revokeMandateBySignature", *arguments, by=by)


class SignedWithdrawal(_Signed):
    """Pay an amount out to one address."""

    act: Literal["withdrawal"] = "withdrawal"
    account: Number
    amount_ueur: Amount
    to: HexAddress

    def _call(self, consortium: Consortium, signature: bytes, by: Key) -> Call:
        arguments = (self.account, self.amount_ueur, self.to, self.deadline, signature)
        return consortium.call("withdrawBySignature", *arguments, by=by)


SignedAct = SignedEnrolment | SignedMandate | SignedRevocation | SignedWithdrawal
_ANY: TypeAdapter[SignedAct] = TypeAdapter(Annotated[SignedAct, Field(discriminator="act")])


def read_signed(path: Path) -> SignedAct:
    """Read a file that an owner signed.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        return _ANY.validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), [f"expected a file that can be read ({error})"]) from None
    except (ValidationError, UnicodeDecodeError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else []
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg'].lower()}" for one in faults]
        raise ConfigError(str(path), said or ["expected what an owner signed, in JSON"]) from None


def signed_enrolment(
    consortium: Consortium, *, tag: str, mandate: Mandate, deadline: int, by: Key
) -> SignedEnrolment:
    """Sign an enrolment as its owner; as those below, with the owner's next nonce."""
    nonce = consortium.nonce_of(by.address)
    signature = sign_enrollment(
        by, consortium.domain, tag=tag, mandate=mandate, nonce=nonce, deadline=deadline
    )
    return SignedEnrolment(**_common(consortium, by, deadline, signature), tag=tag, mandate=mandate)


def signed_mandate(
    consortium: Consortium, *, account: int, mandate: Mandate, deadline: int, by: Key
) -> SignedMandate:
    """Sign new limits."""
    nonce = consortium.nonce_of(by.address)
    signature = sign_mandate(
        by, consortium.domain, account=account, mandate=mandate, nonce=nonce, deadline=deadline
    )
    return SignedMandate(
        **_common(consortium, by, deadline, signature), account=account, mandate=mandate
    )


def signed_revocation(
    consortium: Consortium, *, account: int, deadline: int, by: Key
) -> SignedRevocation:
    """Sign the withdrawal of limits."""
    nonce = consortium.nonce_of(by.address)
    signature = sign_revocation(
        by, consortium.domain, account=account, nonce=nonce, deadline=deadline
    )
    return SignedRevocation(**_common(consortium, by, deadline, signature), account=account)


def signed_withdrawal(
    consortium: Consortium, *, account: int, amount_ueur: int, to: str, deadline: int, by: Key
) -> SignedWithdrawal:
    """Sign a payout."""
    nonce = consortium.nonce_of(by.address)
    signature = sign_withdrawal(
        by,
        consortium.domain,
        account=account,
        amount_ueur=amount_ueur,
        to=to,
        nonce=nonce,
        deadline=deadline,
    )
    common = _common(consortium, by, deadline, signature)
    return SignedWithdrawal(**common, account=account, amount_ueur=amount_ueur, to=to)


def _common(consortium: Consortium, by: Key, deadline: int, signature: bytes) -> dict[str, Any]:
    return {
        "chain_id": consortium.domain.chain_id,
        "contract": consortium.domain.contract,
        "owner": by.address,
        "deadline": deadline,
        "signature": "0x" + signature.hex(),
    }
