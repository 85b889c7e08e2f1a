// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";

import {Trade, packTrade} from "../src/Trade.sol";

contract TradeTest is Test {
    function test_word_has_its_fields_where_the_table_says() external pure {
        Trade trade = packTrade(
            0x11111111,
            0x22222222,
            0x33333333,
            0x44444444,
            0x55555555,
            0x66666666,
            0x77777777,
            0x8888
        );
        assertEq(
            Trade.unwrap(trade), 0x1111111122222222333333334444444455555555666666667777777788880000
        );
    }

    function testFuzz_packing_then_reading_returns_each_field(
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

    function testFuzz_reading_then_packing_returns_the_word(uint256 word) external pure {
        Trade trade = Trade.wrap(word);
        Trade packed = packTrade(
            trade.buyer(),
            trade.seller(),
            trade.energyWh(),
            trade.buyerPrice(),
            trade.sellerPrice(),
            trade.sequence(),
            trade.interval(),
            trade.lot()
        );
        assertEq(Trade.unwrap(packed) | trade.spare(), word);
    }

    function testFuzz_amounts_are_the_floors_of_their_formulas(uint256 word) external pure {
        Trade trade = Trade.wrap(word);
        uint256 thousandfold = uint256(trade.energyWh()) * trade.buyerPrice();
        assertLe(trade.buyerCost() * 1000, thousandfold);
        assertGt(trade.buyerCost() * 1000 + 1000, thousandfold);
        thousandfold = uint256(trade.energyWh()) * trade.sellerPrice();
        assertLe(trade.sellerIncome() * 1000, thousandfold);
        assertGt(trade.sellerIncome() * 1000 + 1000, thousandfold);
    }

    function test_largest_cost_fits_a_balance() external pure {
        Trade trade =
            packTrade(1, 2, type(uint32).max, type(uint32).max, type(uint32).max, 1, 0, 0);
        assertEq(trade.buyerCost(), 18_446_744_065_119_617);
        assertLt(trade.buyerCost(), 2 ** 55);
    }
}
