"""A network of validators in one folder: made, started, watched, stopped.

The folder holds `network.json` (what it is), a folder a validator (keys, chain data, log, and
`process.json` while it runs) and the engine's genesis. Who has the folder has the network, its keys
included, so only its owner can read it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from trading.errors import NodeError, OptionError
from trading.network.binaries import need_binary
from trading.network.engines import DEFAULT_ENGINE, engine_named
from trading.network.node import NodeClient
from trading.network.plan import Place, Plan, Seat, seat_folder
from trading.network.ports import free_ports
from trading.network.processes import Process, end, launch, send_signal, wait_for_end

PLAN_FILE = "network.json"
PROCESS_FILE = "process.json"
LOG_FILE = "log.txt"
LOCK_FILE = ".lock"

CHAIN_ID = 20_240
BLOCK_GAS = 80_000_000
"""polygon-edge carries no block of more than 1 MiB, and stands still at one. Batches of trades use
at least 89 gas a byte, so that 80 million gas of them are at most 0.9 MB."""

HEALTHY_AFTER_S = 90.0
"""Long enough for the time that IBFT allows a proposer that is down, several times over."""

_POLL_S = 0.1
_LOG_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a new network is to be; None leaves it to the default, or to what the folder has.

    Attributes:
        validators: how many; 4 bear the loss of one.
        engine: name of the engine.
        block_time_s: seconds from block to block.
        block_gas: gas limit of a block.
        chain_id: of the chain.
        places: where each runs; loopback without it.
    """

    validators: int | None = None
    engine: str | None = None
    block_time_s: int | None = None
    block_gas: int | None = None
    chain_id: int | None = None
    places: tuple[Place, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one validator is now.

    Attributes:
        number: counted from 1.
        url: address of its JSON-RPC.
        pid: of its process; None when it does not run.
        height: its latest block; None when it does not answer.
        peers: how many others it is connected to; None when it does not answer.
    """

    number: int
    url: str
    pid: int | None
    height: int | None
    peers: int | None

    @property
    def state(self) -> str:
        """`running`, `silent` (it runs and does not answer) or `stopped`."""
        if self.pid is None:
            return "stopped"
        return "running" if self.height is not None else "silent"


class LocalNetwork:
    """The network of one folder; made by `create`, `find` or `open_or_create`."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self.directory = directory
        self.plan = plan
        self.engine = engine_named(plan.engine)

    @property
    def urls(self) -> list[str]:
        """Addresses of the validators' JSON-RPC, in order."""
        return [seat.url for seat in self.plan.seats]

    # Starting and stopping

    def up(self, *, timeout_s: float = HEALTHY_AFTER_S) -> None:
        """Start every validator that does not run, and wait until the network is healthy.

        Raises:
            NodeError: the binary is missing, a validator ends, or health takes longer; whatever
                this call has started is ended again.
        """
        with self._locked():
            until = time.monotonic() + timeout_s
            started: list[Seat] = []
            try:
                for seat in self.plan.seats:
                    if self._start(seat):
                        started.append(seat)
                        # Two that dial each other at once can each drop the other's call, and
                        # then try again after a minute only.
                        self._await_answer(seat.number, until)
                self.await_health(timeout_s=until - time.monotonic())
            except BaseException:
                self._end(started)
                raise

    def down(self) -> None:
        """End every validator that was started here and runs; nothing else."""
        with self._locked():
            self._end(self.plan.seats)

    def start(self, number: int) -> None:
        """Start one validator, if it does not run, without awaiting that it answers.

        Raises:
            NodeError: the binary is missing.
            OptionError: there is no such validator.
        """
        with self._locked():
            self._start(self.seat(number))

    def stop(self, number: int) -> None:
        """End one validator in order; nothing when it does not run.

        Raises:
            OptionError: there is no such validator.
        """
        with self._locked():
            self._end([self.seat(number)])

    def kill(self, number: int) -> None:
        """End one validator as a power cut would: no signal that it could answer.

        Raises:
            OptionError: there is no such validator.
        """
        with self._locked():
            seat = self.seat(number)
            process = self.process(number)
            if process is not None:
                send_signal(process, signal.SIGKILL)
                wait_for_end(process, timeout_s=10.0)
            self._process_file(seat).unlink(missing_ok=True)

    # Watching

    def seat(self, number: int) -> Seat:
        """One validator, counted from 1.

        Raises:
            OptionError: there is no such validator.
        """
        if not 1 <= number <= len(self.plan.seats):
            raise OptionError("validator", number, f"1 to {len(self.plan.seats)}")
        return self.plan.seats[number - 1]

    def process(self, number: int) -> Process | None:
        """The process of one validator, or None when it does not run."""
        try:
            text = self._process_file(self.seat(number)).read_text(encoding="utf-8")
            process = Process.model_validate_json(text)
        except (FileNotFoundError, ValidationError):
            # A record that a crash cut short was written before its process did anything.
            return None
        return process if process.is_running() else None

    def standings(self) -> list[Standing]:
        """How each validator is now."""
        found = []
        for seat in self.plan.seats:
            process = self.process(seat.number)
            client = NodeClient(seat.url)
            found.append(
                Standing(
                    number=seat.number,
                    url=seat.url,
                    pid=None if process is None else process.pid,
                    height=None if process is None else client.height(),
                    peers=None if process is None else client.peers(),
                )
            )
        return found

    def client(self, number: int) -> NodeClient:
        """Questions to one validator."""
        return NodeClient(self.seat(number).url)

    def await_height(
        self, height: int, *, numbers: Sequence[int] | None = None, timeout_s: float
    ) -> None:
        """Wait until the validators named, or all, have the block with this number.

        Raises:
            NodeError: it takes longer, or one of them ends; says how each is.
        """
        wanted = [seat.number for seat in self.plan.seats] if numbers is None else numbers
        until = time.monotonic() + timeout_s
        while True:
            heights = {number: self.client(number).height() for number in wanted}
            if all(found is not None and found >= height for found in heights.values()):
                return
            self._check(wanted, until, f"block {height}: {_told(heights)}")
            time.sleep(_POLL_S)

    def await_health(self, *, timeout_s: float = HEALTHY_AFTER_S) -> None:
        """Wait until all validators are connected with one another and two new blocks are on all.

        Raises:
            NodeError: it takes longer, or one of them ends; says how each is.
        """
        until = time.monotonic() + timeout_s
        numbers = [seat.number for seat in self.plan.seats]
        others = len(numbers) - 1
        while True:
            peers = {number: self.client(number).peers() for number in numbers}
            if all(found is not None and found >= others for found in peers.values()):
                break
            self._check(numbers, until, f"{others} peers each: {_told(peers)}")
            time.sleep(_POLL_S)
        height = max(self.client(number).height() or 0 for number in numbers)
        self.await_height(height + 2, timeout_s=max(0.0, until - time.monotonic()))

    def _await_answer(self, number: int, until: float) -> None:
        while self.client(number).height() is None:
            self._check([number], until, f"an answer of validator {number}")
            time.sleep(_POLL_S)

    def _check(self, numbers: Sequence[int], until: float, waiting_for: str) -> None:
        for number in numbers:
            if self.process(number) is None:
                raise NodeError(
                    f"validator {number} of {self.directory} has ended; its log ends with:\n"
                    f"{self._log_end(number)}"
                )
        if time.monotonic() > until:
            raise NodeError(
                f"the network of {self.directory} was not in time with {waiting_for}; see "
                f"{LOG_FILE} in the validators' folders there."
            )

    # One validator

    def _start(self, seat: Seat) -> bool:
        """Start a validator; False when it ran already."""
        if self.process(seat.number) is not None:
            return False
        binary = need_binary(self.engine.module)
        command = self.engine.command(binary, self.directory, seat)
        folder = seat_folder(self.directory, seat.number)
        process = launch([*seat.place.launcher, *command], folder / LOG_FILE)
        _write(self._process_file(seat), process.model_dump_json() + "\n")
        return True

    def _end(self, seats: Sequence[Seat]) -> None:
        running = {seat.number: self.process(seat.number) for seat in seats}
        for process in running.values():
            # All at once first: four that end one after another would take four times as long.
            if process is not None:
                send_signal(process, signal.SIGTERM)
        for seat in seats:
            process = running[seat.number]
            if process is not None:
                end(process)
            self._process_file(seat).unlink(missing_ok=True)

    def _process_file(self, seat: Seat) -> Path:
        return seat_folder(self.directory, seat.number) / PROCESS_FILE

    def _log_end(self, number: int) -> str:
        path = seat_folder(self.directory, number) / LOG_FILE
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join([line for line in text.splitlines() if line.strip()][-_LOG_LINES:])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time in this folder; a second one waits."""
        with (self.directory / LOCK_FILE).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def find(directory: Path) -> LocalNetwork:
    """The network of a folder.

    Raises:
        OptionError: there is none in it, or one that this version cannot read.
    """
    directory = directory.absolute()
    try:
        text = (directory / PLAN_FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise OptionError(
            "dir", str(directory), f"a folder with a network ({PLAN_FILE}); `up` makes one"
        ) from None
    try:
        plan = Plan.model_validate_json(text)
    except ValidationError as error:
        said = error.errors()[0]
        where = ".".join(str(part) for part in said["loc"])
        raise OptionError(
            "dir", str(directory), f"a {PLAN_FILE} of this version ({where}: {said['msg']})"
        ) from None
    if plan.engine and engine_named(plan.engine).module.version != plan.version:
        raise OptionError(
            "dir",
            str(directory),
            f"a network of {plan.engine} {engine_named(plan.engine).module.version}; it was made "
            f"with {plan.version}",
        )
    return LocalNetwork(directory, plan)


def create(directory: Path, options: Options | None = None) -> LocalNetwork:
    """Write genesis and keys of a new network into a folder that is absent or empty.

    Nothing is started. The folder is there with all of it, or is as it was.

    Raises:
        OptionError: the folder is not empty, or an option is outside what is accepted.
        NodeError: the engine is not built, or refuses.
    """
    options = Options() if options is None else options
    directory = directory.absolute()
    engine_name = options.engine or DEFAULT_ENGINE
    engine = engine_named(engine_name)
    validators = 4 if options.validators is None else options.validators
    places = (Place(),) * validators if options.places is None else options.places
    if validators < 1 or len(places) != validators:
        raise OptionError("validators", validators, "1 or more, and a place for each")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise OptionError(
            "dir", str(directory), "a folder that is absent or empty, or one with a network"
        )
    binary = need_binary(engine.module)
    ports = free_ports([place.host for place in places], len(engine.ports), near=str(directory))
    try:
        plan = Plan(
            engine=engine_name,
            version=engine.module.version,
            chain_id=CHAIN_ID if options.chain_id is None else options.chain_id,
            block_time_s=1 if options.block_time_s is None else options.block_time_s,
            block_gas=BLOCK_GAS if options.block_gas is None else options.block_gas,
            seats=tuple(
                Seat(number=number, place=place, ports=dict(zip(engine.ports, own, strict=True)))
                for number, (place, own) in enumerate(zip(places, ports, strict=True), start=1)
            ),
        )
    except ValidationError as error:
        said = error.errors()[0]
        raise OptionError(str(said["loc"][-1]), said["input"], said["msg"]) from None
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".peercharge-", dir=directory.parent))
    try:
        for seat in plan.seats:
            seat_folder(temporary, seat.number).mkdir()
        plan = engine.prepare(binary, temporary, plan)
        _write(temporary / PLAN_FILE, json.dumps(plan.model_dump(), indent=2) + "\n")
        temporary.replace(directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return LocalNetwork(directory, plan)


def open_or_create(directory: Path, options: Options | None = None) -> LocalNetwork:
    """The network of a folder, made first where there is none.

    Raises:
        OptionError: as `create`, or an option differs from what the folder's network has.
        NodeError: as `create`.
    """
    options = Options() if options is None else options
    if not (directory / PLAN_FILE).exists():
        return create(directory, options)
    network = find(directory)
    plan = network.plan
    has = {
        "validators": len(plan.seats),
        "engine": plan.engine,
        "block_time_s": plan.block_time_s,
        "block_gas": plan.block_gas,
        "chain_id": plan.chain_id,
        "places": tuple(seat.place for seat in plan.seats),
    }
    for name, value in has.items():
        asked = getattr(options, name)
        if asked is not None and asked != value:
            raise OptionError(
                name, asked, f"{value}, as the network in {directory} was made; or another folder"
            )
    return network


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, so that no reader finds half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _told(found: dict[int, int | None]) -> str:
    return ", ".join(
        f"validator {number} has {'no answer' if value is None else value}"
        for number, value in found.items()
    )
