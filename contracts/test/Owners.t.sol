// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Setup} from "./support/Setup.sol";
import {ReentrantToken} from "./support/Tokens.sol";
import {Wallet} from "./support/Wallet.sol";

/// @dev What holds for everything an owner can do by signature. A heir says what is signed and what
/// is called; this contract tries it with every signature that must not do.
abstract contract OwnerSignature is Setup {
    bytes internal constant MANDATE_FIELDS =
        "Mandate(uint32 maxBuyPrice,uint32 minSellPrice,uint32 validUntil,address aggregator,bool openToBuyers)";
    uint256 internal constant ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    address internal owner;
    uint32 internal subject;
    uint40 internal usableUntil;
    IEnergyConsortium.Mandate internal limits;

    function setUp() public virtual override {
        super.setUp();
        owner = buyerOwner;
        subject = buyer;
        usableUntil = uint40(NOW + 10 minutes);
        limits = _mandate();
        limits.maxBuyPrice = 300_000;
        limits.minSellPrice = 200_000;
        limits.openToBuyers = false;
    }

    function _content(uint256 nonce) internal view virtual returns (bytes32);

    function _call(bytes memory signature) internal virtual;

    function _expectEvents() internal virtual;

    function _assertDone() internal view virtual;

    // ------------------------------------------------------------------------------------ works

    function test_anyone_may_send_what_the_owner_signed()
        external
        leaves(GOVERNANCE | BYSTANDERS)
    {
        uint256 nonce = consortium.nonces(owner);
        bytes memory signature = _signed(nonce);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.NonceUsed(owner, nonce);
        _expectEvents();
        vm.prank(stranger);
        _call(signature);
        _assertDone();
        assertEq(consortium.nonces(owner), nonce + 1);
        assertEq(consortium.nonces(sellerOwner), 1);
        assertEq(consortium.nonces(stranger), 0);
    }

    function test_a_signature_can_be_used_in_the_last_second_of_its_deadline() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        vm.warp(usableUntil);
        _call(signature);
        _assertDone();
    }

    function test_the_next_nonce_works_after_this_one() external {
        _call(_signed(consortium.nonces(owner)));
        _prepareAgain();
        _call(_signed(consortium.nonces(owner)));
    }

    function test_a_contract_that_owns_an_account_signs_by_accepting() external {
        Wallet wallet = _becomeWallet();
        wallet.accept(_typed(_content(consortium.nonces(owner))), "any bytes");
        _call("any bytes");
        _assertDone();
    }

    // --------------------------------------------------------------------------------- refusals

    function test_threat_an_owners_signature_is_not_used_twice() external {
        uint256 nonce = consortium.nonces(owner);
        bytes memory signature = _signed(nonce);
        _call(signature);
        _prepareAgain();
        bytes32 before = _digest(EVERYTHING);
        _expectInvalid(nonce + 1);
        _call(signature);
        assertEq(_digest(EVERYTHING), before);
        assertEq(consortium.nonces(owner), nonce + 1);
    }

    function testFuzz_a_nonce_out_of_turn_is_refused(uint256 nonce) external leaves(EVERYTHING) {
        uint256 next = consortium.nonces(owner);
        vm.assume(nonce != next);
        bytes memory signature = _signed(nonce);
        _expectInvalid(next);
        _call(signature);
    }

    function test_threat_an_owners_signature_is_not_replayed_on_another_chain()
        external
        leaves(EVERYTHING)
    {
        uint256 nonce = consortium.nonces(owner);
        bytes memory signature = _signed(nonce);
        vm.chainId(block.chainid + 1);
        _expectInvalid(nonce);
        _call(signature);
    }

    function test_threat_an_owners_signature_is_not_replayed_on_another_contract()
        external
        leaves(EVERYTHING)
    {
        address other = address(_deploy(address(euro), operators, QUORUM));
        uint256 nonce = consortium.nonces(owner);
        bytes memory signature = _signedDigest(_typed(block.chainid, other, _content(nonce)));
        _expectInvalid(nonce);
        _call(signature);
    }

    function test_threat_an_owners_malleable_signature_is_refused() external leaves(EVERYTHING) {
        uint256 nonce = consortium.nonces(owner);
        bytes32 content = _typed(_content(nonce));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[owner], content);
        bytes32 other = bytes32(ORDER - uint256(s));
        v = v == 27 ? 28 : 27;
        assertEq(ecrecover(content, v, r, other), owner);
        _expectInvalid(nonce);
        _call(abi.encodePacked(r, other, v));
    }

    function testFuzz_threat_another_keys_signature_is_refused(uint256 key)
        external
        leaves(EVERYTHING)
    {
        key = bound(key, 1, ORDER - 1);
        vm.assume(key != keys[owner]);
        uint256 nonce = consortium.nonces(owner);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _typed(_content(nonce)));
        _expectInvalid(nonce);
        _call(abi.encodePacked(r, s, v));
    }

    function testFuzz_threat_garbage_is_no_signature(bytes calldata garbage)
        external
        leaves(EVERYTHING)
    {
        _expectInvalid(consortium.nonces(owner));
        _call(garbage);
    }

    function testFuzz_threat_a_signature_is_refused_after_its_deadline(uint40 late)
        external
        leaves(GOVERNANCE | PARTIES | TOKENS)
    {
        bytes memory signature = _signed(consortium.nonces(owner));
        vm.warp(bound(late, uint256(usableUntil) + 1, type(uint40).max));
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.SignatureExpired.selector, owner, usableUntil, block.timestamp
            )
        );
        _call(signature);
    }

    function test_threat_the_deadline_is_part_of_what_is_signed() external leaves(EVERYTHING) {
        uint256 nonce = consortium.nonces(owner);
        bytes memory signature = _signed(nonce);
        usableUntil += 1;
        _expectInvalid(nonce);
        _call(signature);
    }

    function test_threat_a_mandate_revoked_in_person_voids_what_was_signed_before() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        uint256 nonce = consortium.nonces(owner);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.NonceUsed(owner, nonce);
        vm.prank(owner);
        consortium.revokeMandate(buyer);
        _expectInvalid(nonce + 1);
        _call(signature);
    }

    function test_threat_a_mandate_set_in_person_voids_what_was_signed_before() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        uint256 nonce = consortium.nonces(owner);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.NonceUsed(owner, nonce);
        vm.prank(owner);
        consortium.setMandate(buyer, limits);
        _expectInvalid(nonce + 1);
        _call(signature);
    }

    function test_a_contract_that_owns_an_account_refuses_in_every_way() external {
        Wallet wallet = _becomeWallet();
        uint256 nonce = consortium.nonces(owner);
        wallet.accept(_typed(_content(nonce)), "any bytes");
        _expectInvalid(nonce);
        _call("other bytes");
        for (uint256 mood = 1; mood < 4; ++mood) {
            wallet.become(Wallet.Mood(mood));
            _expectInvalid(nonce);
            _call("any bytes");
        }
    }

    function test_threat_a_contract_that_owns_an_account_cannot_enter_while_it_is_asked()
        external
    {
        Wallet wallet = _becomeWallet();
        wallet.accept(_typed(_content(consortium.nonces(owner))), "any bytes");
        wallet.enter(
            address(consortium), abi.encodeCall(IEnergyConsortium.register, (bytes32("tag")))
        );
        _expectInvalid(consortium.nonces(owner));
        _call("any bytes");
    }

    // ---------------------------------------------------------------------------------- helpers

    /// @dev What has to be done before the same can be signed and sent once more.
    function _prepareAgain() internal virtual {}

    function _becomeWallet() internal returns (Wallet wallet) {
        wallet = new Wallet();
        owner = address(wallet);
        subject = _register(owner);
        _fund(subject, FUNDS);
        _setMandate(subject, _mandate());
    }

    function _hashOf(IEnergyConsortium.Mandate memory mandate) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(MANDATE_FIELDS), mandate));
    }

    function _signed(uint256 nonce) internal view returns (bytes memory) {
        return _signedDigest(_typed(_content(nonce)));
    }

    function _signedDigest(bytes32 digest) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[owner], digest);
        return abi.encodePacked(r, s, v);
    }

    function _expectInvalid(uint256 nonce) internal {
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.SignatureInvalid.selector, owner, nonce)
        );
    }

    function _expectEventsOfMandate(uint32 account) internal {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.MandateSet(
            account,
            limits.aggregator,
            limits.maxBuyPrice,
            limits.minSellPrice,
            limits.validUntil,
            limits.openToBuyers
        );
    }

    function _assertLimits(uint32 account) internal view {
        assertEq(
            keccak256(abi.encode(consortium.mandateOf(account))), keccak256(abi.encode(limits))
        );
    }
}

