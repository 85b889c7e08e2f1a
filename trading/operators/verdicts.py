"""What an operator said to each batch, written down before it is acted on.

A verdict is given once and not given differently. One that is `asked` is not given yet: a person is
to give it (`questions`). With a verdict are kept all findings of all rules, and which rules held.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, and_, insert, or_, select

from trading.operators import questions
from trading.operators.node import Vote
from trading.operators.questions import Decision
from trading.operators.rules import RULES, Check
from trading.store import Database
from trading.store.schema import MIRROR_BATCHES, QUESTIONS, VERDICTS

log = structlog.get_logger(__name__)

_OF_BATCH = MIRROR_BATCHES.c.batch_id == VERDICTS.c.batch_id
_OF_QUESTION = QUESTIONS.c.batch_id == VERDICTS.c.batch_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A verdict as it is in the database.

    Attributes:
        batch_id: on what.
        vote: what was said; `asked` as long as a person is to say it.
        reason: of a rejection what goes to the chain, else what the verdict rests on.
        decided_at: Unix seconds.
        was_asked: whether a person was asked.
    """

    batch_id: str
    vote: Vote | Literal["asked"]
    reason: str
    decided_at: float
    was_asked: bool = False


class Verdicts:
    """The verdicts in one operator's database.

    Attributes:
        broken: how often each rule found something, over all verdicts.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock
        self.broken: Counter[str] = Counter(dict.fromkeys(RULES, 0))
        with database.look() as connection:
            rows = connection.execute(
                select(VERDICTS.c.findings).where(VERDICTS.c.findings != "[]")
            )
            for row in rows:
                self.broken.update(one["rule"] for one in json.loads(row.findings))

    def of(self, batch_id: str) -> Kept | None:
        """What was said to a batch; None where nothing was."""
        with self._database.look() as connection:
            row = connection.execute(_WITH_QUESTION.where(VERDICTS.c.batch_id == batch_id)).first()
        return None if row is None else _kept(row)

    def unjudged(self) -> set[str]:
        """Batches of the chain without a verdict."""
        with self._database.look() as connection:
            rows = connection.execute(
                select(MIRROR_BATCHES.c.batch_id)
                .select_from(MIRROR_BATCHES.outerjoin(VERDICTS, _OF_BATCH))
                .where(VERDICTS.c.batch_id.is_(None))
            )
            return {row.batch_id for row in rows}

    def promised(self) -> set[str]:
        """Pending batches that this operator confirmed, or would confirm if nobody answers.

        Their energy is not sold again.
        """
        is_promised = or_(
            VERDICTS.c.vote == "confirmed",
            and_(VERDICTS.c.vote == "asked", QUESTIONS.c.own_vote == "confirmed"),
        )
        with self._database.look() as connection:
            rows = connection.execute(
                select(VERDICTS.c.batch_id)
                .select_from(VERDICTS.join(MIRROR_BATCHES, _OF_BATCH))
                .outerjoin(QUESTIONS, _OF_QUESTION)
                .where(is_promised, MIRROR_BATCHES.c.state == "pending")
            )
            return {row.batch_id for row in rows}

    def given(self) -> list[Kept]:
        """Confirmations and rejections of pending batches, in the order of the chain."""
        with self._database.look() as connection:
            rows = connection.execute(
                _WITH_QUESTION.join(MIRROR_BATCHES, _OF_BATCH)
                .where(
                    MIRROR_BATCHES.c.state == "pending",
                    VERDICTS.c.vote.in_(("confirmed", "rejected")),
                )
                .order_by(MIRROR_BATCHES.c.submitted_block)
            )
            return [_kept(row) for row in rows]

    def write(self, batch_id: str, vote: Vote, reason: str, checks: Sequence[Check] = ()) -> None:
        """Give a verdict, once and for all."""
        with self._database.begin() as connection:
            told = self._insert(connection, batch_id, vote, reason, checks)
        self._count(checks)
        log.info("verdict", batch=batch_id, vote=vote, reason=reason, findings=told)

    def ask(
        self, batch_id: str, own_vote: Decision, own_reason: str, checks: Sequence[Check],
        *, at: float, until: float,
    ) -> None:  # fmt: skip
        """Leave the verdict to a person from `at` until `until`, Unix seconds."""
        with self._database.begin() as connection:
            told = self._insert(connection, batch_id, "asked", own_reason, checks)
            questions.ask(
                connection,
                batch_id,
                own_vote=own_vote,
                own_reason=own_reason,
                asked_at=at,
                until=until,
            )
        self._count(checks)
        log.info(
            "asked",
            batch=batch_id,
            own_vote=own_vote,
            reason=own_reason,
            findings=told,
            answer_by=round(until, 3),
        )

    def _insert(
        self,
        connection: Connection,
        batch_id: str,
        vote: str,
        reason: str,
        checks: Sequence[Check],
    ) -> list[dict[str, Any]]:
        told = [
            {"rule": one.rule, "trade": one.trade_index, "sentence": one.sentence}
            for check in checks
            for one in check.findings
        ]
        connection.execute(
            insert(VERDICTS).values(
                batch_id=batch_id,
                vote=vote,
                reason=reason,
                findings=json.dumps(told),
                decided_at=self._clock(),
                outcomes=json.dumps({check.rule: check.outcome for check in checks}),
            )
        )
        return told

    def _count(self, checks: Sequence[Check]) -> None:
        self.broken.update(one.rule for check in checks for one in check.findings)


_WITH_QUESTION = select(VERDICTS, QUESTIONS.c.ending).select_from(VERDICTS).outerjoin(
    QUESTIONS, _OF_QUESTION
)  # fmt: skip


def _kept(row: Any) -> Kept:
    return Kept(
        batch_id=row.batch_id,
        vote=row.vote,
        reason=row.reason,
        decided_at=row.decided_at,
        was_asked=row.ending is not None,
    )
