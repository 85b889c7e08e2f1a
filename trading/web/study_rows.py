"""Comparisons as they are asked for and told: what may be chosen, and where each stands."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from trading.units import UEUR_PER_EUR
from trading.web.rows import Time

SAMPLE = "sample"
MOST_DAYS = 31
MOST_LIARS = 5
MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)

Name = Annotated[str, Field(max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]
Price = Annotated[int, Field(ge=0, le=10 * UEUR_PER_EUR)]
State = Literal["queued", "running", "done", "failed", "cancelled"]


class StudyIn(BaseModel):
    """A comparison to run: the same days through mechanisms and pricings.

    What is left out is what `peercharge compare` takes.
    """

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    source: Name = Field(SAMPLE, description="Of the sources in `/studies/options`.")
    first_day: dt.date | None = Field(None, description="Local day of the site; the first without.")
    last_day: dt.date | None = Field(
        None, description=f"The last without; at most {MOST_DAYS} days from the first on."
    )
    mechanisms: Annotated[list[Name], Field(min_length=1, max_length=50)]
    pricings: Annotated[list[Name], Field(min_length=1, max_length=20)] = ["middle"]
    v2g_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    interval_minutes: int = Field(15, json_schema_extra={"enum": list(MINUTES)})
    departures: Literal["actual", "estimated"] = "actual"
    replacement_spread: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.3
    lot_tariff_ueur_per_kwh: Price = 500_000
    replacement_ueur_per_kwh: Price = 250_000
    wear_ueur_per_kwh: Price = 50_000
    lot_fee_ueur_per_kwh: Price = 10_000
    liars: Annotated[int, Field(ge=0, le=MOST_LIARS)] = Field(
        0, description="How many buyers and sellers misreport, each in turn; takes the longest."
    )


class StudyChoice(BaseModel):
    """A mechanism or a pricing that can be compared."""

    name: str
    is_posted: bool = Field(description="Of a mechanism: whether pricings apply to it.")


class StudySource(BaseModel):
    """Sessions that can be studied."""

    name: str
    format: str
    first_day: dt.date | None = Field(description="Of arrivals; null where it is not known yet.")
    last_day: dt.date | None


class StudyOptionsOut(BaseModel):
    """What can be compared here."""

    mechanisms: list[StudyChoice]
    pricings: list[StudyChoice]
    sources: list[StudySource]
    interval_minutes: list[int]
    most_days: int
    most_liars: int
    most_queued: int
    longest_s: int


class StudyStep(BaseModel):
    """A part of a comparison, in units of work that are done."""

    name: str = Field(description="Such as `mechanisms` or `days by themselves`.")
    done: int
    total: int


class StudyRow(BaseModel):
    """A comparison and where it stands."""

    study: str = Field(description="Its id; of one that is done, also the name of its run.")
    title: str
    state: State
    place: int = Field(description="How many are before it in the queue.")
    asked_at: Time
    began_at: Time | None
    ended_at: Time | None
    steps: list[StudyStep] = Field(description="What has begun, in order; none before it runs.")
    problem: str = Field(description="Why it failed, as a sentence; empty where it did not.")
    run: str | None = Field(description="Under `/runs`: tables, figures, report; null without.")


class StudyOut(StudyRow):
    """A comparison with what was asked for."""

    asked: StudyIn


def euro(price_ueur_per_kwh: int) -> str:
    """A price as the command takes it, exactly.

    >>> euro(312_500)
    '0.3125'
    """
    return f"{Decimal(price_ueur_per_kwh) / UEUR_PER_EUR:f}"
