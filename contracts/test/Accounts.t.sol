// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Trade} from "../src/Trade.sol";
import {IDemoEuro, Setup} from "./support/Setup.sol";
import {
    FalseToken,
    FeeToken,
    GenerousToken,
    OpenToken,
    ReentrantToken,
    SilentToken,
    ThievingToken
} from "./support/Tokens.sol";

contract RegistrationTest is Setup {
    function testFuzz_register_opens_an_account_for_the_caller(address owner, bytes32 tag)
        external
        leaves(EVERYTHING)
    {
        vm.assume(owner != address(0));
        uint32 next = consortium.accountCount() + 1;
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.AccountRegistered(next, owner, tag);
        vm.prank(owner);
        assertEq(consortium.register(tag), next);

        assertEq(consortium.accountCount(), next);
        assertEq(consortium.tagOf(next), tag);
        IEnergyConsortium.Account memory found = consortium.account(next);
        assertEq(found.owner, owner);
        assertEq(found.tag, tag);
        assertEq(found.free, 0);
        assertEq(found.locked, 0);
        assertEq(found.sequence, 0);
        assertEq(abi.encode(found.mandate), new bytes(160));
    }

    function test_an_owner_may_have_several_accounts() external {
        uint32 first = _register(stranger);
        uint32 second = _register(stranger);
        assertEq(second, first + 1);
        assertEq(consortium.account(first).owner, stranger);
        assertEq(consortium.account(second).owner, stranger);
    }

    function test_an_unknown_account_reads_as_zero() external view {
        uint32 unknown = consortium.accountCount() + 1;
        assertEq(abi.encode(consortium.account(unknown)), new bytes(320));
        assertEq(abi.encode(consortium.account(0)), new bytes(320));
        assertEq(abi.encode(consortium.mandateOf(unknown)), new bytes(160));
        assertEq(consortium.tagOf(unknown), 0);
    }

    function test_register_reverts_when_its_numbers_are_used_up() external {
        // Slot 6 holds the counters: deposits 64 | accounts 32 | aggregators 16, from the low end.
        uint256 slot = uint256(vm.load(address(consortium), bytes32(uint256(6))));
        slot |= uint256(type(uint32).max) << 64;
        vm.store(address(consortium), bytes32(uint256(6)), bytes32(slot));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AccountsExhausted.selector, type(uint32).max)
        );
        consortium.register(bytes32(0));
    }
}

