"""One interval of a lot whose sessions and trades are in databases and on a chain.

The lot's state is not kept: it follows from the sessions that came and the trades that the chain
confirmed, as every operator computes it too. So an engine that starts again continues where the
chain is, and not where its memory was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from trading.chain import BatchState
from trading.chain.rebuild import Ledger
from trading.lot import Stays, intervals_of
from trading.lot.lot import Interval, Offers
from trading.lot.simulation import matched, trades_of_interval
from trading.market import MECHANISMS, Fills, OrderBook
from trading.operators.pseudonyms import TagOf
from trading.operators.replica import Replica
from trading.publication import Publication

FLOWS = (BatchState.CONFIRMED, BatchState.SETTLED)


def together(sessions: pd.DataFrame, at_s: int) -> pd.DataFrame:
    """The stays that may matter at an instant: those in the lot, and all whom they met there.

    A stay that had left before any of these came shares no limit, no charger and no trade with
    them, so that what is left out changes nothing; an empty lot forgets its past.

    Args:
        sessions: a SESSIONS table.
        at_s: Unix seconds.
    """
    arrival = sessions["arrival"].dt.as_unit("s").astype("int64").to_numpy()
    departure = sessions["departure"].dt.as_unit("s").astype("int64").to_numpy()
    since = at_s
    while True:
        found = departure > since
        earliest = min(int(arrival[found].min()), since) if found.any() else since
        if earliest == since:
            there: pd.DataFrame = sessions[found].reset_index(drop=True)
            return there
        since = earliest


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
        if batch.stored in FLOWS:
            for at_s, fills in fills_of(batch.submission.trades, accounts, lot=publication.lot):
                replica.add(batch_id, at_s, fills)
    interval = Interval(
        start_s=start_s, end_s=start_s + rules.interval_s, gate_s=start_s - rules.gate_lead_s
    )
    offers = replica.at(start_s).offers(interval)
    if offers is None:
        return None
    enabled = np.zeros(len(stays), dtype=bool)
    for number, code in accounts.items():
        mandate = ledger.accounts[number].mandate
        enabled[code] = mandate is not None and mandate.valid_until >= interval.gate_s
    market = matched(stays, _of(offers, enabled), MECHANISMS[publication.mechanism])
    if market is None or not len(market[0]):
        return None
    trades = trades_of_interval(stays, start_s, market[0])
    number_of = {str(stays.ids[code]): number for number, code in accounts.items()}
    return trades.assign(
        buyer_account=trades["buyer_id"].map(number_of).astype("int64"),
        seller_account=trades["seller_id"].map(number_of).astype("int64"),
    )


def accounts_by_session(stays: Stays, ledger: Ledger, tag_of: TagOf) -> dict[int, int]:
    """Each session's code by the number of its account; the first one under its tag."""
    code_of_tag = {tag_of(str(name)): code for code, name in enumerate(stays.ids)}
    found: dict[int, int] = {}
    for number in sorted(ledger.accounts):
        code = code_of_tag.pop(ledger.accounts[number].tag, None)
        if code is not None:
            found[number] = code
    return found


def fills_of(
    trades: pd.DataFrame, code_of_account: dict[int, int], *, lot: int
) -> list[tuple[int, Fills]]:
    """A CHAIN table's trades between known parties, by the start of their interval, Unix s."""
    codes = {side: trades[f"{side}_account"].map(code_of_account) for side in ("buyer", "seller")}
    known = trades.assign(**codes).dropna(subset=["buyer", "seller"])
    known = known[known["lot"] == lot]
    names = ("buyer", "seller", "energy_wh", "price_ueur_per_kwh", "seller_price_ueur_per_kwh")
    return [
        (
            int(pd.Timestamp(str(start)).timestamp()),
            Fills(**{name: part[name].to_numpy(np.int64) for name in names}),
        )
        for start, part in known.groupby("interval_start")
    ]


def _of(offers: Offers, enabled: np.ndarray) -> Offers:
    buyers, sellers = offers.book.buyers, offers.book.sellers
    book = OrderBook(
        buyers=buyers.take(enabled[buyers.code]), sellers=sellers.take(enabled[sellers.code])
    )
    return replace(offers, book=book)
