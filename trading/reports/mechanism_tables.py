"""The comparison of mechanisms in tables and sentences, each computed from the result."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from trading.lot.baselines import V1G_WITH_PEERS
from trading.reports.content import Group, Row, Table
from trading.reports.figures.mechanisms import (
    REPORT_TITLES,
    best_market,
    label_of,
    limits_of,
    markets_of,
    waterfall_of,
)
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
from trading.study.compare import Comparison
from trading.study.days import BEYOND
from trading.study.misreport import (
    BUYER_SOC_LIE,
    DEPARTURE_LIE,
    PRICE_LIE_PERCENT,
    SELLER_SOC_LIE,
)
from trading.units import UEUR_PER_EUR

_Form = Callable[[int], str]


def headline(result: Comparison) -> str:
    """The market with the most welfare, in one sentence with what it leaves and what is missing."""
    markets = markets_of(result)
    best = markets.iloc[best_market(markets)]
    if int(markets["traded_wh"].max()) == 0:
        return "No combination traded anything: no buyer and seller agree within their limits."
    worth, part = int(best["welfare_ueur"]), float(best["welfare_share"])
    share = "" if math.isnan(part) else f", {percent(part)} of the most there is"
    others = int((markets["welfare_ueur"] == worth).sum()) - 1
    also = f" (with {count(others)} more alike)" if others else ""
    return (
        f"{best['label']}{also} has the most welfare: {money(worth)} EUR{share}. "
        f"It trades {energy(int(best['traded_wh']))} kWh and leaves "
        f"{energy(int(best['missing_wh']))} kWh missing in batteries at departure, whose "
        "replacement is counted."
    )


def second_line(result: Comparison) -> str:
    """What stays on the table, and how exact the yardstick is."""
    best = result.table[result.table["mechanism"] == V1G_WITH_PEERS]
    if result.no_share:
        return f"No share of an optimum is given: {result.no_share}."
    most = int(best["welfare_ueur"].iloc[0])
    slack = f"{money(result.optimum_slack_ueur)} EUR" if result.optimum_slack_ueur else "nothing"
    return (
        "The most there is, when charging may also be shifted in time and all is known beforehand, "
        f"is {money(most)} EUR from {energy(best['traded_wh'].iloc[0])} kWh; the search for it may "
        f"have missed {slack}."
    )


def comparison_table(result: Comparison) -> Table:
    """Every baseline and every market."""
    markets = markets_of(result)
    baselines = result.table[result.table["kind"] == "baseline"]
    groups = [
        Group(title="Without a market", rows=tuple(_row(row) for _, row in baselines.iterrows()))
    ]
    groups.append(Group(title="Markets", rows=tuple(_row(row) for _, row in markets.iterrows())))
    return Table(
        caption="The same days under every mechanism and pricing.",
        heads=(
            "Mechanism, pricing",
            "Welfare (EUR)",
            "Of the optimum",
            "Traded (kWh)",
            "Missing (kWh)",
            "Grid (kWh)",
            "Peak (kW)",
            "Buyers save (EUR)",
            "Sellers earn (EUR)",
            "Sellers gain (EUR)",
            "Lot (EUR)",
            "of it surplus",
            "Drivers' cost (EUR)",
            "Self-sufficient",
            "Jain, buyers",
            "Jain, sellers",
            "Losses (kWh)",
            "Blocked (kWh)",
            "Budget",
        ),
        groups=tuple(groups),
    )


def _row(row: pd.Series) -> Row:
    def cell(name: str, form: _Form) -> str:
        return NOTHING if pd.isna(row[name]) else form(int(row[name]))

    def share(name: str) -> str:
        return NOTHING if pd.isna(row[name]) else percent(float(row[name]))

    def index(name: str) -> str:
        return NOTHING if pd.isna(row[name]) else decimal(float(row[name]), 2)

    return Row(
        cells=(
            label_of(str(row["mechanism"]), str(row["pricing"])),
            cell("welfare_ueur", money),
            share("welfare_share"),
            cell("traded_wh", energy),
            cell("missing_wh", energy),
            cell("grid_wh", energy),
            cell("peak_w", power),
            cell("buyers_saving_ueur", money),
            cell("sellers_income_ueur", money),
            cell("sellers_gain_ueur", money),
            cell("lot_spread_ueur", money),
            cell("lot_surplus_ueur", money),
            cell("drivers_cost_ueur", money),
            share("self_sufficiency_share"),
            index("served_jain_index"),
            index("sold_jain_index"),
            cell("loss_wh", energy),
            cell("blocked_wh", energy),
            cell("budget_residual_ueur", count),
        )
    )


def over_days_table(result: Comparison) -> Table | None:
    """Means over days with their confidence intervals; None for less than two days."""
    rows = result.over_days
    if rows.empty or int(rows["days"].max()) < 2:
        return None
    shown = (
        ("Beyond V1G (EUR)", BEYOND, _euro),
        ("Welfare (EUR)", "welfare_ueur", _euro),
        ("Of the optimum", "welfare_share", percent),
        ("Traded (kWh)", "traded_wh", _thousandth),
        ("Missing (kWh)", "missing_wh", _thousandth),
        ("Peak (kW)", "peak_w", _thousandth),
        ("Buyers save (EUR)", "buyers_saving_ueur", _euro),
        ("Sellers gain (EUR)", "sellers_gain_ueur", _euro),
        ("Drivers' cost (EUR)", "drivers_cost_ueur", _euro),
        ("Jain, buyers", "served_jain_index", _hundredth),
        ("Jain, sellers", "sold_jain_index", _hundredth),
    )
    groups = [
        Group(
            title=title,
            rows=tuple(
                Row(
                    cells=(
                        label_of(str(row["mechanism"]), str(row["pricing"])),
                        *(_mean(row, name, form) for _, name, form in shown),
                    )
                )
                for _, row in rows[rows["kind"] == kind].iterrows()
            ),
        )
        for title, kind in (("Without a market", "baseline"), ("Markets", "market"))
    ]
    return Table(
        caption=f"Means a day over {things(int(rows['days'].max()), 'day')}, each run by itself, "
        "and 95 % confidence intervals (Student's t).",
        heads=("Mechanism, pricing", *(head for head, _, _ in shown)),
        groups=tuple(groups),
    )


def _mean(row: pd.Series, name: str, form: Callable[[float], str]) -> str:
    """A mean with its interval, or without where it has none."""
    mean, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    if math.isnan(mean):
        return NOTHING
    return form(mean) if math.isnan(low) else f"{form(mean)} ({form(low)} to {form(high)})"


def _euro(ueur: float) -> str:
    return decimal(ueur / UEUR_PER_EUR, 2)


def _thousandth(value: float) -> str:
    return decimal(value / 1_000, 1)


def _hundredth(value: float) -> str:
    return decimal(value, 2)


def beyond_line(result: Comparison) -> str:
    """What the market with the most welfare adds beyond V1G, a day; empty without days or trades.

    One day has no interval, which the line says.
    """
    rows = result.over_days
    markets = markets_of(result)
    if rows.empty or int(markets["traded_wh"].max()) == 0:
        return ""
    best = markets.iloc[best_market(markets)]
    is_best = (rows["mechanism"] == best["mechanism"]) & (rows["pricing"] == best["pricing"])
    row = rows[is_best].iloc[0]
    if int(row["days"]) < 2:
        return (
            f"Beyond V1G, {best['label']} saves drivers {_euro(float(row[BEYOND]))} EUR on this "
            "day. One day has no confidence interval; give several, or see "
            "`peercharge study waterfall` for many days and seeds."
        )
    low, high = _euro(float(row[f"{BEYOND}_low"])), _euro(float(row[f"{BEYOND}_high"]))
    return (
        f"Beyond V1G, {best['label']} saves drivers {_euro(float(row[BEYOND]))} EUR a day "
        f"(95 % confidence {low} to {high}, {things(int(row['days']), 'day')})."
    )


def misreporting_table(result: Comparison) -> Table | None:
    """Mean and most that a liar gained, by mechanism; None where nobody lied."""
    rows = result.misreporting
    if rows.empty:
        return None
    shown = []
    for (mechanism, pricing), some in rows.groupby(["mechanism", "pricing"], sort=False):
        cells = [label_of(str(mechanism), str(pricing))]
        for report in REPORT_TITLES:
            for side in ("buyer", "seller"):
                found = some[(some["report"] == report) & (some["side"] == side)]
                cells.append(_gained(found))
        shown.append(Row(cells=tuple(cells)))
    heads = [
        f"{title}: {side}s" for title in REPORT_TITLES.values() for side in ("buyer", "seller")
    ]
    return Table(
        caption="Mean / most that a false report brought its sender, EUR.",
        heads=("Mechanism, pricing", *heads),
        groups=(Group(title="", rows=tuple(shown)),),
    )


def misreporting_line(result: Comparison) -> str:
    """What a false report costs all together, at its worst; empty where nobody lied."""
    rows = result.misreporting
    if rows.empty:
        return ""
    lost = rows["mean_welfare_loss_ueur"]
    worst = rows.iloc[int(lost.to_numpy().argmax())]
    label = label_of(str(worst["mechanism"]), str(worst["pricing"]))
    which = f"{REPORT_TITLES[worst['report']]}, {worst['side']}s"
    return (
        "Drivers and lot together lose (welfare, mean over the liars of a cell) from "
        f"{money(int(lost.min()))} to {money(int(lost.max()))} EUR by a false report, the most "
        f"under {label} ({which}); below 0 they gain. All cells: misreporting.csv."
    )


def _gained(found: pd.DataFrame) -> str:
    if found.empty:
        return NOTHING
    return f"{money(found['mean_gain_ueur'].iloc[0])} / {money(found['max_gain_ueur'].iloc[0])}"


def timing_table(result: Comparison) -> Table:
    """How long clearing took."""
    rows = tuple(
        Row(
            cells=(
                label_of(str(row["mechanism"]), str(row["pricing"])),
                count(int(row["books"])),
                decimal(float(row["solve_ms"]), 1),
            )
        )
        for _, row in result.timing.iterrows()
    )
    return Table(
        caption="Time to clear all books of the run once.",
        heads=("Mechanism, pricing", "Books", "Time (ms)"),
        groups=(Group(title="", rows=rows),),
    )


def limits_line(result: Comparison) -> str:
    """Floors and ceiling in words."""
    floors, tariffs = limits_of(result)
    if floors is None:
        return "Nobody could sell anything."
    ceiling = " to ".join(price(tariff) for tariff in tariffs)
    return (
        f"Sellers' floors lie from {price(floors[0])} to {price(floors[1])} EUR/kWh, buyers' "
        f"ceiling at {ceiling} EUR/kWh."
    )


def assumptions(result: Comparison) -> tuple[str, ...]:
    """What the sources do not give."""
    terms, rules = result.terms, result.stays.rules
    liars = int(result.misreporting["liars"].max()) if len(result.misreporting) else 0
    tariffs = " to ".join(price(tariff) for tariff in limits_of(result)[1])
    said = [
        f"Grid energy in the lot {tariffs}, energy at home on average "
        f"{price(terms.replacement)}, wear {price(terms.wear)}, the lot's fee "
        f"{price(terms.lot_fee)} EUR/kWh.",
        f"Drivers' prices at home differ by up to {percent(terms.replacement_spread)} either way, "
        "drawn for each stay: without a difference all sellers have one floor, and an auction has "
        "nothing to find.",
        f"{percent(rules.v2g_share)} of the vehicles can discharge; market intervals last "
        f"{count(rules.interval_s // 60)} min; seed {rules.seed}.",
        "Sellers consent to leave with as little as their threshold or reserve; what is missing is "
        "bought at home.",
    ]
    if liars:
        said.append(
            f"Up to {count(liars)} buyers and as many sellers, drawn by the seed, lie in turn: "
            f"state of charge {percent(BUYER_SOC_LIE)} (buyers) and +{percent(SELLER_SOC_LIE)} "
            f"(sellers), limit price {PRICE_LIE_PERCENT} % in their favour, departure "
            f"{DEPARTURE_LIE.seconds // 60} min earlier and later."
        )
    return tuple(said)


def is_alike(result: Comparison) -> bool:
    """Whether some markets ended in the same welfare and energy."""
    columns = ["welfare_ueur", "traded_wh"]
    some = markets_of(result)
    return bool(some[some["traded_wh"] > 0].duplicated(columns).any())


def steps_line(result: Comparison) -> str:
    """What the waterfall's last row is, and why it may cost less than the one above."""
    rows = waterfall_of(result)
    label = str(rows["label"].iloc[-1]).replace("\n", " ")
    said = f"The last row is {label}, the market with the most welfare."
    if result.stays.rules.strategy == "at-once":
        peak = power(int(rows["peak_w"].iloc[0]))
        said += (
            f" Its vehicles charge on arrival, as in the first row (peak {peak} kW), so that all "
            "it changes comes from trading."
        )
    before, last = rows.iloc[-2], rows.iloc[-1]
    if last["cost_ueur"] < before["cost_ueur"] and last["missing_wh"] > before["missing_wh"]:
        said += (
            " It costs less than the row above because it serves less: the optimum serves every "
            "need that it can before it looks at cost, and what is missing is cheaper at home."
        )
    return said


def plain(value: object) -> object:
    """A cell as JSON takes it: None where it is empty, else text, int or float."""
    if isinstance(value, str):
        return value
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    return int(value) if isinstance(value, int | np.integer) else float(value)  # type: ignore[arg-type]
