"""What is told of a change or an act: before it is sent, and after."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from trading.chain.acts import WantedAct
from trading.chain.changes import Change, Fact
from trading.chain.fields import Amount, Number
from trading.web.rows import Time

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
DepositKey = Annotated[str, Field(pattern="^[0-9a-zA-Z_-]{16,64}$")]


class ArgumentOut(BaseModel):
    """An argument of a call."""

    name: str
    type: str = Field(description="Of the contract's interface.")
    value: str


class CallOut(BaseModel):
    """A call to a contract, every part of it."""

    contract: str
    function: str
    arguments: list[ArgumentOut]
    calldata: str = Field(description="The same as bytes, in hexadecimal.")
    sender: str = Field(description="Whose key sends it.")
    gas: int = Field(description="At most.")


class DifferenceOut(BaseModel):
    """What would be, or is, another."""

    fact: Fact
    of: str = Field(description="Seat, lot or aggregator; empty where there is one of it.")
    before: str | None = Field(description="Null where it is not there.")
    after: str | None = Field(description="Prices are in micro-euro per kWh.")


class ChangePreviewOut(BaseModel):
    """A change of the authority, before it is sent."""

    change: Change
    about: str = Field(description="What it is, in a sentence.")
    digest: str = Field(description="Of all that is shown; to send it, repeat this.")
    chain_id: int
    call: CallOut
    is_accepted: bool = Field(description="Whether the contract would take it now.")
    refusal: str = Field(description="Why not; empty where it would.")
    differences: list[DifferenceOut] = Field(description="Empty where nothing would be another.")
    is_sent_here: bool = Field(description="Whether this service holds the authority's key.")
    command: str = Field(description="What sends the same with a key of one's own.")


class ChangeIn(BaseModel):
    """A change to be sent, as it was shown."""

    model_config = ConfigDict(extra="forbid")

    change: Change
    digest: Digest


class SentOut(BaseModel):
    """A transaction that is in a block."""

    transaction: str
    block: int
    time: Time
    gas_used: int


class ChangeSentOut(SentOut):
    """A change that was made."""

    differences: list[DifferenceOut]


class ChangeRow(BaseModel):
    """A change that the authority made."""

    time: Time
    name: str = Field(description="Of the contract's event.")
    arguments: dict[str, Any]
    actor: str = Field(description="Who sent it.")
    block: int
    position: int
    transaction: str


class ActPreviewOut(BaseModel):
    """What an owner wants of its account, before it signs."""

    act: WantedAct
    owner: str
    is_accepted: bool
    refusal: str
    deadline: Time = Field(description="Until when it may be handed in, once it is signed.")
    typed_data: dict[str, Any] = Field(description="For a wallet: eth_signTypedData_v4.")
    wallet: Literal["own", "simulated"] = Field(
        description="simulated: this service holds the key of a driver that nobody is."
    )
    command: str = Field(description="What signs the same with a key of one's own.")


class ActSentOut(SentOut):
    """An act that is done."""

    account: int
    signed_by: Literal["owner", "simulated wallet"]


class DepositIn(BaseModel):
    """An amount to be paid into an account."""

    model_config = ConfigDict(extra="forbid")

    account: Number
    amount_ueur: Amount


class DepositSentIn(DepositIn):
    """A deposit that counts once, however often it is sent."""

    key: DepositKey | None = Field(
        default=None, description="As the preview gave it; without one, each counts."
    )


class DepositPreviewOut(BaseModel):
    """The two transactions of a deposit; they take a key that holds tokens."""

    account: int
    amount_ueur: int
    key: str = Field(description="Sent along, the deposit counts once.")
    payer: str
    held_ueur: int = Field(description="Tokens that the payer holds.")
    is_accepted: bool
    refusal: str
    calls: list[CallOut]
    wallet: Literal["own", "simulated"]
    command: str


class WalletOut(BaseModel):
    """Who holds the key of an account, and its tokens."""

    account: int
    owner: str
    held_ueur: int = Field(description="Tokens of the owner outside of the account.")
    wallet: Literal["own", "simulated"]


class NowOut(BaseModel):
    """A vehicle at the beginning of the current interval, and what its meter counted."""

    soc: float
    content_wh: int
    drawn_wh: int = Field(description="From peers and grid.")
    from_peers_wh: int
    to_peers_wh: int


class AtDepartureOut(BaseModel):
    """A stay at its end, over all of its time."""

    soc: float
    missing_wh: int = Field(description="Of what it needs, to be had at home.")
    from_grid_wh: int
    from_peers_wh: int
    to_peers_wh: int
    paid_grid_ueur: int = Field(description="At the lot's tariff.")
    paid_peers_ueur: int
    earned_ueur: int
    replacement_cost_ueur: int = Field(description="Of what is missing, at home.")
    wear_ueur: int = Field(description="Value lost by the battery of a seller.")
    net_cost_ueur: int = Field(description="Paid less earned, replacement and wear included.")


class OutlookOut(BaseModel):
    """What a stay comes to, with the trades that are confirmed and without any.

    It leaves as planned, and trades no more than is confirmed: until then it is an estimate.
    """

    session_id: str
    account: int | None
    at: Time = Field(description="Now in the lot.")
    phase: Literal["expected", "here", "left"]
    role: Literal["buyer", "seller", "neutral"]
    arrival: Time
    departure: Time = Field(description="As planned.")
    is_estimate: bool = Field(description="False once it has left.")
    battery_capacity_wh: int
    soc_source: str = Field(description="charger, telematics, declared or inferred.")
    soc_arrival: float
    need_wh: int = Field(description="To be drawn by departure.")
    now: NowOut | None = Field(description="Null while it is not in the lot.")
    at_departure: AtDepartureOut
    grid_only: AtDepartureOut = Field(description="The same stay, had nobody traded.")
    saved_ueur: int = Field(description="What trading saves it, below 0 what it costs.")
