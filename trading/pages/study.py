"""Comparisons: set one up, watch it run, look at what it found, take its tables along."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from nicegui.events import GenericEventArguments

from trading.pages.client import SignedIn
from trading.pages.files import file_at, files, given
from trading.pages.forms import AT_FIRST, Chooser, Field, notice, price_of, whole_of
from trading.pages.parts import Cell, Rows, button, empty, focus, link, tag, text
from trading.pages.site import Page, Site, Visit
from trading.web.auth import Role
from trading.web.problems import Problem

PATH = "/study"
CHIPS = {"queued": "wait", "running": "wait", "done": "good", "failed": "bad", "cancelled": "plain"}
OPEN = ("queued", "running")
PRESET = ("pro-rata", "uniform-price", "mcafee")
"""Mechanisms that are chosen at first, where they exist: quick ones that differ."""
MIDDLE = "middle"
FORMATS = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet",
           "json": "application/json"}  # fmt: skip
MAIN_TABLE = "comparison.csv"
ASKED_FOR = frozenset({Role.AGGREGATOR, Role.OPERATOR, Role.AUTHORITY})


class Choices:
    """Boxes to be ticked."""

    def __init__(self, legend: str, names: list[str], chosen: list[str]) -> None:
        """Choose among `names`, of which `chosen` are ticked."""
        self._names, self._ticked = names, set(chosen)
        with tag("fieldset", "pc-choices", tabindex="-1") as self.box:
            text(legend, "legend")
            for name in names:
                with tag("label"):
                    box = tag("input", type="checkbox")
                    if name in self._ticked:
                        box.props["checked"] = True
                    box.on("change", self._on(name), js_handler="e => emit(e.target.checked)")
                    text(name)
        self._complaint = text("", "p", "pc-complaint", role="alert")
        self._complaint.set_visibility(False)

    def complain(self, sentence: str) -> None:
        """Say what is wrong with them; an empty text for nothing."""
        self._complaint.set_text(sentence)
        self._complaint.set_visibility(bool(sentence))

    @property
    def chosen(self) -> list[str]:
        """Names that are ticked, in the order of the options."""
        return [name for name in self._names if name in self._ticked]

    def _on(self, name: str) -> Any:
        def tick(event: GenericEventArguments) -> None:
            (self._ticked.add if event.args else self._ticked.discard)(name)
            self.complain("")

        return tick


class _Day:
    """A date of the browser's own kind; `value` is it in ISO 8601, or empty."""

    def __init__(self, label: str, value: str) -> None:
        self.value = value
        with tag("div", "pc-field"), tag("label"):
            text(label)
            self._input = tag("input", type="date", **{AT_FIRST: value}).on(
                "change", self._chosen, js_handler="e => emit(e.target.value)"
            )

    def _chosen(self, event: GenericEventArguments) -> None:
        self.value = str(event.args)


