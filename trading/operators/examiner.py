"""What an operator holds a batch against: its own sessions, and every trade that counts so far.

One `Examiner` knows one set of sessions. A simulation keeps one for its whole day; a service, whose
sessions come while it runs, makes one for the vehicles that matter to a batch (`judge`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from trading.chain import BatchState, PriceBand, Submission, decode
from trading.chain.rebuild import Ledger
from trading.chain.words import buyers_in
from trading.lot import Interval, Lot, Offers, Stays, Terms
from trading.operators.evidence import admitted, resting_on, taking_part
from trading.operators.pseudonyms import TagOf
from trading.operators.replica import (
    Replica,
    accounts_by_session,
    fills_of,
    may_matter,
    together,
)
from trading.operators.rules import RULES, UNKNOWN_PARTY, Case, Check, Finding, checks
from trading.publication import Publication
from trading.tables import SOC_SOURCES
from trading.units import Int64Array

COUNTED = (BatchState.CONFIRMED, BatchState.SETTLED)
"""Where a batch's energy is promised for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one operator thinks of a batch.

    Attributes:
        checks: of every rule, in the order of `RULES`.
        sources: how many sellers rest on each source of state of charge.
    """

    checks: tuple[Check, ...]
    sources: Mapping[str, int]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every fault of every rule."""
        return found_in(self.checks)


class Examiner:
    """One lot's sessions beside the trades that were confirmed; checks further batches."""

    def __init__(
        self,
        stays: Stays,
        terms: Terms,
        *,
        lot: int,
        mechanism: str,
        trusted_soc: Collection[str] = SOC_SOURCES,
        code_of_account: dict[int, int] | None = None,
        offers_at: Callable[[Lot, Interval], Offers | None] = Lot.offers,
    ) -> None:
        """Begin with no trade counted.

        Args:
            stays: the operator's own sessions.
            terms: the lot's published terms.
            lot: its number.
            mechanism: name of its market.
            trusted_soc: sources of state of charge that justify a sale by themselves.
            code_of_account: session by account; may grow afterwards.
            offers_at: what those who take part bid and ask in an interval.
        """
        self.stays = stays
        self.code_of_account = {} if code_of_account is None else code_of_account
        self._terms, self._lot, self._mechanism = terms, lot, mechanism
        self._trusted_soc, self._offers_at = trusted_soc, offers_at
        self._replica = Replica(stays, terms)
        self._counted: dict[str, Submission] = {}
        self._sold_wh: Int64Array = np.zeros(len(stays), np.int64)
        self._in_interval: dict[int, tuple[Int64Array, Int64Array]] = {}
        self._traded: dict[tuple[int, int, int], str] = {}

    def count(self, submission: Submission) -> None:
        """Count a batch's energy, once, so that none of it is sold or bought again."""
        if submission.batch_id not in self._counted:
            self._counted[submission.batch_id] = submission
            self._add(submission, sign=1)

    def discount(self, batch_id: str) -> None:
        """Count it no more: it was rejected, cancelled or refunded."""
        submission = self._counted.pop(batch_id, None)
        if submission is not None:
            self._add(submission, sign=-1)

    def checks(
        self,
        submission: Submission,
        *,
        band: PriceBand,
        largest_spread: int,
        keeps_lot_time: bool,
        last_sequence: Mapping[int, int] | None = None,
    ) -> tuple[Check, ...]:
        """What becomes of every rule over a batch that is not counted.

        Args:
            submission: the batch.
            band: the prices that the authority allows.
            largest_spread: that it allows, ueur per kWh.
            keeps_lot_time: whether the chain's clock is the lot's.
            last_sequence: the highest number of each buyer's account before this batch.
        """
        case = Case(
            trades=self._coded(submission),
            locked_ueur=submission.locked_ueur,
            deadline_s=submission.deadline,
            stays=self.stays,
            terms=self._terms,
            lot=self._lot,
            band=(band.lowest_ueur_per_kwh, band.highest_ueur_per_kwh),
            largest_spread=largest_spread,
            mechanism=self._mechanism,
            lot_at=self._replica.at,
            sold_wh=self._sold_wh,
            in_interval_wh=self._in_interval,
            keeps_lot_time=keeps_lot_time,
            traded=self._traded,
            last_sequence=last_sequence or {},
            trusted_soc=self._trusted_soc,
            offers_at=self._offers_at,
        )
        return tuple(checks(case))

    def findings(self, submission: Submission, **options: Any) -> tuple[Finding, ...]:
        """What every rule finds in a batch; the options are those of `checks`."""
        return found_in(self.checks(submission, **options))

    def sellers(self, submission: Submission) -> set[int]:
        """Codes of the sessions that sell in a batch."""
        return set(self._coded(submission)["seller"]) - {UNKNOWN_PARTY}

    def _coded(self, submission: Submission) -> pd.DataFrame:
        trades = trades_in(submission)
        codes = {
            side: trades[f"{side}_account"].map(
                lambda account: self.code_of_account.get(account, UNKNOWN_PARTY)
            )
            for side in ("buyer", "seller")
        }
        return trades.assign(**codes).reset_index(drop=True)

    def _add(self, submission: Submission, *, sign: int) -> None:
        for at_s, fills in fills_of(trades_in(submission), self.code_of_account):
            bought, sold = self._in_interval.setdefault(
                at_s, (np.zeros_like(self._sold_wh), np.zeros_like(self._sold_wh))
            )
            np.add.at(bought, fills.buyer, sign * fills.energy_wh)
            np.add.at(sold, fills.seller, sign * fills.energy_wh)
            np.add.at(self._sold_wh, fills.seller, sign * fills.energy_wh)
            if sign > 0:
                self._replica.add(submission.batch_id, at_s, fills)
            else:
                self._replica.remove(submission.batch_id, at_s)
        for key in _keys(submission):
            if sign > 0:
                self._traded.setdefault(key, submission.batch_id)
            elif self._traded.get(key) == submission.batch_id:
                del self._traded[key]


