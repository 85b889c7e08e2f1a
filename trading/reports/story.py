"""What a report says in words: title, headline and remarks, each computed from the result.

A lower load from the grid is never said without the energy that is missing at departure.
"""

from __future__ import annotations

import datetime as dt

from trading.engine import DayResult
from trading.lot import LotRules, Terms
from trading.reports.comparison import NO_LIMITS, compared
from trading.reports.numbers import count, energy, money, percent, power, price, things

_DEFAULT_RULES = LotRules()
_DEFAULT_TERMS = Terms()


def day_of(result: DayResult) -> str:
    """The site's local day, or days, on which the stays arrive: 'Tuesday 29 October 2019'."""
    first, last = _local_days(result)
    if first == last:
        return f"{first:%A} {first.day} {first:%B %Y}"
    same_year = first.year == last.year
    begin = f"{first.day} {first:%B}" if same_year else f"{first.day} {first:%B %Y}"
    return f"{begin} to {last.day} {last:%B %Y}"


def site_of(result: DayResult, site: str = "") -> str:
    """The site's name; without one, where its clock stands."""
    area, _, city = result.sessions.zone.rpartition("/")
    return site or (f"a parking lot in {city.replace('_', ' ')}" if area else "a parking lot")


def headline(result: DayResult) -> str:
    """The day in one sentence: grid and peak, and in the same breath what is missing."""
    books, run = result.accounts, result.run
    alone, drawn = int(run.grid_only_wh.sum()), books.energy.grid_wh
    missing = f"{energy(books.missing_wh)} kWh were missing from batteries at departure"
    if not books.energy.buyers_wh:
        return (
            f"No energy changed hands: {why_nothing(result)}. The grid delivered all "
            f"{energy(drawn)} kWh with a peak of {power(books.peak_with_p2p_w)} kW, and {missing}."
        )
    share = f" ({percent(abs(alone - drawn) / alone, 1)})" if alone else ""
    before, after = power(books.peak_grid_only_w), power(books.peak_with_p2p_w)
    peak = (
        f"left its peak at {after} kW"
        if before == after
        else f"{_moved(books.peak_grid_only_w - books.peak_with_p2p_w)} its peak from {before} to "
        f"{after} kW"
    )
    return (
        f"Trading {energy(books.energy.buyers_wh)} kWh among peers {_moved(alone - drawn)} the "
        f"energy from the grid by {energy(abs(alone - drawn))} kWh{share} and {peak}, while "
        f"{missing} ({energy(books.missing_grid_only_wh)} kWh without trading), which costs "
        f"{money(books.replacement_ueur)} EUR to replace."
    )


def second_line(result: DayResult) -> str:
    """Who gained: the sentence after the headline."""
    books = result.accounts
    said = (
        f"Replacement and wear included, all drivers together pay {money(books.cost_ueur)} EUR; "
        f"without trading they pay {money(books.cost_grid_only_ueur)} EUR."
    )
    if books.energy.buyers_wh:
        buyers, sellers = _off(books.buyers_gain_ueur), _off(books.sellers_gain_ueur)
        said += f" Buyers are {buyers} and sellers {sellers}."
    return said


def range_line(result: DayResult) -> str:
    """How far the energy traded depends on what was inferred; empty where nothing was."""
    table = result.sensitivity
    if table.empty:
        return ""
    low, high = int(table["peers_wh_low"].min()), int(table["peers_wh_high"].max())
    return (
        "State of charge is inferred, not measured: under other assignment rules and seeds the "
        f"same day trades between {energy(low)} and {energy(high)} kWh."
    )


def peak_line(result: DayResult) -> str:
    """Under which assignment rules trading raises the mean peak; empty where under none."""
    table = result.sensitivity
    raised = table[table["peak_w_mean"] > table["grid_only_peak_w_mean"]]["assignment"]
    if raised.empty:
        return ""
    return f"Under {', '.join(raised)} the mean peak is higher with peers than without."