class _Studies:
    """One visitor's comparisons."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._seen: Any = None
        self._under_way: dict[str, _UnderWay] = {}

    async def build(self) -> None:
        t = self.visit.text
        try:
            self.options = await self.visit.get("/studies/options")
        except Problem as error:
            if error.status != 404:
                raise
            empty(t("study.none_here"), t("study.none_here_hint"))
            return
        with tag("div", "pc-two"):
            with tag("section", "pc-card"):
                text(t("study.new"), "h2")
                self._form()
            with tag("div"):
                with tag("section", "pc-card"):
                    text(t("study.under_way"), "h2")
                    self.idle = text(t("study.nothing_runs"), "p", "pc-quiet")
                    self.under_way = tag("div", role="status")
                with tag("section", "pc-card"):
                    text(t("study.earlier"), "h2")
                    self.rows = Rows(
                        t("study.earlier"),
                        [t(f"study.{name}") for name in ("asked_at", "name", "state")],
                        nothing=t("study.no_earlier"),
                    )
        await self.visit.every(self.refresh)

    # ------------------------------------------------------------------ asking

    def _form(self) -> None:
        t, told = self.visit.text, self.options
        self.title = Field(t("study.name"), hint=t("study.name_hint"))
        sources = {one["name"]: one["name"] for one in told["sources"]}
        sources["sample"] = t("study.sample")
        self.source = Chooser(t("study.source"), sources)
        sample = next(one for one in told["sources"] if one["name"] == "sample")
        with tag("div", "pc-pair"):
            self.first = _Day(t("study.first_day"), sample["first_day"])
            self.last = _Day(t("study.last_day"), sample["first_day"])
        text(
            t("study.days_hint", first=sample["first_day"], last=sample["last_day"]),
            "p", "pc-quiet pc-hint",
        )  # fmt: skip
        names = [one["name"] for one in told["mechanisms"]]
        preset = [name for name in PRESET if name in names] or names[:1]
        self.mechanisms = Choices(t("study.mechanisms"), names, preset)
        pricings = [one["name"] for one in told["pricings"]]
        self.pricings = Choices(t("study.pricings"), pricings, [MIDDLE])
        text(t("study.pricings_hint"), "p", "pc-quiet pc-hint")
        self.share = Field(t("study.v2g_share"), value="100", mode="numeric")
        with tag("details", "pc-fold"):
            text(t("study.more"), "summary")
            minutes = {str(n): t("study.minutes", n=n) for n in told["interval_minutes"]}
            self.interval = Chooser(t("study.interval"), minutes, value="15")
            ways = {name: t(f"study.{name}") for name in ("actual", "estimated")}
            self.departures = Chooser(t("study.departures"), ways)
            hint = t("study.price_hint")
            self.tariff = Field(t("study.tariff"), value="0.50", hint=hint, mode="decimal")
            self.replacement = Field(t("study.replacement"), value="0.25", mode="decimal")
            liars = {str(n): str(n) for n in range(told["most_liars"] + 1)}
            self.liars = Chooser(t("study.liars"), liars)
            self.seed = Field(t("study.seed"), value="0", mode="numeric")
        self.complaint = tag("div", role="alert")
        with tag("div", "pc-actions"):
            button(t("study.start"), self._start, kind="main")

    async def _start(self) -> None:
        t = self.visit.text
        whole = t("study.whole_number")
        share = whole_of(self.share, whole, most=100)
        seed = whole_of(self.seed, whole, most=2**32 - 1)
        tariff = price_of(self.tariff, t("study.price_wrong"), visit=self.visit)
        replacement = price_of(self.replacement, t("study.price_wrong"), visit=self.visit)
        choices = (self.mechanisms, self.pricings)
        for one in choices:
            one.complain("" if one.chosen else t("study.one_at_least"))
        self.complaint.clear()
        if share is None or seed is None or tariff is None or replacement is None:
            return
        lacking = [one for one in choices if not one.chosen]
        if lacking:
            # On a phone they are far above the button.
            focus(lacking[0].box)
            return
        asked = {
            "title": self.title.value,
            "source": self.source.value,
            "first_day": self.first.value or None,
            "last_day": self.last.value or None,
            "mechanisms": self.mechanisms.chosen,
            "pricings": self.pricings.chosen,
            "v2g_share": share / 100,
            "seed": seed,
            "interval_minutes": int(self.interval.value),
            "departures": self.departures.value,
            "lot_tariff_ueur_per_kwh": tariff,
            "replacement_ueur_per_kwh": replacement,
            "liars": int(self.liars.value),
        }
        try:
            await self.visit.send("POST", "/studies", asked)
        except Problem as error:
            with self.complaint:
                self.visit.refusal(error)
            return
        await self.refresh()

    # ------------------------------------------------------------------ watching

    async def refresh(self) -> None:
        """Bring what runs and what ran up to date."""
        rows = await self.visit.rows("/studies", order="desc")
        if rows == self._seen:
            return
        self._seen = rows
        running = [row for row in reversed(rows) if row["state"] in OPEN]
        self.idle.set_visibility(not running)
        for gone in self._under_way.keys() - {row["study"] for row in running}:
            self._under_way.pop(gone).box.delete()
        for row in running:
            if row["study"] not in self._under_way:
                with self.under_way:
                    self._under_way[row["study"]] = _UnderWay(self.visit, row, self.refresh)
            self._under_way[row["study"]].show(row)
        self.rows.show([self._row(row) for row in rows if row["state"] not in OPEN])

    def _row(self, row: dict[str, Any]) -> list[str | Cell]:
        t, shown = self.visit.text, self.visit.shown
        href = f"{PATH}/{_quoted(row['study'])}"
        return [
            shown.moment(row["asked_at"]),
            Cell(row["title"] or row["study"], href=href),
            Cell(t(f"study.{row['state']}"), chip=CHIPS[row["state"]]),
        ]


class _UnderWay:
    """A comparison that waits or runs: its steps in counted units, and a way to end it."""

    def __init__(self, visit: Visit, row: dict[str, Any], after: Any) -> None:
        self.visit, self._after, self._study = visit, after, row["study"]
        with tag("div", "pc-under-way") as self.box:
            text(row["title"] or row["study"], "h3")
            self.said = text("", "p")
            self.bar = tag("progress", "pc-progress", max="1", value="0")
            self.bar.props["aria-label"] = visit.text("study.progress")
            with tag("div", "pc-actions"):
                button(visit.text("study.cancel"), self._cancel, kind="bad")

    def show(self, row: dict[str, Any]) -> None:
        """Say how far it is."""
        t = self.visit.text
        if row["state"] == "queued":
            self.said.set_text(t("study.waits", n=row["place"]))
            self.bar.set_visibility(False)
            return
        self.bar.set_visibility(True)
        step = row["steps"][-1] if row["steps"] else None
        if step is None:
            self.said.set_text(t("study.begins"))
            # A bar without a value says that it is not known how far it is.
            self.bar.props.pop("value", None)
        else:
            said = t("study.step", part=self._part(step["name"]), **_counted(step))
            self.said.set_text(said)
            self.bar.props.update(max=str(step["total"]), value=str(step["done"]))
        self.bar.update()

    def _part(self, name: str) -> str:
        key = f"study.part_{name.replace(' ', '_')}"
        return self.visit.text(key) if self.visit.texts.has(key) else name

    async def _cancel(self) -> None:
        await self.visit.send("POST", f"/studies/{_quoted(self._study)}/cancel")
        await self._after()


def _counted(step: dict[str, Any]) -> dict[str, int]:
    return {"done": step["done"], "total": step["total"]}


# ---------------------------------------------------------------------- what one found


class _Found:
    """One visitor's look at one comparison, while it is under way and when it has ended."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.study = str(visit.request.path_params["study"])
        self._seen: Any = None
        self._under_way: _UnderWay | None = None

    async def build(self) -> None:
        """Put it onto the page."""
        visit, t = self.visit, self.visit.text
        try:
            told = await self._read()
        except Problem as error:
            if error.status != 404:
                raise
            empty(t("study.unknown"), t("study.unknown_hint"))
            link(t("study.back"), PATH)
            return
        asked = told["asked"]
        text(told["title"] or told["study"], "h2")
        with tag("p"):
            self._state = tag("span")
        days = " – ".join(day for day in (asked["first_day"], asked["last_day"]) if day)
        text(
            t(
                "study.of",
                source=asked["source"],
                days=days or t("study.all_days"),
                share=visit.shown.share(asked["v2g_share"]),
                seed=asked["seed"],
            ),
            "p",
            "pc-quiet",
        )
        self._place = tag("div")
        link(t("study.back"), PATH)
        await visit.every(self.refresh)

    async def refresh(self) -> None:
        """Say how far it is, or, once, what it found."""
        if self._seen is not None and self._seen["state"] not in OPEN:
            return
        told = await self._read()
        if told == self._seen:
            return
        state = told["state"]
        self._state.clear()
        with self._state:
            text(self.visit.text(f"study.{state}"), classes=f"pc-chip pc-{CHIPS[state]}")
        if state in OPEN:
            if self._under_way is None:
                with self._place, tag("section", "pc-card"):
                    self._under_way = _UnderWay(self.visit, told, self.refresh)
            self._under_way.show(told)
        else:
            self._place.clear()
            with self._place:
                await self._ended(told)
        self._seen = told

    async def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.visit.get(f"/studies/{_quoted(self.study)}")
        return found

    async def _ended(self, told: dict[str, Any]) -> None:
        t = self.visit.text
        if told["problem"]:
            notice(told["problem"], kind="bad")
        if told["run"] is None:
            empty(t("study.nothing_found"), t("study.nothing_found_hint"))
        else:
            await _results(self.visit, told["run"], liars=told["asked"]["liars"])


