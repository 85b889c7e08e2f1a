"""What a party must not lose: its database, the outbox of its key, its mirror of the chain."""

from trading.store.database import Database, backup, open_database, upgrade
from trading.store.mirror import Mirror
from trading.store.outbox import Ended, Outbox

__all__ = ["Database", "Ended", "Mirror", "Outbox", "backup", "open_database", "upgrade"]
