"""The exchange: operators send the engine their signatures, `POST /v1/signatures`.

A signature authenticates itself: it names contract, chain, batch and seat, and the one who holds
the seat must have made it. Whoever carries it can neither change nor use it for anything else, so
the exchange needs no password; what it does not take, it answers with a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self
from urllib.parse import urlsplit

import httpx
from eth_utils.address import to_checksum_address
from pydantic import BaseModel, ConfigDict, Field

from trading.chain import SeatSignature
from trading.errors import OptionError

PATH = "/v1/signatures"
TIMEOUT_S = 3.0

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
        self._client = httpx.Client(timeout=timeout_s, trust_env=False, verify=is_tls)

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def send(self, signed: SeatSignature) -> Answer:
        """Send a signature; sending it again changes nothing."""
        try:
            answer = self._client.post(self._url, json=SignatureIn.of(signed).model_dump())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = str(error) or type(error).__name__
            return Answer(is_taken=False, is_reached=False, sentence=f"no answer ({said})")
        if answer.is_success:
            return Answer(is_taken=True, is_reached=True)
        return Answer(is_taken=False, is_reached=True, sentence=_detail(answer))


def _detail(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        told = None
    detail = told.get("detail") if isinstance(told, dict) else None
    return str(detail)[:300] if detail else f"status {answer.status_code}"
