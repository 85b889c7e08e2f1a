"""What one asks a validator to see how it is: a height, its peers, a block's hash."""

from __future__ import annotations

from typing import Any

import requests

TIMEOUT_S = 3.0


class NodeClient:
    """JSON-RPC to one validator; a question that gets no answer in time has the answer None."""

    def __init__(self, url: str) -> None:
        self.url = url

    def height(self) -> int | None:
        """Number of its latest block."""
        return _number(self._ask("eth_blockNumber"))

    def peers(self) -> int | None:
        """How many other validators it is connected to."""
        return _number(self._ask("net_peerCount"))

    def chain_id(self) -> int | None:
        """Id of its chain."""
        return _number(self._ask("eth_chainId"))

    def block_hash(self, number: int) -> str | None:
        """Hash of a block, by which two validators are seen to be on one chain."""
        block = self._ask("eth_getBlockByNumber", hex(number), False)
        found = block.get("hash") if isinstance(block, dict) else None
        return found if isinstance(found, str) else None

    def _ask(self, method: str, *parameters: Any) -> Any:
        message: Any = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        with requests.Session() as session:
            # A proxy of the environment must not see requests to this machine.
            session.trust_env = False
            try:
                answer = session.post(self.url, json=message, timeout=TIMEOUT_S).json()
            except requests.exceptions.RequestException:
                return None
        return answer.get("result") if isinstance(answer, dict) else None


def _number(result: Any) -> int | None:
    try:
        return int(result, 16)
    except (TypeError, ValueError):
        return None
