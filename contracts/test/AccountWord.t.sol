// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";

import {
    AccountWord,
    LARGEST_AGGREGATOR,
    LARGEST_BALANCE,
    NEW_ACCOUNT
} from "../src/AccountWord.sol";

contract AccountWordTest is Test {
    struct Fields {
        uint64 free;
        uint64 locked;
        uint32 sequence;
        uint32 maxBuyPrice;
        uint32 minSellPrice;
        uint32 validUntil;
        uint16 aggregator;
        bool open;
    }

    function test_word_has_its_fields_where_the_table_says() external pure {
        AccountWord word = NEW_ACCOUNT.credit(0x11111111111111 + 0x22222222222222)
            .lock(0x22222222222222).withSequence(0x33333333)
            .withMandate(0x44444444, 0x55555555, 0x66666666, 0x1DDD, true);
        // The last 16 bits: aggregator 0x1DDD shifted by two, open, registered.
        assertEq(
            AccountWord.unwrap(word),
            0x1111111111111122222222222222333333334444444455555555666666667777
        );
    }

    function testFuzz_reading_returns_what_was_written(Fields memory fields) external pure {
        fields.free = uint64(bound(fields.free, 0, LARGEST_BALANCE));
        fields.locked = uint64(bound(fields.locked, 0, LARGEST_BALANCE - fields.free));
        fields.aggregator = uint16(bound(fields.aggregator, 0, LARGEST_AGGREGATOR));
        AccountWord word = NEW_ACCOUNT.credit(fields.locked).lock(fields.locked)
            .credit(fields.free).withSequence(fields.sequence)
            .withMandate(
                fields.maxBuyPrice,
                fields.minSellPrice,
                fields.validUntil,
                fields.aggregator,
                fields.open
            );
        assertEq(word.free(), fields.free);
        assertEq(word.locked(), fields.locked);
        assertEq(word.sequence(), fields.sequence);
        assertEq(word.maxBuyPrice(), fields.maxBuyPrice);
        assertEq(word.minSellPrice(), fields.minSellPrice);
        assertEq(word.validUntil(), fields.validUntil);
        assertEq(word.aggregatorNumber(), fields.aggregator);
        assertEq(word.openToBuyers(), fields.open);
        assertTrue(word.registered());

        AccountWord without = word.withoutMandate();
        assertEq(without.free(), fields.free);
        assertEq(without.locked(), fields.locked);
        assertEq(without.sequence(), fields.sequence);
        assertEq(AccountWord.unwrap(without) & (2 ** 112 - 1), 1);
    }

    function testFuzz_moving_money_touches_no_other_field(
        uint256 raw,
        uint64 free,
        uint64 locked,
        uint64 amount
    ) external pure {
        free = uint64(bound(free, 0, LARGEST_BALANCE));
        locked = uint64(bound(locked, 0, LARGEST_BALANCE - free));
        uint256 rest = raw % 2 ** 144;
        AccountWord word = _word(free, locked, rest);

        amount = uint64(bound(amount, 0, free));
        assertEq(AccountWord.unwrap(word.lock(amount)), _raw(free - amount, locked + amount, rest));
        assertEq(AccountWord.unwrap(word.debit(amount)), _raw(free - amount, locked, rest));
        amount = uint64(bound(amount, 0, locked));
        assertEq(
            AccountWord.unwrap(word.unlock(amount)), _raw(free + amount, locked - amount, rest)
        );
        assertEq(AccountWord.unwrap(word.payLocked(amount)), _raw(free, locked - amount, rest));
        amount = uint64(bound(amount, 0, LARGEST_BALANCE - free));
        assertEq(AccountWord.unwrap(word.credit(amount)), _raw(free + amount, locked, rest));
    }

    function test_a_word_of_zero_is_no_account() external pure {
        assertFalse(AccountWord.wrap(0).registered());
    }

    function _word(uint256 free, uint256 locked, uint256 rest) private pure returns (AccountWord) {
        return AccountWord.wrap(_raw(free, locked, rest));
    }

    function _raw(uint256 free, uint256 locked, uint256 rest) private pure returns (uint256) {
        return (free << 200) | (locked << 144) | rest;
    }
}
