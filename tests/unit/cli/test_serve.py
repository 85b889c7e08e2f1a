"""`peercharge serve` refuses what it could not serve safely, before it listens."""

from __future__ import annotations

import pytest

from tests.unit.cli.commands import run
from trading.store import open_database


@pytest.fixture
def database(tmp_path):
    file = tmp_path / "engine.db"
    with open_database(str(file)):
        return file


USUAL = ("--simulated-drivers", "--development-issuer")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--simulated-drivers",), "issuer"),
        ((*USUAL, "--listen", "0.0.0.0:0"), "loopback"),
        ((*USUAL, "--issuer", "https://id.example"), "--development-issuer"),
        (("--development-issuer",), "salts"),
        ((*USUAL, "--listen", "nowhere"), "HOST:PORT"),
        ((*USUAL, "--engine", "http://127.0.0.1:1"), "PEERCHARGE_SESSIONS_TOKEN"),
        ((*USUAL, "--operator", "http://127.0.0.1:1"), "PEERCHARGE_OPERATOR_TOKEN"),
        ((*USUAL, "--log-format", "loud"), "json"),
        ((*USUAL, "--rate", "0"), "0"),
    ],
)
def test_it_is_refused_with_one_message(database, monkeypatch, options, said):
    for secret in ("PEERCHARGE_SESSIONS_TOKEN", "PEERCHARGE_OPERATOR_TOKEN"):
        monkeypatch.delenv(secret, raising=False)
        monkeypatch.delenv(f"{secret}_FILE", raising=False)
    code, out, complained = run("serve", "--database", database, *options)
    assert code == 2
    assert said in complained
    assert not out


def test_an_engine_address_that_is_none_is_refused(database, monkeypatch):
    monkeypatch.setenv("PEERCHARGE_SESSIONS_TOKEN", "long enough to be a secret")
    code, _, complained = run("serve", "--database", database, *USUAL, "--engine", "engine:8700")
    assert code == 2
    assert "--engine" in complained


def test_an_address_that_is_no_node_is_refused(database, monkeypatch):
    monkeypatch.setenv("PEERCHARGE_OPERATOR_TOKEN", "long enough to be a secret")
    code, _, complained = run("serve", "--database", database, *USUAL, "--operator", "op:8710")
    assert code == 2
    assert "--operator" in complained


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    code, _, complained = run("serve", "--database", tmp_path / "none.db", *USUAL)
    assert code == 1
    assert "there is no database" in complained
    assert not (tmp_path / "none.db").exists()
