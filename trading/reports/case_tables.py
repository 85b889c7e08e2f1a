"""What the case study's report says in tables and sentences, each computed from the result."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from trading.engine import CaseStudyResult
from trading.reports.content import Group, Row, Table, one_group, votes_table
from trading.reports.numbers import NOTHING, count, energy, money, percent, power

_FORMS: dict[str, tuple[Callable[[int], str], str]] = {
    "Wh": (energy, "kWh"),
    "W": (power, "kW"),
    "micro-euro": (money, "EUR"),
    "buyers": (count, ""),
    "min": (count, "min"),
}
YES, NO = "✓ yes", "✗ no"


def headline(result: CaseStudyResult) -> str:
    """Both claims with their numbers, and in the same breath what the sellers then lack."""
    claims = result.claims.set_index("key")
    before, after = claims["without_p2p"], claims["with_p2p"]
    return (
        f"With peer-to-peer trading the buyers draw {energy(after['grid_wh'])} instead of "
        f"{energy(before['grid_wh'])} kWh from the grid, its peak is {power(after['peak_w'])} "
        f"instead of {power(before['peak_w'])} kW, and they pay "
        f"{money(after['buyers_cost_ueur'])} instead of {money(before['buyers_cost_ueur'])} EUR. "
        f"The {energy(after['missing_wh'])} kWh that came from peers are missing from the sellers' "
        f"batteries; to replace them costs {money(after['replacement_ueur'])} EUR."
    )


def second_line(result: CaseStudyResult) -> str:
    """Supply against demand, what sellers keep, and what the grid delivers in the end."""
    after = result.claims.set_index("key")["with_p2p"]
    return (
        f"Sellers offer {percent(after['supply_to_demand'])} of what buyers require. They earn "
        f"{money(after['earned_ueur'])} EUR and keep {money(after['sellers_gain_ueur'])} EUR after "
        f"replacement. Buyers leave at {percent(after['buyers_soc'])} on average, not full. Once "
        f"sellers have refilled, the grid has delivered {energy(after['grid_with_refill_wh'])} kWh "
        "here and at home: trading moves load in place and time, it does not make energy."
    )


def claims_table(result: CaseStudyResult) -> Table:
    """The claims with and without trading, then what has to be read beside them."""
    groups = [
        Group(
            title=f"Claim: {claim}" if str(some["holds"].iloc[0]) else str(claim).capitalize(),
            rows=tuple(_claim_row(row) for row in some.to_dict("records")),
        )
        for claim, some in result.claims.groupby("claim", sort=False)
    ]
    return Table(
        caption="The same fleet without and with peer-to-peer trading.",
        heads=("Quantity", "Without", "With", "Change", "Unit", "Holds"),
        groups=tuple(groups),
        text_columns=(0, 4, 5),
    )


def _claim_row(row: Mapping[Hashable, Any]) -> Row:
    form, unit = _FORMS.get(str(row["unit"]), (_fraction, ""))
    values = (row["without_p2p"], row["with_p2p"], row["change"])
    cells = tuple(form(value) for value in values)
    holds = {"yes": YES, "no": NO}.get(str(row["holds"]), "")
    return Row(cells=(str(row["quantity"]), *cells, unit, holds))


def _fraction(value: float) -> str:
    return percent(value, 1)


def truth_table(result: CaseStudyResult) -> Table:
    """Which claim holds under which assumption; each row is a run of its own."""
    rows = [_truth_row(row) for row in result.truth_table.to_dict("records")]
    return Table(
        caption="One assumption changed at a time; each row is the result of a run.",
        heads=(
            "Assumption",
            "Lower energy from this grid",
            "Lower peak here",
            "Lower energy with refills",
            "Buyers pay less",
            "Sellers gain",
            "Both together gain",
        ),
        groups=one_group(rows),
        text_columns=tuple(range(7)),
    )


def _truth_row(row: Mapping[Hashable, Any]) -> Row:
    verdicts = (
        "is_grid_energy_lower",
        "is_peak_lower",
        "is_grid_energy_lower_with_refill",
        "is_buyers_cost_lower",
        "is_sellers_gain_positive",
        "is_joint_gain_positive",
    )
    is_run = str(row["assumption"]).startswith("as run")
    cells = tuple(YES if row[name] else NO for name in verdicts)
    return Row(cells=(str(row["assumption"]), *cells), is_marked=is_run)


def truth_numbers(result: CaseStudyResult) -> Table:
    """The numbers behind the truth table, and who bears what."""
    rows = [
        Row(
            cells=(
                str(row["assumption"]),
                str(row["borne_by"]),
                money(int(row["buyers_gain_ueur"])),
                money(int(row["sellers_gain_ueur"])),
                money(int(row["lot_sales_change_ueur"])),
                energy(int(row["missing_wh"])),
                percent(float(row["supply_to_demand"])),
                energy(int(row["traded_wh"])),
                energy(int(row["grid_only_wh"])),
                energy(int(row["with_p2p_wh"])),
                energy(int(row["with_refill_wh"])),
                power(int(row["peak_grid_only_w"])),
                power(int(row["peak_with_p2p_w"])),
            )
        )
        for row in result.truth_table.to_dict("records")
    ]
    return Table(
        caption="The same rows in numbers: gains against everybody charging from the grid.",
        heads=(
            "Assumption",
            "Drivers worse off",
            "Buyers' gain (EUR)",
            "Sellers' gain (EUR)",
            "Lot's sales of grid energy (EUR)",
            "Missing (kWh)",
            "Supply over demand",
            "Traded (kWh)",
            "Grid without (kWh)",
            "Grid with (kWh)",
            "With refills (kWh)",
            "Peak without (kW)",
            "Peak with (kW)",
        ),
        groups=one_group(rows),
        text_columns=(0, 1),
    )


def transaction_table(result: CaseStudyResult) -> Table:
    """Each buyer's transaction with its way from pending to settled."""
    rows = [
        Row(
            cells=(
                str(row["buyer_id"]),
                count(int(row["trades"])),
                energy(int(row["energy_wh"])),
                money(int(row["cost_ueur"])),
                _when(row["pending_at"], int(row["pending_block"])),
                str(row["confirmations"]),
                _when(row["confirmed_at"], int(row["confirmed_block"])),
                _when(row["settled_at"], int(row["settled_block"])),
                str(row["status"]),
            )
        )
        for row in result.transactions.to_dict("records")
    ]
    return Table(
        caption="Chain time in UTC, and the block in brackets.",
        heads=(
            "Buyer",
            "Trades",
            "Energy (kWh)",
            "Cost (EUR)",
            "Pending",
            "Operators that confirmed",
            "Confirmed",
            "Settled",
            "Status",
        ),
        groups=one_group(rows),
        text_columns=(0, 8),
    )


def _when(time: object, block: int) -> str:
    stamp = pd.Timestamp(time)  # type: ignore[arg-type]
    return NOTHING if pd.isna(stamp) else f"{stamp:%H:%M:%S} ({block})"


def operator_table(result: CaseStudyResult) -> Table:
    """Who confirmed: each operator's votes on the buyers' transactions."""
    caption = "Operators and their votes; none is needed once the quorum is reached."
    return votes_table(result.operators, caption=caption)
