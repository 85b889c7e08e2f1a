"""What is answered where there is no page."""

from __future__ import annotations

from html import escape

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from trading.pages.signin import language_of, plain
from trading.pages.texts import Texts


def missing_page(request: Request) -> Response:
    """Says so in the visitor's language, and leads to the lot."""
    texts = Texts(language_of(request))
    hint, lot = (escape(texts(key)) for key in ("shell.missing_hint", "shell.to_lot"))
    body = f"<p>{hint}</p><p><a href='/'>{lot}</a></p>"
    return HTMLResponse(plain(texts, texts("shell.missing"), body), 404)