contract EnrollTest is OwnerSignature {
    bytes32 private _tag = keccak256("session");

    function setUp() public override {
        super.setUp();
        owner = _signer("newcomer");
        // So that the shared tests may have it revoke a mandate of its own.
        vm.prank(buyerOwner);
        consortium.revokeMandate(buyer);
        buyer = _register(owner);
    }

    function test_enroll_opens_an_account_with_its_mandate() external {
        uint32 before = consortium.accountCount();
        bytes memory signature = _signed(0);
        vm.prank(aggregator);
        uint32 account = consortium.enroll(owner, _tag, limits, usableUntil, signature);
        assertEq(account, before + 1);
        IEnergyConsortium.Account memory found = consortium.account(account);
        assertEq(found.owner, owner);
        assertEq(found.tag, _tag);
        assertEq(found.free, 0);
        assertEq(found.locked, 0);
        assertEq(found.sequence, 0);
        _assertLimits(account);
    }

    function testFuzz_threat_enroll_takes_no_other_values_than_were_signed(
        bytes32 tag,
        IEnergyConsortium.Mandate calldata other
    ) external leaves(EVERYTHING) {
        vm.assume(tag != _tag);
        uint256 nonce = consortium.nonces(owner);
        bytes memory signature = _signed(nonce);
        _expectInvalid(nonce);
        consortium.enroll(owner, tag, limits, usableUntil, signature);
        vm.assume(keccak256(abi.encode(other)) != keccak256(abi.encode(limits)));
        _expectInvalid(nonce);
        consortium.enroll(owner, _tag, other, usableUntil, signature);
    }

    function test_threat_nobody_is_enrolled_as_someone_else() external leaves(EVERYTHING) {
        bytes memory signature = _signed(0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.SignatureInvalid.selector, sellerOwner, 1)
        );
        consortium.enroll(sellerOwner, _tag, limits, usableUntil, signature);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.SignatureInvalid.selector, address(0), 0)
        );
        consortium.enroll(address(0), _tag, limits, usableUntil, new bytes(65));
    }

    function test_enroll_reverts_while_paused() external leaves(PARTIES | BYSTANDERS | TOKENS) {
        bytes memory signature = _signed(0);
        vm.prank(authority);
        consortium.pause();
        vm.expectRevert(IEnergyConsortium.ConsortiumPaused.selector);
        _call(signature);
    }

    function test_enroll_reverts_under_the_conditions_of_setMandate() external leaves(EVERYTHING) {
        limits.validUntil = uint32(NOW - 1);
        bytes memory signature = _signed(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.MandateExpired.selector,
                consortium.accountCount() + 1,
                NOW - 1,
                NOW
            )
        );
        _call(signature);
        limits = _mandate();
        limits.aggregator = stranger;
        signature = _signed(0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AggregatorInvalid.selector, stranger)
        );
        _call(signature);
    }

    function _content(uint256 nonce) internal view override returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    bytes.concat(
                        "Enrollment(address owner,bytes32 tag,Mandate mandate,uint256 nonce,uint40 deadline)",
                        MANDATE_FIELDS
                    )
                ),
                owner,
                _tag,
                _hashOf(limits),
                nonce,
                usableUntil
            )
        );
    }

    function _call(bytes memory signature) internal override {
        consortium.enroll(owner, _tag, limits, usableUntil, signature);
    }

    function _expectEvents() internal override {
        uint32 account = consortium.accountCount() + 1;
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.AccountRegistered(account, owner, _tag);
        _expectEventsOfMandate(account);
    }

    function _assertDone() internal view override {
        uint32 account = consortium.accountCount();
        assertEq(consortium.account(account).owner, owner);
        assertEq(consortium.tagOf(account), _tag);
        _assertLimits(account);
    }
}

