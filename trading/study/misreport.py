"""What a vehicle gains by saying what is not true: the same days again, with one report changed.

All others tell the truth, and so does the vehicle in the run that it is compared with. Its own net
benefit is counted in money that moves: what it earns, less what it pays to peers and grid, less
wear and replacement of what it gave; need that is not served costs the lot's highest tariff. Each
is by its true need, its true battery and its true price at home. Welfare is the same for drivers
and lot together, so that what one pays to another is no part of it.

Not modelled: that a false report is found out, several vehicles that lie or conspire, a lie that
changes in the course of a stay, and any other size of lie than those below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from trading.lot import Lot, LotRules, Stays, Terms, traded
from trading.lot.stays import BoolArray
from trading.market import Fills, Mechanism, OrderBook, Orders, PeerPrice
from trading.units import MAX_U32, WH_PER_KWH, Int64Array, cost_ueur, hash_units

BUYER_SOC_LIE = -0.10
"""Assumption: a buyer says that its battery holds a tenth of its capacity less than it does."""
SELLER_SOC_LIE = 0.05
"""Assumption: a seller says that it holds a twentieth more."""
PRICE_LIE_PERCENT = 10
"""Assumption: a seller's floor is said to be so much higher, a buyer's ceiling so much lower."""
DEPARTURE_LIE = pd.Timedelta(hours=1)
"""Assumption: departures are said to be an hour earlier or later than they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What one vehicle gained by one false report under one mechanism.

    Attributes:
        session_id: who lied.
        side: "buyer" or "seller".
        report: a name in `REPORTS`.
        gain_ueur: its net benefit with the lie less that with the truth.
        welfare_loss_ueur: what all drivers and the lot together lose by it; below 0 they gain.
    """

    session_id: str
    side: str
    report: str
    gain_ueur: int
    welfare_loss_ueur: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """A run by the truth: the liar's net benefit, and the welfare of all, in micro-euro."""

    benefit_ueur: int
    welfare_ueur: int


def sampled(stays: Stays, *, each_side: int) -> list[int]:
    """Positions of the vehicles that lie in turn: drawn by (seed, session), buyers first.

    Only those that have something to ask or to offer; fewer than `each_side` where there are fewer.
    """
    draws = hash_units(stays.rules.seed, "misreport", stays.ids)
    chosen: list[int] = []
    for has_order in (stays.bid_cap_wh > 0, stays.ask_cap_wh > 0):
        rows = np.flatnonzero(has_order)
        chosen += rows[np.argsort(draws[rows], kind="stable")][:each_side].tolist()
    return chosen


def gains_from_misreporting(
    sessions: pd.DataFrame,
    *,
    rules: LotRules,
    terms: Terms,
    mechanism: Mechanism,
    each_side: int,
) -> Iterator[Gain]:
    """Let some vehicles lie in turn, and see what it brings them.

    Each lie is run over the stays that a chain of overlapping stays joins to the liar's, since no
    other shares a market with it. Where plans know departures (`actual`), everyone's estimate is
    set to the truth, so that a departure can be lied about and nothing else changes; where they are
    estimates, the liar's alone is.

    Args:
        sessions: a SESSIONS table.
        rules: how the lot trades.
        terms: what things cost; with `limits`, for without there is no price to report.
        mechanism: matches an interval's bids and asks.
        each_side: how many buyers and how many sellers lie.

    Raises:
        TableError: the sessions break their schema.
    """
    stays = Stays(sessions, rules)
    told = replace(rules, departures="estimated")
    for code in sampled(stays, each_side=each_side):
        liar = _Liar(_truth(stays, code), told, terms, mechanism, str(stays.ids[code]))
        honest = liar.outcome(liar.truth, mechanism)
        for report, lie in _LIES.items():
            lied = lie(liar)
            yield Gain(
                session_id=liar.session_id,
                side="buyer" if liar.buys else "seller",
                report=report,
                gain_ueur=lied.benefit_ueur - honest.benefit_ueur,
                welfare_loss_ueur=honest.welfare_ueur - lied.welfare_ueur,
            )


def _truth(stays: Stays, code: int) -> pd.DataFrame:
    """The stays of the liar's chain, needs as batteries can take them, departures as they are."""
    table = stays.table.copy()
    table["need_wh"] = stays.need_wh
    is_liar = np.arange(len(stays)) == code
    known = np.ones(len(stays), np.bool_) if stays.rules.departures == "actual" else is_liar
    table.loc[known, "estimated_departure"] = table.loc[known, "departure"]
    return table[_chain(stays, code)].reset_index(drop=True)


