"""Nodes that ask a person: what the person says is the vote, once, whatever happens in between."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from tests.databases import KINDS
from tests.durable.small import lying, operator_of
from tests.durable.stage import Stage, said, votes_of
from tests.tools import PATIENCE_S
from trading.chain import BatchState
from trading.engine.audit import audit
from trading.errors import OptionError, QuestionError
from trading.operators import RULES
from trading.operators.http import serve_operator
from trading.operators.questions import Question, answer_by, open_questions
from trading.operators.service import OperatorService
from trading.store import open_database
from trading.store.schema import QUESTIONS, VERDICTS

pytestmark = pytest.mark.node


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


TOKEN = "the token of the operator's people"
WHO = "duty officer"


def asked(operator: OperatorService) -> list[Question]:
    with operator.database.look() as connection:
        return open_questions(connection)


def questions_of(operator: OperatorService) -> dict[str, Question]:
    with operator.database.look() as connection:
        rows = connection.execute(select(QUESTIONS)).all()
    return {row.batch_id: Question.of(row) for row in rows}


def first_question(stage: Stage, operator: OperatorService, *acts: Callable[[], object]) -> str:
    stage.until(lambda: asked(operator), operator.look, *acts)
    return asked(operator)[0].batch_id


def agreeing(operator: OperatorService, reason: str = "") -> Callable[[], None]:
    """A person who says to every question what the node would say."""

    def act() -> None:
        for question in asked(operator):
            operator.answer(question.batch_id, vote=question.own_vote, reason=reason, who=WHO)

    return act


def test_each_batch_waits_for_a_person_and_goes_as_they_say(stage: Stage) -> None:
    others = [stage.operator(number) for number in (1, 2)]
    operator = stage.operator(0, asks="all")
    with lying() as told, capture_logs() as logs:
        ledger = stage.play(
            operator.look,
            lambda: operator.heartbeat.asked and votes_without(stage, operator),
            agreeing(operator, "as I see it"),
            *(one.look for one in others),
        )
    ends = [batch.stored for batch in ledger.batches.values()]
    assert ends.count(BatchState.REFUNDED) == told() >= 2
    assert ends.count(BatchState.SETTLED) == len(ends) - told()
    assert votes_of(ledger)[0]["confirmed"] == ends.count(BatchState.SETTLED)
    kept = questions_of(operator)
    assert set(kept) == set(ledger.batches)
    answered = [one for one in kept.values() if one.ending == "answered"]
    assert {(one.who, one.reason) for one in answered} == {(WHO, "as I see it")}
    assert {one.ending for one in kept.values()} <= {"answered", "decided"}
    reasons = {v.reason for b in ledger.batches.values() for v in b.votes if v.seat == 0}
    assert reasons <= {"", "as I see it"}, "what goes to the chain is what the person said"
    lines = [line for line in logs if line["event"] == "answered"]
    assert {line["batch"] for line in lines} == {one.batch_id for one in answered}
    assert {line["who"] for line in lines} == {WHO}
    assert audit(stage.consortium, database=stage.engine.database).differences == ()


def votes_without(stage: Stage, operator: OperatorService) -> None:
    """While a question is open, this operator's vote is on no chain and on no way to one."""
    for question in asked(operator):
        batch = operator.mirror.ledger.batches[question.batch_id]
        assert all(vote.operator != operator.key.address for vote in batch.votes)
        kept = stage.kept(question.batch_id)
        assert all(row.signer != operator.key.address for row in kept)


def test_asked_about_findings_alone_the_node_confirms_the_rest_by_itself(stage: Stage) -> None:
    others = [stage.operator(number) for number in (1, 2)]
    operator = stage.operator(0, asks="findings")
    with lying() as told:
        ledger = stage.play(operator.look, agreeing(operator), *(one.look for one in others))
    kept = questions_of(operator)
    assert 0 < len(kept) <= told()
    assert {one.own_vote for one in kept.values()} == {"rejected"}
    false = {name for name, one in ledger.batches.items() if one.stored is BatchState.REFUNDED}
    assert set(kept) <= false
    assert said(operator)["confirmed"] == len(ledger.batches) - told()