contract SetMandateBySignatureTest is OwnerSignature {
    function test_setMandateBySignature_reverts_for_an_account_that_does_not_exist()
        external
        leaves(EVERYTHING)
    {
        subject = 99;
        bytes memory signature = _signed(consortium.nonces(owner));
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AccountUnknown.selector, 99));
        _call(signature);
    }

    function testFuzz_threat_setMandateBySignature_takes_no_other_values_than_were_signed(
        IEnergyConsortium.Mandate calldata other
    ) external leaves(EVERYTHING) {
        vm.assume(keccak256(abi.encode(other)) != keccak256(abi.encode(limits)));
        uint256 nonce = consortium.nonces(owner);
        bytes memory signature = _signed(nonce);
        _expectInvalid(nonce);
        consortium.setMandateBySignature(subject, other, usableUntil, signature);
    }

    function test_threat_setMandateBySignature_is_bound_to_the_account() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        uint256 nonce = consortium.nonces(owner);
        subject = _register(owner);
        _expectInvalid(nonce);
        _call(signature);
    }

    function test_setMandateBySignature_reverts_while_paused() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        vm.prank(authority);
        consortium.pause();
        vm.expectRevert(IEnergyConsortium.ConsortiumPaused.selector);
        _call(signature);
    }

    function test_setMandateBySignature_reverts_under_the_conditions_of_setMandate()
        external
        leaves(EVERYTHING)
    {
        limits.validUntil = uint32(NOW - 1);
        bytes memory signature = _signed(consortium.nonces(owner));
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.MandateExpired.selector, subject, NOW - 1, NOW
            )
        );
        _call(signature);
    }

    function _content(uint256 nonce) internal view override returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    bytes.concat(
                        "MandateChange(uint32 account,Mandate mandate,uint256 nonce,uint40 deadline)",
                        MANDATE_FIELDS
                    )
                ),
                subject,
                _hashOf(limits),
                nonce,
                usableUntil
            )
        );
    }

    function _call(bytes memory signature) internal override {
        consortium.setMandateBySignature(subject, limits, usableUntil, signature);
    }

    function _expectEvents() internal override {
        _expectEventsOfMandate(subject);
    }

    function _assertDone() internal view override {
        _assertLimits(subject);
    }
}