def examiner_of(
    publication: Publication,
    sessions: pd.DataFrame,
    ledger: Ledger,
    submission: Submission,
    *,
    tag_of: TagOf,
    promised: Collection[str] = (),
) -> Examiner | None:
    """An examiner of the vehicles that matter to a batch, with all that counts before it.

    Args:
        publication: the lot's market.
        sessions: a SESSIONS table of all that came.
        ledger: the consortium as the chain has it.
        submission: the batch.
        tag_of: what a session's account is registered under.
        promised: ids of batches that are still pending, and that this operator confirmed.

    Returns:
        None where no session matters: nobody was in the lot.
    """
    rules = publication.rules
    starts = [start for _, _, start in _keys(submission)]
    there = together(sessions, min(starts) - rules.gate_lead_s)
    if there.empty:
        return None
    stays = Stays(there, rules)
    code_of_account = accounts_by_session(stays, ledger, tag_of)

    def offers_at(lot: Lot, interval: Interval) -> Offers | None:
        offers = lot.offers(interval)
        if offers is None:
            return None
        enabled = taking_part(ledger, code_of_account, n=len(stays), gate_s=interval.gate_s)
        return admitted(offers, lot, enabled=enabled, trusted_soc=publication.trusted_soc)

    examiner = Examiner(
        stays,
        publication.terms,
        lot=publication.lot,
        mechanism=publication.mechanism,
        trusted_soc=publication.trusted_soc,
        code_of_account=code_of_account,
        offers_at=offers_at,
    )
    for batch_id, batch in ledger.batches.items():
        is_other = batch_id != submission.batch_id
        is_counted = batch.stored in COUNTED or batch_id in promised
        if is_other and is_counted and may_matter(batch.submission, stays):
            examiner.count(batch.submission)
    return examiner


def judge(
    publication: Publication,
    sessions: pd.DataFrame,
    ledger: Ledger,
    submission: Submission,
    *,
    tag_of: TagOf,
    keeps_lot_time: bool = True,
    promised: Collection[str] = (),
) -> Judgement:
    """Check a batch against one operator's sessions and the chain.

    The arguments are those of `examiner_of`, and `keeps_lot_time`: whether the chain's clock is the
    lot's.
    """
    examiner = examiner_of(
        publication, sessions, ledger, submission, tag_of=tag_of, promised=promised
    )
    if examiner is None:
        sentence = "no session is known here of a vehicle in the lot"
        nobody = Finding(rule="parties", trade_index=None, sentence=sentence)
        told = tuple(
            Check(rule=name, outcome="broken", findings=(nobody,))
            if name == nobody.rule
            else Check(rule=name, outcome="unchecked")
            for name in RULES
        )
        return Judgement(checks=told, sources={})
    told = examiner.checks(
        submission,
        band=ledger.band,
        largest_spread=ledger.largest_spread_ueur_per_kwh,
        keeps_lot_time=keeps_lot_time,
        last_sequence=sequences_before(ledger, submission),
    )
    sources = resting_on(examiner.stays, examiner.sellers(submission))
    return Judgement(checks=told, sources=sources)


def found_in(told: Iterable[Check]) -> tuple[Finding, ...]:
    """Every fault in some checks."""
    return tuple(finding for check in told for finding in check.findings)


def sequences_before(ledger: Ledger, submission: Submission) -> dict[int, int]:
    """The highest number of each buyer of a batch among the batches submitted before it."""
    buyers = set(trades_in(submission)["buyer_account"])
    last: dict[int, int] = {}
    for batch_id, batch in ledger.batches.items():
        if batch_id == submission.batch_id:
            break
        if buyers.isdisjoint(buyers_in(batch.submission.words)):
            continue
        trades = trades_in(batch.submission)
        ours = trades[trades["buyer_account"].isin(buyers)]
        for account, number in zip(ours["buyer_account"], ours["sequence"], strict=True):
            last[int(account)] = max(last.get(int(account), 0), int(number))
    return last


def trades_in(submission: Submission) -> pd.DataFrame:
    """The trades of a batch, decoded once; not to be changed."""
    return _decoded(submission.batch_id, submission.words)


@lru_cache(maxsize=2_000)
def _decoded(_batch_id: str, words: tuple[int, ...]) -> pd.DataFrame:
    return decode(words)


def _keys(submission: Submission) -> list[tuple[int, int, int]]:
    """(buyer's account, seller's account, interval start in Unix s) of each trade."""
    trades = trades_in(submission)
    starts = trades["interval_start"].dt.as_unit("s").astype("int64")
    return list(
        zip(
            trades["buyer_account"].tolist(),
            trades["seller_account"].tolist(),
            starts.tolist(),
            strict=True,
        )
    )
