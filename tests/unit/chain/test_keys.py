"""Keys: the same from the same seed, read only where secrets belong, and never shown."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from eth_account import Account

from trading.chain import Key
from trading.errors import OptionError

SECRET = "0x" + "00" * 31 + "07"
ADDRESS = Account.from_key(SECRET).address


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "operator.json"
    content = Account.encrypt(SECRET, "correct", kdf="pbkdf2", iterations=2)
    path.write_text(json.dumps(content))
    return path


def test_demonstration_keys_are_the_same_everywhere() -> None:
    key = Key.demonstration(7, "operator 1")
    assert key.address == "0x5B09daEd7e24db459B6e38e748eFC1cF7C26f9DA"
    assert key == Key.demonstration(7, "operator 1")
    assert len({Key.demonstration(seed, role) for seed in (7, 8) for role in ("a", "b")}) == 4


def test_demonstration_keys_work_for_any_seed() -> None:
    # One in 256 secrets begins with a zero byte, which a key of 31 bytes would lose.
    assert all(Key.demonstration(seed, "EV").address for seed in range(600))


def test_demonstration_key_is_called_one() -> None:
    assert "demonstration key of EV 1" in repr(Key.demonstration(7, "EV 1"))


@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda key: repr([key])])
def test_secret_is_never_shown(show) -> None:
    shown = show(Key("holder", Account.from_key(SECRET), is_demonstration=False))
    assert ADDRESS in shown
    assert SECRET[2:] not in shown


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_key_is_neither_pickled_nor_copied(take) -> None:
    with pytest.raises(TypeError, match="not copied or pickled"):
        take(Key.demonstration(7, "EV 1"))


def test_keystore_opens_with_its_password(keystore: Path) -> None:
    key = Key.from_keystore(keystore, "correct")
    assert (key.address, key.name, key.is_demonstration) == (ADDRESS, "operator", False)


def test_keystore_stays_shut_without_its_password(keystore: Path) -> None:
    with pytest.raises(OptionError, match="the given password opens") as caught:
        Key.from_keystore(keystore, "wrong-password")
    assert "wrong-password" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "a file that can be read"), ("{", "in JSON"), ("{}", "version 3"), ("[]", "version 3")],
)
def test_keystore_says_what_is_wrong_with_the_file(
    tmp_path: Path, content: str | None, expected: str
) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OptionError, match=expected):
        Key.from_keystore(path, "any")


def test_environment_names_no_key() -> None:
    assert Key.from_environment(environment={}) is None


def test_environment_holds_a_bare_secret() -> None:
    key = Key.from_environment(environment={"PEERCHARGE_KEY": SECRET + "\n"})
    assert key is not None
    assert key.address == ADDRESS


def test_environment_names_a_keystore(keystore: Path, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("correct\n")
    for how in (
        {"PEERCHARGE_KEYSTORE_PASSWORD": "correct"},
        {"PEERCHARGE_KEYSTORE_PASSWORD_FILE": str(password)},
    ):
        key = Key.from_environment(environment={"PEERCHARGE_KEYSTORE": str(keystore), **how})
        assert key is not None
        assert key.address == ADDRESS


@pytest.mark.parametrize("secret", ["0x12", "not hexadecimal", SECRET + "00"])
def test_environment_with_a_broken_secret_does_not_repeat_it(secret: str) -> None:
    with pytest.raises(OptionError, match="32 bytes in hexadecimal") as caught:
        Key.from_environment(environment={"PEERCHARGE_KEY": secret})
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_environment_says_which_password_is_missing(keystore: Path) -> None:
    with pytest.raises(OptionError, match="PEERCHARGE_KEYSTORE_PASSWORD_FILE or"):
        Key.from_environment(environment={"PEERCHARGE_KEYSTORE": str(keystore)})
    with pytest.raises(OptionError, match="a file that can be read"):
        Key.from_environment(
            environment={
                "PEERCHARGE_KEYSTORE": str(keystore),
                "PEERCHARGE_KEYSTORE_PASSWORD_FILE": "/nonexistent",
            }
        )
