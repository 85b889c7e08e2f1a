"""The source's case study: a made-up fleet, the bare equations, and a consortium that confirms.

Roles, energies, trades and costs are Equations (1) to (5) of FLOW D5.5 section 2.2.4 as they were
reconstructed, without losses, power or time. So that lot, operators and ledger serve unchanged, the
fleet stands for one market interval at chargers that move everything in it, without losses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from trading.chain import open_network
from trading.engine.case_claims import claims_of
from trading.engine.case_fleet import (
    BUYERS_SOC,
    CAPACITIES_KWH,
    SELLERS_SOC,
    CaseStudyOptions,
    fleet_of,
    sessions_of,
)
from trading.engine.case_load import load_over_time
from trading.engine.case_truth import truth_table
from trading.engine.consensus import (
    ledger_summary,
    operator_table,
    operators_of,
    trades_summary,
)
from trading.engine.day import (
    GENESIS_MARGIN_S,
    SECONDS_PER_ENROLMENT,
    Progress,
    package_version,
    silent,
)
from trading.engine.desk import SettlementDesk
from trading.engine.enrolment import LOT, Cast, found, pay_out
from trading.fleet import roles
from trading.lot import Accounts, LotRun, Stays, accounts_of, simulate_lot
from trading.market import mechanism_named
from trading.tables import UTC_TIME

TRANSACTION_COLUMNS = (
    "batch_id",
    "buyer_id",
    "trades",
    "energy_wh",
    "cost_ueur",
    "pending_block",
    "pending_at",
    "confirmations",
    "confirmed_block",
    "confirmed_at",
    "settled_block",
    "settled_at",
    "status",
)
"""One row a buyer's transaction; blocks are 0 and times empty for what did not happen."""

