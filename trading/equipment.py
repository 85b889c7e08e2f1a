"""A lot's equipment and tariffs from one TOML file: chargers, connection, roof, prices in time.

    timezone = "America/Los_Angeles"    # of lists of 24 hourly values

    [connection]
    limit_kw = 150
    background_kw = "load.csv"          # a number, 24 numbers, or a CSV file

    [pv]
    power_kw = [0, 0, 0, 0, 0, 0, 1, 4, 9, 14, 18, 20, 20, 18, 14, 9, 4, 1, 0, 0, 0, 0, 0, 0]

    [cables]
    limit_kw = 200
    loss = 0.01

    [chargers]
    count = 54
    kind = "ac"                         # "ac" with phases and current_a, "dc" with power_kw
    phases = 1
    current_a = 32
    bidirectional = true

    [tariff]                            # EUR/kWh; each a number, 24 numbers, or a CSV file
    buy = "prices.csv"
    feed_in = 0.08
    network_charge = 0.05

    [battery]
    charge_efficiency = 0.933
    discharge_efficiency = 0.933
    part_load = [{ below = 0.2, charge = 0.88, discharge = 0.87 }]
    taper = true
    c_rate = 1.0                        # power up to the knee, in capacities an hour
    knee_soc = 0.8                      # state of charge from which it falls
    trickle_c_rate = 0.05               # the last of it

    [vehicles]                          # of every vehicle; a session's own counts if stricter
    reserve_soc = 0.2
    v2g_cap_kwh = 20

    [market]
    gate_lead_s = 300                   # trades are agreed so long before their interval

Every table and key can be left out. A CSV file has the columns `time` (ISO 8601 with Z or an
offset) and `value`, each value holding until the next time; paths are relative to the TOML file.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from trading.data.csv import read_table, read_text
from trading.errors import ConfigError, OptionError
from trading.lot import Acceptance, Charger, Efficiency, LotRules, PartLoad, Profile, Site
from trading.lot.profile import HOURS
from trading.lot.terms import FEED_IN
from trading.tables import UTC_TIME

_PPM = 1_000_000
_PERMILLE = 1_000
_MOST = 1e6
_NUMBER = f"a number from {-_MOST:.0f} to {_MOST:.0f}"
_TAPER = Acceptance()
_RULES = LotRules()
_SERIES = pa.DataFrameSchema(
    {
        "time": pa.Column(UTC_TIME, unique=True),
        "value": pa.Column(
            float,
            pa.Check.in_range(-_MOST, _MOST, error=f"a number from {-_MOST:.0f} to {_MOST:.0f}"),
        ),
    },
    name="series",
)


def _values(found: Any) -> Any:
    """A number, 24 numbers, or the name of a file."""
    if isinstance(found, str) and found:
        return found
    numbers = found if isinstance(found, list) and len(found) == HOURS else [found]
    is_number = all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
    if is_number and all(math.isfinite(n) and abs(n) <= _MOST for n in numbers):
        return found
    raise ValueError("a number, 24 numbers, or the name of a CSV file")


_Values = Annotated[Any, BeforeValidator(_values)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a lot's file says, as the lot takes it.

    Attributes:
        site: chargers, cables, connection and roof.
        efficiency: between meter and battery.
        acceptance: how charging slows down near full; None where the file turns that off.
        tariff: grid energy in time, micro-euro per kWh; None where the file has none.
        feed_in: what feeding in is paid.
        network_charge: of the connection point.
        reserve_soc: below which no seller goes.
        v2g_cap_wh: the most that any seller sells in a stay; None for no cap.
        gate_lead_s: gate closure, seconds before an interval.
    """

    site: Site = field(default_factory=Site)
    efficiency: Efficiency = field(default_factory=Efficiency)
    acceptance: Acceptance | None = field(default_factory=Acceptance)
    tariff: Profile | None = None
    feed_in: Profile | int = FEED_IN
    network_charge: int = 0
    reserve_soc: float = 0.0
    v2g_cap_wh: int | None = None
    gate_lead_s: int = _RULES.gate_lead_s


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Connection(_Table):
    limit_kw: float | None = Field(default=None, ge=0, le=1e6)
    background_kw: _Values = 0.0


