// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {
    CONFIRMATION_TYPEHASH,
    DOMAIN_NAME,
    DOMAIN_VERSION,
    ENROLLMENT_TYPEHASH,
    MANDATE_CHANGE_TYPEHASH,
    MANDATE_REVOCATION_TYPEHASH,
    MANDATE_TYPEHASH,
    WITHDRAWAL_TYPEHASH
} from "../src/SignedTypes.sol";
import {Trade} from "../src/Trade.sol";
import {PendingBatch} from "./Votes.t.sol";
import {Setup} from "./support/Setup.sol";

/// @dev `eip712.json`, from which Python signs, against the constants with which Solidity checks.
contract SignedTypesTest is Setup {
    string private _json;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile("eip712.json");
    }

    function test_each_type_hash_is_that_of_the_file() external view {
        string memory mandate = _encoded("Mandate");
        assertEq(CONFIRMATION_TYPEHASH, _hashed(_encoded("Confirmation")));
        assertEq(MANDATE_TYPEHASH, _hashed(mandate));
        assertEq(ENROLLMENT_TYPEHASH, _hashed(string.concat(_encoded("Enrollment"), mandate)));
        assertEq(
            MANDATE_CHANGE_TYPEHASH, _hashed(string.concat(_encoded("MandateChange"), mandate))
        );
        assertEq(MANDATE_REVOCATION_TYPEHASH, _hashed(_encoded("MandateRevocation")));
        assertEq(WITHDRAWAL_TYPEHASH, _hashed(_encoded("Withdrawal")));
        assertEq(vm.parseJsonKeys(_json, ".types").length, 6);
    }

    function test_the_domain_is_that_of_the_file_and_of_the_contract() external view {
        assertEq(DOMAIN_NAME, vm.parseJsonString(_json, ".domain.name"));
        assertEq(DOMAIN_VERSION, vm.parseJsonString(_json, ".domain.version"));
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifier,
            bytes32 salt,
            uint256[] memory extensions
        ) = IERC5267(address(consortium)).eip712Domain();
        assertEq(fields, bytes1(0x0f));
        assertEq(name, DOMAIN_NAME);
        assertEq(version, DOMAIN_VERSION);
        assertEq(chainId, block.chainid);
        assertEq(verifier, address(consortium));
        assertEq(salt, 0);
        assertEq(extensions.length, 0);
    }

    function _encoded(string memory name) private view returns (string memory text) {
        text = string.concat(name, "(");
        for (uint256 i = 0;; ++i) {
            string memory path = string.concat(".types.", name, "[", vm.toString(i), "]");
            if (!vm.keyExistsJson(_json, path)) return string.concat(text, ")");
            text = string.concat(
                text,
                i == 0 ? "" : ",",
                vm.parseJsonString(_json, string.concat(path, ".type")),
                " ",
                vm.parseJsonString(_json, string.concat(path, ".name"))
            );
        }
    }

    function _hashed(string memory text) private pure returns (bytes32) {
        return keccak256(bytes(text));
    }
}

