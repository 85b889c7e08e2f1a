"""A lot in operation for benchmarks of its web service: every party a process of its own.

anvil, the engine and three operators trade a real day (the demonstration's 2019-10-29) that is
moved to now, a market interval a minute; `peercharge serve` answers. Accounts are opened before,
as drivers do. All of it ends with the context.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pandas as pd
from eth_account import Account

from benchmarks.chain import BenchmarkError
from trading.chain import Consortium, Key, Network, open_network
from trading.chain.deployments import Deployment, write_deployment
from trading.data import load_sessions, sample_path, write_table
from trading.engine.enrolment import Cast, found
from trading.lot import Stays
from trading.operators import Pseudonyms
from trading.operators.salts import keep_salts
from trading.publication import Publication, read_publication
from trading.tables import UTC_TIME

DAY = "2019-10-29"
NOW_THEN = pd.Timestamp("2019-10-29T16:30Z")
"""The moment of that day that is made now: many have just come, buyers among them."""
MARKET = "interval = 1\ngate_lead = 1\nsmallest_trade_wh = 50\n"
"""A minute, the shortest there is, so that there are trades to see while it is measured."""
OPERATORS = 3
QUORUM = 2
RATE_PER_S = 1_000
"""What one token may ask a second here: a few tokens stand in for all viewers."""
START_S = 60.0
STOP_S = 10.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """What is running.

    Attributes:
        address: of the web service.
        tokens: by role.
        sessions: the moved day, a SESSIONS table.
        pids: by the name of the process.
        logs: folder of the processes' logs.
    """

    address: str
    tokens: dict[str, str]
    sessions: pd.DataFrame
    pids: dict[str, int]
    logs: Path

    def cpu_s(self) -> dict[str, float]:
        """Processor time of each process so far, from /proc."""
        return {name: _cpu_s(pid) for name, pid in self.pids.items()}


@contextmanager
def running(folder: Path) -> Iterator[Lot]:
    """Start all of it, with its files in `folder`.

    Raises:
        BenchmarkError: a process ended, or the service does not answer in time.
        PeerchargeError: the consortium cannot be founded.
    """
    sessions = moved_day(pd.Timestamp.now("UTC").floor("s"))
    market, salts = folder / "market.toml", folder / "salts.json"
    deployment, day = folder / "deployment.json", folder / "sessions.csv"
    market.write_text(MARKET, encoding="utf-8")
    write_table(sessions, day)
    pseudonyms = Pseudonyms(keep_salts(salts, list(sessions["session_id"])).get)
    secrets = {
        name: Account.create().key.hex()
        for name in ("authority", "engine", "lot operator", *_operators())
    }
    keys = {name: _key(name, secret) for name, secret in secrets.items()}
    with ExitStack() as stack:
        network = stack.enter_context(open_network("anvil", genesis_time=int(time.time())))
        # The chain's clock is the wall's, as on a network that runs.
        network.ask("anvil_removeBlockTimestampInterval")
        consortium = _founded(network, sessions, keys, pseudonyms, read_publication(market))
        write_deployment(Deployment.of(consortium, name="benchmark"), deployment)
        place = str(network.w3.provider.endpoint_uri)
        common = ["--market", str(market), "--salts", str(salts)]
        chain = ["--network", place, "--deployment", str(deployment)]
        token = {"PEERCHARGE_SESSIONS_TOKEN": secrets["lot operator"][:32]}
        engine, web = (f"127.0.0.1:{_free_port()}" for _ in range(2))
        database = ["--database", str(folder / "engine.db")]
        processes = _Processes(folder, stack)
        processes.start(
            "engine",
            ["run", str(day), *database, "--listen", engine, *common, *chain],
            {"PEERCHARGE_KEY": secrets["engine"], **token},
        )
        for name in _operators():
            own = ["--database", str(folder / f"{name}.db"), "--listen", "127.0.0.1:0"]
            processes.start(
                name,
                ["operator", str(day), *own, *common, *chain, "--engine", f"http://{engine}"],
                {"PEERCHARGE_KEY": secrets[name]},
            )
        processes.await_answer("engine", f"http://{engine}")
        serve = ["serve", *database, "--listen", web, "--engine", f"http://{engine}"]
        processes.start(
            "web",
            [*serve, "--development-issuer", "--rate", str(RATE_PER_S), *common],
            token,
        )
        processes.await_answer("web", f"http://{web}")
        yield Lot(
            address=f"http://{web}",
            tokens=processes.tokens_printed("web"),
            sessions=sessions,
            pids=processes.pids,
            logs=folder,
        )


def moved_day(now: pd.Timestamp) -> pd.DataFrame:
    """The sessions of `DAY` with `NOW_THEN` moved to `now`, a SESSIONS table."""
    frame = load_sessions(sample_path(), format="acn", date=DAY).frame
    return moved(frame, now - NOW_THEN)


def moved(frame: pd.DataFrame, by: pd.Timedelta) -> pd.DataFrame:
    """A SESSIONS table with all times later by so much."""
    times = ("arrival", "departure", "estimated_departure")
    return frame.assign(**{name: (frame[name] + by).astype(UTC_TIME) for name in times})


def _operators() -> list[str]:
    return [f"operator-{n + 1}" for n in range(OPERATORS)]


def _founded(
    network: Network,
    sessions: pd.DataFrame,
    keys: dict[str, Key],
    pseudonyms: Pseudonyms,
    publication: Publication,
) -> Consortium:
    """A consortium whose drivers have accounts, limits and money."""
    rules, terms = publication.rules, publication.terms
    stays = Stays(sessions, rules)
    cast = Cast(
        authority=keys["authority"],
        operators=tuple(keys[name] for name in _operators()),
        engine=keys["engine"],
        lot_operator=keys["lot operator"],
        drivers=Cast.demonstration(rules.seed, operators=0, stays=stays).drivers,
        pseudonyms=pseudonyms,
    )
    price = terms.peer_price(rules.guarantee, rules.efficiency)
    return found(network, cast, stays=stays, terms=terms, price=price, quorum=QUORUM).consortium


def _key(name: str, secret: str) -> Key:
    key = Key.from_environment(name=name, environment={"PEERCHARGE_KEY": secret})
    assert key is not None
    return key


class _Processes:
    """The commands that run, each with a log of its own; all are ended with the stack."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._running.items()}

    def start(self, name: str, arguments: Sequence[str], environment: dict[str, str]) -> None:
        program = [sys.executable, "-c", "from trading.cli import main; main()", *arguments]
        out, log = (
            self._stack.enter_context((self._folder / f"{name}.{end}").open("wb"))
            for end in ("out", "log")
        )
        process = subprocess.Popen(
            program,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
        )
        self._running[name] = process
        self._stack.callback(_end, process)

    def await_answer(self, name: str, address: str) -> None:
        """Wait until a process says that it is well."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            ended = self._running[name].poll()
            if ended is not None:
                raise BenchmarkError(f"{name} ended with {ended}: {self._last_words(name)}")
            try:
                if httpx.get(f"{address}/health", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise BenchmarkError(f"{name} is not well after {START_S:g} s: {self._last_words(name)}")

    def tokens_printed(self, name: str) -> dict[str, str]:
        """The tokens by role, as `--development-issuer` prints them."""
        lines = (self._folder / f"{name}.out").read_text(encoding="utf-8").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def _last_words(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(encoding="utf-8")[-500:]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _cpu_s(pid: int) -> float:
    """Processor time of a process, user and system, its dead children's left out."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(told[11]) + int(told[12])) / _TICKS_PER_S


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