class _Pv(_Table):
    power_kw: _Values = 0.0


class _Cables(_Table):
    limit_kw: float | None = Field(default=None, ge=0, le=1e6)
    loss: float = Field(default=0.0, ge=0, lt=1)


class _Chargers(_Table):
    count: int | None = Field(default=None, ge=1)
    kind: Literal["ac", "dc"] | None = None
    phases: Literal[1, 3] = 1
    current_a: int = Field(default=32, ge=1, le=1_000)
    power_kw: float | None = Field(default=None, gt=0, le=1e4)
    bidirectional: bool = True


class _Tariff(_Table):
    buy: _Values = None
    feed_in: _Values = FEED_IN / _PPM
    network_charge: float = Field(default=0.0, ge=0, le=1_000)


class _PartLoad(_Table):
    below: float = Field(gt=0, le=1)
    charge: float = Field(gt=0, le=1)
    discharge: float = Field(gt=0, le=1)


class _Battery(_Table):
    charge_efficiency: float = Field(default=0.933, gt=0, le=1)
    discharge_efficiency: float = Field(default=0.933, gt=0, le=1)
    part_load: list[_PartLoad] = []
    taper: bool = True
    c_rate: float = Field(default=_TAPER.most_permille / _PERMILLE, ge=0.001, le=100)
    knee_soc: float = Field(default=_TAPER.knee_permille / _PERMILLE, ge=0, le=0.999)
    trickle_c_rate: float = Field(default=_TAPER.least_permille / _PERMILLE, ge=0.001, le=100)


class _Vehicles(_Table):
    reserve_soc: float = Field(default=0.0, ge=0, le=1)
    v2g_cap_kwh: float | None = Field(default=None, ge=0, le=4e6)


class _Market(_Table):
    gate_lead_s: int = Field(default=_RULES.gate_lead_s, ge=0, le=86_400)


class _File(_Table):
    timezone: str | None = None
    connection: _Connection = _Connection()
    pv: _Pv = _Pv()
    cables: _Cables = _Cables()
    chargers: _Chargers = _Chargers()
    tariff: _Tariff = _Tariff()
    battery: _Battery = _Battery()
    vehicles: _Vehicles = _Vehicles()
    market: _Market = _Market()


def read_equipment(path: Path) -> Equipment:
    """The equipment of a TOML file.

    Raises:
        ConfigError: an unknown key or a value that no lot can have; all faults are named.
        InputError: the file, or a series that it names, cannot be read.
    """
    try:
        document = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [f"not TOML: {error}"]) from None
    try:
        file = _File.model_validate(document)
    except ValidationError as errors:
        raise ConfigError(str(path), [_fault(error) for error in errors.errors()]) from None
    try:
        return _equipment(file, path)
    except OptionError as error:
        raise ConfigError(str(path), [error]) from None


def _equipment(file: _File, path: Path) -> Equipment:
    def profile(key: str, values: float | list[float] | str, scale: int) -> Profile:
        return _profile(key, values, scale, zone=file.timezone, folder=path.parent)

    tariff = file.tariff
    if file.timezone is not None:
        Profile.daily([0] * HOURS, zone=file.timezone)
    return Equipment(
        site=Site(
            connection_w=_thousandths(file.connection.limit_kw),
            background_w=profile("connection.background_kw", file.connection.background_kw, 1_000),
            pv_w=profile("pv.power_kw", file.pv.power_kw, 1_000),
            cable_w=_thousandths(file.cables.limit_kw),
            cable_loss_ppm=round(file.cables.loss * _PPM),
            charger=_charger(file.chargers),
            chargers=file.chargers.count,
        ),
        efficiency=Efficiency(
            charge_ppm=round(file.battery.charge_efficiency * _PPM),
            discharge_ppm=round(file.battery.discharge_efficiency * _PPM),
            part_load=tuple(
                PartLoad(
                    below=step.below,
                    charge_ppm=round(step.charge * _PPM),
                    discharge_ppm=round(step.discharge * _PPM),
                )
                for step in file.battery.part_load
            ),
        ),
        acceptance=_acceptance(file.battery),
        tariff=None if tariff.buy is None else profile("tariff.buy", tariff.buy, _PPM),
        feed_in=profile("tariff.feed_in", tariff.feed_in, _PPM),
        network_charge=round(tariff.network_charge * _PPM),
        reserve_soc=file.vehicles.reserve_soc,
        v2g_cap_wh=_thousandths(file.vehicles.v2g_cap_kwh),
        gate_lead_s=file.market.gate_lead_s,
    )


