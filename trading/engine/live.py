"""One interval of a lot whose sessions and trades are in databases and on a chain.

The lot's state is not kept: it follows from the sessions that came and the trades that the chain
confirmed, as every operator computes it too. So an engine that starts again continues where the
chain is, and not where its memory was.
"""

from __future__ import annotations

import pandas as pd

from trading.chain import BatchState
from trading.chain.rebuild import Ledger
from trading.lot import Stays, intervals_of
from trading.lot.lot import Interval
from trading.lot.simulation import matched, trades_of_interval
from trading.market import MECHANISMS
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


def first_interval(publication: Publication, sessions: pd.DataFrame) -> int | None:
    """Start of the first market interval of these stays, Unix seconds; None without any."""
    if sessions.empty:
        return None
    return intervals_of(Stays(sessions, publication.rules))[0].start_s


def last_interval(publication: Publication, sessions: pd.DataFrame) -> int | None:
    """Start of the last market interval of these stays, Unix seconds; None without any."""
    if sessions.empty:
        return None
    return intervals_of(Stays(sessions, publication.rules))[-1].start_s


def interval_trades(
    publication: Publication,
    sessions: pd.DataFrame,
    ledger: Ledger,
    *,
    tag_of: TagOf,
    start_s: int,
) -> pd.DataFrame | None:
    """What the lot trades in the interval that begins at `start_s`.

    Args:
        publication: the lot's market.
        sessions: a SESSIONS table of all that came.
        ledger: the consortium as the chain has it, with every interval before decided.
        tag_of: what a session's account is registered under.
        start_s: Unix seconds.

    Returns:
        a TRADES table with `buyer_account` and `seller_account`, or None where nothing is traded.
        Sessions without an account, or without a mandate that is valid, take no part.
    """
    rules = publication.rules
    there = together(sessions, start_s - rules.gate_lead_s)
    if there.empty:
        return None
    stays = Stays(there, rules)
    accounts = accounts_by_session(stays, ledger, tag_of)
    replica = Replica(stays, publication.terms)
    for batch_id, batch in ledger.batches.items():
        if batch.stored in FLOWS and may_matter(batch.submission, stays):
            trades = trades_in(batch.submission)
            for at_s, fills in fills_of(trades[trades["lot"] == publication.lot], accounts):
                replica.add(batch_id, at_s, fills)
    interval = Interval(
        start_s=start_s, end_s=start_s + rules.interval_s, gate_s=start_s - rules.gate_lead_s
    )
    now = replica.at(start_s)
    offers = now.offers(interval)
    if offers is None:
        return None
    enabled = taking_part(ledger, accounts, n=len(stays), gate_s=interval.gate_s)
    offers = admitted(offers, now, enabled=enabled, trusted_soc=publication.trusted_soc)
    market = matched(stays, offers, MECHANISMS[publication.mechanism])
    if market is None or not len(market[0]):
        return None
    trades = trades_of_interval(stays, start_s, market[0])
    number_of = {str(stays.ids[code]): number for number, code in accounts.items()}
    return trades.assign(
        buyer_account=trades["buyer_id"].map(number_of).astype("int64"),
        seller_account=trades["seller_id"].map(number_of).astype("int64"),
    )
