"""Single files that appear whole or not at all, and never in the place of another by accident."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trading.errors import OptionError

OWNER_ONLY = 0o600
EVERYONE_READS = 0o644


def create_file(path: Path, content: str, *, mode: int = EVERYONE_READS, name: str = "out") -> None:
    """Write a new file; it holds all of `content` from the moment it can be seen.

    Args:
        path: where; its folder must exist.
        content: what it holds, written as UTF-8.
        mode: who may read it.
        name: the option by which the user named it, for the message.

    Raises:
        OptionError: something is at `path` already; it is left as it is.
        OSError: the file cannot be written, for instance on a full disk; nothing is left behind.
    """
    with _written(path, content, mode, name) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise OptionError(name, str(path), "a file that is not there yet") from None
        except OSError:
            # A file system without hard links: the name is taken first, then filled in one step.
            must_not_exist(path, name=name)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
            os.replace(temporary, path)


def replace_file(
    path: Path, content: str, *, mode: int = EVERYONE_READS, name: str = "out"
) -> None:
    """Write a file, in the place of what is there, in one step.

    Raises:
        OptionError: its folder does not exist.
        OSError: the file cannot be written; what was there is left as it was.
    """
    with _written(path, content, mode, name) as temporary:
        os.replace(temporary, path)


def must_not_exist(path: Path, *, name: str = "out") -> None:
    """Refuse a path at which something is, or whose folder is not there.

    Raises:
        OptionError: as `create_file` would, before anything is done that a file shall record.
    """
    if path.exists() or path.is_symlink():
        raise OptionError(name, str(path), "a file that is not there yet")
    if not path.parent.is_dir():
        raise OptionError(name, str(path), f"a file in a folder that exists, not {path.parent}")


@contextmanager
def _written(path: Path, content: str, mode: int, name: str) -> Iterator[Path]:
    """A temporary file beside `path`, on the disk for good; gone when the block ends."""
    if not path.parent.is_dir():
        raise OptionError(name, str(path), f"a file in a folder that exists, not {path.parent}")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
