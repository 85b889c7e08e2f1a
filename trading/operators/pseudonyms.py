"""What an account is known by: a salted hash of a stay's session id, which leads back to nobody.

An account's tag stands on the chain for good, so it must say nothing to those who only read the
chain. It is keccak-256 over a random salt of 32 bytes, then the session's id. The salt stays off
chain and is shared between the lot's engine and the operators. With it an operator computes the
tags of the sessions that it knows and sees which account is whose. Without it a tag cannot be told
from 32 random bytes: ids of sessions are short and can be guessed, a salt cannot. Each stay has a
salt of its own, so two stays of one vehicle share nothing, and one stay can be forgotten alone:
once every copy of its salt is erased, its tag means nothing to anyone.

The salt comes first and has a fixed length, so no two pairs of salt and id give the same input.
Hashing key and text like this is a sound keyed hash with keccak, which unlike SHA-256 does not let
anyone extend a text whose hash is known; HMAC's second pass is not needed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

from eth_utils.crypto import keccak

from trading.errors import OptionError

SALT_BYTES = 32

SaltOf = Callable[[str], bytes | None]
"""Session id -> its salt of 32 bytes, or None where none is held; such as `get` of a dictionary."""

TagOf = Callable[[str], str | None]
"""Session id -> the tag of its account, or None where its salt is not held; `Pseudonyms.find`."""


def drawn_salt() -> bytes:
    """A new salt, from the machine's source of secrets."""
    return secrets.token_bytes(SALT_BYTES)


def demonstration_salts(seed: int) -> SaltOf:
    """Salts computed from a seed, so that a simulation ends with the same bytes.

    Anyone who reads this line can compute them: they hide nobody. Never for real drivers.
    """
    text = f"peercharge demonstration salt, hides nobody|{seed}|"
    return lambda session_id: keccak(text=text + session_id)


class Pseudonyms:
    """The tags of stays, as a party computes them from the salts that it holds."""

    __slots__ = ("_salt_of",)

    def __init__(self, salt_of: SaltOf) -> None:
        """Compute tags from these salts, asked for one by one."""
        self._salt_of = salt_of

    def find(self, session_id: str) -> str | None:
        """The tag of a stay's account, `0x` and 64 digits; None without its salt.

        Raises:
            OptionError: its salt is not 32 bytes long.
        """
        salt = self._salt_of(session_id)
        if salt is None:
            return None
        if len(salt) != SALT_BYTES:
            # The salt itself is a secret.
            raise OptionError(f"salt of {session_id}", "(hidden)", f"{SALT_BYTES} bytes")
        return "0x" + keccak(salt + session_id.encode()).hex()

    def tag(self, session_id: str) -> str:
        """As `find`, of a stay whose salt must be held here.

        Raises:
            OptionError: it is not, or was erased.

        >>> known = Pseudonyms(demonstration_salts(7))
        >>> known.tag("Monday's stay") == known.tag("Tuesday's stay")
        False
        """
        found = self.find(session_id)
        if found is None:
            raise OptionError("session_id", session_id, "a stay whose salt is held here")
        return found

    def by_tag(self, session_ids: Iterable[str]) -> dict[str, str]:
        """Session by tag, of those stays whose salt is held here."""
        found = {self.find(session): session for session in session_ids}
        return {tag: session for tag, session in found.items() if tag is not None}
