"""What is answered where there is no page."""

from __future__ import annotations

from html import escape

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from trading.pages.signin import language_of
from trading.pages.texts import Texts


def missing_page(request: Request) -> Response:
    """Says so in the visitor's language, and leads to the lot."""
    texts = Texts(language_of(request))
    return HTMLResponse(
        f"<!doctype html><html lang='{texts.language}'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(texts('shell.missing'))} · peercharge</title>"
        "<link rel='stylesheet' href='/pages/static/pages.css'></head>"
        f"<body><main class='pc-plain'><h1>{escape(texts('shell.missing'))}</h1>"
        f"<p>{escape(texts('shell.missing_hint'))}</p>"
        f"<p><a href='/'>{escape(texts('shell.to_lot'))}</a></p></main></body></html>",
        404,
    )
