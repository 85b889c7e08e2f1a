"""Two programs write down what is signed; both come to the same bytes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.signing import owner_signature, seat_signature
from tests.reference_records import Domain, Mandate, Signature, Statement
from trading.chain import Key, typed
from trading.chain import Mandate as ChainMandate

OWNER = Key.demonstration(7, "owner without gas")
ENGINE = Key.demonstration(7, "engine")
CONTRACT = Key.demonstration(7, "contract").address
HERE = Domain(chain=131_277_322_940_537, contract=CONTRACT)
THERE = typed.Domain(chain_id=HERE.chain, contract=CONTRACT)
TAG = "0x" + "5a" * 32
MANDATE = Mandate(
    max_buy_price=500_000,
    min_sell_price=200_000,
    valid_until=2**32 - 1,
    aggregator=ENGINE.address,
    open_to_buyers=True,
)
CHAIN_MANDATE = ChainMandate(
    max_buy_ueur_per_kwh=500_000,
    min_sell_ueur_per_kwh=200_000,
    valid_until=2**32 - 1,
    aggregator=ENGINE.address,
    open_to_buyers=True,
)

CASES: dict[str, tuple[tuple[Any, ...], bytes]] = {
    "Enrollment": (
        (OWNER.address, TAG, MANDATE, 3, 2**40 - 1),
        typed.sign_enrollment(
            OWNER, THERE, tag=TAG, mandate=CHAIN_MANDATE, nonce=3, deadline=2**40 - 1
        ),
    ),
    "MandateChange": (
        (9, MANDATE, 0, 1),
        typed.sign_mandate(OWNER, THERE, account=9, mandate=CHAIN_MANDATE, nonce=0, deadline=1),
    ),
    "MandateRevocation": (
        (2**32 - 1, 5, 7),
        typed.sign_revocation(OWNER, THERE, account=2**32 - 1, nonce=5, deadline=7),
    ),
    "Withdrawal": (
        (1, 2**64 - 1, ENGINE.address, 2, 3),
        typed.sign_withdrawal(
            OWNER, THERE, account=1, amount_ueur=2**64 - 1, to=ENGINE.address, nonce=2, deadline=3
        ),
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_owner_signs_the_same_whoever_writes_it_down(kind: str) -> None:
    content, expected = CASES[kind]
    statement = Statement(domain=HERE, kind=kind, content=content)
    fact = Signature(signer=OWNER.address, statement=statement)
    assert owner_signature(fact, {OWNER.address: OWNER}) == expected


@pytest.mark.parametrize("seat", [0, 95])
def test_operator_signs_the_same_whoever_writes_it_down(seat: int) -> None:
    identity = "0x" + "c3" * 32
    signed = typed.SeatSignature.by(OWNER, THERE, batch_id=identity, seat=seat)
    statement = Statement(domain=HERE, kind="Confirmation", content=(identity, seat))
    fact = Signature(signer=OWNER.address, statement=statement)
    assert seat_signature(fact, {OWNER.address: OWNER}) == (signed.r, signed.vs)
