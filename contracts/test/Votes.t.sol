// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Trade} from "../src/Trade.sol";
import {Setup} from "./support/Setup.sol";

/// @dev One pending batch, `batchId`, on which operators vote.
abstract contract PendingBatch is Setup {
    Trade[] internal trades;
    bytes32 internal batchId;

    function setUp() public virtual override {
        super.setUp();
        trades.push(_trade(1));
        trades.push(_trade(2));
        batchId = _submit(trades);
    }

    function _remove(uint256 operator) internal {
        vm.prank(authority);
        consortium.removeOperator(operators[operator]);
    }

    function _setQuorum(uint8 quorum) internal {
        vm.prank(authority);
        consortium.setQuorum(quorum);
    }

    function _add(string memory name) internal returns (address newcomer) {
        newcomer = makeAddr(name);
        vm.prank(authority);
        consortium.addOperator(newcomer);
    }

    function _assertPending() internal view {
        _assertState(batchId, IEnergyConsortium.BatchState.Pending);
    }
}

contract ConfirmTest is PendingBatch {
    function test_confirm_records_a_vote()
        external
        leaves(GOVERNANCE | PARTIES | BYSTANDERS | TOKENS)
    {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchConfirmedBy(batchId, operators[2], 2);
        vm.prank(operators[2]);
        consortium.confirm(batchId);
        IEnergyConsortium.Batch memory found = consortium.batch(batchId);
        assertEq(uint8(found.state), uint8(IEnergyConsortium.BatchState.Pending));
        assertEq(found.size, 2);
        assertEq(found.deadline, deadline);
        assertEq(found.confirmations, 4);
        assertEq(found.rejections, 0);
    }

    function test_INV3_the_vote_that_reaches_the_quorum_confirms_the_batch()
        external
        leaves(GOVERNANCE | PARTIES | BYSTANDERS | TOKENS)
    {
        _confirm(batchId, 2);
        _assertPending();
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchConfirmedBy(batchId, operators[3], 3);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchConfirmed(batchId);
        vm.prank(operators[3]);
        consortium.confirm(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
        assertEq(consortium.batch(batchId).confirmations, 11);
    }

    function test_a_confirmed_batch_stays_confirmed() external {
        _confirm(batchId, QUORUM);
        vm.warp(uint256(deadline) + 1);
        _setQuorum(4);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Confirmed, IN_PENDING);
        consortium.finalize(batchId);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Confirmed, IN_PENDING);
        vm.prank(operators[3]);
        consortium.reject(batchId, "");
        _settle(trades);
    }

    function test_confirm_works_until_the_deadline_and_not_after() external {
        vm.warp(deadline);
        _confirm(batchId, 2);
        vm.warp(uint256(deadline) + 1);
        _assertState(batchId, IEnergyConsortium.BatchState.Expired);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Expired, IN_PENDING);
        vm.prank(operators[2]);
        consortium.confirm(batchId);
    }

    function testFuzz_votes_revert_for_anyone_but_an_operator(address caller)
        external
        leaves(EVERYTHING)
    {
        vm.assume(!consortium.isOperator(caller));
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.OperatorUnknown.selector, caller));
        vm.prank(caller);
        consortium.confirm(batchId);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.OperatorUnknown.selector, caller));
        vm.prank(caller);
        consortium.reject(batchId, "");
    }

    function testFuzz_votes_revert_for_a_batch_that_does_not_exist(bytes32 unknown) external {
        vm.assume(unknown != batchId && unknown != bystanderBatch);
        vm.startPrank(operators[0]);
        _expectUnexpectedState(unknown, IEnergyConsortium.BatchState.None, IN_PENDING);
        consortium.confirm(unknown);
        _expectUnexpectedState(unknown, IEnergyConsortium.BatchState.None, IN_PENDING);
        consortium.reject(unknown, "");
        vm.stopPrank();
    }

    function test_a_vote_is_final() external {
        vm.startPrank(operators[1]);
        consortium.confirm(batchId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchAlreadyVoted.selector, batchId, operators[1], 1, true
            )
        );
        consortium.confirm(batchId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchAlreadyVoted.selector, batchId, operators[1], 1, true
            )
        );
        consortium.reject(batchId, "");
        vm.stopPrank();
    }

    function test_threat_a_seat_that_rejected_cannot_confirm() external {
        vm.startPrank(operators[1]);
        consortium.reject(batchId, "");
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchAlreadyVoted.selector, batchId, operators[1], 1, false
            )
        );
        consortium.confirm(batchId);
        vm.stopPrank();
    }

    function test_threat_the_vote_of_a_removed_operator_does_not_count() external {
        _confirm(batchId, 2);
        _add("newcomer");
        _remove(0);
        vm.prank(operators[2]);
        consortium.confirm(batchId);
        _assertPending();
        vm.prank(operators[3]);
        consortium.confirm(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_threat_the_vote_of_a_rotated_key_does_not_count() external {
        _confirm(batchId, 2);
        address newKey = makeAddr("new key");
        vm.prank(authority);
        consortium.rotateOperator(operators[0], newKey);
        vm.prank(operators[2]);
        consortium.confirm(batchId);
        _assertPending();
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.OperatorUnknown.selector, operators[0])
        );
        vm.prank(operators[0]);
        consortium.confirm(batchId);
        vm.prank(newKey);
        consortium.confirm(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_threat_an_operator_admitted_again_does_not_revive_its_vote() external {
        _confirm(batchId, 2);
        vm.startPrank(authority);
        consortium.removeOperator(operators[0]);
        assertEq(consortium.addOperator(operators[0]), 4);
        vm.stopPrank();
        vm.prank(operators[2]);
        consortium.confirm(batchId);
        _assertPending();
        vm.prank(operators[0]);
        consortium.confirm(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
        assertEq(consortium.batch(batchId).confirmations, 23);
    }

    function test_threat_a_seat_given_again_carries_no_vote_into_a_pending_batch() external {
        // The longest-lived batch there can be, voted on by a seat that is vacated at once.
        deadline = uint40(NOW + 1 days);
        Trade[] memory late = _one(_trade(3));
        bytes32 lateId = _submit(late);
        _confirm(lateId, 1);
        _remove(0);
        vm.warp(NOW + 1 days + 1);
        address newcomer = _add("newcomer");
        assertEq(consortium.seatOf(newcomer), 0);
        _assertState(lateId, IEnergyConsortium.BatchState.Expired);
    }

    function test_INV3_confirm_counts_the_quorum_in_force() external {
        _setQuorum(4);
        _confirm(batchId, 3);
        _assertPending();
        _setQuorum(2);
        _assertPending();
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchConfirmed(batchId);
        vm.prank(operators[3]);
        consortium.reject(batchId, "");
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_threat_a_quorum_raised_while_a_batch_is_pending_has_to_be_met() external {
        _confirm(batchId, 2);
        _setQuorum(4);
        vm.prank(operators[2]);
        consortium.confirm(batchId);
        _assertPending();
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.BatchUndecided.selector, batchId, 3, 4, 4)
        );
        consortium.finalize(batchId);
        vm.prank(operators[3]);
        consortium.confirm(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_threat_a_quorum_lowered_while_a_batch_is_pending_leaves_it_not_stuck() external {
        _confirm(batchId, 2);
        _setQuorum(1);
        // No vote comes any more; two are more than enough, and anyone may have them counted.
        vm.prank(stranger);
        consortium.finalize(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
        _settle(trades);
    }

    /// @dev A plain count, seat by seat, beside the contract's bitmaps.
    function testFuzz_INV3_a_batch_is_decided_as_a_plain_count_says(uint256 steps) external {
        for (uint256 i = 4; i < 8; ++i) {
            operators.push(_add(string.concat("operator ", vm.toString(i))));
        }
        _setQuorum(5);
        // By seat: 0 no vote, 1 confirmed, 2 rejected, 3 removed.
        uint8[8] memory seats;
        for (uint256 i = 0; i < 32; ++i) {
            uint256 who = (steps >> (8 * i)) % 8;
            uint256 what = (steps >> (8 * i + 3)) % 16;
            if (what < 8 && seats[who] == 0) {
                vm.prank(operators[who]);
                if (what < 5) consortium.confirm(batchId);
                else consortium.reject(batchId, "");
                seats[who] = what < 5 ? 1 : 2;
            } else if (what < 10 && seats[who] != 3) {
                if (consortium.operatorCount() == consortium.quorum()) continue;
                _remove(who);
                seats[who] = 3;
            } else if (what == 10) {
                _setQuorum(uint8(1 + who % consortium.operatorCount()));
            } else {
                continue;
            }
            if (_finalizedAsCounted(seats)) return;
        }
    }

    /// @return decided Whether the batch was confirmed or rejected, by the vote or by `finalize`.
    function _finalizedAsCounted(uint8[8] memory seats) private returns (bool decided) {
        uint256 confirmed = 0;
        uint256 possible = 0;
        for (uint256 i = 0; i < 8; ++i) {
            if (seats[i] == 1) ++confirmed;
            if (seats[i] < 2) ++possible;
        }
        uint8 quorum = consortium.quorum();
        decided = confirmed >= quorum || possible < quorum;
        if (!decided) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IEnergyConsortium.BatchUndecided.selector, batchId, confirmed, possible, quorum
                )
            );
            consortium.finalize(batchId);
            return false;
        }
        if (consortium.stateOf(batchId) == IEnergyConsortium.BatchState.Pending) {
            consortium.finalize(batchId);
        }
        _assertState(
            batchId,
            confirmed >= quorum
                ? IEnergyConsortium.BatchState.Confirmed
                : IEnergyConsortium.BatchState.Rejected
        );
    }
}

contract RejectTest is PendingBatch {
    function testFuzz_reject_records_a_vote_and_its_reason(string calldata reason)
        external
        leaves(GOVERNANCE | PARTIES | BYSTANDERS | TOKENS)
    {
        vm.assume(bytes(reason).length <= 256);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRejectedBy(batchId, operators[3], 3, reason);
        vm.prank(operators[3]);
        consortium.reject(batchId, reason);
        IEnergyConsortium.Batch memory found = consortium.batch(batchId);
        assertEq(uint8(found.state), uint8(IEnergyConsortium.BatchState.Pending));
        assertEq(found.confirmations, 0);
        assertEq(found.rejections, 8);
    }

    function test_the_vote_that_puts_the_quorum_out_of_reach_rejects_the_batch()
        external
        leaves(GOVERNANCE | PARTIES | BYSTANDERS | TOKENS)
    {
        _confirm(batchId, 2);
        _reject(batchId, 1);
        _assertPending();
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRejectedBy(batchId, operators[2], 2, "price");
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRejected(batchId);
        vm.prank(operators[2]);
        consortium.reject(batchId, "price");
        _assertState(batchId, IEnergyConsortium.BatchState.Rejected);
    }

    function test_a_rejected_batch_takes_no_more_votes() external {
        _reject(batchId, 2);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Rejected, IN_PENDING);
        vm.prank(operators[0]);
        consortium.confirm(batchId);
    }

    function test_reject_takes_a_reason_of_256_bytes_and_no_longer() external {
        vm.startPrank(operators[0]);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.BatchReasonTooLong.selector, 257, 256)
        );
        consortium.reject(batchId, string(new bytes(257)));
        consortium.reject(batchId, string(new bytes(256)));
        vm.stopPrank();
    }

    function test_reject_reverts_after_the_deadline() external {
        vm.warp(uint256(deadline) + 1);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Expired, IN_PENDING);
        vm.prank(operators[0]);
        consortium.reject(batchId, "");
    }

    function test_the_rejection_of_a_removed_operator_does_not_count() external {
        _add("newcomer");
        _reject(batchId, 1);
        _remove(3);
        vm.prank(operators[2]);
        consortium.reject(batchId, "");
        _assertPending();
    }

    function test_a_confirmation_can_reject_when_the_quorum_was_raised() external {
        _reject(batchId, 1);
        _setQuorum(4);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRejected(batchId);
        vm.prank(operators[0]);
        consortium.confirm(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Rejected);
    }
}

