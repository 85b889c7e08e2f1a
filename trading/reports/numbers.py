"""Numbers as people read them: a fixed number of decimals for each unit, thousands separated.

Everything is computed in whole Wh, W and micro-euro; rounding happens here and nowhere else.
"""

from __future__ import annotations

from trading.units import eur, kwh

_MINUS = "−"
NOTHING = "–"
"""What stands in a cell that has no value."""


def decimal(value: float, places: int) -> str:
    """A number with that many decimals; what rounds to zero has no sign.

    >>> decimal(-1234.56, 1), decimal(-0.004, 2)
    ('−1,234.6', '0.00')
    """
    text = f"{abs(value):,.{places}f}"
    is_zero = not text.strip("0.,")
    return text if value >= 0 or is_zero else _MINUS + text


def count(value: int) -> str:
    """A whole number: `count(12345)` is '12,345'."""
    return decimal(value, 0)


def energy(wh: int) -> str:
    """Watt-hours in kWh, without the unit: `energy(70788)` is '70.8'."""
    return decimal(kwh(wh), 1)


def power(w: int) -> str:
    """Watts in kW, without the unit: `power(104240)` is '104.2'."""
    return decimal(w / 1_000, 1)


def money(ueur: int) -> str:
    """Micro-euro in EUR, without the unit: `money(227102000)` is '227.10'."""
    return decimal(eur(ueur), 2)


def price(ueur_per_kwh: int) -> str:
    """Micro-euro per kWh in EUR/kWh, without the unit: `price(418597)` is '0.419'."""
    return decimal(eur(ueur_per_kwh), 3)


def percent(fraction: float, places: int = 0) -> str:
    """A fraction as a percentage with its sign: `percent(0.11)` is '11 %'."""
    return decimal(fraction * 100, places) + " %"


def things(number: int, one: str, many: str | None = None) -> str:
    """A number with what it counts: `things(1, "trade")` is '1 trade'."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"
