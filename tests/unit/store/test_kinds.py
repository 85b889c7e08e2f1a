"""What holds of a database whichever its kind: SQLite, or PostgreSQL where tests are given one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, make_url, select, text, update

from tests.databases import KINDS, databases
from tests.durable.small import small_sessions
from tests.tools import PATIENCE_S
from trading.errors import StoreError
from trading.store import Database, open_database, upgrade
from trading.store.database import _config
from trading.store.schema import BATCHES, IDENTITY, JOURNAL, QUESTIONS, VERDICTS, metadata
from trading.store.sessions import SessionStore

THREADS = 4
TIMES = 15


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    with databases(request.param, tmp_path) as at:
        yield at("own")


def plain(url: str):  # type: ignore[no-untyped-def]
    return create_engine(url if "://" in url else f"sqlite:///{url}")


def test_migrations_make_the_tables_of_the_schema(url: str) -> None:
    with open_database(url):
        pass
    engine = plain(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_what_the_first_version_wrote_is_there_after_an_upgrade(url: str) -> None:
    verdict = {"batch_id": "0x1", "vote": "rejected", "reason": "trade 0: power: too much",
               "findings": "[]", "decided_at": 1.5}  # fmt: skip
    batch = {"batch_id": "0x1", "lot": 1, "start_s": 900, "settle_from_s": 1800, "deadline": 890,
             "submitter": "0x2", "words": b"\0\1", "locked_ueur": 2**40, "written_at": 1.25,
             "is_closed": False, "outcome": "", "note": ""}  # fmt: skip
    engine = plain(url)
    with engine.begin() as connection:
        command.upgrade(_config(connection), "0001")
        for table, row in (("verdicts", verdict), ("batches", batch)):
            columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)
    engine.dispose()
    for alone in (True, False):
        with (
            pytest.raises(StoreError, match="peercharge database upgrade"),
            open_database(url, alone=alone),
        ):
            pass
    assert upgrade(url) == ("0001", "0003")
    with open_database(url) as database, database.begin() as connection:
        assert dict(connection.execute(select(VERDICTS)).mappings().one()) == {
            **verdict,
            "outcomes": "{}",
        }
        assert dict(connection.execute(select(BATCHES)).mappings().one()) == batch
        entry = connection.execute(select(JOURNAL)).one()
        assert (entry.number, entry.name, entry.batch_id, entry.at) == (
            1,
            "BatchWritten",
            "0x1",
            1.25,
        )
        connection.execute(
            insert(QUESTIONS).values(
                batch_id="0x1",
                own_vote="rejected",
                own_reason="",
                asked_at=1.0,
                answer_by=2.0,
                ending="open",
            )
        )
    engine = plain(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_one_who_only_looks_makes_no_tables(url: str) -> None:
    if "://" not in url:
        Path(url).touch()
    with pytest.raises(StoreError, match="is empty"), open_database(url, alone=False):
        pass
    engine = plain(url)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() is None
    engine.dispose()


def test_threads_write_one_after_another(url: str) -> None:
    """What one reads and then writes, no other writes in between."""
    failed: list[Exception] = []
    with open_database(url) as database:
        with database.begin() as connection:
            connection.execute(insert(IDENTITY).values(name="count", value="0"))
        store, frame = SessionStore(database), small_sessions()

        def work() -> None:
            try:
                for _ in range(TIMES):
                    _count(database)
                store.add(frame)
            except StoreError as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert failed == []
        with database.look() as connection:
            found = connection.execute(select(IDENTITY.c.value)).scalar_one()
        assert int(found) == THREADS * TIMES
        assert len(store.frame()) == len(frame)


def _count(database: Database) -> None:
    with database.begin() as connection:
        before = int(connection.execute(select(IDENTITY.c.value)).scalar_one())
        connection.execute(update(IDENTITY).values(value=str(before + 1)))


HOLDER = """
import sys, time
from trading.store import open_database
with open_database(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_whoever_is_killed_lets_go(url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with pytest.raises(StoreError, match="in use by another process"), open_database(url):
                pass
            with open_database(url, alone=False):
                pass
            process.kill()
            process.wait()
            with open_database(url):
                pass
        finally:
            process.kill()


def test_no_message_shows_a_password(url: str) -> None:
    if "://" not in url:
        pytest.skip("a file has none")
    secret = make_url(url).set(password="hush hush").render_as_string(hide_password=False)
    with open_database(secret) as database:
        assert "hush" not in database.name
