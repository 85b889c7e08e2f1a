// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Trade} from "../src/Trade.sol";
import {Setup} from "./support/Setup.sol";
import {EtherlikeToken} from "./support/Tokens.sol";

contract DeploymentTest is Setup {
    function test_deployment_sets_what_it_was_given() external view {
        assertEq(address(consortium.token()), address(euro));
        assertEq(consortium.authority(), authority);
        assertEq(consortium.pendingAuthority(), address(0));
        assertEq(consortium.quorum(), QUORUM);
        assertEq(consortium.operatorCount(), 4);
        (uint32 lowest, uint32 highest) = consortium.priceBand();
        assertEq(lowest, LOWEST);
        assertEq(highest, HIGHEST);
        assertEq(consortium.largestSpread(), LARGEST_SPREAD);
        assertFalse(consortium.paused());
        IEnergyConsortium.Operator[] memory list = consortium.operators();
        assertEq(list.length, 4);
        for (uint8 i = 0; i < 4; ++i) {
            assertEq(list[i].operator, operators[i]);
            assertEq(list[i].seat, i);
        }
    }

    function test_deployment_emits_all_it_sets() external {
        address[] memory seats = new address[](2);
        seats[0] = operators[0];
        seats[1] = operators[1];
        vm.expectEmit();
        emit IEnergyConsortium.AuthorityTransferred(address(0), authority);
        vm.expectEmit();
        emit IEnergyConsortium.OperatorAdded(operators[0], 0);
        vm.expectEmit();
        emit IEnergyConsortium.OperatorAdded(operators[1], 1);
        vm.expectEmit();
        emit IEnergyConsortium.QuorumSet(2);
        vm.expectEmit();
        emit IEnergyConsortium.PriceBandSet(LOWEST, HIGHEST);
        vm.expectEmit();
        emit IEnergyConsortium.LargestSpreadSet(LARGEST_SPREAD);
        _deploy(address(euro), seats, 2);
    }

    function test_deployment_reverts_when_the_token_has_no_code() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.TokenInvalid.selector, stranger, 0, 6)
        );
        this.deploy(stranger, authority, operators, QUORUM, LOWEST, HIGHEST);
    }

    function test_deployment_reverts_when_the_token_has_other_decimals() external {
        address token = address(new EtherlikeToken());
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.TokenInvalid.selector, token, 18, 6)
        );
        this.deploy(token, authority, operators, QUORUM, LOWEST, HIGHEST);
    }

    function test_deployment_reverts_without_an_authority() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AuthorityInvalid.selector, address(0))
        );
        this.deploy(address(euro), address(0), operators, QUORUM, LOWEST, HIGHEST);
    }

    function test_deployment_reverts_when_an_operator_is_named_twice() external {
        operators[3] = operators[1];
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorSeated.selector, operators[1], 1)
        );
        this.deploy(address(euro), authority, operators, QUORUM, LOWEST, HIGHEST);
    }

    function test_deployment_reverts_when_an_operator_is_zero() external {
        operators[2] = address(0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorInvalid.selector, address(0))
        );
        this.deploy(address(euro), authority, operators, QUORUM, LOWEST, HIGHEST);
    }

    function test_deployment_reverts_when_the_quorum_cannot_be_reached() external {
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.QuorumOutOfRange.selector, 5, 4));
        this.deploy(address(euro), authority, operators, 5, LOWEST, HIGHEST);
    }

    function test_deployment_reverts_when_the_band_is_upside_down() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.PriceBandInvalid.selector, HIGHEST, LOWEST)
        );
        this.deploy(address(euro), authority, operators, QUORUM, HIGHEST, LOWEST);
    }

    function test_deployment_reverts_when_there_are_more_operators_than_seats() external {
        address[] memory many = new address[](uint256(consortium.MAX_SEATS()) + 1);
        for (uint256 i = 0; i < many.length; ++i) {
            many[i] = address(uint160(i + 1000));
        }
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.SeatsExhausted.selector, 0));
        this.deploy(address(euro), authority, many, QUORUM, LOWEST, HIGHEST);
    }

    /// @dev `deployCode` swallows why a constructor reverted; a call of `create` keeps it.
    function deploy(
        address token,
        address governor,
        address[] memory seats,
        uint8 quorum,
        uint32 lowest,
        uint32 highest
    ) external {
        bytes memory code = bytes.concat(
            vm.getCode("EnergyConsortium.sol:EnergyConsortium"),
            abi.encode(IERC20(token), governor, seats, quorum, lowest, highest, LARGEST_SPREAD)
        );
        assembly ("memory-safe") {
            if iszero(create(0, add(code, 32), mload(code))) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }
}