def _chain(stays: Stays, code: int) -> BoolArray:
    """Who is joined to `code` by stays that share market intervals, itself included."""
    step = stays.rules.interval_s
    # As recorded: who waits for a charger depends on those who hold one.
    arrival_s = stays.table["arrival"].dt.as_unit("s").astype("int64").to_numpy(np.int64)
    first, after = arrival_s // step, -(-stays.departure_s // step)
    order = np.argsort(first, kind="stable")
    reached = np.maximum.accumulate(after[order])
    begins = np.concatenate(([True], first[order][1:] >= reached[:-1]))
    chain = np.empty(len(stays), np.int64)
    chain[order] = np.cumsum(begins)
    joined: BoolArray = chain == chain[code]
    return joined


class _Liar:
    """One vehicle of a day: what it gets, by the truth, where something else was reported."""

    def __init__(
        self,
        truth: pd.DataFrame,
        rules: LotRules,
        terms: Terms,
        mechanism: Mechanism,
        session_id: str,
    ) -> None:
        self.truth, self.rules, self.terms, self.mechanism = truth, rules, terms, mechanism
        self.session_id = session_id
        stays = Stays(truth, rules)
        self.code = stays.code_of(session_id)
        self.buys = bool(stays.is_buyer[self.code])
        self.need_wh = stays.need_wh

    def outcome(self, reported: pd.DataFrame, mechanism: Mechanism) -> _Outcome:
        """What comes of a report; higher is better, and mostly below 0, for charging costs."""
        lot, trades = traded(Stays(reported, self.rules), self.terms, mechanism)
        me, efficiency = self.code, self.rules.efficiency
        earned = int(trades.loc[trades["seller_id"] == self.session_id, "income_ueur"].sum())
        paid = int(trades.loc[trades["buyer_id"] == self.session_id, "cost_ueur"].sum())
        paid += int(lot.grid_bill_ueur[me]) - int(lot.refund_ueur[me])
        replaced = cost_ueur(efficiency.charge_for(lot.gave_wh), lot.replacements)
        wear = cost_ueur(lot.to_peers_wh, self.terms.wear)
        unserved: Int64Array = np.maximum(self.need_wh - lot.drawn_wh, 0)
        spent = replaced + wear + cost_ueur(unserved, self.terms.highest_tariff)
        return _Outcome(
            benefit_ueur=earned - paid - int(spent[me]),
            welfare_ueur=-self._grid_ueur(lot) - int(spent.sum()),
        )

    def _grid_ueur(self, lot: Lot) -> int:
        """What all energy into vehicles that is not peers' costs by the tariff of its time."""
        flows = lot.flows
        at_chargers = flows.grid_wh + flows.pv_wh - flows.cable_loss_wh
        tariff = self.terms.buy_over(lot.edges_s)
        pairs = zip(at_chargers.tolist(), tariff.tolist(), strict=True)
        return int(sum(wh * per_kwh for wh, per_kwh in pairs)) // WH_PER_KWH

    def with_false_soc(self) -> _Outcome:
        lie = BUYER_SOC_LIE if self.buys else SELLER_SOC_LIE
        return self._with("soc_arrival", lambda soc: (soc + lie).clip(0.0, 1.0))

    def with_false_price(self) -> _Outcome:
        def lying(book: OrderBook, price: PeerPrice, /) -> Fills:
            return self.mechanism(_with_false_limit(book, self.code), price)

        return self.outcome(self.truth, lying)

    def leaving_earlier(self) -> _Outcome:
        return self._with("estimated_departure", lambda at: at - DEPARTURE_LIE)

    def leaving_later(self) -> _Outcome:
        return self._with("estimated_departure", lambda at: at + DEPARTURE_LIE)

    def _with(self, column: str, change: Callable[[pd.Series], pd.Series]) -> _Outcome:
        reported = self.truth.copy()
        row = reported["session_id"] == self.session_id
        reported.loc[row, column] = change(reported.loc[row, column])
        return self.outcome(reported, self.mechanism)


_LIES: Mapping[str, Callable[[_Liar], _Outcome]] = MappingProxyType(
    {
        "soc": _Liar.with_false_soc,
        "price": _Liar.with_false_price,
        "departure-earlier": _Liar.leaving_earlier,
        "departure-later": _Liar.leaving_later,
    }
)
REPORTS = tuple(_LIES)
"""What may be reported falsely."""


def _with_false_limit(book: OrderBook, code: int) -> OrderBook:
    """The book with the limit price of one vehicle shifted to where it might gain by it."""
    more, less = 100 + PRICE_LIE_PERCENT, 100 - PRICE_LIE_PERCENT
    return OrderBook(
        buyers=_shifted(book.buyers, code, less), sellers=_shifted(book.sellers, code, more)
    )


def _shifted(side: Orders, code: int, percent: int) -> Orders:
    limit = side.limit_price_ueur_per_kwh
    if limit is None:
        return side
    false: Int64Array = np.minimum(limit * percent // 100, MAX_U32)
    return replace(side, limit_price_ueur_per_kwh=np.where(side.code == code, false, limit))