def _acceptance(battery: _Battery) -> Acceptance | None:
    if not battery.taper:
        for name in ("c_rate", "knee_soc", "trickle_c_rate"):
            if name in battery.model_fields_set:
                found, expected = getattr(battery, name), "none beside battery.taper=false"
                raise OptionError(f"battery.{name}", found, expected)
        return None
    if battery.trickle_c_rate > battery.c_rate:
        expected = f"at most battery.c_rate={battery.c_rate:g}"
        raise OptionError("battery.trickle_c_rate", battery.trickle_c_rate, expected)
    return Acceptance(
        most_permille=round(battery.c_rate * _PERMILLE),
        knee_permille=round(battery.knee_soc * _PERMILLE),
        least_permille=round(battery.trickle_c_rate * _PERMILLE),
    )


def _profile(
    key: str, values: float | list[float] | str, scale: int, *, zone: str | None, folder: Path
) -> Profile:
    if isinstance(values, str):
        return _series(key, folder / values, scale)
    if not isinstance(values, list):
        return Profile.constant(round(values * scale))
    if zone is None:
        raise OptionError("timezone", None, f"an IANA zone, since {key} lists the hours of a day")
    return Profile.daily([round(value * scale) for value in values], zone=zone)


def _series(key: str, path: Path, scale: int) -> Profile:
    table = read_table(path, _SERIES)
    values = (table["value"] * scale).round().to_numpy(np.float64).astype(np.int64)
    return Profile.series(pd.DatetimeIndex(table["time"]), values, name=key, source=str(path))


def _charger(chargers: _Chargers) -> Charger | None:
    given = chargers.model_fields_set - {"count", "kind"}
    fitting = {None: set(), "ac": {"phases", "current_a"}, "dc": {"power_kw"}}[chargers.kind]
    if chargers.kind is not None:
        fitting.add("bidirectional")
    for name in sorted(given - fitting):
        what = (
            "kind, ac or dc, beside it"
            if chargers.kind is None
            else f"no such key of {chargers.kind}"
        )
        raise OptionError(f"chargers.{name}", getattr(chargers, name), what)
    if chargers.kind is None:
        return None
    if chargers.kind == "ac":
        return Charger.ac(
            phases=chargers.phases,
            current_a=chargers.current_a,
            bidirectional=chargers.bidirectional,
        )
    if chargers.power_kw is None:
        raise OptionError("chargers.power_kw", None, "the power of each dc charger in kW")
    power_w = round(chargers.power_kw * 1_000)
    return Charger.dc(power_w=power_w, bidirectional=chargers.bidirectional)


def _thousandths(value: float | None) -> int | None:
    """Kilowatts in W, or kWh in Wh."""
    return None if value is None else round(value * 1_000)


def _fault(error: ErrorDetails) -> OptionError:
    """One fault of the file as `key=value: expected ...`."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = list(_table_at(error["loc"][:-1]).model_fields)
        near = get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        expected = f"another key, for there is none of this name; one of {', '.join(known)}{hint}"
        return OptionError(key, error["input"], expected)
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return OptionError(key, error["input"], said)


def _table_at(path: Sequence[int | str]) -> type[_Table]:
    """The table of the file at which those keys end; a list's tables are all alike."""
    if "part_load" in path:
        return _PartLoad
    table: type[_Table] = _File
    for key in path:
        table = type(table.model_fields[str(key)].default)
    return table
