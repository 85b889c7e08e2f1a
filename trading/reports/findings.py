"""What an experiment found, in sentences that are computed from its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from trading.reports.numbers import count, decimal, energy, money, percent, power, price, things
from trading.units import UEUR_PER_EUR

Tables = Mapping[str, pd.DataFrame]


def waterfall_findings(tables: Tables) -> list[str]:
    """The headline: the value beyond V1G, with its interval, and what it costs."""
    steps = tables["steps"].set_index("step")
    days = int(tables["steps"]["days"].max())
    base, smart = steps.iloc[0], steps.iloc[1]
    said = [
        f"Means over {things(days, 'day')} and {things(tables['days']['seed'].nunique(), 'draw')} "
        "of what was inferred; 95 % confidence intervals over days.",
        f"V1G alone changes drivers' cost by {money(round(smart.cost_ueur - base.cost_ueur))} EUR "
        f"and the peak from {power(round(base.peak_w))} to {power(round(smart.peak_w))} kW.",
    ]
    said += [
        f"Beyond V1G, {row.step} saves drivers "
        f"{_interval(row, 'cost_saved_ueur', UEUR_PER_EUR, 2)} EUR a day; it draws "
        f"{_interval(row, 'grid_saved_wh', 1e3, 1)} kWh less from the grid, and "
        f"{_interval(row, 'more_missing_wh', 1e3, 1)} kWh more are missing at departure. It "
        f"cuts the peak by {_interval(row, 'peak_cut_w', 1e3, 1)} kW more than V1G."
        for row in _rows(tables["beyond_v1g"])
    ]
    unproven = int((~tables["days"]["is_proven"]).sum())
    if unproven:
        said.append(f"{things(unproven, 'optimum', 'optima')} could not be proven to be the best.")
    return said


def break_even_findings(tables: Tables) -> list[str]:
    """How much of the map is rational, and the most that it saves."""
    cells = tables["map"]
    rational = cells[cells["is_rational"]]
    said = [
        f"In {count(len(cells) - len(rational))} of {count(len(cells))} cells no trade is "
        "rational: the seller's floor and the lot's fee pass the tariff."
    ]
    quiet = int((rational["traded_wh"] == 0).sum())
    if quiet:
        said.append(f"In {things(quiet, 'rational cell')} nothing was traded all the same.")
    for wear in sorted(set(cells["wear_ueur_per_kwh"])):
        own = cells[cells["wear_ueur_per_kwh"] == wear]
        traded = own[own["traded_wh"] > 0]
        if traded.empty:
            said.append(f"At a wear of {price(int(wear))} EUR/kWh nothing is traded.")
            continue
        best = _rows(traded.nlargest(1, "saving_ueur_per_kwh"))[0]
        said.append(
            f"At a wear of {price(int(wear))} EUR/kWh {percent(len(traded) / len(own))} of the "
            f"cells trade; the most saved is {price(round(best.saving_ueur_per_kwh))} EUR a kWh "
            f"traded (replacement {price(int(best.replacement_ueur_per_kwh))}, tariff "
            f"{price(int(best.lot_tariff_ueur_per_kwh))} EUR/kWh)."
        )
    return said


def connection_findings(tables: Tables) -> list[str]:
    """What the smallest limit does, and from which limit on each way to charge is free of it."""
    limits = tables["limits"]
    limited = limits[limits["connection_w"].notna()]
    said = []
    for charging, own in limited.groupby("charging", sort=False):
        small = _rows(own.nsmallest(1, "connection_w"))[0]
        free = own[own["binding_h"] == 0]["connection_w"]
        until = "At every limit tried it binds on some day."
        if not free.empty:
            until = f"From {power(int(free.min()))} kW on it never binds."
        said.append(
            f"{str(charging).capitalize()}: at {power(int(small.connection_w))} kW the connection "
            f"binds {_interval(small, 'binding_h', 1, 1)} h a day, "
            f"{_interval(small, 'unserved_wh', 1e3, 1)} kWh of need stay unserved and "
            f"{_interval(small, 'missing_wh', 1e3, 1)} kWh are missing in batteries. {until}"
        )
    return said


def forecast_findings(tables: Tables) -> list[str]:
    """What estimates change, and a warning where a lower cost is energy not served."""
    days = tables["days"]
    blind = days["without_estimate"].sum() / days["vehicles"].sum()
    said = [f"{percent(blind)} of the stays have no estimated departure."]
    for row in _rows(tables["error_cost"]):
        said.append(
            f"Grid {row.strategy}: planning on estimates changes energy from peers by "
            f"{_interval(row, 'peers_wh', 1e3, 1)} kWh a day, drivers' cost by "
            f"{_interval(row, 'cost_ueur', UEUR_PER_EUR, 2)} EUR, need not served by "
            f"{_interval(row, 'unserved_wh', 1e3, 1)} kWh, energy agreed and not delivered by "
            f"{_interval(row, 'shortfall_wh', 1e3, 1)} kWh, and energy missing in batteries by "
            f"{_interval(row, 'missing_wh', 1e3, 1)} kWh."
        )
        if row.cost_ueur < 0 and not row.cost_ueur_high >= 0 and row.unserved_wh > 0:
            said.append(
                f"Grid {row.strategy}: the lower cost is no gain. What the lot did not serve is "
                "priced at the cheaper replacement at home."
            )
    return said


def sankey_findings(tables: Tables) -> list[str]:
    """The day and its balance to the Wh."""
    day, nodes = tables["day"].iloc[0], tables["nodes"]
    drawn = int(nodes.loc[nodes["in_wh"].isna(), "out_wh"].sum())
    ended = int(nodes.loc[nodes["out_wh"].isna(), "in_wh"].sum())
    inner = nodes.dropna()
    is_closed = drawn == ended and bool((inner["in_wh"] == inner["out_wh"]).all())
    closing = "every node between closes to the Wh" if is_closed else "the balance does NOT close"
    return [
        f"{day.lot}, {day.day}, {things(int(day.vehicles), 'vehicle')}, {day.mechanism}: "
        f"{count(drawn)} Wh drawn from the sources, {count(ended)} Wh in batteries and losses; "
        f"{closing}.",
        f"Batteries lack {energy(int(day.missing_wh))} kWh at departure "
        f"({energy(int(day.missing_grid_only_wh))} kWh without trading); replacing them at home "
        f"costs {money(int(day.replacement_ueur))} EUR.",
    ]


def tornado_findings(tables: Tables) -> list[str]:
    """The widest bars, and the factors whose share is more than chance."""
    one = tables["one_at_a_time"]
    default, rows = one.iloc[0], one.iloc[1:]
    saving = rows.groupby("factor", sort=False)["saving_ueur"]
    low, high = saving.min(), saving.max()
    widest = (high - low).sort_values(ascending=False, kind="stable").index[:3]
    said = [f"With all defaults drivers save {money(round(default.saving_ueur))} EUR a day."]
    said += [
        f"Over the range of {name} alone the saving goes from {money(round(low[name]))} to "
        f"{money(round(high[name]))} EUR a day."
        for name in widest
    ]
    for outcome, own in tables["shares"].groupby("outcome", sort=False):
        clear = own[own["share"] > 2 * own["noise"]].sort_values("share", ascending=False)
        words = ", ".join(f"{row.factor} {percent(row.share)}" for row in _rows(clear))
        said.append(
            f"First-order shares of the variance of {outcome} beyond two standard deviations of "
            f"chance ({count(len(tables['samples']))} draws): {words or 'none'}."
        )
    return said


def truth_findings(tables: Tables) -> list[str]:
    """For each lot: what holds always, what never, under the defaults; and what overturns it."""
    claims = tables["claims"]
    said = []
    for lot, own in claims.groupby("lot", sort=False):
        first = own[own["assumption"] == own["assumption"].iloc[0]]
        shares = dict(zip(first["words"], first["holds_share"], strict=True))
        said.append(
            f"{lot}, {things(int(first['days'].iloc[0]), 'day and draw', 'days and draws')}, "
            "defaults: " + "; ".join(f"{w} on {percent(s)}" for w, s in shares.items()) + "."
        )
        rest = own[own["assumption"] != own["assumption"].iloc[0]].copy()
        rest["change"] = rest["holds_share"] - rest["words"].map(shares)
        for words, group in rest[rest["change"].abs() >= 0.5].groupby("assumption", sort=False):
            parts = (f"{r.words} on {percent(r.holds_share)}" for r in _rows(group))
            said.append(f"{lot}, {words}: " + "; ".join(parts) + ".")
    return said


def _rows(table: pd.DataFrame) -> list[Any]:
    """Rows with their columns as attributes."""
    return list(table.itertuples())


def _interval(row: object, name: str, unit: float, places: int) -> str:
    """A mean with half the width of its interval: "12.30 (± 4.56)"."""
    mean, high = (float(getattr(row, column)) / unit for column in (name, f"{name}_high"))
    half = high - mean
    said = decimal(mean, places)
    return said if math.isnan(half) else f"{said} (± {decimal(half, places)})"