def why_nothing(result: DayResult) -> str:
    """Why a day without energy from peers is one."""
    run, trades = result.run, result.trades
    stays, terms = run.stays, run.terms
    if len(trades):
        counts = trades["status"].value_counts()
        ends = ", ".join(f"{count(int(counts[name]))} {name}" for name in sorted(counts.index))
        return f"of {things(len(trades), 'trade')} submitted none was settled ({ends})"
    if run.blocked:
        floor = terms.floor(stays.rules.guarantee, stays.rules.efficiency)
        return (
            f"{things(run.blocked, 'trade')} were possible, but no rational driver makes them: the "
            f"seller's floor is {price(floor)} EUR/kWh, the buyer's ceiling "
            f"{price(terms.ceiling())} EUR/kWh"
        )
    if not stays.is_buyer.any():
        return f"no vehicle came with {percent(stays.rules.thresholds.buyer)} charge or less"
    if not stays.is_seller.any():
        return (
            f"no vehicle that can discharge came with {percent(stays.rules.thresholds.seller)} "
            "charge or more"
        )
    return "buyers and sellers with something to trade were never there at the same time"


def table_remarks(result: DayResult) -> list[str]:
    """What has to be read with the comparison."""
    rows, terms, rules = compared(result), result.run.terms, result.run.stays.rules
    remarks = []
    whole = [row for row in rows if row.name == "whole"]
    floor = terms.floor("whole", rules.efficiency)
    if terms.limits and floor > terms.ceiling() and not any(row.trades for row in whole):
        free = max((row for row in rows if row.name == NO_LIMITS), key=lambda row: row.peers_wh)
        remarks.append(
            "Under this flat tariff `whole` has no rational trade: what a seller gives is bought "
            f"back at the lot's own tariff, so its floor of {price(floor)} EUR/kWh lies above the "
            f"buyer's ceiling of {price(terms.ceiling())} EUR/kWh. The row without limits shows "
            f"the physical potential, up to {energy(free.peers_wh)} kWh, which somebody would have "
            "to pay for."
        )
    if any(row.missing_wh for row in rows):
        remarks.append(
            "Missing energy is battery content short of the driver's need at departure. Its "
            f"replacement is bought at {price(terms.replacement)} EUR/kWh at home and is part of "
            "the drivers' cost and of the sellers' gain."
        )
    remarks.append(_beside_the_chain(result))
    return [remark for remark in remarks if remark]


def _beside_the_chain(result: DayResult) -> str:
    """How the run on chain compares with the row of the comparison that has its settings."""
    run = next((row for row in compared(result) if row.is_this_run), None)
    if run is None:
        return "This run's own settings are not among the rows."
    if not len(result.trades) and not run.trades:
        return "The marked row is this run; there was nothing to agree to on chain."
    if run.peers_wh and not result.trades["status"].ne("settled").any():
        return "The marked row is this run; on chain every trade was confirmed and settled."
    return (
        "The marked row is what happened in this run, in which not every trade was confirmed; the "
        "row above it has the same settings and honest operators."
    )


def command_of(result: DayResult) -> str:
    """The command that repeats the run, as far as its result knows; file and format are the user's.

    Options at their defaults are left out.
    """
    rules, terms = result.run.stays.rules, result.run.terms
    first, last = _local_days(result)
    days = f"--date {first}" if first == last else f"--from {first} --to {last}"
    words = ["peercharge simulate SESSIONS --format FORMAT --out DIR", days]
    words += [f"--timezone {result.sessions.zone}", f"--network {result.summary['network']}"]
    words += [f"--seed {rules.seed}", f"--operators {len(result.operators)}"]
    if rules.interval_s != _DEFAULT_RULES.interval_s:
        words.append(f"--interval {rules.interval_s // 60}min")
    words += [
        f"--{name.replace('_', '-')} {getattr(rules, name)}"
        for name in ("guarantee", "v2g_share", "departures")
        if getattr(rules, name) != getattr(_DEFAULT_RULES, name)
    ]
    names = {"lot_tariff": "lot-tariff", "replacement": "replacement-price", "wear": "wear"}
    words += [
        f"--{option} {getattr(terms, name) / 1e6:g}"
        for name, option in {**names, "price": "price"}.items()
        if getattr(terms, name) != getattr(_DEFAULT_TERMS, name)
    ]
    words += ["--no-limits"] * (not terms.limits)
    return " ".join(words)


def _local_days(result: DayResult) -> tuple[dt.date, dt.date]:
    arrivals = result.sessions.frame["arrival"].dt.tz_convert(result.sessions.zone)
    return arrivals.min().date(), arrivals.max().date()


def _moved(saved: int) -> str:
    return "lowered" if saved > 0 else "raised" if saved < 0 else "left unchanged"


def _off(gain_ueur: int) -> str:
    return f"{money(abs(gain_ueur))} EUR {'worse' if gain_ueur < 0 else 'better'} off"