contract FinalizeTest is PendingBatch {
    function test_finalize_confirms_when_the_quorum_was_lowered()
        external
        leaves(PARTIES | BYSTANDERS | TOKENS)
    {
        _confirm(batchId, 2);
        _setQuorum(2);
        _assertPending();
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchConfirmed(batchId);
        vm.prank(stranger);
        consortium.finalize(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_finalize_rejects_when_the_quorum_was_raised() external {
        _reject(batchId, 1);
        _setQuorum(4);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRejected(batchId);
        consortium.finalize(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Rejected);
    }

    function test_finalize_rejects_when_seats_were_removed() external {
        _reject(batchId, 1);
        _remove(0);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRejected(batchId);
        consortium.finalize(batchId);
    }

    function test_finalize_reverts_while_undecided() external leaves(EVERYTHING) {
        _confirm(batchId, 2);
        _reject(batchId, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.BatchUndecided.selector, batchId, 2, 3, 3)
        );
        consortium.finalize(batchId);
        _assertPending();
    }

    function test_finalize_reverts_after_the_deadline() external {
        _confirm(batchId, 2);
        _setQuorum(2);
        vm.warp(uint256(deadline) + 1);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Expired, IN_PENDING);
        consortium.finalize(batchId);
    }

    function testFuzz_finalize_reverts_for_a_batch_that_does_not_exist(bytes32 unknown) external {
        vm.assume(unknown != batchId && unknown != bystanderBatch);
        _expectUnexpectedState(unknown, IEnergyConsortium.BatchState.None, IN_PENDING);
        consortium.finalize(unknown);
    }

    function test_threat_a_removed_vote_cannot_be_finalized_into_a_confirmation() external {
        _confirm(batchId, 2);
        _remove(0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.BatchUndecided.selector, batchId, 1, 3, 3)
        );
        consortium.finalize(batchId);
        _setQuorum(2);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.BatchUndecided.selector, batchId, 1, 3, 2)
        );
        consortium.finalize(batchId);
    }
}

