"""Days of trading for the tests of reports: the lot is real, the chain's tables are made up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd

from trading.data import Sessions, load_sessions, sample_path
from trading.engine.result import CHAIN_COLUMNS, OPERATOR_COLUMNS, TRADE_COLUMNS, DayResult
from trading.engine.scenarios import SENSITIVITY_COLUMNS, compare, guarantee_scenarios, sensitivity
from trading.lot import Accounts, LotRules, LotRun, Terms, accounts_of, simulate_lot
from trading.lot.baselines import BASELINE_COLUMNS
from trading.market import MECHANISMS

MECHANISM = MECHANISMS["pro-rata"]
OPERATORS = ("alpha", "bravo", "charlie", "delta")
Verdict = Callable[[int], str]
"""Number of the batch -> its final status."""


def sample_sessions(**dates: str) -> Sessions:
    return load_sessions(sample_path(), format="acn", **(dates or {"date": "2019-10-29"}))


def one_stay(*, minutes: int = 8, need_wh: int = 800, soc: float = 0.5) -> Sessions:
    """A lot of one stay, shorter than an interval unless told otherwise."""
    start = pd.Timestamp("2024-02-29T11:02:00Z").as_unit("us")
    frame = pd.DataFrame(
        {
            "session_id": ["only"],
            "arrival": [start],
            "departure": [start + pd.Timedelta(minutes=minutes)],
            "estimated_departure": pd.Series([pd.NaT], dtype="datetime64[us, UTC]"),
            "battery_capacity_wh": [40_000],
            "soc_arrival": [soc],
            "soc_source": ["charger"],
            "need_wh": [need_wh],
            "charge_power_w": [6_656],
            "discharge_power_w": [6_656],
            "reserve_soc": [0.2],
        }
    )
    return Sessions(frame=frame, zone="UTC", notes=("Made up.",))


def settle_all(_number: int) -> str:
    return "settled"


def reject_all(_number: int) -> str:
    return "rejected"


def troubled(number: int) -> str:
    return {3: "rejected", 7: "expired", 12: "cancelled"}.get(number, "settled")


def make_day(
    sessions: Sessions | None = None,
    *,
    rules: LotRules | None = None,
    terms: Terms | None = None,
    verdict: Verdict = settle_all,
    days: tuple[dt.date, dt.date] | None = None,
    assignments: tuple[str, ...] = (),
) -> DayResult:
    """A day as the engine would hand it over, each interval one batch with `verdict`'s end."""
    sessions = sessions if sessions is not None else sample_sessions()
    rules, terms = rules or LotRules(), terms or Terms()
    submitted: list[pd.DataFrame] = []

    def agree(_start_s: int, trades: pd.DataFrame) -> pd.DataFrame:
        status = verdict(len(submitted))
        batch_id = f"0x{len(submitted) + 1:064x}"
        submitted.append(trades.assign(batch_id=batch_id, status=status))
        return trades if status == "settled" else trades.iloc[:0]

    run = simulate_lot(sessions.frame, rules=rules, terms=terms, mechanism=MECHANISM, agree=agree)
    books = accounts_of(run)
    arrivals = sessions.frame["arrival"].dt.tz_convert(sessions.zone).dt.date
    trades = _trades(submitted)
    batches = _batches(trades)
    spread = pd.DataFrame(columns=list(SENSITIVITY_COLUMNS))
    if assignments:
        spread = sensitivity(
            lambda name, seed: (
                load_sessions(
                    sample_path(), format="acn", date="2019-10-29", seed=seed, assignment=name
                ).frame
            ),
            assignments,
            rules=rules,
            terms=terms,
            mechanism=MECHANISM,
            seeds=2,
        )
    return DayResult(
        sessions=sessions,
        days=days or (arrivals.min(), arrivals.max()),
        run=run,
        accounts=books,
        trades=trades,
        chain=_chain(batches),
        batches=batches,
        operators=_operators(batches),
        rejections=_rejections(batches),
        wallets=_wallets(books),
        baselines=_baselines(books),
        scenarios=compare(sessions.frame, guarantee_scenarios(rules, terms), MECHANISM),
        sensitivity=spread,
        summary=_summary(run, books, trades),
        assumptions=("Lot tariff 0.50 EUR/kWh.", "Replacement at home 0.25 EUR/kWh."),
        network_note="The chain runs in this process; meters and wallets are simulated.",
    )


