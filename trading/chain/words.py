"""A trade as the contract stores it: one 32-byte word, to and from a table.

The most significant bits come first, as in `contracts/src/Trade.sol`: buyer, seller, energyWh,
buyerPrice, sellerPrice, sequence, interval (minutes since 1970, UTC) of 32 bits each, then lot and
spare of 16. Eight 32-bit numbers in network order are thus one word, and encoding a batch is one
numpy table seen as bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa
from eth_abi.abi import encode as abi_encode
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from trading import tables
from trading.errors import Fault, TableError
from trading.units import MAX_U32, Int64Array

MAX_LOT = 2**16 - 1
WORD_BYTES = 32
_MICROSECONDS_PER_MINUTE = 60_000_000
_LAST_INTERVAL = pd.Timestamp(MAX_U32 * 60, unit="s", tz="UTC")

_NUMBERS = {
    "buyer_account": (0, MAX_U32, f"an account number from 0 to {MAX_U32}"),
    "seller_account": (0, MAX_U32, f"an account number from 0 to {MAX_U32}"),
    "energy_wh": (0, MAX_U32, f"whole Wh from 0 to {MAX_U32}"),
    "price_ueur_per_kwh": (0, MAX_U32, f"whole micro-euro per kWh from 0 to {MAX_U32}"),
    "seller_price_ueur_per_kwh": (0, MAX_U32, f"whole micro-euro per kWh from 0 to {MAX_U32}"),
    "sequence": (0, MAX_U32, f"a sequence number from 0 to {MAX_U32}"),
}
_LOT = (0, MAX_LOT, f"a lot number from 0 to {MAX_LOT}")
_WHOLE_MINUTE = "the start of an interval on a whole minute, in UTC, not before 1970"


def _number(low: int, high: int, expected: str) -> pa.Column:
    return pa.Column("int64", pa.Check.in_range(low, high, error=expected), description=expected)


CHAIN = pa.DataFrameSchema(
    {
        **{name: _number(*bounds) for name, bounds in _NUMBERS.items()},
        "interval_start": pa.Column(
            tables.UTC_TIME,
            pa.Check(
                lambda s: (
                    (s.astype("int64") % _MICROSECONDS_PER_MINUTE == 0)
                    & (s.astype("int64") >= 0)
                    & (s <= _LAST_INTERVAL)
                ),
                error=_WHOLE_MINUTE,
            ),
        ),
        "lot": _number(*_LOT),
    },
    name="chain",
    strict="filter",
)
"""Trades as the ledger knows them: account numbers for parties, both prices, the buyer's counter.

It holds what a word can hold. What the contract refuses (no energy, equal parties, an unknown lot)
is not refused here: the ledger's answer names the trade.
"""


def encode(trades: pd.DataFrame) -> list[int]:
    """The word of each trade of a CHAIN table, in its order.

    Raises:
        TableError: a column is missing, or a value does not fit; all faults in one raise.

    >>> frame = decode([2**224 + 2 * 2**192 + 500 * 2**160])
    >>> encode(frame.assign(sequence=1))[0] == 2**224 + 2 * 2**192 + 500 * 2**160 + 2**64
    True
    """
    # pandera takes 10 ms a table, a tenth of the time of a batch: it is asked only to say what is
    # wrong once the quick look has found that something is.
    if not _fits(trades):
        trades = tables.check(trades, CHAIN, source="trades for the ledger")
    fields = np.empty((len(trades), 8), dtype=">u4")
    for position, name in enumerate(_NUMBERS):
        fields[:, position] = trades[name].to_numpy()
    fields[:, 6] = _minutes(trades["interval_start"])
    fields[:, 7] = trades["lot"].to_numpy().astype(np.int64) << 16
    packed = fields.tobytes()
    return [
        int.from_bytes(packed[start : start + WORD_BYTES], "big")
        for start in range(0, len(packed), WORD_BYTES)
    ]


def decode(words: Sequence[int]) -> pd.DataFrame:
    """The CHAIN table of trade words, in their order.

    Raises:
        TableError: a word is not one that the contract accepts: spare bits set, or above 256 bits.
    """
    if not words:
        raise TableError("trade words", [Fault(expected="at least one word, found none")])
    faults = [
        Fault(row=row, column="word", value=hex(word), expected=expected)
        for row, word in enumerate(words)
        for expected in _word_faults(word)
    ]
    if faults:
        raise TableError("trade words", faults)
    packed = b"".join(word.to_bytes(WORD_BYTES, "big") for word in words)
    fields = np.frombuffer(packed, dtype=">u4").reshape(-1, 8).astype(np.int64)
    columns: dict[str, object] = {name: fields[:, at] for at, name in enumerate(_NUMBERS)}
    starts = (fields[:, 6] * _MICROSECONDS_PER_MINUTE).astype("datetime64[us]")
    columns["interval_start"] = pd.DatetimeIndex(starts).tz_localize("UTC")
    columns["lot"] = fields[:, 7] >> 16
    return pd.DataFrame(columns)


def buyers_in(words: Sequence[int]) -> set[int]:
    """Accounts of the buyers in trade words, without decoding them."""
    return {word >> 224 for word in words}


def last_start_s(words: Sequence[int]) -> int:
    """Start of the latest interval in trade words, Unix seconds, without decoding them."""
    return 60 * max(word >> 32 & MAX_U32 for word in words)


def trades_hash(words: Sequence[int]) -> bytes:
    """keccak256 over the packed trades, as `cancel` takes it."""
    return keccak(b"".join(word.to_bytes(WORD_BYTES, "big") for word in words))


def batch_id(
    *, chain_id: int, contract: str, submitter: str, deadline: int, words: Sequence[int]
) -> str:
    """The id that the contract gives a batch, known before it is sent.

    keccak256(abi.encode(chainid, contract, submitter, deadline, keccak256(trades))): it binds the
    exact parties, energies and prices, on one contract of one chain.
    """
    values = (
        chain_id,
        to_canonical_address(contract),
        to_canonical_address(submitter),
        deadline,
        trades_hash(words),
    )
    kinds = ["uint256", "address", "address", "uint40", "bytes32"]
    return "0x" + keccak(abi_encode(kinds, values)).hex()


def _fits(trades: pd.DataFrame) -> bool:
    if trades.empty or not set(CHAIN.columns) <= set(trades.columns):
        return False
    for name, (low, high, _) in {**_NUMBERS, "lot": _LOT}.items():
        column = trades[name]
        if column.dtype.kind not in "iu" or column.min() < low or column.max() > high:
            return False
    starts = trades["interval_start"]
    if not isinstance(starts.dtype, pd.DatetimeTZDtype) or starts.hasnans:
        return False
    naive = starts.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    minutes = naive.astype("datetime64[m]")
    whole = bool((minutes == naive).all())
    ticks = minutes.astype(np.int64)
    return whole and int(ticks.min()) >= 0 and int(ticks.max()) <= MAX_U32


def _minutes(starts: pd.Series) -> Int64Array:
    naive = starts.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    minutes: Int64Array = naive.astype("datetime64[m]").astype(np.int64)
    return minutes


def _word_faults(word: int) -> list[str]:
    if not 0 <= word < 2**256:
        return ["a word of 256 bits"]
    return ["16 spare bits of zero"] if word & MAX_LOT else []