def test_a_person_may_go_against_the_findings_and_says_why(stage: Stage) -> None:
    others = [stage.operator(number) for number in (1, 2, 3)]
    operator = stage.operator(0, asks="all")
    with lying():
        false = first_question(stage, operator)
        (question,) = asked(operator)
        assert question.own_vote == "rejected"
        with pytest.raises(OptionError, match="since the node itself would have rejected"):
            operator.answer(false, vote="confirmed", reason="", who=WHO)
        with capture_logs() as logs:
            operator.answer(false, vote="confirmed", reason="meter was read by hand", who=WHO)
        assert [line["is_against_own"] for line in logs if line["event"] == "answered"] == [True]
        # The next one is good, and is rejected.
        good = ""

        def contrary() -> None:
            nonlocal good
            for one in asked(operator):
                if not good and one.own_vote == "confirmed":
                    good = one.batch_id
                    with pytest.raises(OptionError, match="reason"):
                        operator.answer(good, vote="rejected", reason="", who=WHO)
                    operator.answer(good, vote="rejected", reason="charger 3 is cut off", who=WHO)
                    # Before the others have decided.
                    operator.look()
                else:
                    operator.answer(one.batch_id, vote=one.own_vote, reason="", who=WHO)

        ledger = stage.play(operator.look, contrary, *(one.look for one in others))
    assert ledger.batches[good].stored is BatchState.SETTLED, "the three others are a quorum"
    votes = {
        name: next((v for v in batch.votes if v.seat == 0), None)
        for name, batch in ledger.batches.items()
    }
    given = votes[good]
    assert given is not None
    assert (given.is_confirmation, given.reason) == (False, "charger 3 is cut off")
    kept = operator.verdict(false)
    assert kept is not None
    assert kept.vote == "confirmed"
    with operator.database.look() as connection:
        row = connection.execute(select(VERDICTS).where(VERDICTS.c.batch_id == false)).one()
    assert json.loads(row.findings), "what the node found stays on record"
    assert questions_of(operator)[false].reason == "meter was read by hand"


def test_a_question_that_nobody_answers_costs_no_interval(stage: Stage) -> None:
    others = [stage.operator(number) for number in (1, 2)]
    operator = stage.operator(0, asks="all", ask_for_s=0.3)
    with lying() as told:
        ledger = stage.play(operator.look, *(one.look for one in others))
    ends = [batch.stored for batch in ledger.batches.values()]
    assert ends.count(BatchState.SETTLED) == len(ends) - told()
    kept = questions_of(operator)
    assert {one.ending for one in kept.values()} <= {"unanswered", "decided"}
    for batch_id, question in kept.items():
        if question.ending == "unanswered":
            verdict = operator.verdict(batch_id)
            assert verdict is not None
            assert verdict.vote == question.own_vote
            assert question.ended_at is not None
            assert question.ended_at >= question.answer_by
            assert question.answer_by - question.asked_at == pytest.approx(0.3, abs=1e-6)
            with pytest.raises(QuestionError, match="nobody answered in time"):
                operator.answer(batch_id, vote="rejected", reason="too late", who=WHO)
    assert votes_of(ledger)[0]["confirmed"] == ends.count(BatchState.SETTLED)


def test_time_to_answer_leaves_time_for_the_vote() -> None:
    for left_s in (0, 1, 60, 86_400):
        for given_s in (None, 0.0, 1.0, 1e9):
            until = answer_by(1_000.0, 1_000.0 + left_s, given_s)
            assert 1_000.0 <= until <= 1_000.0 + 0.75 * left_s