def _baselines(books: Accounts) -> pd.DataFrame:
    """A table as `baseline_table` gives it, its V1G row with half of the uncontrolled peak."""
    alone, own = books.cost_grid_only_ueur, books.cost_ueur
    drawn, peak = books.energy.grid_wh, books.peak_grid_only_w
    rows = [
        ("uncontrolled", alone, peak, drawn, books.missing_grid_only_wh),
        ("V1G", alone, peak // 2, drawn, books.missing_grid_only_wh),
        ("pro-rata", own, books.peak_with_p2p_w, drawn, books.missing_wh),
    ]
    return pd.DataFrame(rows, columns=list(BASELINE_COLUMNS))


def _trades(submitted: list[pd.DataFrame]) -> pd.DataFrame:
    if not submitted:
        return pd.DataFrame(columns=list(TRADE_COLUMNS))
    return pd.concat(submitted, ignore_index=True)[list(TRADE_COLUMNS)]


def _batches(trades: pd.DataFrame) -> pd.DataFrame:
    if trades.empty:
        return pd.DataFrame()
    one = trades.groupby("batch_id", sort=False)
    batches = one.agg(
        interval_start=("interval_start", "first"),
        trades=("trade_id", "size"),
        energy_wh=("energy_wh", "sum"),
        status=("status", "first"),
    ).reset_index()
    start = pd.to_datetime(batches["interval_start"], utc=True)
    wait = 12 + np.arange(len(batches)) % 5 + 228 * (batches["status"] == "expired")
    pending = start - pd.Timedelta(seconds=300)
    return batches.assign(
        pending_at=pending,
        decided_at=pending + pd.to_timedelta(wait, unit="s"),
        confirmations=3 * (batches["status"] == "settled"),
        rejections=2 * (batches["status"] == "rejected"),
    )


def _chain(batches: pd.DataFrame) -> pd.DataFrame:
    if batches.empty:
        return pd.DataFrame(columns=list(CHAIN_COLUMNS))
    rows = [
        (n + 1, batch.pending_at, f"0x{n:064x}", event, batch.batch_id, "", "")
        for n, batch in enumerate(batches.itertuples())
        for event in ("BatchSubmitted", "BatchConfirmedBy", "BatchConfirmed")
    ]
    return pd.DataFrame(rows, columns=list(CHAIN_COLUMNS))


def _rejected(batches: pd.DataFrame) -> list[str]:
    if batches.empty:
        return []
    return list(batches.loc[batches["status"] == "rejected", "batch_id"])


def _operators(batches: pd.DataFrame) -> pd.DataFrame:
    n, rejected = len(batches), len(_rejected(batches))
    return pd.DataFrame(
        [
            (name, f"0x{k + 1:040x}", k, "honest", n - rejected, rejected, 0)
            for k, name in enumerate(OPERATORS)
        ],
        columns=list(OPERATOR_COLUMNS),
    )


def _rejections(batches: pd.DataFrame) -> pd.DataFrame:
    rows = [
        (batch_id, name, "trade 0: energy above what the charger can move")
        for batch_id in _rejected(batches)
        for name in OPERATORS[:2]
    ]
    return pd.DataFrame(rows, columns=["batch_id", "operator", "reason"])


def _wallets(books: Accounts) -> pd.DataFrame:
    ids = books.vehicles["session_id"]
    paid, earned = books.vehicles["paid_peers_ueur"], books.vehicles["earned_ueur"]
    drivers = pd.DataFrame(
        {
            "account": range(1, len(ids) + 1),
            "session_id": ids,
            "deposited_ueur": paid,
            "withdrawn_ueur": earned,
        }
    )
    fee = int(paid.sum() - earned.sum())
    lot = pd.DataFrame(
        {"account": [0], "session_id": [""], "deposited_ueur": [0], "withdrawn_ueur": [fee]}
    )
    return pd.concat([drivers, lot], ignore_index=True)


def _summary(run: LotRun, books: Accounts, trades: pd.DataFrame) -> dict[str, int | str | float]:
    by_status = trades["status"].value_counts()
    statuses = ("pending", "confirmed", "settled", "rejected", "cancelled", "expired")
    gas = 12_345_678 if len(trades) else 0
    return {
        "energy_traded_wh": books.energy.buyers_wh,
        "trades": len(trades),
        **{name: int(by_status.get(name, 0)) for name in statuses},
        "blocked": run.blocked,
        "dust_wh": run.dust_wh,
        "missing_wh": books.missing_wh,
        "cost_grid_only_ueur": books.cost_grid_only_ueur,
        "cost_with_p2p_ueur": books.cost_ueur,
        "peak_grid_only_w": books.peak_grid_only_w,
        "peak_with_p2p_w": books.peak_with_p2p_w,
        "gas_used": gas,
        "gas_per_trade": gas // max(len(trades), 1),
        "network": "embedded",
        "chain_id": 131277322940537,
        "contract_address": "0x" + "ab" * 20,
        "guarantee": run.stays.rules.guarantee,
        "seed": run.stays.rules.seed,
        "version": "0.1.0",
    }
