"""What holders do with their accounts, themselves or by signature, drawn from the present state."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from tests.contract.draws import anyone
from tests.contract.founding import MONTHS_S
from tests.contract.twin import Act, Twin
from tests.reference_accounts import MAX_DEPOSITS_UEUR
from tests.reference_records import NOBODY, Mandate, Signature, Statement
from trading.chain import Key

KINDS = {
    "enroll": "Enrollment",
    "set_mandate_by_signature": "MandateChange",
    "revoke_mandate_by_signature": "MandateRevocation",
    "withdraw_by_signature": "Withdrawal",
}
"""What an owner signs for each function."""

MOST_ACCOUNTS = 9
"""More would only make each comparison longer."""


def money(twin: Twin, chance: Random) -> Act:
    """A deposit or a withdrawal, the amount at an edge now and then."""
    model = twin.model
    if chance.random() < 0.05:
        return fill_the_ledger(twin, chance)
    if chance.random() < 0.5:
        number, owner = _account(twin, chance)
        free = model.accounts[number].free
        amount = chance.choice((0, 1, free, free + 1, free // 2, free // 10, 2**64 - 1))
        by = owner if chance.random() < 0.8 else anyone(twin, chance)
        to = chance.choice((owner.address, owner.address, NOBODY, model.domain.contract))
        return Act("withdraw", by, (number, amount, to))
    room = MAX_DEPOSITS_UEUR - model.tracked_deposits
    # The whale alone can fill the ledger, and does so seldom, since nothing can come in afterwards.
    amount = chance.choice((0, 1, 30_000_000, 30_000_000, room + 1, 2**60))
    number = chance.choice([*model.accounts, *model.accounts, 0, len(model.accounts) + 1])
    return Act("deposit", anyone(twin, chance), (number, amount))


def fill_the_ledger(twin: Twin, _chance: Random) -> Act:
    """All that the ledger can still hold, into an account whose owner can take it out again."""
    whale = next(key for key in twin.people.values() if key.name == "whale")
    room = MAX_DEPOSITS_UEUR - twin.model.tracked_deposits
    return Act("deposit", whale, (1, room))


def donate(twin: Twin, chance: Random) -> Act:
    """Tokens that nobody is credited for, more than the giver has now and then."""
    amount = chance.choice((1, 1_000_000, 2**60))
    return Act("transfer", anyone(twin, chance), (twin.model.domain.contract, amount))


def allow(twin: Twin, chance: Random) -> Act:
    amount = chance.choice((0, 1, 10**9, 2**255))
    # The whale stays solvent: others who run out of money are helped from there.
    by = chance.choice([key for key in twin.people.values() if key.name != "whale"])
    return Act("approve", by, (twin.model.domain.contract, amount))


def good_mandate(twin: Twin, chance: Random) -> Act:
    """New limits by the account's owner."""
    number, owner = _account(twin, chance)
    return Act("set_mandate", owner, (number, _mandate(twin, chance)))


def revoke(twin: Twin, chance: Random) -> Act:
    number, owner = _account(twin, chance)
    by = owner if chance.random() < 0.7 else anyone(twin, chance)
    return Act("revoke_mandate", by, (number,))


def open_account(twin: Twin, chance: Random) -> Act:
    """An account for a newcomer, or, with enough of them, limits for one there is."""
    if len(twin.model.accounts) >= MOST_ACCOUNTS:
        return good_mandate(twin, chance)
    return Act("register", anyone(twin, chance), (_tag(chance),))


def bad_mandate(twin: Twin, chance: Random) -> Act:
    """Limits by a stranger, for no account, already over, or naming nobody's engine."""
    number, owner = _account(twin, chance)
    mandate, now = _mandate(twin, chance), twin.network.now() + 1
    match chance.randint(0, 3):
        case 0:
            return Act("set_mandate", anyone(twin, chance), (number, mandate))
        case 1:
            return Act("set_mandate", owner, (len(twin.model.accounts) + 1, mandate))
        case 2:
            mandate = replace(mandate, valid_until=chance.choice((0, now - 1, now)))
        case _:
            mandate = replace(mandate, aggregator=anyone(twin, chance).address)
    return Act("set_mandate", owner, (number, mandate))


