"""What an owner may want of its account: to be shown, then signed by whatever holds its key.

`handover.py` has the same acts once they are signed. Here nothing is: an act is checked against the
contract, shown to a wallet as typed data (EIP-712), or signed by a key that is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from trading.chain.consortium import Consortium
from trading.chain.fields import Amount, HexAddress, Number
from trading.chain.handover import (
    SignedMandate,
    SignedRevocation,
    SignedWithdrawal,
    signed_mandate,
    signed_revocation,
    signed_withdrawal,
)
from trading.chain.keys import Key
from trading.chain.records import Mandate
from trading.chain.typed import mandate_fields
from trading.errors import LedgerRevertedError


class _Wanted(BaseModel):
    # Not strict as a whole, which would ask for an instance of `Mandate`; its fields are.
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    function: ClassVar[str]
    account: Number


class WantedMandate(_Wanted):
    """Replace an account's limits."""

    kind = "MandateChange"
    function = "setMandate"
    act: Literal["mandate"]
    mandate: Mandate


class WantedRevocation(_Wanted):
    """Withdraw an account's limits: from then on it takes part in no new trade."""

    kind = "MandateRevocation"
    function = "revokeMandate"
    act: Literal["revocation"]


class WantedWithdrawal(_Wanted):
    """Pay an amount out to one address."""

    kind = "Withdrawal"
    function = "withdraw"
    act: Literal["withdrawal"]
    amount_ueur: Amount
    to: HexAddress


WantedAct = Annotated[
    WantedMandate | WantedRevocation | WantedWithdrawal, Field(discriminator="act")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActPreview:
    """What an act would be, were it signed now.

    Attributes:
        owner: whose signature it takes.
        nonce: of the owner's next signature.
        deadline: Unix seconds, the last in which what is signed may be handed in.
        typed_data: what a wallet shows and signs.
        refusal: why the contract would refuse it; None where it would take it.
    """

    owner: str
    nonce: int
    deadline: int
    typed_data: dict[str, Any]
    refusal: LedgerRevertedError | None


def preview_of(consortium: Consortium, act: WantedAct, *, lasts_s: int) -> ActPreview:
    """Ask what would become of an act; nothing is signed or sent.

    Args:
        consortium: whose account it is.
        act: what its owner wants.
        lasts_s: how long what is signed may be handed in.

    Raises:
        BadArgumentError: there is no such account.
        LedgerError: the node cannot be reached or refuses.
    """
    owner = consortium.account(act.account).owner
    nonce, deadline = consortium.nonce_of(owner), consortium.network.now() + lasts_s
    refusal: LedgerRevertedError | None = None
    try:
        # As the owner's own transaction: the contract checks the same of it but the signature.
        consortium.answer_as(owner, act.function, act.account, *_arguments(act))
    except LedgerRevertedError as error:
        refusal = error
    content = {"account": act.account, **_content(act), "nonce": nonce, "deadline": deadline}
    return ActPreview(
        owner=owner,
        nonce=nonce,
        deadline=deadline,
        typed_data=consortium.domain.typed_data(act.kind, content),
        refusal=refusal,
    )


def signed_with(
    consortium: Consortium, act: WantedAct, *, lasts_s: int, by: Key
) -> SignedMandate | SignedRevocation | SignedWithdrawal:
    """Sign an act with its owner's key, under the owner's next nonce."""
    deadline = consortium.network.now() + lasts_s
    match act:
        case WantedMandate():
            return signed_mandate(
                consortium, account=act.account, mandate=act.mandate, deadline=deadline, by=by
            )
        case WantedRevocation():
            return signed_revocation(consortium, account=act.account, deadline=deadline, by=by)
        case WantedWithdrawal():
            return signed_withdrawal(
                consortium,
                account=act.account,
                amount_ueur=act.amount_ueur,
                to=act.to,
                deadline=deadline,
                by=by,
            )


def _arguments(act: WantedAct) -> tuple[Any, ...]:
    """Of the contract's function, after the account."""
    match act:
        case WantedMandate():
            return (act.mandate,)
        case WantedRevocation():
            return ()
        case WantedWithdrawal():
            return act.amount_ueur, act.to


def _content(act: WantedAct) -> dict[str, Any]:
    """What is signed, besides account, nonce and deadline."""
    match act:
        case WantedMandate():
            return {"mandate": mandate_fields(act.mandate)}
        case WantedRevocation():
            return {}
        case WantedWithdrawal():
            return {"amount": act.amount_ueur, "to": act.to}
