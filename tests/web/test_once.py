"""Writes under a key: they count once, whatever is repeated and whatever fails."""

from __future__ import annotations

import pytest

from trading.errors import OutcomeUnknownError
from trading.web.once import Once
from trading.web.problems import Problem


def test_what_was_refused_is_tried_again_and_what_was_done_is_not():
    once, sent = Once(), []

    def refuse():
        raise Problem(409, "not now")

    def send():
        sent.append(1)
        return "done"

    with pytest.raises(Problem, match="not now"):
        once.answer("ada", "a", 1, refuse)
    assert once.answer("ada", "a", 1, send) == ("done", True)
    assert once.answer("ada", "a", 1, refuse) == ("done", False)
    assert once.answer("bob", "a", 2, send) == ("done", True), "everybody has keys of their own"
    with pytest.raises(Problem, match="something else") as refused:
        once.answer("ada", "a", 2, send)
    assert refused.value.status == 409
    assert len(sent) == 2


def test_a_key_whose_outcome_is_unknown_is_used_up():
    once = Once()

    def lose():
        raise OutcomeUnknownError("0xab", "no answer")

    with pytest.raises(OutcomeUnknownError):
        once.answer("ada", "a", 1, lose)
    with pytest.raises(Problem, match="0xab") as refused:
        once.answer("ada", "a", 1, lambda: "done")
    assert refused.value.status == 409


def test_the_keys_used_longest_ago_are_forgotten():
    once = Once(most=2)
    for key in ("a", "b", "a", "c"):
        once.answer("ada", key, 1, lambda: "done")
    assert once.answer("ada", "a", 1, lambda: "again") == ("done", False)
    assert once.answer("ada", "b", 1, lambda: "again") == ("again", True)
