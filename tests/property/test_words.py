"""Trade words: what goes in comes out, whatever the values, and the layout is the contract's."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from trading.chain import CHAIN, decode, encode
from trading.chain.words import MAX_LOT, buyers_in, last_start_s
from trading.units import MAX_U32

u32 = st.sampled_from([0, 1, 2**31, MAX_U32]) | st.integers(0, MAX_U32)
u16 = st.sampled_from([0, MAX_LOT]) | st.integers(0, MAX_LOT)
rows = st.tuples(u32, u32, u32, u32, u32, u32, u32, u16)


def table(drawn: list[tuple[int, ...]]) -> pd.DataFrame:
    """A CHAIN table of rows in the order of the word's fields."""
    frame = pd.DataFrame(drawn, columns=list(CHAIN.columns), dtype="int64")
    starts = pd.to_datetime(frame["interval_start"] * 60, unit="s", utc=True)
    return frame.assign(interval_start=starts.astype("datetime64[us, UTC]"))


def plain_word(row: tuple[int, ...]) -> int:
    """The word of one row, written as in contracts/src/Trade.sol."""
    buyer, seller, energy, price, seller_price, sequence, interval, lot = row
    return (
        buyer << 224
        | seller << 192
        | energy << 160
        | price << 128
        | seller_price << 96
        | sequence << 64
        | interval << 32
        | lot << 16
    )


@given(st.lists(rows, min_size=1, max_size=20))
def test_words_come_back_as_the_table_they_were(drawn: list[tuple[int, ...]]) -> None:
    trades = table(drawn)
    pd.testing.assert_frame_equal(decode(encode(trades)), trades)


@given(st.lists(rows, min_size=1, max_size=20))
def test_words_have_the_layout_of_the_contract(drawn: list[tuple[int, ...]]) -> None:
    assert encode(table(drawn)) == [plain_word(row) for row in drawn]


@given(st.lists(rows, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_index_zone_and_column_order_do_not_matter(drawn: list[tuple[int, ...]], random) -> None:
    trades = table(drawn)
    other = trades.copy()
    other["interval_start"] = other["interval_start"].dt.tz_convert("America/Los_Angeles")
    other.index = other.index + 100
    columns = list(other.columns)
    random.shuffle(columns)
    assert encode(other[columns].assign(more="ignored")) == encode(trades)


@given(st.lists(rows, min_size=1, max_size=20))
def test_what_is_read_off_packed_words_is_what_decoding_gives(
    drawn: list[tuple[int, ...]],
) -> None:
    trades = table(drawn)
    words = encode(trades)
    assert buyers_in(words) == set(trades["buyer_account"])
    assert last_start_s(words) == int(trades["interval_start"].max().timestamp())
