"""The exchange: operators send the engine their signatures, `POST /v1/signatures`.

A signature authenticates itself: it names contract, chain, batch and seat, and the one who holds
the seat must have made it. Whoever carries it can neither change nor use it for anything else, so
the exchange needs no password; what it does not take, it answers with a sentence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Self
from urllib.parse import urlsplit

import httpx
from eth_utils.address import to_checksum_address
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from trading.chain import SeatSignature
from trading.errors import OptionError

PATH = "/v1/signatures"
TIMEOUT_S = 3.0
"""For a whole answer: an engine that drips it byte by byte holds up nobody for longer."""

MOST_BYTES = 4_096
"""So much of an answer is read; a problem document is shorter."""

_Hash = Annotated[str, Field(strict=True, pattern="^0x[0-9a-f]{64}$")]
_Address = Annotated[str, Field(strict=True, pattern="^0x[0-9a-fA-F]{40}$")]


class SignatureIn(BaseModel):
    """A seat's signature as it travels; all bytes in hexadecimal."""

    model_config = ConfigDict(extra="forbid")

    batch_id: _Hash
    seat: Annotated[int, Field(strict=True, ge=0, le=255)]
    signer: _Address
    r: _Hash
    vs: _Hash

    @classmethod
    def of(cls, signed: SeatSignature) -> Self:
        """The form in which it is sent."""
        return cls(
            batch_id=signed.batch_id,
            seat=signed.seat,
            signer=signed.signer,
            r="0x" + signed.r.hex(),
            vs="0x" + signed.vs.hex(),
        )

    def signature(self) -> SeatSignature:
        """What was sent."""
        return SeatSignature(
            batch_id=self.batch_id,
            seat=self.seat,
            signer=to_checksum_address(self.signer),
            r=bytes.fromhex(self.r[2:]),
            vs=bytes.fromhex(self.vs[2:]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a signature that was sent.

    Attributes:
        is_taken: whether the engine keeps it.
        is_reached: whether the engine answered at all.
        sentence: why not, where it is not taken.
    """

    is_taken: bool
    is_reached: bool
    sentence: str = ""


class Exchange:
    """An engine's exchange, from an operator's side."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Speak to the engine at `url`, `http://HOST:PORT`; nothing is sent yet.

        Raises:
            OptionError: not such an address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError("engine", url, "an address such as http://engine:8700")
        self._url = url.rstrip("/") + PATH
        # A proxy of the environment has no business between two parties of the consortium, and
        # certificates, which take long to load, none where there is no TLS.
        is_tls = parts.scheme == "https"
        self._timeout_s = timeout_s
        # httpx counts its timeout anew at each read. A deadline over all of an exchange takes an
        # event loop, which lives as long as the connections that belong to it.
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            trust_env=False,
            verify=is_tls,
            # Whatever is packed may be larger than it looks.
            headers={"Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """End its connections."""
        with self._runner:
            self._runner.run(self._client.aclose())

    def send(self, signed: SeatSignature) -> Answer:
        """Send a signature; sending it again changes nothing.

        It returns within the timeout, whatever the engine does, and is for one thread at a time.
        """
        try:
            return self._runner.run(self._send(SignatureIn.of(signed).model_dump()))
        except TimeoutError:
            sentence = f"no whole answer within {self._timeout_s:g} s"
            return Answer(is_taken=False, is_reached=False, sentence=sentence)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = str(error) or type(error).__name__
            return Answer(is_taken=False, is_reached=False, sentence=f"no answer ({said})")

    async def _send(self, content: dict[str, object]) -> Answer:
        async with (
            asyncio.timeout(self._timeout_s),
            self._client.stream("POST", self._url, json=content) as answer,
        ):
            told = b""
            async for part in answer.aiter_raw(MOST_BYTES):
                told = (told + part)[:MOST_BYTES]
                if len(told) == MOST_BYTES:
                    break
        if answer.is_success:
            return Answer(is_taken=True, is_reached=True)
        return Answer(
            is_taken=False, is_reached=True, sentence=_detail(told, status=answer.status_code)
        )


def _detail(told: bytes, *, status: int) -> str:
    try:
        # Not `json`: this parser bounds how deep an answer nests.
        document = from_json(told)
    except ValueError:
        document = None
    detail = document.get("detail") if isinstance(document, dict) else None
    if not isinstance(detail, str) or not detail:
        return f"status {status}"
    return "".join(one if one.isprintable() else " " for one in detail[:300])
