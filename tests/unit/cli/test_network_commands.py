"""`deploy`, `admin` and `account`: bad input ends with 2 and one message, and no node is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from tests.unit.cli.commands import run
from trading.chain import Key
from trading.chain.keys import (
    KEY_VARIABLE,
    KEYSTORE_VARIABLE,
    PASSWORD_FILE_VARIABLE,
    PASSWORD_VARIABLE,
)
from trading.cli import app
from trading.cli.ledger import DEPLOYMENT_VARIABLE, NETWORK_VARIABLE

ADDRESS = Key.demonstration(3, "operator 1").address
MISTYPED = ADDRESS[:-1] + ("0" if ADDRESS[-1] != "0" else "1")
NOBODY_HOME = "http://127.0.0.1:9"
DEPLOY = ("deploy", "--operators", ADDRESS, "--quorum", 1)
TAG = "0x" + "ab" * 32

BAD: list[tuple[tuple[object, ...], str]] = [
    ((*DEPLOY, "--operators", "0x12"), "--operators='0x12'"),
    ((*DEPLOY, "--operators", MISTYPED), "with the right checksum"),
    ((*DEPLOY, "--operators", f"{ADDRESS},{ADDRESS.lower()}"), "each address once"),
    ((*DEPLOY, "--operators", ","), "--operators=','"),
    ((*DEPLOY, "--quorum", 2), "--quorum=2: expected at most as many as there are operators, 1"),
    ((*DEPLOY, "--band", "0.60"), "--band='0.60'"),
    ((*DEPLOY, "--band", "0.6:0.5"), "--band='0.6:0.5'"),
    ((*DEPLOY, "--band", "low:high"), "--band='low'"),
    ((*DEPLOY, "--spread", "-1"), "--spread='-1'"),
    ((*DEPLOY, "--name", ""), "--name=''"),
    ((*DEPLOY, "--token", "euro"), "--token='euro'"),
    ((*DEPLOY, "--network", "embedded"), "--network='embedded'"),
    ((*DEPLOY, "--network", "anvil"), "--network='anvil'"),
    ((*DEPLOY, "--network", "telegraph"), "--network='telegraph'"),
    (("admin", "add-operator", "0x12"), "operator='0x12'"),
    (("admin", "remove-operator", ADDRESS[:-1]), "operator="),
    (("admin", "rotate-operator", ADDRESS, "x"), "new='x'"),
    (("admin", "set-band", "1"), "band='1'"),
    (("admin", "set-spread", "wide"), "spread='wide'"),
    (("admin", "set-aggregator", "x"), "aggregator='x'"),
    (("admin", "propose-authority"), "either an address or --take-back"),
    (("admin", "propose-authority", ADDRESS, "--take-back"), "either an address or --take-back"),
    (("admin", "mint", ADDRESS, "0"), "amount='0'"),
    (("admin", "mint", ADDRESS, "1e-7"), "at most six decimals"),
    (("admin", "mint", ADDRESS, "nan"), "amount='nan'"),
    (("account", "fund", 1, "0.0"), "amount='0.0'"),
    (("account", "withdraw", 1, "half"), "amount='half'"),
    (("account", "withdraw", 1, "1", "--to", "home"), "--to='home'"),
    (("account", "withdraw", 1, "1", "--signature-for", "soon"), "--signature-for='soon'"),
    (("account", "enroll"), "--max-buy=None: expected a price here or in --min-sell"),
    (("account", "enroll", "--max-buy", "much"), "--max-buy='much'"),
    (("account", "mandate", 1, "--min-sell", "5000"), "--min-sell='5000'"),
    (("account", "mandate", 1, "--max-buy", "1", "--valid-for", "ever"), "--valid-for='ever'"),
    (("account", "mandate", 1, "--max-buy", "1", "--aggregator", "me"), "--aggregator='me'"),
    (("account", "register", "--session", "7"), "--salts=None: expected both"),
    (("account", "register", "--salts", "s.json"), "--session=None: expected both"),
    (("account", "register", "--tag", "0x12"), "--tag='0x12'"),
    (("account", "register", "--tag", TAG, "--session", "7", "--salts", "s"), "none beside"),
    (("account", "forget", "7", "--salts", "s.json"), "session='7'"),
    (("account", "hand-in", "none.json"), "none.json"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, a network where nobody listens, and a key."""
    monkeypatch.chdir(tmp_path)
    for variable in (KEYSTORE_VARIABLE, PASSWORD_VARIABLE, PASSWORD_FILE_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(KEY_VARIABLE, "0x" + "07" * 32)
    monkeypatch.setenv(NETWORK_VARIABLE, NOBODY_HOME)
    monkeypatch.setenv(DEPLOYMENT_VARIABLE, "deployment.json")
    return tmp_path


@pytest.mark.parametrize(("command", "said"), BAD, ids=lambda part: str(part)[:60])
def test_a_bad_value_is_refused(home: Path, command: tuple[object, ...], said: str) -> None:
    out = ("--out", "new.json") if command[0] == "deploy" else ()
    code, stdout, stderr = run(*command, *out)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("peercharge: ")
    assert stderr.count("\n") == 1
    assert said in stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ("admin", "set-quorum", 0),
        ("admin", "set-quorum", "most"),
        ("admin", "set-lot", 65_536, 1),
        ("admin", "set-lot", 1, 2**32),
        ("account", "show", 0),
        ("admin",),
        ("account", "unknown"),
    ],
)
def test_usage_is_refused_in_the_librarys_words(home: Path, command: tuple[object, ...]) -> None:
    code, _, stderr = run(*command)
    assert code == 2
    assert "Usage: peercharge" in stderr or command == ("admin",)


