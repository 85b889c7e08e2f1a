"""`peercharge live`: a whole lot in one process, for people to look at and to act in.

It founds a consortium on the embedded chain, trades recorded sessions through the durable engine at
a pace that one can watch, lets operators' services check every batch on databases of their own, and
serves the web over what the engine has. Contract, transactions, votes and settlement are real; the
chain has one node and is gone when the process ends, and everybody's keys are demonstration keys.

The embedded chain is no matter for several threads. Whoever speaks to it holds `LiveLot.lock`: the
loop that lets engine and operators look in turn, and whatever the web sends.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pandas as pd
import structlog

from trading.chain import Consortium, Key, Network, open_network
from trading.engine import EngineFault
from trading.engine.enrolment import Cast, governed
from trading.engine.faults import OneLie
from trading.engine.http import serve_engine
from trading.engine.service import Engine, GivenOnce
from trading.engine.simulated_drivers import SimulatedDrivers
from trading.errors import OptionError
from trading.files import create_file
from trading.lot import Stays
from trading.operators.exchange import Exchange
from trading.operators.http import serve_operator
from trading.operators.questions import Ask
from trading.operators.service import OperatorService
from trading.pages import DevelopmentDoor, Identity, attach_pages
from trading.publication import Publication, read_publication
from trading.serving import address_of, answer_between_work, reserved, serving
from trading.store import open_database
from trading.units import UEUR_PER_EUR
from trading.web import (
    DevelopmentIssuer,
    EngineDoor,
    RateLimit,
    Role,
    Runs,
    Source,
    Studies,
    create_app,
    nodes_at,
    refuse_unless_loopback,
)
from trading.web.app import BURST, PER_S
from trading.web.chain import ChainDoor
from trading.web.door import TIMEOUT_S

log = structlog.get_logger(__name__)

OPERATORS = 3
QUORUM = 2
"""One of three may be silent, wrong or removed, and the lot goes on; two must reject a batch."""

RUNS = "runs"
DATABASE = "engine.db"
MARKET = "market.toml"
EQUIPMENT = "lot.toml"
DEMO_LIMIT_KW = 150
"""Of the demonstration's connection. Assumption: as wide as lets the demonstration's day trade as
without one, so that the page has a limit to show: 132 trades, 70,494 Wh, 70.7 kW at most."""
FOUNDED_BEFORE_S = 900
"""So much older than the wall's clock the chain begins: founding and enrolling take a second of its
time a transaction, and afterwards it keeps the wall's time."""

BLOCK_S = 5
"""A chain that nobody uses makes an empty block this often, so that its time goes on."""

LOOK_S = 0.25
ENGINE_TOKENS_UEUR = 1_000_000 * UEUR_PER_EUR
DRIVER_TOKENS_UEUR = 50 * UEUR_PER_EUR
"""Demonstration euro in each simulated driver's wallet, to pay in with."""

LIES_IN_BATCH = 4
MOST_CONNECTIONS = 2_000
ASK_FOR_S = 60.0
ASKS: tuple[Ask, ...] = ("nothing", "findings", "findings")
"""All but the first operator leave what breaks a rule to a person, so that who looks can decide:
two of three must reject a batch. After `ASK_FOR_S` they vote by themselves."""

_LOOPBACK = "127.0.0.1:0"


