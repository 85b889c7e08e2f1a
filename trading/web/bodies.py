"""Bodies of requests: JSON that says so, or nothing."""

from __future__ import annotations

from email.message import Message

from fastapi import Request

from trading.web.problems import Problem

JSON = "application/json"


def refuse_unless_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON, before it is read.

    The framework would take it for one text, and tell that it expected an object.

    Raises:
        Problem: 415, with the type that came and the one to send.
    """
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    told = Message()
    told["content-type"] = headers.get("content-type", "")
    kind = told.get_content_subtype() if told.get_content_maintype() == "application" else ""
    if kind == "json" or kind.endswith("+json"):
        return
    found = "another" if "content-type" in headers else "none"
    raise Problem(
        415,
        f"the header Content-Type: expected {JSON}, found {found}",
        f"Send JSON with the header `Content-Type: {JSON}`; by itself curl says it is a form.",
    )