KEYED = [
    (*DEPLOY, "--out", "new.json"),
    ("admin", "pause"),
    ("account", "register"),
    ("account", "fund", 1, 1),
]


@pytest.mark.parametrize("command", KEYED, ids=lambda command: command[1])
def test_a_missing_key_names_the_variables(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[object, ...]
) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    code, _, stderr = run(*command)
    assert code == 2
    assert stderr.startswith("peercharge: PEERCHARGE_KEYSTORE='': expected ")
    assert "PEERCHARGE_KEYSTORE_PASSWORD_FILE" in stderr


@pytest.mark.parametrize("command", ["pause", "show"])
def test_a_missing_deployment_is_named(home: Path, command: str) -> None:
    code, _, stderr = run("admin", command)
    assert code == 2
    assert stderr.startswith("peercharge: deployment.json: expected a file that can be read")


def test_a_node_that_is_not_there_is_another_failure(home: Path) -> None:
    code, stdout, stderr = run(*DEPLOY, "--out", "new.json")
    assert (code, stdout) == (1, "")
    assert "cannot be reached" in stderr
    assert list(home.iterdir()) == []


def test_a_keystore_is_never_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "key.json").write_text("precious")
    monkeypatch.setenv(PASSWORD_VARIABLE, "a password")
    code, _, stderr = run("account", "new-key", "--out", "key.json")
    assert code == 2
    assert "--out='key.json': expected a file that is not there yet" in stderr
    assert (home / "key.json").read_text() == "precious"


def test_a_new_key_needs_a_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, stderr = run("account", "new-key", "--out", "key.json")
    assert code == 2
    assert "PEERCHARGE_KEYSTORE_PASSWORD_FILE" in stderr
    monkeypatch.setenv(PASSWORD_VARIABLE, "")
    code, _, stderr = run("account", "new-key", "--out", "key.json")
    assert code == 2
    assert "a password that is not empty" in stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"act": "gift"}', '{"act": "revocation", "account": -1}']
)
def test_a_file_that_nobody_signed_is_refused(home: Path, content: str) -> None:
    (home / "paper.json").write_text(content)
    code, _, stderr = run("account", "hand-in", "paper.json")
    assert code == 2
    assert stderr.startswith("peercharge: paper.json: ")


def test_every_command_has_help() -> None:
    root = typer.main.get_command(app)
    for group in ("admin", "account"):
        for name, command in root.commands[group].commands.items():  # type: ignore[attr-defined]
            assert command.help, name
            for parameter in command.params:
                assert getattr(parameter, "help", None), (name, parameter.name)