@dataclass(kw_only=True)
class LiveLot:
    """A lot that trades as long as somebody lets it look.

    Attributes:
        network: the embedded chain.
        consortium: on it.
        cast: everybody's keys.
        drivers: who opens accounts for the sessions.
        engine: of the lot.
        operators: in the order of their seats.
        operator_addresses: where each answers by HTTP, in the same order.
        people: the token that people's answers to the operators bear.
        source: what the web reads.
        issuer: of tokens for visitors.
        address: of the web service.
        lock: held by whoever speaks to the chain.
        clock: Unix seconds, as the wall has them.
    """

    network: Network
    consortium: Consortium
    cast: Cast
    drivers: SimulatedDrivers
    engine: Engine
    operators: Sequence[OperatorService]
    operator_addresses: Sequence[str]
    people: str
    source: Source
    issuer: DevelopmentIssuer
    address: str
    lock: threading.RLock
    clock: Callable[[], float] = time.time

    def run(self, stop: threading.Event) -> None:
        """Trade until `stop` is set; when the day is over, go on serving.

        Raises:
            StoreError: a database failed.
            LedgerError: the embedded chain refused what it must not.
        """
        is_told = False
        while not stop.is_set():
            if not self.look():
                self.engine.wake.wait(LOOK_S)
            self.engine.wake.clear()
            if not is_told and self.engine.is_done():
                is_told = True
                log.info("the day is traded", trades=len(self.engine.trades()))

    def look(self) -> bool:
        """Let everybody look once; True if anything was traded."""
        with self.lock:
            self.keep_time()
            moved = self.engine.look()
        for operator in self.operators:
            with self.lock:
                operator.look()
        return moved

    def keep_time(self) -> None:
        """Let the chain's time go on where nobody used it; under `lock`."""
        if not self.drivers.is_done:
            # A transaction takes a second of its time, and enrolment more than the wall's.
            return
        now = int(self.clock())
        if now - self.network.now() >= BLOCK_S:
            self.network.travel_to(now)


def market_of(folder: Path, *, seed: int, limit_kw: int | None = None) -> Publication:
    """The market of a live lot, from the files that it writes into `folder`.

    Args:
        folder: exists.
        seed: of everybody's keys and salts.
        limit_kw: of the lot's connection; None for none.

    Raises:
        OptionError: a lot was live in this folder before, whose chain is gone; or another market
            file is there.
    """
    if (folder / DATABASE).exists():
        expected = (
            "a folder without a lot: the chain of the one that traded here is gone; look at it "
            f"with `peercharge serve --database {folder / DATABASE} --market {folder / MARKET} "
            "--replay --simulated-drivers --development-issuer`, or name another folder"
        )
        raise OptionError("dir", str(folder), expected)
    market = f"seed = {seed}\n"
    if limit_kw is not None:
        market += f'equipment = "{EQUIPMENT}"\n'
        _write(folder / EQUIPMENT, f"[connection]\nlimit_kw = {limit_kw}\n")
    _write(folder / MARKET, market)
    return read_publication(folder / MARKET)


def _write(file: Path, content: str) -> None:
    if not file.is_file() or file.read_text(encoding="utf-8") != content:
        create_file(file, content, name="dir")


