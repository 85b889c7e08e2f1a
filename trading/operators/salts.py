"""The file that a party keeps its salts in: readable by its owner only, changed in one step.

Whoever holds it can tell which account on the chain belongs to which stay. Engine and operators
hand it to one another over a channel of their own. A stay is forgotten by erasing its salt here and
in every copy, backups included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from trading.errors import ConfigError
from trading.files import OWNER_ONLY, replace_file
from trading.operators.pseudonyms import SALT_BYTES, drawn_salt

VERSION = 1


class SaltsFile:
    """The salts of a file that others may add to: read again whenever it was replaced."""

    def __init__(self, path: Path) -> None:
        """Name the file; it need not be there yet."""
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._salts: dict[str, bytes] = {}

    def salt_of(self, session_id: str) -> bytes | None:
        """The salt of a stay, if there is one by now.

        Raises:
            ConfigError: the file cannot be read, or holds something else.
        """
        try:
            found = self._path.stat()
            state = found.st_ino, found.st_mtime_ns, found.st_size
        except FileNotFoundError:
            state = None
        if state != self._seen:
            self._salts = read_salts(self._path)
            self._seen = state
        return self._salts.get(session_id)


def read_salts(path: Path) -> dict[str, bytes]:
    """Salt by session id; none where there is no file.

    Raises:
        ConfigError: it cannot be read, or holds something else; salts stay out of the message.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(str(path), [f"expected a file that can be read ({error})"]) from None
    except ValueError:
        raise ConfigError(str(path), ["expected JSON, as peercharge writes it"]) from None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise ConfigError(str(path), [f"expected salts of version {VERSION}"])
    found = content.get("salts")
    digits = f"[0-9a-f]{{{2 * SALT_BYTES}}}"
    if not isinstance(found, dict) or not all(
        isinstance(salt, str) and re.fullmatch(digits, salt) for salt in found.values()
    ):
        raise ConfigError(
            str(path), [f"expected salts of {2 * SALT_BYTES} hexadecimal digits by session id"]
        )
    return {session: bytes.fromhex(salt) for session, salt in found.items()}


def write_salts(salts: Mapping[str, bytes], path: Path) -> None:
    """Write a file of salts, in the place of what is there, readable by its owner only.

    What is erased is gone from this file; the disk, snapshots and backups may hold it longer.

    Raises:
        OptionError: the folder does not exist.
        OSError: it cannot be written; what was there is left.
    """
    listed = {session: salt.hex() for session, salt in sorted(salts.items())}
    content = json.dumps({"version": VERSION, "salts": listed}, indent=1) + "\n"
    replace_file(path, content, mode=OWNER_ONLY, name="salts")


def keep_salts(path: Path, session_ids: Iterable[str]) -> dict[str, bytes]:
    """All salts of the file, in which each of these stays now has one.

    A salt that was drawn here is on the disk before it is returned, so that no tag can get on the
    chain whose salt is lost.

    Raises:
        As `read_salts` and `write_salts`.
    """
    salts = read_salts(path)
    missing = {session: drawn_salt() for session in session_ids if session not in salts}
    if missing:
        salts |= missing
        write_salts(salts, path)
    return salts


def erase_salts(path: Path, session_ids: Iterable[str]) -> int:
    """Erase the salts of these stays from the file; returns how many there were.

    Raises:
        As `read_salts` and `write_salts`.
    """
    salts = read_salts(path)
    found = {session for session in session_ids if session in salts}
    if found:
        write_salts({s: salt for s, salt in salts.items() if s not in found}, path)
    return len(found)
