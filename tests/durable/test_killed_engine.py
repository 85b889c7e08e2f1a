"""An engine that is killed at any step and started again: each trade exactly once, money exact."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.durable.killed import KILLED, Death, run
from tests.durable.lot import Place, found, sessions
from trading.chain import Consortium, Network
from trading.chain.rebuild import rebuild
from trading.engine.audit import audit
from trading.store import open_database

pytestmark = pytest.mark.node

CI_KILLS = 12
FULL_KILLS = 200


def place_of(network: Network, consortium: Consortium) -> Place:
    url = network.w3.provider.endpoint_uri  # type: ignore[attr-defined]
    return Place(url=str(url), contract=consortium.address)


def on_record(consortium: Consortium) -> Counter[tuple[object, ...]]:
    """What was settled, party by party and interval by interval."""
    ledger = rebuild(consortium.events())
    tag = {number: account.tag for number, account in ledger.accounts.items()}
    settled: Counter[tuple[object, ...]] = Counter()
    for batch in ledger.batches.values():
        assert batch.stored.value == "settled"
        for trade in batch.submission.trades.itertuples():
            parties = (tag[int(trade.buyer_account)], tag[int(trade.seller_account)])
            settled[(trade.interval_start, *parties, trade.energy_wh, trade.sequence)] += 1
    return settled


def balances(consortium: Consortium) -> dict[str, int]:
    ledger = rebuild(consortium.events())
    assert all(account.locked_ueur == 0 for account in ledger.accounts.values())
    return {account.tag: account.free_ueur for account in ledger.accounts.values()}


@pytest.fixture(scope="module")
def reference(node: str, tmp_path_factory: pytest.TempPathFactory) -> object:
    """The same sessions traded by an engine that nobody kills."""
    from trading.chain import open_network

    frame = sessions()
    with open_network(node) as network:
        consortium = found(network)
        database = tmp_path_factory.mktemp("whole") / "engine.db"
        assert run(place_of(network, consortium), str(database), frame, None) == 0
        whole = on_record(consortium), balances(consortium)
    assert sum(whole[0].values()) >= 20
    return whole


def kill_and_compare(network: Network, folder: Path, reference: object, deaths: list[Death]) -> int:
    """Run with each death in turn, then to the end; compare; returns how many died."""
    frame: pd.DataFrame = sessions()
    consortium = found(network)
    place, database = place_of(network, consortium), str(folder / "engine.db")
    killed = sum(run(place, database, frame, death) == KILLED for death in deaths)
    assert run(place, database, frame, None) == 0
    assert (on_record(consortium), balances(consortium)) == reference
    with open_database(database) as opened:
        assert audit(consortium, database=opened).differences == ()
    return killed


def deaths_of(seed: int, n: int, *, within: int = 40) -> list[Death]:
    """Deaths soon after a start, so that a life of some seconds has room for many."""
    generator = random.Random(seed)
    deaths = []
    for _ in range(n):
        kind = generator.choice(("commit", "commit", "send", "time"))
        most = within if kind == "commit" else max(within // 7, 1)
        deaths.append(
            Death(
                kind=kind,
                number=generator.randint(1, most),
                is_after=generator.random() < 0.5,
                seconds=generator.uniform(0.1, 1.0),
            )
        )
    return deaths


def test_killed_at_random_moments(network: Network, tmp_path: Path, reference: object) -> None:
    assert kill_and_compare(network, tmp_path, reference, deaths_of(1, CI_KILLS)) >= 10


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_killed_around_every_sending(
    network: Network, tmp_path: Path, reference: object, is_after: bool
) -> None:
    """A process that dies at each of its first sendings makes way only if the last one counted."""
    deaths = [Death(kind="send", number=number, is_after=is_after) for number in (1, 1, 2, 3)]
    assert kill_and_compare(network, tmp_path, reference, deaths) >= 2


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10))
def test_killed_two_hundred_times(
    network: Network, tmp_path: Path, reference: object, seed: int
) -> None:
    """Ten lives with twenty deaths each."""
    deaths = deaths_of(seed, FULL_KILLS // 10 + 10, within=25)
    assert kill_and_compare(network, tmp_path, reference, deaths) >= FULL_KILLS // 10
