"""What a report says in words: title, headline and remarks, each computed from the result.

A lower load from the grid is never said without the energy that is missing at departure.
"""

from __future__ import annotations

import datetime as dt

from trading.engine import DayResult
from trading.lot import LotRules, Terms
from trading.lot.baselines import V1G
from trading.reports.comparison import NO_LIMITS, compared
from trading.reports.numbers import count, energy, money, percent, power, price, things
from trading.units import UEUR_PER_EUR, WH_PER_KWH

NAMED_DAYS = 5
_DEFAULT_RULES = LotRules()
_DEFAULT_TERMS = Terms()


def day_of(result: DayResult) -> str:
    """The site's local day, or days, that were asked for: 'Tuesday 29 October 2019'.

    Days without sessions are named, as many as a title has room for.
    """
    first, last = result.days
    if first == last:
        return f"{first:%A} {first.day} {first:%B %Y}"
    same_year = first.year == last.year
    begin = f"{first.day} {first:%B}" if same_year else f"{first.day} {first:%B %Y}"
    return f"{begin} to {last.day} {last:%B %Y}{_without_sessions(result)}"


def _without_sessions(result: DayResult) -> str:
    first, last = result.days
    arrivals = result.sessions.frame["arrival"].dt.tz_convert(result.sessions.zone).dt.date
    every = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    empty = sorted(set(every) - set(arrivals))
    if not empty:
        return ""
    names = [f"{day.day} {day:%B}" for day in empty[:NAMED_DAYS]]
    more = len(empty) - len(names)
    if more:
        names.append(f"{things(more, 'day')} more")
    last_name = f" and {names[-1]}" if len(names) > 1 else names[0]
    return f" (no sessions on {', '.join(names[:-1])}{last_name})"


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


def beyond_line(result: DayResult) -> str:
    """What the run is worth beyond the best charging without discharge; empty if not compared."""
    table = result.baselines
    best = table[table["label"] == V1G]
    if best.empty:
        return ""
    best_ueur, best_w = int(best["cost_ueur"].iloc[0]), int(best["peak_w"].iloc[0])
    own_ueur, own_w = int(table["cost_ueur"].iloc[-1]), int(table["peak_w"].iloc[-1])
    saved, higher = best_ueur - own_ueur, own_w - best_w
    peak = "above" if higher > 0 else "below" if higher < 0 else "the same as"
    return (
        f"Beyond smart charging without discharge (V1G, all departures known), drivers pay "
        f"{money(abs(saved))} EUR {'less' if saved >= 0 else 'more'}; the peak of "
        f"{power(own_w)} kW is {peak} V1G's {power(best_w)} kW."
    )


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
    stays, rules = run.stays, run.stays.rules
    if len(trades):
        counts = trades["status"].value_counts()
        ends = ", ".join(f"{count(int(counts[name]))} {name}" for name in sorted(counts.index))
        return f"of {things(len(trades), 'trade')} submitted none was settled ({ends})"
    if run.blocked:
        return (
            f"{things(run.blocked, 'trade')} of {energy(run.blocked_wh)} kWh in all would be "
            f"possible, but no rational driver makes them: {_broken_limits(result)}"
        )
    if run.dust_wh and _costs_nothing(result):
        return (
            f"at {_exact_price(run.price.buyer_ueur_per_kwh)} EUR/kWh the cost of each trade that "
            "was possible rounds to nothing, and the ledger takes no trade without a cost"
        )
    if run.dust_wh:
        return (
            f"each trade that was possible is smaller than the {count(rules.smallest_trade_wh)} Wh "
            "of `--smallest-trade`"
        )
    if not stays.is_buyer.any():
        return f"no vehicle came with {percent(rules.thresholds.buyer)} charge or less"
    if not stays.bid_cap_wh.any():
        return "no vehicle that may buy needed any energy"
    if not stays.is_seller.any():
        return (
            f"no vehicle that can discharge came with {percent(rules.thresholds.seller)} "
            "charge or more"
        )
    if not stays.ask_cap_wh.any():
        return "no vehicle that may sell had anything above what it keeps"
    to_charge = "what it needs" if rules.guarantee == "consent" else "what it needs and sells"
    return (
        "buyers and sellers with something to trade, and sellers with the time left to charge "
        f"{to_charge}, were never there at the same time"
    )


def _broken_limits(result: DayResult) -> str:
    """Which of the posted prices lies outside whose limit, and by what."""
    run = result.run
    floor = run.terms.floor(run.stays.rules.guarantee, run.stays.rules.efficiency)
    ceiling, fee = run.terms.ceiling(), run.terms.lot_fee
    buyer, seller = run.price.buyer_ueur_per_kwh, run.price.seller_ueur_per_kwh
    broken = []
    if seller < floor:
        after = f", what the lot's fee of {price(fee)} leaves of {price(buyer)}," if fee else ""
        broken.append(
            f"the seller's price of {price(seller)} EUR/kWh{after} is below its floor of "
            f"{price(floor)} EUR/kWh"
        )
    if buyer > ceiling:
        broken.append(
            f"the buyer's price of {price(buyer)} EUR/kWh is above its ceiling of "
            f"{price(ceiling)} EUR/kWh"
        )
    return " and ".join(broken) + _no_price_at_all(floor, fee, ceiling)