async def _results(visit: Visit, name: str, *, liars: int) -> None:
    t = visit.text
    run = await visit.get(f"/runs/{_quoted(name)}")
    place = f"{PATH}/{_quoted(name)}"
    with tag("section", "pc-card"):
        text(t("study.in_short"), "h2")
        rows = await visit.rows(f"/runs/{_quoted(name)}/tables/{MAIN_TABLE}")
        shown = visit.shown
        table = Rows(
            t("study.in_short"),
            [t(f"study.{one}") for one in _COLUMNS],
            nothing="",
        )
        table.show(
            [
                [
                    ", ".join(part for part in (row["mechanism"], row["pricing"])
                              if part and part != "own"),
                    shown.money(row["welfare_ueur"]),
                    shown.share(row["welfare_share"]),
                    shown.energy(row["traded_wh"]),
                    shown.energy(row["missing_wh"]),
                    shown.power(row["peak_w"]),
                    shown.money(row["buyers_saving_ueur"]),
                    shown.money(row["sellers_gain_ueur"]),
                ]
                for row in rows
            ]
        )  # fmt: skip
    for figure in sorted((one for one in run["figures"] if one.endswith(PIXELS)), key=_place):
        if figure == "misreporting.png" and not liars:
            continue
        with tag("section", "pc-card"), tag("figure", "pc-figure"):
            plain = figure.removesuffix(PIXELS)
            key = f"study.figure_{plain}"
            said = t(key) if visit.texts.has(key) else figure
            text(said, "figcaption", "pc-told")
            source = f"{place}/figures/{_quoted(figure)}"
            tag("img", src=source, alt=said, loading="lazy")
            with tag("span", "pc-chips"):
                for ending in (PIXELS, VECTORS):
                    if plain + ending in run["figures"]:
                        href = f"{place}/figures/{_quoted(plain + ending)}"
                        _taken(visit, href, said, f"{name}-{plain}{ending}")
    with tag("section", "pc-card"):
        text(t("study.take_along"), "h2")
        if run["has_report"]:
            link(t("study.report"), f"{place}/report")
        with tag("ul", "pc-list"):
            for one in run["tables"]:
                with tag("li"):
                    text(one)
                    with tag("span", "pc-chips"):
                        for form in FORMATS:
                            href = f"{place}/tables/{_quoted(one)}?as={form}"
                            _taken(visit, href, one, f"{name}-{one.rpartition('.')[0]}.{form}")