LEAD_MARGIN_S = 600
MAX_LEAD_S = 80_000
"""The contract lets a batch wait a day for its votes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseStudyResult:
    """The case study's result; tables have the columns of the files that they are written to.

    Attributes:
        options: what decided it.
        fleet: FLEET table.
        roles: ROLES table, Equations (1) to (3).
        run: the one interval in the lot.
        accounts: its closed books.
        trades: `TRADE_COLUMNS`, Equations (4) and (5), with what became of each on chain.
        transactions: one row a buyer's batch: `TRANSACTION_COLUMNS`.
        chain: every event of the contract.
        operators: a row an operator, with its votes.
        wallets: what everyone deposited and withdrew.
        load: load over time at the assumed charger power.
        claims: the claims with their numbers, and what stands beside them.
        truth_table: which claim holds under which assumption.
        summary: `summary.json`.
        assumptions: sentences: every figure of ours that the source does not give.
    """

    options: CaseStudyOptions
    fleet: pd.DataFrame
    roles: pd.DataFrame
    run: LotRun
    accounts: Accounts
    trades: pd.DataFrame
    transactions: pd.DataFrame
    chain: pd.DataFrame
    operators: pd.DataFrame
    wallets: pd.DataFrame
    load: pd.DataFrame
    claims: pd.DataFrame
    truth_table: pd.DataFrame
    summary: dict[str, int | str | float]
    assumptions: tuple[str, ...]


def run_case_study(
    options: CaseStudyOptions | None = None, *, progress: Progress | None = None
) -> CaseStudyResult:
    """Run the case study from the draws to the settled trades and the claims.

    Args:
        options: what the source leaves open; the defaults are our assumptions.
        progress: told how far each phase is.

    Raises:
        LedgerError: the network cannot be reached or started, or the contract refused a batch.
    """
    options = options or CaseStudyOptions()
    tell = progress or silent
    rules, terms = options.rules(), options.terms()
    fleet = _fleet(options)
    sessions = sessions_of(fleet, options)
    # The bare equations know no time: vehicles are there from the interval's start, and draw
    # nothing before it. Their orders reach the consortium ahead, so that votes end in time.
    booked = Stays(sessions, replace(rules, gate_lead_s=_lead_s(options)))
    cast = Cast.demonstration(options.seed, operators=options.consensus.operators, stays=booked)
    with open_network(options.consensus.network, genesis_time=_genesis_s(options, cast)) as network:
        enrolment = found(
            network,
            cast,
            stays=booked,
            terms=terms,
            price=terms.peer_price(rules.guarantee, rules.efficiency),
            quorum=options.consensus.quorum,
            progress=partial(tell, "enrolling drivers"),
        )
        nodes = operators_of(
            options.consensus,
            cast,
            enrolment,
            lambda: sessions_of(_fleet(options), options),
            rules=rules,
            terms=terms,
            # As in the source's figure 7: each operator sends its own confirmation.
            manner="direct",
        )
        desk = SettlementDesk(
            consortium=enrolment.consortium,
            engine=cast.engine,
            accounts=enrolment.accounts(),
            operators=nodes,
            stays=booked,
            terms=terms,
            lot=LOT,
            fault=options.consensus.engine_fault,
        )
        tell("trading on chain", 0, 1)
        run = simulate_lot(
            sessions,
            rules=rules,
            terms=terms,
            mechanism=mechanism_named(options.mechanism, option="priority"),
            agree=desk.agree_by_buyer,
        )
        desk.close()
        tell("trading on chain", 1, 1)
        wallets = pay_out(enrolment, cast.engine)
        trades, chain = desk.trades(), enrolment.consortium.record()
        operators = operator_table(nodes, enrolment.consortium)
        gas_used = desk.gas_used + sum(node.gas_used for node in nodes)
        ledger = trades_summary(trades) | ledger_summary(
            enrolment.consortium, network, trades=len(trades), gas_used=gas_used
        )
    tell("comparing assumptions", 0, 1)
    books, load = accounts_of(run), load_over_time(run, options.chargers)
    claims, truths = claims_of(options, run, books, load), truth_table(options)
    tell("comparing assumptions", 1, 1)
    return CaseStudyResult(
        options=options,
        fleet=fleet,
        roles=_roles(fleet, options),
        run=run,
        accounts=books,
        trades=trades,
        transactions=transactions_of(trades, chain),
        chain=chain,
        operators=operators,
        wallets=wallets,
        load=load,
        claims=claims,
        truth_table=truths,
        summary=_summary(options, run, claims, ledger),
        assumptions=assumptions(options),
    )


def transactions_of(trades: pd.DataFrame, chain: pd.DataFrame) -> pd.DataFrame:
    """Each buyer's batch as the chain tells it: when it was pending, confirmed and settled.

    Args:
        trades: `TRADE_COLUMNS`; a batch holds the trades of one buyer.
        chain: events of the contract.

    Returns:
        Columns `TRANSACTION_COLUMNS`, in the order in which batches were submitted.
    """
    table = (
        trades.groupby("batch_id", sort=False)
        .agg(
            buyer_id=("buyer_id", "first"),
            trades=("trade_id", "size"),
            energy_wh=("energy_wh", "sum"),
            cost_ueur=("cost_ueur", "sum"),
            status=("status", "first"),
        )
        .reset_index()
    )
    votes = chain.loc[chain["event"] == "BatchConfirmedBy", "batch_id"].value_counts()
    table["confirmations"] = table["batch_id"].map(votes).fillna(0).astype("int64")
    for name, event in (
        ("pending", "BatchSubmitted"),
        ("confirmed", "BatchConfirmed"),
        ("settled", "BatchSettled"),
    ):
        happened = chain[chain["event"] == event].set_index("batch_id")
        happened = happened.reindex(table["batch_id"]).reset_index()
        table[f"{name}_block"] = happened["block"].fillna(0).astype("int64")
        table[f"{name}_at"] = happened["time"].astype(UTC_TIME)
    return table[list(TRANSACTION_COLUMNS)]


def _fleet(options: CaseStudyOptions) -> pd.DataFrame:
    return fleet_of(buyers=options.buyers, sellers=options.sellers, seed=options.seed)


def _roles(fleet: pd.DataFrame, options: CaseStudyOptions) -> pd.DataFrame:
    return roles(
        fleet,
        buyer_threshold=options.thresholds.buyer,
        seller_threshold=options.thresholds.seller,
        strict=options.thresholds.strict,
    )


def _lead_s(options: CaseStudyOptions) -> int:
    """How long before the interval buyers submit: a second for each transaction, twice."""
    transactions = options.buyers * (options.consensus.operators + 1)
    return min(LEAD_MARGIN_S + 2 * transactions, MAX_LEAD_S)


def _genesis_s(options: CaseStudyOptions, cast: Cast) -> int:
    enrolment_s = SECONDS_PER_ENROLMENT * (len(cast.senders()) + len(cast.drivers))
    before_s = _lead_s(options) + enrolment_s + GENESIS_MARGIN_S
    return int(options.start.timestamp()) - before_s


def _summary(
    options: CaseStudyOptions,
    run: LotRun,
    claims: pd.DataFrame,
    ledger: dict[str, int | str | float],
) -> dict[str, int | str | float]:
    by_key = claims.set_index("key")
    without, with_p2p = by_key["without_p2p"], by_key["with_p2p"]
    beside = (
        "required_wh",
        "available_wh",
        "supply_to_demand",
        "missing_wh",
        "grid_with_refill_wh",
        "earned_ueur",
        "replacement_ueur",
        "sellers_gain_ueur",
    )
    return {
        "buyers": int(run.stays.is_buyer.sum()),
        "sellers": int(run.stays.is_seller.sum()),
        "energy_traded_wh": with_p2p["traded_wh"],
        "grid_only_wh": without["grid_wh"],
        "with_p2p_wh": with_p2p["grid_wh"],
        "peak_grid_only_w": without["peak_w"],
        "peak_with_p2p_w": with_p2p["peak_w"],
        "buyers_cost_grid_only_ueur": without["buyers_cost_ueur"],
        "buyers_cost_with_p2p_ueur": with_p2p["buyers_cost_ueur"],
        **{key: with_p2p[key] for key in beside},
        **ledger,
        "price_ueur_per_kwh": options.price,
        "grid_tariff_ueur_per_kwh": options.grid_tariff,
        "mechanism": options.mechanism,
        "operators": options.consensus.operators,
        "quorum": options.consensus.quorum,
        "seed": options.seed,
        "version": package_version(),
    }


def assumptions(options: CaseStudyOptions) -> tuple[str, ...]:
    """Every figure of ours that the source does not give, as sentences for the report."""

    def per_kwh(ueur: int) -> str:
        return f"{ueur / 1e6:g} EUR/kWh"

    def percents(ends: tuple[float, float]) -> str:
        return f"from {ends[0] * 100:g} to {ends[1] * 100:g} %"

    capacities = ", ".join(f"{capacity:g}" for capacity in CAPACITIES_KWH)
    chargers, limits = options.chargers, options.thresholds
    return (
        "The form of Equations (1) to (5) is a reconstruction: the source prints them as images, "
        "and only its list of symbols survives.",
        f"Number of vehicles: {options.buyers} drawn from the buyers' range and {options.sellers} "
        "from the sellers'. The source gives none.",
        f"Draws: each capacity of {capacities} kWh is as likely as the others; state of charge is "
        f"uniform {percents(BUYERS_SOC)} and {percents(SELLERS_SOC)}, to a tenth of a percent, "
        f"seed {options.seed}. The source gives values and ranges, no distribution.",
        f"Thresholds T_b = {limits.buyer:g} and T_s = {limits.seller:g}, the inner edges of those "
        "ranges.",
        f"Price P = {per_kwh(options.price)}, the same for buyer and seller.",
        f"Grid tariff {per_kwh(options.grid_tariff)}, the same at all times.",
        f"Sellers replace what they sold at home at {per_kwh(options.replacement)}; wear of "
        f"{per_kwh(options.wear)} is counted only where a row says so.",
        f"Equation (4) is walked by the mechanism `{options.mechanism}`; the source states no "
        "order.",
        f"Chargers of {chargers.power_w / 1e3:g} kW in both directions, load in steps of "
        f"{chargers.step_s / 60:g} min; all plug in at {options.start:%H:%M} UTC on "
        f"{options.start:%Y-%m-%d} and charge at once, {chargers.order}. They shape the load over "
        "time and its peak, and nothing else.",
        "On chain the trades belong to one interval of an hour from that time, and are submitted "
        "and confirmed before it. The bare equations have no time.",
        f"{options.consensus.operators} operators, of which {options.consensus.quorum} have to "
        "confirm; each buyer's trades are one transaction.",
    )
