"""The examples in docstrings of the ledger door, and in its page, do what they say."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

from tests.tools import ROOT
from trading import chain

MODULES = [
    module.name
    for module in pkgutil.walk_packages(chain.__path__, "trading.chain.")
    if not module.ispkg or module.name.endswith("networks")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_work(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_examples_of_the_ledgers_page_work() -> None:
    page = ROOT / "docs" / "ledger.md"
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted > 0
    assert result.failed == 0
