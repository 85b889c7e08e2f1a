// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";

import {AccountWord} from "../src/AccountWord.sol";
import {IEnergyConsortium} from "../src/IEnergyConsortium.sol";
import {Trade, packTrade} from "../src/Trade.sol";
import {OpenToken} from "./support/Tokens.sol";

/// @dev Proofs for every input at once, by halmos (`contracts/tools/prove.py`); forge does not run
/// functions named `check_`. What each covers is told in `docs/contract.md`.
contract WordProofs is Test {
    // ------------------------------------------------------------------------- amounts of a trade

    function check_costs_are_the_formula_and_below_2_to_55(uint256 word) external pure {
        Trade trade = Trade.wrap(word);
        uint256 energy = (word >> 160) & type(uint32).max;
        assertEq(trade.buyerCost(), energy * ((word >> 128) & type(uint32).max) / 1000);
        assertEq(trade.sellerIncome(), energy * ((word >> 96) & type(uint32).max) / 1000);
        assertLt(trade.buyerCost(), 2 ** 55);
        assertLt(trade.sellerIncome(), 2 ** 55);
    }

    /// @dev Income <= cost where the prices are not crossed, by the two facts it consists of, since
    /// a solver does not see through product and division together. First, the same energy at a
    /// higher price has the higher product, as the difference is a product of its own ...
    function check_products_differ_by_the_difference_of_prices(
        uint32 energy,
        uint32 low,
        uint32 more
    ) external pure {
        uint256 high = uint256(low) + more;
        assert(uint256(energy) * high == uint256(energy) * low + uint256(energy) * more);
    }

    /// @dev ... second, a product with the higher quotient is the higher product, so the lower of two
    /// has no higher one. Quotient and remainder stand for their product: that is what DIV means.
    function check_a_higher_quotient_is_of_a_higher_product(
        uint56 quotient,
        uint16 remainder,
        uint56 more,
        uint16 otherRemainder
    ) external pure {
        vm.assume(remainder < 1000);
        uint256 low = uint256(quotient) * 1000 + remainder;
        uint256 high = uint256(quotient) * 1000 + uint256(more) * 1000 + 1000 + otherRemainder;
        assert((uint256(quotient) + 1 + more) * 1000 + otherRemainder == high);
        assert(high > low);
    }

    // ----------------------------------------------------------------------------------- packing

    function check_every_field_of_a_trade_comes_back(
        uint32 buyer,
        uint32 seller,
        uint32 energyWh,
        uint32 buyerPrice,
        uint32 sellerPrice,
        uint32 sequence,
        uint32 interval,
        uint16 lot
    ) external pure {
        Trade trade = packTrade(
            buyer, seller, energyWh, buyerPrice, sellerPrice, sequence, interval, lot
        );
        assertEq(trade.buyer(), buyer);
        assertEq(trade.seller(), seller);
        assertEq(trade.energyWh(), energyWh);
        assertEq(trade.buyerPrice(), buyerPrice);
        assertEq(trade.sellerPrice(), sellerPrice);
        assertEq(trade.sequence(), sequence);
        assertEq(trade.interval(), interval);
        assertEq(trade.lot(), lot);
        assertEq(trade.spare(), 0);
    }

    function check_a_word_without_spare_bits_is_packed_again_to_itself(uint256 word)
        external
        pure
    {
        Trade trade = Trade.wrap(word);
        vm.assume(trade.spare() == 0);
        Trade again = packTrade(
            trade.buyer(),
            trade.seller(),
            trade.energyWh(),
            trade.buyerPrice(),
            trade.sellerPrice(),
            trade.sequence(),
            trade.interval(),
            trade.lot()
        );
        assertEq(Trade.unwrap(again), word);
    }

    function check_a_mandate_comes_back_and_touches_nothing_else(
        uint256 word,
        uint32 maxBuyPrice,
        uint32 minSellPrice,
        uint32 validUntil,
        uint16 aggregator,
        bool open
    ) external pure {
        vm.assume(aggregator < 2 ** 14);
        AccountWord before = AccountWord.wrap(word);
        AccountWord found =
            before.withMandate(maxBuyPrice, minSellPrice, validUntil, aggregator, open);
        assertEq(found.maxBuyPrice(), maxBuyPrice);
        assertEq(found.minSellPrice(), minSellPrice);
        assertEq(found.validUntil(), validUntil);
        assertEq(found.aggregatorNumber(), aggregator);
        assertEq(found.openToBuyers(), open);
        _assertMoney(found, before.free(), before.locked());
        assertEq(found.sequence(), before.sequence());
        assertEq(found.registered(), before.registered());
    }

    function check_a_revoked_mandate_is_zero_and_touches_nothing_else(uint256 word) external pure {
        AccountWord before = AccountWord.wrap(word);
        AccountWord found = before.withoutMandate();
        assertEq(found.maxBuyPrice(), 0);
        assertEq(found.minSellPrice(), 0);
        assertEq(found.validUntil(), 0);
        assertEq(found.aggregatorNumber(), 0);
        assertFalse(found.openToBuyers());
        _assertMoney(found, before.free(), before.locked());
        assertEq(found.sequence(), before.sequence());
        assertEq(found.registered(), before.registered());
    }

    function check_a_sequence_comes_back_and_touches_nothing_else(uint256 word, uint32 sequence)
        external
        pure
    {
        AccountWord before = AccountWord.wrap(word);
        AccountWord found = before.withSequence(sequence);
        assertEq(found.sequence(), sequence);
        _assertMoney(found, before.free(), before.locked());
        _assertMandate(found, before);
    }

    // ------------------------------------------------------------------------------------- money

    function check_lock_moves_exactly_the_amount(uint256 word, uint64 amount) external pure {
        AccountWord before = AccountWord.wrap(word);
        vm.assume(amount <= before.free() && before.locked() + amount < 2 ** 56);
        AccountWord found = before.lock(amount);
        _assertMoney(found, before.free() - amount, before.locked() + amount);
        _assertRest(found, before);
    }

    function check_unlock_moves_exactly_the_amount(uint256 word, uint64 amount) external pure {
        AccountWord before = AccountWord.wrap(word);
        vm.assume(amount <= before.locked() && before.free() + amount < 2 ** 56);
        AccountWord found = before.unlock(amount);
        _assertMoney(found, before.free() + amount, before.locked() - amount);
        _assertRest(found, before);
    }

    function check_payLocked_moves_exactly_the_amount(uint256 word, uint64 amount) external pure {
        AccountWord before = AccountWord.wrap(word);
        vm.assume(amount <= before.locked());
        AccountWord found = before.payLocked(amount);
        _assertMoney(found, before.free(), before.locked() - amount);
        _assertRest(found, before);
    }

    function check_credit_moves_exactly_the_amount(uint256 word, uint64 amount) external pure {
        AccountWord before = AccountWord.wrap(word);
        vm.assume(before.free() + amount < 2 ** 56);
        AccountWord found = before.credit(amount);
        _assertMoney(found, before.free() + amount, before.locked());
        _assertRest(found, before);
    }

    function check_debit_moves_exactly_the_amount(uint256 word, uint64 amount) external pure {
        AccountWord before = AccountWord.wrap(word);
        vm.assume(amount <= before.free());
        AccountWord found = before.debit(amount);
        _assertMoney(found, before.free() - amount, before.locked());
        _assertRest(found, before);
    }

    function _assertMoney(AccountWord word, uint256 free, uint256 locked) private pure {
        assertEq(word.free(), free);
        assertEq(word.locked(), locked);
    }

    function _assertRest(AccountWord word, AccountWord before) private pure {
        assertEq(word.sequence(), before.sequence());
        _assertMandate(word, before);
    }

    function _assertMandate(AccountWord word, AccountWord before) private pure {
        // Everything below the sequence: mandate and registration.
        assertEq(uint112(AccountWord.unwrap(word)), uint112(AccountWord.unwrap(before)));
    }
}