contract MandateTest is Setup {
    function testFuzz_setMandate_replaces_the_limits(
        uint32 maxBuyPrice,
        uint32 minSellPrice,
        uint32 validUntil,
        bool named,
        bool open
    ) external leaves(GOVERNANCE | BYSTANDERS | TOKENS) {
        IEnergyConsortium.Mandate memory mandate = IEnergyConsortium.Mandate({
            maxBuyPrice: maxBuyPrice,
            minSellPrice: minSellPrice,
            validUntil: uint32(bound(validUntil, NOW, type(uint32).max)),
            aggregator: named ? aggregator : address(0),
            openToBuyers: open
        });
        IEnergyConsortium.Account memory expected = consortium.account(buyer);
        expected.mandate = mandate;

        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.MandateSet(
            buyer, mandate.aggregator, maxBuyPrice, minSellPrice, mandate.validUntil, open
        );
        vm.prank(buyerOwner);
        consortium.setMandate(buyer, mandate);
        assertEq(abi.encode(consortium.account(buyer)), abi.encode(expected));
        assertEq(abi.encode(consortium.mandateOf(buyer)), abi.encode(mandate));
    }

    function testFuzz_setMandate_reverts_for_anyone_but_the_owner(address caller)
        external
        leaves(EVERYTHING)
    {
        vm.assume(caller != buyerOwner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.AccountOwnerOnly.selector, buyer, caller, buyerOwner
            )
        );
        vm.prank(caller);
        consortium.setMandate(buyer, _mandate());
    }

    function test_setMandate_reverts_when_the_account_is_unknown() external {
        uint32 unknown = consortium.accountCount() + 1;
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AccountUnknown.selector, unknown));
        consortium.setMandate(unknown, _mandate());
    }

    function test_setMandate_reverts_when_already_expired() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.validUntil = uint32(NOW);
        vm.startPrank(buyerOwner);
        consortium.setMandate(buyer, mandate);
        mandate.validUntil = uint32(NOW - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.MandateExpired.selector, buyer, NOW - 1, NOW)
        );
        consortium.setMandate(buyer, mandate);
        vm.stopPrank();
    }

    function test_setMandate_reverts_when_the_aggregator_is_not_admitted() external {
        IEnergyConsortium.Mandate memory mandate = _mandate();
        mandate.aggregator = stranger;
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AggregatorInvalid.selector, stranger)
        );
        vm.prank(buyerOwner);
        consortium.setMandate(buyer, mandate);

        vm.prank(authority);
        consortium.setAggregator(aggregator, false);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.AggregatorInvalid.selector, aggregator)
        );
        vm.prank(buyerOwner);
        consortium.setMandate(buyer, _mandate());
    }

    function test_revokeMandate_clears_the_limits_and_nothing_else()
        external
        leaves(GOVERNANCE | BYSTANDERS | TOKENS)
    {
        _submit(_one(_trade(5)));
        IEnergyConsortium.Account memory expected = consortium.account(buyer);
        delete expected.mandate;
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.MandateRevoked(buyer);
        vm.prank(buyerOwner);
        consortium.revokeMandate(buyer);
        assertEq(abi.encode(consortium.account(buyer)), abi.encode(expected));
    }

    function testFuzz_revokeMandate_reverts_for_anyone_but_the_owner(address caller)
        external
        leaves(EVERYTHING)
    {
        vm.assume(caller != buyerOwner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.AccountOwnerOnly.selector, buyer, caller, buyerOwner
            )
        );
        vm.prank(caller);
        consortium.revokeMandate(buyer);
    }
}

contract DepositTest is Setup {
    function testFuzz_deposit_credits_any_account(uint64 amount)
        external
        leaves(GOVERNANCE | BYSTANDERS)
    {
        amount = uint64(bound(amount, 1, consortium.MAX_DEPOSITS() - 2 * FUNDS));
        euro.mint(stranger, amount);
        vm.startPrank(stranger);
        euro.approve(address(consortium), amount);
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.Deposited(buyer, stranger, amount);
        consortium.deposit(buyer, amount);
        vm.stopPrank();
        _assertBalances(buyer, uint256(FUNDS) + amount, 0);
        assertEq(consortium.trackedDeposits(), 2 * FUNDS + amount);
        assertEq(euro.balanceOf(address(consortium)), 2 * FUNDS + amount);
        assertEq(euro.balanceOf(stranger), 0);
    }

    function test_INV1_deposit_reverts_above_what_the_ledger_can_hold() external {
        uint64 room = consortium.MAX_DEPOSITS() - 2 * FUNDS;
        assertEq(consortium.MAX_DEPOSITS(), 2 ** 56 - 1);
        euro.mint(address(this), uint256(room) + 1);
        euro.approve(address(consortium), uint256(room) + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.DepositTooLarge.selector, 2 * FUNDS, room + 1, 2 ** 56 - 1
            )
        );
        consortium.deposit(buyer, room + 1);
        consortium.deposit(buyer, room);
        assertEq(consortium.trackedDeposits(), 2 ** 56 - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.DepositTooLarge.selector, 2 ** 56 - 1, 1, 2 ** 56 - 1
            )
        );
        consortium.deposit(seller, 1);
    }

    function test_deposit_reverts_when_the_account_is_unknown() external {
        uint32 unknown = consortium.accountCount() + 1;
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AccountUnknown.selector, unknown));
        consortium.deposit(unknown, 1);
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AccountUnknown.selector, 0));
        consortium.deposit(0, 1);
    }

    function test_deposit_reverts_when_the_amount_is_zero() external {
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AmountZero.selector, buyer));
        consortium.deposit(buyer, 0);
    }

    function test_deposit_reverts_when_nothing_was_approved() external leaves(EVERYTHING) {
        vm.prank(stranger);
        vm.expectRevert();
        consortium.deposit(buyer, 1);
    }

    function test_INV1_threat_donated_tokens_change_nothing() external {
        euro.mint(address(consortium), 123);
        assertEq(consortium.trackedDeposits(), 2 * FUNDS);
        _assertBalances(buyer, FUNDS, 0);
        _fund(buyer, 7);
        assertEq(consortium.trackedDeposits(), 2 * FUNDS + 7);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.AccountBalanceTooLow.selector, buyer, FUNDS + 7, FUNDS + 8
            )
        );
        vm.prank(buyerOwner);
        consortium.withdraw(buyer, FUNDS + 8, buyerOwner);
    }
}

