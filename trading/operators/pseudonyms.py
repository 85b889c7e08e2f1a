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
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from eth_utils.crypto import keccak

from trading.errors import OptionError

SALT_BYTES = 32


class Pseudonyms:
    """The salts that one party holds, and the tags that follow from them; never changed in place.

    Attributes:
        salts: by session id, 32 bytes each; read-only.
    """

    __slots__ = ("salts",)

    def __init__(self, salts: Mapping[str, bytes]) -> None:
        """Take the salts that a party holds.

        Raises:
            OptionError: a salt is not 32 bytes long.
        """
        for session, salt in salts.items():
            if len(salt) != SALT_BYTES:
                # The salt itself is a secret.
                raise OptionError(f"salt of {session}", "(hidden)", f"{SALT_BYTES} bytes")
        self.salts: Mapping[str, bytes] = MappingProxyType(dict(salts))

    def __repr__(self) -> str:
        return f"<Pseudonyms of {len(self.salts)} stays>"

    def __contains__(self, session_id: object) -> bool:
        return session_id in self.salts

    @classmethod
    def drawn(cls, session_ids: Iterable[str]) -> Pseudonyms:
        """A new salt for each stay, from the machine's source of secrets."""
        return cls({session: secrets.token_bytes(SALT_BYTES) for session in session_ids})

    @classmethod
    def demonstration(cls, seed: int, session_ids: Iterable[str]) -> Pseudonyms:
        """Salts computed from a seed, so that a simulation ends with the same bytes.

        Anyone who reads this line can compute them: they hide nobody. Never for real drivers.
        """
        text = f"peercharge demonstration salt, hides nobody|{seed}|"
        return cls({session: keccak(text=text + session) for session in session_ids})

    def tag(self, session_id: str) -> str:
        """The tag of a stay's account, `0x` and 64 digits.

        Raises:
            OptionError: the salt of this stay is not held here, or was erased.

        >>> known = Pseudonyms.demonstration(7, ["Monday's stay", "Tuesday's stay"])
        >>> known.tag("Monday's stay") == known.tag("Tuesday's stay")
        False
        """
        salt = self.salts.get(session_id)
        if salt is None:
            raise OptionError("session_id", session_id, "a stay whose salt is held here")
        return "0x" + keccak(salt + session_id.encode()).hex()

    def by_tag(self, session_ids: Iterable[str]) -> dict[str, str]:
        """Session by tag, of those stays whose salt is held here."""
        return {self.tag(session): session for session in session_ids if session in self.salts}

    def joined(self, other: Pseudonyms) -> Pseudonyms:
        """Both parties' salts together.

        Raises:
            OptionError: they hold different salts for one stay.
        """
        for session, salt in other.salts.items():
            if self.salts.get(session, salt) != salt:
                raise OptionError(
                    f"salt of {session}", "(hidden)", "the one that is held for this stay already"
                )
        return Pseudonyms({**self.salts, **other.salts})

    def without(self, session_ids: Iterable[str]) -> Pseudonyms:
        """What is left when the salts of these stays are erased."""
        gone = set(session_ids)
        return Pseudonyms({s: salt for s, salt in self.salts.items() if s not in gone})
