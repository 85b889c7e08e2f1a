"""Several endpoints of one chain as if they were one: requests go to the current one, and move on.

A request that an endpoint does not answer, answers too late or answers with garbage goes to the
next, and later requests stay there. Before an endpoint is used it must say the right chain id and
be in sync; afterwards its latest block must not fall behind the highest that was seen. So a node
that was set back or is catching up is not believed. Asking twice is harmless: reading changes
nothing, and a signed transaction is taken once however often it is sent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from trading.chain.reach import reaching
from trading.errors import LedgerError, LedgerUnreachableError, WrongLedgerError

MOST_BLOCKS_BEHIND = 5
"""Nodes of a sound network differ by a block or two; a Clique chain of four replaces at most 3."""

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class Endpoint:
    """One endpoint.

    Attributes:
        name: its address without secrets.
        provider: speaks to it.
        is_checked: whether it has said the right chain id.
    """

    name: str
    provider: JSONBaseProvider
    is_checked: bool = False


class Endpoints(JSONBaseProvider):
    """A provider over one endpoint or more.

    Attributes:
        chain_id: of all endpoints.
    """

    def __init__(self, endpoints: Sequence[Endpoint], *, chain_id: int | None = None) -> None:
        """Find out the chain, and an endpoint to begin with.

        Args:
            endpoints: in the order in which they are tried.
            chain_id: the chain that is expected. Endpoints of another are left out. None takes
                what the endpoints say, all of which must agree; those that do not answer are asked
                before they are used.

        Raises:
            LedgerUnreachableError: none answers as a node does, or none is in sync.
            WrongLedgerError: none is of the expected chain, or they are of several.
        """
        super().__init__()
        self._endpoints = tuple(endpoints)
        self._current = 0
        self._highest = 0
        self._moving = threading.Lock()
        # What a single endpoint is not on is told by who expects it, as for any network.
        is_known = chain_id is not None and len(endpoints) > 1
        self.chain_id = cast(int, chain_id) if is_known else self._agreed_chain_id()
        self._ask(self._check)

    @property
    def current(self) -> str:
        """Name of the endpoint that requests go to."""
        return self._endpoints[self._current].name

    @property
    def endpoint_uri(self) -> str:
        """Address of the current endpoint as it was given, secrets included; as web3 names it."""
        return str(getattr(self._endpoints[self._current].provider, "endpoint_uri", self.current))

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request, answered by the first endpoint that is fit for it.

        Raises:
            LedgerUnreachableError: none is.
            WrongLedgerError: all are of another chain.
        """
        return self._ask(lambda endpoint: self._answer(endpoint, method, params))

    def make_batch_request(
        self, requests: list[tuple[RPCEndpoint, Any]]
    ) -> list[RPCResponse] | RPCResponse:
        """Many requests in one message, all answered by one endpoint; raises as `make_request`."""

        def send(endpoint: Endpoint) -> list[RPCResponse] | RPCResponse:
            with reaching(endpoint.name):
                answers = endpoint.provider.make_batch_request(requests)
            if isinstance(answers, list) and len(answers) == len(requests):
                for answer in answers:
                    _must_be_an_answer(endpoint, answer)
            elif not (isinstance(answers, dict) and answers.get("error")):
                raise _not_a_node(endpoint)
            return answers

        return self._ask(send)

    def reconsider(self) -> bool:
        """Move to an endpoint that is further, if the current one stands still behind it.

        A validator that is cut off from the others answers, but its chain does not grow.

        Returns:
            whether requests go elsewhere from now on.
        """
        if len(self._endpoints) == 1:
            return False
        at = self._current
        heads = {n: self._head(endpoint) for n, endpoint in enumerate(self._endpoints)}
        best = max(heads, key=lambda n: (heads[n], n == at))
        if heads[best] <= heads[at] + MOST_BLOCKS_BEHIND:
            return False
        self._move(best, f"it is at block {heads[at]}, others are at {heads[best]}")
        return True

    # ------------------------------------------------------------------ inside

    def _ask(self, send: Callable[[Endpoint], T]) -> T:
        """What the first endpoint says that is fit to be asked, from the current one on."""
        failures: list[LedgerError] = []
        first = self._current
        for step in range(len(self._endpoints)):
            at = (first + step) % len(self._endpoints)
            endpoint = self._endpoints[at]
            try:
                if at != self._current:
                    self._check(endpoint)
                answer = send(endpoint)
            except LedgerError as error:
                failures.append(error)
                continue
            if at != self._current:
                self._move(at, str(failures[-1]) if failures else "it was moved to meanwhile")
            return answer
        raise _joined(failures)

    def _move(self, at: int, why: str) -> None:
        with self._moving:
            if at != self._current:
                log.warning("requests go to %s from now on: %s", self._endpoints[at].name, why)
                self._current = at

    def _check(self, endpoint: Endpoint) -> None:
        """Refuse an endpoint of another chain, and one that is not in sync."""
        if not endpoint.is_checked:
            found = _chain_id(endpoint)
            if found != self.chain_id:
                raise WrongLedgerError(
                    f"{endpoint.name} is chain {found}, expected chain {self.chain_id}; point the "
                    "setting to a node of that chain, or correct the chain id."
                )
            endpoint.is_checked = True
        behind = _blocks_to_come(endpoint)
        if behind > MOST_BLOCKS_BEHIND:
            raise LedgerUnreachableError(
                f"{endpoint.name} is out of sync: it has {behind} blocks to catch up with; wait, "
                "or use another node."
            )
        if len(self._endpoints) > 1:
            # Its latest block is compared with the highest that others showed.
            self._answer(endpoint, RPCEndpoint("eth_blockNumber"), [])

    def _answer(self, endpoint: Endpoint, method: RPCEndpoint, params: Any) -> RPCResponse:
        with reaching(endpoint.name):
            answer = endpoint.provider.make_request(method, params)
        _must_be_an_answer(endpoint, answer)
        number = _latest_block(method, params, answer)
        if number is not None:
            if number < self._highest - MOST_BLOCKS_BEHIND:
                raise LedgerUnreachableError(
                    f"{endpoint.name} is out of sync: it is at block {number} after block "
                    f"{self._highest} was seen; wait, or use another node."
                )
            self._highest = max(self._highest, number)
        return answer

    def _agreed_chain_id(self) -> int:
        said: dict[str, int] = {}
        failures: list[LedgerError] = []
        for endpoint in self._endpoints:
            try:
                said[endpoint.name] = _chain_id(endpoint)
                endpoint.is_checked = True
            except LedgerError as error:
                failures.append(error)
        if not said:
            raise _joined(failures)
        if len(set(said.values())) > 1:
            found = ", ".join(f"{name} is chain {number}" for name, number in said.items())
            raise WrongLedgerError(
                f"the endpoints are of different chains: {found}; leave out those that are not of "
                "the consortium's."
            )
        return next(iter(said.values()))

    def _head(self, endpoint: Endpoint) -> int:
        """Number of an endpoint's latest block; -1 where it is not fit to be asked."""
        try:
            self._check(endpoint)
            answer = self._answer(endpoint, RPCEndpoint("eth_blockNumber"), [])
        except LedgerError:
            return -1
        return _hex(answer.get("result"), -1)


