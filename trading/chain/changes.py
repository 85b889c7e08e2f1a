"""What the authority can change, each with the call that does it and what is different then.

A change is data: it can be shown before it is sent, travel to whoever holds the key, and be named
in a log. What it would do is computed from what there is and from the contract's answer to a call
that sends nothing; a test holds that to what the contract then does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from trading.chain.consortium import Consortium
from trading.chain.contract import NOBODY
from trading.chain.fields import HexAddress, LotNumber, Number, Price, Seats
from trading.chain.governance import Governance
from trading.chain.records import Operator, PriceBand
from trading.errors import LedgerRevertedError
from trading.units import eur_text

Fact = Literal[
    "authority", "authority_offered_to", "operator", "quorum", "lowest_price", "highest_price",
    "largest_spread", "lot", "aggregator", "paused",
]  # fmt: skip
"""Everything that the authority decides; an operator by its seat, a lot by its number."""


class _Change(BaseModel):
    """A change, whose fields are the arguments of the contract's function in its order."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    function: ClassVar[str]

    def arguments(self) -> tuple[Any, ...]:
        """Of the contract's function."""
        names = [name for name in type(self).model_fields if name != "change"]
        values = (getattr(self, name) for name in names)
        return tuple(NOBODY if value is None else value for value in values)


class AddOperator(_Change):
    """Give an operator the lowest seat that is free."""

    function = "addOperator"
    change: Literal["add-operator"]
    operator: HexAddress


class RemoveOperator(_Change):
    """Take an operator's seat; its votes in pending batches no longer count."""

    function = "removeOperator"
    change: Literal["remove-operator"]
    operator: HexAddress


class RotateOperator(_Change):
    """Replace an operator's key; the new one has a new seat."""

    function = "rotateOperator"
    change: Literal["rotate-operator"]
    old: HexAddress
    new: HexAddress


class SetQuorum(_Change):
    """Set how many operators must confirm a batch."""

    function = "setQuorum"
    change: Literal["set-quorum"]
    quorum: Seats


class SetPriceBand(_Change):
    """Set the prices that a trade may have."""

    function = "setPriceBand"
    change: Literal["set-price-band"]
    lowest_ueur_per_kwh: Price
    highest_ueur_per_kwh: Price


class SetLargestSpread(_Change):
    """Set the most that a lot may keep of what a buyer pays: the bound on a lot's fee."""

    function = "setLargestSpread"
    change: Literal["set-largest-spread"]
    spread_ueur_per_kwh: Price


class SetLot(_Change):
    """Admit a lot and name the account that receives its spread; account 0 closes it."""

    function = "setLot"
    change: Literal["set-lot"]
    lot: LotNumber
    account: Number


class SetAggregator(_Change):
    """Admit or dismiss an aggregator, which submits trades of those whose mandates name it."""

    function = "setAggregator"
    change: Literal["set-aggregator"]
    aggregator: HexAddress
    admitted: bool


class Pause(_Change):
    """Stop deposits, submissions and new mandates; settling and withdrawing go on."""

    function = "pause"
    change: Literal["pause"]


class Unpause(_Change):
    """End the pause."""

    function = "unpause"
    change: Literal["unpause"]


class ProposeAuthority(_Change):
    """Offer the authority to another key, which has to accept; null takes the offer back."""

    function = "proposeAuthority"
    change: Literal["propose-authority"]
    proposed: HexAddress | None


