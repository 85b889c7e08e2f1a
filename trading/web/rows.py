"""What the lists of the API hold: one model a row; its fields are the columns of CSV and Parquet.

Energy is in Wh at the charger's meter, money in micro-euro, times are UTC. A field that is null for
a caller who may not see it says so.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, Field

from trading.store.journal import EntryName

Time = dt.datetime
LOOKED = (
    "When the engine last looked at the chain, to ten seconds; null before it did. What is older "
    "than a minute was left by an engine that stands still, or has no way to the chain."
)
TradeState = Literal["written", "pending", "confirmed", "settled", "rejected", "cancelled",
                     "expired", "refused"]  # fmt: skip
BatchState = Literal["written", "pending", "confirmed", "settled", "rejected", "cancelled",
                     "expired", "refunded", "refused"]  # fmt: skip


class SessionRow(BaseModel):
    """A stay in the lot, as it was told."""

    session_id: str
    arrival: Time
    departure: Time
    estimated_departure: Time | None = Field(description="Null where nobody told one.")
    battery_capacity_wh: int
    soc_arrival: float = Field(description="State of charge on arrival, 0 to 1.")
    soc_source: str = Field(description="charger, telematics, declared or inferred.")
    need_wh: int = Field(description="To be drawn by departure.")
    charge_power_w: int
    discharge_power_w: int = Field(description="0 for a vehicle without V2G.")
    reserve_soc: float
    v2g_cap_wh: int | None = Field(
        default=None, description="The most it sells in its stay; null for no cap of its own."
    )
    received_at: Time


class VehicleRow(BaseModel):
    """A vehicle that stands in the lot, counted up to the beginning of the current interval."""

    session_id: str
    bay: int = Field(description="Where it is drawn, from 1; no charger's number.")
    at: Time = Field(description="Beginning of the interval.")
    role: Literal["buyer", "seller", "neutral"] = Field(description="Latched on arrival.")
    arrival: Time
    departure: Time
    battery_capacity_wh: int
    soc: float
    soc_source: str
    need_wh: int
    drawn_wh: int = Field(description="Drawn so far, from peers and grid.")
    from_peers_wh: int
    to_peers_wh: int
    promised_wh: int = Field(description="Agreed to be sold so far.")
    account: int | None = Field(description="Its account on the chain; null without one.")


class LotNowOut(BaseModel):
    """The lot and its clock."""

    lot: int
    now: Time = Field(description="The wall's clock, or where a replay has come to.")
    is_replay: bool
    is_over: bool = Field(description="Of a replay: every interval of its sessions is traded.")
    first: Time | None = Field(description="Beginning of the first interval; null without any.")
    last: Time | None = Field(description="Beginning of the last interval; null without any.")
    interval_s: int
    meter_s: int
    mechanism: str
    vehicles_limit_w: int | None = Field(
        description="The most that vehicles may draw now: what the connection leaves beside other "
        "load; null for a lot without a limit."
    )
    bays: int = Field(description="Bays drawn: as many as vehicles ever stood here together.")


class SavingsOut(BaseModel):
    """What trading moved between two times; confirmed trades alone count."""

    since: Time
    until: Time
    n_trades: int
    energy_wh: int = Field(description="From vehicle to vehicle, and so not from the grid.")
    buyers_saved_ueur: int = Field(description="What that costs at the lot's tariff, less paid.")
    sellers_income_ueur: int = Field(description="Before wear and what refilling costs them.")
    lot_fee_ueur: int
    peak_grid_only_w: int = Field(description="Highest mean power of a meter interval, untraded.")
    peak_with_p2p_w: int


class OrderRow(BaseModel):
    """What a vehicle bids or asks in the coming interval."""

    interval_start: Time
    session_id: str
    side: Literal["buy", "sell"]
    energy_wh: int
    limit_price_ueur_per_kwh: int | None = Field(
        description="The most a buyer pays, the least a seller takes; null without limits."
    )
    soc: float
    account: int


class TradeRow(BaseModel):
    """A trade of this lot's engine."""

    interval_start: Time
    trade_id: str
    batch_id: str
    position: int = Field(description="Place in its batch, from 0.")
    lot: int
    buyer_id: str | None = Field(description="Null where the caller may not see this vehicle.")
    seller_id: str | None = Field(description="Null where the caller may not see this vehicle.")
    buyer_account: int | None = Field(description="Null for a driver who does not own it.")
    seller_account: int | None = Field(description="Null for a driver who does not own it.")
    energy_wh: int
    price_ueur_per_kwh: int = Field(description="What the buyer pays.")
    cost_ueur: int
    seller_price_ueur_per_kwh: int = Field(description="What the seller gets.")
    income_ueur: int
    state: TradeState


class StepRow(BaseModel):
    """One step in the life of a trade's batch."""

    time: Time
    event: str = Field(description="`Written`, or an event of the contract.")
    operator: str | None = Field(description="Who voted.")
    seat: int | None
    reason: str = Field(description="Of a rejection, or why the contract refused.")
    block: int | None
    transaction: str | None


class TradeOut(TradeRow):
    """A trade with all that happened to it, in order."""

    history: list[StepRow]


class VoteRow(BaseModel):
    """An operator's last word on a batch."""

    seat: int
    operator: str
    vote: Literal["confirmed", "rejected"]
    reason: str
    voted_at: Time


