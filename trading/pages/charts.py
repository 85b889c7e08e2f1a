"""Charts of series in time: colours that all can tell apart, both themes, and words beside them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from nicegui import ui

from trading.pages.site import Visit

# Okabe and Ito's palette, darkened where it is text or line on white: 3:1 or more on both themes.
P2P, ALONE, LIMIT, TARIFF, SELLER = "#0080c0", "#8c8c8c", "#d0451b", "#8c8c8c", "#c47a00"


class SeriesChart:
    """Lines over time; `show` draws them anew."""

    def __init__(self, visit: Visit, *, unit: str, names: dict[str, str]) -> None:
        """An empty chart.

        Args:
            visit: whose language and zone it has.
            unit: of the values.
            names: of its series, in order: by key, what the legend says.
        """
        self._visit, self._names = visit, names
        self.chart = ui.echart(_frame(unit), renderer="svg").classes("pc-chart")
        self.chart.props["role"] = "img"

    def draw(
        self, series: dict[str, list[tuple[str, float | None]]], styles: dict[str, dict[str, Any]],
        *, at: dt.datetime, label: str,
    ) -> None:  # fmt: skip
        """Draw these values.

        Args:
            series: by key, (time in ISO 8601, value).
            styles: by key, how ECharts draws it.
            at: an instant to mark.
            label: what the chart shows, in words.
        """
        drawn = [
            {
                "name": self._names[key], "type": "line", "showSymbol": False, "step": "end",
                "data": [[_local(time, self._visit), value] for time, value in points],
                **styles[key],
            }
            for key, points in series.items()
        ]  # fmt: skip
        if drawn:
            drawn[0]["markLine"] = {
                "silent": True,
                "symbol": "none",
                "label": {"show": False},
                "lineStyle": {"color": LIMIT, "type": "solid", "width": 1},
                "data": [{"xAxis": _local(at.isoformat(), self._visit)}],
            }
        self.chart.options["series"] = drawn
        self.chart.options["legend"]["data"] = [self._names[key] for key in series]
        self.chart.props["aria-label"] = label
        self.chart.update()


class LoadChart(SeriesChart):
    """Power from the grid with trading and without, and what the connection leaves."""

    def show(self, rows: list[dict[str, Any]], at: dt.datetime, limit_w: int | None) -> None:
        """Draw rows of `/load`; what lies after `at` is left out."""
        known = [row for row in rows if dt.datetime.fromisoformat(row["time"]) <= at]
        series = {
            "alone": [(row["time"], row["grid_only_w"] / 1000) for row in known],
            "traded": [(row["time"], row["with_p2p_w"] / 1000) for row in known],
        }
        if limit_w is not None:
            series["limit"] = [(row["time"], limit_w / 1000) for row in rows]
        highest = {
            key: max((value for _, value in points), default=0) for key, points in series.items()
        }
        shown = self._visit.shown
        label = self._visit.text(
            "lot.load_words",
            alone=shown.power(1000 * highest["alone"]),
            traded=shown.power(1000 * highest["traded"]),
        )
        self.draw(series, _LOAD_STYLES, at=at, label=label)


class PriceChart(SeriesChart):
    """The lot's tariff, and the prices of peers where there were any."""

    def show(self, rows: list[dict[str, Any]], at: dt.datetime) -> None:
        """Draw rows of `/prices`."""
        known = [row for row in rows if dt.datetime.fromisoformat(row["interval_start"]) <= at]

        def points(name: str, of: list[dict[str, Any]]) -> list[tuple[str, float | None]]:
            return [
                (row["interval_start"], None if row[name] is None else row[name] / 1e6)
                for row in of
            ]

        prices = [row["mean_ueur_per_kwh"] for row in known if row["mean_ueur_per_kwh"] is not None]
        shown = self._visit.shown
        label = self._visit.text(
            "lot.price_words",
            tariff=shown.price(known[-1]["tariff_ueur_per_kwh"] if known else None),
            lowest=shown.price(min(prices, default=None)),
            highest=shown.price(max(prices, default=None)),
        )
        series = {
            "tariff": points("tariff_ueur_per_kwh", rows),
            "buyers": points("mean_ueur_per_kwh", known),
            "sellers": points("mean_seller_ueur_per_kwh", known),
        }
        self.draw(series, _PRICE_STYLES, at=at, label=label)


def load_chart(visit: Visit) -> LoadChart:
    """An empty chart of the load."""
    names = {key: visit.text(f"lot.load_{key}") for key in ("alone", "traded", "limit")}
    return LoadChart(visit, unit="kW", names=names)


def price_chart(visit: Visit) -> PriceChart:
    """An empty chart of prices."""
    names = {key: visit.text(f"lot.price_{key}") for key in ("tariff", "buyers", "sellers")}
    return PriceChart(visit, unit="EUR/kWh", names=names)


def _frame(unit: str) -> dict[str, Any]:
    quiet = {"color": "#7a7a7a"}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 12, "top": 44, "bottom": 8, "containLabel": True},
        "legend": {"top": 0, "left": 0, "itemWidth": 22, "textStyle": quiet, "data": []},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {"type": "time", "axisLabel": {**quiet, "formatter": "{HH}:{mm}"}},
        "yAxis": {
            "type": "value", "name": unit, "nameTextStyle": {**quiet, "align": "left"},
            "axisLabel": quiet, "splitLine": {"lineStyle": {"color": "#7a7a7a33"}},
        },
        "series": [],
    }  # fmt: skip


def _local(time: str, visit: Visit) -> str:
    """A time as the reader's wall clock has it: ECharts reads a time without zone as it stands."""
    there = dt.datetime.fromisoformat(time).astimezone(visit.shown.zone)
    return there.strftime("%Y-%m-%dT%H:%M:%S")


_LOAD_STYLES: dict[str, dict[str, Any]] = {
    "alone": {
        "color": ALONE, "lineStyle": {"color": ALONE, "type": "dashed", "width": 2},
    },
    "traded": {
        "color": P2P, "lineStyle": {"color": P2P, "width": 3}, "areaStyle": {"opacity": 0.12},
    },
    "limit": {"color": LIMIT, "lineStyle": {"color": LIMIT, "type": "dotted", "width": 2}},
}  # fmt: skip
_PRICE_STYLES: dict[str, dict[str, Any]] = {
    "tariff": {"color": TARIFF, "lineStyle": {"color": TARIFF, "type": "dashed", "width": 2}},
    "buyers": {
        "color": P2P, "lineStyle": {"color": P2P, "width": 3}, "showSymbol": True,
        "symbolSize": 6,
    },
    "sellers": {
        "color": SELLER, "lineStyle": {"color": SELLER, "width": 2}, "showSymbol": True,
        "symbol": "triangle", "symbolSize": 6,
    },
}  # fmt: skip
