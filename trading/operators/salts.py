"""The file that a party keeps its salts in: readable by its owner only, changed in one step.

Whoever holds it can tell which account on the chain belongs to which stay. Engine and operators
hand it to one another over a channel of their own. A stay is forgotten by erasing its salt here and
in every copy, backups included.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from trading.errors import ConfigError
from trading.files import OWNER_ONLY, replace_file
from trading.operators.pseudonyms import SALT_BYTES, Pseudonyms

VERSION = 1


def read_salts(path: Path) -> Pseudonyms:
    """Read a file of salts; one that is not there holds none.

    Raises:
        ConfigError: it cannot be read, or holds something else; salts stay out of the message.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Pseudonyms({})
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
    return Pseudonyms({session: bytes.fromhex(salt) for session, salt in found.items()})


def write_salts(pseudonyms: Pseudonyms, path: Path) -> None:
    """Write a file of salts, in the place of what is there, readable by its owner only.

    What is erased is gone from this file; the disk, snapshots and backups may hold it longer.

    Raises:
        OptionError: the folder does not exist.
        OSError: it cannot be written; what was there is left.
    """
    salts = {session: salt.hex() for session, salt in sorted(pseudonyms.salts.items())}
    content = json.dumps({"version": VERSION, "salts": salts}, indent=1) + "\n"
    replace_file(path, content, mode=OWNER_ONLY, name="salts")