contract WithdrawTest is Setup {
    function testFuzz_withdraw_pays_from_the_free_balance(uint64 amount)
        external
        leaves(GOVERNANCE | BYSTANDERS)
    {
        _submit(_one(_trade(1)));
        amount = uint64(bound(amount, 1, FUNDS - COST));
        vm.expectEmit(address(consortium));
        emit IEnergyConsortium.Withdrawn(buyer, stranger, amount);
        vm.prank(buyerOwner);
        consortium.withdraw(buyer, amount, stranger);
        _assertBalances(buyer, FUNDS - COST - amount, COST);
        assertEq(euro.balanceOf(stranger), amount);
        assertEq(consortium.trackedDeposits(), 2 * FUNDS - amount);
    }

    function test_threat_a_buyer_cannot_drain_what_is_locked() external {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = _submit(trades);
        vm.startPrank(buyerOwner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.AccountBalanceTooLow.selector,
                buyer,
                FUNDS - COST,
                FUNDS - COST + 1
            )
        );
        consortium.withdraw(buyer, FUNDS - COST + 1, buyerOwner);
        consortium.withdraw(buyer, FUNDS - COST, buyerOwner);
        vm.stopPrank();
        _confirm(batchId, QUORUM);
        _settle(trades);
        _assertBalances(buyer, 0, 0);
        _assertBalances(seller, INCOME, 0);
    }

    function testFuzz_withdraw_reverts_for_anyone_but_the_owner(address caller)
        external
        leaves(EVERYTHING)
    {
        vm.assume(caller != buyerOwner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.AccountOwnerOnly.selector, buyer, caller, buyerOwner
            )
        );
        vm.prank(caller);
        consortium.withdraw(buyer, 1, stranger);
    }

    function test_withdraw_reverts_when_the_account_is_unknown() external {
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AccountUnknown.selector, 0));
        consortium.withdraw(0, 1, stranger);
    }

    function test_withdraw_reverts_when_the_amount_is_zero() external {
        vm.expectRevert(abi.encodeWithSelector(IEnergyConsortium.AmountZero.selector, buyer));
        vm.prank(buyerOwner);
        consortium.withdraw(buyer, 0, stranger);
    }

    function test_withdraw_reverts_to_a_place_tokens_cannot_leave() external {
        address[2] memory places = [address(0), address(consortium)];
        for (uint256 i = 0; i < places.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IEnergyConsortium.RecipientInvalid.selector, places[i])
            );
            vm.prank(buyerOwner);
            consortium.withdraw(buyer, 1, places[i]);
        }
    }
}