def _taken(visit: Visit, href: str, what: str, file: str) -> None:
    """A link that downloads something as a file of this name."""
    form = file.rpartition(".")[2].upper()
    found = link(form, href)
    found.props["download"] = file
    found.props["aria-label"] = visit.text("study.table_as", table=what, form=form)


PIXELS, VECTORS = ".png", ".svg"
"""How figures' names end: what a page shows, and what is there to take along besides."""
_FIGURES = ("waterfall.png", "worth.png", "prices.png", "fairness.png", "misreporting.png")


def _place(figure: str) -> tuple[int, str]:
    """Figures in the order of the report, others after them."""
    return (_FIGURES.index(figure) if figure in _FIGURES else len(_FIGURES), figure)


_COLUMNS = ("market", "welfare", "of_best", "traded", "missing", "peak", "buyers", "sellers")

_Form = Annotated[Literal["csv", "parquet", "json"], Query(alias="as")]


def router(site: Site) -> APIRouter:
    """Files of runs, for a browser, which has a cookie and no token."""
    found = files()

    async def passed(request: Request, run: str, path: str, accept: str) -> Response:
        async def give(who: SignedIn) -> Response:
            return site.api.file(who, f"/runs/{_quoted(run)}{path}", accept=accept)

        return await given(site, request, give, back=f"{PATH}/{_quoted(run)}")

    @file_at(found, PATH + "/{run}/figures/{figure}")
    async def figure(request: Request, run: str, figure: str) -> Response:
        return await passed(request, run, f"/figures/{_quoted(figure)}", "*/*")

    @file_at(found, PATH + "/{run}/report")
    async def report(request: Request, run: str) -> Response:
        return await passed(request, run, "/report", "text/html")

    @file_at(found, PATH + "/{run}/tables/{table}")
    async def table(request: Request, run: str, table: str, form: _Form = "csv") -> Response:
        return await passed(request, run, f"/tables/{_quoted(table)}/whole", FORMATS[form])

    return found


def _quoted(name: str) -> str:
    """A name as a part of a path, whatever is in it."""
    return quote(name, safe="")


async def _build(visit: Visit) -> None:
    await _Studies(visit).build()


async def _found(visit: Visit) -> None:
    await _Found(visit).build()


PAGE = Page(name="study", path=PATH, icon="science", roles=ASKED_FOR, build=_build)
FOUND = Page(
    name="found", path=PATH + "/{study}", icon="science", roles=ASKED_FOR, build=_found,
    in_navigation=False,
)  # fmt: skip
