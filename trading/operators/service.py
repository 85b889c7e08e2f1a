"""`peercharge operator`: an operator as a process of its own, ended and started at any moment.

It follows the chain into its own database, judges each pending batch once on its own sessions, and
writes the verdict down before it acts on it. From then on each look asks what the verdict still
lacks: a rejection goes to the chain with its reason; a confirmation is signed and sent to the
engine, again and again until the batch is decided, and goes to the chain directly when the engine
does not gather it. Nothing in memory decides anything.

Where it is set to ask, a batch that it judged waits for a person first (`questions`); the answer is
a verdict like any other, and is carried out in the same way.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
import structlog
from sqlalchemy import Connection, func, select

from trading.chain import BatchState, Consortium, Key, SeatSignature, Standstill, Submission
from trading.chain.rebuild import Ledger, RebuiltBatch
from trading.data.intake import Intake
from trading.errors import LedgerError, NotAllowedError, QuestionError
from trading.looking import POLL_S, Beat, keep_looking
from trading.operators import batches, questions
from trading.operators.examiner import judge
from trading.operators.exchange import Exchange
from trading.operators.node import Vote, reason_of
from trading.operators.pseudonyms import TagOf
from trading.operators.questions import Ask, Decision
from trading.operators.verdicts import Kept, Verdicts
from trading.publication import Publication
from trading.store import Database, Mirror, Outbox
from trading.store.schema import MIRROR_BATCHES, TRANSACTIONS
from trading.store.sessions import KnownSessions, SessionStore

log = structlog.get_logger(__name__)

SEND_AGAIN_S = 5.0
"""A signature that the engine took is sent again after this long, while the batch is pending."""

TRIES = 3
"""So often may the engine fail to take a signature before it goes to the chain; and so often may
the contract refuse a vote before it rests."""

REST_S = 60.0
GRACE_S = 5
"""How far this machine's clock may be ahead of a chain that makes no blocks of its own accord."""


@dataclass(slots=True)
class Heartbeat(Beat):
    """What health and metrics show of an operator.

    Attributes:
        seat: that it holds; None for none.
        waiting: pending batches without its vote, or with one that is not on chain yet.
        asked: those of them on which a person was asked, and has not answered.
        chain_time_s: of the chain, at the last look.
        signatures: by what became of them: taken, refused, or unanswered.
        fallbacks: confirmations that went to the chain because the engine did not gather them.
    """

    seat: int | None = None
    waiting: int = 0
    asked: int = 0
    chain_time_s: int = 0
    signatures: Counter[str] = field(default_factory=Counter)
    fallbacks: int = 0


@dataclass(slots=True)
class _Sending:
    """What this process knows of a signature on its way; lost without harm."""

    failures: int = 0
    sent_at: float = 0.0
    is_direct: bool = False