contract CancelTest is PendingBatch {
    function test_cancel_by_its_submitter()
        external
        leaves(GOVERNANCE | PARTIES | BYSTANDERS | TOKENS)
    {
        _confirm(batchId, 2);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchCancelled(batchId);
        _cancel(batchId, trades);
        _assertState(batchId, IEnergyConsortium.BatchState.Cancelled);
        assertEq(consortium.batch(batchId).confirmations, 3);
    }

    function testFuzz_cancel_reverts_for_anyone_but_its_submitter(address caller)
        external
        leaves(EVERYTHING)
    {
        vm.assume(caller != aggregator);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchSubmitterOnly.selector, batchId, caller, _hash(trades)
            )
        );
        vm.prank(caller);
        consortium.cancel(batchId, _hash(trades));
        _assertPending();
    }

    function testFuzz_cancel_reverts_with_another_hash(bytes32 other) external {
        vm.assume(other != _hash(trades));
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchSubmitterOnly.selector, batchId, aggregator, other
            )
        );
        vm.prank(aggregator);
        consortium.cancel(batchId, other);
    }

    function test_cancel_reverts_once_confirmed() external {
        _confirm(batchId, QUORUM);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Confirmed, IN_PENDING);
        _cancel(batchId, trades);
    }

    function test_cancel_reverts_after_the_deadline() external {
        vm.warp(uint256(deadline) + 1);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Expired, IN_PENDING);
        _cancel(batchId, trades);
    }
}
