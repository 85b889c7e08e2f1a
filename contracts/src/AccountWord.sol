// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a batch reads and writes of one account, as one 32-byte word, so that each party
/// costs one storage slot and no more. Most significant bits first:
///
/// | field        | bits | offset | meaning                                               |
/// |--------------|------|--------|-------------------------------------------------------|
/// | free         | 56   | 200    | micro-euro that can be locked or withdrawn            |
/// | locked       | 56   | 144    | micro-euro locked for unsettled, unrefunded batches   |
/// | sequence     | 32   | 112    | highest sequence number used as a buyer               |
/// | maxBuyPrice  | 32   | 80     | mandate, micro-euro per kWh                           |
/// | minSellPrice | 32   | 48     | mandate, micro-euro per kWh                           |
/// | validUntil   | 32   | 16     | mandate, last second; 0 when there is none            |
/// | aggregator   | 14   | 2      | mandate, number of the aggregator; 0 for nobody       |
/// | openToBuyers | 1    | 1      | mandate                                               |
/// | registered   | 1    | 0      | always set, which also keeps the slot from being zero |
///
/// The two balances lie on top, so that moving money is one addition or subtraction. All balances
/// together stay below 2^56 (`MAX_DEPOSITS`, checked at each deposit), so no field can carry into
/// its neighbour.
type AccountWord is uint256;

using {
    free,
    locked,
    sequence,
    maxBuyPrice,
    minSellPrice,
    validUntil,
    aggregatorNumber,
    openToBuyers,
    registered,
    lock,
    unlock,
    payLocked,
    credit,
    debit,
    withSequence,
    withMandate,
    withoutMandate
} for AccountWord global;

/// @dev The largest balance a word can hold; also the largest sum of all balances.
uint64 constant LARGEST_BALANCE = 2 ** 56 - 1;

/// @dev The largest number of an aggregator.
uint256 constant LARGEST_AGGREGATOR = 2 ** 14 - 1;

/// @dev The word of a new account.
AccountWord constant NEW_ACCOUNT = AccountWord.wrap(1);

uint256 constant FREE_OFFSET = 200;
uint256 constant LOCKED_OFFSET = 144;
uint256 constant SEQUENCE_OFFSET = 112;
uint256 constant MAX_BUY_PRICE_OFFSET = 80;
uint256 constant MIN_SELL_PRICE_OFFSET = 48;
uint256 constant VALID_UNTIL_OFFSET = 16;
uint256 constant AGGREGATOR_OFFSET = 2;
uint256 constant OPEN_OFFSET = 1;

uint256 constant BALANCE_MASK = 2 ** 56 - 1;
uint256 constant SEQUENCE_MASK = (2 ** 32 - 1) << SEQUENCE_OFFSET;
/// @dev Prices, validity, aggregator and openness: everything between sequence and registered.
uint256 constant MANDATE_MASK = (2 ** SEQUENCE_OFFSET - 1) ^ 1;

function free(AccountWord word) pure returns (uint256) {
    return AccountWord.unwrap(word) >> FREE_OFFSET;
}

function locked(AccountWord word) pure returns (uint256) {
    return (AccountWord.unwrap(word) >> LOCKED_OFFSET) & BALANCE_MASK;
}

function sequence(AccountWord word) pure returns (uint32) {
    return uint32(AccountWord.unwrap(word) >> SEQUENCE_OFFSET);
}

function maxBuyPrice(AccountWord word) pure returns (uint32) {
    return uint32(AccountWord.unwrap(word) >> MAX_BUY_PRICE_OFFSET);
}

function minSellPrice(AccountWord word) pure returns (uint32) {
    return uint32(AccountWord.unwrap(word) >> MIN_SELL_PRICE_OFFSET);
}

function validUntil(AccountWord word) pure returns (uint32) {
    return uint32(AccountWord.unwrap(word) >> VALID_UNTIL_OFFSET);
}

function aggregatorNumber(AccountWord word) pure returns (uint256) {
    return (AccountWord.unwrap(word) >> AGGREGATOR_OFFSET) & LARGEST_AGGREGATOR;
}

function openToBuyers(AccountWord word) pure returns (bool) {
    return (AccountWord.unwrap(word) >> OPEN_OFFSET) & 1 == 1;
}

function registered(AccountWord word) pure returns (bool) {
    return AccountWord.unwrap(word) & 1 == 1;
}

/// @notice Moves an amount from free to locked. The caller has checked that free covers it.
function lock(AccountWord word, uint256 amount) pure returns (AccountWord) {
    unchecked {
        // amount <= free, and locked + amount <= all balances < 2^56: no borrow, no carry.
        return AccountWord.wrap(
            AccountWord.unwrap(word) - (amount << FREE_OFFSET) + (amount << LOCKED_OFFSET)
        );
    }
}

/// @notice Moves an amount back from locked to free. The amount is part of what was locked.
function unlock(AccountWord word, uint256 amount) pure returns (AccountWord) {
    unchecked {
        // amount <= locked, and free + amount <= all balances < 2^56: no borrow, no carry.
        return AccountWord.wrap(
            AccountWord.unwrap(word) - (amount << LOCKED_OFFSET) + (amount << FREE_OFFSET)
        );
    }
}

/// @notice Takes an amount out of locked, to be credited elsewhere. It is part of what was locked.
function payLocked(AccountWord word, uint256 amount) pure returns (AccountWord) {
    unchecked {
        // amount <= locked: no borrow.
        return AccountWord.wrap(AccountWord.unwrap(word) - (amount << LOCKED_OFFSET));
    }
}

/// @notice Adds an amount to free. All balances together stay below 2^56.
function credit(AccountWord word, uint256 amount) pure returns (AccountWord) {
    unchecked {
        // free + amount <= all balances < 2^56: no overflow of the word.
        return AccountWord.wrap(AccountWord.unwrap(word) + (amount << FREE_OFFSET));
    }
}

/// @notice Takes an amount out of free. The caller has checked that free covers it.
function debit(AccountWord word, uint256 amount) pure returns (AccountWord) {
    unchecked {
        // amount <= free: no borrow.
        return AccountWord.wrap(AccountWord.unwrap(word) - (amount << FREE_OFFSET));
    }
}

function withSequence(AccountWord word, uint32 sequence_) pure returns (AccountWord) {
    return AccountWord.wrap(
        (AccountWord.unwrap(word) & ~SEQUENCE_MASK) | (uint256(sequence_) << SEQUENCE_OFFSET)
    );
}

function withMandate(
    AccountWord word,
    uint32 maxBuyPrice_,
    uint32 minSellPrice_,
    uint32 validUntil_,
    uint16 aggregatorNumber_,
    bool openToBuyers_
) pure returns (AccountWord) {
    return AccountWord.wrap(
        (AccountWord.unwrap(word) & ~MANDATE_MASK)
            | (uint256(maxBuyPrice_) << MAX_BUY_PRICE_OFFSET)
            | (uint256(minSellPrice_) << MIN_SELL_PRICE_OFFSET)
            | (uint256(validUntil_) << VALID_UNTIL_OFFSET)
            | (uint256(aggregatorNumber_) << AGGREGATOR_OFFSET)
            | (openToBuyers_ ? 1 << OPEN_OFFSET : 0)
    );
}

function withoutMandate(AccountWord word) pure returns (AccountWord) {
    return AccountWord.wrap(AccountWord.unwrap(word) & ~MANDATE_MASK);
}
