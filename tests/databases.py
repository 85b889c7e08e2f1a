"""Databases of either kind for tests, each with a name of its own and empty.

PostgreSQL's are made beside the empty one that `PEERCHARGE_TEST_POSTGRES` names, by a role that may
make databases (PostgreSQL 15 or later), and dropped afterwards; without it those of SQLite are all
there is.

PEERCHARGE_TEST_POSTGRES=postgresql+psycopg://postgres@127.0.0.1:5432/engine pytest ...
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, insert, make_url, select

from trading.store import open_database
from trading.store.schema import metadata

URL = os.environ.get("PEERCHARGE_TEST_POSTGRES", "")
needs_postgres = pytest.mark.skipif(not URL, reason="PEERCHARGE_TEST_POSTGRES names no database")
KINDS = ["sqlite", *(["postgres"] if URL else [])]
"""Of both, tests of one; `test_postgres.py` says what is left out without PostgreSQL."""

At = Callable[[str], str]
"""The address of the database of a name, an empty one where it is asked for first."""


@contextmanager
def databases(kind: str, folder: Path) -> Iterator[At]:
    """Databases of a kind; PostgreSQL's are gone when the context ends."""
    if kind == "sqlite":
        yield lambda name: str(folder / f"{name}.db")
        return
    made: dict[str, str] = {}

    def at(name: str) -> str:
        if name not in made:
            made[name] = f"peercharge_{uuid.uuid4().hex}"
            # Its texts are ordered as people do, which no order of ours may hang on.
            _run(
                f'CREATE DATABASE "{made[name]}" TEMPLATE template0 '
                "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
            )
        place = make_url(URL).set(database=made[name])
        return place.render_as_string(hide_password=False)

    try:
        yield at
    finally:
        for database in made.values():
            _run(f'DROP DATABASE "{database}" WITH (FORCE)')


def _run(statement: str) -> None:
    engine = create_engine(URL, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def copy_rows(source: str, target: str) -> None:
    """Every row of a database in an empty one, while others look at the first."""
    with (
        open_database(source, alone=False) as here,
        open_database(target) as there,
        here.look() as read,
        there.begin() as write,
    ):
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in read.execute(select(table)).mappings()]
            if rows:
                write.execute(insert(table), rows)
            counted = table.autoincrement_column
            if rows and counted is not None and write.dialect.name == "postgresql":
                # Numbers go on after those that were copied.
                sequence = func.pg_get_serial_sequence(table.name, counted.name)
                write.execute(select(func.setval(sequence, max(r[counted.name] for r in rows))))