def by_signature(twin: Twin, chance: Random) -> Act:
    """Something an owner signed and anyone hands in."""
    function = chance.choice(list(KINDS))
    number, owner = _account(twin, chance)
    mandate = _mandate(twin, chance)
    if function == "enroll":
        if len(twin.model.accounts) >= MOST_ACCOUNTS:
            function = "set_mandate_by_signature"
        else:
            owner = anyone(twin, chance)
    content: tuple[Any, ...] = {
        "enroll": (owner.address, _tag(chance), mandate),
        "set_mandate_by_signature": (number, mandate),
        "revoke_mandate_by_signature": (number,),
        "withdraw_by_signature": (number, _share(twin, chance, number), owner.address),
    }[function]
    deadline = twin.network.now() + 1 + chance.choice((0, 60, 10**6))
    nonce = twin.model.nonces.get(owner.address, 0)
    return Act(
        function,
        anyone(twin, chance),
        (*content, deadline, _signature(twin, owner, function, (*content, nonce, deadline))),
    )


def by_bad_signature(twin: Twin, chance: Random) -> Act:
    """The same, late, by another key, over other content, for elsewhere, used before, malleable."""
    act = by_signature(twin, chance)
    *content, deadline, signature = act.arguments
    statement = signature.statement
    domain = statement.domain
    match chance.randint(0, 6):
        case 0:
            deadline = twin.network.now() - chance.choice((0, 0, 0, 60))
            at_deadline = (*statement.content[:-1], deadline)
            signature = replace(signature, statement=replace(statement, content=at_deadline))
        case 1:
            signature = replace(signature, signer=anyone(twin, chance).address)
        case 2:
            deadline += 1
        case 3:
            elsewhere = chance.choice(
                (replace(domain, chain=1), replace(domain, contract=twin.model.authority))
            )
            signature = replace(signature, statement=replace(statement, domain=elsewhere))
        case 4:
            nonce = statement.content[-2] + chance.choice((1, -1))
            other = (*statement.content[:-2], max(nonce, 0), deadline)
            signature = replace(signature, statement=replace(statement, content=other))
        case 5:
            signature = replace(signature, is_spoiled=True)
        case _ if act.function != "enroll":
            content[0] = chance.choice((*twin.model.accounts, len(twin.model.accounts) + 1))
    return replace(act, arguments=(*content, deadline, signature))


def _account(twin: Twin, chance: Random) -> tuple[int, Key]:
    number = chance.choice(list(twin.model.accounts))
    return number, twin.people[twin.model.accounts[number].owner]


def _share(twin: Twin, chance: Random, number: int) -> int:
    free = twin.model.accounts[number].free
    return chance.choice((free // 10, free // 10, 1, 0, free + 1))


def _mandate(twin: Twin, chance: Random) -> Mandate:
    """Limits that let much through more often than not."""
    admitted = sorted(address for address in twin.people if twin.model.is_aggregator(address))
    now = twin.network.now() + 1
    return Mandate(
        max_buy_price=chance.choice((500_000, 600_000, 2**32 - 1, 400_001, 0)),
        min_sell_price=chance.choice((0, 200_000, 300_000, 399_999, 2**32 - 1)),
        valid_until=now + chance.choice((MONTHS_S, MONTHS_S, MONTHS_S, 900, 0)),
        aggregator=chance.choice([*admitted, *admitted, NOBODY]),
        open_to_buyers=chance.random() < 0.6,
    )


def _tag(chance: Random) -> str:
    return f"0x{chance.randint(0, 255):02x}" + "ab" * 31


def _signature(twin: Twin, owner: Key, function: str, content: tuple[Any, ...]) -> Signature:
    statement = Statement(domain=twin.model.domain, kind=KINDS[function], content=content)
    return Signature(signer=owner.address, statement=statement)
