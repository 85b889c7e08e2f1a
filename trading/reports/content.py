"""The tables of a report, ready to print: cells are texts with the decimals of their unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from trading.engine import DayResult
from trading.reports.comparison import Compared, compared
from trading.reports.numbers import (
    NOTHING,
    count,
    decimal,
    energy,
    money,
    percent,
    power,
    price,
    things,
)

SHOWN_REASONS = 12

_STATUSES = ("settled", "rejected", "cancelled", "expired", "confirmed", "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its first cell is its heading. `is_marked` sets it apart, `is_total` closes."""

    cells: tuple[str, ...]
    is_marked: bool = False
    is_total: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows under one subheading; an empty title means none."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: heads of columns, groups of rows, and the columns that hold text, not numbers."""

    caption: str
    heads: tuple[str, ...]
    groups: tuple[Group, ...]
    text_columns: tuple[int, ...] = (0,)


def honest_table(result: DayResult) -> Table:
    """Uncontrolled charging, `consent` and `whole` side by side at each V2G share."""
    rows = compared(result)
    shares = list(dict.fromkeys(row.v2g_share for row in rows))
    titles = {
        share: "Nobody trades" if share is None else f"{percent(share)} of the vehicles have V2G"
        for share in shares
    }
    groups = [
        Group(
            title=titles[share],
            rows=tuple(_compared_row(row) for row in rows if row.v2g_share == share),
        )
        for share in shares
    ]
    return Table(
        caption="The same day under each guarantee and V2G share.",
        heads=(
            "Scenario",
            "From peers (kWh)",
            "From grid (kWh)",
            "Peak (kW)",
            # Beside the load, so that on a narrow screen neither is read without the other.
            "Missing at departure (kWh)",
            "Its replacement (EUR)",
            "Drivers' net cost (EUR)",
            "Buyers' gain (EUR)",
            "Sellers' net gain (EUR)",
            "Trades",
            "Blocked",
        ),
        groups=tuple(groups),
    )


def _compared_row(row: Compared) -> Row:
    return Row(
        cells=(
            row.name,
            energy(row.peers_wh),
            energy(row.grid_wh),
            power(row.peak_w),
            energy(row.missing_wh),
            money(row.replacement_cost_ueur),
            money(row.drivers_cost_ueur),
            money(row.buyers_gain_ueur),
            money(row.sellers_gain_ueur),
            count(row.trades),
            count(row.blocked),
        ),
        is_marked=row.is_this_run,
    )


def status_table(result: DayResult) -> Table:
    """How many trades and batches ended how; statuses that did not occur are left out."""
    trades = result.trades["status"].value_counts()
    batches = result.batches.reindex(columns=["status"])["status"].value_counts()
    by_status = result.trades.groupby("status")
    sums = {name: by_status[name].sum().astype("int64") for name in ("energy_wh", "cost_ueur")}
    rows = [
        Row(
            cells=(
                status,
                count(int(batches.get(status, 0))),
                count(int(trades[status])),
                energy(int(sums["energy_wh"][status])),
                money(int(sums["cost_ueur"][status])),
            )
        )
        for status in _STATUSES
        if status in trades.index
    ]
    totals = result.trades[["energy_wh", "cost_ueur"]].sum()
    rows.append(
        Row(
            cells=(
                "all submitted",
                count(len(result.batches)),
                count(len(result.trades)),
                energy(int(totals["energy_wh"])),
                money(int(totals["cost_ueur"])),
            ),
            is_total=True,
        )
    )
    return Table(
        caption="Final status of what was submitted.",
        heads=("Status", "Batches", "Trades", "Energy (kWh)", "Buyers' cost (EUR)"),
        groups=one_group(rows),
    )


def operator_table(result: DayResult) -> Table:
    """The consortium: who sits where, how it behaves, how it voted."""
    return votes_table(
        result.operators,
        caption="Operators and their votes on batches. No vote: the batch was decided before the "
        "operator's turn, or the operator kept silent.",
    )


def votes_table(operators: pd.DataFrame, *, caption: str) -> Table:
    """A row an operator, from columns `OPERATOR_COLUMNS`."""
    rows = [
        Row(
            cells=(
                str(row["operator"]),
                count(int(row["seat"])),
                str(row["conduct"]),
                count(int(row["confirmed"])),
                count(int(row["rejected"])),
                count(int(row["unvoted"])),
                str(row["address"]),
            )
        )
        for row in operators.to_dict("records")
    ]
    return Table(
        caption=caption,
        heads=("Operator", "Seat", "Conduct", "Confirmed", "Rejected", "No vote", "Address"),
        groups=one_group(rows),
        text_columns=(0, 2, 6),
    )


