"""Charts of series in time: colours that all can tell apart, both themes, and words beside them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui.element import Element
from nicegui.elements.echart.echart import EChart  # noqa: F401 - with it comes the library

from trading.pages.site import Visit

# Okabe and Ito's palette, darkened where it is text or line on white: 3:1 or more on both themes.
P2P, ALONE, LIMIT, TARIFF, SELLER = "#0080c0", "#8c8c8c", "#d0451b", "#8c8c8c", "#c47a00"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a chart shows: its series in JSON, and the same in words."""

    told: str
    words: str


class Series(Element, component="static/series.js"):
    """Lines over time; `show` draws them anew.

    What they show is a text of JSON: an element's lists and dictionaries are watched one by one,
    for each visitor anew, and a text is not.
    """

    def __init__(
        self, *, names: Mapping[str, str], styles: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """An empty chart.

        Args:
            names: of its series: by key, what the legend says.
            styles: of its series: by key, how ECharts draws it.
        """
        super().__init__()
        self.props.update(
            told=_told([], {}, dt.datetime.fromtimestamp(0, dt.UTC)),
            words="", names=dict(names), styles=dict(styles), mark=LIMIT,
        )  # fmt: skip

    def show(self, drawing: Drawing) -> None:
        """Draw this instead; nothing is sent where it is the same."""
        if (drawing.told, drawing.words) != (self.props["told"], self.props["words"]):
            self.props.update(told=drawing.told, words=drawing.words)


def drawn_load(
    rows: Sequence[Mapping[str, Any]], at: dt.datetime, limit_w: int | None, visit: Visit
) -> Drawing:
    """Rows of `/load` as a drawing and in words; what lies after `at` is left out.

    The last of them holds up to `at`, where the lines end.
    """
    times = [dt.datetime.fromisoformat(row["time"]) for row in rows]
    until = sum(time <= at for time in times)
    alone, traded = (
        [row[name] / 1000 for row in rows[:until]] for name in ("grid_only_w", "with_p2p_w")
    )
    if until and times[until - 1] < at:
        times.insert(until, at)
        alone.append(alone[-1])
        traded.append(traded[-1])
    series: dict[str, list[float | None]] = {"alone": [*alone], "traded": [*traded]}
    if limit_w is not None:
        series["limit"] = [limit_w / 1000] * len(times)
    words = visit.text(
        "lot.load_words",
        alone=visit.shown.power(1000 * max(alone, default=0)),
        traded=visit.shown.power(1000 * max(traded, default=0)),
    )
    return Drawing(_told(times, series, at), words)


def drawn_prices(rows: Sequence[Mapping[str, Any]], at: dt.datetime, visit: Visit) -> Drawing:
    """Rows of `/prices` as a drawing and in words; of peers' prices what lies after `at` is not."""
    times = [dt.datetime.fromisoformat(row["interval_start"]) for row in rows]
    known = rows[: sum(time <= at for time in times)]

    def prices(name: str, of: Sequence[Mapping[str, Any]]) -> list[float | None]:
        return [None if row[name] is None else row[name] / 1e6 for row in of]

    series = {
        "tariff": prices("tariff_ueur_per_kwh", rows),
        "buyers": prices("mean_ueur_per_kwh", known),
        "sellers": prices("mean_seller_ueur_per_kwh", known),
    }
    paid = [row["mean_ueur_per_kwh"] for row in known if row["mean_ueur_per_kwh"] is not None]
    shown = visit.shown
    words = visit.text(
        "lot.price_words",
        tariff=shown.price(known[-1]["tariff_ueur_per_kwh"] if known else None),
        lowest=shown.price(min(paid, default=None)),
        highest=shown.price(max(paid, default=None)),
    )
    return Drawing(_told(times, series, at), words)


def load_chart(visit: Visit) -> Series:
    """An empty chart of the load."""
    names = {key: visit.text(f"lot.load_{key}") for key in ("alone", "traded", "limit")}
    return Series(names=names, styles=_LOAD_STYLES)


def price_chart(visit: Visit) -> Series:
    """An empty chart of prices."""
    names = {key: visit.text(f"lot.price_{key}") for key in ("tariff", "buyers", "sellers")}
    return Series(names=names, styles=_PRICE_STYLES)


def _told(
    times: Sequence[dt.datetime], series: Mapping[str, Sequence[float | None]], at: dt.datetime
) -> str:
    start = times[0] if times else at
    return json.dumps(
        {
            "start": round(start.timestamp() * 1000),
            "minutes": [(time - start) // dt.timedelta(minutes=1) for time in times],
            "at": round(at.timestamp() * 1000),
            "series": series,
        },
        separators=(",", ":"),
    )


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
