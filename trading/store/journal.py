"""The journal: sessions taken in, intervals dealt with, batches written, one after another.

An entry is written in the SQL transaction of what it tells, and numbers follow one another in the
order in which those transactions are kept. So whoever has read up to a number misses nothing that
comes later, which no time of day could promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, insert

from trading.store.schema import JOURNAL

EntryName = Literal[
    "SessionTaken", "SessionChanged", "IntervalCleared", "BatchWritten", "BatchRefused"
]
ENTRY_NAMES: tuple[EntryName, ...] = get_args(EntryName)
_PLAIN: dict[str, Any] = {
    "session_id": None, "batch_id": None, "lot": None, "start_s": None, "outcome": "",
}  # fmt: skip


def note(connection: Connection, name: EntryName, *entries: dict[str, Any], at: float) -> None:
    """Write entries of one name in the transaction of what they tell.

    Args:
        connection: of that transaction, one of `Database.begin`: those are one at a time, or a
            later number could be seen before an earlier one.
        name: what happened.
        entries: columns of `JOURNAL`; what is left out is empty.
        at: Unix seconds.
    """
    if not entries:
        return
    rows = [{**_PLAIN, **entry, "at": at, "name": name} for entry in entries]
    connection.execute(insert(JOURNAL), rows)


def mark_of(entry: Row[Any]) -> str:
    """Eight digits by which an entry is known from another that has its number.

    There is another where a database was restored from an older backup, and went on from there.
    """
    parts: Sequence[object] = (entry.at, entry.name, entry.session_id, entry.batch_id,
                               entry.lot, entry.start_s, entry.outcome)  # fmt: skip
    return blake2b(repr(tuple(parts)).encode(), digest_size=4).hexdigest()
