"""A consortium and a lot for tests of the durable engine: founded once on a node, keys by name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sqlalchemy import select

from tests.tools import PATIENCE_S
from trading.chain import Consortium, Key, Network, PriceBand, deploy, open_network
from trading.chain.deployments import Deployment, write_deployment
from trading.data import load_sessions, sample_path
from trading.engine.enrolment import NO_TAG
from trading.engine.service import Engine, GivenOnce
from trading.engine.simulated_drivers import SimulatedDrivers
from trading.operators import OperatorNode, Pseudonyms, demonstration_salts
from trading.publication import Publication, read_publication
from trading.store import Database
from trading.store.schema import TRANSACTIONS

SEED = 0
MARKET: Publication = read_publication(None)
PSEUDONYMS = Pseudonyms(demonstration_salts(MARKET.rules.seed))
AUTHORITY = Key.demonstration(SEED, "authority")
LOT_OPERATOR = Key.demonstration(SEED, "lot operator")


def engine_key(name: str = "engine") -> Key:
    return Key.demonstration(SEED, name)


def operator_keys(n: int = 4) -> list[Key]:
    return [Key.demonstration(SEED, f"operator {number + 1}") for number in range(n)]


def sessions(vehicles: int | None = 16) -> pd.DataFrame:
    """The first sessions of the demonstration's day; None for all of them."""
    frame = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    return frame if vehicles is None else frame.head(vehicles)


def found(network: Network, *, engine: Key | None = None, quorum: int = 3) -> Consortium:
    """A consortium of four operators with one lot, whose engine has tokens to pay in."""
    engine = engine or engine_key()
    consortium = deploy(
        network,
        authority=AUTHORITY,
        operators=[key.address for key in operator_keys()],
        quorum=quorum,
        band=PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=1_000_000),
        largest_spread_ueur_per_kwh=50_000,
    )
    consortium.set_aggregator(engine.address, True, by=AUTHORITY)
    account = consortium.register(NO_TAG, by=LOT_OPERATOR).account
    consortium.set_lot(MARKET.lot, account, by=AUTHORITY)
    consortium.token.mint(engine.address, 10**12, by=AUTHORITY)
    return consortium


def deployment_of(consortium: Consortium, folder: Path) -> Path:
    """A deployments file of the consortium, in `folder`."""
    path = folder / "deployment.json"
    write_deployment(Deployment.of(consortium, name="test"), path)
    return path


def engine_of(
    database: Database,
    consortium: Consortium,
    frame: pd.DataFrame,
    *,
    key: Key | None = None,
    replay: bool = True,
) -> Engine:
    """An engine that replays these sessions."""
    engine = Engine(
        database=database,
        consortium=consortium,
        key=key or engine_key(),
        publication=MARKET,
        tag_of=PSEUDONYMS.find,
        intakes=[GivenOnce(frame)],
        replay=replay,
        enrol=SimulatedDrivers(SEED).enrol,
        poll_s=0.01,
    )
    engine.outbox.resend_after_s = 0.5
    return engine


def nodes_of(consortium: Consortium, frame: pd.DataFrame) -> list[OperatorNode]:
    """Honest operators on their own copies of the sessions."""
    return [
        OperatorNode(
            key=key,
            consortium=consortium,
            sessions=frame.copy(),
            pseudonyms=PSEUDONYMS,
            rules=MARKET.rules,
            terms=MARKET.terms,
            lot=MARKET.lot,
        )
        for key in operator_keys()
    ]


def drive(engine: Engine, nodes: list[OperatorNode], *, seconds: float = 240.0) -> None:
    """Look and poll in turn until every batch has come to its end."""
    until = time.monotonic() + seconds
    engine.look()
    while not engine.is_done():
        assert time.monotonic() < until, engine.heartbeat
        for node in nodes:
            for signed in node.poll():
                assert not engine.clerk.take(signed)
        engine.look()


def await_mined(network: Network, *databases: Database) -> None:
    """Wait until the node has mined all that was sent out of these databases."""
    until = time.monotonic() + PATIENCE_S
    while True:
        sent: list[str] = []
        for database in databases:
            with database.look() as connection:
                which = select(TRANSACTIONS.c.hash).where(TRANSACTIONS.c.state == "sent")
                sent += connection.execute(which).scalars()
        if not sent or None not in network.outcomes(sent):
            return
        assert time.monotonic() < until, "the node does not mine what was sent"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a consortium is, for a process of its own."""

    url: str
    contract: str


@contextmanager
def attached(place: Place) -> Iterator[Consortium]:
    """The consortium at a place, through a connection of this process's own."""
    from trading.chain import attach

    with open_network(place.url) as network:
        yield attach(network, place.contract)
