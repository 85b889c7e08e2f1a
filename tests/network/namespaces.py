"""Validators in network namespaces of their own, joined by a bridge, so that a cable can be cut.

Needs root and `ip`. What is made is named after this process, and gone afterwards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trading.network import Place


@dataclass(frozen=True)
class Cables:
    """One namespace and one cable a validator; numbers count from 1."""

    name: str
    places: tuple[Place, ...]

    def cut(self, number: int) -> None:
        """Take a validator off the network, as pulling its cable does; it runs on."""
        _ip("link", "set", _cable(self.name, number), "down")

    def heal(self, number: int) -> None:
        _ip("link", "set", _cable(self.name, number), "up")


def can_be_made() -> bool:
    """Whether this account may make namespaces here."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    probe = f"pcp{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False)
    if made.returncode == 0:
        # A container may give namespaces and refuse cables.
        cable = [f"{probe}a", "type", "veth", "peer", "name", f"{probe}b"]
        made = subprocess.run(["ip", "link", "add", *cable], capture_output=True, check=False)
        if made.returncode == 0:
            _ip("link", "del", f"{probe}a")
        _ip("netns", "del", probe)
    return made.returncode == 0


@contextmanager
def cabled(count: int) -> Iterator[Cables]:
    """A bridge, and `count` namespaces each with a cable to it."""
    name = f"pc{os.getpid()}"
    net = f"10.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
    numbers = range(1, count + 1)
    try:
        _ip("link", "add", name, "type", "bridge")
        _ip("addr", "add", f"{net}.254/24", "dev", name)
        _ip("link", "set", name, "up")
        for number in numbers:
            space, cable = _space(name, number), _cable(name, number)
            _ip("netns", "add", space)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", cable, "master", name, "up")
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "addr", "add", f"{net}.{number}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")
        yield Cables(
            name=name,
            places=tuple(
                Place(
                    host=f"{net}.{number}",
                    launcher=("ip", "netns", "exec", _space(name, number)),
                )
                for number in numbers
            ),
        )
    finally:
        for number in numbers:
            subprocess.run(
                ["ip", "netns", "del", _space(name, number)], capture_output=True, check=False
            )
        subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)


def _space(name: str, number: int) -> str:
    return f"{name}-{number}"


def _cable(name: str, number: int) -> str:
    return f"{name}c{number}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