def test_a_question_ends_when_the_others_have_decided(stage: Stage) -> None:
    others = [stage.operator(number) for number in (1, 2, 3)]
    operator = stage.operator(0, asks="all")
    batch_id = first_question(stage, operator)
    stage.until(
        lambda: stage.consortium.state_of(batch_id) is not BatchState.PENDING,
        *(one.look for one in others),
    )
    operator.look()
    with pytest.raises(QuestionError, match="the others decided"):
        operator.answer(batch_id, vote="rejected", reason="no", who=WHO)
    kept = operator.verdict(batch_id)
    assert kept is not None
    assert (kept.vote, kept.reason) == ("unvoted", "decided before")
    assert operator.heartbeat.asked == 0


def test_a_question_stands_over_a_restart_however_the_node_is_started(stage: Stage) -> None:
    others = [stage.operator(number) for number in (1, 2)]
    with open_database(stage.at("own")) as database:
        first = operator_of(
            database, stage.consortium, stage.keys[0], stage.url, asks="all", ask_for_s=60.0
        )
        stage.closing(first)
        batch_id = first_question(stage, first)
        (question,) = asked(first)
    with open_database(stage.at("own")) as database:
        again = operator_of(database, stage.consortium, stage.keys[0], stage.url)
        stage.closing(again)
        again.look()
        assert asked(again) == [question], "when it ends does not change with a restart"
        assert again.heartbeat.asked == 1
        assert again.answer(batch_id, vote="confirmed", reason="", who=WHO)
        assert not again.answer(batch_id, vote="confirmed", reason="", who=WHO)
        ledger = stage.play(again.look, *(one.look for one in others))
        assert questions_of(again)[batch_id].who == WHO
    votes = [vote for vote in ledger.batches[batch_id].votes if vote.seat == 0]
    assert [vote.is_confirmation for vote in votes] == [True]


def test_an_answer_after_the_deadline_is_refused_with_a_sentence(stage: Stage) -> None:
    late_s = 0.0
    operator = stage.operator(0, asks="all", ask_for_s=1e9, clock=lambda: time.time() + late_s)
    batch_id = first_question(stage, operator)
    late_s = 300.0
    with pytest.raises(QuestionError, match="the deadline passed"):
        operator.answer(batch_id, vote="confirmed", reason="", who=WHO)
    assert [one.batch_id for one in asked(operator)] == [batch_id]
    operator.look()
    assert questions_of(operator)[batch_id].ending == "late"
    kept = operator.verdict(batch_id)
    assert kept is not None
    assert kept.vote == "unvoted"


def test_energy_of_an_open_question_is_not_sold_again(stage: Stage) -> None:
    operator = stage.operator(0, asks="all")
    batch_id = first_question(stage, operator)
    assert operator.verdicts.promised() == {batch_id}
    operator.answer(batch_id, vote="rejected", reason="not today", who=WHO)
    assert operator.verdicts.promised() == set()


# ---------------------------------------------------------------------- by HTTP