Change = Annotated[
    AddOperator
    | RemoveOperator
    | RotateOperator
    | SetQuorum
    | SetPriceBand
    | SetLargestSpread
    | SetLot
    | SetAggregator
    | Pause
    | Unpause
    | ProposeAuthority,
    Field(discriminator="change"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One fact before and after; None where it is not.

    Attributes:
        fact: which.
        of: the seat, lot or aggregator; empty for a fact that there is one of.
        before, after: a whole number, a price in micro-euro per kWh, an address, or yes and no.
    """

    fact: Fact
    of: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What one change would do, were it sent now.

    Attributes:
        sender: whose key it takes: the authority.
        calldata: what would be sent to the contract.
        gas: units of gas it would be given.
        digest: of all that is shown; what is sent has to repeat it.
        refusal: why the contract would refuse it; None where it would take it.
        before: what there is.
        differences: what would be different; empty where it is refused, or changes nothing.
    """

    sender: str
    calldata: bytes
    gas: int
    digest: str
    refusal: LedgerRevertedError | None
    before: Governance
    differences: tuple[Difference, ...]


def preview(consortium: Consortium, change: Change, before: Governance) -> Preview:
    """Ask what a change would do; nothing is sent.

    Args:
        consortium: whose.
        change: which.
        before: what there is (`governance_of`).

    Raises:
        LedgerError: the node cannot be reached or refuses.
    """
    data, gas = consortium.encoded(change.function, *change.arguments())
    refusal: LedgerRevertedError | None = None
    differences: tuple[Difference, ...] = ()
    try:
        answer = consortium.answer_as(before.authority, change.function, *change.arguments())
        differences = differences_of(before, governance_after(before, change, answer))
    except LedgerRevertedError as error:
        refusal = error
    domain = consortium.domain
    shown = [domain.chain_id, domain.contract, data.hex(), sorted(_facts(before).items())]
    return Preview(
        sender=before.authority,
        calldata=data,
        gas=gas,
        digest=sha256(json.dumps(shown).encode()).hexdigest(),
        refusal=refusal,
        before=before,
        differences=differences,
    )


def governance_after(before: Governance, change: Change, answer: Any) -> Governance:
    """What there will be after a change whose function would return `answer`."""
    match change:
        case AddOperator():
            return _seated(before, (), {int(answer): change.arguments()[0]})
        case RemoveOperator():
            return _seated(before, change.arguments(), {})
        case RotateOperator():
            old, new = change.arguments()
            return _seated(before, (old,), {int(answer): new})
        case SetQuorum():
            return replace(before, quorum=change.quorum)
        case SetPriceBand():
            lowest, highest = change.arguments()
            band = PriceBand(lowest_ueur_per_kwh=lowest, highest_ueur_per_kwh=highest)
            return replace(before, band=band)
        case SetLargestSpread():
            return replace(before, largest_spread_ueur_per_kwh=change.spread_ueur_per_kwh)
        case SetLot():
            lots = dict(before.lots) | {change.lot: change.account}
            admitted = {lot: account for lot, account in sorted(lots.items()) if account}
            return replace(before, lots=admitted)
        case SetAggregator():
            address, is_in = change.arguments()
            others = set(before.aggregators) - {address}
            return replace(
                before, aggregators=tuple(sorted(others | ({address} if is_in else set())))
            )
        case Pause() | Unpause():
            return replace(before, is_paused=isinstance(change, Pause))
        case ProposeAuthority():
            address = change.arguments()[0]
            return replace(before, pending_authority=None if address == NOBODY else address)


def command_of(change: Change) -> str:
    """The words after `peercharge` that send the same change."""
    words = " ".join(map(str, change.arguments()))
    match change:
        case SetPriceBand():
            words = ":".join(map(eur_text, change.arguments()))
            return f"admin set-band {words}"
        case SetLargestSpread():
            return f"admin set-spread {eur_text(change.spread_ueur_per_kwh)}"
        case SetAggregator():
            address, is_in = change.arguments()
            return f"admin set-aggregator {address}" + ("" if is_in else " --dismiss")
        case ProposeAuthority(proposed=None):
            return "admin propose-authority --take-back"
        case _:
            return f"admin {change.change} {words}".rstrip()


def differences_of(before: Governance, after: Governance) -> tuple[Difference, ...]:
    """Every fact that is another, in the order of `Fact`."""
    old, new = _facts(before), _facts(after)
    return tuple(
        Difference(fact=key[0], of=key[1], before=old.get(key), after=new.get(key))
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    )


def _facts(found: Governance) -> dict[tuple[Fact, str], str | None]:
    band = found.band
    facts: dict[tuple[Fact, str], str | None] = {
        ("authority", ""): found.authority,
        ("authority_offered_to", ""): found.pending_authority,
        ("quorum", ""): str(found.quorum),
        ("lowest_price", ""): str(band.lowest_ueur_per_kwh),
        ("highest_price", ""): str(band.highest_ueur_per_kwh),
        ("largest_spread", ""): str(found.largest_spread_ueur_per_kwh),
        ("paused", ""): "yes" if found.is_paused else "no",
    }
    facts |= {("operator", str(one.seat)): one.address for one in found.operators}
    facts |= {("lot", str(lot)): str(account) for lot, account in found.lots.items()}
    facts |= {("aggregator", address): "yes" for address in found.aggregators}
    return facts


def _seated(before: Governance, leaving: Collection[str], coming: Mapping[int, str]) -> Governance:
    staying = [one for one in before.operators if one.address not in leaving]
    came = [Operator(address=address, seat=seat) for seat, address in coming.items()]
    operators = tuple(sorted([*staying, *came], key=lambda one: one.seat))
    return replace(before, operators=operators)
