"""Processes that outlive the program that starts them, and are never mistaken for another.

A process is known by its id and the moment it began: the system gives an id again when its process
has ended, and a signal must not reach the one that has it next.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from trading.errors import NodeError

POLL_S = 0.02

_LAUNCH = '"$@" </dev/null >>"$0" 2>&1 & echo $!'
"""The shell ends at once, so the process has no parent that would have to await its end."""

_LAUNCH_TIMEOUT_S = 10.0
_OURS = "PEERCHARGE_"


class Process(BaseModel):
    """One process: its id, and when it began, in the system's own count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    began: str

    def is_running(self) -> bool:
        """Whether this very process runs; one that has ended and is not yet collected does not."""
        return began(self.pid) == self.began


def launch(command: Sequence[str], log: Path) -> Process:
    """Start a command in a session of its own; what it prints is added to the file `log`.

    Settings of this project, keys among them, are not handed on to it.

    Raises:
        NodeError: it does not start.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", _LAUNCH, str(log), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LAUNCH_TIMEOUT_S,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NodeError(f"{command[0]} does not start: {error}") from error
    word = done.stdout.strip()
    if done.returncode != 0 or not word.isdecimal():
        raise NodeError(f"{command[0]} does not start: {done.stderr.strip()}")
    pid = int(word)
    return Process(pid=pid, began=began(pid) or "ended before it was looked at")


def end(process: Process, *, patience_s: float = 10.0) -> None:
    """Ask a process to end, and end it by force when it has not after `patience_s`.

    Nothing happens when it has ended already, whoever has its id now.

    Raises:
        NodeError: it is there and may not be ended by this account, or outlives force.
    """
    send_signal(process, signal.SIGTERM)
    if not wait_for_end(process, patience_s):
        send_signal(process, signal.SIGKILL)
        if not wait_for_end(process, patience_s):
            raise NodeError(f"process {process.pid} does not end, even by force.")


def send_signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to this very process; nothing when it has ended.

    Raises:
        NodeError: it may not be signalled by this account.
    """
    try:
        with _held(process.pid) as handle:
            if not process.is_running():
                return
            if handle is None:
                os.kill(process.pid, number)
            else:
                signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise NodeError(
            f"process {process.pid} belongs to another account and was left alone."
        ) from error


def wait_for_end(process: Process, timeout_s: float) -> bool:
    """Whether the process has ended, after at most `timeout_s`."""
    until = time.monotonic() + timeout_s
    while process.is_running():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


@contextlib.contextmanager
def _held(pid: int) -> Iterator[int | None]:
    """A handle by which the process is meant even if its id is given anew; None without such."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def began(pid: int) -> str | None:
    """When the process with this id began, in the system's own count; None when none runs.

    >>> began(os.getpid()) == began(os.getpid()) is not None
    True
    """
    if Path("/proc/self/stat").exists():
        return _began_linux(pid)
    done = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, moment = done.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else moment.strip()


def _began_linux(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name of the program stands in brackets and may hold anything, brackets included.
    fields = text.rpartition(")")[2].split()
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}:{ticks}"
