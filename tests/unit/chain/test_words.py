"""What a trade word cannot hold is refused before it is sent, with row, column and value."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

from trading.chain import decode, encode
from trading.chain.words import batch_id, trades_hash
from trading.errors import TableError

TRADES = pd.DataFrame(
    {
        "buyer_account": [1, 2],
        "seller_account": [3, 3],
        "energy_wh": [1_500, 700],
        "price_ueur_per_kwh": [400_000, 400_000],
        "seller_price_ueur_per_kwh": [390_000, 390_000],
        "sequence": [1, 1],
        "interval_start": pd.to_datetime(["2019-10-29T07:15Z"] * 2).astype("datetime64[us, UTC]"),
        "lot": [1, 1],
    }
)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("buyer_account", 2**32, "an account number from 0"),
        ("energy_wh", -1, "whole Wh from 0"),
        ("energy_wh", 1.5, "int64"),
        ("price_ueur_per_kwh", 2**32, "whole micro-euro per kWh"),
        ("sequence", -5, "a sequence number from 0"),
        ("lot", 2**16, "a lot number from 0 to 65535"),
        ("interval_start", pd.Timestamp("2019-10-29T07:15:30Z"), "on a whole minute"),
        ("interval_start", pd.Timestamp("1969-12-31T23:59Z"), "not before 1970"),
        ("interval_start", pd.Timestamp("2019-10-29T07:15"), "datetime64"),
    ],
)
def test_encode_names_the_cell_when_a_value_does_not_fit(
    column: str, value: Any, expected: str
) -> None:
    trades = TRADES.assign(**{column: [value, value]})
    with pytest.raises(TableError, match=expected) as caught:
        encode(trades)
    assert column in {fault.column for fault in caught.value.faults}
    assert str(caught.value).startswith("trades for the ledger: ")


def test_encode_names_the_column_when_one_is_missing() -> None:
    with pytest.raises(TableError, match="column 'lot'"):
        encode(TRADES.drop(columns="lot"))


def test_encode_refuses_an_empty_table() -> None:
    with pytest.raises(TableError, match="at least one row"):
        encode(TRADES.iloc[:0])


def test_encode_leaves_the_table_as_it_was() -> None:
    before = TRADES.copy(deep=True)
    encode(TRADES)
    pd.testing.assert_frame_equal(TRADES, before)


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], "at least one word"), ([5], "16 spare bits of zero"), ([2**256], "a word of 256 bits")],
)
def test_decode_refuses_what_the_contract_would(words: list[int], expected: str) -> None:
    with pytest.raises(TableError, match=expected):
        decode(words)


def test_batch_id_binds_chain_contract_submitter_deadline_and_trades() -> None:
    parts: dict[str, Any] = {
        "chain_id": 1337,
        "contract": "0x" + "11" * 20,
        "submitter": "0x" + "22" * 20,
        "deadline": 99,
        "words": encode(TRADES),
    }
    packed = b"".join(word.to_bytes(32, "big") for word in parts["words"])
    assert trades_hash(parts["words"]) == keccak(packed)
    expected = keccak(
        abi_encode(
            ["uint256", "address", "address", "uint256", "bytes32"],
            [1337, parts["contract"], parts["submitter"], 99, keccak(packed)],
        )
    )
    assert batch_id(**parts) == "0x" + expected.hex()
    others = {
        "chain_id": 1,
        "contract": "0x" + "33" * 20,
        "submitter": "0x" + "33" * 20,
        "deadline": 100,
        "words": encode(TRADES.iloc[::-1]),
    }
    for name, other in others.items():
        assert batch_id(**(parts | {name: other})) != batch_id(**parts)