def _no_price_at_all(floor: int, fee: int, ceiling: int) -> str:
    if floor + fee <= ceiling:
        return ""
    least = "floor and fee together are" if fee else "the floor is"
    return (
        f"; no price would do: {least} {price(floor + fee)}, the ceiling {price(ceiling)} EUR/kWh"
    )


def _costs_nothing(result: DayResult) -> bool:
    """Whether a trade just large enough for the lot costs less than a micro-euro."""
    smallest_wh = result.run.stays.rules.smallest_trade_wh
    return smallest_wh * result.run.price.buyer_ueur_per_kwh < WH_PER_KWH


def _exact_price(ueur_per_kwh: int) -> str:
    return f"{ueur_per_kwh / UEUR_PER_EUR:.6f}".rstrip("0").rstrip(".")


def table_remarks(result: DayResult) -> list[str]:
    """What has to be read with the comparison."""
    rows, terms = compared(result), result.run.terms
    remarks = [_no_rational_trade(result), _broken_promise(result)]
    if any(row.missing_wh for row in rows):
        remarks.append(
            "Missing energy is battery content short of the driver's need at departure. Its "
            f"replacement is bought at {price(terms.replacement)} EUR/kWh at home and is part of "
            "the drivers' cost and of the sellers' gain."
        )
    remarks += [_mostly_dust(result), _beside_the_chain(result)]
    return [remark for remark in remarks if remark]


def _no_rational_trade(result: DayResult) -> str:
    """That `whole` has no price between floor and ceiling; empty where it has one."""
    rows, terms = compared(result), result.run.terms
    floor = terms.floor("whole", result.run.stays.rules.efficiency)
    whole = [row for row in rows if row.name == "whole"]
    is_apart = floor + terms.lot_fee > terms.ceiling()
    if not (terms.limits and is_apart) or any(row.trades for row in whole):
        return ""
    free = max((row for row in rows if row.name == NO_LIMITS), key=lambda row: row.peers_wh)
    fee = f" and the lot's fee of {price(terms.lot_fee)} EUR/kWh" if terms.lot_fee else ""
    return (
        "Here `whole` has no rational trade: what a seller gives is reckoned to be bought back "
        f"at the lot's highest tariff, so its floor of {price(floor)} EUR/kWh{fee} lies above the "
        f"buyer's ceiling of {price(terms.ceiling())} EUR/kWh. The row without limits shows the "
        f"physical potential, up to {energy(free.peers_wh)} kWh, which somebody would have to pay "
        "for."
    )


def _broken_promise(result: DayResult) -> str:
    """What `whole` left missing because plans did not know when drivers leave; else empty."""
    rows = compared(result)
    alone_wh = max(row.missing_wh for row in rows if row.v2g_share is None) if rows else 0
    short = [
        f"{count(row.missing_wh)} Wh ({row.label})"
        for row in rows
        if row.name.startswith("whole") and row.missing_wh > alone_wh
    ]
    if not short:
        return ""
    return (
        "`whole` promises that nobody leaves with less, as far as departures are as planned. "
        f"Plans knew {result.run.stays.rules.departures} departures, and because drivers left "
        f"before, this is missing nevertheless: {', '.join(short)}; without trading "
        f"{count(alone_wh)} Wh."
    )


def _mostly_dust(result: DayResult) -> str:
    """That more was too small to trade than was traded; empty where it was not."""
    run = result.run
    if run.dust_wh <= result.accounts.energy.buyers_wh or _costs_nothing(result):
        return ""
    smallest, minutes = run.stays.rules.smallest_trade_wh, run.stays.rules.interval_s / 60
    return (
        f"Buyers drew {energy(run.dust_wh)} kWh from the grid because the trades for it were "
        f"smaller than {count(smallest)} Wh, more than was traded. Short intervals cut trades "
        f"small, and these have {minutes:g} min: `--smallest-trade` lets smaller ones pass, "
        "`--interval` makes larger ones."
    )


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
    first, last = result.days
    days = f"--date {first}" if first == last else f"--from {first} --to {last}"
    words = ["peercharge simulate SESSIONS --format FORMAT --out DIR", days]
    words += [f"--timezone {result.sessions.zone}", f"--network {result.summary['network']}"]
    words += [f"--seed {rules.seed}", f"--operators {len(result.operators)}"]
    if rules.interval_s != _DEFAULT_RULES.interval_s:
        words.append(f"--interval {rules.interval_s // 60}min")
    if rules.smallest_trade_wh != _DEFAULT_RULES.smallest_trade_wh:
        words.append(f"--smallest-trade {rules.smallest_trade_wh}")
    words += [
        f"--{name.replace('_', '-')} {getattr(rules, name)}"
        for name in ("guarantee", "v2g_share", "departures")
        if getattr(rules, name) != getattr(_DEFAULT_RULES, name)
    ]
    names = {"lot_tariff": "lot-tariff", "replacement": "replacement-price", "wear": "wear"}
    names["lot_fee"] = "lot-fee"
    words += [
        f"--{option} {getattr(terms, name) / 1e6:g}"
        for name, option in {**names, "price": "price"}.items()
        if getattr(terms, name) != getattr(_DEFAULT_TERMS, name)
    ]
    words += ["--no-limits"] * (not terms.limits)
    return " ".join(words)


def _moved(saved: int) -> str:
    return "lowered" if saved > 0 else "raised" if saved < 0 else "left unchanged"


def _off(gain_ueur: int) -> str:
    return f"{money(abs(gain_ueur))} EUR {'worse' if gain_ueur < 0 else 'better'} off"
