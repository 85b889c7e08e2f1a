"""What operators and owners sign off chain, from Python to the contract and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contract.world import World
from trading.chain import (
    BatchState,
    Domain,
    Key,
    Mandate,
    SeatSignature,
    sign_enrollment,
    sign_mandate,
    sign_revocation,
    sign_withdrawal,
)
from trading.errors import LedgerRevertedError


def signed(world: World, batch_id: str, operators: list[Key], **changes) -> list[SeatSignature]:
    seats = {key.address: world.consortium.seat_of(key.address) for key in operators}
    return [
        SeatSignature.by(
            key,
            changes.get("domain", world.consortium.domain),
            batch_id=batch_id,
            seat=changes.get("seat", seats[key.address]),
        )
        for key in operators
    ]


def test_a_quorum_of_signatures_confirms_in_one_transaction(world: World) -> None:
    batch = world.pending()
    bundle = signed(world, batch.batch_id, world.operators[:3])
    assert all(one.is_valid(world.consortium.domain) for one in bundle)
    receipt = world.consortium.confirm_with_signatures(batch.batch_id, bundle, by=world.stranger)
    assert receipt.has("BatchConfirmed")
    stored = world.consortium.batch(batch.batch_id)
    assert (stored.state, stored.confirmed_by) == (BatchState.CONFIRMED, (0, 1, 2))


def test_signatures_and_direct_confirmations_count_together(world: World) -> None:
    batch = world.pending()
    world.consortium.confirm(batch.batch_id, by=world.operators[0])
    bundle = signed(world, batch.batch_id, world.operators[:3])
    world.consortium.confirm_with_signatures(batch.batch_id, bundle, by=world.engine)
    assert world.consortium.state_of(batch.batch_id) is BatchState.CONFIRMED


def test_fewer_than_a_quorum_leave_it_pending(world: World) -> None:
    batch = world.pending()
    bundle = signed(world, batch.batch_id, world.operators[:2])
    world.consortium.confirm_with_signatures(batch.batch_id, bundle, by=world.engine)
    assert world.consortium.state_of(batch.batch_id) is BatchState.PENDING


def test_an_operator_that_rejected_on_chain_is_not_counted(world: World) -> None:
    batch = world.pending()
    bundle = signed(world, batch.batch_id, world.operators[:3])
    world.consortium.reject(batch.batch_id, "the seller has left", by=world.operators[0])
    world.consortium.confirm_with_signatures(batch.batch_id, bundle, by=world.engine)
    stored = world.consortium.batch(batch.batch_id)
    assert (stored.state, stored.confirmed_by) == (BatchState.PENDING, (1, 2))


@pytest.mark.parametrize("fault", ["chain", "contract", "seat", "stranger", "repeated", "altered"])
def test_signatures_that_are_not_an_operators_word_are_refused(world: World, fault: str) -> None:
    batch = world.pending()
    domain = world.consortium.domain
    operators = world.operators[:3]
    changes = {
        "chain": {"domain": replace(domain, chain_id=domain.chain_id + 1)},
        "contract": {"domain": Domain(chain_id=domain.chain_id, contract=world.token.address)},
        "seat": {"seat": 3},
    }.get(fault, {})
    bundle = signed(world, batch.batch_id, operators, **changes)
    if fault == "stranger":
        by_stranger = SeatSignature.by(world.stranger, domain, batch_id=batch.batch_id, seat=0)
        bundle = [by_stranger, *bundle[1:]]
    if fault == "repeated":
        bundle = [bundle[0], bundle[0], bundle[1]]
    if fault == "altered":
        other = world.submit(world.trades(1, sequence=[9])).batch
        bundle = [
            replace(one, batch_id=batch.batch_id)
            for one in signed(world, other.batch_id, operators)
        ]
        assert not any(one.is_valid(domain) for one in bundle)
    with pytest.raises(LedgerRevertedError):
        world.consortium.confirm_with_signatures(batch.batch_id, bundle, by=world.engine)
    assert world.consortium.state_of(batch.batch_id) is BatchState.PENDING


def test_an_owner_without_gas_is_enrolled_limits_and_pays_out_by_signature(world: World) -> None:
    consortium, driver = world.consortium, Key.demonstration(7, "driver without gas")
    deadline = world.deadline()
    limits = world.mandate()

    def nonce() -> int:
        return consortium.nonce_of(driver.address)

    enrolment = sign_enrollment(
        driver,
        consortium.domain,
        tag="0x" + "ab" * 32,
        mandate=limits,
        nonce=nonce(),
        deadline=deadline,
    )
    account = consortium.enroll(
        driver.address,
        "0x" + "ab" * 32,
        limits,
        deadline=deadline,
        signature=enrolment,
        by=world.engine,
    ).account
    assert consortium.account(account).owner == driver.address
    assert consortium.mandate_of(account) == limits

    with pytest.raises(LedgerRevertedError):
        consortium.enroll(
            driver.address,
            "0x" + "ab" * 32,
            limits,
            deadline=deadline,
            signature=enrolment,
            by=world.engine,
        )

    tighter = replace(limits, max_buy_ueur_per_kwh=1)
    change = sign_mandate(
        driver,
        consortium.domain,
        account=account,
        mandate=tighter,
        nonce=nonce(),
        deadline=deadline,
    )
    consortium.set_mandate_by_signature(
        account, tighter, deadline=deadline, signature=change, by=world.stranger
    )
    assert consortium.mandate_of(account) == tighter

    revocation = sign_revocation(
        driver, consortium.domain, account=account, nonce=nonce(), deadline=deadline
    )
    consortium.revoke_mandate_by_signature(
        account, deadline=deadline, signature=revocation, by=world.stranger
    )
    assert consortium.mandate_of(account) is None

    world.token.mint(world.engine.address, 5_000, by=world.authority)
    world.token.approve(consortium.address, 5_000, by=world.engine)
    consortium.deposit(account, 5_000, by=world.engine)
    order = sign_withdrawal(
        driver,
        consortium.domain,
        account=account,
        amount_ueur=5_000,
        to=driver.address,
        nonce=nonce(),
        deadline=deadline,
    )
    with pytest.raises(LedgerRevertedError):
        consortium.withdraw_by_signature(
            account,
            5_000,
            to=world.stranger.address,
            deadline=deadline,
            signature=order,
            by=world.stranger,
        )
    consortium.withdraw_by_signature(
        account, 5_000, to=driver.address, deadline=deadline, signature=order, by=world.stranger
    )
    assert world.token.balance_of(driver.address) == 5_000


def test_another_mandate_than_the_signed_one_is_refused(world: World) -> None:
    consortium, deadline = world.consortium, world.deadline()
    account = world.account(world.buyer)
    change = sign_mandate(
        world.buyer,
        consortium.domain,
        account=account,
        mandate=world.mandate(),
        nonce=consortium.nonce_of(world.buyer.address),
        deadline=deadline,
    )
    looser = Mandate(max_buy_ueur_per_kwh=2**32 - 1, min_sell_ueur_per_kwh=0, valid_until=deadline)
    with pytest.raises(LedgerRevertedError):
        consortium.set_mandate_by_signature(
            account, looser, deadline=deadline, signature=change, by=world.engine
        )


def test_a_large_quorum_fits_one_bundle(world: World) -> None:
    more = [Key.demonstration(7, f"another operator {number}") for number in range(56)]
    world.consortium.send_all(
        [world.consortium.call("addOperator", key.address, by=world.authority) for key in more]
    )
    operators = [*world.operators, *more]
    world.consortium.set_quorum(len(operators), by=world.authority)
    batch = world.pending()
    bundle = signed(world, batch.batch_id, operators)
    world.consortium.confirm_with_signatures(batch.batch_id, bundle, by=world.engine)
    assert world.consortium.state_of(batch.batch_id) is BatchState.CONFIRMED
