"""Operators that are slow, dead, wrong or malicious: the quorum holds, and who did it shows."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tests.durable.lot import MARKET, engine_key, found
from tests.durable.small import lying, operator_of, small_sessions
from tests.durable.stage import Stage, said, votes_of
from tests.tools import PATIENCE_S
from trading.chain import BatchState, Key, Network, SeatSignature
from trading.chain.rebuild import rebuild
from trading.engine.audit import audit
from trading.engine.service import GivenOnce
from trading.operators.exchange import PATH, SignatureIn
from trading.store import open_database
from trading.store.schema import SIGNATURES, VERDICTS

pytestmark = pytest.mark.node


def test_quorum_holds_with_a_slow_one_and_one_that_rejects_all(stage: Stage) -> None:
    quick = [stage.operator(number) for number in (0, 1)]
    slow = stage.operator(2)
    rejected: set[str] = set()
    count = 0

    def now_and_then() -> None:
        nonlocal count
        count += 1
        if count % 7 == 0:
            slow.look()

    def contrary() -> None:
        for batch_id in stage.pending():
            if batch_id not in rejected and batch_id in stage.engine.mirror.ledger.batches:
                rejected.add(batch_id)
                stage.consortium.reject(batch_id, "no reason given", by=stage.keys[3])

    ledger = stage.play(*(one.look for one in quick), contrary, now_and_then)
    assert len(ledger.batches) >= 5
    assert {batch.stored for batch in ledger.batches.values()} == {BatchState.SETTLED}
    votes = votes_of(ledger)
    assert votes[3] == {"rejected": len(rejected)}
    assert len(rejected) == len(ledger.batches)
    assert all(votes[seat] == {"confirmed": len(ledger.batches)} for seat in (0, 1, 2))
    for operator in quick:
        assert said(operator) == {"confirmed": len(ledger.batches)}
    assert audit(stage.consortium, database=stage.engine.database).differences == ()


def test_false_trades_are_rejected_though_a_malicious_one_signs_everything_twice(
    stage: Stage,
) -> None:
    honest = [stage.operator(number) for number in (0, 1, 2)]

    def malicious() -> None:
        for batch_id in stage.pending(honest[0]):
            for _ in range(2):
                stage.post(stage.signed(3, batch_id))

    with lying() as told:
        ledger = stage.play(honest[0].look, malicious, honest[1].look, honest[2].look)
    for operator in honest:
        operator.look()
    states = Counter(batch.stored for batch in ledger.batches.values())
    assert states == {
        BatchState.REFUNDED: told(),
        BatchState.SETTLED: len(ledger.batches) - told(),
    }
    assert told() >= 2
    false = {name for name, one in ledger.batches.items() if one.stored is BatchState.REFUNDED}
    for operator in honest:
        with operator.database.begin() as connection:
            rows = connection.execute(select(VERDICTS)).all()
        rejections = [row for row in rows if row.vote == "rejected"]
        assert {row.batch_id for row in rejections} <= false
        for row in rejections:
            rules = {one["rule"] for one in json.loads(row.findings)}
            assert {"power"} <= rules
            assert len(rules) > 1, "all rules that were broken are kept, not the first"
    votes = votes_of(ledger)
    assert sum(votes[seat]["rejected"] for seat in (0, 1, 2)) >= 2 * told()
    assert votes[3]["rejected"] == 0
    reasons = [v.reason for b in ledger.batches.values() for v in b.votes if v.reason]
    assert all(0 < len(reason.encode()) <= 256 for reason in reasons)
    assert not any(name in reason for reason in reasons for name in ("b-1", "b-2", "s-1", "s-2"))
    with stage.engine.database.begin() as connection:
        kept = connection.execute(
            select(SIGNATURES.c.seat).where(SIGNATURES.c.batch_id.in_(false))
        ).all()
    # One row a seat, however often it signed; and on false batches only the malicious seat.
    assert {row.seat for row in kept} == {3}
    assert len(kept) <= told()


def test_exchange_takes_nothing_but_a_seats_signature_for_a_batch_here(
    stage: Stage, network: Network
) -> None:
    honest = [stage.operator(number) for number in (0, 1)]
    stage.engine.look()
    for _ in range(200):
        stage.engine.look()
        if stage.pending():
            break
    batch_id = stage.pending()[0]
    good = stage.signed(3, batch_id)
    foreign = found(network, engine=engine_key())
    replayed = SeatSignature.by(stage.keys[3], foreign.domain, batch_id=batch_id, seat=3)
    other_batch = {**stage.signed(3, "0x" + "11" * 32), "batch_id": batch_id}
    stranger = SeatSignature.by(
        Key.demonstration(9, "stranger"), stage.consortium.domain, batch_id=batch_id, seat=3
    )
    refused: list[Any] = [
        SignatureIn.of(replayed).model_dump(),
        other_batch,
        SignatureIn.of(stranger).model_dump(),
        stage.signed(3, "0x" + "22" * 32),
        {**good, "seat": 2},
        {**good, "signer": stage.keys[2].address},
        {**good, "r": "0x" + "00" * 32},
        {**good, "r": "0x" + "ff" * 32, "vs": "0x" + "ff" * 32},
        {**good, "vs": "0x" + "00" * 32},
        {**good, "more": 1},
        {**good, "seat": "3"},
        {**good, "seat": -1},
        {**good, "batch_id": "0x1"},
        [good],
        None,
        "garbage",
        {},
    ]
    for content in refused:
        answer = stage.post(content)
        assert answer.status_code == 422, content
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.json()["detail"]) > 10
    raw = httpx.post(stage.url + PATH, content=b"\xff\x00{", trust_env=False, timeout=PATIENCE_S)
    assert raw.status_code == 422
    deep = httpx.post(stage.url + PATH, content=b"[" * 1_900, trust_env=False, timeout=PATIENCE_S)
    assert deep.status_code == 422
    long = httpx.post(stage.url + PATH, content=b"[" * 100_000, trust_env=False, timeout=PATIENCE_S)
    assert long.status_code == 413
    assert stage.post(good).status_code == 200
    (first,) = stage.kept(batch_id)
    stage.engine.wake.clear()
    assert stage.post(good).status_code == 200
    assert stage.kept(batch_id) == [first], "sent again, it is not written again"
    assert not stage.engine.wake.is_set()
    metrics = httpx.get(stage.url + "/metrics", trust_env=False, timeout=PATIENCE_S).text
    assert 'peercharge_signatures_received_total{outcome="refused"} 9.0' in metrics
    assert 'peercharge_signatures_received_total{outcome="taken"} 1.0' in metrics
    assert 'peercharge_signatures_received_total{outcome="known"} 1.0' in metrics
    ledger = stage.play(*(one.look for one in honest), lambda: _sign_all(stage, 3))
    assert {batch.stored for batch in ledger.batches.values()} == {BatchState.SETTLED}


def _sign_all(stage: Stage, number: int) -> None:
    for batch_id in stage.pending():
        stage.post(stage.signed(number, batch_id))


def test_operators_confirm_on_chain_when_the_engine_does_not_answer(stage: Stage) -> None:
    nobody = "http://127.0.0.1:9"
    operators = [stage.operator(number, url=nobody) for number in (0, 1, 2)]
    ledger = stage.play(*(one.look for one in operators))
    assert {batch.stored for batch in ledger.batches.values()} == {BatchState.SETTLED}
    with stage.engine.database.begin() as connection:
        assert connection.execute(select(SIGNATURES)).all() == []
    for operator in operators:
        operator.look()
        assert operator.heartbeat.fallbacks >= 1
        assert operator.heartbeat.signatures["unanswered"] >= 3
    assert all(votes_of(ledger)[seat]["confirmed"] == len(ledger.batches) for seat in (0, 1, 2))


def test_operators_confirm_on_chain_when_the_engine_does_not_gather(stage: Stage) -> None:
    """Two sign, the quorum is three and the engine never sees it: each goes to the chain."""
    operators = [stage.operator(number, fallback_after_s=0.2) for number in (0, 1)]
    direct = stage.operator(2, url=None)
    stage.play(*(one.look for one in operators), direct.look)
    assert sum(votes_of(rebuild(stage.consortium.events()))[2].values()) >= 5


def test_operator_waits_for_sessions_that_are_late_and_then_confirms(stage: Stage) -> None:
    late = stage.operator(0, intakes=[])
    others = [stage.operator(number) for number in (1, 2)]
    stage.engine.look()
    for _ in range(200):
        late.look()
        stage.engine.look()
        if stage.pending() and late.heartbeat.waiting:
            break
    batch_id = stage.pending()[0]
    assert late.verdict(batch_id) is None
    late.intakes.append(GivenOnce(small_sessions()))
    late.look()
    verdict = late.verdict(batch_id)
    assert verdict is not None
    assert (verdict.vote, verdict.reason) == (
        "confirmed",
        "state of charge of sellers: 2 charger",
    )
    stage.play(late.look, *(one.look for one in others))


def test_operator_on_other_data_rejects_and_the_others_carry_on(stage: Stage) -> None:
    frame = small_sessions()
    wrong = stage.operator(
        3, intakes=[GivenOnce(frame.assign(soc_arrival=1.0 - frame["soc_arrival"]))]
    )
    others = [stage.operator(number) for number in (0, 1, 2)]
    ledger = stage.play(wrong.look, *(one.look for one in others))
    assert {batch.stored for batch in ledger.batches.values()} == {BatchState.SETTLED}
    # The three others are a quorum: now and then they have decided before it looked.
    assert said(wrong)["rejected"] >= 1
    assert said(wrong)["rejected"] + said(wrong)["unvoted"] == len(ledger.batches)
    assert votes_of(ledger)[3]["confirmed"] == 0
    assert wrong.verdicts.broken["roles"] >= said(wrong)["rejected"]


def test_operator_without_a_seat_says_so_and_votes_on_nothing(stage: Stage) -> None:
    database = stage.stack.enter_context(open_database(str(stage.folder / "nobody.db")))
    stranger = stage.closing(
        operator_of(database, stage.consortium, Key.demonstration(9, "stranger"), stage.url)
    )
    operators = [stage.operator(number) for number in (0, 1, 2)]
    stage.play(stranger.look, *(one.look for one in operators))
    stranger.look()
    assert "holds no seat" in stranger.heartbeat.problem
    assert set(said(stranger)) == {"unvoted"}


def test_verdict_stands_over_a_restart_and_is_not_given_again(stage: Stage) -> None:
    others = [stage.operator(number) for number in (1, 2)]
    with open_database(str(stage.folder / "own.db")) as database:
        first = operator_of(database, stage.consortium, stage.keys[0], "http://127.0.0.1:9")
        for _ in range(200):
            stage.engine.look()
            first.look()
            if stage.pending() and first.verdict(stage.pending()[0]):
                break
        batch_id = stage.pending()[0]
        stage.closing(first)
        given = first.verdict(batch_id)
        assert given is not None
    with open_database(str(stage.folder / "own.db")) as database:
        # Its sessions are others now; what it said stays what it said.
        frame = small_sessions()
        again = operator_of(
            database,
            stage.consortium,
            stage.keys[0],
            stage.url,
            intakes=[GivenOnce(frame.assign(soc_arrival=0.7))],
        )
        stage.closing(again)
        ledger = stage.play(again.look, *(one.look for one in others))
        assert again.verdict(batch_id) == given
    votes = [vote for vote in ledger.batches[batch_id].votes if vote.seat == 0]
    assert [vote.is_confirmation for vote in votes] == [True]


def test_market_that_differs_is_told_by_its_digest(stage: Stage) -> None:
    told = httpx.get(stage.url + "/health", trust_env=False, timeout=PATIENCE_S)
    assert told.status_code == 503, "it has not looked yet"
    stage.engine.look()
    told = httpx.get(stage.url + "/health", trust_env=False, timeout=PATIENCE_S)
    assert told.status_code == 200
    health = told.json()
    assert health["market"] == MARKET.digest
    assert health["contract"] == stage.consortium.address
    assert health["chain_id"] == stage.consortium.network.chain_id
