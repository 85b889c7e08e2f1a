"""Operators' nodes from the web's side: what each says of itself, and people's answers to it.

A node shows its batches and takes answers at its own address, for whoever has its people's token
(`trading.operators.http`). The web has that token and nobody who calls the web does: here it is
decided who may act for which node.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from trading.errors import OptionError
from trading.operators.batches import (
    AnsweredOut,
    AnswerIn,
    NodeBatches,
    NodeBatchOut,
    Said,
)
from trading.operators.http import TOKEN_VARIABLE
from trading.web.problems import Problem

TIMEOUT_S = 3.0
"""Of a connection and of each piece of an answer; a node answers from its own database."""

REST_S = 5.0
"""A node that did not answer is not asked again for so long: others wait for the list."""

_Answer = TypeVar("_Answer", bound=BaseModel)


class NodeHealth(BaseModel):
    """What a node says of itself at `GET /health`."""

    status: Literal["ok", "failing"]
    operator: str
    seat: int | None
    head: int
    lag_s: float | None
    chain_age_s: float | None
    open_batches: int
    asks: str
    open_questions: int
    problem: str
    market: str
    lot: int
    contract: str
    chain_id: int


class NodeRow(BaseModel):
    """An operator's node as the web reaches it."""

    node: int = Field(description="Its number here, from 0.")
    operator: str | None = Field(description="Its address on the chain; null until it answered.")
    status: Literal["ok", "failing", "unreachable"]
    problem: str = Field(description="What keeps it from going on; empty if nothing does.")
    is_own: bool = Field(description="Whether the caller may act for it.")
    seat: int | None = Field(description="Null without one, as what follows without an answer.")
    head: int | None = Field(description="Last block that it has seen.")
    lag_s: float | None = Field(description="Seconds since its last complete look.")
    chain_age_s: float | None = Field(
        description="Seconds since the time of the last block, by the node's clock."
    )
    open_batches: int | None = Field(description="Pending, without its vote on the chain.")
    asks: str | None = Field(description="On what it asks people: nothing, findings or all.")
    open_questions: int | None = Field(description="Those that wait for a person.")
    has_same_market: bool | None = Field(
        description="Whether it judges by the market that is published here."
    )


class OperatorDoor:
    """One operator's node.

    Attributes:
        address: where it answers.
        operator: its address on the chain, in lower case; None until it first answered.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        token: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Speak to a node.

        Args:
            client: whose base URL is the node's address.
            token: what the node asks people for (`PEERCHARGE_OPERATOR_TOKEN`).
            clock: seconds.
        """
        self._client, self._clock = client, clock
        self.address = str(client.base_url)
        self.operator: str | None = None
        self._shown: str | None = None
        self._headers = {"Authorization": f"Bearer {token}"}
        self._rests_until = 0.0

    def health(self) -> NodeHealth | str:
        """What it says of itself, or a sentence about why nothing is known."""
        if self._clock() < self._rests_until:
            return "the node does not answer"
        try:
            answer = self._client.get("/health")
            # 503 is an answer too: it says what keeps the node from going on.
            told = NodeHealth.model_validate_json(answer.content)
        except httpx.HTTPError:
            self._rests_until = self._clock() + REST_S
            return "the node does not answer"
        except ValidationError:
            self._rests_until = self._clock() + REST_S
            return "what answers there is no node of an operator, or one of another version"
        self.operator, self._shown = told.operator.lower(), told.operator
        return told

    def row(self, number: int, *, owners: frozenset[str], market: str) -> NodeRow:
        """It as a row.

        Args:
            number: among the nodes that the web reaches.
            owners: addresses of the caller's.
            market: digest of the market that is published here.
        """
        told = self.health()
        is_own = self.operator is not None and self.operator in owners
        if isinstance(told, str):
            return NodeRow(
                node=number,
                operator=self._shown,
                status="unreachable",
                problem=told,
                is_own=is_own,
                seat=None,
                head=None,
                lag_s=None,
                chain_age_s=None,
                open_batches=None,
                asks=None,
                open_questions=None,
                has_same_market=None,
            )
        return NodeRow(
            node=number,
            is_own=is_own,
            has_same_market=told.market == market,
            **told.model_dump(include=set(NodeRow.model_fields)),
        )

    def batches(self, *, said: Said | None, limit: int) -> NodeBatches:
        """Its batches, those on which people are asked first.

        Raises:
            Problem: 503, it does not answer or not this service.
        """
        query: dict[str, Any] = {"limit": limit} | ({} if said is None else {"said": said})
        return self._ask(NodeBatches, "GET", "/v1/batches", params=query)

    def batch(self, batch_id: str) -> NodeBatchOut:
        """A batch with its trades and checks.

        Raises:
            Problem: 404, the node knows no such batch; 503, as `batches`.
        """
        return self._ask(NodeBatchOut, "GET", f"/v1/batches/{batch_id}")

    def answer(self, batch_id: str, given: AnswerIn) -> AnsweredOut:
        """Hand a person's decision to it; the same again does no harm.

        Raises:
            Problem: 404; 409, nobody was asked, or it is too late; 422, the reason cannot be used;
                503, as `batches`.
        """
        path = f"/v1/batches/{batch_id}/answer"
        return self._ask(AnsweredOut, "POST", path, json=given.model_dump())

    def _ask(self, shape: type[_Answer], method: str, path: str, **parts: Any) -> _Answer:
        try:
            answer = self._client.request(method, path, headers=self._headers, **parts)
        except httpx.HTTPError:
            is_write = method != "GET"
            raise Problem(
                503,
                "the operator's node does not answer"
                + ("; whether it has the answer is not known" if is_write else ""),
                "Send the same answer again later: it counts once." if is_write else "",
                headers={"Retry-After": str(round(REST_S))},
            ) from None
        if answer.status_code in (401, 403):
            raise Problem(
                503,
                "the operator's node shows nothing to this service",
                f"Whoever runs it has to give node and service the same {TOKEN_VARIABLE}.",
            )
        if answer.status_code in _HINTS:
            raise Problem(answer.status_code, _detail(answer), _HINTS[answer.status_code])
        try:
            return shape.model_validate_json(answer.raise_for_status().content)
        except (httpx.HTTPError, ValidationError):
            raise Problem(
                503, f"the operator's node failed with status {answer.status_code}"
            ) from None


