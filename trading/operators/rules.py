"""What an operator checks in a batch, one small rule each, on its own copy of the sessions.

A rule looks at a whole batch and returns every fault it finds; an operator reports the findings of
all rules, not the first. A rule is one function from a `Case` to its findings, with no state and no
base class; a new one is a function, here or in a file of its own, and a line in `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import getdoc
from typing import Any, Literal

import numpy as np
import pandas as pd

from trading.lot import Interval, Lot, Offers, Stays, Terms
from trading.lot.guarantee import later_wh, saleable_wh
from trading.market import MECHANISMS, PRIORITIES
from trading.operators.evidence import proven_wh
from trading.tables import SOC_SOURCES
from trading.units import Int64Array, cost_ueur

UNKNOWN_PARTY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault: which rule, which trade of the batch (None: the batch as a whole), and what.

    `trade_index` counts from 0; people read of trade 1, 2, 3.
    """

    rule: str
    trade_index: int | None
    sentence: str

    def __str__(self) -> str:
        where = "batch" if self.trade_index is None else f"trade {self.trade_index + 1}"
        return f"{where}: {self.rule}: {self.sentence}"


Outcome = Literal["held", "broken", "unchecked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What became of one rule over one batch.

    Attributes:
        rule: its name.
        outcome: `unchecked` where the rule had nothing that it could look at.
        findings: every fault that it found; none unless `broken`.
    """

    rule: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A pending batch beside what one operator knows by itself.

    Attributes:
        trades: decoded from the chain, in order: `energy_wh`, `price_ueur_per_kwh`,
            `seller_price_ueur_per_kwh`, `interval_start` (UTC), `lot`, and `buyer`, `seller`: the
            parties' codes in `stays`, `UNKNOWN_PARTY` for an account that fits no session, beside
            their accounts.
        locked_ueur: what the contract locked for the batch.
        deadline_s: last second for votes, in chain time.
        stays: the operator's own sessions.
        terms: the lot's published terms.
        lot: number of the operator's lot.
        band: lowest and highest price that the authority allows, ueur per kWh.
        largest_spread: that the authority allows, ueur per kWh.
        mechanism: name of what the lot published as its market.
        lot_at: what the operator's own copy of the lot shows at the beginning of an interval (Unix
            s), with the trades that were confirmed before it.
        sold_wh: what each session sold in batches confirmed before, by code.
        in_interval_wh: bought and sold by code in batches confirmed before, by interval start in s.
        keeps_lot_time: whether the chain's clock is the lot's; false where a past day is replayed
            on a live network, and gate closure cannot be checked.
        traded: batch by (buyer's account, seller's account, interval start in s), of the trades
            confirmed before.
        last_sequence: the highest number of each buyer's account among the batches before this.
        trusted_soc: sources of state of charge that justify a sale by themselves.
        offers_at: what those who take part bid and ask in an interval.
    """

    trades: pd.DataFrame
    locked_ueur: int
    deadline_s: int
    stays: Stays
    terms: Terms
    lot: int
    band: tuple[int, int]
    largest_spread: int
    mechanism: str
    lot_at: Callable[[int], Lot]
    sold_wh: Int64Array
    in_interval_wh: Mapping[int, tuple[Int64Array, Int64Array]]
    keeps_lot_time: bool
    traded: Mapping[tuple[int, int, int], str] = field(default_factory=dict)
    last_sequence: Mapping[int, int] = field(default_factory=dict)
    trusted_soc: Collection[str] = SOC_SOURCES
    offers_at: Callable[[Lot, Interval], Offers | None] = Lot.offers

    def known(self) -> pd.DataFrame:
        """The trades of which both parties are known."""
        return self.trades[
            (self.trades["buyer"] != UNKNOWN_PARTY) & (self.trades["seller"] != UNKNOWN_PARTY)
        ]

    def name(self, code: int | np.integer[Any]) -> str:
        """What a party is called in a sentence: its account, as on the chain.

        A sentence may become the reason of a rejection, which stands on the chain for good. Naming
        the stay there would undo its pseudonym.
        """
        for side in ("buyer", "seller"):
            of_party = self.trades[self.trades[side] == code]
            if len(of_party):
                return f"account {of_party[f'{side}_account'].iloc[0]}"
        return "an account of another batch"

    def by_interval(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """(start in Unix s, known trades) of each interval in the batch."""
        for start, trades in self.known().groupby("interval_start"):
            yield int(pd.Timestamp(str(start)).timestamp()), trades


Rule = Callable[[Case], list[Finding]]


def parties(case: Case) -> list[Finding]:
    """Both accounts belong to sessions that this operator knows, in its own lot."""
    found = []
    for side in ("buyer", "seller"):
        for i in np.flatnonzero(case.trades[side] == UNKNOWN_PARTY):
            account = case.trades[f"{side}_account"].iloc[i]
            sentence = f"{side} account {account} belongs to no session known here"
            found.append(Finding(rule="parties", trade_index=int(i), sentence=sentence))
    for i in np.flatnonzero(case.trades["lot"] != case.lot):
        sentence = f"lot {case.trades['lot'].iloc[i]}, expected {case.lot}"
        found.append(Finding(rule="parties", trade_index=int(i), sentence=sentence))
    return found


def roles(case: Case) -> list[Finding]:
    """Equation (1) on arrival makes the buyer a buyer and the seller a seller with V2G."""
    found = []
    for side, holds in (("buyer", case.stays.is_buyer), ("seller", case.stays.is_seller)):
        for i, code in case.known()[side].items():
            if not holds[code]:
                sentence = f"{case.name(code)} is {case.stays.role[code]}, not a {side}"
                found.append(_finding("roles", i, sentence))
    return found


def presence(case: Case) -> list[Finding]:
    """Both parties stood in the lot at gate closure and are not known to leave before the start."""
    stays, found = case.stays, []
    for start, trades in case.by_interval():
        there = stays.is_there(start)
        for side in ("buyer", "seller"):
            for i, code in trades[side].items():
                if not there[code]:
                    sentence = f"{side} {case.name(code)} is not in the lot at {_clock(start)}"
                    found.append(_finding("presence", i, sentence))
    return found


def gate_closure(case: Case) -> list[Finding]:
    """Intervals begin on the lot's grid, and voting ends before power would flow."""
    found, step = [], case.stays.rules.interval_s
    for start, trades in case.by_interval():
        first = trades.index[0]
        if start % step:
            sentence = f"{_clock(start)} is not the start of an interval of {step} s"
            found.append(_finding("gate closure", first, sentence))
        if case.keeps_lot_time and case.deadline_s > start:
            sentence = f"votes are open until {_clock(case.deadline_s)}, after {_clock(start)}"
            found.append(_finding("gate closure", first, sentence))
    return found


def seller_energy(case: Case) -> list[Finding]:
    """No seller sells more than it had above its floor, over all its trades: nothing twice."""
    stays, trades = case.stays, case.known()
    in_batch = _sum_by_code(trades["seller"], trades["energy_wh"], len(stays))
    total = case.sold_wh + in_batch
    found = []
    most = stays.ask_cap_wh
    if stays.rules.arbitrage and len(trades):
        # What it drew in its stay may be sold on: by what its battery holds then.
        first = min(start for start, _ in case.by_interval())
        lot = case.lot_at(first)
        most = lot.promised_wh + lot.left_to_sell_wh()
    for code in np.flatnonzero((in_batch > 0) & (total > most)):
        sentence = (
            f"{case.name(code)} would have sold {total[code]} Wh in all, "
            f"it has {most[code]} Wh to sell"
        )
        found.append(_finding("seller energy", _largest(trades, "seller", code), sentence))
    return found


def guarantee(case: Case) -> list[Finding]:
    """A seller keeps the time for its own need, and under `whole` for recharging what it sells."""
    stays, found = case.stays, []
    sold_in = {start: sold for start, (_, sold) in case.in_interval_wh.items()}
    for start, trades in case.by_interval():
        sold_before = np.zeros(len(stays), np.int64)
        for earlier, sold in sold_in.items():
            if earlier < start:
                sold_before += sold
        lot = case.lot_at(start)
        end = start + stays.rules.interval_s
        left = saleable_wh(
            stays,
            drawn_wh=lot.drawn_wh,
            sold_wh=sold_before,
            content_of=lot.content_of,
            after_s=end,
            later_wh=later_wh(stays, end),
        )
        in_batch = _sum_by_code(trades["seller"], trades["energy_wh"], len(stays))
        in_interval = in_batch + sold_in.get(start, np.zeros(len(stays), np.int64))
        for code in np.flatnonzero((in_batch > 0) & (in_interval > left)):
            sentence = (
                f"{case.name(code)} would sell {in_interval[code]} Wh at {_clock(start)}, it can "
                f"sell {left[code]} Wh there and still leave as promised ({stays.rules.guarantee})"
            )
            found.append(_finding("guarantee", _largest(trades, "seller", code), sentence))
    return found


def buyer_need(case: Case) -> list[Finding]:
    """No buyer buys more than it still requires at the start of the interval."""
    stays, found = case.stays, []
    for start, trades in case.by_interval():
        bought, _ = case.in_interval_wh.get(start, _nothing(len(stays)))
        in_batch = _sum_by_code(trades["buyer"], trades["energy_wh"], len(stays))
        left = np.maximum(stays.bid_cap_wh - case.lot_at(start).drawn_wh, 0)
        for code in np.flatnonzero((in_batch > 0) & (bought + in_batch > left)):
            sentence = (
                f"{case.name(code)} would buy {bought[code] + in_batch[code]} Wh "
                f"at {_clock(start)}, it requires {left[code]} Wh"
            )
            found.append(_finding("buyer need", _largest(trades, "buyer", code), sentence))
    return found


def power(case: Case) -> list[Finding]:
    """No charger moves more in the interval than its power and the stay allow, nor both ways."""
    stays, found = case.stays, []
    for start, trades in case.by_interval():
        end = start + stays.rules.interval_s
        before_bought, before_sold = case.in_interval_wh.get(start, _nothing(len(stays)))
        bought = _sum_by_code(trades["buyer"], trades["energy_wh"], len(stays))
        sold = _sum_by_code(trades["seller"], trades["energy_wh"], len(stays))
        lot = case.lot_at(start)
        can_take = lot.chargeable_wh(stays.bid_cap_wh, start, end, planned=True)
        limits = {
            "buyer": (bought, before_bought, can_take),
            "seller": (sold, before_sold, stays.dischargeable_wh(start, end, planned=True)),
        }
        for side, (in_batch, before, most) in limits.items():
            for code in np.flatnonzero((in_batch > 0) & (in_batch + before > most)):
                sentence = (
                    f"the charger of {case.name(code)} would move {in_batch[code] + before[code]} "
                    f"Wh in one interval, it can move {most[code]} Wh"
                )
                found.append(_finding("power", _largest(trades, side, code), sentence))
        cable = stays.rules.site.cable_wh(np.array([start, end]))
        moved = int(bought.sum() + before_bought.sum())
        if cable is not None and moved > int(cable[0]):
            sentence = f"the cables would carry {moved} Wh at {_clock(start)}, at most {cable[0]}"
            found.append(Finding(rule="power", trade_index=None, sentence=sentence))
        both = (bought + before_bought > 0) & (sold + before_sold > 0) & (bought + sold > 0)
        for code in np.flatnonzero(both):
            side = "buyer" if bought[code] else "seller"
            sentence = f"{case.name(code)} would charge and discharge in one interval"
            found.append(_finding("power", _largest(trades, side, code), sentence))
    return found


def price(case: Case) -> list[Finding]:
    """Prices are those of the lot's market, inside the band and inside both parties' limits."""
    terms = case.terms
    low, high = case.band
    found = []
    for start, trades in case.by_interval():
        lot = case.lot_at(start)
        ceilings, floors = lot.limits(start)
        expected = _expected_price(case, lot, start)
        for i, trade in trades.iterrows():
            buyer = int(trade["price_ueur_per_kwh"])
            seller = int(trade["seller_price_ueur_per_kwh"])
            ceiling = int(ceilings[trade["buyer"]]) if terms.limits else high
            floor = int(floors[trade["seller"]]) if terms.limits else 0
            due = expected(int(trade["buyer"]), int(trade["seller"]))
            of_market = "no such trade" if due is None else f"{due[0]} and {due[1]}"
            faults = [
                (not low <= seller <= buyer <= high, f"the band is {low} to {high}"),
                (buyer - seller > case.largest_spread, f"the spread may be {case.largest_spread}"),
                (buyer > ceiling, f"the buyer's ceiling is {ceiling}"),
                (seller < floor, f"the seller's floor is {floor}"),
                ((buyer, seller) != due, f"the market has {of_market}"),
            ]
            found += [
                _finding("price", i, f"{buyer} and {seller} ueur/kWh to buyer and seller; {why}")
                for is_wrong, why in faults
                if is_wrong
            ]
    return found


Prices = tuple[int, int]
"""What the buyer pays and what the seller gets, ueur per kWh."""


def _expected_price(case: Case, lot: Lot, start_s: int) -> Callable[[int, int], Prices | None]:
    """(buyer, seller) -> the prices of their trade by the lot's market; None for no such trade.

    A posted price is the same for all. An auction is held again, on the operator's own copy.
    """
    rules = case.stays.rules
    interval = Interval(
        start_s=start_s, end_s=start_s + rules.interval_s, gate_s=start_s - rules.gate_lead_s
    )
    if case.mechanism in PRIORITIES:
        posted = lot.posted(interval)
        if posted is None:
            return lambda _buyer, _seller: None
        both = (int(posted.buyer_ueur_per_kwh), int(posted.seller_ueur_per_kwh))
        return lambda _buyer, _seller: both
    offers = case.offers_at(lot, interval)
    if offers is None or offers.price is None:
        return lambda _buyer, _seller: None
    fills = MECHANISMS[case.mechanism](offers.book, offers.price)
    pairs = zip(fills.buyer.tolist(), fills.seller.tolist(), strict=True)
    prices = zip(
        fills.price_ueur_per_kwh.tolist(), fills.seller_price_ueur_per_kwh.tolist(), strict=True
    )
    found = dict(zip(pairs, prices, strict=True))
    return lambda buyer, seller: found.get((buyer, seller))


def cost(case: Case) -> list[Finding]:
    """Equation (5): the money locked is the sum of the buyers' costs, each rounded down."""
    energy = case.trades["energy_wh"].to_numpy(np.int64)
    due = cost_ueur(energy, case.trades["price_ueur_per_kwh"].to_numpy(np.int64))
    if int(due.sum()) == case.locked_ueur:
        return []
    sentence = f"{case.locked_ueur} ueur are locked, the trades cost {int(due.sum())} ueur"
    return [Finding(rule="cost", trade_index=None, sentence=sentence)]


def duplicate_energy(case: Case) -> list[Finding]:
    """No trade stands twice: one pair trades once an interval, over all batches."""
    found: list[Finding] = []
    seen = dict(case.traded)
    rows = zip(
        case.trades["buyer_account"],
        case.trades["seller_account"],
        case.trades["interval_start"],
        strict=True,
    )
    for i, (buyer, seller, start) in enumerate(rows):
        key = (int(buyer), int(seller), int(start.timestamp()))
        if key in seen:
            sentence = (
                f"accounts {buyer} and {seller} trade at {_clock(key[2])} already, in {seen[key]}"
            )
            found.append(Finding(rule="duplicate energy", trade_index=i, sentence=sentence))
        seen.setdefault(key, "this batch")
    return found


def sequence(case: Case) -> list[Finding]:
    """The numbers of a buyer's trades rise strictly, in the batch and after those before it."""
    if "sequence" not in case.trades:
        return []
    found: list[Finding] = []
    last = dict(case.last_sequence)
    rows = zip(case.trades["buyer_account"], case.trades["sequence"], strict=True)
    for i, (account, number) in enumerate(rows):
        before = last.get(int(account), 0)
        if number <= before:
            sentence = f"number {number} of account {account} does not follow {before}"
            found.append(Finding(rule="sequence", trade_index=i, sentence=sentence))
        last[int(account)] = max(before, int(number))
    return found


def capacity(case: Case) -> list[Finding]:
    """No battery ends above its capacity or below nothing, by what its meter showed until now."""
    stays, found = case.stays, []
    efficiency = stays.rules.efficiency
    for start, trades in case.by_interval():
        bought_before, sold_before = case.in_interval_wh.get(start, _nothing(len(stays)))
        bought = _sum_by_code(trades["buyer"], trades["energy_wh"], len(stays))
        sold = _sum_by_code(trades["seller"], trades["energy_wh"], len(stays))
        holds = case.lot_at(start).content_wh
        full = holds + efficiency.stored(bought + bought_before)
        for code in np.flatnonzero((bought > 0) & (full > stays.capacity_wh)):
            sentence = (
                f"{case.name(code)} would hold {full[code]} Wh in a battery of "
                f"{stays.capacity_wh[code]} Wh"
            )
            found.append(_finding("capacity", _largest(trades, "buyer", code), sentence))
        takes = efficiency.drawn(sold + sold_before)
        for code in np.flatnonzero((sold > 0) & (takes > holds)):
            sentence = (
                f"{case.name(code)} would give {takes[code]} Wh of a battery that holds "
                f"{holds[code]} Wh"
            )
            found.append(_finding("capacity", _largest(trades, "seller", code), sentence))
    return found


def provenance(case: Case) -> list[Finding]:
    """A state of charge on somebody's word sells no more than the charger's meter fed in."""
    stays, found = case.stays, []
    unproven = ~stays.table["soc_source"].isin(list(case.trusted_soc)).to_numpy()
    if not unproven.any():
        return []
    for start, trades in case.by_interval():
        in_batch = _sum_by_code(trades["seller"], trades["energy_wh"], len(stays))
        total = case.sold_wh + in_batch
        most = proven_wh(case.lot_at(start))
        for code in np.flatnonzero(unproven & (in_batch > 0) & (total > most)):
            source = stays.table["soc_source"].iloc[code]
            sentence = (
                f"{case.name(code)} would have sold {total[code]} Wh; its state of charge is "
                f"{source}, and its meter proves {most[code]} Wh"
            )
            found.append(_finding("provenance", _largest(trades, "seller", code), sentence))
    return found


RULES: dict[str, Rule] = {
    "parties": parties,
    "roles": roles,
    "presence": presence,
    "gate closure": gate_closure,
    "seller energy": seller_energy,
    "guarantee": guarantee,
    "buyer need": buyer_need,
    "power": power,
    "capacity": capacity,
    "provenance": provenance,
    "duplicate energy": duplicate_energy,
    "sequence": sequence,
    "price": price,
    "cost": cost,
}
"""Every rule by name, in the order in which findings are reported."""


LOOKS_AT_ALL = frozenset({"parties", "duplicate energy", "sequence", "cost"})
"""Rules that need no session; all others see only trades of which both parties are known."""


def checks(case: Case) -> list[Check]:
    """What became of every rule over `case`, in the order of `RULES`."""
    is_blind = case.known().empty
    return [
        Check(rule=name, outcome="unchecked")
        if is_blind and name not in LOOKS_AT_ALL
        else _check(name, tuple(rule(case)))
        for name, rule in RULES.items()
    ]


def findings(case: Case) -> list[Finding]:
    """What all rules find in `case`."""
    return [finding for check in checks(case) for finding in check.findings]


def sentence_of(name: str) -> str:
    """What a rule holds a batch to, in a sentence; empty for a rule that is not here."""
    return (getdoc(RULES[name]) or "").partition("\n")[0] if name in RULES else ""


def _check(name: str, found: tuple[Finding, ...]) -> Check:
    return Check(rule=name, outcome="broken" if found else "held", findings=found)


def _finding(rule: str, index: object, sentence: str) -> Finding:
    return Finding(rule=rule, trade_index=int(str(index)), sentence=sentence)


def _sum_by_code(codes: pd.Series, energy_wh: pd.Series, n: int) -> Int64Array:
    total = np.zeros(n, np.int64)
    np.add.at(total, codes.to_numpy(np.int64), energy_wh.to_numpy(np.int64))
    return total


def _nothing(n: int) -> tuple[Int64Array, Int64Array]:
    return np.zeros(n, np.int64), np.zeros(n, np.int64)


def _largest(trades: pd.DataFrame, side: str, code: np.int64) -> object:
    """Position of the largest trade of a session: the likeliest to be the wrong one."""
    return trades.loc[trades[side] == code, "energy_wh"].idxmax()


def _clock(at_s: int) -> str:
    return pd.Timestamp(at_s, unit="s", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
