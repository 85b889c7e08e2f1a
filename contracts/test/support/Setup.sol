// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Test} from "forge-std/Test.sol";

import {IEnergyConsortium} from "../../src/IEnergyConsortium.sol";
import {Trade, packTrade} from "../../src/Trade.sol";

/// @dev `DemoEuro` as its users see it. Importing the contract would compile every test the slow way.
interface IDemoEuro is IERC20Metadata {
    error MinterOnly(address caller, address minter);

    function mint(address to, uint256 amount) external;
    function minter() external view returns (address);
}

/// @dev A consortium of four operators with a quorum of three, one lot, one aggregator, and a buyer
/// and seller who named it. Actors are called by their role. A bystander's account and pending
/// batch are there to stay as they are.
abstract contract Setup is Test {
    uint8 internal constant QUORUM = 3;
    uint32 internal constant LOWEST = 10_000;
    uint32 internal constant HIGHEST = 1_000_000;
    uint32 internal constant LARGEST_SPREAD = 100_000;
    uint16 internal constant LOT = 7;
    uint64 internal constant FUNDS = 50_000_000;
    uint32 internal constant INTERVAL = 28_000_000;
    uint256 internal constant NOW = 1_700_000_000;

    // 10 kWh for 0.25 EUR/kWh, of which the seller gets 0.24.
    uint32 internal constant ENERGY = 10_000;
    uint32 internal constant BUYER_PRICE = 250_000;
    uint32 internal constant SELLER_PRICE = 240_000;
    uint64 internal constant COST = 2_500_000;
    uint64 internal constant INCOME = 2_400_000;
    uint64 internal constant SPREAD = 100_000;

    // Sets of states as errors report them.
    uint256 internal constant IN_NONE = 1;
    uint256 internal constant IN_PENDING = 1 << 1;
    uint256 internal constant IN_CONFIRMED = 1 << 2;
    uint256 internal constant IN_REFUNDABLE = (1 << 4) | (1 << 5) | (1 << 7);

    // Parts of the whole state, to say which of them a call leaves alone.
    uint256 internal constant GOVERNANCE = 1;
    uint256 internal constant PARTIES = 2;
    uint256 internal constant BYSTANDERS = 4;
    uint256 internal constant TOKENS = 8;
    uint256 internal constant EVERYTHING = 15;

    address internal authority = makeAddr("authority");
    address internal aggregator = makeAddr("aggregator");
    address internal lotOwner = makeAddr("lot's owner");
    address internal buyerOwner = makeAddr("buyer's owner");
    address internal sellerOwner = makeAddr("seller's owner");
    address internal bystanderOwner = makeAddr("bystander's owner");
    address internal stranger = makeAddr("stranger");
    address[] internal operators;

    /// @dev Keys of everyone whom this contract can sign for.
    mapping(address signer => uint256 key) internal keys;

    IDemoEuro internal euro;
    IEnergyConsortium internal consortium;

    uint32 internal lotAccount;
    uint32 internal buyer;
    uint32 internal seller;
    uint32 internal bystander;
    bytes32 internal bystanderBatch;
    uint40 internal deadline;

    /// @dev The parts named stay exactly as they are through the test.
    modifier leaves(uint256 parts) {
        bytes32 before = _digest(parts);
        _;
        assertEq(_digest(parts), before, "a part that should stay as it is has changed");
    }

    function setUp() public virtual {
        vm.warp(NOW);
        deadline = uint40(NOW + 1 hours);
        for (uint256 i = 0; i < 4; ++i) {
            operators.push(_signer(string.concat("operator ", vm.toString(i))));
        }
        buyerOwner = _signer("buyer's owner");
        euro = IDemoEuro(deployCode("DemoEuro.sol:DemoEuro"));
        consortium = _deploy(address(euro), operators, QUORUM);

        lotAccount = _register(lotOwner);
        vm.startPrank(authority);
        consortium.setLot(LOT, lotAccount);
        consortium.setAggregator(aggregator, true);
        vm.stopPrank();

        buyer = _register(buyerOwner);
        seller = _register(sellerOwner);
        bystander = _register(bystanderOwner);
        _fund(buyer, FUNDS);
        _fund(bystander, FUNDS);
        _allow(buyer);
        _allow(seller);
        _allow(bystander);
        bystanderBatch = _submit(
            _one(packTrade(bystander, seller, ENERGY, BUYER_PRICE, SELLER_PRICE, 1, INTERVAL, LOT))
        );
    }

    /// @dev What src/ compiled to, with the product's own settings.
    function _deploy(address token, address[] memory seats, uint8 quorum)
        internal
        returns (IEnergyConsortium)
    {
        return _deploy(token, authority, seats, quorum, LOWEST, HIGHEST);
    }

    function _deploy(
        address token,
        address governor,
        address[] memory seats,
        uint8 quorum,
        uint32 lowest,
        uint32 highest
    ) internal returns (IEnergyConsortium) {
        return IEnergyConsortium(
            deployCode(
                "EnergyConsortium.sol:EnergyConsortium",
                abi.encode(token, governor, seats, quorum, lowest, highest, LARGEST_SPREAD)
            )
        );
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

    /// @dev Lets the aggregator buy and sell at any price of the band, and direct buyers buy.
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

    // ------------------------------------------------------------------------------ signatures

    function _signer(string memory name) internal returns (address signer) {
        uint256 key;
        (signer, key) = makeAddrAndKey(name);
        keys[signer] = key;
    }

    /// @dev EIP-712 by hand, independent of what the contract inherits.
    function _typed(uint256 chainId, address verifier, bytes32 content)
        internal
        pure
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("peercharge EnergyConsortium"),
                keccak256("1"),
                chainId,
                verifier
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, content));
    }

    function _typed(bytes32 content) internal view returns (bytes32) {
        return _typed(block.chainid, address(consortium), content);
    }

    function _confirmation(bytes32 batchId, uint8 seat) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(keccak256("Confirmation(bytes32 batchId,uint8 seat)"), batchId, seat)
        );
    }

    function _sign(address signer, uint8 seat, bytes32 digest)
        internal
        view
        returns (IEnergyConsortium.SeatSignature memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(keys[signer], digest);
        return IEnergyConsortium.SeatSignature({seat: seat, r: r, vs: vs});
    }

    function _sign(address signer, bytes32 batchId)
        internal
        view
        returns (IEnergyConsortium.SeatSignature memory)
    {
        uint8 seat = consortium.seatOf(signer);
        return _sign(signer, seat, _typed(_confirmation(batchId, seat)));
    }

    /// @dev The confirmations of these operators, in the order the contract wants.
    function _bundle(address[] memory signers, bytes32 batchId)
        internal
        view
        returns (IEnergyConsortium.SeatSignature[] memory bundle)
    {
        _sort(signers);
        bundle = new IEnergyConsortium.SeatSignature[](signers.length);
        for (uint256 i = 0; i < signers.length; ++i) {
            bundle[i] = _sign(signers[i], batchId);
        }
    }

    /// @dev The confirmations of the operators on the first seats.
    function _bundle(bytes32 batchId, uint256 votes)
        internal
        view
        returns (IEnergyConsortium.SeatSignature[] memory)
    {
        return _bundle(_first(votes), batchId);
    }

    function _first(uint256 votes) internal view returns (address[] memory signers) {
        signers = new address[](votes);
        for (uint256 i = 0; i < votes; ++i) {
            signers[i] = operators[i];
        }
    }

    function _sort(address[] memory signers) internal pure {
        for (uint256 i = 1; i < signers.length; ++i) {
            for (uint256 j = i; j > 0 && signers[j] < signers[j - 1]; --j) {
                (signers[j], signers[j - 1]) = (signers[j - 1], signers[j]);
            }
        }
    }

    // --------------------------------------------------------------------------------- batches

    function _trade(uint32 sequence) internal view returns (Trade) {
        return _trade(sequence, ENERGY, BUYER_PRICE, SELLER_PRICE);
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

    function _hash(Trade[] memory trades) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(trades));
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

    function _cancel(bytes32 batchId, Trade[] memory trades) internal {
        vm.prank(aggregator);
        consortium.cancel(batchId, _hash(trades));
    }

    function _settle(Trade[] memory trades) internal {
        consortium.settle(aggregator, deadline, trades);
    }

    function _refund(Trade[] memory trades) internal {
        consortium.refund(aggregator, deadline, trades);
    }

    // ------------------------------------------------------------------------------ assertions

    function _free(uint32 account) internal view returns (uint64) {
        return consortium.account(account).free;
    }

    function _locked(uint32 account) internal view returns (uint64) {
        return consortium.account(account).locked;
    }

    function _assertBalances(uint32 account, uint256 free, uint256 locked) internal view {
        assertEq(_free(account), free, "free");
        assertEq(_locked(account), locked, "locked");
    }

    function _assertState(bytes32 batchId, IEnergyConsortium.BatchState state) internal view {
        assertEq(uint8(consortium.stateOf(batchId)), uint8(state), "state");
    }

    function _expectUnexpectedState(
        bytes32 batchId,
        IEnergyConsortium.BatchState current,
        uint256 accepted
    ) internal {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyConsortium.BatchUnexpectedState.selector, batchId, current, accepted
            )
        );
    }

    function _digest(uint256 parts) internal view returns (bytes32 digest) {
        if (parts & GOVERNANCE != 0) {
            (uint32 lowest, uint32 highest) = consortium.priceBand();
            digest = keccak256(
                abi.encode(
                    consortium.authority(),
                    consortium.pendingAuthority(),
                    consortium.paused(),
                    consortium.quorum(),
                    consortium.operators(),
                    consortium.currentSeats(),
                    lowest,
                    highest,
                    consortium.largestSpread(),
                    consortium.lotAccount(LOT),
                    consortium.isAggregator(aggregator)
                )
            );
        }
        if (parts & PARTIES != 0) {
            digest = keccak256(
                abi.encode(
                    digest,
                    consortium.account(buyer),
                    consortium.account(seller),
                    consortium.account(lotAccount)
                )
            );
        }
        if (parts & BYSTANDERS != 0) {
            digest = keccak256(
                abi.encode(digest, consortium.account(bystander), consortium.batch(bystanderBatch))
            );
        }
        if (parts & TOKENS != 0) {
            digest = keccak256(
                abi.encode(
                    digest, consortium.trackedDeposits(), euro.balanceOf(address(consortium))
                )
            );
        }
    }
}
