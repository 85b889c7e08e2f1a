"""Sessions as they come: a file that grows, or a folder into which files are put.

Only what is complete is read: of a CSV the lines that have an end, of any other file all of it or
nothing. A file that cannot be used is told once with its error, and read again when it changes; it
stops nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pandas as pd
import structlog

from trading.errors import InputError

log = structlog.get_logger(__name__)

ReadFile = Callable[[Path], pd.DataFrame]
"""A file in, a SESSIONS table out; raises InputError."""

UNFINISHED = (".part", ".tmp", ".swp", "~")
"""Ends of names that files have while they are written."""


class Intake(Protocol):
    """Where sessions come from: a file, a folder, or requests."""

    def poll(self) -> pd.DataFrame | None:
        """What came since the last look, a SESSIONS table; None for nothing."""


class FileIntake:
    """One file that grows.

    A CSV is read up to its last line end, so a line that is being written waits until it is whole.
    """

    def __init__(self, path: Path, read: ReadFile) -> None:
        """Watch `path`, which need not be there yet."""
        self._path, self._read = path, read
        self._seen: tuple[int, int] | None = None
        self._told = ""

    def poll(self) -> pd.DataFrame | None:
        """All complete rows if the file changed since the last look, else None."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._seen:
                return None
            content = self._path.read_bytes()
        except FileNotFoundError:
            self._tell(f"{self._path}: there is no such file yet")
            return None
        except OSError as error:
            self._tell(f"{self._path}: cannot be read ({error.strerror})")
            return None
        self._seen = stamp
        try:
            return self._parsed(content)
        except InputError as error:
            self._tell(str(error))
            return None
        except OSError as error:
            # No fault of the file, such as a full disk for its copy: it is read again next time.
            self._seen = None
            self._tell(f"{self._path}: cannot be read for now ({error.strerror})")
            return None

    def _parsed(self, content: bytes) -> pd.DataFrame | None:
        if self._path.suffix.lower() != ".csv" or content[:2] == b"\x1f\x8b":
            frame = self._read(self._path)
            self._told = ""
            return frame
        whole, end, rest = content.rpartition(b"\n")
        if rest.strip():
            log.info("last line waits for its end", file=str(self._path))
        if whole.count(b"\n") < 1:
            # Names of columns, and no row yet.
            return None
        with TemporaryDirectory(prefix="peercharge-") as folder:
            copy = Path(folder) / self._path.name
            copy.write_bytes(whole + end)
            try:
                frame = self._read(copy)
            except InputError as error:
                raise InputError(str(error).replace(str(copy), str(self._path))) from None
        self._told = ""
        return frame

    def _tell(self, sentence: str) -> None:
        if sentence != self._told:
            self._told = sentence
            log.warning("sessions cannot be read", problem=sentence)


class FolderIntake:
    """A folder whose files each hold sessions; hidden and unfinished files are left alone."""

    def __init__(self, path: Path, read: ReadFile) -> None:
        """Watch the files of `path`, those that come later too."""
        self._path, self._read = path, read
        self._files: dict[Path, FileIntake] = {}
        self._held: list[pd.DataFrame] = []
        self._told = ""

    def poll(self) -> pd.DataFrame | None:
        """What changed since the last look; where files tell of one session, one file at a time."""
        files = self._files.values() if self._look() else ()
        self._held += [frame for file in files if (frame := file.poll()) is not None]
        ready: list[pd.DataFrame] = []
        ids: set[str] = set()
        while self._held and ids.isdisjoint(self._held[0]["session_id"]):
            ids |= set(self._held[0]["session_id"])
            ready.append(self._held.pop(0))
        return pd.concat(ready, ignore_index=True) if ready else None

    def _look(self) -> bool:
        """See which files there are; False where the folder cannot be read, which is told once."""
        try:
            names = sorted(self._path.iterdir()) if self._path.is_dir() else []
            ours = [path for path in names if _is_ours(path)]
        except OSError as error:
            sentence = f"{self._path}: cannot be read ({error.strerror})"
            if sentence != self._told:
                log.warning("sessions cannot be read", problem=sentence)
            self._told = sentence
            return False
        self._told = ""
        self._files = {path: self._files.get(path) or FileIntake(path, self._read) for path in ours}
        return True


def _is_ours(path: Path) -> bool:
    is_whole = not path.name.startswith(".") and not path.name.endswith(UNFINISHED)
    return is_whole and path.is_file()


def intake_of(path: Path, read: ReadFile) -> Intake:
    """The intake of a folder or of a file.

    Raises:
        InputError: neither the path nor its folder is there, so nothing could ever come.
    """
    if path.is_dir():
        return FolderIntake(path, read)
    if not path.parent.is_dir():
        raise InputError(f"{path}: neither it nor its folder is there")
    return FileIntake(path, read)
