"""Numbers, money and times as people read them: units, the reader's language, the reader's zone."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import (
    format_decimal,
    format_percent,
    get_decimal_symbol,
    get_group_symbol,
)

from trading.units import UEUR_PER_EUR, WH_PER_KWH

NONE = "–"


@dataclass(frozen=True, slots=True)
class Shown:
    """How one reader sees numbers and times.

    Attributes:
        language: two letters, such as `da`.
        zone: the reader's time zone.
    """

    language: str
    zone: ZoneInfo

    def number(self, value: float, digits: int = 0) -> str:
        """A number with so many decimals."""
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return format_decimal(value, format=pattern, locale=self._locale)

    def energy(self, energy_wh: float | None) -> str:
        """Energy in kWh, with a decimal."""
        return NONE if energy_wh is None else f"{self.number(energy_wh / WH_PER_KWH, 1)} kWh"

    def power(self, power_w: float | None) -> str:
        """Power in kW, with a decimal."""
        return NONE if power_w is None else f"{self.number(power_w / 1000, 1)} kW"

    def money(self, amount_ueur: float | None) -> str:
        """Money in EUR, to the cent."""
        return NONE if amount_ueur is None else f"{self.number(amount_ueur / UEUR_PER_EUR, 2)} EUR"

    def price(self, price_ueur_per_kwh: float | None) -> str:
        """A price in EUR/kWh, to a tenth of a cent."""
        if price_ueur_per_kwh is None:
            return NONE
        return f"{self.number(price_ueur_per_kwh / UEUR_PER_EUR, 3)} EUR/kWh"

    def share(self, value: float | None) -> str:
        """A share of 1, in whole per cent."""
        return NONE if value is None else str(format_percent(value, locale=self._locale))

    def clock(self, time: dt.datetime | str | None) -> str:
        """A time of day."""
        if time is None:
            return NONE
        return format_time(_time(time), "HH:mm", tzinfo=self.zone, locale=self._locale)

    def second(self, time: dt.datetime | str | None) -> str:
        """A time of day, to the second."""
        if time is None:
            return NONE
        return format_time(_time(time), "HH:mm:ss", tzinfo=self.zone, locale=self._locale)

    def instant(self, time: dt.datetime | str | None) -> str:
        """A day and a time of day, to the second."""
        if time is None:
            return NONE
        return format_datetime(
            _time(time), "d MMM, HH:mm:ss", tzinfo=self.zone, locale=self._locale
        )

    def day(self, time: dt.datetime | str) -> str:
        """A day."""
        return str(format_date(_time(time).astimezone(self.zone), "medium", locale=self._locale))

    def moment(self, time: dt.datetime | str | None) -> str:
        """A day and a time of day."""
        if time is None:
            return NONE
        return format_datetime(_time(time), "d MMM, HH:mm", tzinfo=self.zone, locale=self._locale)

    @property
    def decimal_symbol(self) -> str:
        """What stands before decimals."""
        return get_decimal_symbol(self._locale)

    @property
    def group_symbol(self) -> str:
        """What stands between thousands."""
        return get_group_symbol(self._locale)

    @property
    def _locale(self) -> Locale:
        # Days before months, as in the rest of Europe.
        return Locale.parse("en_GB" if self.language == "en" else self.language)


def _time(time: dt.datetime | str) -> dt.datetime:
    return dt.datetime.fromisoformat(time) if isinstance(time, str) else time
