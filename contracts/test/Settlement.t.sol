// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Trade, packTrade} from "../src/Trade.sol";
import {PendingBatch} from "./Votes.t.sol";

contract SettleTest is PendingBatch {
    function test_settle_pays_seller_and_lot_from_what_was_locked()
        external
        leaves(GOVERNANCE | BYSTANDERS | TOKENS)
    {
        _confirm(batchId, QUORUM);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchSettled(batchId, 2 * COST, 2 * SPREAD);
        vm.prank(stranger);
        consortium.settle(aggregator, deadline, trades);
        _assertState(batchId, IEnergyConsortium.BatchState.Settled);
        _assertBalances(buyer, FUNDS - 2 * COST, 0);
        _assertBalances(seller, 2 * INCOME, 0);
        _assertBalances(lotAccount, 2 * SPREAD, 0);
    }

    function testFuzz_INV9_cost_is_income_and_spread(
        uint32 energyWh,
        uint32 buyerPrice,
        uint32 spread
    ) external leaves(GOVERNANCE | BYSTANDERS | TOKENS) {
        buyerPrice = uint32(bound(buyerPrice, LOWEST, HIGHEST));
        energyWh = uint32(bound(energyWh, 1000, 1000 * uint256(FUNDS / 2) / buyerPrice));
        spread = uint32(bound(spread, 0, LARGEST_SPREAD));
        if (spread > buyerPrice - LOWEST) spread = buyerPrice - LOWEST;
        Trade[] memory batch = _one(_trade(3, energyWh, buyerPrice, buyerPrice - spread));
        uint256 cost = uint256(energyWh) * buyerPrice / 1000;
        uint256 income = uint256(energyWh) * (buyerPrice - spread) / 1000;
        (uint64 statedCost, uint64 statedIncome, uint64 statedSpread) =
            consortium.amountsOf(batch[0]);
        assertEq(statedCost, cost);
        assertEq(statedIncome, income);
        assertEq(statedSpread, cost - income);

        bytes32 id = _submit(batch);
        _confirm(id, QUORUM);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchSettled(id, uint64(cost), uint64(cost - income));
        _settle(batch);
        _assertBalances(buyer, FUNDS - 2 * COST - cost, 2 * COST);
        _assertBalances(seller, income, 0);
        _assertBalances(lotAccount, cost - income, 0);
    }

    function test_settle_pays_each_party_whatever_the_order_of_trades() external {
        // One account buys, sells and receives the spread; lots and parties alternate.
        uint32 second = _register(stranger);
        _fund(second, FUNDS);
        _allow(second);
        vm.prank(authority);
        consortium.setLot(LOT + 1, buyer);
        Trade[] memory batch = new Trade[](5);
        batch[0] = _party(buyer, seller, 3, LOT);
        batch[1] = _party(second, buyer, 1, LOT + 1);
        batch[2] = _party(buyer, second, 4, LOT + 1);
        batch[3] = _party(second, seller, 2, LOT);
        batch[4] = _party(second, seller, 3, LOT);
        bytes32 id = _submit(batch);
        _assertBalances(buyer, FUNDS - 4 * COST, 4 * COST);
        _assertBalances(second, FUNDS - 3 * COST, 3 * COST);
        _confirm(id, QUORUM);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchSettled(id, 5 * COST, 5 * SPREAD);
        _settle(batch);
        _assertBalances(buyer, FUNDS - 4 * COST + INCOME + 2 * SPREAD, 2 * COST);
        _assertBalances(second, FUNDS - 3 * COST + INCOME, 0);
        _assertBalances(seller, 3 * INCOME, 0);
        _assertBalances(lotAccount, 3 * SPREAD, 0);
    }

    function test_settle_without_a_spread_touches_no_lot() external {
        Trade[] memory batch = _one(_trade(3, ENERGY, BUYER_PRICE, BUYER_PRICE));
        bytes32 id = _submit(batch);
        _confirm(id, QUORUM);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchSettled(id, COST, 0);
        _settle(batch);
        _assertBalances(seller, COST, 0);
        _assertBalances(lotAccount, 0, 0);
    }

    function test_settle_pays_the_last_account_of_a_lot_that_was_removed() external {
        _confirm(batchId, QUORUM);
        vm.startPrank(authority);
        consortium.setLot(LOT, bystander);
        consortium.setLot(LOT, 0);
        vm.stopPrank();
        _settle(trades);
        _assertBalances(lotAccount, 0, 0);
        _assertBalances(bystander, FUNDS - COST + 2 * SPREAD, COST);
    }

    function test_threat_settle_works_when_mandates_are_gone_and_the_band_has_moved() external {
        vm.prank(buyerOwner);
        consortium.revokeMandate(buyer);
        vm.prank(sellerOwner);
        consortium.revokeMandate(seller);
        vm.startPrank(authority);
        consortium.setPriceBand(HIGHEST, HIGHEST);
        consortium.setLargestSpread(0);
        consortium.setAggregator(aggregator, false);
        vm.stopPrank();
        _confirm(batchId, QUORUM);
        vm.warp(NOW + 365 days);
        _settle(trades);
        _assertBalances(seller, 2 * INCOME, 0);
    }

    function test_INV4_settle_reverts_in_every_other_state() external {
        _expectSettleToRevert(IEnergyConsortium.BatchState.Pending);
        uint256 pending = vm.snapshotState();

        _confirm(batchId, QUORUM);
        _settle(trades);
        _expectSettleToRevert(IEnergyConsortium.BatchState.Settled);
        vm.revertToState(pending);

        _reject(batchId, 2);
        _expectSettleToRevert(IEnergyConsortium.BatchState.Rejected);
        _refund(trades);
        _expectSettleToRevert(IEnergyConsortium.BatchState.Refunded);
        vm.revertToState(pending);

        _cancel(batchId, trades);
        _expectSettleToRevert(IEnergyConsortium.BatchState.Cancelled);
        vm.revertToState(pending);

        vm.warp(uint256(deadline) + 1);
        _expectSettleToRevert(IEnergyConsortium.BatchState.Expired);
    }

    function testFuzz_settle_reverts_with_other_trades(uint256 index, uint256 word) external {
        _confirm(batchId, QUORUM);
        index = bound(index, 0, 1);
        vm.assume(word != Trade.unwrap(trades[index]));
        trades[index] = Trade.wrap(word);
        bytes32 other = consortium.batchIdOf(aggregator, deadline, trades);
        _expectUnexpectedState(other, IEnergyConsortium.BatchState.None, IN_CONFIRMED);
        _settle(trades);
    }

    function test_settle_reverts_with_fewer_or_no_trades() external {
        _confirm(batchId, QUORUM);
        trades.pop();
        _expectUnexpectedState(
            consortium.batchIdOf(aggregator, deadline, trades),
            IEnergyConsortium.BatchState.None,
            IN_CONFIRMED
        );
        _settle(trades);
        trades.pop();
        _expectUnexpectedState(
            consortium.batchIdOf(aggregator, deadline, trades),
            IEnergyConsortium.BatchState.None,
            IN_CONFIRMED
        );
        _settle(trades);
    }

    function test_settle_reverts_with_another_submitter_or_deadline() external {
        _confirm(batchId, QUORUM);
        _expectUnexpectedState(
            consortium.batchIdOf(stranger, deadline, trades),
            IEnergyConsortium.BatchState.None,
            IN_CONFIRMED
        );
        consortium.settle(stranger, deadline, trades);
        _expectUnexpectedState(
            consortium.batchIdOf(aggregator, deadline + 1, trades),
            IEnergyConsortium.BatchState.None,
            IN_CONFIRMED
        );
        consortium.settle(aggregator, deadline + 1, trades);
    }

    function test_amountsOf_reverts_when_the_prices_are_crossed() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradePricesCrossed.selector, 0, BUYER_PRICE, BUYER_PRICE + 1
            )
        );
        consortium.amountsOf(_trade(1, ENERGY, BUYER_PRICE, BUYER_PRICE + 1));
    }

    function _party(uint32 from, uint32 to, uint32 sequence, uint16 lot)
        private
        pure
        returns (Trade)
    {
        return packTrade(from, to, ENERGY, BUYER_PRICE, SELLER_PRICE, sequence, INTERVAL, lot);
    }

    function _expectSettleToRevert(IEnergyConsortium.BatchState state) private {
        _expectUnexpectedState(batchId, state, IN_CONFIRMED);
        _settle(trades);
    }
}