/// @dev The compiled contract itself: four operators, quorum three, six accounts and two lots.
contract ConsortiumProofs is Test {
    uint256 private constant BATCHES_SLOT = 109;
    uint256 private constant ACCOUNTS_SLOT = 110;
    uint256 private constant SETTINGS_SLOT = 5;
    uint40 private constant DEADLINE = 1_700_003_600;
    uint32 private constant BUYER = 1;
    uint32 private constant SELLER = 2;
    uint32 private constant LOT_ACCOUNT = 3;
    uint32 private constant OTHER_BUYER = 4;
    uint32 private constant OTHER_SELLER = 5;
    uint32 private constant OTHER_LOT_ACCOUNT = 6;
    uint256 private constant ACCOUNTS = 6;

    IEnergyConsortium private _consortium;

    function setUp() external {
        vm.warp(1_700_000_000);
        address[] memory operators = new address[](4);
        for (uint256 i = 0; i < 4; ++i) {
            operators[i] = address(uint160(0x1001 + i));
        }
        bytes memory creation = abi.encodePacked(
            vm.getCode("EnergyConsortium.sol:EnergyConsortium"),
            abi.encode(
                new OpenToken(), address(this), operators, 3, 0, type(uint32).max, type(uint32).max
            )
        );
        address deployed;
        assembly ("memory-safe") {
            deployed := create(0, add(creation, 32), mload(creation))
        }
        require(deployed != address(0));
        _consortium = IEnergyConsortium(deployed);
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            _consortium.register(0);
        }
        _consortium.setLot(1, LOT_ACCOUNT);
        _consortium.setLot(2, OTHER_LOT_ACCOUNT);
        _consortium.setAggregator(address(this), true);
    }

    /// @dev Any votes, any seats, any quorum: `finalize` decides as counting one by one does.
    function check_finalize_decides_as_counting_one_by_one_does(
        uint8 confirmations,
        uint8 rejections,
        uint8 seats,
        uint8 quorum
    ) external {
        vm.assume(confirmations < 16 && rejections < 16 && seats < 16);
        vm.assume(confirmations & rejections == 0);
        vm.assume(quorum > 0 && quorum <= 4);
        _govern(seats, quorum);
        bytes32 id = keccak256("batch");
        _storeBatch(id, IEnergyConsortium.BatchState.Pending, confirmations, rejections);

        uint256 confirmed = 0;
        uint256 possible = 0;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 sits = (uint256(seats) >> i) & 1;
            confirmed += sits & (uint256(confirmations) >> i);
            possible += sits & ~(uint256(rejections) >> i);
        }
        (bool done,) = address(_consortium).call(abi.encodeCall(IEnergyConsortium.finalize, (id)));
        IEnergyConsortium.BatchState state = _consortium.stateOf(id);
        if (confirmed >= quorum) {
            assert(done && state == IEnergyConsortium.BatchState.Confirmed);
        } else if (possible < quorum) {
            assert(done && state == IEnergyConsortium.BatchState.Rejected);
        } else {
            assert(!done && state == IEnergyConsortium.BatchState.Pending);
        }
    }

    /// @dev One trade of any size and prices, locked in the buyer's account: it is settled, and the
    /// three balances are what the formulas say.
    function check_settle_of_one_trade_never_reverts(
        uint32 energy,
        uint32 buyerPrice,
        uint32 sellerPrice,
        uint256 buyerWord,
        uint256 sellerWord,
        uint256 lotWord
    ) external {
        vm.assume(sellerPrice <= buyerPrice);
        Trade[] memory trades = new Trade[](1);
        trades[0] = packTrade(BUYER, SELLER, energy, buyerPrice, sellerPrice, 1, 0, 1);
        uint256 cost = _cost(trades[0]);
        uint256 income = _income(trades[0]);
        vm.assume(income <= cost);
        _storeAccount(BUYER, buyerWord);
        _storeAccount(SELLER, sellerWord);
        _storeAccount(LOT_ACCOUNT, lotWord);
        // What the ledger guarantees: the cost is locked, and all balances together fit 56 bits.
        vm.assume(AccountWord.wrap(buyerWord).locked() >= cost);
        vm.assume(AccountWord.wrap(sellerWord).free() + income < 2 ** 56);
        vm.assume(AccountWord.wrap(lotWord).free() + cost - income < 2 ** 56);

        bytes32 id = _consortium.batchIdOf(address(this), DEADLINE, trades);
        _storeBatch(id, IEnergyConsortium.BatchState.Confirmed, 7, 0);
        (bool done,) = address(_consortium)
            .call(abi.encodeCall(IEnergyConsortium.settle, (address(this), DEADLINE, trades)));
        assert(done);
        assert(_consortium.stateOf(id) == IEnergyConsortium.BatchState.Settled);
        assert(_word(BUYER) == AccountWord.unwrap(AccountWord.wrap(buyerWord).payLocked(cost)));
        assert(_word(SELLER) == AccountWord.unwrap(AccountWord.wrap(sellerWord).credit(income)));
        assert(
            _word(LOT_ACCOUNT)
                == AccountWord.unwrap(AccountWord.wrap(lotWord).credit(cost - income))
        );
    }

    // Two trades of any sizes and prices, from any balances that the ledger can hold: they are
    // settled, and all six balances are what a plain sum says. Which of the second trade's parties
    // and lot are those of the first is what the amounts are gathered by, so each case is tried.

    function check_settle_of_two_trades_of_one_buyer(
        uint256 first,
        uint256 second,
        bool otherSeller,
        bool otherLot,
        uint256[6] memory words
    ) external {
        _settleTwo(first, second, BUYER, otherSeller ? OTHER_SELLER : SELLER, otherLot, words);
    }

    function check_settle_of_two_trades_of_a_seller_that_buys(
        uint256 first,
        uint256 second,
        bool otherSeller,
        bool otherLot,
        uint256[6] memory words
    ) external {
        _settleTwo(first, second, SELLER, otherSeller ? OTHER_SELLER : BUYER, otherLot, words);
    }

    function check_settle_of_two_trades_of_two_buyers(
        uint256 first,
        uint256 second,
        bool otherSeller,
        bool otherLot,
        uint256[6] memory words
    ) external {
        _settleTwo(
            first, second, OTHER_BUYER, otherSeller ? OTHER_SELLER : SELLER, otherLot, words
        );
    }

    function check_settle_of_two_trades_of_a_buyer_that_sells(
        uint256 first,
        uint256 second,
        bool otherLot,
        uint256[6] memory words
    ) external {
        _settleTwo(first, second, OTHER_BUYER, BUYER, otherLot, words);
    }

    function _settleTwo(
        uint256 first,
        uint256 second,
        uint32 buyer,
        uint32 seller,
        bool otherLot,
        uint256[6] memory words
    ) private {
        Trade[] memory trades = new Trade[](2);
        trades[0] = _between(BUYER, SELLER, first, 1);
        trades[1] = _between(buyer, seller, second, otherLot ? 2 : 1);
        _assumeLocked(trades, words);
        for (uint32 i = 0; i < ACCOUNTS; ++i) {
            _storeAccount(i + 1, words[i]);
        }
        bytes32 id = _consortium.batchIdOf(address(this), DEADLINE, trades);
        _storeBatch(id, IEnergyConsortium.BatchState.Confirmed, 7, 0);
        (bool done,) = address(_consortium)
            .call(abi.encodeCall(IEnergyConsortium.settle, (address(this), DEADLINE, trades)));
        assert(done);
        assert(_consortium.stateOf(id) == IEnergyConsortium.BatchState.Settled);
        _sum(trades, words);
        for (uint32 i = 0; i < ACCOUNTS; ++i) {
            assert(_word(i + 1) == words[i]);
        }
    }

    /// @dev Invariants 1 and 2: all balances together are below 2^56, and what the buyers' accounts
    /// have locked covers these trades.
    function _assumeLocked(Trade[] memory trades, uint256[6] memory words) private pure {
        unchecked {
            uint256 sum = 0;
            for (uint256 i = 0; i < ACCOUNTS; ++i) {
                uint256 owed = 0;
                for (uint256 j = 0; j < trades.length; ++j) {
                    if (trades[j].buyer() == i + 1) owed += _cost(trades[j]);
                }
                AccountWord word = AccountWord.wrap(words[i]);
                vm.assume(owed <= word.locked());
                sum += word.free() + word.locked();
            }
            vm.assume(sum < 2 ** 56);
        }
    }

    /// @dev What the words should be after the trades, amount by amount.
    function _sum(Trade[] memory trades, uint256[6] memory words) private pure {
        unchecked {
            for (uint256 i = 0; i < trades.length; ++i) {
                uint256 cost = _cost(trades[i]);
                uint256 income = _income(trades[i]);
                uint256 lotAccount = trades[i].lot() == 1 ? LOT_ACCOUNT : OTHER_LOT_ACCOUNT;
                words[trades[i].buyer() - 1] -= cost << 144;
                words[trades[i].seller() - 1] += income << 200;
                words[lotAccount - 1] += (cost - income) << 200;
            }
        }
    }

    function check_refund_of_one_trade_never_reverts(
        uint32 energy,
        uint32 buyerPrice,
        uint256 buyerWord,
        uint8 state
    ) external {
        Trade[] memory trades = new Trade[](1);
        trades[0] = packTrade(BUYER, SELLER, energy, buyerPrice, 0, 1, 0, 1);
        uint256 cost = _cost(trades[0]);
        _storeAccount(BUYER, buyerWord);
        vm.assume(AccountWord.wrap(buyerWord).locked() >= cost);
        vm.assume(AccountWord.wrap(buyerWord).free() + cost < 2 ** 56);
        bytes32 id = _storeRefundable(trades, state);
        (bool done,) = address(_consortium)
            .call(abi.encodeCall(IEnergyConsortium.refund, (address(this), DEADLINE, trades)));
        assert(done);
        assert(_consortium.stateOf(id) == IEnergyConsortium.BatchState.Refunded);
        assert(_word(BUYER) == AccountWord.unwrap(AccountWord.wrap(buyerWord).unlock(cost)));
    }

    /// @dev Two trades of one buyer or of two, from any balances that the ledger can hold.
    function check_refund_of_two_trades_gives_back_a_plain_sum(
        uint256 first,
        uint256 second,
        bool otherBuyer,
        uint8 state,
        uint256[6] memory words
    ) external {
        Trade[] memory trades = new Trade[](2);
        trades[0] = _between(BUYER, SELLER, first, 1);
        trades[1] = _between(otherBuyer ? OTHER_BUYER : BUYER, SELLER, second, 1);
        _assumeLocked(trades, words);
        for (uint32 i = 0; i < ACCOUNTS; ++i) {
            _storeAccount(i + 1, words[i]);
        }
        bytes32 id = _storeRefundable(trades, state);
        (bool done,) = address(_consortium)
            .call(abi.encodeCall(IEnergyConsortium.refund, (address(this), DEADLINE, trades)));
        assert(done);
        assert(_consortium.stateOf(id) == IEnergyConsortium.BatchState.Refunded);
        unchecked {
            for (uint256 i = 0; i < trades.length; ++i) {
                words[trades[i].buyer() - 1] += _cost(trades[i]) << 200;
                words[trades[i].buyer() - 1] -= _cost(trades[i]) << 144;
            }
        }
        for (uint32 i = 0; i < ACCOUNTS; ++i) {
            assert(_word(i + 1) == words[i]);
        }
    }

    /// @dev Rejected, Cancelled, or Pending past its deadline.
    function _storeRefundable(Trade[] memory trades, uint8 state) private returns (bytes32 id) {
        vm.assume(state == 1 || state == 4 || state == 5);
        id = _consortium.batchIdOf(address(this), DEADLINE, trades);
        _storeBatch(id, IEnergyConsortium.BatchState(state), 0, 0);
        vm.warp(uint256(DEADLINE) + 1);
    }

    /// @dev Any energy and prices; parties are fixed, since accounts are found by their numbers.
    /// Of the amounts only what `WordProofs` shows is used.
    function _between(uint32 buyer, uint32 seller, uint256 terms, uint16 lot)
        private
        pure
        returns (Trade trade)
    {
        trade = packTrade(
            buyer, seller, uint32(terms >> 64), uint32(terms >> 32), uint32(terms), 1, 0, lot
        );
        vm.assume(trade.sellerPrice() <= trade.buyerPrice());
        vm.assume(_cost(trade) < 2 ** 55 && _income(trade) <= _cost(trade));
    }

    /// @dev A trade's amounts, their factors in the order in which the compiled contract multiplies
    /// them: a product is a mere name to the solver, and so both sides have the same one.
    function _cost(Trade trade) private pure returns (uint256) {
        unchecked {
            return uint256(trade.buyerPrice()) * trade.energyWh() / 1000;
        }
    }

    function _income(Trade trade) private pure returns (uint256) {
        unchecked {
            return uint256(trade.sellerPrice()) * trade.energyWh() / 1000;
        }
    }

    function _govern(uint256 seats, uint256 quorum) private {
        // operatorCount 8 | quorum 8 | largestSpread 32 | highest 32 | lowest 32 | seats 96
        uint256 word = (4 << 200) | (quorum << 192) | seats;
        vm.store(address(_consortium), bytes32(SETTINGS_SLOT), bytes32(word));
    }

    function _storeBatch(
        bytes32 id,
        IEnergyConsortium.BatchState state,
        uint256 confirmations,
        uint256 rejections
    ) private {
        uint256 word = (rejections << 160) | (confirmations << 64) | (uint256(DEADLINE) << 24)
            | (1 << 8) | uint256(state);
        vm.store(address(_consortium), keccak256(abi.encode(id, BATCHES_SLOT)), bytes32(word));
    }

    function _storeAccount(uint32 account, uint256 word) private {
        vm.store(address(_consortium), bytes32(ACCOUNTS_SLOT + account), bytes32(word));
    }

    function _word(uint32 account) private view returns (uint256) {
        return uint256(vm.load(address(_consortium), bytes32(ACCOUNTS_SLOT + account)));
    }
}
