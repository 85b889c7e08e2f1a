"""Questions to a person, what became of each rule over a batch, and lists that need no scan."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them; of a verdict that was given before, no outcomes are known."""
    op.add_column("verdicts", sa.Column("outcomes", sa.Text(), nullable=False, server_default="{}"))
    op.create_table(
        "questions",
        sa.Column("batch_id", sa.String(length=66), nullable=False),
        sa.Column("own_vote", sa.String(length=16), nullable=False),
        sa.Column("own_reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("answer_by", sa.Float(), nullable=False),
        sa.Column("ending", sa.String(length=16), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["verdicts.batch_id"]),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_index(op.f("ix_questions_ending"), "questions", ["ending"], unique=False)
    op.create_index(op.f("ix_batches_start_s"), "batches", ["start_s"], unique=False)
    op.create_index(op.f("ix_mirror_events_name"), "mirror_events", ["name"], unique=False)
