"""What a day of trading leaves behind: the tables and the summary that are written to files.

Columns and keys are fixed, since other programs read them (`docs/data.md`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd

from trading.data import Sessions
from trading.lot import Accounts, LotRun

TRADE_COLUMNS = (
    "interval_start",
    "trade_id",
    "batch_id",
    "buyer_id",
    "seller_id",
    "energy_wh",
    "price_ueur_per_kwh",
    "cost_ueur",
    "seller_price_ueur_per_kwh",
    "income_ueur",
    "status",
)
CHAIN_COLUMNS = ("block", "time", "transaction", "event", "batch_id", "actor", "detail")
BATCH_COLUMNS = (
    "batch_id",
    "interval_start",
    "trades",
    "energy_wh",
    "status",
    "pending_at",
    "decided_at",
    "confirmations",
    "rejections",
)
OPERATOR_COLUMNS = ("operator", "address", "seat", "conduct", "confirmed", "rejected", "unvoted")
FINAL_STATUSES = ("settled", "rejected", "cancelled", "expired")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayResult:
    """The main job's result.

    Attributes:
        sessions: the stays as read, with what was left out and notes to repeat.
        days: first and last local day that were asked for; where none was, of the arrivals.
        run: what happened in the lot.
        accounts: its closed books.
        trades: `trades.csv`, columns `TRADE_COLUMNS`; status is final, one of `FINAL_STATUSES`.
        chain: `chain.csv`, columns `CHAIN_COLUMNS`: every event of the contract.
        batches: one row a batch, columns `BATCH_COLUMNS`; `pending_at` and `decided_at` are chain
            time, `confirmations` and `rejections` count votes.
        operators: a row an operator, columns `OPERATOR_COLUMNS`.
        rejections: why operators rejected: `batch_id`, `operator`, `reason`.
        wallets: what the drivers and the lot had on chain at the end: `account`, `session_id`,
            `deposited_ueur`, `withdrawn_ueur`; everything is withdrawn, so the sums are equal.
        scenarios: the honest comparison, columns `scenarios.COLUMNS`.
        baselines: the same day uncontrolled and charged at its best, columns
            `trading.lot.baselines.BASELINE_COLUMNS`, this run last; empty if not compared.
        sensitivity: how it depends on what was inferred, `scenarios.SENSITIVITY_COLUMNS`; empty
            where the format has its own state of charge.
        summary: `summary.json`.
        assumptions: sentences: every figure of ours that the source does not give.
        network_note: one sentence on which parts were simulated.
    """

    sessions: Sessions
    days: tuple[dt.date, dt.date]
    run: LotRun
    accounts: Accounts
    trades: pd.DataFrame
    chain: pd.DataFrame
    batches: pd.DataFrame
    operators: pd.DataFrame
    rejections: pd.DataFrame
    wallets: pd.DataFrame
    scenarios: pd.DataFrame
    baselines: pd.DataFrame
    sensitivity: pd.DataFrame
    summary: dict[str, int | str | float]
    assumptions: tuple[str, ...]
    network_note: str
