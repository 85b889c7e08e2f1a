// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Trade} from "../src/Trade.sol";
import {Setup} from "./support/Setup.sol";

/// @dev The storage layout that the contract's README draws, read slot by slot.
contract StorageTest is Setup {
    uint256 private constant SETTINGS_SLOT = 5;
    uint256 private constant COUNTERS_SLOT = 6;
    uint256 private constant SEATS_SLOT = 7;
    uint256 private constant BATCHES_SLOT = 109;
    uint256 private constant ACCOUNTS_SLOT = 110;

    function test_settings_share_one_slot() external {
        vm.prank(authority);
        consortium.pause();
        uint256 expected = (1 << 208) | (4 << 200) | (uint256(QUORUM) << 192)
            | (uint256(LARGEST_SPREAD) << 160) | (uint256(HIGHEST) << 128)
            | (uint256(LOWEST) << 96) | 15;
        assertEq(_load(SETTINGS_SLOT), expected);
    }

    function test_counters_share_one_slot() external view {
        // Aggregators, accounts, deposits.
        assertEq(_load(COUNTERS_SLOT), (1 << 96) | (4 << 64) | (2 * FUNDS));
    }

    function test_a_seat_is_one_slot() external {
        assertEq(_load(SEATS_SLOT + 2), uint256(uint160(operators[2])));
        vm.prank(authority);
        consortium.removeOperator(operators[2]);
        assertEq(_load(SEATS_SLOT + 2), NOW << 160);
    }

    function test_an_account_is_one_slot_for_every_batch() external {
        _submit(_one(_trade(9)));
        uint256 expected = (uint256(FUNDS - COST) << 200) | (uint256(COST) << 144)
            | (uint256(9) << 112) | (uint256(HIGHEST) << 80) | (uint256(LOWEST) << 48)
            | ((NOW + 30 days) << 16) | (1 << 2) | (1 << 1) | 1;
        assertEq(_load(ACCOUNTS_SLOT + buyer), expected);
    }

    function test_a_batch_is_one_slot() external {
        bytes32 batchId = _submit(_two(_trade(1), _trade(2)));
        _confirm(batchId, 2);
        _reject(batchId, 1);
        uint256 expected = (uint256(8) << 160) | (uint256(3) << 64) | (uint256(deadline) << 24)
            | (2 << 8) | uint256(IEnergyConsortium.BatchState.Pending);
        assertEq(_load(uint256(keccak256(abi.encode(batchId, BATCHES_SLOT)))), expected);
    }

    function test_expired_is_never_stored() external {
        Trade[] memory trades = _one(_trade(1));
        bytes32 batchId = _submit(trades);
        vm.warp(uint256(deadline) + 1);
        _assertState(batchId, IEnergyConsortium.BatchState.Expired);
        assertEq(
            uint8(consortium.batch(batchId).state), uint8(IEnergyConsortium.BatchState.Expired)
        );
        uint256 slot = _load(uint256(keccak256(abi.encode(batchId, BATCHES_SLOT))));
        assertEq(slot % 256, uint256(IEnergyConsortium.BatchState.Pending));
    }

    function _load(uint256 slot) private view returns (uint256) {
        return uint256(vm.load(address(consortium), bytes32(slot)));
    }
}
