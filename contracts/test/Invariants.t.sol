// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Handler} from "./support/Handler.sol";
import {OpenToken} from "./support/Tokens.sol";

/// @dev The numbered invariants of the contract's README, after any sequence of the handler's
/// actions.
contract InvariantsTest is Test {
    IEnergyConsortium private _consortium;
    OpenToken private _token;
    Handler private _handler;

    function setUp() external {
        vm.warp(1_700_000_000);
        address authority = makeAddr("authority");
        address[] memory operators = new address[](4);
        for (uint256 i = 0; i < 4; ++i) {
            operators[i] = vm.addr(0x6000 + i);
        }
        _token = new OpenToken();
        _consortium = IEnergyConsortium(
            deployCode(
                "EnergyConsortium.sol:EnergyConsortium",
                abi.encode(_token, authority, operators, 3, 0, 500_000, 30_000)
            )
        );
        _handler = new Handler(_consortium, _token, authority, operators);
        targetContract(address(_handler));
        bytes4[] memory excluded = new bytes4[](1);
        excluded[0] = Handler.closeEverything.selector;
        excludeSelector(FuzzSelector(address(_handler), excluded));
    }

    /// @dev All in one, so that one campaign serves them all.
    function invariant_INV1_to_INV7_and_INV9_hold() external view {
        _INV1_balances_are_deposits_minus_withdrawals_and_covered();
        _INV2_locked_is_what_open_batches_locked();
        _INV3_INV4_INV5_INV6_nothing_forbidden_happened();
        _INV7_the_quorum_can_be_reached();
        _INV9_every_balance_is_what_the_formulas_say();
    }

    function _INV1_balances_are_deposits_minus_withdrawals_and_covered() private view {
        uint256 sum = 0;
        for (uint32 account = 1; account <= _consortium.accountCount(); ++account) {
            IEnergyConsortium.Account memory found = _consortium.account(account);
            sum += uint256(found.free) + found.locked;
        }
        assertEq(sum, _consortium.trackedDeposits());
        assertEq(sum, _handler.deposited() - _handler.withdrawn());
        assertLe(sum, _token.balanceOf(address(_consortium)));
        assertLe(sum, _consortium.MAX_DEPOSITS());
    }

    function _INV2_locked_is_what_open_batches_locked() private view {
        uint256 sum = 0;
        for (uint32 account = 1; account <= _consortium.accountCount(); ++account) {
            sum += _consortium.account(account).locked;
        }
        assertEq(sum, _handler.openLocks());
    }

    function _INV3_INV4_INV5_INV6_nothing_forbidden_happened() private view {
        assertEq(_handler.violation(), "");
    }

    function _INV7_the_quorum_can_be_reached() private view {
        assertGt(_consortium.quorum(), 0);
        assertLe(_consortium.quorum(), _consortium.operatorCount());
        assertEq(_consortium.operators().length, _consortium.operatorCount());
    }

    function _INV9_every_balance_is_what_the_formulas_say() private view {
        for (uint32 account = 1; account <= _consortium.accountCount(); ++account) {
            IEnergyConsortium.Account memory found = _consortium.account(account);
            (uint256 free, uint256 locked) = _handler.balance(account);
            assertEq(found.free, free);
            assertEq(found.locked, locked);
        }
    }

    /// @dev After each run everything can be closed and paid out.
    function afterInvariant() external {
        _handler.closeEverything();
        assertEq(_handler.violation(), "");
        assertEq(_consortium.trackedDeposits(), 0);
        assertEq(_handler.openLocks(), 0);
    }
}
