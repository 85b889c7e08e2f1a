"""A batch through every arrow of its life, on every network, from Python."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.contract.world import DEPOSIT_UEUR, LOT, PRICE, SELLER_PRICE, World
from trading.chain import RECORD_COLUMNS, BatchState, attach
from trading.errors import WrongStateError
from trading.units import cost_ueur


def test_batch_is_pending_until_quorum_and_settles_exactly(world: World) -> None:
    consortium = world.consortium
    trades = world.trades(
        4,
        buyer_account=[world.account(world.buyer)] * 2 + [world.account(world.other_buyer)] * 2,
        seller_account=[world.account(world.seller), world.account(world.other_seller)] * 2,
        energy_wh=[1_501, 777, 3, 20_000],
        sequence=[1, 2, 1, 2],
    )
    cost = cost_ueur(trades["energy_wh"].to_numpy(), PRICE)
    income = cost_ueur(trades["energy_wh"].to_numpy(), SELLER_PRICE)
    receipt = world.submit(trades)

    assert consortium.state_of(receipt.batch_id) is BatchState.PENDING
    assert receipt.batch.locked_ueur == cost.sum()
    assert world.locked(world.buyer) == cost[:2].sum()
    assert world.free(world.buyer) == DEPOSIT_UEUR - cost[:2].sum()

    votes = [consortium.confirm(receipt.batch_id, by=operator) for operator in world.operators[:3]]
    assert [vote.has("BatchConfirmed") for vote in votes] == [False, False, True]
    stored = consortium.batch(receipt.batch_id)
    assert (stored.state, stored.size) == (BatchState.CONFIRMED, 4)
    assert (stored.confirmed_by, stored.rejected_by) == ((0, 1, 2), ())
    assert stored.deadline == receipt.batch.deadline

    settled = consortium.settle(receipt.batch, by=world.stranger)
    assert settled.events[0].arguments["paid"] == cost.sum()
    assert settled.events[0].arguments["spread"] == cost.sum() - income.sum()
    assert consortium.state_of(receipt.batch_id) is BatchState.SETTLED
    assert world.free(world.seller) == income[[0, 2]].sum()
    assert world.free(world.other_seller) == income[[1, 3]].sum()
    assert world.free(world.lot_operator) == cost.sum() - income.sum()
    assert world.locked(world.buyer) == world.locked(world.other_buyer) == 0


def test_seller_withdraws_what_it_was_paid(world: World) -> None:
    world.consortium.settle(world.confirmed(), by=world.engine)
    earned = world.free(world.seller)
    before = world.token.balance_of(world.seller.address)
    world.consortium.withdraw(
        world.account(world.seller), earned, to=world.seller.address, by=world.seller
    )
    assert world.token.balance_of(world.seller.address) == before + earned
    assert world.free(world.seller) == 0


def test_batch_is_refunded_to_the_last_ueur_when_quorum_is_out_of_reach(world: World) -> None:
    batch = world.pending()
    first = world.consortium.reject(batch.batch_id, "energy above capacity", by=world.operators[3])
    assert not first.has("BatchRejected")
    assert first.events[0].arguments["reason"] == "energy above capacity"
    second = world.consortium.reject(batch.batch_id, "ditto", by=world.operators[0])
    assert second.has("BatchRejected")
    world.consortium.refund(batch, by=world.stranger)
    assert world.consortium.state_of(batch.batch_id) is BatchState.REFUNDED
    assert (world.free(world.buyer), world.locked(world.buyer)) == (DEPOSIT_UEUR, 0)


def test_batch_is_refunded_when_its_submitter_cancelled(world: World) -> None:
    batch = world.pending()
    world.consortium.cancel(batch, by=world.engine)
    assert world.consortium.state_of(batch.batch_id) is BatchState.CANCELLED
    world.consortium.refund(batch, by=world.engine)
    assert world.free(world.buyer) == DEPOSIT_UEUR


def test_batch_is_refunded_when_it_expired(world: World) -> None:
    batch = world.pending()
    world.consortium.confirm(batch.batch_id, by=world.operators[0])
    world.network.travel_to(batch.deadline + 1)
    assert world.consortium.state_of(batch.batch_id) is BatchState.EXPIRED
    with pytest.raises(WrongStateError):
        world.consortium.confirm(batch.batch_id, by=world.operators[1])
    world.consortium.refund(batch, by=world.stranger)
    assert world.free(world.buyer) == DEPOSIT_UEUR


def test_finalize_confirms_when_quorum_was_lowered(world: World) -> None:
    batch = world.pending()
    for operator in world.operators[:2]:
        world.consortium.confirm(batch.batch_id, by=operator)
    world.consortium.set_quorum(2, by=world.authority)
    assert world.consortium.state_of(batch.batch_id) is BatchState.PENDING
    world.consortium.finalize(batch.batch_id, by=world.stranger)
    assert world.consortium.state_of(batch.batch_id) is BatchState.CONFIRMED


def test_votes_of_a_removed_operator_do_not_count(world: World) -> None:
    batch = world.pending()
    for operator in world.operators[:2]:
        world.consortium.confirm(batch.batch_id, by=operator)
    world.consortium.remove_operator(world.operators[0].address, by=world.authority)
    receipt = world.consortium.confirm(batch.batch_id, by=world.operators[2])
    assert not receipt.has("BatchConfirmed")
    assert world.consortium.confirm(batch.batch_id, by=world.operators[3]).has("BatchConfirmed")


def test_confirm_settle_refund_and_withdraw_work_when_paused(world: World) -> None:
    pending, rejected = world.pending(), world.submit(world.trades(sequence=[3, 4])).batch
    world.consortium.pause(by=world.authority)
    assert world.consortium.paused()
    for operator in world.operators[:3]:
        world.consortium.confirm(pending.batch_id, by=operator)
    for operator in world.operators[:2]:
        world.consortium.reject(rejected.batch_id, "no", by=operator)
    world.consortium.settle(pending, by=world.engine)
    world.consortium.refund(rejected, by=world.engine)
    world.consortium.withdraw(world.account(world.buyer), 1, to=world.buyer.address, by=world.buyer)
    world.consortium.unpause(by=world.authority)
    assert not world.consortium.paused()


def test_buyer_submits_for_itself_when_the_seller_is_open_to_buyers(world: World) -> None:
    receipt = world.submit(by=world.buyer)
    assert receipt.batch.submitter == world.buyer.address


def test_batch_id_is_known_before_it_is_sent(world: World) -> None:
    trades, deadline = world.trades(3), world.deadline()
    foreseen = world.consortium.batch_id_of(
        trades, deadline=deadline, submitter=world.engine.address
    )
    assert world.consortium.state_of(foreseen) is BatchState.NONE
    receipt = world.consortium.submit(trades, deadline=deadline, by=world.engine)
    assert receipt.batch_id == foreseen
    assert world.consortium.state_of(foreseen) is BatchState.PENDING


def test_operator_reads_what_others_submitted(world: World) -> None:
    before = world.network.block_number()
    sent = world.trades(2, lot=LOT)
    batch = world.submit(sent).batch
    seen = attach(world.network, world.consortium.address)
    assert seen.submissions(before + 1) == [batch]
    pd.testing.assert_frame_equal(
        seen.submissions(before + 1)[0].trades,
        sent.assign(interval_start=sent["interval_start"].astype("datetime64[us, UTC]")),
        check_dtype=False,
    )
    assert seen.submissions(before + 1, before) == []


def test_record_lists_every_event_with_the_columns_of_chain_csv(world: World) -> None:
    batch = world.rejected()
    world.consortium.refund(batch, by=world.stranger)
    record = world.consortium.record()
    assert tuple(record.columns) == RECORD_COLUMNS
    assert record["block"].is_monotonic_increasing
    mine = record[record["batch_id"] == batch.batch_id]
    assert list(mine["event"]) == [
        "BatchSubmitted",
        "BatchRejectedBy",
        "BatchRejectedBy",
        "BatchRejected",
        "BatchRefunded",
    ]
    assert mine["actor"].iloc[0] == world.engine.address
    assert mine["actor"].iloc[-1] == world.stranger.address
    assert 'reason="the seller has left"' in mine["detail"].iloc[1]
    assert mine["detail"].iloc[-1] == f"refunded={batch.locked_ueur}"
    assert str(record["time"].dtype) == "datetime64[us, UTC]"


def test_record_holds_the_same_events_as_the_receipts(world: World) -> None:
    receipt = world.submit()
    vote = world.consortium.confirm(receipt.batch_id, by=world.operators[0])
    found = world.consortium.events(receipt.block)
    assert [e for e in found if e.transaction == receipt.transaction] == list(receipt.events)
    assert [e for e in found if e.transaction == vote.transaction] == list(vote.events)


def test_views_answer_in_the_terms_of_the_domain(world: World) -> None:
    consortium = world.consortium
    assert consortium.authority() == world.authority.address
    assert consortium.pending_authority() is None
    assert [operator.address for operator in consortium.operators()] == [
        operator.address for operator in world.operators
    ]
    assert consortium.seat_of(world.operators[2].address) == 2
    assert consortium.is_operator(world.operators[2].address)
    assert consortium.is_aggregator(world.engine.address)
    assert consortium.quorum() == 3
    assert consortium.price_band().highest_ueur_per_kwh == 600_000
    assert consortium.largest_spread() == 50_000
    assert consortium.lot_account(LOT) == world.account(world.lot_operator)
    assert consortium.lot_account(LOT + 1) is None
    buyer = consortium.account(world.account(world.buyer))
    assert buyer.owner == world.buyer.address
    assert buyer.tag == consortium.tag_of(buyer.number) == "0x" + "01" * 32
    assert buyer.mandate == consortium.mandate_of(buyer.number)
    assert buyer.mandate is not None
    assert buyer.mandate.aggregator == world.engine.address
    assert consortium.mandate_of(world.account(world.lot_operator)) is None
    assert consortium.limits.max_trades >= 500


def test_governance_hands_over_and_rotates(world: World) -> None:
    consortium, successor, new_key = world.consortium, world.stranger, world.lot_operator
    rotated = consortium.rotate_operator(
        world.operators[0].address, new_key.address, by=world.authority
    )
    assert consortium.seat_of(new_key.address) == rotated.seat == 4
    consortium.remove_operator(world.operators[1].address, by=world.authority)
    added = consortium.add_operator(world.engine.address, by=world.authority)
    assert added.seat == consortium.seat_of(world.engine.address)
    consortium.propose_authority(successor.address, by=world.authority)
    assert consortium.pending_authority() == successor.address
    consortium.accept_authority(by=successor)
    assert consortium.authority() == successor.address
    consortium.set_lot(LOT, 0, by=successor)
    assert consortium.lot_account(LOT) is None
    assert consortium.spread_account(LOT) == world.account(world.lot_operator)
    consortium.set_largest_spread(1, by=successor)
    consortium.set_price_band(consortium.price_band(), by=successor)
    consortium.set_aggregator(world.engine.address, False, by=successor)
    assert not consortium.is_aggregator(world.engine.address)
    consortium.propose_authority(world.buyer.address, by=successor)
    consortium.propose_authority(None, by=successor)
    assert consortium.pending_authority() is None
    consortium.revoke_mandate(world.account(world.buyer), by=world.buyer)
    assert consortium.mandate_of(world.account(world.buyer)) is None


def test_batch_of_500_trades_settles(world: World) -> None:
    trades = world.trades(500, energy_wh=100 + np.arange(500) % 7)
    receipt = world.submit(trades)
    for operator in world.operators[:3]:
        world.consortium.confirm(receipt.batch_id, by=operator)
    settled = world.consortium.settle(receipt.batch, by=world.engine)
    expected = cost_ueur(trades["energy_wh"].to_numpy(), SELLER_PRICE).sum()
    assert world.free(world.seller) == expected
    assert receipt.gas_used + settled.gas_used < 2 * 16_777_216
