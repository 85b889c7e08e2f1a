"""The main job: a real day in a parking lot becomes confirmed trades on a consortium chain.

Sessions -> lot -> market -> pending on chain -> each operator's own check -> confirmed -> power
flows -> settled -> books. `run_day` composes those rooms and adds nothing of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from trading.chain import Consortium, Network, open_network
from trading.data import ASSIGNMENTS, Sessions, load_sessions
from trading.data.select import Date
from trading.engine.consensus import (
    Consensus,
    ledger_summary,
    operator_table,
    operators_of,
    trades_summary,
)
from trading.engine.desk import SettlementDesk
from trading.engine.enrolment import LOT, Cast, found, pay_out
from trading.engine.result import DayResult
from trading.engine.scenarios import (
    SENSITIVITY_COLUMNS,
    compare,
    guarantee_scenarios,
    sensitivity,
)
from trading.errors import OptionError
from trading.lot import Lot, LotRules, LotRun, Stays, Terms, accounts_of, intervals_of, simulate_lot
from trading.lot.baselines import BASELINE_COLUMNS, baseline_table
from trading.market import (
    DEFAULT_MECHANISM,
    MECHANISMS,
    PRIORITIES,
    Mechanism,
    mechanism_named,
)
from trading.operators import OperatorNode

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""

GENESIS_MARGIN_S = 3_600
SECONDS_PER_ENROLMENT = 8
"""The embedded chain adds at least a second a block; a driver's enrolment takes at most 6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where sessions come from; every party loads its own copy through it.

    Attributes are those of `trading.data.load_sessions`.
    """

    path: Path
    format: str
    date: Date | None = None
    from_date: Date | None = None
    to_date: Date | None = None
    timezone: str | None = None
    assignment: str = "anchored-departure"

    def load(self, seed: int, *, assignment: str | None = None) -> Sessions:
        """Read the sessions anew from the file."""
        return load_sessions(
            self.path,
            format=self.format,
            seed=seed,
            date=self.date,
            from_date=self.from_date,
            to_date=self.to_date,
            timezone=self.timezone,
            assignment=assignment or self.assignment,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOptions:
    """Everything that decides a day's result besides its sessions.

    Attributes:
        rules: how the lot trades.
        terms: what things cost.
        mechanism: name of what matches each interval.
        consensus: who decides on trades.
        compare: whether to run the scenarios and the sensitivity that the report shows; without
            them the result's tables of these have no rows.
    """

    rules: LotRules = field(default_factory=LotRules)
    terms: Terms = field(default_factory=Terms)
    mechanism: str = DEFAULT_MECHANISM
    consensus: Consensus = field(default_factory=Consensus)
    compare: bool = True


def run_day(
    source: Source, options: DayOptions | None = None, *, progress: Progress | None = None
) -> DayResult:
    """Trade a day (or a range of days) from its sessions to the closed books.

    Args:
        source: the sessions.
        options: rules, prices, mechanism and consortium; the defaults are the demonstration's.
        progress: told how far each phase is.

    Raises:
        InputError: sessions or options cannot be used.
        LedgerError: the network cannot be reached or started, or the contract refused a batch.
    """
    options = options or DayOptions()
    tell = progress or silent
    mechanism = market_of(options)
    seed = options.rules.seed
    sessions = source.load(seed)
    stays = Stays(sessions.frame, options.rules)
    # A series that is too short is refused here, and not when all are on the chain.
    Lot(stays, options.terms)
    price = options.terms.peer_price(options.rules.guarantee, options.rules.efficiency)
    cast = Cast.demonstration(seed, operators=options.consensus.operators, stays=stays)

    with open_network(options.consensus.network, genesis_time=_genesis_s(stays, cast)) as network:
        enrolment = found(
            network,
            cast,
            stays=stays,
            terms=options.terms,
            price=price,
            is_posted=options.mechanism in PRIORITIES,
            quorum=options.consensus.quorum,
            progress=partial(tell, "enrolling drivers"),
        )
        nodes = operators_of(
            options.consensus,
            cast,
            enrolment,
            lambda: source.load(seed).frame,
            rules=options.rules,
            terms=options.terms,
            mechanism=options.mechanism,
        )
        desk = SettlementDesk(
            consortium=enrolment.consortium,
            engine=cast.engine,
            accounts=enrolment.accounts(),
            operators=nodes,
            stays=stays,
            terms=options.terms,
            lot=LOT,
            fault=options.consensus.engine_fault,
        )
        run = simulate_lot(
            sessions.frame,
            rules=options.rules,
            terms=options.terms,
            mechanism=mechanism,
            agree=desk.agree,
            progress=partial(tell, "trading the day"),
        )
        desk.close()
        wallets = pay_out(enrolment, cast.engine)
        trades, batches = desk.trades(), desk.batches()
        chain = enrolment.consortium.record()
        operators = operator_table(nodes, enrolment.consortium)
        gas_used = desk.gas_used + sum(node.gas_used for node in nodes)
        summary = _summary(run, options, enrolment.consortium, network, trades, gas_used)
    tell("comparing scenarios", 0, 2)
    variants = guarantee_scenarios(options.rules, options.terms) if options.compare else []
    scenarios = compare(sessions.frame, variants, mechanism)
    baselines = pd.DataFrame(columns=list(BASELINE_COLUMNS))
    if options.compare:
        baselines = baseline_table(run, label=options.mechanism)
    tell("comparing scenarios", 1, 2)
    is_inferred = bool((sessions.frame["soc_source"] == "inferred").any())
    spread = _sensitivity(source, options, is_inferred)
    tell("comparing scenarios", 2, 2)
    return DayResult(
        sessions=sessions,
        days=_days(source, sessions),
        run=run,
        accounts=accounts_of(run),
        trades=trades,
        chain=chain,
        batches=batches,
        operators=operators,
        rejections=_rejections(nodes),
        wallets=wallets,
        scenarios=scenarios,
        baselines=baselines,
        sensitivity=spread,
        summary=summary,
        assumptions=assumptions(options, source.assignment if is_inferred else None),
        network_note=_network_note(options.consensus, desk.tampered, len(batches)),
    )


def market_of(options: DayOptions) -> Mechanism:
    """The mechanism of the options.

    Raises:
        OptionError: there is none of that name, or it is an auction and limits do not count.
    """
    mechanism = mechanism_named(options.mechanism, among=MECHANISMS)
    if options.mechanism not in PRIORITIES and not options.terms.limits:
        expected = "one that posts its price, " + ", ".join(PRIORITIES)
        expected += ": an auction finds its price between floors and ceilings"
        raise OptionError("mechanism", options.mechanism, expected)
    if options.mechanism not in (*PRIORITIES, "bilateral"):
        for name in ("price", "pricing"):
            value = getattr(options.terms, name)
            if value is not None:
                expected = f"none beside {options.mechanism!r}, which finds its own price"
                raise OptionError(name, value, expected)
    return mechanism


def _days(source: Source, sessions: Sessions) -> tuple[dt.date, dt.date]:
    """The first and the last day that were asked for, or else of the arrivals."""
    arrivals = sessions.frame["arrival"].dt.tz_convert(sessions.zone).dt.date
    first = source.date or source.from_date or arrivals.min()
    last = source.date or source.to_date or arrivals.max()
    # What is no date, the selection of days has refused.
    return dt.date.fromisoformat(str(first)), dt.date.fromisoformat(str(last))


def _genesis_s(stays: Stays, cast: Cast) -> int:
    """A first block early enough for everyone to enrol before the first gate closes."""
    first = intervals_of(stays)[0]
    enrolment_s = SECONDS_PER_ENROLMENT * (len(cast.senders()) + len(cast.drivers))
    return first.gate_s - enrolment_s - GENESIS_MARGIN_S


def _summary(
    run: LotRun,
    options: DayOptions,
    consortium: Consortium,
    network: Network,
    trades: pd.DataFrame,
    gas_used: int,
) -> dict[str, int | str | float]:
    books = accounts_of(run)
    settled = trades[trades["status"] == "settled"]
    return {
        "energy_traded_wh": int(settled["energy_wh"].sum()),
        **trades_summary(trades),
        "blocked": run.blocked,
        "dust_wh": run.dust_wh,
        "missing_wh": books.missing_wh,
        "cost_grid_only_ueur": books.cost_grid_only_ueur,
        "cost_with_p2p_ueur": books.cost_ueur,
        "peak_grid_only_w": books.peak_grid_only_w,
        "peak_with_p2p_w": books.peak_with_p2p_w,
        **ledger_summary(consortium, network, trades=len(trades), gas_used=gas_used),
        "guarantee": options.rules.guarantee,
        "seed": options.rules.seed,
        "version": package_version(),
    }


def _sensitivity(source: Source, options: DayOptions, is_inferred: bool) -> pd.DataFrame:
    if not (is_inferred and options.compare):
        return pd.DataFrame(columns=list(SENSITIVITY_COLUMNS))
    return sensitivity(
        lambda assignment, seed: source.load(seed, assignment=assignment).frame,
        ASSIGNMENTS,
        rules=options.rules,
        terms=options.terms,
        mechanism=market_of(options),
    )


def _rejections(nodes: Sequence[OperatorNode]) -> pd.DataFrame:
    rows = [
        {"batch_id": verdict.batch_id, "operator": node.key.name, "reason": verdict.reason}
        for node in nodes
        for verdict in node.verdicts
        if verdict.vote == "rejected"
    ]
    return pd.DataFrame(rows, columns=["batch_id", "operator", "reason"])


def assumptions(options: DayOptions, assignment: str | None) -> tuple[str, ...]:
    """Every figure of ours that the source does not give, as sentences for the report."""
    rules, terms = options.rules, options.terms
    price = terms.peer_price(rules.guarantee, rules.efficiency)

    def per_kwh(ueur: int) -> str:
        return f"{ueur / 1e6:.4f} EUR/kWh"

    said = [
        f"Thresholds T_b = {rules.thresholds.buyer:g} and T_s = {rules.thresholds.seller:g}, the "
        "inner edges of the case study's ranges.",
        f"Market intervals of {rules.interval_s // 60} min; trades are agreed "
        f"{rules.gate_lead_s / 60:g} min before each begins.",
        f"Efficiency {rules.efficiency.charge_ppm / 1e6:g} charging and "
        f"{rules.efficiency.discharge_ppm / 1e6:g} discharging"
        + (", less at part load" if rules.efficiency.part_load else " at every power")
        + f"; the lot's cables lose {rules.site.cable_loss_ppm / 1e4:g} %.",
        f"Lot tariff {per_kwh(terms.lot_tariff) if terms.tariff is None else 'as below'}, "
        "replacement at home "
        f"{per_kwh(terms.replacement)}, battery wear {per_kwh(terms.wear)}, lot fee "
        f"{per_kwh(terms.lot_fee)}.",
        *_posted(options, per_kwh(price.buyer_ueur_per_kwh), per_kwh(price.seller_ueur_per_kwh)),
        f"Share of vehicles that can discharge: {rules.v2g_share:.0%}, drawn by seed and session.",
        f"Plans know {rules.departures} departures.",
        "Plans know what each session needs: the energy that it drew in the record.",
        f"Grid energy is drawn {DRAWN[rules.strategy]}; peers replace grid energy, never add to "
        "it; a buyer buys no more than its own need.",
        *_equipment(options),
        f"Trades under {rules.smallest_trade_wh} Wh are left to the grid.",
    ]
    if assignment is not None:
        said.append(
            f"Battery capacity and state of charge are inferred by the rule {assignment!r}; "
            "the energy each session drew is real and reproduced exactly."
        )
    return tuple(said)


def _posted(options: DayOptions, buyer: str, seller: str) -> list[str]:
    """What is paid for a trade, as far as it is known before."""
    terms = options.terms
    if options.mechanism not in PRIORITIES:
        return [f"The market is {options.mechanism!r}; prices are its own."]
    if terms.pricing is not None or (terms.tariff is not None and terms.price is None):
        return ["The posted price is that of each interval."]
    return [f"Posted price: buyers pay {buyer}, sellers get {seller}."]


DRAWN = {
    "at-once": "at once",
    "latest": "as late as plans allow",
    "cheapest": "in the cheapest intervals of each stay",
}


def _equipment(options: DayOptions) -> list[str]:
    """What is assumed of batteries near full, of the lot's equipment and of changing prices."""
    rules, terms, site = options.rules, options.terms, options.rules.site
    said = []
    if rules.acceptance is not None:
        said.append(
            f"Batteries take {rules.acceptance.most_permille / 1000:g} times their capacity an "
            f"hour up to {rules.acceptance.knee_permille / 10:g} %, then less and less, down to "
            f"{rules.acceptance.least_permille / 1000:g} times."
        )
    if rules.reserve_soc:
        said.append(f"No seller goes below {rules.reserve_soc:.0%}, whatever its owner allows.")
    if rules.v2g_cap_wh is not None:
        said.append(f"No seller sells more than {rules.v2g_cap_wh / 1000:g} kWh in its stay.")
    if site.connection_w is not None:
        said.append(
            f"The connection carries {site.connection_w / 1000:g} kW, of which up to "
            f"{site.background_w.highest / 1000:g} kW are other load; whoever could least make up "
            "for it is cut last."
        )
    if site.pv_w.highest:
        said.append(
            f"The roof gives up to {site.pv_w.highest / 1000:g} kW; drivers pay the tariff for it."
        )
    if terms.tariff is not None:
        said.append(
            f"The tariff changes in time, from {terms.tariff.lowest / 1e6:.4f} to "
            f"{terms.tariff.highest / 1e6:.4f} EUR/kWh."
        )
    if terms.pricing is not None:
        said.append(f"The price of each interval follows the scheme {terms.pricing!r}.")
    if terms.replacement_spread:
        said.append(
            f"Drivers' prices at home differ by up to {terms.replacement_spread:.0%}, drawn by "
            "seed and session."
        )
    return said


def _network_note(consensus: Consensus, tampered: int, batches: int) -> str:
    where = {
        "embedded": "an Ethereum chain inside this process (eth-tester with py-evm)",
        "anvil": "a local anvil node started for this run",
    }.get(consensus.network, f"the node at {consensus.network}")
    note = (
        f"Contract, transactions and votes are real, on {where}. Simulated: chargers, meters, "
        "batteries, drivers' wallets and the demonstration euro."
    )
    if consensus.engine_fault is None:
        return note
    lies = f"into {tampered} of {batches} batches" if tampered else "into none, for lack of room"
    return f"{note} The engine, told to slip a wrong {consensus.engine_fault} in, did so {lies}."


def package_version() -> str:
    """The installed version of peercharge."""
    try:
        return version("peercharge")
    except PackageNotFoundError:
        return "0+checkout"


def silent(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""
