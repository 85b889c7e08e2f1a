"""An operator node: it follows the chain, checks each pending batch on its own data, and votes.

A node shares nothing with the engine but the chain: it reads submissions from the contract's
events, knows accounts by the tag their holders registered (`pseudonyms`), and keeps its own record
of what was sold and bought in batches that are confirmed, or that it confirmed itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from trading.chain import BatchState, Consortium, Key, SeatSignature, Submission
from trading.lot import LotRules, Stays, Terms
from trading.market import DEFAULT_MECHANISM
from trading.operators.examiner import Examiner
from trading.operators.pseudonyms import Pseudonyms
from trading.operators.rules import Finding
from trading.tables import SOC_SOURCES

Conduct = Literal["honest", "silent", "wrong", "malicious", "contrary", "two-faced"]
CONDUCTS: dict[Conduct, str] = {
    "honest": "checks every batch on its own data",
    "silent": "never votes",
    "wrong": "checks every batch on data that are not the lot's",
    "malicious": "confirms everything, unchecked",
    "contrary": "rejects everything, unchecked",
    "two-faced": "signs everything off chain and rejects it on chain",
}
"""How an operator may behave; all but `honest` exist to show what the quorum withstands."""

Manner = Literal["aggregated", "direct"]
MANNERS: tuple[Manner, ...] = ("aggregated", "direct")
Vote = Literal["confirmed", "rejected", "unvoted"]
REASON_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one operator said to one batch, and why."""

    batch_id: str
    vote: Vote
    findings: tuple[Finding, ...]
    reason: str


class OperatorNode:
    """One operator with its own key, its own seat and its own copy of the sessions.

    Attributes:
        key: signs its votes.
        verdicts: what it said to each batch, in order.
        gas_used: by its votes.
    """

    def __init__(
        self,
        *,
        key: Key,
        consortium: Consortium,
        sessions: pd.DataFrame,
        pseudonyms: Pseudonyms,
        rules: LotRules,
        terms: Terms,
        lot: int,
        mechanism: str = DEFAULT_MECHANISM,
        conduct: Conduct = "honest",
        manner: Manner = "aggregated",
        trusted_soc: Collection[str] = SOC_SOURCES,
    ) -> None:
        """Bind the operator to a consortium and to its own copy of the sessions.

        Args:
            key: holds a seat.
            consortium: the contract, as this operator sees it.
            sessions: its own SESSIONS table.
            pseudonyms: of the salts that it holds; to a stay without one no account belongs.
            rules: the lot's published rules.
            terms: the lot's published terms.
            lot: number of its lot.
            mechanism: name of the market that the lot published.
            conduct: how it behaves.
            manner: whether it signs its confirmations off chain, to be handed in together, or
                sends each itself.
            trusted_soc: sources of state of charge that justify a sale by themselves; all of them
                in a simulation, which has no drivers who could tell a lie.
        """
        self.key = key
        self.manner = manner
        self.conduct = conduct
        self.verdicts: list[Verdict] = []
        self.gas_used = 0
        self._consortium = consortium
        stays = Stays(sessions, rules)
        self._examiner = Examiner(
            stays, terms, lot=lot, mechanism=mechanism, trusted_soc=trusted_soc
        )
        session_of_tag = pseudonyms.by_tag(str(i) for i in stays.ids)
        self._code_of_tag = {tag: stays.code_of(s) for tag, s in session_of_tag.items()}
        self._next_block = consortium.first_block
        self._pending: dict[str, Submission] = {}
        self._seen: dict[str, Submission] = {}

    def tally(self) -> Counter[Vote]:
        """How often this operator confirmed, rejected or left a batch unvoted."""
        return Counter(verdict.vote for verdict in self.verdicts)

    def poll(self) -> list[SeatSignature]:
        """Follow the chain to its end, then vote on every batch that is still pending.

        Returns:
            With the manner `aggregated`, a signature for each batch that it confirms, to be handed
            in with those of others; with `direct` none, as its votes are on chain. Either way a
            rejection goes to the chain at once, with its reason.
        """
        self._follow()
        signed: list[SeatSignature] = []
        for batch_id, submission in list(self._pending.items()):
            del self._pending[batch_id]
            if self._consortium.state_of(batch_id) == BatchState.PENDING:
                self.verdicts.append(self._vote(submission, signed))
            else:
                self.verdicts.append(self._verdict(submission, "unvoted", (), "decided before"))
        self._follow()
        return signed

    def _follow(self) -> None:
        """Take in what happened on chain since the last look."""
        last = self._consortium.network.block_number()
        if last < self._next_block:
            return
        for event in self._consortium.events(self._next_block, last):
            match event.name:
                case "AccountRegistered":
                    code = self._code_of_tag.get(event.arguments["tag"])
                    if code is not None:
                        self._examiner.code_of_account[event.arguments["account"]] = code
                case "BatchSubmitted":
                    submission = Submission.of(event)
                    self._pending[submission.batch_id] = submission
                    self._seen[submission.batch_id] = submission
                case "BatchConfirmed":
                    self._examiner.count(self._seen[event.batch_id])
                case "BatchRejected" | "BatchCancelled" | "BatchRefunded":
                    self._examiner.discount(event.batch_id)
        self._next_block = last + 1

    def _vote(self, submission: Submission, signed: list[SeatSignature]) -> Verdict:
        found = self._findings(submission)
        is_honest = self.conduct in ("honest", "wrong")
        if self.conduct == "silent":
            return self._verdict(submission, "unvoted", found, "silent")
        if self.conduct == "malicious" or (is_honest and not found):
            self._confirm(submission.batch_id, signed)
            # Two batches may be pending at once: what this vote promised must not be promised again
            # before the others have voted.
            self._examiner.count(submission)
            return self._verdict(submission, "confirmed", found, "")
        if self.conduct == "two-faced" and self.manner == "aggregated":
            self._confirm(submission.batch_id, signed)
        reason = reason_of(found) if is_honest else "no reason given"
        receipt = self._consortium.reject(submission.batch_id, reason, by=self.key)
        self.gas_used += receipt.gas_used
        return self._verdict(submission, "rejected", found, reason)

    def _confirm(self, batch_id: str, signed: list[SeatSignature]) -> None:
        if self.manner == "direct":
            self.gas_used += self._consortium.confirm(batch_id, by=self.key).gas_used
            return
        seat = self._consortium.seat_of(self.key.address)
        domain = self._consortium.domain
        signed.append(SeatSignature.by(self.key, domain, batch_id=batch_id, seat=seat))

    def _verdict(
        self, submission: Submission, vote: Vote, found: tuple[Finding, ...], reason: str
    ) -> Verdict:
        return Verdict(batch_id=submission.batch_id, vote=vote, findings=found, reason=reason)

    def _findings(self, submission: Submission) -> tuple[Finding, ...]:
        return self._examiner.findings(
            submission,
            band=self._consortium.price_band(),
            largest_spread=self._consortium.largest_spread(),
            keeps_lot_time=self._consortium.network.can_travel,
        )


def reason_of(found: tuple[Finding, ...]) -> str:
    """All findings if they fit what the contract records, else as many as do, and how many more."""
    text = "; ".join(map(str, found))
    shown = len(found)
    while len(text.encode()) > REASON_BYTES and shown > 1:
        shown -= 1
        text = "; ".join(map(str, found[:shown])) + f"; and {len(found) - shown} more"
    return text.encode()[:REASON_BYTES].decode(errors="ignore")
