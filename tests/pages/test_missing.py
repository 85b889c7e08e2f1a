"""Where there is no page."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from trading.pages.missing import missing_page


@pytest.mark.parametrize(
    ("language", "said"),
    [("da", "Den side findes ikke"), ("it", "Questa pagina non esiste"), ("fr", "no such page")],
)
def test_it_is_said_in_the_visitors_language_with_a_way_to_the_lot(language, said):
    headers = [(b"accept-language", language.encode())]
    scope = {"type": "http", "method": "GET", "path": "/<b>", "headers": headers}
    answer = missing_page(Request(scope))
    text = answer.body.decode()
    assert answer.status_code == 404
    assert said in text
    assert "<a href='/'>" in text
    assert "<b>" not in text
