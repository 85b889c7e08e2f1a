"""Questions to a person: batches that a node has judged and leaves to somebody to decide.

A question is a verdict `asked`, and a row beside it with what the node itself would vote. It ends
once, by whatever comes first: an answer, the end of the time to answer (then the node's own vote is
carried out), the others' decision, or the deadline. Each way to end it is one SQL transaction that
only an open question lets through, so two answers at once, or an answer in the last moment, cannot
both count. What follows from an ending is done as with any verdict: a process that is killed
between the two carries it out when it starts again.

Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from trading.errors import OptionError, QuestionError
from trading.operators.node import REASON_BYTES
from trading.store.schema import QUESTIONS, VERDICTS

Ask = Literal["nothing", "findings", "all"]
ASKS: dict[Ask, str] = {
    "nothing": "votes on every batch by itself",
    "findings": "asks about batches that break a rule, confirms the others by itself",
    "all": "asks about every batch",
}
"""On what a node asks a person."""

Decision = Literal["confirmed", "rejected"]
Ending = Literal["open", "answered", "unanswered", "decided", "late"]
ENDINGS: dict[Ending, str] = {
    "open": "nobody has answered yet",
    "answered": "a person decided",
    "unanswered": "nobody answered in time, and the node's own vote was carried out",
    "decided": "the others decided the batch before anybody answered",
    "late": "the deadline passed before anybody answered",
}
"""How a question may stand."""

LATEST_SHARE = 0.75
"""However long people are given, the last quarter of the time to the deadline is for the vote: it
may have to go to the engine first and then to the chain, over several blocks."""

LONGEST_WHO = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as it is in the database.

    Attributes:
        batch_id: what it is about.
        own_vote: what the node itself would vote.
        own_reason: why.
        asked_at: when it was asked.
        answer_by: when the node carries out its own vote.
        ending: how it stands.
        ended_at: since when; None while it is open.
        who: answered it; empty without an answer.
        reason: they gave.
    """

    batch_id: str
    own_vote: Decision
    own_reason: str
    asked_at: float
    answer_by: float
    ending: Ending
    ended_at: float | None
    who: str
    reason: str

    @classmethod
    def of(cls, row: Any) -> Question:
        """The question in a row of `questions`."""
        return cls(**{name: getattr(row, name) for name in cls.__slots__})


def answer_by(asked_at: float, deadline: float, ask_for_s: float | None) -> float:
    """Until when a person may answer.

    Args:
        asked_at: when the question is put.
        deadline: of the batch.
        ask_for_s: seconds that people are given; None for half of the time left.

    >>> answer_by(100.0, 220.0, None), answer_by(100.0, 220.0, 20.0), answer_by(100.0, 220.0, 1e9)
    (160.0, 120.0, 190.0)
    """
    left_s = max(deadline - asked_at, 0.0)
    given_s = left_s / 2 if ask_for_s is None else ask_for_s
    return asked_at + min(given_s, left_s * LATEST_SHARE)


def ask(
    connection: Connection,
    batch_id: str,
    *,
    own_vote: Decision,
    own_reason: str,
    asked_at: float,
    until: float,
) -> None:
    """Put a question; its verdict `asked` is written in the same SQL transaction before."""
    connection.execute(
        insert(QUESTIONS).values(
            batch_id=batch_id,
            own_vote=own_vote,
            own_reason=own_reason,
            asked_at=asked_at,
            answer_by=until,
            ending="open",
            who="",
            reason="",
        )
    )


def find(connection: Connection, batch_id: str) -> Question | None:
    """The question about a batch, open or ended; None where nobody was asked."""
    row = connection.execute(select(QUESTIONS).where(QUESTIONS.c.batch_id == batch_id)).first()
    return None if row is None else Question.of(row)


def open_questions(connection: Connection) -> list[Question]:
    """Those that wait for an answer, the one that ends first before the others."""
    rows = connection.execute(
        select(QUESTIONS)
        .where(QUESTIONS.c.ending == "open")
        .order_by(QUESTIONS.c.answer_by, QUESTIONS.c.batch_id)
    )
    return [Question.of(row) for row in rows]