contract AuthorityTest is Setup {
    address private _successor = makeAddr("successor");

    function test_handover_takes_two_steps() external leaves(PARTIES | BYSTANDERS | TOKENS) {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.AuthorityProposed(authority, _successor);
        vm.prank(authority);
        consortium.proposeAuthority(_successor);
        assertEq(consortium.authority(), authority);
        assertEq(consortium.pendingAuthority(), _successor);

        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.AuthorityTransferred(authority, _successor);
        vm.prank(_successor);
        consortium.acceptAuthority();
        assertEq(consortium.authority(), _successor);
        assertEq(consortium.pendingAuthority(), address(0));
    }

    function test_the_former_authority_may_do_nothing_more() external {
        vm.prank(authority);
        consortium.proposeAuthority(_successor);
        vm.prank(_successor);
        consortium.acceptAuthority();
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AuthorityOnly.selector, authority, _successor)
        );
        vm.prank(authority);
        consortium.setQuorum(2);
    }

    function test_the_proposed_authority_may_do_nothing_before_it_accepts() external {
        vm.prank(authority);
        consortium.proposeAuthority(_successor);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AuthorityOnly.selector, _successor, authority)
        );
        vm.prank(_successor);
        consortium.pause();
    }

    function test_threat_authority_handed_to_a_wrong_address_is_taken_back() external {
        vm.startPrank(authority);
        consortium.proposeAuthority(address(0xdead));
        consortium.proposeAuthority(_successor);
        consortium.proposeAuthority(address(0));
        vm.stopPrank();
        assertEq(consortium.authority(), authority);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.PendingAuthorityOnly.selector, _successor, address(0)
            )
        );
        vm.prank(_successor);
        consortium.acceptAuthority();
    }

    function testFuzz_acceptAuthority_reverts_for_anyone_else(address caller) external {
        vm.assume(caller != _successor);
        vm.prank(authority);
        consortium.proposeAuthority(_successor);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.PendingAuthorityOnly.selector, caller, _successor
            )
        );
        vm.prank(caller);
        consortium.acceptAuthority();
    }

    function testFuzz_governance_reverts_for_anyone_but_the_authority(address caller)
        external
        leaves(EVERYTHING)
    {
        vm.assume(caller != authority);
        bytes[] memory calls = _governanceCalls();
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IEnergyConsortium.AuthorityOnly.selector, caller, authority)
            );
            vm.prank(caller);
            // What was expected came: the cheat code answers so, and would else fail unheard.
            (bool refused,) = address(consortium).call(calls[i]);
            assertTrue(refused);
        }
    }

    function _governanceCalls() private view returns (bytes[] memory calls) {
        calls = new bytes[](11);
        calls[0] = abi.encodeCall(IEnergyConsortium.proposeAuthority, (stranger));
        calls[1] = abi.encodeCall(IEnergyConsortium.addOperator, (stranger));
        calls[2] = abi.encodeCall(IEnergyConsortium.removeOperator, (operators[0]));
        calls[3] = abi.encodeCall(IEnergyConsortium.rotateOperator, (operators[0], stranger));
        calls[4] = abi.encodeCall(IEnergyConsortium.setQuorum, (2));
        calls[5] = abi.encodeCall(IEnergyConsortium.setPriceBand, (1, 2));
        calls[6] = abi.encodeCall(IEnergyConsortium.setLargestSpread, (1));
        calls[7] = abi.encodeCall(IEnergyConsortium.setLot, (1, 1));
        calls[8] = abi.encodeCall(IEnergyConsortium.setAggregator, (stranger, true));
        calls[9] = abi.encodeCall(IEnergyConsortium.pause, ());
        calls[10] = abi.encodeCall(IEnergyConsortium.unpause, ());
    }
}

