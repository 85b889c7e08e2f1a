"""The tables of a database: what this party wrote itself, and its mirror of the chain.

Own tables cannot be had again and are what a backup is for: sessions as they came, batches before
they were sent, transactions, signatures, verdicts. The mirror (`mirror_*`) follows from the chain
and can be thrown away. Money is in micro-euro, energy in Wh, times are Unix seconds; bytes of
transactions and trade words are as they are on the chain. The migrations in `migrations/` make the
same tables; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

IDENTITY = Table(
    "identity",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Which contract on which chain this database belongs to, and whose it is."""
LOOKED_AT = "looked_at"
"""A row of `IDENTITY`: Unix seconds of a complete look at that chain, not long before the last."""

SESSIONS = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("content", Text, nullable=False),  # a row of tables.SESSIONS in JSON
    Column("received_at", Float, nullable=False),
)
"""Sessions as they came, each taken once."""

INTERVALS = Table(
    "intervals",
    metadata,
    Column("lot", Integer, primary_key=True),
    Column("start_s", BigInteger, primary_key=True),
    Column("outcome", String(16), nullable=False),  # traded, nothing, missed
    Column("decided_at", Float, nullable=False),
)
"""Market intervals that were dealt with, so that none is traded twice."""

BATCHES = Table(
    "batches",
    metadata,
    Column("batch_id", String(66), primary_key=True),
    Column("lot", Integer, nullable=False),
    Column("start_s", BigInteger, nullable=False, index=True),
    Column("settle_from_s", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("submitter", String(42), nullable=False),
    Column("words", LargeBinary, nullable=False),
    Column("locked_ueur", BigInteger, nullable=False),
    Column("written_at", Float, nullable=False),
    Column("is_closed", Boolean, nullable=False, default=False, index=True),
    Column("outcome", String(16), nullable=False, default=""),  # settled, refunded, refused
    Column("note", Text, nullable=False, default=""),
)
"""Batches of this engine, written before they are sent."""

TRADES = Table(
    "trades",
    metadata,
    Column("batch_id", String(66), ForeignKey("batches.batch_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("trade_id", Text, nullable=False, index=True),
    Column("buyer_id", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
)
"""Who is who in a batch: what is not on the chain."""

SEQUENCES = Table(
    "sequences",
    metadata,
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)
"""The last number that this engine gave to a trade of each buyer."""

LEFT_OUT = Table(
    "left_out",
    metadata,
    Column("trade_id", Text, primary_key=True),
    Column("batch_id", String(66), nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", Text, nullable=False),
)
"""Trades that the contract refused and that were therefore left to the grid."""

TRANSACTIONS = Table(
    "transactions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("sender", String(42), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("purpose", String(32), nullable=False),
    Column("subject", String(66), nullable=False, index=True),
    Column("target", String(42)),
    Column("data", LargeBinary, nullable=False),
    Column("gas", BigInteger, nullable=False),
    Column("gas_price", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("hash", String(66), nullable=False, unique=True),
    Column("state", String(16), nullable=False, index=True),
    Column("written_at", Float, nullable=False),
    Column("sent_at", Float),
    Column("block", BigInteger),
    Column("block_hash", String(66)),
    Column("gas_used", BigInteger),
    Column("refusal", Text, nullable=False, default=""),
    UniqueConstraint("sender", "nonce", "attempt"),
)
"""The outbox: every transaction, signed, with its number, before it goes out."""

SIGNATURES = Table(
    "signatures",
    metadata,
    Column("batch_id", String(66), primary_key=True),
    Column("seat", Integer, primary_key=True),
    Column("signer", String(42), nullable=False),
    Column("r", LargeBinary, nullable=False),
    Column("vs", LargeBinary, nullable=False),
    Column("received_at", Float, nullable=False),
)
"""Confirmations that operators signed off chain."""

VERDICTS = Table(
    "verdicts",
    metadata,
    Column("batch_id", String(66), primary_key=True),
    Column("vote", String(16), nullable=False),  # confirmed, rejected, unvoted, or still asked
    Column("reason", Text, nullable=False),
    Column("findings", Text, nullable=False),  # JSON: every finding of every rule
    Column("decided_at", Float, nullable=False),
    Column("outcomes", Text, nullable=False, server_default="{}"),  # JSON: rule to held, ...
)
"""What this operator said to each batch, and all that it found."""

QUESTIONS = Table(
    "questions",
    metadata,
    Column("batch_id", String(66), ForeignKey("verdicts.batch_id"), primary_key=True),
    Column("own_vote", String(16), nullable=False),  # confirmed, rejected
    Column("own_reason", Text, nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("answer_by", Float, nullable=False),
    Column("ending", String(16), nullable=False, index=True),  # open, answered, unanswered, ...
    Column("ended_at", Float),
    Column("who", Text, nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
)
"""Batches on which a person was asked: what the node would say, and how the question ended."""

JOURNAL = Table(
    "journal",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("name", String(32), nullable=False),
    Column("session_id", Text, index=True),
    Column("batch_id", String(66)),
    Column("lot", Integer),
    Column("start_s", BigInteger),
    Column("outcome", String(16), nullable=False, default=""),  # of an interval
    # A number that was erased is never given again.
    sqlite_autoincrement=True,
)
"""What this party did or took in that is not on the chain, in the order in which it was kept."""

MIRROR_BLOCKS = Table(
    "mirror_blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(66), nullable=False),
)
"""Blocks by which a reorganisation is noticed: those with events, and where each look ended."""

MIRROR_EVENTS = Table(
    "mirror_events",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("name", String(32), nullable=False, index=True),
    Column("arguments", Text, nullable=False),
    Column("batch_id", String(66), nullable=False, index=True),
    Column("hash", String(66), nullable=False),
    Column("actor", String(42), nullable=False),
)
"""Every event of the contract, in chain order; `hash` is the transaction's."""

MIRROR_BATCHES = Table(
    "mirror_batches",
    metadata,
    Column("batch_id", String(66), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("was", String(16), nullable=False),  # before its refund
    Column("submitter", String(42), nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("trades", Integer, nullable=False),
    Column("energy_wh", BigInteger, nullable=False),
    Column("locked_ueur", BigInteger, nullable=False),
    Column("submitted_block", BigInteger, nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
)
"""Where each batch stands; one past its deadline is still `pending` in here."""

MIRROR_VOTES = Table(
    "mirror_votes",
    metadata,
    Column("batch_id", String(66), primary_key=True),
    Column("seat", Integer, primary_key=True),
    Column("operator", String(42), nullable=False),
    Column("is_confirmation", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("voted_at", BigInteger, nullable=False),
)
"""Who confirmed or rejected what; a seat's row is its last vote on a batch."""

MIRROR_ACCOUNTS = Table(
    "mirror_accounts",
    metadata,
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", String(42), nullable=False),
    Column("tag", String(66), nullable=False, index=True),
    Column("free_ueur", BigInteger, nullable=False),
    Column("locked_ueur", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("max_buy_ueur_per_kwh", BigInteger),
    Column("min_sell_ueur_per_kwh", BigInteger),
    Column("valid_until", BigInteger),
    Column("aggregator", String(42)),
    Column("open_to_buyers", Boolean),
)
"""Every account with its balances and limits; the last five are empty without a mandate."""

MIRROR_OPERATORS = Table(
    "mirror_operators",
    metadata,
    Column("seat", Integer, primary_key=True, autoincrement=False),
    Column("address", String(42), nullable=False),
)
"""Who holds which seat."""

MIRROR = (
    MIRROR_BLOCKS,
    MIRROR_EVENTS,
    MIRROR_BATCHES,
    MIRROR_VOTES,
    MIRROR_ACCOUNTS,
    MIRROR_OPERATORS,
)
