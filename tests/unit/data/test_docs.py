from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from trading.data import ASSIGNMENTS, FORMATS, load_sessions
from trading.tables import SESSIONS

PAGE = Path(__file__).parents[3] / "docs" / "data.md"
EXAMPLES = re.findall(
    r"^```(csv|json) (\w+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
)


def test_the_snippets_say_what_happens():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert failed == 0
    assert tried > 10


@pytest.mark.parametrize(("kind", "name", "text"), EXAMPLES)
def test_every_example_can_be_read(kind, name, text, write):
    sessions = load_sessions(write(text, name=f"example.{kind}"), format=name)
    assert len(sessions.frame) >= 1
    assert sessions.left_out.empty


def test_every_format_has_an_example():
    assert {name for _, name, _ in EXAMPLES} == set(FORMATS)


def test_every_column_and_every_rule_is_explained():
    page = PAGE.read_text()
    assert [name for name in (*SESSIONS.columns, *ASSIGNMENTS) if f"`{name}`" not in page] == []
