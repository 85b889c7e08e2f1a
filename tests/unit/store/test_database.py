"""The database of a party: versions, one holder, and failures that lose nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, select

from trading.errors import OptionError, StoreError
from trading.store import Database, open_database, upgrade
from trading.store.schema import IDENTITY, VERDICTS, metadata


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "engine.db"


def write(database: Database, name: str, value: str = "x") -> None:
    with database.begin() as connection:
        connection.execute(insert(IDENTITY).values(name=name, value=value))


def write_and_fail(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(insert(IDENTITY).values(name="lost", value="x"))
        raise RuntimeError


def fill(database: Database) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        for number in range(200):
            values = {"name": f"big {number}", "value": "x" * 4_000}
            connection.execute(insert(IDENTITY).values(**values))


def names(file: Path) -> list[str]:
    with open_database(str(file)) as database, database.begin() as connection:
        return list(connection.execute(select(IDENTITY.c.name)).scalars())


def test_what_is_committed_is_there_when_opened_again(file: Path) -> None:
    with open_database(str(file)) as database:
        write(database, "kept")
        with pytest.raises(RuntimeError):
            write_and_fail(database)
    assert names(file) == ["kept"]


def test_url_and_path_name_the_same_file(file: Path) -> None:
    with open_database(f"sqlite:///{file}") as database:
        write(database, "kept")
    assert names(file) == ["kept"]


def test_migrations_make_the_tables_of_the_schema(file: Path) -> None:
    with open_database(str(file)):
        pass
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("url", ["", "  ", "nonsense://x", "mysql+nothing://x"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(OptionError, match="database"), open_database(url):
        pass


def test_password_is_not_shown() -> None:
    url = "postgresql+psycopg://peer:secret@127.0.0.1:1/none?connect_timeout=1"
    with pytest.raises(StoreError) as caught, open_database(url):
        pass
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_second_process_is_refused(file: Path) -> None:
    code = (
        "from trading.store import open_database\n"
        "from trading.errors import StoreError\n"
        "try:\n"
        f"    open_database({str(file)!r}).__enter__()\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    with open_database(str(file)):
        said = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    assert "is in use by another process" in said
    assert names(file) == []


def test_one_who_only_looks_may_look_meanwhile(file: Path) -> None:
    with open_database(str(file)) as database:
        write(database, "kept")
        with open_database(str(file), alone=False) as second, second.begin() as connection:
            assert connection.execute(select(IDENTITY.c.name)).scalars().all() == ["kept"]


def test_one_who_only_looks_makes_no_database(file: Path) -> None:
    with (
        pytest.raises(StoreError, match="there is no database"),
        open_database(str(file), alone=False),
    ):
        pass
    assert not file.exists()


def set_version(file: Path, version: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.close()


def test_newer_database_is_left_alone(file: Path) -> None:
    with open_database(str(file)) as database:
        write(database, "kept")
    set_version(file, "9999")
    before = file.read_bytes()
    for open_it in (lambda: open_database(str(file)).__enter__(), lambda: upgrade(str(file))):
        with pytest.raises(StoreError, match="9999, which this program does not know"):
            open_it()
    assert file.read_bytes() == before


def test_older_database_waits_for_its_upgrade(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_database(str(file)) as database:
        write(database, "kept")
    monkeypatch.setattr("trading.store.database._newest", lambda: "9999")
    with pytest.raises(StoreError, match="peercharge database upgrade"), open_database(str(file)):
        pass
    monkeypatch.undo()
    assert upgrade(str(file)) == ("0003", "0003")
    assert names(file) == ["kept"]


def test_database_of_the_first_version_keeps_its_verdicts_over_an_upgrade(file: Path) -> None:
    with open_database(str(file)):
        pass
    given = {
        "batch_id": "0x1",
        "vote": "rejected",
        "reason": "trade 0: power: too much",
        "findings": "[]",
        "decided_at": 1.5,
    }
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(
            "DROP TABLE journal; DROP TABLE questions; ALTER TABLE verdicts DROP COLUMN outcomes;"
            "DROP INDEX ix_batches_start_s; DROP INDEX ix_mirror_events_name;"
        )
        connection.execute(
            "INSERT INTO verdicts (batch_id, vote, reason, findings, decided_at) "
            "VALUES (:batch_id, :vote, :reason, :findings, :decided_at)",
            given,
        )
    set_version(file, "0001")
    with pytest.raises(StoreError, match="peercharge database upgrade"), open_database(str(file)):
        pass
    assert upgrade(str(file)) == ("0001", "0003")
    with open_database(str(file)) as database, database.begin() as connection:
        (row,) = connection.execute(select(VERDICTS)).mappings()
    assert dict(row) == {**given, "outcomes": "{}"}


def test_database_of_something_else_is_refused(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="'recipes'"), open_database(str(file)):
        pass


def test_file_that_is_no_database(file: Path) -> None:
    file.write_text("not a database at all, but long enough to have a header of its own" * 20)
    with pytest.raises(StoreError, match="restore it from its backup"), open_database(str(file)):
        pass


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="check the path"),
        open_database(str(tmp_path / "none" / "engine.db")),
    ):
        pass


def test_full_disk_loses_nothing(file: Path) -> None:
    """SQLite says the same of a full disk and of a file that may not grow."""
    with open_database(str(file)) as database:
        write(database, "kept")
        with pytest.raises(StoreError, match="the disk is full; make room"):
            fill(database)
    assert names(file) == ["kept"]


def test_locked_by_another_program(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trading.store.database.BUSY_S", 0.1)
    with open_database(str(file)) as database:
        write(database, "kept")
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another program"):
            write(database, "late")
        other.execute("ROLLBACK")
        other.close()
        write(database, "again")
    assert names(file) == ["again", "kept"]


def test_database_belongs_to_one_contract(file: Path) -> None:
    with open_database(str(file)) as database:
        database.belong({"chain": "1", "contract": "0xA"})
        database.belong({"chain": "1", "contract": "0xA"})
        with pytest.raises(StoreError, match="belongs to contract 0xA, not to 0xB"):
            database.belong({"chain": "1", "contract": "0xB"})
