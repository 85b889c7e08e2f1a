"""Help that names what is registered, without importing it before someone asks."""

from __future__ import annotations

from collections.abc import Callable

import typer
from typer.core import TyperCommand


def _mechanisms() -> str:
    from trading.market import PRIORITIES

    return ", ".join(PRIORITIES)


def _auctions() -> str:
    from trading.market import MECHANISMS, PRIORITIES

    return ", ".join(name for name in MECHANISMS if name not in PRIORITIES)


def _all_mechanisms() -> str:
    from trading.market import MECHANISMS

    return ", ".join(MECHANISMS)


def _pricings() -> str:
    from trading.market.pricing import PRICINGS

    return ", ".join(PRICINGS)


def _priced() -> str:
    from trading.market.pricing import PARAMETERS

    return ", ".join(f"{name}:{each.example}" for name, each in PARAMETERS.items())


def _formats() -> str:
    from trading.data import FORMATS

    return ", ".join(FORMATS)


def _assignments() -> str:
    from trading.data import ASSIGNMENTS

    return ", ".join(ASSIGNMENTS)


def _conducts() -> str:
    from trading.operators import CONDUCTS

    return ", ".join(f"{name} ({what})" for name, what in CONDUCTS.items())


def _engine_faults() -> str:
    from trading.engine import ENGINE_FAULTS

    return ", ".join(ENGINE_FAULTS)


_LISTS: dict[str, Callable[[], str]] = {
    "{mechanisms}": _mechanisms,
    "{auctions}": _auctions,
    "{all_mechanisms}": _all_mechanisms,
    "{pricings}": _pricings,
    "{priced}": _priced,
    "{formats}": _formats,
    "{assignments}": _assignments,
    "{conducts}": _conducts,
    "{engine_faults}": _engine_faults,
}
"""What stands in an option's help, and what to put there when the help is shown."""


class LateHelp(TyperCommand):
    """A command in whose options' help `{mechanisms}` and the like become the registered names.

    The registries sit behind numpy and pandas, which take seconds to import on a slow machine, and
    a list typed into the help by hand would fall behind them.
    """

    # typer keeps the classes that this is declared with to itself.
    def format_help(self, ctx: typer.Context, formatter: object) -> None:  # type: ignore[override]
        """Fill in the names, then show the help as typer does."""
        for parameter in self.params:
            text = getattr(parameter, "help", None) or ""
            for mark, names in _LISTS.items():
                if mark in text:
                    text = text.replace(mark, names())
                    parameter.help = text  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)  # type: ignore[arg-type]