contract RefundTest is PendingBatch {
    function test_refund_of_a_rejected_batch_restores_every_balance()
        external
        leaves(GOVERNANCE | BYSTANDERS | TOKENS)
    {
        _reject(batchId, 2);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRefunded(batchId, 2 * COST);
        vm.prank(stranger);
        consortium.refund(aggregator, deadline, trades);
        _assertRefunded();
    }

    function test_refund_of_a_cancelled_batch() external {
        _cancel(batchId, trades);
        _refund(trades);
        _assertRefunded();
    }

    function test_refund_of_an_expired_batch_with_votes() external {
        _confirm(batchId, 2);
        vm.warp(uint256(deadline) + 1);
        _refund(trades);
        _assertRefunded();
        assertEq(consortium.batch(batchId).confirmations, 3);
    }

    function test_refund_gives_each_buyer_its_own_cost() external {
        uint32 second = _register(stranger);
        _fund(second, FUNDS);
        _allow(second);
        Trade[] memory batch = new Trade[](3);
        batch[0] = _trade(3);
        batch[1] =
            packTrade(second, seller, 2 * ENERGY, BUYER_PRICE, SELLER_PRICE, 1, INTERVAL, LOT);
        batch[2] = _trade(4);
        bytes32 id = _submit(batch);
        _cancel(id, batch);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRefunded(id, 4 * COST);
        _refund(batch);
        _assertBalances(buyer, FUNDS - 2 * COST, 2 * COST);
        _assertBalances(second, FUNDS, 0);
    }

    function test_refund_works_when_mandates_are_gone_and_the_lot_is_removed() external {
        _reject(batchId, 2);
        vm.prank(buyerOwner);
        consortium.revokeMandate(buyer);
        vm.prank(authority);
        consortium.setLot(LOT, 0);
        vm.warp(NOW + 365 days);
        _refund(trades);
        _assertRefunded();
    }

    function test_INV4_refund_reverts_in_every_other_state() external {
        _expectRefundToRevert(IEnergyConsortium.BatchState.Pending);
        vm.warp(deadline);
        _expectRefundToRevert(IEnergyConsortium.BatchState.Pending);
        uint256 pending = vm.snapshotState();

        _confirm(batchId, QUORUM);
        _expectRefundToRevert(IEnergyConsortium.BatchState.Confirmed);
        vm.warp(uint256(deadline) + 1);
        _expectRefundToRevert(IEnergyConsortium.BatchState.Confirmed);
        _settle(trades);
        _expectRefundToRevert(IEnergyConsortium.BatchState.Settled);
        vm.revertToState(pending);

        _cancel(batchId, trades);
        _refund(trades);
        _expectRefundToRevert(IEnergyConsortium.BatchState.Refunded);
    }

    function testFuzz_refund_reverts_with_other_trades(uint256 word) external {
        _reject(batchId, 2);
        vm.assume(word != Trade.unwrap(trades[0]));
        trades[0] = Trade.wrap(word);
        bytes32 other = consortium.batchIdOf(aggregator, deadline, trades);
        _expectUnexpectedState(other, IEnergyConsortium.BatchState.None, IN_REFUNDABLE);
        _refund(trades);
    }

    function _assertRefunded() private view {
        _assertState(batchId, IEnergyConsortium.BatchState.Refunded);
        _assertBalances(buyer, FUNDS, 0);
        _assertBalances(seller, 0, 0);
        _assertBalances(lotAccount, 0, 0);
        // Used up all the same: the trades cannot come back.
        assertEq(consortium.account(buyer).sequence, 2);
    }

    function _expectRefundToRevert(IEnergyConsortium.BatchState state) private {
        _expectUnexpectedState(batchId, state, IN_REFUNDABLE);
        _refund(trades);
    }
}