contract OperatorsTest is Setup {
    address private _newcomer = makeAddr("newcomer");

    function test_addOperator_gives_the_lowest_free_seat()
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.OperatorAdded(_newcomer, 4);
        vm.prank(authority);
        assertEq(consortium.addOperator(_newcomer), 4);
        assertEq(consortium.seatOf(_newcomer), 4);
        assertTrue(consortium.isOperator(_newcomer));
        assertEq(consortium.operatorCount(), 5);
        assertEq(consortium.currentSeats(), 31);
        assertEq(consortium.operators()[4].operator, _newcomer);
    }

    function test_addOperator_reverts_when_already_seated() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorSeated.selector, operators[2], 2)
        );
        vm.prank(authority);
        consortium.addOperator(operators[2]);
    }

    function test_addOperator_reverts_for_the_zero_address() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorInvalid.selector, address(0))
        );
        vm.prank(authority);
        consortium.addOperator(address(0));
    }

    function test_addOperator_fills_every_seat_and_no_more() external {
        vm.startPrank(authority);
        for (uint8 seat = 4; seat < 96; ++seat) {
            assertEq(consortium.addOperator(address(uint160(1000 + uint256(seat)))), seat);
        }
        assertEq(consortium.currentSeats(), type(uint96).max);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.SeatsExhausted.selector, 0));
        consortium.addOperator(_newcomer);
        vm.stopPrank();
    }

    function test_removeOperator_vacates_the_seat()
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.OperatorRemoved(operators[1], 1);
        vm.prank(authority);
        consortium.removeOperator(operators[1]);
        assertFalse(consortium.isOperator(operators[1]));
        assertEq(consortium.operatorCount(), 3);
        assertEq(consortium.currentSeats(), 13);
        assertEq(consortium.operators()[1].operator, operators[2]);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorUnknown.selector, operators[1])
        );
        consortium.seatOf(operators[1]);
    }

    function test_INV7_removeOperator_reverts_when_fewer_than_the_quorum_would_remain() external {
        vm.startPrank(authority);
        consortium.removeOperator(operators[0]);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.QuorumOutOfRange.selector, 3, 2));
        consortium.removeOperator(operators[1]);
        vm.stopPrank();
    }

    function test_removeOperator_reverts_when_not_seated() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorUnknown.selector, stranger)
        );
        vm.prank(authority);
        consortium.removeOperator(stranger);
    }

    function test_rotateOperator_gives_a_new_seat_even_when_all_are_needed()
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        vm.startPrank(authority);
        consortium.setQuorum(4);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.OperatorRotated(operators[3], _newcomer, 3, 4);
        assertEq(consortium.rotateOperator(operators[3], _newcomer), 4);
        vm.stopPrank();
        assertFalse(consortium.isOperator(operators[3]));
        assertEq(consortium.seatOf(_newcomer), 4);
        assertEq(consortium.operatorCount(), 4);
        assertEq(consortium.currentSeats(), 23);
    }

    function test_rotateOperator_reverts_when_the_old_key_has_no_seat() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorUnknown.selector, stranger)
        );
        vm.prank(authority);
        consortium.rotateOperator(stranger, _newcomer);
    }

    function test_rotateOperator_reverts_when_the_new_key_has_a_seat() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorSeated.selector, operators[0], 0)
        );
        vm.prank(authority);
        consortium.rotateOperator(operators[1], operators[0]);
    }

    function test_a_seat_is_given_again_only_after_the_longest_lifetime() external {
        vm.startPrank(authority);
        consortium.removeOperator(operators[0]);
        vm.warp(NOW + 1 days);
        assertEq(consortium.addOperator(_newcomer), 4);
        vm.warp(NOW + 1 days + 1);
        assertEq(consortium.addOperator(stranger), 0);
        vm.stopPrank();
    }

    function test_threat_a_key_never_gets_a_seat_back_for_which_it_has_signed() external {
        vm.startPrank(authority);
        consortium.removeOperator(operators[0]);
        vm.warp(NOW + 1 days + 1);
        assertEq(consortium.addOperator(operators[0]), 4);
        consortium.removeOperator(operators[0]);
        vm.warp(NOW + 3 days);
        assertEq(consortium.addOperator(operators[0]), 5);
        assertEq(consortium.addOperator(_newcomer), 0);
        vm.stopPrank();
    }

    function test_threat_seats_used_up_by_key_rotation_come_back() external {
        vm.startPrank(authority);
        address key = operators[0];
        for (uint256 i = 0; i < 92; ++i) {
            vm.warp(NOW + i);
            address next = address(uint160(1000 + i));
            consortium.rotateOperator(key, next);
            key = next;
        }
        // Seat 0 was vacated first, at NOW.
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.SeatsExhausted.selector, NOW + 1 days + 1)
        );
        consortium.rotateOperator(key, _newcomer);
        vm.warp(NOW + 1 days + 1);
        assertEq(consortium.rotateOperator(key, _newcomer), 0);
        vm.stopPrank();
    }

    function testFuzz_seats_are_those_of_the_operators(uint256 steps) external {
        vm.startPrank(authority);
        for (uint256 i = 0; i < 12; ++i) {
            address key = address(uint160(1000 + (steps >> (8 * i)) % 6));
            if (!consortium.isOperator(key)) consortium.addOperator(key);
            else if (consortium.operatorCount() > QUORUM) consortium.removeOperator(key);
            skip((steps >> (8 * i + 4)) % 16 * 2 hours);
        }
        vm.stopPrank();
        IEnergyConsortium.Operator[] memory list = consortium.operators();
        uint96 seats = 0;
        for (uint256 i = 0; i < list.length; ++i) {
            assertEq(consortium.seatOf(list[i].operator), list[i].seat);
            seats |= uint96(1) << list[i].seat;
        }
        assertEq(list.length, consortium.operatorCount());
        assertEq(seats, consortium.currentSeats());
    }
}

