"""The exchange from an operator's side: whatever an engine answers, and however slowly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from tests.tools import PATIENCE_S
from trading.chain import Domain, Key, SeatSignature
from trading.operators.exchange import Answer, Exchange

SIGNED = SeatSignature.by(
    Key.demonstration(0, "operator"),
    Domain(chain_id=1, contract="0x" + "00" * 20),
    batch_id="0x" + "11" * 32,
    seat=0,
)
Play = Callable[[socket.socket], None]


@contextmanager
def engine(play: Play) -> Iterator[str]:
    """An engine that reads a request and then does as it likes, one request a connection."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def answer() -> None:
            while True:
                try:
                    client, _ = door.accept()
                except OSError:
                    return
                with client:
                    request = b""
                    while not request.endswith(b"}"):
                        request += client.recv(65_536)
                    try:
                        play(client)
                    except OSError:
                        continue

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        door.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE_S)


def sent(play: Play) -> Answer:
    with engine(play) as url, closing(Exchange(url)) as exchange:
        return exchange.send(SIGNED)


def whole(status: str, body: bytes, *headers: str) -> Play:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda client: client.sendall("\r\n".join(lines).encode() + body)


def test_what_is_taken_and_what_is_refused() -> None:
    assert sent(whole("200 OK", b"{}")) == Answer(is_taken=True, is_reached=True)
    refused = sent(whole("422 No", b'{"detail": "no batch of\\nthis engine"}'))
    assert refused == Answer(is_taken=False, is_reached=True, sentence="no batch of this engine")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"detail":' * 20_000,
        b"[" * 3_000,
        b'{"detail": [1]}',
        b'{"detail": "\\ud800"}',
        b"\xff",
        b"",
        b'{"detail": "' + b"a" * 5_000 + b'"}',
    ],
    ids=["deep", "objects", "shorter", "list", "half a pair", "bytes", "none", "long"],
)
def test_what_is_no_problem_document_is_told_by_its_status(body: bytes) -> None:
    answer = sent(whole("422 No", body))
    assert answer == Answer(is_taken=False, is_reached=True, sentence="status 422")


def test_what_is_packed_is_not_unpacked() -> None:
    answer = sent(whole("422 No", b"\x1f\x8b" + bytes(100), "Content-Encoding: gzip"))
    assert answer.sentence == "status 422"


def test_an_endless_answer_is_read_no_further_than_needed() -> None:
    def endless(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 422 No\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            client.sendall(b" " * 65_536)

    assert sent(endless).sentence == "status 422"


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 422 No\r\n", b"X: y\r\n"),
        (b"", b"H"),
    ],
    ids=["body", "headers", "first line"],
)
def test_an_answer_that_drips_ends_at_the_deadline(head: bytes, drop: bytes) -> None:
    over = threading.Event()

    def drip(client: socket.socket) -> None:
        client.sendall(head)
        until = time.monotonic() + PATIENCE_S
        while not over.wait(0.05) and time.monotonic() < until:
            client.sendall(drop)
        over.set()

    with engine(drip) as url, closing(Exchange(url, timeout_s=0.3)) as exchange:
        answer = exchange.send(SIGNED)
        is_dripping = not over.is_set()
        over.set()
    assert is_dripping
    assert answer == Answer(
        is_taken=False, is_reached=False, sentence="no whole answer within 0.3 s"
    )


def test_after_an_engine_hung_up_the_next_signature_goes_through() -> None:
    turns = iter([whole("200 OK", b"{}"), lambda _client: None, whole("200 OK", b"{}")])
    with engine(lambda client: next(turns)(client)) as url, closing(Exchange(url)) as exchange:
        answers = [exchange.send(SIGNED) for _ in range(3)]
    assert [answer.is_taken for answer in answers] == [True, False, True]
    assert not answers[1].is_reached
