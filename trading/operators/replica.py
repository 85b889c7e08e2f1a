"""An operator's own copy of the lot, moved along by what the chain confirmed.

It shares nothing with the engine's but the published rules: sessions are the operator's, trades
come from the chain. What its meters show at an interval is what the operator holds a batch against.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from trading.chain import Submission
from trading.chain.rebuild import Ledger
from trading.chain.words import last_start_s
from trading.lot import Lot, Stays, Terms, intervals_of
from trading.market import Fills
from trading.operators.pseudonyms import TagOf


class Replica:
    """Replays a lot up to any interval; forgets what it replayed where the past changes."""

    def __init__(self, stays: Stays, terms: Terms) -> None:
        self._stays, self._terms = stays, terms
        self._intervals = intervals_of(stays)
        self._fills: dict[int, dict[str, Fills]] = {}
        self._lot, self._next, self._reached_s = self._fresh()

    def add(self, batch_id: str, start_s: int, fills: Fills) -> None:
        """Count a batch's trades of the interval that begins at `start_s`."""
        self._fills.setdefault(start_s, {})[batch_id] = fills
        self._changed(start_s)

    def remove(self, batch_id: str, start_s: int) -> None:
        """Count them no more."""
        self._fills.get(start_s, {}).pop(batch_id, None)
        self._changed(start_s)

    def at(self, start_s: int) -> Lot:
        """The lot at the beginning of an interval; it is not to be moved by others."""
        if self._reached_s > start_s:
            self._lot, self._next, self._reached_s = self._fresh()
        while self._next < len(self._intervals):
            interval = self._intervals[self._next]
            if interval.end_s > start_s:
                break
            self._lot.flow(interval, _joined(self._fills.get(interval.start_s, {})))
            self._next += 1
            self._reached_s = interval.end_s
        return self._lot

    def _changed(self, start_s: int) -> None:
        if start_s < self._reached_s:
            self._lot, self._next, self._reached_s = self._fresh()

    def _fresh(self) -> tuple[Lot, int, int]:
        """A lot before its first interval: (lot, number of the next interval, Unix s reached)."""
        return Lot(self._stays, self._terms), 0, self._intervals[0].start_s


def together(sessions: pd.DataFrame, at_s: int, until_s: int | None = None) -> pd.DataFrame:
    """The stays that may matter at an instant: those in the lot, and all whom they met there.

    A stay that had left before any of these came shares no limit, no charger and no trade with
    them, so that what is left out changes nothing; an empty lot forgets its past. Nor does one that
    comes later change what was before it.

    Args:
        sessions: a SESSIONS table.
        at_s: Unix seconds.
        until_s: the same up to this time: who comes then or later is left out; None for nobody.
    """
    if until_s is not None:
        sessions = sessions[sessions["arrival"] < pd.Timestamp(until_s, unit="s", tz="UTC")]
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


def may_matter(submission: Submission, stays: Stays) -> bool:
    """Whether a batch has trades of intervals in which any of these stays was there.

    Asked of every batch that a contract ever had, so it looks at packed words.
    """
    return last_start_s(submission.words) >= int(stays.arrival_s.min()) - stays.rules.interval_s


def accounts_by_session(stays: Stays, ledger: Ledger, tag_of: TagOf) -> dict[int, int]:
    """Each session's code by the number of its account; the first one under its tag."""
    tags = ((tag_of(str(name)), code) for code, name in enumerate(stays.ids))
    code_of_tag = {tag: code for tag, code in tags if tag is not None}
    found: dict[int, int] = {}
    for number in sorted(ledger.accounts):
        code = code_of_tag.pop(ledger.accounts[number].tag, None)
        if code is not None:
            found[number] = code
    return found


def fills_of(trades: pd.DataFrame, code_of_account: Mapping[int, int]) -> list[tuple[int, Fills]]:
    """A CHAIN table's trades between known parties, by the start of their interval, Unix s."""
    codes = {side: trades[f"{side}_account"].map(code_of_account) for side in ("buyer", "seller")}
    known = trades.assign(**codes).dropna(subset=["buyer", "seller"])
    names = ("buyer", "seller", "energy_wh", "price_ueur_per_kwh", "seller_price_ueur_per_kwh")
    return [
        (
            int(pd.Timestamp(str(start)).timestamp()),
            Fills(**{name: part[name].to_numpy(np.int64) for name in names}),
        )
        for start, part in known.groupby("interval_start")
    ]


def _joined(batches: dict[str, Fills]) -> Fills | None:
    """The trades of all batches of an interval, in the order in which they were counted."""
    parts = [fills for fills in batches.values() if len(fills)]
    return Fills.joined(parts) if parts else None
