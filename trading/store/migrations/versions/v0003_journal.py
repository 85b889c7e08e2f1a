"""The journal, with what is known of what happened before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BEFORE = """
INSERT INTO journal (at, name, session_id, batch_id, lot, start_s, outcome)
SELECT at, name, session_id, batch_id, lot, start_s, outcome FROM (
    SELECT received_at AS at, 'SessionTaken' AS name, session_id, CAST(NULL AS VARCHAR) AS batch_id,
           CAST(NULL AS INTEGER) AS lot, CAST(NULL AS BIGINT) AS start_s, '' AS outcome
    FROM sessions
    UNION ALL
    SELECT decided_at, 'IntervalCleared', NULL, NULL, lot, start_s, outcome FROM intervals
    UNION ALL
    SELECT written_at, 'BatchWritten', NULL, batch_id, lot, start_s, '' FROM batches
) AS known
ORDER BY at, name DESC
"""


def upgrade() -> None:
    """Make it; when a departure changed or a batch was refused before is not known."""
    op.create_table(
        "journal",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("batch_id", sa.String(length=66), nullable=True),
        sa.Column("lot", sa.Integer(), nullable=True),
        sa.Column("start_s", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_journal_session_id"), "journal", ["session_id"], unique=False)
    op.execute(_BEFORE)
