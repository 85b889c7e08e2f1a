"""A party's database: opened once, by one process, at the version of this code.

SQLite by default, PostgreSQL by URL. A database that is empty is given its tables; one that an
older version wrote waits for a backup and `peercharge database upgrade`; one that a newer version
wrote is left alone. Every failure of the database becomes one `StoreError` that says what to do.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, TimeoutError

from trading.errors import OptionError, StoreError
from trading.store.schema import IDENTITY, LOOKED_AT

BUSY_S = 10
"""How long a locked SQLite file is waited for."""

_LOOKS = "looks"
_SNAPSHOT = {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
_ADVISORY_LOCK = 0x7065_6572
_WRITERS_LOCK = 0x7065_6573
_LET_GO_S = 2.0
"""PostgreSQL takes a moment to see that a process was killed which held the database."""

_SCRIPTS = Path(__file__).parent / "migrations"
_FULL = re.compile(r"disk is full|no space left|could not extend", re.IGNORECASE)
_LOCKED = re.compile(r"database is locked|lock timeout", re.IGNORECASE)
_READ_ONLY = re.compile(r"readonly|read-only|permission denied|unable to open", re.IGNORECASE)
_BROKEN = re.compile(r"malformed|not a database|disk image", re.IGNORECASE)


class Database:
    """One database, held by this process alone until it is closed; made by `open_database`.

    Attributes:
        name: what messages call it: its URL without a password.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One SQL transaction: all of what is done in it is kept, or, on an error, nothing.

        One at a time, so that what is read in it is not written by another thread meanwhile.

        Raises:
            StoreError: the database failed.
        """
        with failing(self.name), self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                # SQLite begins with its lock for writers; PostgreSQL has to be asked.
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")
            yield connection

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """One snapshot to read from, which takes no lock and waits for nobody who writes.

        Raises:
            StoreError: the database failed.
        """
        is_sqlite = self._engine.dialect.name == "sqlite"
        options: dict[str, Any] = {_LOOKS: True} if is_sqlite else _SNAPSHOT
        with failing(self.name), self._engine.connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                yield connection

    def belong(self, identity: dict[str, str]) -> None:
        """Bind a new database to what it is for, such as a contract on a chain.

        Raises:
            StoreError: it is bound to something else.
        """
        with self.begin() as connection:
            found = {row.name: row.value for row in connection.execute(select(IDENTITY))}
            for name, value in identity.items():
                if name not in found:
                    connection.execute(insert(IDENTITY).values(name=name, value=value))
                elif found[name] != value:
                    raise StoreError(
                        f"{self.name} belongs to {name.replace('_', ' ')} {found[name]}, not to "
                        f"{value}; use the database of this {name.replace('_', ' ')}, or another "
                        "file for a new one."
                    )

    def looked(self, at: float) -> None:
        """Keep when the chain was last looked at, Unix seconds, for whoever reads this database.

        Raises:
            StoreError: it failed.
        """
        value = f"{at:.3f}"
        with self.begin() as connection:
            columns = IDENTITY.c
            found = connection.execute(
                update(IDENTITY).where(columns.name == LOOKED_AT).values(value=value)
            )
            if not found.rowcount:
                connection.execute(insert(IDENTITY).values(name=LOOKED_AT, value=value))


@contextmanager
def open_database(url: str, *, alone: bool = True) -> Iterator[Database]:
    """Open the database at `url`, for this process alone unless told otherwise.

    Args:
        url: `sqlite:///FILE`, `postgresql+psycopg://...`, or just the path of an SQLite file.
        alone: False for one who only looks, while another process may hold it.

    Raises:
        OptionError: not such an address.
        StoreError: another process holds it, it cannot be read or written, or it is of another
            version.
    """
    place = _place(url)
    name = place.render_as_string(hide_password=True)
    engine = _engine(place, name)
    try:
        with _alone(engine, place, name) if alone else _existing(place, name):
            _check_version(engine, name, may_make=alone)
            yield Database(engine, name)
    finally:
        engine.dispose()


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring a database to the version of this code; returns the versions before and after.

    Raises:
        As `open_database`; and StoreError where a newer version wrote it.
    """
    place = _place(url)
    name = place.render_as_string(hide_password=True)
    engine = _engine(place, name)
    try:
        with _alone(engine, place, name):
            before = _version(engine, name)
            _refuse_newer(before, name)
            _migrate(engine, name)
            return before, _newest()
    finally:
        engine.dispose()


def backup(url: str, target: Path) -> None:
    """Copy an SQLite database as it is at one instant, while its process goes on with it.

    Args:
        url: as for `open_database`.
        target: a file that does not exist yet; it appears when it is whole, for its owner only.

    Raises:
        OptionError: not such an address, or not SQLite, which has its own tool (`pg_dump`).
        StoreError: the database or the copy cannot be read or written, or the file exists.
    """
    place = _place(url)
    name = place.render_as_string(hide_password=True)
    file = place.database
    if place.get_backend_name() != "sqlite" or file in (None, "", ":memory:"):
        raise OptionError("database", name, "a file of SQLite; copy PostgreSQL with pg_dump")
    assert file is not None
    if target.exists():
        raise StoreError(f"{target} exists already, and a backup is never replaced; name another.")
    with _existing(place, name):
        part = target.with_name(f"{target.name}.part")
        try:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            with failing(str(part)):
                _copy(Path(file), part)
            part.rename(target)
        except OSError as error:
            raise StoreError(
                f"{target} cannot be written ({error.strerror}); check the path and its "
                "permissions."
            ) from error
        finally:
            part.unlink(missing_ok=True)