/// @dev Consortia whose token misbehaves, one account each.
contract HostileTokenTest is Setup {
    IEnergyConsortium private _other;
    uint32 private _holder;

    function _on(OpenToken token) private {
        _other = _deploy(address(token), operators, QUORUM);
        _holder = _other.register(bytes32(0));
        token.mint(address(this), 1000);
        token.approve(address(_other), type(uint256).max);
    }

    function test_threat_a_token_that_takes_a_fee_is_refused() external {
        OpenToken token = new FeeToken();
        _on(token);
        token.mint(address(_other), 7);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.DepositMismatch.selector, 990, 1000)
        );
        _other.deposit(_holder, 1000);
        assertEq(_other.trackedDeposits(), 0);
    }

    function test_a_token_that_delivers_too_much_is_refused() external {
        _on(new GenerousToken());
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.DepositMismatch.selector, 1001, 1000)
        );
        _other.deposit(_holder, 1000);
    }

    function test_a_token_that_takes_from_the_recipient_is_refused() external {
        OpenToken token = new ThievingToken();
        _on(token);
        token.mint(address(_other), 5);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyConsortium.DepositMismatch.selector, 0, 1000)
        );
        _other.deposit(_holder, 1000);
    }

    function test_threat_a_token_that_returns_false_is_refused() external {
        OpenToken token = new FalseToken();
        _on(token);
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token))
        );
        _other.deposit(_holder, 1000);
    }

    function test_a_token_that_returns_false_on_the_way_out_undoes_the_withdrawal() external {
        OpenToken token = new OpenToken();
        _on(token);
        _other.deposit(_holder, 1000);
        vm.etch(address(token), address(new FalseToken()).code);
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token))
        );
        _other.withdraw(_holder, 1000, stranger);
        assertEq(_other.account(_holder).free, 1000);
    }

    function test_a_token_that_returns_nothing_works() external {
        SilentToken token = new SilentToken();
        _other = _deploy(address(token), operators, QUORUM);
        _holder = _other.register(bytes32(0));
        token.mint(address(this), 1000);
        _other.deposit(_holder, 1000);
        _other.withdraw(_holder, 400, stranger);
        assertEq(token.balanceOf(stranger), 400);
        assertEq(_other.trackedDeposits(), 600);
    }

    function test_threat_a_token_that_reenters_a_deposit_is_refused() external {
        ReentrantToken token = new ReentrantToken();
        _on(token);
        token.prepare(address(_other), abi.encodeCall(_other.deposit, (_holder, 1)));
        _other.deposit(_holder, 1000);
        _assertRefused(token);
        assertEq(_other.account(_holder).free, 1000);
    }

    function test_threat_a_token_that_reenters_a_withdrawal_is_refused() external {
        ReentrantToken token = new ReentrantToken();
        _on(token);
        _other.deposit(_holder, 1000);
        token.prepare(address(_other), abi.encodeCall(_other.withdraw, (_holder, 600, stranger)));
        _other.withdraw(_holder, 600, stranger);
        _assertRefused(token);
        assertEq(token.balanceOf(stranger), 600);
        assertEq(_other.account(_holder).free, 400);
    }

    function test_threat_a_token_that_withdraws_during_a_deposit_is_refused() external {
        ReentrantToken token = new ReentrantToken();
        _on(token);
        // The token itself owns an account, so that only the guard stands in its way.
        vm.prank(address(token));
        uint32 own = _other.register(bytes32(0));
        _other.deposit(own, 500);
        token.prepare(address(_other), abi.encodeCall(_other.withdraw, (own, 500, stranger)));
        _other.deposit(_holder, 500);
        _assertRefused(token);
        assertEq(token.balanceOf(address(_other)), _other.trackedDeposits());
    }

    function _assertRefused(ReentrantToken token) private view {
        assertTrue(token.entered());
        assertFalse(token.succeeded());
        assertEq(bytes4(token.answer()), ReentrancyGuard.ReentrancyGuardReentrantCall.selector);
    }
}

contract DemoEuroTest is Setup {
    function test_it_has_the_decimals_of_a_micro_euro_and_says_what_it_is() external view {
        assertEq(euro.decimals(), 6);
        assertEq(euro.name(), "Demonstration Euro (no value)");
        assertEq(euro.symbol(), "demoEUR");
    }

    function testFuzz_only_its_deployer_mints(address caller) external {
        assertEq(euro.minter(), address(this));
        vm.assume(caller != address(this));
        vm.expectRevert(
            abi.encodeWithSelector(IDemoEuro.MinterOnly.selector, caller, address(this))
        );
        vm.prank(caller);
        euro.mint(caller, 1);
    }
}
