// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {console} from "forge-std/console.sol";

import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Trade, packTrade} from "../src/Trade.sol";
import {Setup} from "./support/Setup.sol";

/// @dev Gas of whole transactions, base and call data included: the contract is set to run
/// isolated, so that every call is one. Parties have traded before. `benchmarks/gas.py` reads what
/// the tests named `test_gas_` print.
///
/// forge-config: default.isolate = true
contract GasTest is Setup {
    /// @dev EIP-7825: the most gas a transaction may have.
    uint256 private constant TRANSACTION_LIMIT = 16_777_216;

    uint32[] private _buyers;
    uint32[] private _sellers;

    /// @dev How the operators' votes reach the chain.
    enum Way {
        Aggregated,
        Separate,
        Direct
    }

    function test_gas_of_1_trade() external {
        assertLe(_report("aggregated", Way.Aggregated, 1, 1, true), 150_000);
    }

    function test_gas_of_10_trades() external {
        assertLe(_report("aggregated", Way.Aggregated, 10, 2, true), 22_000);
    }

    function test_gas_of_100_trades() external {
        assertLe(_report("aggregated", Way.Aggregated, 100, 20, true), 9500);
    }

    function test_gas_of_500_trades() external {
        assertLe(_report("aggregated", Way.Aggregated, 500, 100, true), 8500);
    }

    function test_gas_of_1_trade_with_signatures_sent_separately() external {
        _report("separate", Way.Separate, 1, 1, true);
    }

    function test_gas_of_10_trades_with_signatures_sent_separately() external {
        assertLe(_report("separate", Way.Separate, 10, 2, true), 22_000);
    }

    function test_gas_of_100_trades_with_signatures_sent_separately() external {
        assertLe(_report("separate", Way.Separate, 100, 20, true), 9500);
    }

    function test_gas_of_500_trades_with_signatures_sent_separately() external {
        assertLe(_report("separate", Way.Separate, 500, 100, true), 8500);
    }

    function test_gas_of_1_trade_confirmed_directly() external {
        _report("direct", Way.Direct, 1, 1, true);
    }

    function test_gas_of_10_trades_confirmed_directly() external {
        _report("direct", Way.Direct, 10, 2, true);
    }

    function test_gas_of_100_trades_confirmed_directly() external {
        _report("direct", Way.Direct, 100, 20, true);
    }

    function test_gas_of_500_trades_confirmed_directly() external {
        _report("direct", Way.Direct, 500, 100, true);
    }

    function test_gas_of_1_trade_of_distinct_parties() external {
        _report("distinct", Way.Aggregated, 1, 1, true);
    }

    function test_gas_of_10_trades_of_distinct_parties() external {
        _report("distinct", Way.Aggregated, 10, 10, true);
    }

    function test_gas_of_100_trades_of_distinct_parties() external {
        _report("distinct", Way.Aggregated, 100, 100, true);
    }

    function test_gas_of_500_trades_of_distinct_parties() external {
        _report("distinct", Way.Aggregated, 500, 500, true);
    }

    function test_gas_of_500_trades_with_buyers_taking_turns() external {
        _report("unsorted", Way.Aggregated, 500, 100, false);
    }

    function test_threat_the_largest_batch_fits_a_transaction() external {
        uint256 size = consortium.MAX_TRADES();
        _enrol(size);
        Trade[] memory trades = _costliest(size);
        vm.prank(aggregator);
        bytes32 batchId = consortium.submit(trades, deadline);
        uint256 submitting = vm.lastCallGas().gasTotalUsed;

        uint256 snapshot = vm.snapshotState();
        vm.prank(aggregator);
        consortium.cancel(batchId, keccak256(abi.encodePacked(trades)));
        _refund(trades);
        uint256 refunding = vm.lastCallGas().gasTotalUsed;
        vm.revertToState(snapshot);

        _confirm(batchId, QUORUM);
        _settle(trades);
        uint256 settling = vm.lastCallGas().gasTotalUsed;

        console.log("largest batch, trades:", size);
        console.log("  submit", submitting);
        console.log("  settle", settling);
        console.log("  refund", refunding);
        assertLt(submitting, TRANSACTION_LIMIT);
        assertLt(settling, TRANSACTION_LIMIT);
        assertLt(refunding, TRANSACTION_LIMIT);
    }

    /// @dev Every party and every lot occurs once, and every lot pays to an account of its own.
    function _costliest(uint256 size) private returns (Trade[] memory trades) {
        trades = new Trade[](size);
        for (uint256 i = 0; i < size; ++i) {
            uint32 beneficiary = _register(lotOwner);
            vm.prank(authority);
            consortium.setLot(uint16(i + 256), beneficiary);
            trades[i] = packTrade(
                _buyers[i], _sellers[i], 10_000, 250_000, 240_000, 1, INTERVAL, uint16(i + 256)
            );
        }
    }

    function _report(string memory name, Way way, uint256 size, uint256 parties, bool sorted)
        private
        returns (uint256 perTrade)
    {
        _enrol(parties);
        // A first batch, so that the measured one meets accounts that have bought and sold before.
        Trade[] memory trades = _scenario(size, parties, sorted, 0);
        _confirm(_submit(trades), QUORUM);
        _settle(trades);

        trades = _scenario(size, parties, sorted, uint32(size));
        (uint256 submitting, uint256 confirming) = _submitAndConfirm(way, trades);
        consortium.settle(aggregator, deadline, trades);
        uint256 settling = vm.lastCallGas().gasTotalUsed;

        perTrade = (submitting + confirming + settling) / size;
        console.log(
            string.concat(
                "gas ",
                name,
                _column(size),
                _column(submitting),
                _column(confirming),
                _column(settling),
                _column(perTrade)
            )
        );
    }

    function _column(uint256 number) private pure returns (string memory) {
        return string.concat(" ", vm.toString(number));
    }

    function _submitAndConfirm(Way way, Trade[] memory trades)
        private
        returns (uint256 submitting, uint256 confirming)
    {
        bytes32 batchId = consortium.batchIdOf(aggregator, deadline, trades);
        IEnergyConsortium.SeatSignature[] memory bundle = _bundle(batchId, QUORUM);
        vm.prank(aggregator);
        if (way == Way.Aggregated) {
            consortium.submitWithSignatures(trades, deadline, bundle);
            return (vm.lastCallGas().gasTotalUsed, 0);
        }
        consortium.submit(trades, deadline);
        submitting = vm.lastCallGas().gasTotalUsed;
        if (way == Way.Separate) {
            vm.prank(aggregator);
            consortium.confirmWithSignatures(batchId, bundle);
            return (submitting, vm.lastCallGas().gasTotalUsed);
        }
        for (uint256 i = 0; i < QUORUM; ++i) {
            vm.prank(operators[i]);
            consortium.confirm(batchId);
            confirming += vm.lastCallGas().gasTotalUsed;
        }
    }

    function _enrol(uint256 parties) private {
        for (uint256 i = 0; i < parties; ++i) {
            _buyers.push(_register(buyerOwner));
            _sellers.push(_register(sellerOwner));
            _fund(_buyers[i], FUNDS);
            _fund(_sellers[i], FUNDS);
            _allow(_buyers[i]);
            _allow(_sellers[i]);
        }
    }

    /// @dev Each buyer trades with five different sellers where there are as many; sorted by buyer,
    /// or with buyers taking turns.
    function _scenario(uint256 size, uint256 parties, bool sorted, uint32 after_)
        private
        view
        returns (Trade[] memory trades)
    {
        trades = new Trade[](size);
        for (uint256 i = 0; i < size; ++i) {
            uint256 who = sorted ? i * parties / size : i % parties;
            trades[i] = packTrade(
                _buyers[who],
                _sellers[(who + i) % parties],
                uint32(1000 + i),
                250_000,
                240_000,
                uint32(after_ + i + 1),
                INTERVAL,
                LOT
            );
        }
    }
}