_HINTS = {
    404: "Look at the node's batches again.",
    409: "Look at the batch again; what was decided stands.",
    422: "Correct what is named and send it again.",
}


class Nodes:
    """The nodes that a web service reaches, in the order in which they were named."""

    def __init__(self, doors: Sequence[OperatorDoor]) -> None:
        self._doors = tuple(doors)
        self._threads = ThreadPoolExecutor(max(len(doors), 1), thread_name_prefix="node")

    def close(self) -> None:
        """End its threads."""
        self._threads.shutdown()

    def rows(self, *, owners: frozenset[str], market: str) -> list[NodeRow]:
        """All of them, asked at the same time; see `OperatorDoor.row`."""
        return list(
            self._threads.map(
                lambda numbered: numbered[1].row(numbered[0], owners=owners, market=market),
                enumerate(self._doors),
            )
        )

    def door(self, operator: str) -> OperatorDoor:
        """The node of an operator.

        Raises:
            Problem: 404, none is reached here under this address.
        """
        if any(door.operator is None for door in self._doors):
            # Who has not answered yet may be the one; it is asked now, unless it rests.
            list(self._threads.map(OperatorDoor.health, self._doors))
        for door in self._doors:
            if door.operator == operator.lower():
                return door
        raise Problem(
            404, "this service reaches no node of that operator", "GET /operator-nodes lists them."
        )


@contextmanager
def nodes_at(addresses: Sequence[str], *, token: str) -> Iterator[Nodes]:
    """Reach operators' nodes until the context ends.

    Args:
        addresses: `http://HOST:PORT` of each.
        token: that all of them ask people for.

    Raises:
        OptionError: one of them is no such address.
    """
    with ExitStack() as stack:
        doors = []
        for address in addresses:
            client = httpx.Client(base_url=_checked(address), timeout=TIMEOUT_S, trust_env=False)
            doors.append(OperatorDoor(stack.enter_context(client), token=token))
        nodes = Nodes(doors)
        stack.callback(nodes.close)
        yield nodes


def _checked(address: str) -> str:
    try:
        place = httpx.URL(address)
        is_address = place.scheme in ("http", "https") and bool(place.host)
    except httpx.InvalidURL:
        is_address = False
    if not is_address:
        expected = "the address of an operator's node, such as http://127.0.0.1:8710"
        raise OptionError("operator", address, expected)
    return address


def _detail(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        told = None
    said = told.get("detail") if isinstance(told, dict) else None
    return str(said)[:1_000] if said else f"the operator's node refuses ({answer.status_code})"
