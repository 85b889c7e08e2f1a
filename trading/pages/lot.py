"""The lot as it is now, or was: who stands where, what flows between whom, load, price, savings."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from trading.pages.charts import drawn_load, drawn_prices, load_chart, price_chart
from trading.pages.parts import Rows, button, empty, figures, icon, say, tag, text
from trading.pages.site import Page, Visit
from trading.web.auth import Role

WINDOW = dt.timedelta(days=2)
FLOWS = ("confirmed", "settled")
MINUTE = dt.timedelta(minutes=1)
SECONDS_PER_HOUR = 3600


class Bays(Element, component="static/bays.js"):
    """The bays as a drawing: vehicles with role and state of charge, and power between them.

    Where other vehicles are not the visitor's to see, bays without one of its own say so.
    """

    def __init__(self, words: dict[str, str]) -> None:
        """Draw an empty lot.

        Args:
            words: what the drawing says, by name.
        """
        super().__init__()
        self.props["words"] = words
        self.props["told"] = json.dumps(
            {"bays": 0, "is_partial": False, "vehicles": [], "flows": []}
        )

    def show(self, told: str) -> None:
        """Draw this instead, told in JSON; nothing is sent where it is the same."""
        if self.props["told"] != told:
            self.props["told"] = told


class LotView:
    """One visitor's lot."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.past: dt.datetime | None = None
        self.day: dt.date | None = None
        self.is_playing = False
        self._seen: Any = None
        who = visit.who.principal
        self.sees_all = who.sees_vehicles
        # The authority governs without knowing where whose vehicle stands.
        self.sees_some = bool(who.roles - {Role.AUTHORITY})
        self._now: dict[str, Any] = {}

    async def build(self) -> None:
        """Put all of it onto the page."""
        visit, t = self.visit, self.visit.text
        self._now = await visit.get("/lot")
        if self._now["first"] is None:
            empty(t("lot.no_sessions"), t("lot.no_sessions_hint"))
        with tag("section", "pc-bar", aria_label=t("lot.clock")):
            self.clock = text("", "time", "pc-clock")
            self.state = text("", "span", "pc-chip", role="status")
            self._controls()
        named = {name: t(f"lot.{name}") for name in _FIGURES}
        if not self.sees_all:
            del named["here"]
        if self.sees_some and not self.sees_all:
            named = {"yours_here": t("lot.yours_here"), **named}
        values = figures(dict.fromkeys(named.values(), "–"))
        self.figures = {name: values[said] for name, said in named.items()}
        self.since = text("", "p", "pc-quiet")
        with tag("section", "pc-card", aria_label=t("lot.bays")):
            if self.sees_some:
                self._parking()
            else:
                text(t("lot.hidden_all"), "p", "pc-quiet")
        with tag("div", "pc-two"):
            with tag("section", "pc-card"):
                text(f"{t('lot.load')} (kW)", "h2")
                self.load = load_chart(visit)
            with tag("section", "pc-card"):
                text(f"{t('lot.price')} (EUR/kWh)", "h2")
                self.price = price_chart(visit)
        await visit.every(self.refresh)

    def _parking(self) -> None:
        """The bays, and the same as tables."""
        t = self.visit.text
        self._legend()
        if not self.sees_all:
            text(t("lot.hidden_others"), "p", "pc-quiet")
        self.bays = Bays({name: t(f"lot.{name}") for name in ("buyer", "seller", "neutral")})
        with tag("details"):
            text(t("lot.as_table"), "summary")
            self.vehicles = Rows(
                t("lot.vehicles"),
                [t(f"lot.{name}") for name in _VEHICLE_COLUMNS],
                nothing=t("lot.nobody_here" if self.sees_all else "lot.none_of_yours"),
            )
            self.flows = Rows(
                t("lot.flows"),
                [t(f"lot.{name}") for name in ("seller", "buyer", "power", "price")],
                nothing=t("lot.nothing_flows" if self.sees_all else "lot.nothing_of_yours"),
            )

    def _controls(self) -> None:
        t = self.visit.text
        with tag("label", "pc-chooser") as self.days:
            text(t("lot.day"))
            self.calendar = tag("input", type="date", min="", max="").on(
                "change", self._choose, js_handler="e => emit(e.target.value)"
            )
        with tag("div", "pc-controls"):
            self.play = tag("button", "pc-button pc-round", type="button")
            self.play.props["aria-label"] = t("lot.play")
            self.play.on("click", self._toggle_play)
            with self.play:
                self.sign = icon("play_arrow")
            self.slider = tag("input", "pc-slider", type="range", min="0", max="0", value="0")
            self.slider.props["aria-label"] = t("lot.slider")
            self.slider.on(
                "input",
                self._slide,
                js_handler="e => emit(Number(e.target.value))",
                throttle=0.15,
            )
            self.live = button(t("lot.to_now"), self._to_now)

    def _legend(self) -> None:
        with tag("ul", "pc-legend"):
            for role in ("buyer", "seller", "neutral"):
                with tag("li"):
                    tag("span", f"pc-mark pc-{role}", aria_hidden="true")
                    text(self.visit.text(f"lot.{role}_long"))
            with tag("li"):
                tag("span", "pc-mark pc-flow", aria_hidden="true")
                text(self.visit.text("lot.flow"))

    # ------------------------------------------------------------------ what visitors do

    def _step(self) -> dt.timedelta:
        return dt.timedelta(seconds=self._now["interval_s"])

    def _range(self) -> tuple[dt.datetime, dt.datetime]:
        """What the slider covers: the day that was chosen; or up to now, two days at most."""
        now = _floor(dt.datetime.fromisoformat(self._now["now"]), MINUTE)
        first = _time(self._now["first"]) if self._now["first"] else None
        if self.day is None:
            since, until = now - WINDOW, now
        else:
            since = self._midnight(self.day)
            until = min(self._midnight(self.day + dt.timedelta(days=1)) - self._step(), now)
        # Where every session is still to come, the first interval lies ahead.
        return (min(max(since, first), until) if first else since), until

    def _midnight(self, day: dt.date) -> dt.datetime:
        zone = self.visit.shown.zone
        return dt.datetime.combine(day, dt.time(), tzinfo=zone).astimezone(dt.UTC)

    def _days(self) -> tuple[dt.date, dt.date]:
        """The first and the last day that there is anything of, by the visitor's calendar."""
        zone = self.visit.shown.zone
        now = _time(self._now["now"])
        first = min(_time(self._now["first"] or self._now["now"]), now)
        return first.astimezone(zone).date(), now.astimezone(zone).date()

    async def _choose(self, event: GenericEventArguments) -> None:
        try:
            day = dt.date.fromisoformat(str(event.args))
        except ValueError:
            # The field was emptied.
            await self._to_now()
            return
        first, last = self._days()
        self.day, self.is_playing = min(max(day, first), last), False
        self.past = self._range()[0]
        await self.refresh()

    async def _slide(self, event: GenericEventArguments) -> None:
        since, until = self._range()
        at = since + int(event.args) * self._step()
        self.past = at if at < until else self._end(until)
        await self.refresh()

    def _end(self, until: dt.datetime) -> dt.datetime | None:
        """Where the slider's end is: now, which moves on, or the end of the chosen day."""
        return None if self.day is None else until

    async def _to_now(self) -> None:
        self.past, self.day, self.is_playing = None, None, False
        self.calendar.client.run_javascript(
            f"document.getElementById('{self.calendar.html_id}').value = ''"
        )
        await self.refresh()

    async def _toggle_play(self) -> None:
        self.is_playing = not self.is_playing
        since, until = self._range()
        if self.is_playing and self.past in (None, until):
            self.past = since
        await self.refresh()

    def _advance(self) -> None:
        if self.is_playing and self.past is not None:
            self.past += self._step()
            until = self._range()[1]
            if self.past >= until:
                self.past, self.is_playing = self._end(until), False

    # ------------------------------------------------------------------ what they see

    async def refresh(self) -> None:
        """Bring everything up to date, if anything is different."""
        visit = self.visit
        self._now = await visit.get("/lot")
        self._advance()
        since, until = self._range()
        at = self.past or until
        step = self._step()
        begins = _floor(at, step)
        # Of now whoever stands there now, and not who did when the minute began.
        is_live = self.past is None and not self._now["is_replay"]
        asked = {} if is_live else {"at": _iso(at)}
        vehicles, trades, saved, load, prices = await asyncio.gather(
            visit.rows("/vehicles", **asked) if self.sees_some else _nobody(),
            visit.rows("/trades", since=_iso(begins), until=_iso(begins + step)),
            visit.get("/savings", since=_iso(since), until=_iso(begins + step)),
            visit.rows("/load", since=_iso(since), until=_iso(until + step)),
            visit.rows("/prices", since=_iso(since), until=_iso(until + step)),
        )
        bays, limit_w = self._now["bays"], self._now["vehicles_limit_w"]
        when = (at, since, until, self._state_name(), bays, limit_w)
        seen = (when, vehicles, trades, saved, load, prices)
        if seen == self._seen:
            return
        self._seen = seen
        self._show_clock(at, since, until)
        self._show_figures(at, vehicles, saved, load)
        if self.sees_some:
            self._show_parking(vehicles, trades)
        self.load.show(
            visit.drawn(("load", at, limit_w), [load], lambda: drawn_load(load, at, limit_w, visit))
        )
        self.price.show(
            visit.drawn(("prices", at), [prices], lambda: drawn_prices(prices, at, visit))
        )

    def _show_parking(self, vehicles: list[dict[str, Any]], trades: list[dict[str, Any]]) -> None:
        flows = [one for one in trades if one["state"] in FLOWS]
        parties = (vehicles, trades)
        drawing, vehicle_rows, flow_rows = self.visit.drawn(
            ("lot", self._now["bays"], self.sees_all),
            parties,
            lambda: (
                json.dumps(self._drawing(vehicles, flows)),
                self._vehicle_rows(vehicles),
                self._flow_rows(flows),
            ),
        )
        self.bays.show(drawing)
        self.vehicles.show(vehicle_rows)
        self.flows.show(flow_rows)

    def _state_name(self) -> str:
        return (
            "playing" if self.is_playing else "past" if self.past is not None
            else "over" if self._now["is_over"] else "replaying" if self._now["is_replay"]
            else "now"
        )  # fmt: skip

    def _show_clock(self, at: dt.datetime, since: dt.datetime, until: dt.datetime) -> None:
        t, shown = self.visit.text, self.visit.shown
        said = f"{shown.day(at)}, {shown.clock(at)}"
        say(self.clock, said)
        _set(self.clock, {"datetime": _iso(at)})
        say(self.state, t(f"lot.is_{self._state_name()}"))
        say(self.since, t("lot.since", time=shown.moment(since)))
        step = self._step()
        _set(
            self.slider,
            {
                "max": str(max((until - since) // step, 0)),
                "value": str((at - since) // step),
                "aria-valuetext": said,
            },
        )
        name = "pause" if self.is_playing else "play"
        _set(self.play, {"aria-label": t(f"lot.{name}")})
        _set(self.sign, {"name": _ICONS[name]})
        self.live.set_visibility(self.past is not None)
        first, last = self._days()
        self.days.set_visibility(first < last)
        _set(self.calendar, {"min": first.isoformat(), "max": last.isoformat()})

    def _show_figures(
        self,
        at: dt.datetime,
        vehicles: list[dict[str, Any]],
        saved: dict[str, Any],
        load: list[dict[str, Any]],
    ) -> None:
        shown = self.visit.shown
        # Of the meter interval that it is; an older one says nothing of it.
        begins = _floor(at, dt.timedelta(seconds=self._now["meter_s"]))
        then = next((row for row in reversed(load) if _time(row["time"]) == begins), None)
        values = {
            "here": shown.number(len(vehicles)),
            "yours_here": shown.number(len(vehicles)),
            "from_peers": shown.energy(saved["energy_wh"]),
            "grid_now": shown.power(then["with_p2p_w"] if then else 0),
            "grid_alone": shown.power(then["grid_only_w"] if then else 0),
            "buyers_saved": shown.money(saved["buyers_saved_ueur"]),
            "sellers_income": shown.money(saved["sellers_income_ueur"]),
        }
        for name, element in self.figures.items():
            say(element, values[name])

    def _drawing(
        self, vehicles: list[dict[str, Any]], flows: list[dict[str, Any]]
    ) -> dict[str, Any]:
        shown = self.visit.shown
        bay_of = {one["session_id"]: one["bay"] for one in vehicles}
        return {
            "bays": max(self._now["bays"], *bay_of.values(), 0) if bay_of else self._now["bays"],
            "is_partial": not self.sees_all,
            "vehicles": [
                {
                    "bay": one["bay"],
                    "role": one["role"],
                    "soc": one["soc"],
                    "label": shown.share(one["soc"]),
                    "title": f"{one['session_id']} · "
                    + self.visit.text(
                        "lot.until",
                        role=self.visit.text(f"lot.{one['role']}"),
                        time=shown.clock(one["departure"]),
                    ),
                }
                for one in vehicles
            ],
            "flows": [
                {
                    "from": bay_of[one["seller_id"]],
                    "to": bay_of[one["buyer_id"]],
                    "power": shown.power(self._power_w(one)),
                }
                for one in flows
                if one["seller_id"] in bay_of and one["buyer_id"] in bay_of
            ],
        }

    def _power_w(self, trade: dict[str, Any]) -> float:
        return float(trade["energy_wh"] * SECONDS_PER_HOUR / self._now["interval_s"])

    def _vehicle_rows(self, vehicles: list[dict[str, Any]]) -> list[list[str]]:
        t, shown = self.visit.text, self.visit.shown
        return [
            [
                str(one["bay"]),
                one["session_id"],
                t(f"lot.{one['role']}"),
                shown.share(one["soc"]),
                shown.energy(max(one["need_wh"] - one["drawn_wh"], 0)),
                shown.energy(one["from_peers_wh"]),
                shown.energy(one["to_peers_wh"]),
                shown.clock(one["departure"]),
            ]
            for one in sorted(vehicles, key=lambda one: int(one["bay"]))
        ]

    def _flow_rows(self, flows: list[dict[str, Any]]) -> list[list[str]]:
        t, shown = self.visit.text, self.visit.shown
        return [
            [
                one["seller_id"] or t("lot.somebody"),
                one["buyer_id"] or t("lot.somebody"),
                shown.power(self._power_w(one)),
                shown.price(one["price_ueur_per_kwh"]),
            ]
            for one in flows
        ]


_FIGURES = ("here", "from_peers", "grid_now", "grid_alone", "buyers_saved", "sellers_income")
_VEHICLE_COLUMNS = (
    "bay", "session", "role", "soc", "need", "bought", "sold", "departure",
)  # fmt: skip


_ICONS = {"play": "play_arrow", "pause": "pause"}


def _set(element: Element, values: dict[str, str]) -> None:
    """Give an element these properties; nothing is sent where it has them."""
    changed = {name: value for name, value in values.items() if element.props.get(name) != value}
    if changed:
        element.props.update(changed)


async def _nobody() -> list[dict[str, Any]]:
    return []


def _floor(at: dt.datetime, step: dt.timedelta) -> dt.datetime:
    seconds = int(step.total_seconds())
    return dt.datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, dt.UTC)


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _iso(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _build(visit: Visit) -> None:
    await LotView(visit).build()


PAGE = Page(
    name="lot",
    path="/",
    icon="local_parking",
    roles=frozenset(Role),
    build=_build,
    says_pause=True,
)
