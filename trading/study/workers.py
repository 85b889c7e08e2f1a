"""Where scenarios are computed: in this process, in processes of this machine, or on Dask.

Each is a door to an executor of `concurrent.futures`; they differ in what happens when a process or
a machine goes away.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from trading.errors import OptionError, SweepError

LOCAL = "local:"
CONNECT_S = 20
"""How long to wait for a Dask scheduler to answer, seconds."""

R = TypeVar("R")


class Workers(Protocol):
    """A door to whoever computes."""

    description: str

    def slots(self) -> int:
        """How many tasks can run at once, as of now."""
        ...

    def submit(self, task: Callable[..., R], *args: object) -> Future[R]:
        """Start a task.

        Raises:
            BrokenExecutor: a process has died since the last `renew`.
        """
        ...

    def renew(self) -> None:
        """Replace what has died.

        Raises:
            SweepError: it cannot be replaced.
        """
        ...


def usable_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def workers_of(*, jobs: int = 1, dask: str | None = None) -> Iterator[Workers]:
    """Whoever computes a sweep, until the block ends; then, whatever happened, none is left.

    Args:
        jobs: processes of this machine; 1 computes in this one. A script that asks for more has to
            guard its own start with `if __name__ == "__main__"`, as always with processes.
        dask: address of a Dask scheduler, such as "tcp://10.0.0.5:8786", or "local:N" for a cluster
            of N processes on this machine; then `jobs` does not count.

    Raises:
        OptionError: `jobs` below 1, no such address, or no answer from there; or Dask is not
            installed.
    """
    if jobs < 1:
        raise OptionError("jobs", jobs, "1 process or more")
    if dask is not None:
        with _dask_client(dask) as client:
            yield _OnDask(client, dask)
    elif jobs == 1:
        with ThreadPoolExecutor(1) as executor:
            here = _Here(executor)
            try:
                yield here
            finally:
                executor.shutdown(wait=True, cancel_futures=True)
    else:
        processes = _Processes(jobs)
        try:
            yield processes
        except BaseException:
            processes.stop()
            raise
        processes.close()


class _Here:
    """A thread of this process, so that the main one stays free for Ctrl-C and the bar."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.description = "in this process"

    def slots(self) -> int:
        return 1

    def submit(self, task: Callable[..., R], *args: object) -> Future[R]:
        return self._executor.submit(task, *args)

    def renew(self) -> None:
        raise SweepError("this process cannot be replaced")


class _Processes:
    """Processes of this machine. They end when this process does, however it ends."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._context = get_context("spawn")
        # Nothing is ever sent. Only this process holds the end to write to, so the other end is
        # closed for the workers when this process closes it, or is killed.
        self._alive, self._end = self._context.Pipe(duplex=False)
        self._executor = self._new()
        self.description = f"in {jobs} processes"

    def slots(self) -> int:
        return self._jobs

    def submit(self, task: Callable[..., R], *args: object) -> Future[R]:
        return self._executor.submit(task, *args)

    def renew(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = self._new()

    def close(self) -> None:
        """End when all is done."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._end.close()
        self._alive.close()

    def stop(self) -> None:
        """End at once; what is being computed is lost."""
        self._end.close()
        self.close()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._jobs, mp_context=self._context, initializer=_begin, initargs=(self._alive,)
        )


def _begin(alive: Connection) -> None:
    """In a worker: leave Ctrl-C to the process that started it, and end together with that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_parent() -> None:
        alive.poll(None)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


class _OnDask:
    """A cluster, through the executor that its client offers."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._executor: Executor = client.get_executor(pure=False)
        self.description = f"on {self.slots()} threads of the Dask cluster {address}"

    def slots(self) -> int:
        # Workers may come and go while a sweep runs.
        return max(int(sum(self._client.nthreads().values())), 1)

    def submit(self, task: Callable[..., R], *args: object) -> Future[R]:
        return self._executor.submit(task, *args)

    def renew(self) -> None:
        """The scheduler replaces its workers by itself; nothing can replace the scheduler."""
        if self._client.status != "running":
            raise SweepError(
                f"the Dask cluster {self._address} went away. What was done is kept: start the "
                "cluster, and run the same command again."
            )


@contextmanager
def _dask_client(address: str) -> Iterator[Any]:
    try:
        import distributed
    except ModuleNotFoundError as error:
        expected = f"the package {error.name} to be installed: pip install 'peercharge[cluster]'"
        raise OptionError("dask", address, expected) from None
    # Untyped where it is installed, unknown where it is not.
    dask: Any = distributed
    if address.startswith(LOCAL):
        n = address.removeprefix(LOCAL)
        if not n.isdecimal() or int(n) < 1:
            raise OptionError("dask", address, f"a number of processes, as in {LOCAL}2")
        with (
            dask.LocalCluster(
                n_workers=int(n),
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
            ) as cluster,
            dask.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = dask.Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        expected = f"the address of a running scheduler, as in tcp://HOST:8786 ({reason})"
        raise OptionError("dask", address, expected) from None
    with client:
        yield client
