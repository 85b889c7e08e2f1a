"""Where the ledger runs, chosen by one setting: `embedded`, `anvil`, or the URL of any node.

A new network is one new file with an opener, and one line in `NETWORKS`.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import cast
from urllib.parse import urlsplit

from trading.chain.networks.base import Network, Opening, Standstill, addresses_of
from trading.errors import OptionError, WrongLedgerError

__all__ = ["NETWORKS", "Network", "Standstill", "open_network"]

Opener = Callable[[Opening], AbstractContextManager[Network]]

NETWORKS = {
    "anvil": "trading.chain.networks.anvil",
    "embedded": "trading.chain.networks.embedded",
}
"""Name to module; a module is imported when it is chosen, as the embedded chain takes a second."""

_REMOTE = "trading.chain.networks.remote"


@contextmanager
def open_network(
    setting: str,
    *,
    genesis_time: int | None = None,
    chain_id: int | None = None,
    timeout_s: float = 10.0,
) -> Iterator[Network]:
    """Open the network that `setting` names, and leave nothing running afterwards.

    Args:
        setting: `embedded`, `anvil`, or an address: `http://...`, `https://...`, `ipc:PATH`, or a
            path that ends in `.ipc`. Several addresses over HTTP, separated by commas, are those of
            one network's nodes: where one fails, the next is asked.
        genesis_time: Unix seconds of the first block where the chain is started here; a node that
            already runs has its own. None means now.
        chain_id: the chain that is expected; None accepts any.
        timeout_s: how long a node may take to answer one request.

    Raises:
        OptionError: no such network.
        LedgerUnreachableError: nothing answers there, or not as a node does.
        WrongLedgerError: it is another chain, or several addresses are of different ones.
        LedgerError: the network cannot be started here; says what is missing.

    >>> with open_network("embedded", genesis_time=1_572_307_200) as network:
    ...     network.now()
    1572307200
    """
    opening = Opening(
        setting=setting,
        genesis_time=int(time.time()) if genesis_time is None else genesis_time,
        timeout_s=timeout_s,
        chain_id=chain_id,
    )
    with _opener(setting)(opening) as network:
        if chain_id is not None and network.chain_id != chain_id:
            raise WrongLedgerError(
                f"{network.name} is chain {network.chain_id}, expected chain {chain_id}; point the "
                "setting to a node of that chain, or correct the chain id."
            )
        yield network


def _opener(setting: str) -> Opener:
    module = NETWORKS.get(setting)
    if module is None:
        if not _is_address(setting):
            raise OptionError("network", setting, _expected(setting))
        module = _REMOTE
    return cast(Opener, import_module(module).open_here)


def _is_address(setting: str) -> bool:
    several = addresses_of(setting)
    if len(several) > 1:
        return all(part.startswith("http") and _is_address(part) for part in several)
    if not setting.startswith(("http://", "https://")):
        return setting.startswith("ipc:") or setting.endswith(".ipc")
    try:
        parts = urlsplit(setting)
        # Reading the port is what checks it.
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _expected(setting: str) -> str:
    names = " or ".join(NETWORKS)
    near = difflib.get_close_matches(setting, NETWORKS, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{names}, or an address such as http://localhost:8545 or ipc:PATH{hint}"
