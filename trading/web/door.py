"""Where sessions go that come in: to the engine, which alone writes to its database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import httpx
from pydantic import ValidationError

from trading.store.requests import SessionIn
from trading.web.problems import Problem
from trading.web.rows import TakenOut

PATH = "/v1/sessions"
TIMEOUT_S = 20.0


class SessionDoor(Protocol):
    """Takes sessions in; the same ones again do no harm."""

    def take(self, sessions: Sequence[SessionIn]) -> TakenOut:
        """Hand them on, and say what became of them once they are stored.

        Raises:
            Problem: they cannot be used, or nobody takes them just now.
        """


class EngineDoor:
    """The engine's own `POST /v1/sessions`, which stores before it answers.

    Attributes:
        address: of the engine.
    """

    def __init__(self, client: httpx.Client, *, token: str) -> None:
        """Send to an engine.

        Args:
            client: whose base URL is the engine's address.
            token: what the engine asks for (`PEERCHARGE_SESSIONS_TOKEN`).
        """
        self._client = client
        self.address = str(client.base_url)
        self._headers = {"Authorization": f"Bearer {token}"}

    def take(self, sessions: Sequence[SessionIn]) -> TakenOut:
        """See `SessionDoor`."""
        body = [session.model_dump(mode="json") for session in sessions]
        try:
            answer = self._client.post(PATH, json=body, headers=self._headers)
        except httpx.HTTPError:
            raise Problem(
                503,
                "the engine does not answer; whether the sessions are stored is not known",
                "Send the same sessions again later: what is stored is taken again without harm.",
                headers={"Retry-After": "5"},
            ) from None
        if answer.status_code in (401, 403):
            raise Problem(
                503,
                "the engine does not take sessions from this service",
                "Whoever runs it has to give engine and service the same "
                "PEERCHARGE_SESSIONS_TOKEN.",
            )
        if answer.status_code == 422:
            raise Problem(422, _detail(answer))
        try:
            return TakenOut.model_validate_json(answer.raise_for_status().content)
        except (httpx.HTTPError, ValidationError):
            raise Problem(503, f"the engine failed with status {answer.status_code}") from None


def _detail(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return "the engine refuses these sessions"
    return str(told.get("detail", "")) if isinstance(told, dict) else ""
