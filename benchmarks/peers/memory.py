"""The most memory of a peer's own process; imported by the scripts that run in its environment."""

from __future__ import annotations

from pathlib import Path


def peak_mb(status: str = "/proc/self/status") -> float | None:
    """The most that this process has held, MB of 10**6 bytes; None where the system does not say.

    Linux counts it anew when a program starts. `ru_maxrss` does not: it keeps what the process held
    before, as a copy of the benchmark that started it.
    """
    path = Path(status)
    if not path.is_file():
        return None
    lines = path.read_text(encoding="ascii").splitlines()
    found = [line.split() for line in lines if line.startswith("VmHWM:")]
    return int(found[0][1]) * 1024 / 1e6 if found else None