contract RevokeMandateBySignatureTest is OwnerSignature {
    function test_revokeMandateBySignature_works_while_paused() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        vm.prank(authority);
        consortium.pause();
        _call(signature);
        _assertDone();
    }

    function test_revokeMandateBySignature_reverts_for_an_account_that_does_not_exist()
        external
        leaves(EVERYTHING)
    {
        subject = 99;
        bytes memory signature = _signed(consortium.nonces(owner));
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AccountUnknown.selector, 99));
        _call(signature);
    }

    function test_threat_revokeMandateBySignature_is_bound_to_the_account() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        uint256 nonce = consortium.nonces(owner);
        subject = _register(owner);
        _expectInvalid(nonce);
        _call(signature);
    }

    function test_a_revoked_party_takes_part_in_no_later_batch() external {
        _call(_signed(consortium.nonces(owner)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.TradeMandateExpired.selector, 0, buyer, 0, NOW
            )
        );
        _submit(_one(_trade(1)));
    }

    function _content(uint256 nonce) internal view override returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("MandateRevocation(uint32 account,uint256 nonce,uint40 deadline)"),
                subject,
                nonce,
                usableUntil
            )
        );
    }

    function _call(bytes memory signature) internal override {
        consortium.revokeMandateBySignature(subject, usableUntil, signature);
    }

    function _expectEvents() internal override {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.MandateRevoked(subject);
    }

    function _assertDone() internal view override {
        assertEq(consortium.mandateOf(subject).validUntil, 0);
        assertEq(consortium.mandateOf(subject).aggregator, address(0));
        assertEq(_free(subject), FUNDS);
    }
}

