// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One trade as one 32-byte word. Most significant bits first:
///
/// | field       | bits | offset | unit                                             |
/// |-------------|------|--------|--------------------------------------------------|
/// | buyer       | 32   | 224    | account number                                   |
/// | seller      | 32   | 192    | account number                                   |
/// | energyWh    | 32   | 160    | Wh at the buyer's charger meter                  |
/// | buyerPrice  | 32   | 128    | micro-euro per kWh, what the buyer pays          |
/// | sellerPrice | 32   | 96     | micro-euro per kWh, what the seller gets         |
/// | sequence    | 32   | 64     | the buyer's own counter, higher with each trade  |
/// | interval    | 32   | 32     | start of the interval, minutes since 1970 in UTC |
/// | lot         | 16   | 16     | number of the parking lot                        |
/// | spare       | 16   | 0      | zero                                             |
type Trade is uint256;

using {
    buyer,
    seller,
    energyWh,
    buyerPrice,
    sellerPrice,
    sequence,
    interval,
    lot,
    spare,
    buyerCost,
    sellerIncome
} for Trade global;

/// @dev Millionths of a euro per kWh times Wh is thousandths of a millionth: one division by this.
uint256 constant WH_PER_KWH = 1000;

/// @notice Packs the fields of a trade into its word; `spare` stays zero.
function packTrade(
    uint32 buyer_,
    uint32 seller_,
    uint32 energyWh_,
    uint32 buyerPrice_,
    uint32 sellerPrice_,
    uint32 sequence_,
    uint32 interval_,
    uint16 lot_
) pure returns (Trade) {
    uint256 word = buyer_;
    word = (word << 32) | seller_;
    word = (word << 32) | energyWh_;
    word = (word << 32) | buyerPrice_;
    word = (word << 32) | sellerPrice_;
    word = (word << 32) | sequence_;
    word = (word << 32) | interval_;
    word = (word << 16) | lot_;
    return Trade.wrap(word << 16);
}

function buyer(Trade trade) pure returns (uint32) {
    return uint32(Trade.unwrap(trade) >> 224);
}

function seller(Trade trade) pure returns (uint32) {
    return uint32(Trade.unwrap(trade) >> 192);
}

function energyWh(Trade trade) pure returns (uint32) {
    return uint32(Trade.unwrap(trade) >> 160);
}

function buyerPrice(Trade trade) pure returns (uint32) {
    return uint32(Trade.unwrap(trade) >> 128);
}

function sellerPrice(Trade trade) pure returns (uint32) {
    return uint32(Trade.unwrap(trade) >> 96);
}

function sequence(Trade trade) pure returns (uint32) {
    return uint32(Trade.unwrap(trade) >> 64);
}

function interval(Trade trade) pure returns (uint32) {
    return uint32(Trade.unwrap(trade) >> 32);
}

function lot(Trade trade) pure returns (uint16) {
    return uint16(Trade.unwrap(trade) >> 16);
}

function spare(Trade trade) pure returns (uint16) {
    return uint16(Trade.unwrap(trade));
}

/// @notice What the buyer pays, in micro-euro: floor(energyWh * buyerPrice / 1000).
/// @dev The fraction of a micro-euro below the floor stays with the buyer. At most 2^64 / 1000 <
/// 2^55.
function buyerCost(Trade trade) pure returns (uint256) {
    unchecked {
        // Two 32-bit factors: below 2^64.
        return uint256(trade.energyWh()) * trade.buyerPrice() / WH_PER_KWH;
    }
}

/// @notice What the seller gets, in micro-euro: floor(energyWh * sellerPrice / 1000).
/// @dev The fraction below the floor goes into the spread, so that the three amounts add up.
function sellerIncome(Trade trade) pure returns (uint256) {
    unchecked {
        // Two 32-bit factors: below 2^64.
        return uint256(trade.energyWh()) * trade.sellerPrice() / WH_PER_KWH;
    }
}
