"""What alembic runs: the migrations of one open connection, given by `trading.store.database`."""

from __future__ import annotations

from alembic import context

from trading.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