contract WithdrawBySignatureTest is OwnerSignature {
    uint64 private _amount = 20_000_000;
    address private _to;

    function setUp() public override {
        super.setUp();
        _to = makeAddr("bank");
    }

    function test_withdrawBySignature_works_while_paused() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        vm.prank(authority);
        consortium.pause();
        _call(signature);
        _assertDone();
    }

    function test_withdrawBySignature_pays_a_lots_spread_out() external {
        lotOwner = _signer("lot's owner");
        vm.prank(aggregator);
        bytes32 batchId = consortium.submit(_one(_trade(1)), deadline);
        _confirm(batchId, QUORUM);
        _settle(_one(_trade(1)));
        (owner, subject, _amount) = (lotOwner, lotAccount, SPREAD);
        bytes memory signature = _signed(0);
        vm.prank(stranger);
        _call(signature);
        assertEq(euro.balanceOf(_to), SPREAD);
        assertEq(_free(lotAccount), 0);
    }

    function test_withdraw_pays_a_lots_spread_out() external {
        bytes32 batchId = _submit(_one(_trade(1)));
        _confirm(batchId, QUORUM);
        _settle(_one(_trade(1)));
        vm.prank(lotOwner);
        consortium.withdraw(lotAccount, SPREAD, lotOwner);
        assertEq(euro.balanceOf(lotOwner), SPREAD);
        assertEq(_free(lotAccount), 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.AccountBalanceTooLow.selector, lotAccount, 0, 1
            )
        );
        vm.prank(lotOwner);
        consortium.withdraw(lotAccount, 1, lotOwner);
    }

    function testFuzz_threat_withdrawBySignature_takes_no_other_values_than_were_signed(
        uint64 amount,
        address to
    ) external leaves(EVERYTHING) {
        vm.assume(amount != _amount && to != _to);
        uint256 nonce = consortium.nonces(owner);
        bytes memory signature = _signed(nonce);
        _expectInvalid(nonce);
        consortium.withdrawBySignature(subject, amount, _to, usableUntil, signature);
        _expectInvalid(nonce);
        consortium.withdrawBySignature(subject, _amount, to, usableUntil, signature);
    }

    function test_threat_withdrawBySignature_is_bound_to_the_account() external {
        bytes memory signature = _signed(consortium.nonces(owner));
        uint256 nonce = consortium.nonces(owner);
        subject = _register(owner);
        _expectInvalid(nonce);
        _call(signature);
    }

    function testFuzz_withdrawBySignature_pays_any_amount_that_is_free(uint64 amount) external {
        _amount = uint64(bound(amount, 1, FUNDS));
        _call(_signed(consortium.nonces(owner)));
        _assertDone();
        assertEq(consortium.trackedDeposits(), 2 * FUNDS - _amount);
    }

    function test_withdrawBySignature_reverts_under_the_conditions_of_withdraw()
        external
        leaves(EVERYTHING)
    {
        uint256 nonce = consortium.nonces(owner);
        address bank = _to;
        for (uint256 i = 0; i < 2; ++i) {
            _to = i == 0 ? address(0) : address(consortium);
            bytes memory signed = _signed(nonce);
            vm.expectRevert(
                abi.encodeWithSelector(IEnergyConsortium.RecipientInvalid.selector, _to)
            );
            _call(signed);
        }
        (_to, _amount) = (bank, 0);
        bytes memory signature = _signed(nonce);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AmountZero.selector, subject));
        _call(signature);
        _amount = FUNDS + 1;
        signature = _signed(nonce);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.AccountBalanceTooLow.selector, subject, FUNDS, FUNDS + 1
            )
        );
        _call(signature);
        subject = 99;
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AccountUnknown.selector, 99));
        _call(signature);
    }

    function test_threat_a_token_cannot_reenter_withdrawBySignature() external {
        ReentrantToken token = new ReentrantToken();
        consortium = _deploy(address(token), operators, QUORUM);
        subject = _register(owner);
        token.mint(address(this), FUNDS);
        token.approve(address(consortium), FUNDS);
        consortium.deposit(subject, FUNDS);
        bytes memory first = _signed(0);
        bytes memory second = _signed(1);
        token.prepare(
            address(consortium),
            abi.encodeCall(
                IEnergyConsortium.withdrawBySignature, (subject, _amount, _to, usableUntil, second)
            )
        );
        _call(first);
        assertTrue(token.entered());
        assertFalse(token.succeeded());
        assertEq(bytes4(token.answer()), bytes4(keccak256("ReentrancyGuardReentrantCall()")));
        assertEq(token.balanceOf(_to), _amount);
    }

    function _content(uint256 nonce) internal view override returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Withdrawal(uint32 account,uint64 amount,address to,uint256 nonce,uint40 deadline)"
                ),
                subject,
                _amount,
                _to,
                nonce,
                usableUntil
            )
        );
    }

    function _call(bytes memory signature) internal override {
        consortium.withdrawBySignature(subject, _amount, _to, usableUntil, signature);
    }

    function _expectEvents() internal override {
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.Withdrawn(subject, _to, _amount);
    }

    function _assertDone() internal view override {
        assertEq(euro.balanceOf(_to), _amount);
        assertEq(_free(subject), FUNDS - _amount);
    }
}
