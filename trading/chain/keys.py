"""Keys that sign for an owner, an operator or the authority.

A key is read from a keystore file or the environment, never from the command line; a demonstration
key is computed from a seed and a role's name, so that a run can be repeated to the byte. A key
never shows its secret: not in a repr, not in an error, not when it is pickled or copied.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from eth_account import Account
from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from trading.errors import OptionError
from trading.files import OWNER_ONLY, create_file, must_not_exist

KEY_VARIABLE = "PEERCHARGE_KEY"
KEYSTORE_VARIABLE = "PEERCHARGE_KEYSTORE"
PASSWORD_VARIABLE = "PEERCHARGE_KEYSTORE_PASSWORD"
PASSWORD_FILE_VARIABLE = "PEERCHARGE_KEYSTORE_PASSWORD_FILE"

_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Key:
    """One signing key.

    Attributes:
        name: what people call its holder, such as `operator 2`.
        address: its account on every chain.
        is_demonstration: True for a key that anyone can compute: never for real money.
    """

    __slots__ = ("_account", "address", "is_demonstration", "name")

    def __init__(self, name: str, account: LocalAccount, *, is_demonstration: bool) -> None:
        self.name = name
        self.address: str = account.address
        self.is_demonstration = is_demonstration
        self._account = account

    def __repr__(self) -> str:
        label = "demonstration key" if self.is_demonstration else "key"
        return f"<{label} of {self.name}, {self.address}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not copied or pickled; read it again where it is needed")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def sign_transaction(self, fields: Mapping[str, Any]) -> bytes:
        """The raw transaction, ready to be sent to a node."""
        return bytes(self._account.sign_transaction(dict(fields)).raw_transaction)

    def sign_message(self, message: SignableMessage) -> bytes:
        """65 bytes r, s, v over an EIP-712 message, with the lower s."""
        return bytes(self._account.sign_message(message).signature)

    @classmethod
    def demonstration(cls, seed: int, role: str) -> Key:
        """The key of a role in a demonstration: the same for the same seed, on every machine.

        Anyone who reads this line can compute it. Never for real money.

        >>> Key.demonstration(7, "operator 1") == Key.demonstration(7, "operator 1")
        True
        >>> Key.demonstration(7, "operator 1") == Key.demonstration(8, "operator 1")
        False
        """
        text = f"peercharge demonstration key, never for real money|{seed}|{role}"
        # Modulo biases by 2^-128, which matters to no demonstration, and never gives 0.
        secret = int.from_bytes(keccak(text=text), "big") % (_CURVE_ORDER - 1) + 1
        return cls(role, Account.from_key(secret.to_bytes(32, "big")), is_demonstration=True)

    @classmethod
    def create(cls, path: Path, password: str) -> Key:
        """A new random key, kept in an encrypted keystore file that only its owner may read.

        scrypt makes opening the file slow on purpose: about a second and 256 MB of memory.

        Raises:
            OptionError: something is at `path` already, or the password is empty.
            OSError: the file cannot be written.
        """
        if not password:
            raise OptionError("password", "", "a password that is not empty")
        must_not_exist(path)
        account = Account.create()
        content = json.dumps(Account.encrypt(account.key, password), indent=2) + "\n"
        create_file(path, content, mode=OWNER_ONLY)
        return cls(path.stem, account, is_demonstration=False)

    @classmethod
    def from_keystore(cls, path: Path, password: str, *, name: str | None = None) -> Key:
        """The key in an encrypted keystore file (Web3 Secret Storage, as geth and Besu write).

        Raises:
            OptionError: no such file, not a keystore, or the wrong password.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise OptionError("keystore", str(path), f"a file that can be read ({error})") from None
        except ValueError:
            raise OptionError("keystore", str(path), "a keystore file in JSON") from None
        try:
            account = Account.from_key(Account.decrypt(content, password))
        except (ValueError, TypeError, KeyError):
            raise OptionError(
                "keystore", str(path), "a version 3 keystore that the given password opens"
            ) from None
        return cls(name or path.stem, account, is_demonstration=False)

    @classmethod
    def from_environment(
        cls, *, name: str = "this process", environment: Mapping[str, str] | None = None
    ) -> Key | None:
        """The key that the environment names, or None when it names none.

        `PEERCHARGE_KEYSTORE` is a keystore file, with its password in
        `PEERCHARGE_KEYSTORE_PASSWORD_FILE` or `PEERCHARGE_KEYSTORE_PASSWORD`; `PEERCHARGE_KEY` is
        the bare secret in hexadecimal, for containers that mount it so.

        Raises:
            OptionError: what is named cannot be used.
        """
        found = os.environ if environment is None else environment
        keystore = found.get(KEYSTORE_VARIABLE)
        if keystore:
            return cls.from_keystore(Path(keystore), password_of(found), name=name)
        secret = found.get(KEY_VARIABLE)
        if not secret:
            return None
        try:
            account = Account.from_key(secret.strip())
        except ValueError:
            # The value stays out of the message: it may be a key with one digit missing.
            raise OptionError(KEY_VARIABLE, "(hidden)", "32 bytes in hexadecimal") from None
        return cls(name, account, is_demonstration=False)


def password_of(environment: Mapping[str, str]) -> str:
    """The password of a keystore file, from the file or the text that the environment names.

    Raises:
        OptionError: neither is named, or the file cannot be read.
    """
    file = environment.get(PASSWORD_FILE_VARIABLE)
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise OptionError(
                PASSWORD_FILE_VARIABLE, file, f"a file that can be read ({error})"
            ) from None
    password = environment.get(PASSWORD_VARIABLE)
    if password is None:
        raise OptionError(
            KEYSTORE_VARIABLE,
            environment.get(KEYSTORE_VARIABLE, ""),
            f"its password in {PASSWORD_FILE_VARIABLE} or {PASSWORD_VARIABLE}",
        )
    return password