def _chain_id(endpoint: Endpoint) -> int:
    with reaching(endpoint.name):
        answer = endpoint.provider.make_request(RPCEndpoint("eth_chainId"), [])
    _must_be_an_answer(endpoint, answer)
    _must_not_be_refused(endpoint, answer)
    found = _hex(answer["result"], -1)
    if found < 0:
        raise _not_a_node(endpoint)
    return found


def _blocks_to_come(endpoint: Endpoint) -> int:
    """How many blocks an endpoint says it has to catch up with; 0 where it does not say."""
    with reaching(endpoint.name):
        answer = endpoint.provider.make_request(RPCEndpoint("eth_syncing"), [])
    _must_be_an_answer(endpoint, answer)
    progress = cast(Any, answer.get("result"))
    if not isinstance(progress, dict):
        return 0
    return _hex(progress.get("highestBlock"), 0) - _hex(progress.get("currentBlock"), 0)


def _latest_block(method: str, params: Any, answer: RPCResponse) -> int | None:
    """Number of the latest block, where an answer tells it."""
    result = cast(Any, answer.get("result"))
    if method == "eth_blockNumber":
        number = _hex(result, -1)
    elif method == "eth_getBlockByNumber" and params and params[0] == "latest":
        number = _hex(result.get("number") if isinstance(result, dict) else None, -1)
    else:
        return None
    return number if number >= 0 else None


def _hex(text: Any, otherwise: int) -> int:
    try:
        return int(text, 16)
    except (TypeError, ValueError):
        return otherwise


def _must_be_an_answer(endpoint: Endpoint, answer: Any) -> None:
    if not isinstance(answer, dict) or not ({"result", "error"} & answer.keys()):
        raise _not_a_node(endpoint)


def _must_not_be_refused(endpoint: Endpoint, answer: RPCResponse) -> None:
    error = cast(Any, answer.get("error"))
    if error:
        said = error.get("message", error) if isinstance(error, dict) else error
        raise LedgerError(f"{endpoint.name} refused the request: {said}")


def _not_a_node(endpoint: Endpoint) -> LedgerUnreachableError:
    return LedgerUnreachableError(
        f"{endpoint.name} answers, but not as an Ethereum node does; check that the address is its "
        "JSON-RPC endpoint."
    )


def _joined(failures: Sequence[LedgerError]) -> LedgerError:
    """One error for what is wrong with each endpoint."""
    if len(failures) == 1:
        return failures[0]
    text = f"none of {len(failures)} endpoints can be used: " + " ".join(map(str, failures))
    if all(isinstance(one, WrongLedgerError) for one in failures):
        return WrongLedgerError(text)
    return LedgerUnreachableError(text)
