"""The examples in docstrings and in the page of equations do what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

MODULES = (
    "trading.data.output",
    "trading.fleet",
    "trading.market",
    "trading.market.book",
    "trading.market.pro_rata",
    "trading.units",
)
EQUATIONS = Path(__file__).parents[2] / "docs" / "equations.md"


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_are_true(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name))
    assert tried > 0
    assert failed == 0


def test_examples_of_the_equations_are_true() -> None:
    failed, tried = doctest.testfile(str(EQUATIONS), module_relative=False)
    assert tried > 0
    assert failed == 0