contract SettingsTest is Setup {
    function testFuzz_INV7_setQuorum_takes_1_to_the_number_of_operators(uint8 quorum)
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        vm.prank(authority);
        if (quorum == 0 || quorum > 4) {
            vm.expectRevert(
                abi.encodeWithSelector(IEnergyConsortium.QuorumOutOfRange.selector, quorum, 4)
            );
            consortium.setQuorum(quorum);
            assertEq(consortium.quorum(), QUORUM);
        } else {
            vm.expectEmit(address(consortium));
            emit IEnergyConsortium.QuorumSet(quorum);
            consortium.setQuorum(quorum);
            assertEq(consortium.quorum(), quorum);
        }
    }

    function testFuzz_setPriceBand_takes_two_ends_in_order(uint32 lowest, uint32 highest)
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        vm.prank(authority);
        if (lowest > highest) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IEnergyConsortium.PriceBandInvalid.selector, lowest, highest
                )
            );
            consortium.setPriceBand(lowest, highest);
        } else {
            vm.expectEmit(address(consortium));
            emit IEnergyConsortium.PriceBandSet(lowest, highest);
            consortium.setPriceBand(lowest, highest);
            (uint32 foundLowest, uint32 foundHighest) = consortium.priceBand();
            assertEq(foundLowest, lowest);
            assertEq(foundHighest, highest);
        }
    }

    function testFuzz_setLargestSpread_takes_any(uint32 spread)
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.LargestSpreadSet(spread);
        vm.prank(authority);
        consortium.setLargestSpread(spread);
        assertEq(consortium.largestSpread(), spread);
    }

    function testFuzz_setLot_names_the_account_of_a_lot(uint16 lot)
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.LotSet(lot, seller);
        vm.startPrank(authority);
        consortium.setLot(lot, seller);
        assertEq(consortium.lotAccount(lot), seller);
        assertEq(consortium.spreadAccount(lot), seller);

        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.LotSet(lot, 0);
        consortium.setLot(lot, 0);
        vm.stopPrank();
        assertEq(consortium.lotAccount(lot), 0);
        assertEq(consortium.spreadAccount(lot), seller);
    }

    function test_setLot_reverts_when_the_account_is_unknown() external {
        uint32 unknown = consortium.accountCount() + 1;
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AccountUnknown.selector, unknown));
        vm.prank(authority);
        consortium.setLot(LOT, unknown);
    }

    function testFuzz_setAggregator_admits_and_dismisses(address candidate)
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        vm.assume(candidate != address(0) && candidate != aggregator);
        assertFalse(consortium.isAggregator(candidate));
        vm.startPrank(authority);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.AggregatorSet(candidate, true);
        consortium.setAggregator(candidate, true);
        assertTrue(consortium.isAggregator(candidate));
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.AggregatorSet(candidate, false);
        consortium.setAggregator(candidate, false);
        assertFalse(consortium.isAggregator(candidate));
        vm.stopPrank();
    }

    function test_setAggregator_admits_again_under_the_same_number() external {
        vm.startPrank(authority);
        consortium.setAggregator(aggregator, false);
        consortium.setAggregator(aggregator, true);
        vm.stopPrank();
        assertEq(consortium.mandateOf(buyer).aggregator, aggregator);
        _submit(_one(_trade(1)));
    }

    function test_setAggregator_reverts_for_the_zero_address() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AggregatorInvalid.selector, address(0))
        );
        vm.prank(authority);
        consortium.setAggregator(address(0), true);
    }

    function test_setAggregator_reverts_when_its_numbers_are_used_up() external {
        // Slot 6 holds the counters: deposits 64 | accounts 32 | aggregators 16, from the low end.
        uint256 slot = uint256(vm.load(address(consortium), bytes32(uint256(6))));
        uint256 mask = uint256(type(uint16).max) << 96;
        slot = (slot & ~mask) | ((2 ** 14 - 1) << 96);
        vm.store(address(consortium), bytes32(uint256(6)), bytes32(slot));
        vm.startPrank(authority);
        consortium.setAggregator(aggregator, false);
        consortium.setAggregator(aggregator, true);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AggregatorsExhausted.selector, 2 ** 14 - 1)
        );
        consortium.setAggregator(stranger, true);
        vm.stopPrank();
    }
}