def end(
    connection: Connection,
    batch_id: str,
    ending: Ending,
    *,
    vote: Literal["confirmed", "rejected", "unvoted"],
    verdict_reason: str,
    at: float,
    who: str = "",
    reason: str = "",
) -> bool:
    """End an open question and give its verdict; False where it had ended before.

    Args:
        connection: one SQL transaction, in which nothing is written where this says False.
        batch_id: what the question is about.
        ending: how it ends.
        vote: the verdict.
        verdict_reason: the verdict's; of a rejection it goes to the chain.
        at: now.
        who: answered.
        reason: they gave.
    """
    changed = connection.execute(
        update(QUESTIONS)
        .where(QUESTIONS.c.batch_id == batch_id, QUESTIONS.c.ending == "open")
        .values(ending=ending, ended_at=at, who=who, reason=reason)
    )
    if changed.rowcount != 1:
        return False
    connection.execute(
        update(VERDICTS)
        .where(VERDICTS.c.batch_id == batch_id)
        .values(vote=vote, reason=verdict_reason, decided_at=at)
    )
    return True


def answer(
    connection: Connection,
    question: Question,
    *,
    vote: Decision,
    reason: str,
    who: str,
    at: float,
) -> bool:
    """Let a person decide; the same answer of the same person again changes nothing.

    Returns:
        whether this call ended the question; False where the same answer had ended it before.

    Raises:
        QuestionError: it ended otherwise before; says how.
    """
    # On the chain stands what the person says or, where they say nothing, what the node found.
    shown = reason or (question.own_reason if vote == question.own_vote else "")
    is_ended = end(
        connection,
        question.batch_id,
        "answered",
        vote=vote,
        verdict_reason=shown,
        at=at,
        who=who,
        reason=reason,
    )
    if is_ended:
        return True
    now = find(connection, question.batch_id)
    given = connection.execute(
        select(VERDICTS.c.vote).where(VERDICTS.c.batch_id == question.batch_id)
    ).scalar_one()
    assert now is not None
    if (now.ending, given, now.who, now.reason) == ("answered", vote, who, reason):
        return False
    raise QuestionError(question.batch_id, over(now, given))


def over(question: Question, vote: str) -> str:
    """Why a question that ended takes no answer, as a sentence."""
    if question.ending == "answered":
        return f"{question.who} answered before, and the batch was {vote} here; that stands"
    if question.ending == "unanswered":
        return f"nobody answered in time, and the node {vote} the batch by its own rules"
    return ENDINGS[question.ending]


def check_answer(
    question: Question, *, vote: Decision, reason: str, who: str, stays: Collection[str]
) -> None:
    """Whether an answer can be one, whatever became of the question.

    Args:
        question: that is answered.
        vote: as given.
        reason: as given.
        who: answers.
        stays: ids of the sessions in the batch, which must not get onto the chain.

    Raises:
        OptionError: what is missing, too long, or must not be said.
    """
    if not who or len(who) > LONGEST_WHO or not who.isprintable():
        raise OptionError("who", who, f"who answers, in 1 to {LONGEST_WHO} printable characters")
    if not reason.isprintable() or len(reason.encode()) > REASON_BYTES:
        raise OptionError(
            "reason", reason, f"one line of at most {REASON_BYTES} bytes, as the chain keeps it"
        )
    if not reason and vote != question.own_vote:
        raise OptionError(
            "reason", reason, f"a reason, since the node itself would have {question.own_vote} it"
        )
    named = [name for name in sorted(stays) if _names(reason, name)]
    if vote == "rejected" and named:
        raise OptionError(
            "reason",
            reason,
            f"no stay by its name ({named[0]}): a reason stands on the chain for good. Name the "
            "account",
        )


def _names(text: str, name: str) -> bool:
    """Whether a text has a name in it that stands by itself."""
    at = text.find(name)
    while at >= 0:
        around = text[at - 1 : at] + text[at + len(name) : at + len(name) + 1]
        if not any(one.isalnum() for one in around):
            return True
        at = text.find(name, at + 1)
    return False