def reason_table(result: DayResult) -> Table | None:
    """Why operators rejected, the most frequent reasons first; None where nobody did."""
    if result.rejections.empty:
        return None
    grouped = result.rejections.groupby("reason").agg(
        votes=("operator", "size"), batches=("batch_id", "nunique")
    )
    ordered = grouped.reset_index().sort_values(["votes", "reason"], ascending=[False, True])
    rows = [
        Row(cells=(str(row["reason"]), count(int(row["votes"])), count(int(row["batches"]))))
        for row in ordered.head(SHOWN_REASONS).to_dict("records")
    ]
    left = len(ordered) - len(rows)
    if left:
        rest = ordered.iloc[SHOWN_REASONS:]
        rows.append(
            Row(
                cells=(
                    f"and {things(left, 'other reason')}, in chain.csv",
                    count(int(rest["votes"].sum())),
                    NOTHING,
                )
            )
        )
    return Table(
        caption="Why operators rejected.",
        heads=("Reason", "Votes", "Batches"),
        groups=one_group(rows),
    )


def event_table(result: DayResult) -> Table:
    """The contract's events by name, in the order in which each first occurred."""
    counts = result.chain["event"].value_counts()
    names = list(dict.fromkeys(result.chain["event"]))
    rows = [Row(cells=(str(name), count(int(counts[name])))) for name in names]
    rows.append(Row(cells=("all events", count(len(result.chain))), is_total=True))
    return Table(
        caption="Events of the contract.", heads=("Event", "Number"), groups=one_group(rows)
    )


def energy_table(result: DayResult) -> Table:
    """Every account of energy; what goes in comes out, to the last Wh."""
    books = result.accounts.energy
    discharged = books.sellers_wh + books.discharge_loss_wh
    flows_in = [("from the grid", books.grid_wh), ("out of sellers' batteries", discharged)]
    if books.pv_wh:
        flows_in.insert(1, ("from the roof", books.pv_wh))
    flows_out = [
        ("into batteries by charging", books.kept_wh + discharged),
        ("lost in charging (borne by whoever charges)", books.charge_loss_wh),
        ("lost in discharging (borne by sellers)", books.discharge_loss_wh),
        ("lost in the lot's cables (borne by the lot)", books.cable_wh),
    ]
    rows = [Row(cells=(name, energy(wh), "")) for name, wh in flows_in]
    rows += [Row(cells=(name, "", energy(wh))) for name, wh in flows_out]
    total_in, total_out = (sum(wh for _, wh in flows) for flows in (flows_in, flows_out))
    rows += [
        Row(cells=("sum", energy(total_in), energy(total_out)), is_total=True),
        Row(cells=("difference (Wh, exact)", "", count(books.residual_wh)), is_total=True),
    ]
    return Table(
        caption="Energy of the whole lot, from first arrival to last departure.",
        heads=("Account", "In (kWh)", "Out (kWh)"),
        groups=one_group(rows),
    )


def money_table(result: DayResult) -> Table:
    """Every account of money; incomes and payments add up to nothing, to the last micro-euro."""
    books, sums = result.accounts.money, result.accounts.vehicles.sum(numeric_only=True)
    drivers = [
        ("paid to the lot for grid energy", -int(sums["paid_grid_ueur"])),
        ("paid to peers", -int(sums["paid_peers_ueur"])),
        ("earned from peers", int(sums["earned_ueur"])),
        ("replacement of missing energy", -int(sums["replacement_cost_ueur"])),
        ("wear of sellers' batteries", -books.wear),
    ]
    others = [
        ("lot operator, grid energy", books.lot_energy),
        ("lot operator, fee on trades", books.lot_fee),
        *((("network charges", books.network),) if books.network else ()),
        *((("whoever pays for energy fed in", books.feed_in),) if books.feed_in else ()),
        ("suppliers at home, replacement", books.replacement),
        ("batteries' lost value, wear", books.wear),
    ]
    return Table(
        caption="Money of the whole lot: income positive, payment negative.",
        heads=("Account", "Amount (EUR)"),
        groups=(
            Group(
                title="All drivers",
                rows=(
                    *(Row(cells=(name, money(ueur))) for name, ueur in drivers),
                    Row(cells=("drivers, net", money(books.drivers)), is_total=True),
                ),
            ),
            Group(
                title="Everybody else",
                rows=(
                    *(Row(cells=(name, money(ueur))) for name, ueur in others),
                    Row(
                        cells=("sum with drivers (micro-euro, exact)", count(books.residual_ueur)),
                        is_total=True,
                    ),
                ),
            ),
        ),
    )


