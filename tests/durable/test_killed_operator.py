"""An operator that is killed at any step and started again: one vote a batch, and the right one."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tests.databases import KINDS, At, databases
from tests.durable.killed import KILLED, Death
from tests.durable.killed_operator import Desk, start
from tests.durable.lot import AUTHORITY, SEED, Place, found, operator_keys
from tests.durable.small import lying, small_engine
from tests.tools import free_port
from trading.chain import BatchState, Network
from trading.chain.rebuild import rebuild
from trading.engine.audit import audit
from trading.engine.http import serve_engine
from trading.store import open_database
from trading.store.schema import VERDICTS

pytestmark = pytest.mark.node

FULL_KILLS = 220
STEPS = ("verdict", "written", "post", "send", "commit", "time")
PATIENCE_S = 0.4
"""A life that has not died as told by then is killed from outside, wherever it is."""

VOTES = ("BatchConfirmedBy", "BatchRejectedBy")


def deaths_of(seed: int, n: int) -> list[Death]:
    generator = random.Random(seed)
    deaths = []
    for _ in range(n):
        kind = generator.choice(STEPS)
        deaths.append(
            Death(
                kind=kind,
                number=generator.randint(1, 25) if kind == "commit" else 1,
                is_after=generator.random() < 0.5,
                seconds=generator.uniform(0.02, PATIENCE_S),
            )
        )
    return deaths


def around(*kinds: str) -> list[Death]:
    """Just before and just after each of these steps."""
    return [Death(kind=kind, is_after=is_after) for kind in kinds for is_after in (False, True)]


class Person:
    """Answers what the node asks, now with it, now against it, and keeps what was taken."""

    def __init__(self) -> None:
        self.desk = Desk(listen=f"127.0.0.1:{free_port()}", token="a token of these tests")
        self.said: dict[str, str] = {}

    def act(self) -> None:
        """Answer once; a node that is dead, or dies over it, is asked again later."""
        headers = {"Authorization": f"Bearer {self.desk.token}"}
        try:
            with httpx.Client(
                base_url=f"http://{self.desk.listen}", trust_env=False, headers=headers, timeout=2
            ) as client:
                for row in client.get("/v1/batches").json()["items"]:
                    if row["said"] == "asked":
                        self._answer(client, row)
        except (httpx.HTTPError, ConnectionError):
            return

    def _answer(self, client: httpx.Client, row: dict[str, Any]) -> None:
        batch_id, own = row["batch_id"], row["question"]["own_vote"]
        if batch_id not in self.said:
            # Now a good one is rejected, now a false one confirmed: the first is false, as is
            # each third after it.
            is_contrary = len(self.said) % 5 in (1, 3)
            other = {"confirmed": "rejected", "rejected": "confirmed"}[own]
            self.said[batch_id] = other if is_contrary else own
        vote = self.said[batch_id]
        body = {"vote": vote, "reason": "as I say", "who": "a person"}
        answer = client.post(f"/v1/batches/{batch_id}/answer", json=body)
        assert answer.status_code == 200, answer.text


@pytest.fixture(params=KINDS)
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[At]:
    with databases(request.param, tmp_path) as places:
        yield places


def live(
    network: Network,
    at: At,
    deaths: list[Death],
    *,
    is_direct: bool = False,
    person: Person | None = None,
) -> int:
    """Trade a day with one operator that dies each death in turn; returns how many it died.

    The quorum is one, so that nothing goes on without its vote. The engine lies now and then, so
    that the vote is not always the same.
    """
    consortium = found(network, quorum=1)
    # The others have left: a rejection of the only seat is the end of a batch.
    for key in operator_keys()[1:]:
        consortium.remove_operator(key.address, by=AUTHORITY)
    url = str(network.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
    place = Place(url=url, contract=consortium.address)
    own = at("operator")
    killed = 0
    with ExitStack() as stack:
        stack.enter_context(lying())
        engine = small_engine(stack.enter_context(open_database(at("engine"))), consortium)
        exchange = stack.enter_context(serve_engine(engine, listen="127.0.0.1:0"))
        deaths = list(deaths)
        process, death, born = None, None, 0.0
        until = time.monotonic() + 400
        while not engine.is_done():
            assert time.monotonic() < until, (engine.heartbeat, deaths)
            engine.look()
            if process is None or not process.is_alive():
                if process is not None:
                    process.join()
                    assert process.exitcode == KILLED
                    killed += 1
                death = deaths.pop(0) if deaths else None
                process = start(
                    place,
                    own,
                    SEED,
                    None if is_direct else exchange,
                    death,
                    None if person is None else person.desk,
                )
                born = time.monotonic()
            elif death is not None and time.monotonic() - born > PATIENCE_S:
                process.kill()
            if person is not None:
                person.act()
            time.sleep(0.03)
        assert process is not None
        process.kill()
        process.join()
        events = consortium.events()
        ledger = rebuild(events)
        votes = Counter(event.batch_id for event in events if event.name in VOTES)
        assert votes == dict.fromkeys(ledger.batches, 1), "one vote a batch"
        with open_database(own) as database, database.begin() as connection:
            said = {row.batch_id: row.vote for row in connection.execute(select(VERDICTS))}
        voted = {
            name: "confirmed" if one.votes[0].is_confirmation else "rejected"
            for name, one in ledger.batches.items()
        }
        assert {name: said[name] for name in voted} == voted
        if person is not None:
            assert person.said == voted, "what was answered is the vote"
        ends = {"confirmed": BatchState.SETTLED, "rejected": BatchState.REFUNDED}
        assert all(one.stored is ends[voted[name]] for name, one in ledger.batches.items())
        assert set(voted.values()) == {"confirmed", "rejected"}
        assert audit(consortium, database=engine.database).differences == ()
    return killed


def test_killed_around_each_step_of_a_vote_by_exchange(network: Network, at: At) -> None:
    assert live(network, at, around("verdict", "post")) >= 4


def test_killed_around_each_step_of_a_vote_on_chain(network: Network, at: At) -> None:
    assert live(network, at, around("verdict", "written", "send"), is_direct=True) >= 4


def test_killed_at_random_moments(network: Network, at: At) -> None:
    assert live(network, at, deaths_of(1, 10)) >= 5


@pytest.mark.parametrize("is_direct", [False, True], ids=["by exchange", "on chain"])
def test_killed_around_each_step_of_an_answer(network: Network, at: At, is_direct: bool) -> None:
    steps = around("ask", "answer", "written" if is_direct else "post")
    assert live(network, at, steps, is_direct=is_direct, person=Person()) >= 4


@pytest.mark.full
@pytest.mark.parametrize("is_direct", [False, True], ids=["by exchange", "on chain"])
@pytest.mark.parametrize("seed", range(11))
def test_killed_two_hundred_times(network: Network, at: At, seed: int, is_direct: bool) -> None:
    killed = live(network, at, deaths_of(seed, FULL_KILLS // 22 + 2), is_direct=is_direct)
    assert killed >= 5
    print(f"killed {killed} times")
