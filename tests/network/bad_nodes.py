"""Servers on this machine that are no Ethereum nodes, each in its own way."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

import requests

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


class Relay:
    """A door to a real node that can be shut, jammed or made to lie while it is in use.

    Attributes:
        mode: `sound`; `hangs` (no answer until the relay ends); `lies` (the node gets the request,
            the caller gets no JSON); `fails` (status 500, and the node gets nothing).
        address: where it listens.
    """

    def __init__(self, node: str) -> None:
        self.mode = "sound"
        self.requests = 0
        self._node = node
        self._end = threading.Event()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                relay.requests += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mode = relay.mode
                if mode == "hangs":
                    relay._end.wait()
                    return
                answer = b"" if mode == "fails" else relay._forward(body)
                self.send_response(500 if mode == "fails" else 200)
                answer = b"<html>" if mode == "lies" else answer
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def dies(self) -> None:
        """Stop listening, for good; a second time changes nothing."""
        if self._thread.is_alive():
            self._end.set()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.dies()

    def _forward(self, body: bytes) -> bytes:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Content-Type": "application/json"}
            return session.post(self._node, body, headers=headers, timeout=10).content


@contextmanager
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
