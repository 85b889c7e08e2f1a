"""The first tables: outbox, batches, sessions, signatures, verdicts, and the mirror."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("settle_from_s", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("submitter", sa.String(length=42), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("locked_ueur", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.Float(), nullable=False),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_index(op.f("ix_batches_is_closed"), "batches", ["is_closed"], unique=False)
    op.create_table(
        "identity",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "intervals",
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("decided_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("lot", "start_s"),
    )
    op.create_table(
        "left_out",
        sa.Column("trade_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trade_id"),
    )
    op.create_table(
        "mirror_accounts",
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=42), nullable=False),
        sa.Column("tag", sa.String(length=66), nullable=False),
        sa.Column("free_ueur", sa.BigInteger(), nullable=False),
        sa.Column("locked_ueur", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("max_buy_ueur_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("min_sell_ueur_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("aggregator", sa.String(length=42), nullable=True),
        sa.Column("open_to_buyers", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_index(op.f("ix_mirror_accounts_tag"), "mirror_accounts", ["tag"], unique=False)
    op.create_table(
        "mirror_batches",
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("was", sa.String(length=16), nullable=False),
        sa.Column("submitter", sa.String(length=42), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("trades", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("locked_ueur", sa.BigInteger(), nullable=False),
        sa.Column("submitted_block", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_index(op.f("ix_mirror_batches_state"), "mirror_batches", ["state"], unique=False)
    op.create_table(
        "mirror_blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=66), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "mirror_events",
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("hash", sa.String(length=66), nullable=False),
        sa.Column("actor", sa.String(length=42), nullable=False),
        sa.PrimaryKeyConstraint("block", "position"),
    )
    op.create_index(op.f("ix_mirror_events_batch_id"), "mirror_events", ["batch_id"], unique=False)
    op.create_table(
        "mirror_operators",
        sa.Column("seat", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=42), nullable=False),
        sa.PrimaryKeyConstraint("seat"),
    )
    op.create_table(
        "mirror_votes",
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("operator", sa.String(length=42), nullable=False),
        sa.Column("is_confirmation", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("voted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "seat"),
    )
    op.create_table(
        "sequences",
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_table(
        "signatures",
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("signer", sa.String(length=42), nullable=False),
        sa.Column("r", sa.LargeBinary(), nullable=False),
        sa.Column("vs", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "seat"),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("sender", sa.String(length=42), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=66), nullable=False),
        sa.Column("target", sa.String(length=42), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("gas", sa.BigInteger(), nullable=False),
        sa.Column("gas_price", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.String(length=66), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("written_at", sa.Float(), nullable=False),
        sa.Column("sent_at", sa.Float(), nullable=True),
        sa.Column("block", sa.BigInteger(), nullable=True),
        sa.Column("block_hash", sa.String(length=66), nullable=True),
        sa.Column("gas_used", sa.BigInteger(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        sa.UniqueConstraint("sender", "nonce", "attempt"),
    )
    op.create_index(op.f("ix_transactions_state"), "transactions", ["state"], unique=False)
    op.create_index(op.f("ix_transactions_subject"), "transactions", ["subject"], unique=False)
    op.create_table(
        "verdicts",
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("vote", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_table(
        "trades",
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("trade_id", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "position"),
    )
    op.create_index(op.f("ix_trades_trade_id"), "trades", ["trade_id"], unique=False)


def downgrade() -> None:
    """Drop them, with all that they hold."""
    op.drop_index(op.f("ix_trades_trade_id"), table_name="trades")
    op.drop_table("trades")
    op.drop_table("verdicts")
    op.drop_index(op.f("ix_transactions_subject"), table_name="transactions")
    op.drop_index(op.f("ix_transactions_state"), table_name="transactions")
    op.drop_table("transactions")
    op.drop_table("signatures")
    op.drop_table("sessions")
    op.drop_table("sequences")
    op.drop_table("mirror_votes")
    op.drop_table("mirror_operators")
    op.drop_index(op.f("ix_mirror_events_batch_id"), table_name="mirror_events")
    op.drop_table("mirror_events")
    op.drop_table("mirror_blocks")
    op.drop_index(op.f("ix_mirror_batches_state"), table_name="mirror_batches")
    op.drop_table("mirror_batches")
    op.drop_index(op.f("ix_mirror_accounts_tag"), table_name="mirror_accounts")
    op.drop_table("mirror_accounts")
    op.drop_table("left_out")
    op.drop_table("intervals")
    op.drop_table("identity")
    op.drop_index(op.f("ix_batches_is_closed"), table_name="batches")
    op.drop_table("batches")
