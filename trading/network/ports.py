"""Ports that are free now and stay free while a validator is down."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from zlib import crc32

from trading.errors import NodeError

# Below what systems give to outgoing connections, which would otherwise take the port of a
# validator that is down.
_FIRST, _LAST = 12_000, 32_000


def free_ports(hosts: Sequence[str], count: int, *, near: str) -> list[list[int]]:
    """`count` ports for each host, no port twice; the search begins at a place drawn from `near`.

    Raises:
        NodeError: too few are free.
    """
    wanted = len(hosts) * count
    start = _FIRST + crc32(near.encode()) % (_LAST - _FIRST)
    found: list[int] = []
    for step in range(_LAST - _FIRST):
        port = _FIRST + (start - _FIRST + step) % (_LAST - _FIRST)
        if _is_free(port):
            found.append(port)
        if len(found) == wanted:
            return [found[at : at + count] for at in range(0, wanted, count)]
    raise NodeError(
        f"{wanted} free ports are needed between {_FIRST} and {_LAST}, and only {len(found)} are."
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do; otherwise a connection that ended a minute ago would count as one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
