// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";

import {DemoEuro} from "../../src/DemoEuro.sol";
import {EnergyConsortium} from "../../src/EnergyConsortium.sol";
import {IEnergyConsortium} from "../../src/IEnergyConsortium.sol";
import {Trade, packTrade} from "../../src/Trade.sol";

/// @dev A consortium of four operators with a quorum of three, one lot, one aggregator, and a buyer
/// and seller who named it. Actors are called by their role.
abstract contract Setup is Test {
    uint8 internal constant QUORUM = 3;
    uint32 internal constant LOWEST = 10_000;
    uint32 internal constant HIGHEST = 1_000_000;
    uint32 internal constant LARGEST_SPREAD = 100_000;
    uint16 internal constant LOT = 7;
    uint64 internal constant FUNDS = 50_000_000;
    uint32 internal constant INTERVAL = 28_000_000;
    uint256 internal constant NOW = 1_700_000_000;
    uint32 internal constant NEVER_SELL = type(uint32).max;

    // Sets of states as errors report them.
    uint256 internal constant IN_NONE = 1;
    uint256 internal constant IN_PENDING = 1 << 1;
    uint256 internal constant IN_CONFIRMED = 1 << 2;
    uint256 internal constant IN_REFUNDABLE = (1 << 4) | (1 << 5) | (1 << 7);

    address internal authority = makeAddr("authority");
    address internal aggregator = makeAddr("aggregator");
    address internal lotOwner = makeAddr("lot owner");
    address internal buyerOwner = makeAddr("buyer's owner");
    address internal sellerOwner = makeAddr("seller's owner");
    address internal stranger = makeAddr("stranger");
    address[] internal operators;

    DemoEuro internal euro;
    EnergyConsortium internal consortium;

    uint32 internal lotAccount;
    uint32 internal buyer;
    uint32 internal seller;
    uint40 internal deadline;

    function setUp() public virtual {
        vm.warp(NOW);
        deadline = uint40(NOW + 1 hours);
        for (uint256 i = 0; i < 4; ++i) {
            operators.push(makeAddr(string.concat("operator ", vm.toString(i))));
        }
        euro = new DemoEuro();
        consortium = new EnergyConsortium(
            euro, authority, operators, QUORUM, LOWEST, HIGHEST, LARGEST_SPREAD
        );

        lotAccount = _register(lotOwner);
        vm.startPrank(authority);
        consortium.setLot(LOT, lotAccount);
        consortium.setAggregator(aggregator, true);
        vm.stopPrank();

        buyer = _register(buyerOwner);
        seller = _register(sellerOwner);
        _fund(buyer, FUNDS);
        _allow(buyer);
        _allow(seller);
    }

    // ---------------------------------------------------------------------------------- actors

    function _register(address owner) internal returns (uint32) {
        vm.prank(owner);
        return consortium.register(bytes32("tag"));
    }

    function _fund(uint32 account, uint64 amount) internal {
        euro.mint(address(this), amount);
        euro.approve(address(consortium), amount);
        consortium.deposit(account, amount);
    }

    /// @dev Lets the aggregator buy and sell at any price, and direct buyers buy.
    function _allow(uint32 account) internal {
        _setMandate(account, _mandate());
    }

    function _mandate() internal view returns (IEnergyConsortium.Mandate memory) {
        return IEnergyConsortium.Mandate({
            maxBuyPrice: HIGHEST,
            minSellPrice: LOWEST,
            validUntil: uint32(NOW + 30 days),
            aggregator: aggregator,
            openToBuyers: true
        });
    }

    function _setMandate(uint32 account, IEnergyConsortium.Mandate memory mandate) internal {
        address owner = consortium.account(account).owner;
        vm.prank(owner);
        consortium.setMandate(account, mandate);
    }

    // --------------------------------------------------------------------------------- batches

    /// @dev 10 kWh for 0.25 EUR/kWh, of which the seller gets 0.24.
    function _trade(uint32 sequence) internal view returns (Trade) {
        return _trade(sequence, 10_000, 250_000, 240_000);
    }

    function _trade(uint32 sequence, uint32 energyWh, uint32 buyerPrice, uint32 sellerPrice)
        internal
        view
        returns (Trade)
    {
        return packTrade(buyer, seller, energyWh, buyerPrice, sellerPrice, sequence, INTERVAL, LOT);
    }

    function _one(Trade trade) internal pure returns (Trade[] memory trades) {
        trades = new Trade[](1);
        trades[0] = trade;
    }

    function _two(Trade first, Trade second) internal pure returns (Trade[] memory trades) {
        trades = new Trade[](2);
        trades[0] = first;
        trades[1] = second;
    }

    function _submit(Trade[] memory trades) internal returns (bytes32) {
        vm.prank(aggregator);
        return consortium.submit(trades, deadline);
    }

    function _confirm(bytes32 batchId, uint256 votes) internal {
        for (uint256 i = 0; i < votes; ++i) {
            vm.prank(operators[i]);
            consortium.confirm(batchId);
        }
    }

    /// @dev The last operators vote, so that the first can still confirm.
    function _reject(bytes32 batchId, uint256 votes) internal {
        for (uint256 i = 0; i < votes; ++i) {
            vm.prank(operators[operators.length - 1 - i]);
            consortium.reject(batchId, "energy above what the charger can move");
        }
    }

    function _settle(Trade[] memory trades) internal {
        consortium.settle(aggregator, deadline, trades);
    }

    function _refund(Trade[] memory trades) internal {
        consortium.refund(aggregator, deadline, trades);
    }
}