@contextmanager
def live_lot(
    sessions: pd.DataFrame,
    publication: Publication,
    folder: Path,
    *,
    pace_s: float,
    listen: str,
    fault: EngineFault | None = None,
    ask_for_s: float = ASK_FOR_S,
    with_pages: bool = True,
) -> Iterator[LiveLot]:
    """Found a consortium for recorded sessions, and serve it until the context ends.

    Nothing is traded before `LiveLot.run`, which the thread that opened this calls.

    Args:
        sessions: a SESSIONS table; engine and operators have a copy each.
        publication: the lot's market; its seed gives everybody's keys and salts.
        folder: where the databases go; it exists.
        pace_s: least time between two market intervals, seconds; 0 for as fast as can be.
        listen: `HOST:PORT` of the web service, on this machine alone.
        fault: a lie of the engine's, told once; None for an honest one.
        ask_for_s: how long people have to answer an operator's question.
        with_pages: whether the web serves pages, too; those are once in a process.

    Raises:
        OptionError: the address is taken, or others can reach it.
    """
    host, _port = address_of(listen)
    refuse_unless_loopback(host)
    terms, rules = publication.terms, publication.rules
    cast = Cast.demonstration(rules.seed, operators=OPERATORS, stays=Stays(sessions, rules))
    lock = threading.RLock()
    with ExitStack() as stack:
        # Taken first: whether it is free is told before anything is founded. Until all is there
        # nobody is answered, not even with a 404 that a waiting program would take for an answer.
        web_door = stack.enter_context(reserved(listen))
        begins = int(time.time()) - FOUNDED_BEFORE_S
        network = stack.enter_context(open_network("embedded", genesis_time=begins))
        price = terms.peer_price(rules.guarantee, rules.efficiency)
        consortium, _ = governed(network, cast, terms=terms, price=price, quorum=QUORUM)
        consortium.token.mint(cast.engine.address, ENGINE_TOKENS_UEUR, by=cast.authority)
        for driver in cast.drivers.values():
            consortium.token.mint(driver.address, DRIVER_TOKENS_UEUR, by=cast.authority)
        drivers = SimulatedDrivers(rules.seed)
        file = str(folder / DATABASE)
        engine = Engine(
            database=stack.enter_context(open_database(file)),
            consortium=consortium,
            key=cast.engine,
            publication=publication,
            tag_of=cast.pseudonyms.find,
            intakes=[GivenOnce(sessions)],
            replay=True,
            enrol=drivers.enrol,
            pace_s=pace_s,
            lie=None if fault is None else OneLie(fault, terms, at=LIES_IN_BATCH),
        )
        engine.check()
        token, people = secrets.token_urlsafe(), secrets.token_urlsafe()
        engine_address = stack.enter_context(serve_engine(engine, listen=_LOOPBACK, token=token))
        operators, addresses = [], []
        for number, (key, asks) in enumerate(zip(cast.operators, ASKS, strict=True), start=1):
            exchange = Exchange(engine_address)
            stack.callback(exchange.close)
            operator = OperatorService(
                database=stack.enter_context(open_database(str(folder / f"operator-{number}.db"))),
                consortium=consortium,
                key=key,
                publication=publication,
                tag_of=cast.pseudonyms.find,
                exchange=exchange,
                intakes=[GivenOnce(sessions.copy())],
                replay=True,
                asks=asks,
                ask_for_s=ask_for_s,
            )
            operator.check()
            operators.append(operator)
            addresses.append(
                stack.enter_context(serve_operator(operator, listen=_LOOPBACK, people=people))
            )
        client = stack.enter_context(httpx.Client(base_url=engine_address, timeout=TIMEOUT_S))
        chain = ChainDoor(
            consortium=consortium,
            authority=cast.authority,
            # Neither the engine's nor an operator's: their outboxes count their own transactions.
            sender=Key.demonstration(rules.seed, "web"),
            wallet_of=lambda session: Key.demonstration(rules.seed, f"driver {session}"),
            lock=lock,
            sent=engine.wake.set,
        )
        runs = folder / RUNS
        runs.mkdir(exist_ok=True)
        source = Source(
            database=stack.enter_context(open_database(file, alone=False)),
            publication=publication,
            tag_of=cast.pseudonyms.find,
            door=EngineDoor(client, token=token),
            nodes=stack.enter_context(nodes_at(addresses, token=people)),
            chain=chain,
            runs=Runs(runs),
            studies=stack.enter_context(closing(Studies(runs))),
            replay=True,
        )
        issuer = DevelopmentIssuer()
        app = create_app(source, issuer.tokens(), rates=RateLimit(PER_S, BURST), issuer=issuer)
        if with_pages:
            everybody = _identities(cast, sessions)
            attach_pages(app, DevelopmentDoor(issuer, lambda: everybody), note_key="live.note")
        answer_between_work()
        served = serving(app, web_door, websockets=with_pages, most_connections=MOST_CONNECTIONS)
        yield LiveLot(
            network=network,
            consortium=consortium,
            cast=cast,
            drivers=drivers,
            engine=engine,
            operators=operators,
            operator_addresses=addresses,
            people=people,
            source=source,
            issuer=issuer,
            address=stack.enter_context(served),
            lock=lock,
        )


def _identities(cast: Cast, sessions: pd.DataFrame) -> list[Identity]:
    """Whom a visitor may be: the lot's operator, an operator, the authority, any driver."""
    return [
        Identity(name="aggregator", role=Role.AGGREGATOR),
        *(
            Identity(
                name=f"operator-{number}",
                role=Role.OPERATOR,
                label=f"{number} (seat {number - 1})",
                owners=(key.address,),
            )
            for number, key in enumerate(cast.operators, start=1)
        ),
        Identity(name="authority", role=Role.AUTHORITY),
        *(
            Identity(name=f"driver-{name}", role=Role.DRIVER, label=name, sessions=(name,))
            for name in map(str, sessions["session_id"])
        ),
    ]
