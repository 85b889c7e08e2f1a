"""Output folders that are filled completely or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trading.errors import OptionError


@contextmanager
def output_folder(path: Path, *, name: str = "out") -> Iterator[Path]:
    """A temporary folder to write into, whose files move into `path` when the block succeeds.

    Files of the same names are replaced, each in one step; other files in `path` are left alone.
    When the block raises, `path` is as it was before: not made, if it was not there.

    Args:
        path: the folder that the user named; it and its parents are made if need be.
        name: the option by which the user named it, for the message.

    Raises:
        OptionError: `path` is a file, holds a folder where a file has to go or the other way
            round, or cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as home:
    ...     with output_folder(Path(home) / "run") as folder:
    ...         _ = (folder / "trades.csv").write_text("")
    ...     sorted(file.name for file in (Path(home) / "run").iterdir())
    ['trades.csv']
    """
    try:
        # In the folder itself where there is one: it can be a mount of its own, across which
        # nothing moves in one step. Otherwise in the nearest folder above that exists.
        home = next(place for place in (path, *path.absolute().parents) if place.exists())
        if not home.is_dir():
            raise OptionError(name, str(path), f"a folder, but {home} is a file")
        temporary = home / f".peercharge-{secrets.token_hex(6)}"
        temporary.mkdir()
    except OSError as error:
        raise OptionError(name, str(path), _writable(error)) from None
    try:
        yield temporary
        _move(temporary, path, name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move(source: Path, target: Path, name: str) -> None:
    files = sorted(file.relative_to(source) for file in source.rglob("*") if file.is_file())
    # Everything that can be foreseen is looked at before the first file moves.
    for file in files:
        if (target / file).is_dir():
            raise OptionError(name, str(target), f"no folder named {file} in it")
        for folder in file.parents:
            if (target / folder).exists() and not (target / folder).is_dir():
                raise OptionError(name, str(target), f"no file named {folder} in it")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(source / file, target / file)
    except OSError as error:
        raise OptionError(name, str(target), _writable(error)) from None


def _writable(error: OSError) -> str:
    return f"a folder that can be written ({error.strerror})"
