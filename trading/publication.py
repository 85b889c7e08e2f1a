"""What a lot publishes of its market: one TOML file that engine and operators read alike.

    lot = 1                      # number on the chain
    interval = 15                # minutes
    mechanism = "pro-rata"
    guarantee = "consent"
    trusted_soc = ["charger", "telematics", "inferred"]
    equipment = "lot.toml"       # as for `peercharge simulate --lot`, beside this file

    [prices]                     # EUR/kWh
    lot_tariff = "0.50"
    replacement = "0.25"

Every key may be left out, and then is the default of `LotRules` and `Terms`. Operators that read
another file than the engine reject what they would not have traded, so the digest of the file is in
every log and in `/health`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trading.equipment import Equipment, read_equipment
from trading.errors import ConfigError, InputError, OptionError
from trading.fleet import BUYER_THRESHOLD, SELLER_THRESHOLD, Thresholds
from trading.lot import LotRules, Terms
from trading.market import DEFAULT_MECHANISM, MECHANISMS, PRIORITIES, mechanism_named
from trading.units import price_ueur_per_kwh

SocSource = Literal["charger", "telematics", "declared", "inferred"]
TRUSTED_SOC: tuple[SocSource, ...] = ("charger", "telematics", "inferred")
"""All but what a driver says. A rule infers from metered energy, and nobody gains by its answer; a
live lot that measures every battery strikes it off the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A lot's market.

    Attributes:
        lot: its number on the chain.
        rules: how the lot trades.
        terms: what things cost.
        mechanism: name of what matches bids and asks.
        trusted_soc: sources of state of charge that justify a sale by themselves; what else a
            seller says of its battery is capped by what its charger's meter fed in.
        digest: of the file and of the equipment's, in hexadecimal, the first 16 digits.
    """

    lot: int = 1
    rules: LotRules
    terms: Terms
    mechanism: str = DEFAULT_MECHANISM
    trusted_soc: tuple[SocSource, ...] = TRUSTED_SOC
    digest: str = ""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Prices(_Table):
    lot_tariff: str | float = "0.50"
    replacement: str | float = "0.25"
    wear: str | float = "0.05"
    lot_fee: str | float = "0.01"
    price: str | float | None = None


class _File(_Table):
    lot: int = Field(default=1, ge=0, le=65_535)
    interval: int = Field(default=15, ge=1, le=60)
    settlement_interval: int | None = Field(default=None, ge=1, le=1_440)
    gate_lead: int = Field(default=5, ge=0, le=60)
    mechanism: str = DEFAULT_MECHANISM
    guarantee: Literal["consent", "whole"] = "consent"
    departures: Literal["actual", "estimated"] = "actual"
    buyer_threshold: float = Field(default=BUYER_THRESHOLD, ge=0, le=1)
    seller_threshold: float = Field(default=SELLER_THRESHOLD, ge=0, le=1)
    v2g_share: float = Field(default=1.0, ge=0, le=1)
    smallest_trade_wh: int = Field(default=100, ge=1)
    strategy: Literal["at-once", "latest", "cheapest"] = "at-once"
    seed: int = 0
    pricing: str | None = None
    limits: bool = True
    trusted_soc: list[SocSource] = list(TRUSTED_SOC)
    equipment: str | None = None
    prices: _Prices = _Prices()


def read_publication(path: Path | None) -> Publication:
    """Read a market file; None stands for one that is empty.

    Raises:
        InputError: the file or the equipment's cannot be read.
        ConfigError: a key is unknown, or a value cannot be used; all faults in one raise.
    """
    if path is None:
        return _built("the default market", _File(), Equipment(), b"")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        given = _File.model_validate(tomllib.loads(raw.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file ({error})") from None
    except ValidationError as error:
        raise ConfigError(str(path), [_fault(one, _File) for one in error.errors()]) from None
    equipment = Equipment()
    if given.equipment is not None:
        beside = path.parent / given.equipment
        equipment = read_equipment(beside)
        raw += beside.read_bytes()
    return _built(str(path), given, equipment, raw)


def _built(source: str, given: _File, equipment: Equipment, raw: bytes) -> Publication:
    prices = given.prices

    def price(name: str) -> int:
        return price_ueur_per_kwh(getattr(prices, name), name=f"prices.{name}")

    try:
        mechanism_named(given.mechanism, among=MECHANISMS)
        if given.mechanism not in PRIORITIES and not given.limits:
            expected = "true: an auction finds its price between floors and ceilings"
            raise OptionError("limits", given.limits, expected)
        rules = LotRules(
            interval_s=given.interval * 60,
            settlement_s=None
            if given.settlement_interval is None
            else given.settlement_interval * 60,
            gate_lead_s=given.gate_lead * 60,
            thresholds=Thresholds(buyer=given.buyer_threshold, seller=given.seller_threshold),
            guarantee=given.guarantee,
            v2g_share=given.v2g_share,
            departures=given.departures,
            smallest_trade_wh=given.smallest_trade_wh,
            strategy=given.strategy,
            efficiency=equipment.efficiency,
            acceptance=equipment.acceptance,
            site=equipment.site,
            seed=given.seed,
        )
        terms = Terms(
            lot_tariff=price("lot_tariff"),
            replacement=price("replacement"),
            wear=price("wear"),
            lot_fee=price("lot_fee"),
            price=None if prices.price is None else price("price"),
            limits=given.limits,
            tariff=equipment.tariff,
            feed_in=equipment.feed_in,
            network_charge=equipment.network_charge,
            pricing=given.pricing,
        )
    except OptionError as error:
        raise ConfigError(source, [error]) from None
    return Publication(
        lot=given.lot,
        rules=rules,
        terms=terms,
        mechanism=given.mechanism,
        trusted_soc=tuple(given.trusted_soc),
        digest=sha256(raw).hexdigest()[:16],
    )


def _fault(error: object, model: type[BaseModel]) -> OptionError | str:
    assert isinstance(error, dict)
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        table = _Prices if key.startswith("prices.") else model
        return OptionError(key, error["input"], "one of " + ", ".join(table.model_fields))
    return OptionError(key, error["input"], str(error["msg"]).lower())