contract ConfirmWithSignaturesTest is PendingBatch {
    uint256 private constant ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function test_a_bundle_at_the_quorum_confirms_the_batch()
        external
        leaves(GOVERNANCE | PARTIES | BYSTANDERS | TOKENS)
    {
        address[] memory signers = _first(QUORUM);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(signers, batchId);
        for (uint256 i = 0; i < QUORUM; ++i) {
            vm.expectEmit(address(consortium));
            emit IEnergyConsortium.BatchConfirmedBy(
                batchId, signers[i], consortium.seatOf(signers[i])
            );
        }
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchConfirmed(batchId);
        vm.prank(stranger);
        consortium.confirmWithSignatures(batchId, bundle);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
        assertEq(consortium.batch(batchId).confirmations, 7);
    }

    function test_a_bundle_below_the_quorum_records_its_votes()
        external
        leaves(GOVERNANCE | PARTIES | BYSTANDERS | TOKENS)
    {
        consortium.confirmWithSignatures(batchId, _bundle(batchId, 2));
        _assertPending();
        IEnergyConsortium.Batch memory found = consortium.batch(batchId);
        assertEq(found.confirmations, 3);
        assertEq(found.rejections, 0);
        assertEq(found.size, 2);
        assertEq(found.deadline, deadline);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchAlreadyVoted.selector, batchId, operators[1], 1, true
            )
        );
        vm.prank(operators[1]);
        consortium.reject(batchId, "");
        vm.prank(operators[2]);
        consortium.confirm(batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_signatures_and_direct_votes_end_in_the_same_state() external {
        uint256 before = vm.snapshotState();
        consortium.confirmWithSignatures(batchId, _bundle(batchId, QUORUM));
        bytes32 bundled = keccak256(abi.encode(consortium.batch(batchId)));
        vm.revertToState(before);
        _confirm(batchId, QUORUM);
        assertEq(keccak256(abi.encode(consortium.batch(batchId))), bundled);
    }

    function test_a_bundle_counts_until_the_last_second_of_the_deadline() external {
        vm.warp(deadline);
        consortium.confirmWithSignatures(batchId, _bundle(batchId, QUORUM));
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_a_bundle_counts_while_paused() external {
        vm.prank(authority);
        consortium.pause();
        consortium.confirmWithSignatures(batchId, _bundle(batchId, QUORUM));
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_threat_a_vote_cast_directly_first_does_not_make_a_bundle_fail() external {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        vm.prank(operators[1]);
        consortium.confirm(batchId);
        vm.recordLogs();
        consortium.confirmWithSignatures(batchId, bundle);
        // The two new votes and the decision.
        assertEq(vm.getRecordedLogs().length, 3);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_threat_part_of_a_bundle_sent_first_does_not_make_it_fail() external {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        vm.prank(stranger);
        consortium.confirmWithSignatures(batchId, _bundle(batchId, 2));
        consortium.confirmWithSignatures(batchId, bundle);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_threat_the_signature_of_a_seat_that_rejected_does_not_count() external {
        vm.prank(operators[0]);
        consortium.reject(batchId, "energy");
        consortium.confirmWithSignatures(batchId, _bundle(batchId, QUORUM));
        _assertPending();
        assertEq(consortium.batch(batchId).confirmations, 6);
        assertEq(consortium.batch(batchId).rejections, 1);
    }

    function test_threat_a_seat_that_rejects_does_not_make_a_bundle_fail() external {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 4);
        vm.prank(operators[3]);
        consortium.reject(batchId, "energy");
        consortium.confirmWithSignatures(batchId, bundle);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
    }

    function test_a_bundle_of_seats_that_have_voted_changes_nothing() external leaves(EVERYTHING) {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 2);
        consortium.confirmWithSignatures(batchId, bundle);
        bytes32 before = keccak256(abi.encode(consortium.batch(batchId)));
        vm.recordLogs();
        consortium.confirmWithSignatures(batchId, bundle);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(keccak256(abi.encode(consortium.batch(batchId))), before);
    }

    function test_a_bundle_can_reject_when_the_quorum_was_raised() external {
        _reject(batchId, 1);
        _setQuorum(4);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchRejected(batchId);
        consortium.confirmWithSignatures(batchId, _bundle(batchId, 1));
        _assertState(batchId, IEnergyConsortium.BatchState.Rejected);
    }

    function test_the_largest_consortium_signs_one_bundle() external {
        for (uint256 i = 4; i < 96; ++i) {
            address newcomer = _signer(string.concat("operator ", vm.toString(i)));
            operators.push(newcomer);
            vm.prank(authority);
            consortium.addOperator(newcomer);
        }
        _setQuorum(96);
        consortium.confirmWithSignatures(batchId, _bundle(batchId, 95));
        _assertPending();
        consortium.confirmWithSignatures(batchId, _bundle(batchId, 96));
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
        assertEq(consortium.batch(batchId).confirmations, type(uint96).max);
    }

    /// @dev Any operators in favour, against and in the bundle.
    function testFuzz_INV3_a_bundle_is_decided_as_a_plain_count_says(
        uint8 signing,
        uint8 confirmed,
        uint8 rejected,
        uint8 quorum
    ) external {
        _setQuorum(uint8(bound(quorum, 1, 4)));
        uint256 inFavour = 0;
        uint256 against = 0;
        address[] memory signers = new address[](4);
        uint256 count = 0;
        for (uint256 i = 0; i < 4; ++i) {
            bool signs = (signing >> i) & 1 == 1;
            if (signs) signers[count++] = operators[i];
            bool votes = consortium.stateOf(batchId) == IEnergyConsortium.BatchState.Pending;
            if (votes && (rejected >> i) & 1 == 1) {
                vm.prank(operators[i]);
                consortium.reject(batchId, "");
                ++against;
            } else if (votes && (confirmed >> i) & 1 == 1) {
                vm.prank(operators[i]);
                consortium.confirm(batchId);
                ++inFavour;
            } else if (signs) {
                ++inFavour;
            }
        }
        vm.assume(count > 0);
        vm.assume(consortium.stateOf(batchId) == IEnergyConsortium.BatchState.Pending);
        assembly ("memory-safe") {
            mstore(signers, count)
        }
        consortium.confirmWithSignatures(batchId, _bundle(signers, batchId));
        IEnergyConsortium.BatchState expected = inFavour >= consortium.quorum()
            ? IEnergyConsortium.BatchState.Confirmed
            : 4 - against < consortium.quorum()
                ? IEnergyConsortium.BatchState.Rejected
                : IEnergyConsortium.BatchState.Pending;
        _assertState(batchId, expected);
    }

    // -------------------------------------------------------------------------------- refusals

    function test_an_empty_bundle_is_refused() external leaves(EVERYTHING) {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.ConfirmationsMissing.selector, batchId)
        );
        consortium.confirmWithSignatures(batchId, new IEnergyConsortium.SeatSignature[](0));
    }

    function test_threat_unsorted_signers_are_refused() external leaves(EVERYTHING) {
        address[] memory signers = _first(QUORUM);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(signers, batchId);
        (bundle[1], bundle[2]) = (bundle[2], bundle[1]);
        _expectUnsorted(2, bundle[2].seat, signers[1], signers[2]);
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_a_repeated_signer_is_refused() external leaves(EVERYTHING) {
        address[] memory signers = _first(QUORUM);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(signers, batchId);
        bundle[1] = bundle[0];
        _expectUnsorted(1, bundle[1].seat, signers[0], signers[0]);
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_one_signer_is_not_counted_for_two_seats() external leaves(EVERYTHING) {
        // Two valid signatures of one key, the second over the seat of another operator.
        IEnergyConsortium.SeatSignature[] memory bundle = new IEnergyConsortium.SeatSignature[](1);
        bundle[0] = _sign(operators[0], 1, _typed(_confirmation(batchId, 1)));
        _expectInvalid(0, 1, operators[0], operators[1]);
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function testFuzz_threat_a_zero_signer_is_refused(uint8 seat, bytes32 vs)
        external
        leaves(EVERYTHING)
    {
        // No point of the curve has r = 0. Seats without an operator are held by the zero address.
        IEnergyConsortium.SeatSignature[] memory bundle = new IEnergyConsortium.SeatSignature[](1);
        bundle[0] = IEnergyConsortium.SeatSignature({seat: seat, r: 0, vs: vs});
        _expectUnsorted(0, seat, address(0), address(0));
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_a_malleable_signature_is_refused() external leaves(EVERYTHING) {
        bytes32 content = _typed(_confirmation(batchId, 0));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[operators[0]], content);
        bytes32 other = bytes32(ORDER - uint256(s));
        assertEq(ecrecover(content, v == 27 ? 28 : 27, r, other), operators[0]);
        IEnergyConsortium.SeatSignature[] memory bundle = new IEnergyConsortium.SeatSignature[](1);
        // With the parity in its highest bit the larger s takes 256 bits: it is cut or refused.
        bundle[0] = IEnergyConsortium.SeatSignature({
            seat: 0, r: r, vs: bytes32(uint256(other) | (v == 27 ? uint256(1) << 255 : 0))
        });
        vm.expectRevert();
        consortium.confirmWithSignatures(batchId, bundle);
    }

    /// @dev The larger s that still fits 255 bits: nothing is cut, only the bound on s refuses it.
    function test_threat_a_signature_with_the_larger_s_is_refused() external leaves(EVERYTHING) {
        IEnergyConsortium.SeatSignature[] memory bundle = new IEnergyConsortium.SeatSignature[](1);
        bundle[0] = IEnergyConsortium.SeatSignature({
            seat: 0,
            r: bytes32(
                uint256(0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798)
            ),
            vs: bytes32(ORDER / 2 + 1)
        });
        _expectUnsorted(0, 0, address(0), address(0));
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function testFuzz_a_signature_for_another_seat_is_refused(uint8 seat)
        external
        leaves(EVERYTHING)
    {
        vm.assume(seat != 0);
        IEnergyConsortium.SeatSignature[] memory bundle = new IEnergyConsortium.SeatSignature[](1);
        bundle[0] = _sign(operators[0], seat, _typed(_confirmation(batchId, seat)));
        _expectInvalid(0, seat, operators[0], seat < 4 ? operators[seat] : address(0));
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_a_signature_is_not_replayed_on_another_seat()
        external
        leaves(EVERYTHING)
    {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 1);
        bundle[0].seat = 1;
        _expectForeign(bundle, _typed(_confirmation(batchId, 1)), operators[1]);
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_a_signature_is_not_replayed_on_another_batch()
        external
        leaves(EVERYTHING)
    {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 1);
        _expectForeign(bundle, _typed(_confirmation(bystanderBatch, 0)), operators[0]);
        consortium.confirmWithSignatures(bystanderBatch, bundle);
    }

    function test_threat_a_signature_is_not_replayed_on_another_chain()
        external
        leaves(EVERYTHING)
    {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 1);
        // A fork: the same contract and batch, under another chain id.
        vm.chainId(block.chainid + 1);
        _expectForeign(bundle, _typed(_confirmation(batchId, 0)), operators[0]);
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_a_signature_is_not_replayed_on_another_contract()
        external
        leaves(EVERYTHING)
    {
        address other = address(_deploy(address(euro), operators, QUORUM));
        IEnergyConsortium.SeatSignature[] memory bundle = new IEnergyConsortium.SeatSignature[](1);
        bundle[0] = _sign(operators[0], 0, _typed(block.chainid, other, _confirmation(batchId, 0)));
        _expectForeign(bundle, _typed(_confirmation(batchId, 0)), operators[0]);
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_the_signature_of_a_removed_operator_is_refused() external {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 1);
        _remove(0);
        _expectInvalid(0, 0, operators[0], address(0));
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_the_signature_of_a_rotated_key_is_refused() external {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 1);
        vm.prank(authority);
        consortium.rotateOperator(operators[0], stranger);
        _expectInvalid(0, 0, operators[0], address(0));
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function test_threat_an_old_signature_does_not_revive_with_its_operator() external {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 1);
        _remove(0);
        vm.prank(authority);
        assertEq(consortium.addOperator(operators[0]), 4);
        _expectInvalid(0, 0, operators[0], address(0));
        consortium.confirmWithSignatures(batchId, bundle);
    }

    /// @dev A signature on a batch that is submitted only days later.
    function test_threat_an_early_signature_does_not_revive_with_its_operator() external {
        deadline = uint40(NOW + 3 days);
        Trade[] memory later = _one(_trade(3));
        bytes32 laterId = consortium.batchIdOf(aggregator, deadline, later);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(laterId, 1);
        _remove(0);
        vm.warp(NOW + 2 days + 1);
        vm.prank(authority);
        consortium.addOperator(operators[0]);
        _submit(later);
        _expectInvalid(0, 0, operators[0], address(0));
        consortium.confirmWithSignatures(laterId, bundle);
    }

    function test_a_faulty_signature_records_none_of_its_bundle() external leaves(EVERYTHING) {
        address[] memory signers = _first(QUORUM);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(signers, batchId);
        bundle[2].vs = 0;
        _expectUnsorted(2, bundle[2].seat, address(0), signers[1]);
        consortium.confirmWithSignatures(batchId, bundle);
        assertEq(consortium.batch(batchId).confirmations, 0);
    }

    function testFuzz_a_stranger_confirms_nothing(uint256 key, uint8 seat)
        external
        leaves(EVERYTHING)
    {
        address signer = vm.addr(key = bound(key, 1, ORDER - 1));
        vm.assume(!consortium.isOperator(signer));
        keys[signer] = key;
        IEnergyConsortium.SeatSignature[] memory bundle = new IEnergyConsortium.SeatSignature[](1);
        bundle[0] = _sign(signer, seat, _typed(_confirmation(batchId, seat)));
        _expectInvalid(0, seat, signer, seat < 4 ? operators[seat] : address(0));
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function testFuzz_garbage_confirms_nothing(
        bytes32 id,
        IEnergyConsortium.SeatSignature[] calldata bundle
    ) external leaves(EVERYTHING) {
        vm.expectRevert();
        consortium.confirmWithSignatures(id, bundle);
    }

    function test_a_bundle_is_refused_in_every_other_state() external {
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        bytes32 unknown = keccak256("unknown");
        _expectUnexpectedState(unknown, IEnergyConsortium.BatchState.None, IN_PENDING);
        consortium.confirmWithSignatures(unknown, bundle);

        uint256 before = vm.snapshotState();
        consortium.confirmWithSignatures(batchId, bundle);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Confirmed, IN_PENDING);
        consortium.confirmWithSignatures(batchId, bundle);
        _settle(trades);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Settled, IN_PENDING);
        consortium.confirmWithSignatures(batchId, bundle);
        vm.revertToState(before);

        before = vm.snapshotState();
        _reject(batchId, 2);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Rejected, IN_PENDING);
        consortium.confirmWithSignatures(batchId, bundle);
        vm.revertToState(before);

        before = vm.snapshotState();
        _cancel(batchId, trades);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Cancelled, IN_PENDING);
        consortium.confirmWithSignatures(batchId, bundle);
        vm.revertToState(before);

        vm.warp(uint256(deadline) + 1);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Expired, IN_PENDING);
        consortium.confirmWithSignatures(batchId, bundle);
        _refund(trades);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Refunded, IN_PENDING);
        consortium.confirmWithSignatures(batchId, bundle);
    }

    function _expectUnsorted(uint256 position, uint8 seat, address signer, address previous)
        private
    {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.ConfirmationsUnsorted.selector, position, seat, signer, previous
            )
        );
    }

    function _expectInvalid(uint256 position, uint8 seat, address signer, address holder) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.ConfirmationSignerInvalid.selector,
                position,
                seat,
                signer,
                holder
            )
        );
    }

    /// @dev Over other content than it was made for, a signature names an address nobody knows.
    function _expectForeign(
        IEnergyConsortium.SeatSignature[] memory bundle,
        bytes32 content,
        address holder
    ) private {
        address signer = ecrecover(
            content,
            27 + uint8(uint256(bundle[0].vs) >> 255),
            bundle[0].r,
            bytes32((uint256(bundle[0].vs) << 1) >> 1)
        );
        assertFalse(consortium.isOperator(signer));
        _expectInvalid(0, bundle[0].seat, signer, holder);
    }
}