contract PauseTest is Setup {
    function test_pause_and_unpause() external leaves(PARTIES | BYSTANDERS | TOKENS) {
        vm.startPrank(authority);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.Paused(authority);
        consortium.pause();
        assertTrue(consortium.paused());
        vm.expectRevert(IEnergyConsortium.ConsortiumPaused.selector);
        consortium.pause();

        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.Unpaused(authority);
        consortium.unpause();
        assertFalse(consortium.paused());
        vm.expectRevert(IEnergyConsortium.ConsortiumNotPaused.selector);
        consortium.unpause();
        vm.stopPrank();
    }

    function test_pause_stops_deposits_submissions_and_mandates() external {
        Trade[] memory trades = _one(_trade(1));
        vm.prank(authority);
        consortium.pause();

        vm.expectRevert(IEnergyConsortium.ConsortiumPaused.selector);
        consortium.deposit(buyer, 1);
        vm.expectRevert(IEnergyConsortium.ConsortiumPaused.selector);
        _submit(trades);
        vm.expectRevert(IEnergyConsortium.ConsortiumPaused.selector);
        vm.prank(buyerOwner);
        consortium.setMandate(buyer, _mandate());

        vm.prank(authority);
        consortium.unpause();
        _submit(trades);
    }

    function test_threat_pause_traps_no_funds_and_stops_nothing_else() external {
        Trade[] memory confirmed = _one(_trade(1));
        Trade[] memory rejected = _one(_trade(2));
        Trade[] memory cancelled = _one(_trade(3));
        Trade[] memory finalized = _one(_trade(4));
        bytes32[4] memory ids =
            [_submit(confirmed), _submit(rejected), _submit(cancelled), _submit(finalized)];
        _confirm(ids[3], 2);
        vm.startPrank(authority);
        consortium.setQuorum(2);
        consortium.pause();
        vm.stopPrank();

        _confirm(ids[0], 2);
        _settle(confirmed);
        _reject(ids[1], 3);
        _refund(rejected);
        _cancel(ids[2], cancelled);
        _refund(cancelled);
        consortium.finalize(ids[3]);
        _settle(finalized);
        vm.prank(buyerOwner);
        consortium.revokeMandate(buyer);
        uint64 free = _free(buyer);
        assertEq(free, FUNDS - 2 * COST);
        vm.prank(buyerOwner);
        consortium.withdraw(buyer, free, buyerOwner);
        assertEq(euro.balanceOf(buyerOwner), free);
        vm.prank(sellerOwner);
        consortium.withdraw(seller, 2 * INCOME, sellerOwner);
        consortium.register(bytes32(0));
    }
}
