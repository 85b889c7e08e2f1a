"""The examples in docstrings, equations.md and mechanisms.md do what they say."""

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
    "trading.market.crossing",
    "trading.market.pricing.fixed",
    "trading.market.pricing.fraction",
    "trading.market.pricing.mid_market",
    "trading.market.pricing.supply_demand",
    "trading.market.pricing.tariffs",
    "trading.market.pro_rata",
    "trading.study.scenario",
    "trading.units",
)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_are_true(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name))
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("page", ["equations.md", "mechanisms.md"])
def test_examples_of_a_page_are_true(page: str) -> None:
    failed, tried = doctest.testfile(str(DOCS / page), module_relative=False)
    assert tried > 0
    assert failed == 0