def _copy(file: Path, target: Path) -> None:
    uri = f"{file.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as source,
        closing(sqlite3.connect(target)) as copied,
    ):
        source.backup(copied)
        # The copy is one file: what restores it need not know of a log beside it.
        copied.execute("PRAGMA journal_mode=DELETE")
        found = copied.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"database disk image is malformed: {found}")


@contextmanager
def failing(name: str) -> Iterator[None]:
    """Turn a failure of the database into a `StoreError` that says what to do."""
    try:
        yield
    except (DBAPIError, TimeoutError, sqlite3.Error) as error:
        raise StoreError(_sentence(name, error)) from error


def _sentence(name: str, error: Exception) -> str:
    said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    if _FULL.search(said):
        return f"{name}: the disk is full; make room, nothing was lost, then start again."
    if _LOCKED.search(said):
        return (
            f"{name} is locked by another program for more than {BUSY_S} s; end that program or "
            "let it finish, then start again. Nothing was lost."
        )
    if _BROKEN.search(said):
        return f"{name} is not a database or is damaged ({said}); restore it from its backup."
    if _READ_ONLY.search(said):
        return f"{name} cannot be opened for writing ({said}); check the path and its permissions."
    return f"{name} failed: {said}"


def _place(url: str) -> URL:
    if not url.strip():
        raise OptionError("database", url, "sqlite:///FILE, postgresql+psycopg://..., or a file")
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        place = make_url(url)
        place.get_dialect()
    except (ArgumentError, NoSuchModuleError):
        raise OptionError(
            "database", url.split("@")[-1], "sqlite:///FILE, postgresql+psycopg://..., or a file"
        ) from None
    return place


def _engine(place: URL, name: str) -> Engine:
    if place.get_backend_name() != "sqlite":
        try:
            return create_engine(place, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"{name} needs the package {error.name}; install peercharge[postgres]."
            ) from error
    engine = create_engine(place, connect_args={"timeout": BUSY_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver would open transactions when it thinks fit; `begin` below says when.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        looks = connection.get_execution_options().get(_LOOKS)
        connection.exec_driver_sql("BEGIN" if looks else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def _alone(engine: Engine, place: URL, name: str) -> Iterator[None]:
    """Hold the database against a second process, which would take the same nonces."""
    if place.get_backend_name() == "sqlite":
        if place.database in (None, "", ":memory:"):
            yield
            return
        with _lock_file(Path(f"{place.database}.lock"), name):
            yield
        return
    with failing(name), engine.connect() as connection:
        # Outside of any transaction, so that none stays open for the life of this process.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        until = time.monotonic() + _LET_GO_S
        query = f"SELECT pg_try_advisory_lock({_ADVISORY_LOCK})"
        while not connection.exec_driver_sql(query).scalar():
            if time.monotonic() > until:
                raise StoreError(_taken(name))
            time.sleep(0.05)
        yield


@contextmanager
def _existing(place: URL, name: str) -> Iterator[None]:
    """One who only looks must not make an empty database where there is none."""
    file = place.database if place.get_backend_name() == "sqlite" else None
    if file is not None and not Path(file).is_file():
        raise StoreError(f"there is no database {name}; check the path.")
    yield


@contextmanager
def _lock_file(path: Path, name: str) -> Iterator[None]:
    try:
        file = path.open("a+")
    except OSError as error:
        raise StoreError(
            f"{name} cannot be opened for writing ({error.strerror}); check the path and its "
            "permissions."
        ) from error
    with file:
        if not _lock(file):
            raise StoreError(_taken(name))
        yield


def _lock(file: IO[str]) -> bool:
    """Lock an open file for as long as this process lives; False where another one has it."""
    if os.name == "nt":  # pragma: no cover - not run on our machines
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken(name: str) -> str:
    return (
        f"{name} is in use by another process of peercharge; end it first, or give this one a "
        "database of its own."
    )


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _newest() -> str:
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def _version(engine: Engine, name: str) -> str | None:
    with failing(name), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _check_version(engine: Engine, name: str, *, may_make: bool) -> None:
    found = _version(engine, name)
    if found == _newest():
        return
    _refuse_newer(found, name)
    if found is not None:
        raise StoreError(
            f"{name} is of version {found}, older than this program's {_newest()}; make a backup, "
            "then run `peercharge database upgrade` on it. Nothing was changed."
        )
    with failing(name):
        strangers = inspect(engine).get_table_names()
    if strangers:
        raise StoreError(
            f"{name} is a database of something else: it has a table {strangers[0]!r} and no "
            "version of ours; give peercharge a database of its own."
        )
    if not may_make:
        raise StoreError(
            f"{name} is empty; check the path, or start the engine first, which makes its tables."
        )
    _migrate(engine, name)


def _refuse_newer(found: str | None, name: str) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"{name} is of version {found}, which this program does not know; use the version of "
            "peercharge that wrote it, or a newer one. Nothing was changed."
        )


def _migrate(engine: Engine, name: str) -> None:
    with failing(name), engine.begin() as connection:
        command.upgrade(_config(connection), "head")
