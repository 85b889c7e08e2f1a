"""The result of a day in a terminal: few lines, 80 columns."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trading.engine import DayResult
from trading.reports.numbers import NOTHING, count, energy, money, power, things
from trading.reports.story import beyond_line, day_of, why_nothing

_STYLES = {
    "settled": "green",
    "confirmed": "cyan",
    "pending": "yellow",
    "rejected": "red",
    "cancelled": "magenta",
    "expired": "yellow",
}


def result_table(result: DayResult) -> RenderableType:
    """Grid, peak and cost without and with trading, what is missing, and how the trades ended."""
    books, run = result.accounts, result.run
    table = Table(
        title=f"{day_of(result)}, {result.sessions.zone}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("")
    for head in ("grid only", "with peers", "change"):
        table.add_column(head, justify="right", no_wrap=True)
    alone = int(run.grid_only_wh.sum())
    lines = [
        ("energy from the grid (kWh)", alone, books.energy.grid_wh, energy),
        ("energy from peers (kWh)", 0, books.energy.buyers_wh, energy),
        ("peak from the grid (kW)", books.peak_grid_only_w, books.peak_with_p2p_w, power),
        ("missing at departure (kWh)", books.missing_grid_only_wh, books.missing_wh, energy),
        ("drivers' net cost (EUR)", books.cost_grid_only_ueur, books.cost_ueur, money),
    ]
    for name, before, after, form in lines:
        change = form(after - before) if after <= before else "+" + form(after - before)
        table.add_row(name, form(before), form(after), change)
    table.add_row("buyers' gain (EUR)", NOTHING, money(books.buyers_gain_ueur), "")
    table.add_row("sellers' net gain (EUR)", NOTHING, money(books.sellers_gain_ueur), "")
    parts: list[RenderableType] = [table, _statuses(result)]
    if beyond := beyond_line(result):
        parts.append(Text(beyond))
    if not books.energy.buyers_wh:
        parts.append(Text(f"No energy changed hands: {why_nothing(result)}."))
    return Group(*parts)


def _statuses(result: DayResult) -> Text:
    summary = result.summary
    if not int(summary["trades"]):
        blocked = things(int(summary["blocked"]), "trade")
        said = f"; {blocked} blocked as irrational" if int(summary["blocked"]) else ""
        return Text(f"No trade was submitted{said}")
    text = Text(f"{things(int(summary['trades']), 'trade')} submitted: ", style="bold")
    named = [name for name in _STYLES if int(summary[name])] or ["settled"]
    for n, name in enumerate(named):
        text.append(", " if n else "", style="not bold")
        text.append(f"{count(int(summary[name]))} {name}", style=f"not bold {_STYLES[name]}")
    if int(summary["blocked"]):
        text.append(f"; {count(int(summary['blocked']))} blocked as irrational", style="not bold")
    text.append(f"\n{count(int(summary['gas_per_trade']))} gas a trade", style="not bold")
    text.append(f" on {summary['network']}, chain {summary['chain_id']}", style="not bold")
    return text
