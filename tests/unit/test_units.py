"""Amounts as people type them become integers exactly, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.cli.ledger import eur
from trading.errors import OptionError
from trading.units import amount_ueur


@given(st.integers(min_value=1, max_value=2**64 - 1_000_000))
def test_an_amount_comes_back_as_it_was_shown(ueur: int) -> None:
    assert amount_ueur(eur(ueur).removesuffix(" EUR")) == ueur


@pytest.mark.parametrize("text", ["0", "-1", "", "ten", "0.0000001", "nan", "inf", "1e30", "1,5"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="an amount in EUR"):
        amount_ueur(text)