@dataclass(kw_only=True)
class OperatorService:
    """One operator on its database, its sessions and its view of the chain.

    Attributes:
        database: of this operator alone.
        consortium: the contract.
        key: the operator's; holds a seat.
        publication: the lot's market, as this operator read it.
        tag_of: what a session's account is registered under.
        exchange: the engine's; None to vote on the chain alone.
        intakes: where its sessions come from.
        replay: whether a past day is traded, so that gate closure cannot be checked.
        is_final: whether the network's blocks stay once they exist.
        fallback_after_s: how long after its verdict a confirmation waits for the engine before it
            goes to the chain; None for half of the time that is left to the deadline.
        asks: on which batches a person is asked.
        ask_for_s: how long people are given to answer; None for half of the time that is left to
            the deadline. Then the node's own vote is carried out, and never later than leaves it
            time (`questions.answer_by`).
        clock: Unix seconds.
        poll_s: pause between two looks.
    """

    database: Database
    consortium: Consortium
    key: Key
    publication: Publication
    tag_of: TagOf
    exchange: Exchange | None = None
    intakes: list[Intake] = field(default_factory=list)
    replay: bool = False
    is_final: bool = True
    fallback_after_s: float | None = None
    asks: Ask = "nothing"
    ask_for_s: float | None = None
    clock: Callable[[], float] = time.time
    poll_s: float = POLL_S

    def __post_init__(self) -> None:
        self.mirror = Mirror(self.database, self.consortium, is_final=self.is_final)
        self._watch = Standstill(self.consortium.network)
        self.database.belong({"operator": self.key.address})
        self.outbox = Outbox(
            self.database, self.consortium, self.key, is_final=self.is_final, clock=self.clock
        )
        self.sessions = SessionStore(self.database, clock=self.clock)
        self.heartbeat = Heartbeat()
        self.wake = threading.Event()
        self.verdicts = Verdicts(self.database, clock=self.clock)
        self._known = KnownSessions(self.sessions, self.intakes)
        self._sending: dict[str, _Sending] = {}
        self._left: dict[str, str] = {}

    def check(self) -> None:
        """Whether the consortium lets this operator vote; asked once, before it starts.

        Raises:
            NotAllowedError: the key holds no seat.
            LedgerError: gas has a price, and the key has no money for it.
        """
        consortium, address = self.consortium, self.key.address
        if not consortium.is_operator(address):
            raise NotAllowedError(
                "OperatorUnknown",
                {"operator": address},
                f"{address} holds no seat in {consortium.address}; have the authority seat it "
                "(`peercharge admin`), or use the operator's own key.",
            )
        if consortium.network.is_broke(address):
            raise LedgerError(
                f"gas has a price on {consortium.network.name}, and {address} has no money for a "
                "vote; send it some, then start again."
            )

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set.

        A node that does not answer is asked again, ever more slowly, and nothing is lost.

        Raises:
            StoreError: the database failed.
            WrongLedgerError, NotAllowedError: nothing that waiting could mend.
        """
        keep_looking(
            self._look,
            beat=self.heartbeat,
            stop=stop,
            wake=self.wake,
            poll_s=self.poll_s,
        )

    def _look(self) -> bool:
        self.look()
        return False

    def look(self) -> None:
        """Take in what came, judge what is new, and do what verdicts still lack.

        Raises:
            LedgerError: the node cannot be reached or refuses; the same call later goes on.
            StoreError: the database failed.
        """
        self._take_sessions()
        # Receipts first: what has one is then in the mirror too.
        self._collect()
        self.mirror.follow()
        ledger = self.mirror.ledger
        chain_time_s = self.consortium.network.now()
        seat = next((n for n, who in ledger.seats.items() if who == self.key.address), None)
        waiting = 0
        for batch in self._unjudged(ledger):
            if not self._judge(ledger, batch, seat, self._is_late(batch, chain_time_s)):
                waiting += 1
        asked = self._end_questions(ledger, chain_time_s)
        waiting += asked
        if seat is not None:
            waiting += self._carry_out(ledger, seat, chain_time_s)
        self.outbox.push()
        self.heartbeat.seat = seat
        self.heartbeat.waiting, self.heartbeat.asked = waiting, asked
        self.heartbeat.chain_time_s = chain_time_s
        self._watch.saw(self.mirror.head)
        self.heartbeat.head = self.mirror.head
        self.heartbeat.looked_at = self.clock()
        self.heartbeat.problem = (
            "" if seat is not None else f"{self.key.address} holds no seat in this consortium"
        )

    @property
    def known_sessions(self) -> pd.DataFrame:
        """All sessions that came up to the last look; not to be changed."""
        return self._known.frame

    def verdict(self, batch_id: str) -> Kept | None:
        """What this operator said to a batch; None where it has not decided."""
        return self.verdicts.of(batch_id)

    # ------------------------------------------------------------------ what came

    def _take_sessions(self) -> None:
        if self._known.follow():
            self._left.clear()

    def _collect(self) -> None:
        for ended in self.outbox.collect():
            if ended.succeeded:
                log.info("vote is on chain", batch=ended.subject, vote=ended.purpose)
            else:
                # Most often the others had decided before; if not, it is tried again.
                log.warning(
                    "contract refused",
                    batch=ended.subject,
                    step=ended.purpose,
                    reason=ended.refusal,
                )

    def _unjudged(self, ledger: Ledger) -> list[RebuiltBatch]:
        """Batches without a verdict, in chain order."""
        ids = self.verdicts.unjudged()
        return [batch for name, batch in ledger.batches.items() if name in ids] if ids else []

    # ------------------------------------------------------------------ verdicts

    def _judge(self, ledger: Ledger, batch: RebuiltBatch, seat: int | None, is_late: bool) -> bool:
        """Decide on a batch, once and for all; False where that has to wait."""
        submission = batch.submission
        batch_id = submission.batch_id
        if batch.stored is not BatchState.PENDING or is_late:
            why = "its deadline passed" if is_late else "decided before"
            left = self._left.pop(batch_id, "")
            self.verdicts.write(batch_id, "unvoted", f"{left}; {why}" if left else why)
            return True
        if seat is None:
            self._leave(batch_id, "this operator holds no seat")
            return False
        if self._left.get(batch_id) and self._may_wait(submission):
            # No session came since it was left.
            return False
        judged = judge(
            self.publication,
            self._known.frame,
            ledger,
            submission,
            tag_of=self.tag_of,
            keeps_lot_time=not self.replay,
            promised=self.verdicts.promised(),
        )
        found = judged.findings
        if found and all(one.rule == "parties" for one in found) and self._may_wait(submission):
            self._leave(batch_id, f"waits for sessions: {found[0]}")
            return False
        self._left.pop(batch_id, None)
        vote: Decision = "rejected" if found else "confirmed"
        reason = reason_of(found) if found else _label(judged.sources)
        if self.asks == "all" or (self.asks == "findings" and found):
            now = self.clock()
            until = questions.answer_by(now, submission.deadline, self.ask_for_s)
            self.verdicts.ask(batch_id, vote, reason, judged.checks, at=now, until=until)
            return True
        self.verdicts.write(batch_id, vote, reason, judged.checks)
        return True

    def _leave(self, batch_id: str, why: str) -> None:
        if self._left.get(batch_id) != why:
            self._left[batch_id] = why
            log.info("left for now", batch=batch_id, reason=why)

    def _may_wait(self, submission: Submission) -> bool:
        """Whether there is time for a session that is late: until half of the vote is over."""
        return self.clock() < submission.time + (submission.deadline - submission.time) / 2

    # ------------------------------------------------------------------ questions

    def answer(self, batch_id: str, *, vote: Decision, reason: str, who: str) -> bool:
        """Let a person decide a batch on which one was asked; may be called by another thread.

        The answer is stored when this returns, and the vote follows at the next look. The same
        answer of the same person again changes nothing.

        Args:
            batch_id: of the batch.
            vote: what the person decides, whatever the node found.
            reason: one line; may be empty where it agrees with the node. Of a rejection it goes to
                the chain.
            who: answers; stays in this operator's database.

        Returns:
            whether it was this call that decided.

        Raises:
            OptionError: the reason or the name cannot be used.
            QuestionError: nobody was asked, or it is too late.
        """
        with self.database.look() as connection:
            question = questions.find(connection, batch_id)
            if question is None:
                raise QuestionError(batch_id, self._why_not_asked(batch_id))
            stays = batches.stays_in(
                connection, batch_id, sessions=self._known.frame, tag_of=self.tag_of
            )
        questions.check_answer(question, vote=vote, reason=reason, who=who, stays=stays)
        with self.database.begin() as connection:
            if question.ending == "open":
                self._refuse_late(connection, batch_id)
            is_new = questions.answer(
                connection, question, vote=vote, reason=reason, who=who, at=self.clock()
            )
        if is_new:
            log.info(
                "answered",
                batch=batch_id,
                vote=vote,
                own_vote=question.own_vote,
                is_against_own=vote != question.own_vote,
                reason=reason,
                who=who,
            )
            self.wake.set()
        return is_new

    def _why_not_asked(self, batch_id: str) -> str:
        kept = self.verdict(batch_id)
        if kept is None:
            return "it is not judged yet, so nobody was asked; look again in a moment"
        return f"nobody was asked: the node has {kept.vote} it by its own rules"

    def _refuse_late(self, connection: Connection, batch_id: str) -> None:
        row = connection.execute(
            select(MIRROR_BATCHES.c.state, MIRROR_BATCHES.c.deadline).where(
                MIRROR_BATCHES.c.batch_id == batch_id
            )
        ).first()
        if row is None:
            raise QuestionError(batch_id, "it left the chain when blocks were replaced")
        if row.state != BatchState.PENDING.value:
            raise QuestionError(batch_id, questions.ENDINGS["decided"])
        if self._is_over(row.deadline, self.heartbeat.chain_time_s):
            raise QuestionError(batch_id, questions.ENDINGS["late"])

    def _end_questions(self, ledger: Ledger, chain_time_s: int) -> int:
        """End what nobody can or did answer in time; returns how many questions stay open."""
        with self.database.look() as connection:
            asked = questions.open_questions(connection)
        is_open = 0
        for question in asked:
            batch = ledger.batches.get(question.batch_id)
            if batch is None:
                # Its block was replaced; it may come again.
                continue
            ending: questions.Ending = "open"
            vote: Vote = "unvoted"
            reason = ""
            if batch.stored is not BatchState.PENDING:
                ending, reason = "decided", "decided before"
            elif self._is_late(batch, chain_time_s):
                ending, reason = "late", "its deadline passed"
            elif self.clock() >= question.answer_by:
                ending, vote, reason = "unanswered", question.own_vote, question.own_reason
            if ending == "open":
                is_open += 1
                continue
            with self.database.begin() as connection:
                is_ended = questions.end(
                    connection,
                    question.batch_id,
                    ending,
                    vote=vote,
                    verdict_reason=reason,
                    at=self.clock(),
                )
            if is_ended:
                log.info(
                    "question ended",
                    batch=question.batch_id,
                    ending=ending,
                    vote=vote,
                    reason=questions.ENDINGS[ending],
                )
        return is_open

    # ------------------------------------------------------------------ votes

    def _carry_out(self, ledger: Ledger, seat: int, chain_time_s: int) -> int:
        """Do what verdicts on pending batches still lack; returns how many lack something."""
        verdicts = self.verdicts.given()
        due = []
        for kept in verdicts:
            batch = ledger.batches[kept.batch_id]
            has_voted = any(vote.operator == self.key.address for vote in batch.votes)
            if not has_voted and not self._is_late(batch, chain_time_s):
                due.append((kept, batch))
        is_reached = True
        for kept, batch in due:
            if kept.vote == "rejected":
                self._on_chain("reject", kept.batch_id, kept.reason)
            elif self._is_direct(kept, batch):
                self._on_chain("confirm", kept.batch_id)
            elif is_reached:
                # One engine that does not answer must not hold up the votes on the chain.
                is_reached = self._send(kept, seat)
            else:
                self._sending_of(kept.batch_id).failures += 1
        ids = {kept.batch_id for kept in verdicts}
        self._sending = {name: one for name, one in self._sending.items() if name in ids}
        return len(due)

    def _is_direct(self, kept: Kept, batch: RebuiltBatch) -> bool:
        """Whether a confirmation goes to the chain by itself."""
        sending = self._sending_of(kept.batch_id)
        after_s = self.fallback_after_s
        half_s = (batch.submission.deadline - kept.decided_at) / 2
        if after_s is None or kept.was_asked:
            # A person may have taken most of the time.
            after_s = half_s if after_s is None else min(after_s, half_s)
        is_overdue = self.clock() >= kept.decided_at + after_s
        is_direct = self.exchange is None or is_overdue or sending.failures >= TRIES
        if is_direct and not sending.is_direct:
            sending.is_direct = True
            if self.exchange is not None:
                self.heartbeat.fallbacks += 1
                why = "the batch is still pending" if is_overdue else "the engine took no signature"
                log.warning("confirms on chain", batch=kept.batch_id, reason=why)
        return sending.is_direct

    def _send(self, kept: Kept, seat: int) -> bool:
        """Sign and send a confirmation; False where the engine does not answer."""
        assert self.exchange is not None
        sending = self._sending_of(kept.batch_id)
        if sending.sent_at and self.clock() - sending.sent_at < SEND_AGAIN_S:
            return True
        signed = SeatSignature.by(
            self.key, self.consortium.domain, batch_id=kept.batch_id, seat=seat
        )
        answer = self.exchange.send(signed)
        outcome: Literal["taken", "refused", "unanswered"] = "taken"
        if answer.is_taken:
            sending.sent_at, sending.failures = self.clock(), 0
            log.info("signature sent", batch=kept.batch_id, seat=seat)
        else:
            outcome = "refused" if answer.is_reached else "unanswered"
            sending.failures += 1
            log.warning("signature not taken", batch=kept.batch_id, reason=answer.sentence)
        self.heartbeat.signatures[outcome] += 1
        return answer.is_reached

    def _on_chain(self, function: Literal["confirm", "reject"], *arguments: Any) -> None:
        """Write the transaction of a vote, unless it is under way, done, or rests."""
        batch_id = arguments[0]
        columns = TRANSACTIONS.c
        which = (columns.subject == batch_id) & (columns.purpose == function)
        with self.database.begin() as connection:
            counts = {
                row.state: (row[1], row[2])
                for row in connection.execute(
                    select(columns.state, func.count(), func.max(columns.sent_at))
                    .where(which)
                    .group_by(columns.state)
                )
            }
            refused, last = counts.get("refused", (0, 0.0))
            rests = refused >= TRIES and self.clock() - (last or 0.0) < REST_S
            if rests or counts.keys() & {"written", "sent", "mined"}:
                return
            call = self.consortium.call(function, *arguments, by=self.key)
            self.outbox.write(connection, call, subject=batch_id)
        log.info("vote written", batch=batch_id, vote=function)

    def _sending_of(self, batch_id: str) -> _Sending:
        return self._sending.setdefault(batch_id, _Sending())

    def _is_late(self, batch: RebuiltBatch, chain_time_s: int) -> bool:
        """Whether a vote could not be counted any more."""
        return self._is_over(batch.submission.deadline, chain_time_s)

    def _is_over(self, deadline: int, chain_time_s: int) -> bool:
        # A chain without blocks stands still, so the wall's clock tells when a deadline is over.
        return chain_time_s > deadline or self.clock() > deadline + GRACE_S


def _label(sources: Mapping[str, int]) -> str:
    """What a confirmation rests on."""
    told = ", ".join(f"{count} {name}" for name, count in sources.items())
    return f"state of charge of sellers: {told}" if told else ""
