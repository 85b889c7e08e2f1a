"""One interval of a lot whose sessions and trades are in databases and on a chain.

The lot's state is not kept: it follows from the sessions that came and the trades that the chain
confirmed, as every operator computes it too. So an engine that starts again continues where the
chain is, and not where its memory was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from trading.chain import BatchState
from trading.chain.rebuild import Ledger
from trading.lot import Lot, Stays, Terms
from trading.lot.lot import Interval, Offers
from trading.lot.simulation import matched, trades_of_interval
from trading.market import MECHANISMS, Fills
from trading.operators.evidence import admitted, taking_part
from trading.operators.examiner import trades_in
from trading.operators.pseudonyms import TagOf
from trading.operators.replica import (
    Replica,
    accounts_by_session,
    fills_of,
    may_matter,
    together,
)
from trading.publication import Publication

FLOWS = (BatchState.CONFIRMED, BatchState.SETTLED)

Lie = Callable[[pd.DataFrame, Stays, int], pd.DataFrame]
"""A TRADES table, the lot's stays and the interval's start: the table as a liar would submit it."""


def first_interval(publication: Publication, sessions: pd.DataFrame) -> int | None:
    """Start of the first market interval of these stays, Unix seconds; None without any."""
    if sessions.empty:
        return None
    step = publication.rules.interval_s
    return int(sessions["arrival"].min().timestamp()) // step * step


def last_interval(publication: Publication, sessions: pd.DataFrame) -> int | None:
    """Start of the last market interval of these stays, Unix seconds; None without any."""
    if sessions.empty:
        return None
    step = publication.rules.interval_s
    # A stay is counted to the whole second that it is recorded in.
    return -(-int(sessions["departure"].max().timestamp()) // step) * step - step


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A lot and all who matter in it at an instant.

    Attributes:
        stays: the sessions in the lot, and all whom they met there.
        accounts: each session's code by the number of its account.
        fills: trades that the chain confirmed: (batch, start of the interval in Unix s, fills).
    """

    stays: Stays
    accounts: dict[int, int]
    fills: tuple[tuple[str, int, Fills], ...]

    def lot_at(self, terms: Terms, start_s: int) -> Lot:
        """The lot at the beginning of an interval, moved along by what the chain confirmed."""
        replica = Replica(self.stays, terms)
        for batch_id, at_s, fills in self.fills:
            replica.add(batch_id, at_s, fills)
        return replica.at(start_s)


def present_at(
    publication: Publication, sessions: pd.DataFrame, ledger: Ledger, *, tag_of: TagOf, at_s: int
) -> Present | None:
    """Who matters in the lot at an instant, and what they have traded; None for nobody.

    Args:
        publication: the lot's market.
        sessions: a SESSIONS table of all that came.
        ledger: the consortium as the chain has it.
        tag_of: what a session's account is registered under.
        at_s: Unix seconds.
    """
    there = together(sessions, at_s)
    if there.empty:
        return None
    stays = Stays(there, publication.rules)
    accounts = accounts_by_session(stays, ledger, tag_of)
    fills: list[tuple[str, int, Fills]] = []
    for batch_id, batch in ledger.batches.items():
        if batch.stored in FLOWS and may_matter(batch.submission, stays):
            trades = trades_in(batch.submission)
            of_lot = trades[trades["lot"] == publication.lot]
            fills += [(batch_id, at, found) for at, found in fills_of(of_lot, accounts)]
    return Present(stays=stays, accounts=accounts, fills=tuple(fills))


def interval_offers(
    publication: Publication, present: Present, ledger: Ledger, *, start_s: int
) -> Offers | None:
    """What is bid and asked for the interval that begins at `start_s`; None without both.

    Sessions without an account, or without a mandate that is valid, take no part.
    """
    rules = publication.rules
    interval = Interval(
        start_s=start_s, end_s=start_s + rules.interval_s, gate_s=start_s - rules.gate_lead_s
    )
    now = present.lot_at(publication.terms, start_s)
    offers = now.offers(interval)
    if offers is None:
        return None
    enabled = taking_part(ledger, present.accounts, n=len(present.stays), gate_s=interval.gate_s)
    return admitted(offers, now, enabled=enabled, trusted_soc=publication.trusted_soc)


def interval_trades(
    publication: Publication,
    sessions: pd.DataFrame,
    ledger: Ledger,
    *,
    tag_of: TagOf,
    start_s: int,
    lie: Lie | None = None,
) -> pd.DataFrame | None:
    """What the lot trades in the interval that begins at `start_s`.

    Args:
        publication: the lot's market.
        sessions: a SESSIONS table of all that came.
        ledger: the consortium as the chain has it, with every interval before decided.
        tag_of: what a session's account is registered under.
        start_s: Unix seconds.
        lie: of a dishonest engine; None for an honest one.

    Returns:
        a TRADES table with `buyer_account` and `seller_account`, or None where nothing is traded.
    """
    rules = publication.rules
    gate_s = start_s - rules.gate_lead_s
    # Sessions may be known long before they come.
    known = together(sessions, gate_s, until_s=start_s + rules.interval_s)
    present = present_at(publication, known, ledger, tag_of=tag_of, at_s=gate_s)
    if present is None:
        return None
    offers = interval_offers(publication, present, ledger, start_s=start_s)
    if offers is None:
        return None
    stays = present.stays
    market = matched(stays, offers, MECHANISMS[publication.mechanism])
    if market is None or not len(market[0]):
        return None
    trades = trades_of_interval(stays, start_s, market[0])
    if lie is not None:
        trades = lie(trades, stays, start_s)
    number_of = {str(stays.ids[code]): number for number, code in present.accounts.items()}
    return trades.assign(
        buyer_account=trades["buyer_id"].map(number_of).astype("int64"),
        seller_account=trades["seller_id"].map(number_of).astype("int64"),
    )