contract SubmitWithSignaturesTest is Setup {
    function test_a_batch_is_submitted_and_confirmed_at_once()
        external
        leaves(GOVERNANCE | BYSTANDERS | TOKENS)
    {
        Trade[] memory trades = _two(_trade(1), _trade(2));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        address[] memory signers = _first(QUORUM);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(signers, batchId);
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (Trade.unwrap(trades[0]), Trade.unwrap(trades[1]));

        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchSubmitted(batchId, aggregator, deadline, 2 * COST, words);
        for (uint256 i = 0; i < QUORUM; ++i) {
            vm.expectEmit(address(consortium));
            emit IEnergyConsortium.BatchConfirmedBy(
                batchId, signers[i], consortium.seatOf(signers[i])
            );
        }
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.BatchConfirmed(batchId);
        vm.prank(aggregator);
        assertEq(consortium.submitWithSignatures(trades, deadline, bundle), batchId);
        _assertState(batchId, IEnergyConsortium.BatchState.Confirmed);
        _assertBalances(buyer, FUNDS - 2 * COST, 2 * COST);
        _settle(trades);
        _assertBalances(buyer, FUNDS - 2 * COST, 0);
    }

    function test_it_ends_in_the_same_state_as_submit_and_direct_votes() external {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        uint256 before = vm.snapshotState();
        _submitSigned(trades, _bundle(batchId, QUORUM));
        bytes32 once = keccak256(abi.encode(consortium.batch(batchId), _digest(EVERYTHING)));
        vm.revertToState(before);
        _confirm(_submit(trades), QUORUM);
        assertEq(keccak256(abi.encode(consortium.batch(batchId), _digest(EVERYTHING))), once);
    }

    function test_below_the_quorum_the_batch_stays_pending() external {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        _submitSigned(trades, _bundle(batchId, 2));
        _assertState(batchId, IEnergyConsortium.BatchState.Pending);
        assertEq(consortium.batch(batchId).confirmations, 3);
        _reject(batchId, 2);
        _assertState(batchId, IEnergyConsortium.BatchState.Rejected);
        _refund(trades);
        _assertBalances(buyer, FUNDS, 0);
    }

    function test_it_reverts_while_paused() external {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        vm.prank(authority);
        consortium.pause();
        vm.expectRevert(IEnergyConsortium.ConsortiumPaused.selector);
        _submitSigned(trades, bundle);
    }

    function test_a_faulty_trade_is_refused_with_its_position() external leaves(EVERYTHING) {
        Trade[] memory trades = _two(_trade(1), _trade(2, 0, BUYER_PRICE, SELLER_PRICE));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.TradeEnergyZero.selector, 1));
        _submitSigned(trades, bundle);
    }

    function test_an_empty_bundle_submits_nothing() external leaves(EVERYTHING) {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.ConfirmationsMissing.selector, batchId)
        );
        _submitSigned(trades, new IEnergyConsortium.SeatSignature[](0));
        _assertState(batchId, IEnergyConsortium.BatchState.None);
    }

    function test_a_faulty_signature_submits_nothing() external leaves(EVERYTHING) {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        bundle[0].r = 0;
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.ConfirmationsUnsorted.selector,
                0,
                bundle[0].seat,
                address(0),
                address(0)
            )
        );
        _submitSigned(trades, bundle);
        _assertState(batchId, IEnergyConsortium.BatchState.None);
    }

    function test_it_reverts_when_the_batch_exists() external {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = _submit(trades);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        _expectUnexpectedState(batchId, IEnergyConsortium.BatchState.Pending, IN_NONE);
        _submitSigned(trades, bundle);
    }

    function test_threat_signatures_do_not_confirm_the_copy_of_another_submitter()
        external
        leaves(EVERYTHING)
    {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, 1);
        // The buyer may submit this trade itself; what was signed is the aggregator's batch.
        vm.expectPartialRevert(IEnergyConsortium.ConfirmationSignerInvalid.selector);
        vm.prank(buyerOwner);
        consortium.submitWithSignatures(trades, deadline, bundle);
    }

    function testFuzz_a_stranger_submits_nothing(address caller) external leaves(EVERYTHING) {
        vm.assume(caller != aggregator && caller != buyerOwner);
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = consortium.batchIdOf(caller, deadline, trades);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeSubmitterNotAllowed.selector, 0, buyer, caller
            )
        );
        vm.prank(caller);
        consortium.submitWithSignatures(trades, deadline, bundle);
    }

    function _submitSigned(Trade[] memory trades, IEnergyConsortium.SeatSignature[] memory bundle)
        private
    {
        vm.prank(aggregator);
        consortium.submitWithSignatures(trades, deadline, bundle);
    }
}
