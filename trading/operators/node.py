"""An operator node: it follows the chain, checks each pending batch on its own data, and votes.

A node shares nothing with the engine but the chain: it reads submissions from the contract's
events, knows accounts by the tag their holders registered (`pseudonyms`), and keeps its own record
of what was sold and bought in batches that are confirmed, or that it confirmed itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from trading.chain import BatchState, Consortium, Key, SeatSignature, Submission
from trading.lot import LotRules, Stays, Terms
from trading.market import DEFAULT_MECHANISM, Fills
from trading.operators.pseudonyms import Pseudonyms
from trading.operators.replica import Replica
from trading.operators.rules import UNKNOWN_PARTY, Case, Finding, findings
from trading.units import Int64Array

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
        """
        self.key = key
        self.manner = manner
        self.conduct = conduct
        self.verdicts: list[Verdict] = []
        self.gas_used = 0
        self._consortium = consortium
        self._stays = Stays(sessions, rules)
        self._terms = terms
        self._lot = lot
        self._mechanism = mechanism
        self._replica = Replica(self._stays, terms)
        session_of_tag = pseudonyms.by_tag(str(i) for i in self._stays.ids)
        self._code_of_tag = {tag: self._stays.code_of(s) for tag, s in session_of_tag.items()}
        self._code_of_account: dict[int, int] = {}
        self._next_block = consortium.first_block
        self._pending: dict[str, Submission] = {}
        self._seen: dict[str, Submission] = {}
        self._counted: set[str] = set()
        self._sold_wh: Int64Array = np.zeros(len(self._stays), np.int64)
        self._in_interval: dict[int, tuple[Int64Array, Int64Array]] = {}

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
                    code = self._code_of_tag.get(event.arguments["tag"], UNKNOWN_PARTY)
                    self._code_of_account[event.arguments["account"]] = code
                case "BatchSubmitted":
                    submission = Submission.of(event)
                    self._pending[submission.batch_id] = submission
                    self._seen[submission.batch_id] = submission
                case "BatchConfirmed":
                    self._count(event.batch_id)
                case "BatchRejected" | "BatchCancelled" | "BatchRefunded":
                    self._discount(event.batch_id)
        self._next_block = last + 1

    def _count(self, batch_id: str) -> None:
        """Count a batch's energy once, so that none of it is sold or bought again."""
        if batch_id not in self._counted:
            self._counted.add(batch_id)
            self._add(self._seen[batch_id], sign=1)

    def _discount(self, batch_id: str) -> None:
        if batch_id in self._counted:
            self._counted.remove(batch_id)
            self._add(self._seen[batch_id], sign=-1)

    def _add(self, submission: Submission, *, sign: int) -> None:
        trades = self._coded(submission)
        known = trades[(trades["buyer"] != UNKNOWN_PARTY) & (trades["seller"] != UNKNOWN_PARTY)]
        for start, part in known.groupby("interval_start"):
            at_s = int(pd.Timestamp(str(start)).timestamp())
            bought, sold = self._in_interval.setdefault(
                at_s, (np.zeros_like(self._sold_wh), np.zeros_like(self._sold_wh))
            )
            energy = sign * part["energy_wh"].to_numpy(np.int64)
            np.add.at(bought, part["buyer"].to_numpy(np.int64), energy)
            np.add.at(sold, part["seller"].to_numpy(np.int64), energy)
            np.add.at(self._sold_wh, part["seller"].to_numpy(np.int64), energy)
            if sign > 0:
                self._replica.add(submission.batch_id, at_s, _fills(part))
            else:
                self._replica.remove(submission.batch_id, at_s)

    def _coded(self, submission: Submission) -> pd.DataFrame:
        codes = {
            side: submission.trades[f"{side}_account"].map(
                lambda account: self._code_of_account.get(account, UNKNOWN_PARTY)
            )
            for side in ("buyer", "seller")
        }
        return submission.trades.assign(**codes).reset_index(drop=True)

    def _vote(self, submission: Submission, signed: list[SeatSignature]) -> Verdict:
        found = tuple(findings(self._case(submission)))
        is_honest = self.conduct in ("honest", "wrong")
        if self.conduct == "silent":
            return self._verdict(submission, "unvoted", found, "silent")
        if self.conduct == "malicious" or (is_honest and not found):
            self._confirm(submission.batch_id, signed)
            # Two batches may be pending at once: what this vote promised must not be promised again
            # before the others have voted.
            self._count(submission.batch_id)
            return self._verdict(submission, "confirmed", found, "")
        if self.conduct == "two-faced" and self.manner == "aggregated":
            self._confirm(submission.batch_id, signed)
        reason = _reason(found) if is_honest else "no reason given"
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

    def _case(self, submission: Submission) -> Case:
        band = self._consortium.price_band()
        return Case(
            trades=self._coded(submission),
            locked_ueur=submission.locked_ueur,
            deadline_s=submission.deadline,
            stays=self._stays,
            terms=self._terms,
            lot=self._lot,
            band=(band.lowest_ueur_per_kwh, band.highest_ueur_per_kwh),
            largest_spread=self._consortium.largest_spread(),
            mechanism=self._mechanism,
            lot_at=self._replica.at,
            sold_wh=self._sold_wh,
            in_interval_wh=self._in_interval,
            keeps_lot_time=self._consortium.network.can_travel,
        )


def _fills(trades: pd.DataFrame) -> Fills:
    return Fills(
        **{
            name: trades[name].to_numpy(np.int64)
            for name in (
                "buyer",
                "seller",
                "energy_wh",
                "price_ueur_per_kwh",
                "seller_price_ueur_per_kwh",
            )
        }
    )


def _reason(found: tuple[Finding, ...]) -> str:
    """All findings if they fit what the contract records, else as many as do, and how many more."""
    text = "; ".join(map(str, found))
    shown = len(found)
    while len(text.encode()) > REASON_BYTES and shown > 1:
        shown -= 1
        text = "; ".join(map(str, found[:shown])) + f"; and {len(found) - shown} more"
    return text.encode()[:REASON_BYTES].decode(errors="ignore")
