"""Servers on this machine that are no Ethereum nodes, each in its own way."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


def result(value: Any) -> Answer:
    """A JSON-RPC answer with this result to whatever is asked."""
    return lambda request: (
        200,
        json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value}).encode(),
    )


def refusal(code: int, message: str) -> Answer:
    """A JSON-RPC error to whatever is asked."""
    error = {"code": code, "message": message}
    return lambda request: (
        200,
        json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode(),
    )


def page(body: bytes, status: int = 200) -> Answer:
    """Always the same bytes."""
    return lambda _: (status, body)


def methods(**answers: Any) -> Answer:
    """A result for each method named, null for the others."""

    def answer(request: dict[str, Any]) -> tuple[int, bytes]:
        return result(answers.get(request["method"]))(request)

    return answer


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server that answers each POST with `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, body = answer(json.loads(self.rfile.read(length)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