class BatchRow(BaseModel):
    """A batch: this engine's, or another's on the same contract."""

    batch_id: str
    state: BatchState
    was: str = Field(description="Of a refunded batch, what it was before.")
    submitter: str
    deadline: Time
    n_trades: int
    energy_wh: int
    locked_ueur: int
    lot: int | None = Field(description="Null for a batch that another engine submitted.")
    interval_start: Time | None
    written_at: Time | None
    submitted_at: Time | None = Field(description="Time of its block.")
    submitted_block: int | None
    closed_at: Time | None
    confirmations: int
    rejections: int
    votes: list[VoteRow]
    note: str = Field(description="Why the contract refused it; empty otherwise.")


class BatchOut(BatchRow):
    """A batch, and what it waits for."""

    why: str = Field(description="What it waits for or why it ended; empty for another engine's.")


class AccountRow(BaseModel):
    """An account on the chain."""

    account: int
    owner: str
    tag: str = Field(description="What it is registered under.")
    session_id: str | None = Field(description="Whose it is, where known and to be seen.")
    free_ueur: int
    locked_ueur: int = Field(description="In batches that are open.")
    sequence: int = Field(description="Number of its last purchase.")
    max_buy_ueur_per_kwh: int | None = Field(description="Null without a mandate, as what follows.")
    min_sell_ueur_per_kwh: int | None
    valid_until: Time | None
    is_in_force: bool = Field(description="Whether it has limits that have not ended yet.")
    aggregator: str | None
    open_to_buyers: bool | None


class MovementRow(BaseModel):
    """A deposit or a withdrawal."""

    time: Time
    account: int
    kind: Literal["deposit", "withdrawal"]
    amount_ueur: int
    counterparty: str = Field(description="Who paid in, or who was paid.")
    block: int
    position: int
    transaction: str


class OperatorRow(BaseModel):
    """An operator and its record."""

    seat: int
    address: str
    confirmations: int
    rejections: int
    last_vote_at: Time | None


class LotOut(BaseModel):
    """A lot that ever was admitted."""

    lot: int
    account: int
    is_open: bool


class ConsortiumOut(BaseModel):
    """The rules that the authority set, as of the last block seen."""

    chain_id: int
    contract: str
    authority: str
    pending_authority: str | None
    quorum: int
    n_operators: int
    lowest_price_ueur_per_kwh: int
    highest_price_ueur_per_kwh: int
    largest_spread_ueur_per_kwh: int
    is_paused: bool
    aggregators: list[str]
    lots: list[LotOut]
    head: int | None = Field(description="Last block seen.")
    looked_at: Time | None = Field(description=LOOKED)
    is_connected: bool = Field(
        description="Whether this service has a way to the chain, and so shows what could be sent."
    )


class LoadRow(BaseModel):
    """Mean power in a meter interval."""

    time: Time
    grid_only_w: int = Field(description="From the grid, had nobody traded.")
    with_p2p_w: int = Field(description="From the grid.")
    p2p_w: int = Field(description="From vehicle to vehicle.")


class PriceRow(BaseModel):
    """Prices of an interval; those of trades count what was confirmed, and are null without."""

    interval_start: Time
    tariff_ueur_per_kwh: int = Field(description="Of the lot, for grid energy.")
    n_trades: int
    energy_wh: int
    lowest_ueur_per_kwh: int | None = Field(description="Buyers' prices.")
    mean_ueur_per_kwh: int | None = Field(description="By energy, rounded down.")
    highest_ueur_per_kwh: int | None
    mean_seller_ueur_per_kwh: int | None


class EventRow(BaseModel):
    """An event of the contract."""

    id: str = Field(description="For Last-Event-ID.")
    time: Time
    name: str
    block: int
    position: int
    batch_id: str = Field(description="Empty for an event that is about no batch.")
    actor: str | None = Field(description="Who sent the transaction; null for drivers.")
    transaction: str
    arguments: dict[str, Any] = Field(description="By name; trades by their number alone.")


class EntryRow(BaseModel):
    """An entry of the journal: what the engine did or took in that is not on the chain."""

    id: str = Field(description="For Last-Event-ID.")
    time: Time = Field(description="By the engine's clock.")
    name: EntryName
    session_id: str | None = Field(description="Of SessionTaken and SessionChanged.")
    batch_id: str | None = Field(description="Of BatchWritten and BatchRefused.")
    lot: int | None = Field(description="Null for a session.")
    interval_start: Time | None = Field(description="Null for a session.")
    outcome: str = Field(
        description="Of IntervalCleared: traded, nothing, or missed; empty for others."
    )


class RunRow(BaseModel):
    """A finished run's folder."""

    name: str
    finished_at: Time
    has_report: bool
    tables: list[str]
    figures: list[str]


class RunOut(RunRow):
    """A run, with its summary as it wrote it."""

    summary: dict[str, Any]


class TakenOut(BaseModel):
    """What became of sessions that were sent."""

    new: int
    changed: int = Field(description="Those whose departure is another now.")
    known: int = Field(description="Those that came before just so.")
    refused: dict[str, str] = Field(description="By session, why it contradicts what came before.")


class MeOut(BaseModel):
    """Who the service takes the caller for."""

    subject: str
    roles: list[str]
    owners: list[str]
    sessions: list[str] = Field(description="Of a driver: its sessions that are known here.")
    expires_at: Time


class HealthOut(BaseModel):
    """Whether the service can answer."""

    status: Literal["ok", "failing"]
    service: Literal["web"]
    head: int | None = Field(description="Last block that the engine has seen.")
    looked_at: Time | None = Field(description=LOOKED)
    market: str = Field(description="Digest of the lot's published market.")
