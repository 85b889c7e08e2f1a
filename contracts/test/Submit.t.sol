// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Trade, packTrade} from "../src/Trade.sol";
import {Setup} from "./support/Setup.sol";

contract SubmitTest is Setup {
    // ------------------------------------------------------------------------ liveness, effect

    function test_submit_locks_the_cost_and_records_the_batch()
        external
        leaves(GOVERNANCE | BYSTANDERS | TOKENS)
    {
        Trade[] memory trades = _two(_trade(1), _trade(3));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        _assertState(batchId, IEnergyConsortium.BatchState.None);
        IEnergyConsortium.Account memory sellerBefore = consortium.account(seller);
        uint256[] memory words = new uint256[](2);
        words[0] = Trade.unwrap(trades[0]);
        words[1] = Trade.unwrap(trades[1]);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchSubmitted(batchId, aggregator, deadline, 2 * COST, words);
        vm.prank(aggregator);
        assertEq(consortium.submit(trades, deadline), batchId);

        IEnergyConsortium.Batch memory found = consortium.batch(batchId);
        assertEq(uint8(found.state), uint8(IEnergyConsortium.BatchState.Pending));
        assertEq(found.size, 2);
        assertEq(found.deadline, deadline);
        assertEq(found.confirmations, 0);
        assertEq(found.rejections, 0);
        _assertBalances(buyer, FUNDS - 2 * COST, 2 * COST);
        assertEq(consortium.account(buyer).sequence, 3);
        assertEq(abi.encode(consortium.account(seller)), abi.encode(sellerBefore));
    }

    function test_the_batch_id_is_the_documented_hash() external view {
        Trade[] memory trades = _two(_trade(1), _trade(2));
        bytes32 tradesHash = keccak256(bytes.concat(abi.encode(trades[0]), abi.encode(trades[1])));
        assertEq(
            consortium.batchIdOf(stranger, 123, trades),
            keccak256(
                abi.encode(block.chainid, address(consortium), stranger, uint256(123), tradesHash)
            )
        );
    }

    function testFuzz_submit_locks_the_floor_of_energy_times_price(
        uint32 energyWh,
        uint32 buyerPrice,
        uint32 spread
    ) external leaves(GOVERNANCE | BYSTANDERS | TOKENS) {
        buyerPrice = uint32(bound(buyerPrice, LOWEST, HIGHEST));
        energyWh = uint32(bound(energyWh, 1000, 1000 * uint256(FUNDS) / buyerPrice));
        spread = uint32(bound(spread, 0, LARGEST_SPREAD));
        if (spread > buyerPrice - LOWEST) spread = buyerPrice - LOWEST;
        _submit(_one(_trade(1, energyWh, buyerPrice, buyerPrice - spread)));
        uint256 cost = uint256(energyWh) * buyerPrice / 1000;
        _assertBalances(buyer, FUNDS - cost, cost);
    }

    function test_trades_of_several_buyers_are_locked_in_any_order() external {
        uint32 second = _register(stranger);
        _fund(second, FUNDS);
        _allow(second);
        Trade[] memory trades = new Trade[](4);
        trades[0] = _trade(1);
        trades[1] = packTrade(second, buyer, ENERGY, BUYER_PRICE, SELLER_PRICE, 1, INTERVAL, LOT);
        trades[2] = _trade(2);
        trades[3] = packTrade(second, seller, ENERGY, BUYER_PRICE, SELLER_PRICE, 2, INTERVAL, LOT);
        _submit(trades);
        _assertBalances(buyer, FUNDS - 2 * COST, 2 * COST);
        _assertBalances(second, FUNDS - 2 * COST, 2 * COST);
        assertEq(consortium.account(buyer).sequence, 2);
        assertEq(consortium.account(second).sequence, 2);
    }

    function test_submit_takes_limits_that_are_met_exactly() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.maxBuyPrice = BUYER_PRICE;
        mandate.validUntil = uint32(NOW);
        _setMandate(buyer, mandate);
        mandate.minSellPrice = BUYER_PRICE - LARGEST_SPREAD;
        _setMandate(seller, mandate);
        vm.prank(authority);
        consortium.setPriceBand(BUYER_PRICE - LARGEST_SPREAD, BUYER_PRICE);
        // 0.2 EUR for 0.8 kWh and everything else there is: to the last micro-euro.
        uint32 most = uint32(uint256(FUNDS - 200_000) * 1000 / BUYER_PRICE);
        uint32 step = uint32(consortium.MAX_SEQUENCE_STEP());
        Trade[] memory trades = _two(
            _trade(step, 800, BUYER_PRICE, BUYER_PRICE - LARGEST_SPREAD),
            _trade(2 * step, most, BUYER_PRICE, BUYER_PRICE - LARGEST_SPREAD)
        );
        deadline = uint40(NOW + consortium.MAX_LIFETIME());
        _submit(trades);
        _assertBalances(buyer, 0, FUNDS);
    }

    function test_threat_a_batch_holds_the_largest_number_of_trades_and_no_more() external {
        uint256 size = consortium.MAX_TRADES();
        Trade[] memory trades = new Trade[](size + 1);
        for (uint32 i = 0; i <= size; ++i) {
            trades[i] = _trade(i + 1, 100, BUYER_PRICE, SELLER_PRICE);
        }
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.BatchSizeOutOfRange.selector, size + 1, size)
        );
        _submit(trades);
        assembly ("memory-safe") {
            mstore(trades, size)
        }
        bytes32 batchId = _submit(trades);
        assertEq(consortium.batch(batchId).size, size);
    }

    // ------------------------------------------------------------------------------ the submitter

    function test_a_buyer_submits_its_own_trades() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.aggregator = address(0);
        _setMandate(seller, mandate);
        mandate.openToBuyers = false;
        _setMandate(buyer, mandate);
        vm.prank(buyerOwner);
        consortium.submit(_one(_trade(1)), deadline);
        _assertBalances(buyer, FUNDS - COST, COST);
    }

    function test_an_aggregator_may_buy_for_itself_from_a_seller_open_to_buyers() external {
        uint32 own = _register(aggregator);
        _fund(own, FUNDS);
        _allow(own);
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.aggregator = address(0);
        _setMandate(seller, mandate);
        _submit(_one(packTrade(own, seller, ENERGY, BUYER_PRICE, SELLER_PRICE, 1, INTERVAL, LOT)));
        _assertBalances(own, FUNDS - COST, COST);
    }

    function testFuzz_submit_reverts_for_anyone_the_buyer_did_not_name(address caller)
        external
        leaves(EVERYTHING)
    {
        vm.assume(caller != aggregator && caller != buyerOwner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, buyer, caller
            )
        );
        vm.prank(caller);
        consortium.submit(_one(_trade(1)), deadline);
    }

    function test_submit_reverts_for_an_aggregator_that_was_dismissed() external {
        vm.prank(authority);
        consortium.setAggregator(aggregator, false);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, buyer, aggregator
            )
        );
        _submit(_one(_trade(1)));
    }

    function test_submit_reverts_for_an_aggregator_the_parties_did_not_name() external {
        vm.prank(authority);
        consortium.setAggregator(stranger, true);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, buyer, stranger
            )
        );
        vm.prank(stranger);
        consortium.submit(_one(_trade(1)), deadline);
    }

    function test_submit_reverts_for_an_account_that_named_nobody() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.aggregator = address(0);
        _setMandate(buyer, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, buyer, aggregator
            )
        );
        _submit(_one(_trade(1)));
    }

    /// @dev Nobody's number must not be taken for that of whoever has none.
    function test_submit_reverts_for_a_stranger_when_the_parties_named_nobody() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.aggregator = address(0);
        mandate.openToBuyers = false;
        _setMandate(buyer, mandate);
        _setMandate(seller, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, buyer, stranger
            )
        );
        vm.prank(stranger);
        consortium.submit(_one(_trade(1)), deadline);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, seller, buyerOwner
            )
        );
        vm.prank(buyerOwner);
        consortium.submit(_one(_trade(1)), deadline);
    }

    function test_threat_a_seller_is_not_named_without_its_consent() external {
        Trade[] memory trades = _one(_trade(1));
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.openToBuyers = false;
        _setMandate(seller, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, seller, buyerOwner
            )
        );
        vm.prank(buyerOwner);
        consortium.submit(trades, deadline);

        mandate.openToBuyers = true;
        mandate.aggregator = address(0);
        _setMandate(seller, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, seller, aggregator
            )
        );
        _submit(trades);
    }

    // ------------------------------------------------------------------------------- the batch

    function test_submit_reverts_when_empty() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.BatchSizeOutOfRange.selector, 0, 512)
        );
        _submit(new Trade[](0));
    }

    function testFuzz_submit_reverts_when_the_deadline_is_out_of_range(uint40 chosen) external {
        vm.assume(chosen <= NOW || chosen > NOW + 1 days);
        deadline = chosen;
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchDeadlineOutOfRange.selector, chosen, NOW + 1, NOW + 1 days
            )
        );
        _submit(_one(_trade(1)));
    }

    function test_submit_reverts_when_the_deadline_is_now() external {
        deadline = uint40(NOW);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchDeadlineOutOfRange.selector, NOW, NOW + 1, NOW + 1 days
            )
        );
        _submit(_one(_trade(1)));
        deadline = uint40(NOW + 1);
        _submit(_one(_trade(1)));
    }

    function test_threat_locks_are_not_held_by_far_deadlines() external {
        deadline = uint40(NOW + 1 days + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchDeadlineOutOfRange.selector, deadline, NOW + 1, NOW + 1 days
            )
        );
        _submit(_one(_trade(1)));
    }

    function test_INV4_submit_reverts_when_the_batch_exists() external {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = _submit(trades);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Pending, IN_NONE);
        _submit(trades);
        _cancel(batchId, trades);
        _refund(trades);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Refunded, IN_NONE);
        _submit(trades);
    }

    function test_threat_a_copied_batch_does_not_occupy_the_original() external {
        // The copy comes first, from someone the parties did name.
        Trade[] memory trades = _one(_trade(1));
        vm.prank(buyerOwner);
        bytes32 copied = consortium.submit(trades, deadline);
        assertTrue(copied != consortium.batchIdOf(aggregator, deadline, trades));
        // What it took is the sequence number, which one more trade of the buyer can go past.
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSequenceOutOfRange.selector, 0, buyer, 1, 2, 65_537
            )
        );
        _submit(trades);
        _submit(_one(_trade(2)));
    }

    // ------------------------------------------------------------------- each trade, in order

    function testFuzz_submit_reverts_when_spare_bits_are_set(uint16 spare) external {
        vm.assume(spare != 0);
        Trade dirty = Trade.wrap(Trade.unwrap(_trade(2)) | spare);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.TradeSpareNotZero.selector, 1, spare)
        );
        _submit(_two(_trade(1), dirty));
    }

    function test_submit_reverts_when_a_party_is_unknown() external {
        uint32 unknown = consortium.accountCount() + 1;
        Trade bad = packTrade(unknown, seller, ENERGY, BUYER_PRICE, SELLER_PRICE, 1, INTERVAL, LOT);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.TradePartyUnknown.selector, 1, unknown)
        );
        _submit(_two(_trade(1), bad));
        bad = packTrade(buyer, unknown, ENERGY, BUYER_PRICE, SELLER_PRICE, 1, INTERVAL, LOT);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.TradePartyUnknown.selector, 0, unknown)
        );
        _submit(_one(bad));
        bad = packTrade(0, seller, ENERGY, BUYER_PRICE, SELLER_PRICE, 1, INTERVAL, LOT);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.TradePartyUnknown.selector, 0, 0));
        _submit(_one(bad));
    }

    function test_threat_submit_reverts_when_buyer_and_seller_are_the_same() external {
        Trade bad = packTrade(buyer, buyer, ENERGY, BUYER_PRICE, SELLER_PRICE, 2, INTERVAL, LOT);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.TradePartiesEqual.selector, 1, buyer)
        );
        _submit(_two(_trade(1), bad));
    }

    function test_submit_reverts_when_a_mandate_is_missing() external {
        vm.prank(sellerOwner);
        consortium.revokeMandate(seller);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeMandateExpired.selector, 0, seller, 0, NOW
            )
        );
        _submit(_one(_trade(1)));
        vm.prank(buyerOwner);
        consortium.revokeMandate(buyer);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeMandateExpired.selector, 0, buyer, 0, NOW
            )
        );
        vm.prank(buyerOwner);
        consortium.submit(_one(_trade(1)), deadline);
    }

    function test_submit_reverts_when_a_mandate_has_expired() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.validUntil = uint32(NOW + 10);
        _setMandate(seller, mandate);
        vm.warp(NOW + 10);
        _submit(_one(_trade(1)));
        vm.warp(NOW + 11);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeMandateExpired.selector, 0, seller, NOW + 10, NOW + 11
            )
        );
        _submit(_one(_trade(2)));
    }

    function test_INV5_submit_reverts_when_the_seller_wants_more() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.minSellPrice = SELLER_PRICE + 1;
        _setMandate(seller, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSellerPriceTooLow.selector,
                0,
                seller,
                SELLER_PRICE,
                SELLER_PRICE + 1
            )
        );
        _submit(_one(_trade(1)));
    }

    function test_INV5_submit_reverts_when_the_buyer_pays_less() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.maxBuyPrice = BUYER_PRICE - 1;
        _setMandate(buyer, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeBuyerPriceTooHigh.selector,
                0,
                buyer,
                BUYER_PRICE,
                BUYER_PRICE - 1
            )
        );
        _submit(_one(_trade(1)));
    }

    function test_INV5_the_buyers_limit_holds_for_each_of_its_trades() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.maxBuyPrice = BUYER_PRICE;
        _setMandate(buyer, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeBuyerPriceTooHigh.selector,
                1,
                buyer,
                BUYER_PRICE + 1,
                BUYER_PRICE
            )
        );
        _submit(_two(_trade(1), _trade(2, ENERGY, BUYER_PRICE + 1, SELLER_PRICE)));
    }

    function testFuzz_submit_reverts_when_the_lot_is_not_admitted(uint16 lot) external {
        vm.assume(lot != LOT);
        Trade bad = packTrade(buyer, seller, ENERGY, BUYER_PRICE, SELLER_PRICE, 2, INTERVAL, lot);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.TradeLotUnknown.selector, 1, lot));
        _submit(_two(_trade(1), bad));
    }

    function test_submit_reverts_when_the_lot_was_removed() external {
        vm.prank(authority);
        consortium.setLot(LOT, 0);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.TradeLotUnknown.selector, 0, LOT));
        _submit(_one(_trade(1)));
    }

    function test_threat_submit_reverts_when_nothing_flows_or_nothing_is_paid() external {
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.TradeEnergyZero.selector, 0));
        _submit(_one(_trade(1, 0, BUYER_PRICE, SELLER_PRICE)));
        vm.prank(authority);
        consortium.setPriceBand(0, HIGHEST);
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.minSellPrice = 0;
        _setMandate(seller, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.TradeCostZero.selector, 0, 999, 1)
        );
        _submit(_one(_trade(1, 999, 1, 0)));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.TradeCostZero.selector, 0, ENERGY, 0)
        );
        _submit(_one(_trade(1, ENERGY, 0, 0)));
        // The smallest cost there is.
        _submit(_one(_trade(1, 1000, 1, 0)));
        _assertBalances(buyer, FUNDS - 1, 1);
    }

    function test_submit_reverts_when_the_prices_are_crossed() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradePricesCrossed.selector, 0, BUYER_PRICE, BUYER_PRICE + 1
            )
        );
        _submit(_one(_trade(1, ENERGY, BUYER_PRICE, BUYER_PRICE + 1)));
    }

    function test_INV5_submit_reverts_outside_the_band() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.maxBuyPrice = type(uint32).max;
        mandate.minSellPrice = 0;
        _setMandate(buyer, mandate);
        _setMandate(seller, mandate);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradePriceOutOfBand.selector, 0, HIGHEST + 1, LOWEST, HIGHEST
            )
        );
        _submit(_one(_trade(1, ENERGY, HIGHEST + 1, HIGHEST)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradePriceOutOfBand.selector, 0, LOWEST - 1, LOWEST, HIGHEST
            )
        );
        _submit(_one(_trade(1, ENERGY, LOWEST, LOWEST - 1)));
        // The buyer's price is at the end of the band, the seller's is the one that lies outside.
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradePriceOutOfBand.selector, 0, LOWEST - 1, LOWEST, HIGHEST
            )
        );
        _submit(_one(_trade(1, ENERGY, HIGHEST, LOWEST - 1)));
        _submit(_two(_trade(1, 100, HIGHEST, HIGHEST), _trade(2, 100, LOWEST, LOWEST)));
    }

    function test_submit_reverts_when_the_spread_is_too_large() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSpreadTooLarge.selector,
                0,
                LARGEST_SPREAD + 1,
                LARGEST_SPREAD
            )
        );
        _submit(_one(_trade(1, ENERGY, BUYER_PRICE, BUYER_PRICE - LARGEST_SPREAD - 1)));
    }

    function testFuzz_INV6_sequence_numbers_rise_by_1_to_the_largest_step(uint32 last, uint32 next)
        external
    {
        last = uint32(bound(last, 1, 65_536));
        _submit(_one(_trade(last)));
        // Another batch, also where the trade is the same.
        deadline += 1;
        if (next <= last || next > last + 65_536) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IEnergyConsortium.TradeSequenceOutOfRange.selector,
                    0,
                    buyer,
                    next,
                    last + 1,
                    last + 65_536
                )
            );
            _submit(_one(_trade(next)));
        } else {
            _submit(_one(_trade(next)));
            assertEq(consortium.account(buyer).sequence, next);
        }
    }

    function test_INV6_the_longest_step_is_allowed_and_no_longer_one() external {
        _submit(_one(_trade(1)));
        _expectSequence(0, 65_538, 2);
        _submit(_one(_trade(65_538)));
        _submit(_one(_trade(65_537)));
        assertEq(consortium.account(buyer).sequence, 65_537);
    }

    function test_INV6_threat_a_trade_is_not_charged_twice() external {
        _expectSequence(1, 1, 2);
        _submit(_two(_trade(1), _trade(1)));
        _submit(_one(_trade(1)));
        // The same trade in another batch: other deadline, other company.
        deadline += 1;
        _expectSequence(0, 1, 2);
        _submit(_one(_trade(1)));
        _expectSequence(1, 1, 3);
        _submit(_two(_trade(2), _trade(1)));
    }

    function test_INV6_a_refunded_trade_is_not_charged_again() external {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = _submit(trades);
        _cancel(batchId, trades);
        _refund(trades);
        deadline += 1;
        _expectSequence(0, 1, 2);
        _submit(trades);
    }

    function test_INV6_sequences_are_checked_when_buyers_take_turns() external {
        uint32 second = _register(stranger);
        _fund(second, FUNDS);
        _allow(second);
        Trade[] memory trades = new Trade[](3);
        trades[0] = _trade(1);
        trades[1] = packTrade(second, seller, ENERGY, BUYER_PRICE, SELLER_PRICE, 1, INTERVAL, LOT);
        trades[2] = _trade(1);
        _expectSequence(2, 1, 2);
        _submit(trades);
    }

    function test_threat_a_stranger_cannot_exhaust_a_buyers_sequence() external {
        Trade[] memory trades = _one(_trade(65_536));
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, buyer, stranger
            )
        );
        vm.prank(stranger);
        consortium.submit(trades, deadline);
        // And one it did allow gets only so far with one trade.
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSequenceOutOfRange.selector,
                0,
                buyer,
                type(uint32).max,
                1,
                65_536
            )
        );
        _submit(_one(_trade(type(uint32).max)));
    }

    function test_the_last_sequence_number_can_be_used() external {
        // Field `sequence` of the account word, in the slot of the buyer's account.
        bytes32 slot = bytes32(uint256(110) + buyer);
        uint256 word = uint256(vm.load(address(consortium), slot));
        word |= uint256(type(uint32).max - 1) << 112;
        vm.store(address(consortium), slot, bytes32(word));
        _submit(_one(_trade(type(uint32).max)));
        assertEq(consortium.account(buyer).sequence, type(uint32).max);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSequenceOutOfRange.selector,
                0,
                buyer,
                0,
                uint256(type(uint32).max) + 1,
                uint256(type(uint32).max) + 65_536
            )
        );
        _submit(_one(_trade(0)));
    }

    function test_submit_reverts_when_the_balance_does_not_cover_all_trades() external {
        uint64 half = FUNDS / 2;
        uint32 energy = uint32(uint256(half) * 1000 / BUYER_PRICE);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeBuyerBalanceTooLow.selector, 2, buyer, 0, 250
            )
        );
        Trade[] memory trades = new Trade[](3);
        trades[0] = _trade(1, energy, BUYER_PRICE, SELLER_PRICE);
        trades[1] = _trade(2, energy, BUYER_PRICE, SELLER_PRICE);
        trades[2] = _trade(3, 1, BUYER_PRICE, SELLER_PRICE);
        _submit(trades);
    }

    function test_threat_the_largest_energy_and_price_do_not_overflow() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.maxBuyPrice = type(uint32).max;
        _setMandate(buyer, mandate);
        vm.prank(authority);
        consortium.setPriceBand(0, type(uint32).max);
        Trade trade = _trade(1, type(uint32).max, type(uint32).max, type(uint32).max);
        uint64 cost = 18_446_744_065_119_617;
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeBuyerBalanceTooLow.selector, 0, buyer, FUNDS, cost
            )
        );
        _submit(_one(trade));
        _fund(buyer, cost - FUNDS);
        _submit(_one(trade));
        _assertBalances(buyer, 0, cost);
    }

    function testFuzz_submit_never_takes_a_random_word(uint256 word) external {
        vm.prank(aggregator);
        (bool success, bytes memory answer) = address(consortium)
            .call(abi.encodeCall(consortium.submit, (_one(Trade.wrap(word)), deadline)));
        assertFalse(success);
        assertEq(abi.decode(_arguments(answer), (uint256)), 0);
    }

    function _arguments(bytes memory answer) private pure returns (bytes memory arguments) {
        arguments = new bytes(answer.length - 4);
        for (uint256 i = 4; i < answer.length; ++i) {
            arguments[i - 4] = answer[i];
        }
    }

    function _expectSequence(uint256 index, uint32 found, uint256 lowest) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSequenceOutOfRange.selector,
                index,
                buyer,
                found,
                lowest,
                lowest + 65_535
            )
        );
    }
}