def sensitivity_table(result: DayResult) -> Table | None:
    """The figures behind the sensitivity figure; None where nothing was inferred."""
    if result.sensitivity.empty:
        return None
    rows = [
        Row(
            cells=(
                str(row["assignment"]),
                count(int(row["seeds"])),
                energy(int(row["peers_wh_low"])),
                energy(int(row["peers_wh_mean"])),
                energy(int(row["peers_wh_high"])),
                power(int(row["grid_only_peak_w_mean"])),
                power(int(row["peak_w_mean"])),
                money(int(row["saving_ueur_mean"])),
            )
        )
        for row in result.sensitivity.to_dict("records")
    ]
    return Table(
        caption="The same day under other assignment rules and seeds.",
        heads=(
            "Assignment rule",
            "Seeds",
            "From peers, lowest (kWh)",
            "From peers, mean (kWh)",
            "From peers, highest (kWh)",
            "Mean peak, nobody trading (kW)",
            "Mean peak, with peers (kW)",
            "Drivers' mean saving (EUR)",
        ),
        groups=one_group(rows),
    )


def left_out_table(result: DayResult) -> Table | None:
    """Records of the file that could not be used, by reason; None where there are none."""
    reasons = result.sessions.reasons()
    if not reasons:
        return None
    rows = [Row(cells=(reason, count(number))) for reason, number in reasons.items()]
    return Table(
        caption="Records of the whole file that were left out.",
        heads=("Reason", "Records"),
        groups=one_group(rows),
    )


def summary_table(summary: Mapping[str, int | str | float]) -> Table:
    """`summary.json` for people: each key in its unit."""
    return Table(
        caption="All figures of summary.json.",
        heads=("Key", "Value", "Unit"),
        groups=one_group([Row(cells=summary_line(*item)) for item in summary.items()]),
        text_columns=(0, 2),
    )


def summary_line(key: str, value: float | str) -> tuple[str, str, str]:
    """A key of the summary with its value as people read it, and the unit of that."""
    if isinstance(value, str) or pd.isna(value) or key in ("seed", "chain_id"):
        return key, str(value), ""
    for suffix, form, unit in (
        ("_ueur_per_kwh", price, "EUR/kWh"),
        ("_wh", energy, "kWh"),
        ("_ueur", money, "EUR"),
        ("_w", power, "kW"),
    ):
        if key.endswith(suffix):
            return key, form(int(value)), unit
    if key == "supply_to_demand":
        return key, decimal(float(value), 3), ""
    return key, count(int(value)), "gas" if key.startswith("gas") else ""


def meters_line(result: DayResult) -> str:
    """What the meters of sellers and buyers counted, and what the batteries kept of it all."""
    books = result.accounts.energy
    return (
        f"At their meters sellers fed in {energy(books.sellers_wh)} kWh and buyers took "
        f"{energy(books.buyers_wh)} kWh. All batteries together leave with "
        f"{energy(books.kept_wh)} kWh more than they came with."
    )


def wallets_line(result: DayResult) -> str:
    """What went into the contract and came out of it again."""
    put, took = (int(result.wallets[name].sum()) for name in ("deposited_ueur", "withdrawn_ueur"))
    return (
        f"Into the contract {money(put)} EUR were deposited and {money(took)} EUR were withdrawn "
        f"by the end; {count(put - took)} micro-euro stayed behind."
    )


def residual_lines(result: DayResult) -> list[str]:
    """What could have been traded and was not, and what was agreed and did not flow."""
    run = result.run
    return [
        f"Blocked because outside the seller's floor or the buyer's ceiling, as the day would have "
        f"gone without these: {things(run.blocked, 'trade')}, {energy(run.blocked_wh)} kWh.",
        f"Drawn from the grid because the trade for it was too small (under "
        f"{count(run.stays.rules.smallest_trade_wh)} Wh, or worth less than a micro-euro): "
        f"{energy(run.dust_wh)} kWh.",
        f"Agreed, but a party left before its time: {energy(run.shortfall_wh)} kWh.",
        *_site_lines(result),
    ]


def _site_lines(result: DayResult) -> list[str]:
    """What the lot's equipment held back or gave away, where it has any."""
    run, lines = result.run, []
    if run.stays.rules.site.connection_w is not None or run.stays.rules.site.cable_w is not None:
        intervals, alone = (int((wh > 0).sum()) for wh in (run.curtailed_wh,
                                                           run.curtailed_grid_only_wh))  # fmt: skip
        minutes = run.stays.rules.metered_s / 60
        lines.append(
            f"Connection or cables cut charging for {intervals * minutes:g} min with trading and "
            f"for {alone * minutes:g} min without."
        )
    if run.export_wh.any():
        lines.append(f"Fed into the grid from the roof: {energy(int(run.export_wh.sum()))} kWh.")
    return lines


def one_group(rows: Sequence[Row]) -> tuple[Group, ...]:
    """Rows under no subheading."""
    return (Group(title="", rows=tuple(rows)),)
