"""The same days through every mechanism and pricing scheme, beside charging without a market.

What is compared has everything else in common: sessions, rules, prices outside the market, seed.
Each mechanism lives through the days with its own trades, so that what it leaves unsold at noon it
can still sell in the afternoon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import numpy as np
import pandas as pd

from trading.errors import OptionError
from trading.lot import LotRules, LotRun, Stays, Terms, simulate_lot
from trading.lot.baselines import UNCONTROLLED, V1G, V1G_WITH_PEERS
from trading.lot.optimal import PeerCosts, best_charging, interval_starts
from trading.market import MECHANISMS, PRIORITIES, Fills, OrderBook, PeerPrice, mechanism_named
from trading.market.pricing import PRICINGS, pricing_named
from trading.study.days import day_by_day, means_over_days
from trading.study.metrics import UNDEFINED, Metric, metrics_of, optimum_metrics
from trading.study.misreport import REPORTS, Gain, gains_from_misreporting
from trading.study.replay import Moment, replayed

MIDDLE = "middle"
"""The posted price without a scheme: the middle of floor and ceiling."""
COMPARED_PRICINGS = (MIDDLE, *PRICINGS)
"""What a posted price can follow."""
OWN_PRICE = "own"
"""Stands for the pricing of a mechanism that finds its prices itself."""
POSTED = (*PRIORITIES, "bilateral")
"""Mechanisms for which the posted price matters; `bilateral` bends it to the limits of a pair."""
GAP = 1e-4
"""How far the optimum with peers may be above its proven bound, as a share of its cost."""
NOTICEABLE_UEUR = 1_000
"""A tenth of a cent: what costs and batteries round away is below, and no gain."""
_TIMED = 3

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Mechanisms and pricings side by side.

    Attributes:
        stays, terms: what all had in common; `terms` without a pricing scheme.
        table: a row a baseline, then a row a mechanism and pricing: `kind` ("baseline" or
            "market"), `mechanism`, `pricing`, `welfare_share` (of the optimum's) and the metrics
            of `trading.study.metrics`; what a row does not have is empty.
        misreporting: a row a mechanism, report and side, for each mechanism under the first of the
            pricings: `liars`, `gainers` (by `NOTICEABLE_UEUR` or more), `mean_gain_ueur`,
            `max_gain_ueur`, and `mean_welfare_loss_ueur` of all drivers and the lot.
        timing: a row a mechanism and pricing: `books`, and `solve_ms` for clearing all of them
            once more, the median of three. The only numbers that differ from run to run.
        daily: the same rows for each local day run by itself, `day` first; without rows where no
            zone was given.
        over_days: their means with confidence intervals, as `means_over_days` returns them.
        optimum_slack_ueur: how much more the welfare of the optimum could be than is known.
        no_share: why there is no share of the optimum; empty where there is.
    """

    stays: Stays
    terms: Terms
    table: pd.DataFrame
    misreporting: pd.DataFrame
    timing: pd.DataFrame
    daily: pd.DataFrame
    over_days: pd.DataFrame
    optimum_slack_ueur: int
    no_share: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    metrics: dict[str, Metric]
    cost_ueur: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A mechanism and what its posted price follows."""

    mechanism: str
    pricing: str

    @property
    def label(self) -> str:
        """As people read it: "arrival, mid-market", or "mcafee"."""
        is_own = self.pricing == OWN_PRICE
        return self.mechanism if is_own else f"{self.mechanism}, {self.pricing}"

    def terms(self, terms: Terms) -> Terms:
        """`terms` under this pricing."""
        is_scheme = self.pricing not in (MIDDLE, OWN_PRICE)
        return replace(terms, pricing=self.pricing if is_scheme else None)


def combinations_of(mechanisms: Sequence[str], pricings: Sequence[str]) -> list[Combination]:
    """Each mechanism with each pricing, or once where it finds its own prices.

    Raises:
        OptionError: a name that is not registered, one that is given twice, or none at all.
    """
    for option, names, known in (
        ("mechanisms", mechanisms, MECHANISMS),
        ("pricings", pricings, COMPARED_PRICINGS),
    ):
        if not names:
            raise OptionError(option, "", "one or more of " + ", ".join(known))
        if len(set(names)) < len(names):
            twice = next(name for name in names if list(names).count(name) > 1)
            raise OptionError(option, twice, "each name once")
    for name in mechanisms:
        mechanism_named(name, option="mechanisms", among=MECHANISMS)
    for name in pricings:
        if name != MIDDLE:
            _scheme_named(name)
    return [
        Combination(mechanism=mechanism, pricing=pricing)
        for mechanism in mechanisms
        for pricing in (pricings if mechanism in POSTED else (OWN_PRICE,))
    ]


def _scheme_named(name: str) -> None:
    try:
        pricing_named(name, option="pricings")
    except OptionError as error:
        expected = error.expected if ":" in name else f"{MIDDLE}, or {error.expected}"
        raise OptionError("pricings", name, expected) from None


def compare(
    sessions: pd.DataFrame,
    *,
    rules: LotRules,
    terms: Terms,
    mechanisms: Sequence[str] = tuple(MECHANISMS),
    pricings: Sequence[str] = COMPARED_PRICINGS,
    liars_each_side: int = 3,
    zone: str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run every combination and the baselines over the same sessions.

    Args:
        sessions: a SESSIONS table.
        rules: how the lot trades, for all.
        terms: what things cost, for all; without a price and a pricing scheme of its own.
        mechanisms: names in `trading.market.MECHANISMS`.
        pricings: names in `COMPARED_PRICINGS`, a scheme's also with its number: `fixed:0.40`.
        liars_each_side: how many buyers and how many sellers misreport, each in turn; 0 for none.
        zone: IANA zone of the site, to run each of its days by itself too, for confidence intervals
            over days; None to leave that out.
        progress: called with (what, done, in all).

    Raises:
        TableError: the sessions break their schema.
        OptionError: a name that is not registered, a scheme beside a price, a negative number, or
            misreporting without limits.
        SolverError: HiGHS gave no usable answer for a baseline.
    """
    combinations = combinations_of(mechanisms, pricings)
    if liars_each_side < 0:
        raise OptionError("liars", liars_each_side, "0 or more vehicles a side")
    if liars_each_side and not terms.limits:
        expected = "0 where limits do not count, for there is no price to misreport"
        raise OptionError("liars", liars_each_side, expected)
    under = {each: each.terms(terms) for each in combinations}
    tell = progress or _silent

    runs = _runs(sessions, rules, terms, under, tell)
    timing = [_timed(each, moments) for each, _, moments in runs.markets]
    daily = over_days = pd.DataFrame()
    if zone is not None:
        daily = day_by_day(
            sessions,
            zone=zone,
            measured=lambda day: _runs(day, rules, terms, under, _silent).table,
            v1g=V1G,
            progress=partial(tell, "days by themselves"),
        )
        over_days = means_over_days(daily)
    peers = runs.best.get(V1G_WITH_PEERS)
    return Comparison(
        stays=Stays(sessions, rules),
        terms=terms,
        table=runs.table,
        misreporting=_misreporting(sessions, rules, under, liars_each_side, tell),
        timing=pd.DataFrame(timing),
        daily=daily,
        over_days=over_days,
        optimum_slack_ueur=0 if peers is None else int(peers.cost_ueur * GAP) + 1,
        no_share=_no_share(rules, terms),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Runs:
    """All of a comparison on the same sessions: a table, what it was made from, the optima."""

    table: pd.DataFrame
    markets: list[tuple[Combination, LotRun, list[Moment]]]
    best: dict[str, _Best]


def _runs(
    sessions: pd.DataFrame,
    rules: LotRules,
    terms: Terms,
    under: dict[Combination, Terms],
    tell: Progress,
) -> _Runs:
    tell("optimum", 0, 1)
    best = _best(Stays(sessions, rules), terms)
    tell("optimum", 1, 1)
    rows = [_row("baseline", UNCONTROLLED, _uncontrolled(sessions, rules, terms))]
    rows += [_row("baseline", name, one.metrics) for name, one in best.items()]
    markets = []
    for n, (each, its_terms) in enumerate(under.items()):
        tell("mechanisms", n, len(under))
        run = simulate_lot(
            sessions, rules=rules, terms=its_terms, mechanism=MECHANISMS[each.mechanism]
        )
        moments = list(replayed(run))
        rows.append(_row("market", each.mechanism, metrics_of(run, moments), each.pricing))
        markets.append((each, run, moments))
    tell("mechanisms", len(under), len(under))
    table = _table(rows)
    peers = best.get(V1G_WITH_PEERS)
    bound = None if _no_share(rules, terms) or peers is None else peers.metrics
    table.insert(3, "welfare_share", _share(table, bound))
    return _Runs(table=table, markets=markets, best=best)


def _silent(_what: str, _done: int, _total: int) -> None:
    return


# ---------------------------------------------------------------------- baselines


def _uncontrolled(sessions: pd.DataFrame, rules: LotRules, terms: Terms) -> dict[str, Metric]:
    at_once = replace(rules, strategy="at-once")
    return metrics_of(simulate_lot(sessions, rules=at_once, terms=terms, mechanism=_nobody_trades))


def _nobody_trades(_book: OrderBook, _price: PeerPrice, /) -> Fills:
    return Fills.joined([])


def _best(stays: Stays, terms: Terms) -> dict[str, _Best]:
    """The best schedules that can be had, by name; with peers only where nobody has to recharge."""
    rules = stays.rules
    step = rules.metered_s
    starts = interval_starts(stays, interval_s=step)
    edges = np.append(starts, starts[-1] + step)
    limit, sun_wh = rules.site.connection_wh(edges), rules.site.pv_wh(edges)
    tariff = terms.buy_over(edges)
    replacements = terms.replacements(stays.ids, rules.seed)
    floors = terms.floors(replacements, rules.guarantee, rules.efficiency)
    ways: dict[str, PeerCosts | None] = {V1G: None}
    if rules.guarantee == "consent":
        ways[V1G_WITH_PEERS] = PeerCosts(floor_ueur_per_kwh=floors)
    found = {}
    for name, peers in ways.items():
        schedule = best_charging(
            stays,
            interval_s=step,
            tariff_ueur_per_kwh=tariff,
            limit_wh=None if limit is None else limit + sun_wh,
            peers=peers,
            gap=GAP,
        )
        metrics = optimum_metrics(stays, terms, schedule, tariff_ueur_per_kwh=tariff, sun_wh=sun_wh)
        found[name] = _Best(metrics=metrics, cost_ueur=schedule.cost_ueur)
    return found


def _no_share(rules: LotRules, terms: Terms) -> str:
    """Why the optimum with peers is no bound for a market's welfare; empty where it is one.

    With one tariff, no limit but those of chargers, and departures that plans know, every market
    day is a schedule that the optimum could have chosen.
    """
    if rules.guarantee == "whole":
        return "the optimum with peers does not recharge what is sold, as `whole` asks"
    if not replace(rules.site, charger=None, chargers=None).is_plain:
        return "where connection, cables or a roof matter, trading changes more than who sells"
    if terms.tariff is not None:
        return "the tariff changes in time, and with it what a buyer would pay elsewhere"
    if rules.departures != "actual" or rules.arbitrage:
        return "the optimum knows departures and resells nothing"
    if rules.metered_s != rules.interval_s:
        return "not all that is agreed for a market interval fits its meter intervals"
    return ""


# ---------------------------------------------------------------------- tables


def _row(
    kind: str, mechanism: str, metrics: dict[str, Metric], pricing: str = ""
) -> dict[str, str | Metric]:
    return {"kind": kind, "mechanism": mechanism, "pricing": pricing, **metrics}


def _table(rows: list[dict[str, str | Metric]]) -> pd.DataFrame:
    """One row a dictionary; whole numbers stay whole beside cells that are empty."""
    table = pd.DataFrame(rows)
    whole = ("trades", "_wh", "_w", "_ueur", "_ueur_per_kwh")
    for name in table.columns:
        if name.endswith(whole):
            table[name] = table[name].astype("Int64")
    return table


def _share(table: pd.DataFrame, most: dict[str, Metric] | None) -> pd.Series:
    """Welfare as a share of the optimum's; empty without one, or where there is none to be had."""
    if most is None or most["welfare_ueur"] <= 0:
        return pd.Series(UNDEFINED, index=table.index)
    return table["welfare_ueur"].astype(np.float64) / float(most["welfare_ueur"])


def _timed(each: Combination, moments: Sequence[Moment]) -> dict[str, str | int | float]:
    """How long the mechanism takes to clear all books of the run."""
    mechanism = MECHANISMS[each.mechanism]
    books = [(m.offers.book, m.offers.price) for m in moments]
    took_s = []
    for _ in range(_TIMED):
        began_s = time.perf_counter()
        for book, price in books:
            if price is not None:
                mechanism(book, price)
        took_s.append(time.perf_counter() - began_s)
    return {
        "mechanism": each.mechanism,
        "pricing": each.pricing,
        "books": len(books),
        "solve_ms": round(median(took_s) * 1e3, 3),
    }


def _misreporting(
    sessions: pd.DataFrame,
    rules: LotRules,
    under: dict[Combination, Terms],
    liars: int,
    tell: Progress,
) -> pd.DataFrame:
    """What lies bring under each mechanism, at the first pricing that it is compared under."""
    first = {each.mechanism: each for each in reversed(under)}
    chosen = [each for each in under if first[each.mechanism] == each]
    rows: list[dict[str, str | int]] = []
    for n, each in enumerate(chosen):
        tell("misreporting", n, len(chosen))
        gains = list(
            gains_from_misreporting(
                sessions,
                rules=rules,
                terms=under[each],
                mechanism=MECHANISMS[each.mechanism],
                each_side=liars,
            )
        )
        rows += [
            _gained(each, report, side, gains) for report in REPORTS for side in ("buyer", "seller")
        ]
    tell("misreporting", len(chosen), len(chosen))
    return pd.DataFrame([row for row in rows if row["liars"]], columns=list(_MISREPORTING))


_MISREPORTING = (
    "mechanism",
    "pricing",
    "report",
    "side",
    "liars",
    "gainers",
    "mean_gain_ueur",
    "max_gain_ueur",
    "mean_welfare_loss_ueur",
)


def _gained(each: Combination, report: str, side: str, gains: list[Gain]) -> dict[str, str | int]:
    lies = [gain for gain in gains if (gain.report, gain.side) == (report, side)]
    some, lost = [lie.gain_ueur for lie in lies], [lie.welfare_loss_ueur for lie in lies]
    return {
        "mechanism": each.mechanism,
        "pricing": each.pricing,
        "report": report,
        "side": side,
        "liars": len(some),
        "gainers": sum(gain >= NOTICEABLE_UEUR for gain in some),
        "mean_gain_ueur": sum(some) // len(some) if some else 0,
        "max_gain_ueur": max(some, default=0),
        "mean_welfare_loss_ueur": sum(lost) // len(lost) if lost else 0,
    }