@contextmanager
def desk(operator: OperatorService, token: str | None = TOKEN) -> Iterator[httpx.Client]:
    """What the operator's people call."""
    with (
        serve_operator(operator, listen="127.0.0.1:0", people=token) as url,
        httpx.Client(
            base_url=url,
            trust_env=False,
            timeout=PATIENCE_S,
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as client,
    ):
        yield client


def test_people_see_what_the_node_found_and_decide(stage: Stage) -> None:
    others = [stage.operator(number) for number in (1, 2)]
    operator = stage.operator(0, asks="all")
    with lying() as told, desk(operator) as client:
        false = first_question(stage, operator)
        assert told() == 1
        row = client.get("/v1/batches").json()["items"][0]
        assert (row["batch_id"], row["said"], row["state"]) == (false, "asked", "pending")
        assert row["question"]["own_vote"] == "rejected"
        assert row["question"]["ending"] == "open"
        assert row["question"]["asked_at"] < row["question"]["answer_by"] < row["deadline"]
        assert "power" in row["broken"]
        full = client.get(f"/v1/batches/{false}").json()
        assert [check["rule"] for check in full["checks"]] == list(RULES)
        outcomes = {check["rule"]: check["outcome"] for check in full["checks"]}
        assert [rule for rule, outcome in outcomes.items() if outcome == "broken"] == row["broken"]
        assert "held" in outcomes.values()
        assert all(check["description"] for check in full["checks"])
        assert all(
            bool(check["found"]) == (check["outcome"] == "broken") for check in full["checks"]
        )
        names = {one[side] for one in full["trades"] for side in ("buyer_id", "seller_id")}
        assert names <= {"b-1", "b-2", "s-1", "s-2"}
        assert sum(one["energy_wh"] for one in full["trades"]) == row["energy_wh"]
        assert sum(one["cost_ueur"] for one in full["trades"]) == row["locked_ueur"]
        health = client.get("/health").json()
        assert (health["asks"], health["open_questions"], health["open_batches"]) == ("all", 1, 1)
        path = f"/v1/batches/{false}/answer"
        answer = {"vote": "rejected", "reason": "  more than the battery holds ", "who": WHO}
        operator.wake.clear()
        first = client.post(path, json=answer)
        assert first.status_code == 200
        assert operator.wake.is_set()
        assert first.json()["is_new"] is True
        question = first.json()["batch"]["question"]
        assert (question["ending"], question["who"]) == ("answered", WHO)
        again = client.post(path, json=answer)
        assert (again.status_code, again.json()["is_new"]) == (200, False)
        for other in ({"vote": "confirmed"}, {"who": "somebody else"}, {"reason": "no"}):
            told_off = client.post(path, json={**answer, **other})
            assert told_off.status_code == 409
            assert "duty officer answered before" in told_off.json()["detail"]
        ledger = stage.play(operator.look, agreeing(operator), *(one.look for one in others))
        rows = client.get("/v1/batches", params={"limit": 200}).json()["items"]
        assert {row["batch_id"] for row in rows} == set(ledger.batches)
        shown = next(row for row in rows if row["batch_id"] == false)
        mine = next(vote for vote in shown["votes"] if vote["seat"] == 0)
        assert (mine["vote"], mine["reason"]) == ("rejected", "more than the battery holds")
        assert shown["state"] == "rejected"
        said_so = client.get("/v1/batches", params={"said": "confirmed", "limit": 200}).json()
        assert {row["said"] for row in said_so["items"]} == {"confirmed"}
        metrics = client.get("/metrics").text
    assert "peercharge_open_questions 0.0" in metrics
    assert 'peercharge_questions_total{ending="answered"}' in metrics
    assert 'vote="asked"' not in metrics


def test_people_without_the_token_see_nothing(stage: Stage) -> None:
    operator = stage.operator(0, asks="all")
    batch_id = first_question(stage, operator)
    calls: list[tuple[str, str]] = [
        ("GET", "/v1/batches"),
        ("GET", f"/v1/batches/{batch_id}"),
        ("POST", f"/v1/batches/{batch_id}/answer"),
        ("GET", "/v1/batches?limit=many"),
    ]
    with desk(operator) as client:
        for method, path in calls:
            for headers in (
                {"Authorization": "Bearer another token than it"},
                {"Authorization": ""},
            ):
                refused = client.request(method, path, headers=headers, content=b"{")
                assert refused.status_code == 401, path
                assert refused.headers["content-type"] == "application/problem+json"
    with desk(operator, token=None) as client:
        for method, path in calls:
            refused = client.request(method, path)
            assert refused.status_code == 403
            assert "PEERCHARGE_OPERATOR_TOKEN" in refused.json()["detail"]
    assert [one.batch_id for one in asked(operator)] == [batch_id]


def test_answers_that_cannot_be_one(stage: Stage) -> None:
    operator = stage.operator(0, asks="all")
    batch_id = first_question(stage, operator)
    good: dict[str, Any] = {"vote": "rejected", "reason": "no", "who": WHO}
    wrong: list[tuple[Any, str]] = [
        ({**good, "vote": "maybe"}, "vote"),
        ({**good, "vote": None}, "vote"),
        ({**good, "who": ""}, "who"),
        ({**good, "who": "two\nlines"}, "who"),
        ({**good, "who": "x" * 201}, "who"),
        ({**good, "reason": ""}, "reason"),
        ({**good, "reason": "   "}, "reason"),
        ({**good, "reason": "x" * 257}, "reason"),
        ({**good, "reason": "ü" * 129}, "256 bytes"),
        ({**good, "reason": "two\nlines"}, "reason"),
        ({**good, "reason": "s-1 left early"}, "no stay by its name"),
        ({**good, "more": 1}, "more"),
        ([good], "body"),
        (None, "body"),
        ("[" * 1_000, "body"),
    ]
    with desk(operator) as client:
        path = f"/v1/batches/{batch_id}/answer"
        for content, named in wrong:
            refused = client.post(path, json=content)
            assert refused.status_code == 422, content
            assert named in refused.json()["detail"], refused.json()
        assert client.post(path, content=b"[" * 100_000).status_code == 413
        unknown = "0x" + "00" * 32
        assert client.post(f"/v1/batches/{unknown}/answer", json=good).status_code == 404
        assert client.get(f"/v1/batches/{unknown}").status_code == 404
        assert client.get("/v1/batches/0x1").status_code == 422
        assert [one.batch_id for one in asked(operator)] == [batch_id]
        # Names within words are no names.
        fine = client.post(path, json={**good, "reason": "bays-1 to bays-10 were cut off"})
        assert fine.status_code == 200, fine.text


def test_a_node_that_was_not_told_to_ask_takes_no_answer(stage: Stage) -> None:
    operator = stage.operator(0)
    stage.until(lambda: said(operator), operator.look)
    (batch_id,) = stage.pending(operator)
    with desk(operator) as client:
        refused = client.post(
            f"/v1/batches/{batch_id}/answer", json={"vote": "rejected", "reason": "no", "who": WHO}
        )
        assert refused.status_code == 409
        assert "nobody was asked: the node has confirmed it" in refused.json()["detail"]
        (row,) = client.get("/v1/batches").json()["items"]
    assert (row["said"], row["question"]) == ("confirmed", None)


@pytest.mark.parametrize("are_alike", [True, False], ids=["alike", "opposed"])
def test_two_answers_at_once_are_one_vote(stage: Stage, are_alike: bool) -> None:
    others = [stage.operator(number) for number in (1, 2, 3)]
    operator = stage.operator(0, asks="all")
    bodies = [
        {"vote": "confirmed", "reason": "yes", "who": "one"},
        {"vote": "rejected", "reason": "no", "who": "other"},
    ]
    pair = [bodies[0]] * 2 if are_alike else bodies
    answers: list[httpx.Response] = []

    def answer_at_once() -> None:
        for question in asked(operator):
            gate = threading.Barrier(2)
            answers.clear()
            threads = [
                threading.Thread(target=answer, args=(question.batch_id, body, gate))
                for body in pair
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            codes = sorted(one.status_code for one in answers)
            assert codes == ([200, 200] if are_alike else [200, 409])
            assert sum(one.status_code == 200 and one.json()["is_new"] for one in answers) == 1

    def answer(batch_id: str, body: dict[str, str], gate: threading.Barrier) -> None:
        gate.wait()
        answers.append(client.post(f"/v1/batches/{batch_id}/answer", json=body))

    with desk(operator) as client:
        ledger = stage.play(operator.look, answer_at_once, *(one.look for one in others))
    assert answers
    for name, batch in ledger.batches.items():
        mine = [vote for vote in batch.votes if vote.seat == 0]
        assert len(mine) <= 1
        kept = operator.verdict(name)
        assert kept is not None
        assert all(vote.is_confirmation == (kept.vote == "confirmed") for vote in mine)
