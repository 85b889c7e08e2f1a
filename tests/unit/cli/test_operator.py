"""`peercharge operator` refuses options that would leave questions unanswered."""

from __future__ import annotations

import pytest

from tests.unit.cli.commands import run

USUAL = ("--network", "http://127.0.0.1:9", "--deployment", "none.json", "--database", "none.db")


@pytest.mark.parametrize(
    ("options", "token", "said"),
    [
        (("--ask", "all"), None, "PEERCHARGE_OPERATOR_TOKEN"),
        (("--ask", "findings"), "short", "16 characters or more"),
        (("--ask", "sometimes"), "long enough to be a secret", "one of nothing, findings, all"),
        (("--ask-for", "20"), "long enough to be a secret", "--ask findings or --ask all beside"),
        (("--ask", "all", "--ask-for", "-1"), "long enough to be a secret", "or equal to 0"),
    ],
)
def test_it_is_refused_with_one_message(monkeypatch, options, token, said):
    monkeypatch.delenv("PEERCHARGE_OPERATOR_TOKEN_FILE", raising=False)
    monkeypatch.delenv("PEERCHARGE_OPERATOR_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("PEERCHARGE_OPERATOR_TOKEN", token)
    code, out, complained = run("operator", *USUAL, *options)
    assert code == 2
    assert said in complained
    assert not out
