"""What the authority decides: shown as it is, changed one thing at a time, each shown before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from trading.chain.contract import NOBODY
from trading.pages.forms import (
    Chooser,
    Dialog,
    Field,
    address_of,
    code,
    fold,
    notice,
    price_of,
    whole_of,
)
from trading.pages.parts import Rows, button, figures, refusal, say, tag, text
from trading.pages.site import Page, Visit
from trading.pages.trades import short
from trading.units import UEUR_PER_EUR
from trading.web.auth import Role
from trading.web.problems import Problem

LATEST = 20
MOST_SEATS = 96
PRICES = ("lowest_price", "highest_price", "largest_spread")
Change = dict[str, Any]


class _Operator(NamedTuple):
    """Where an operator stands on the page."""

    row: Element
    votes: TextElement


class AuthorityView:
    """One visitor's look at the consortium."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._seen: Any = None
        self._rows: dict[tuple[int, str], _Operator] = {}

    async def build(self) -> None:
        """Put the page into its frame, and keep it up to date."""
        t = self.visit.text
        is_connected = (await self.visit.get("/consortium"))["is_connected"]
        self.is_connected = is_connected
        self.dialog = Dialog(t("authority.leave"))
        if not is_connected:
            notice(t("authority.no_chain"))
        self.figures = figures(dict.fromkeys((t(f"authority.{one}") for one in _FIGURES), "–"))
        with tag("div", "pc-two"):
            with tag("section", "pc-card"):
                text(t("authority.operators"), "h2")
                self.operators = tag("ul", "pc-list")
                if is_connected:
                    self._operator_forms()
            with tag("section", "pc-card"):
                text(t("authority.rules"), "h2")
                if is_connected:
                    self._rule_forms()
            with tag("section", "pc-card"):
                text(t("authority.lots"), "h2")
                self.lots = Rows(
                    t("authority.lots"),
                    [t(f"authority.{one}") for one in ("lot", "account", "state")],
                    nothing=t("authority.no_lots"),
                )
                if is_connected:
                    self._lot_forms()
            with tag("section", "pc-card"):
                text(t("authority.aggregators"), "h2")
                self.aggregators = tag("ul", "pc-list")
                if is_connected:
                    self._aggregator_form()
            with tag("section", "pc-card"):
                text(t("authority.pause"), "h2")
                self.pause_said = text("", "p")
                with tag("div", "pc-actions"):
                    self.pause = button(t("authority.pause_it"), self._pause, kind="bad")
                    self.unpause = button(t("authority.unpause_it"), self._unpause)
            with tag("section", "pc-card"):
                text(t("authority.hand_over"), "h2")
                self.offered = text("", "p")
                if is_connected:
                    self._hand_over_form()
        with tag("section", "pc-card"):
            text(t("authority.changes"), "h2")
            self.changes = Rows(
                t("authority.changes"),
                [t(f"authority.{one}") for one in ("time", "change", "arguments", "block")],
                nothing=t("authority.no_changes"),
            )
            text(t("authority.latest", n=LATEST), "p", "pc-quiet")
        await self.visit.every(self.refresh)

    # ------------------------------------------------------------------ forms

    def _operator_forms(self) -> None:
        t = self.visit.text
        with fold(t("authority.add_operator")):
            added = Field(t("authority.address"), hint=t("authority.address_hint"))

            async def add() -> None:
                address = address_of(added, t("authority.address_wrong"))
                if address is not None:
                    await self._ask({"change": "add-operator", "operator": address})

            button(t("authority.show"), add)
        with fold(t("authority.rotate_operator")):
            self.rotated = Chooser(t("authority.old_key"), {})
            new = Field(t("authority.new_key"), hint=t("authority.address_hint"))

            async def rotate() -> None:
                old, address = self.rotated.value, address_of(new, t("authority.address_wrong"))
                if address is not None:
                    await self._ask({"change": "rotate-operator", "old": old, "new": address})

            button(t("authority.show"), rotate)

    def _rule_forms(self) -> None:
        t = self.visit.text
        with fold(t("authority.set_quorum")):
            quorum = Field(t("authority.quorum"), mode="numeric")

            async def set_quorum() -> None:
                asked = whole_of(quorum, t("authority.whole_number"), most=MOST_SEATS)
                if asked is not None:
                    await self._ask({"change": "set-quorum", "quorum": asked})

            button(t("authority.show"), set_quorum)
        with fold(t("authority.set_band")):
            hint = t("authority.price_hint")
            lowest = Field(t("authority.lowest_price"), hint=hint, mode="decimal")
            highest = Field(t("authority.highest_price"), hint=hint, mode="decimal")

            async def set_band() -> None:
                low = price_of(lowest, t("authority.price_wrong"), visit=self.visit)
                high = price_of(highest, t("authority.price_wrong"), visit=self.visit)
                if low is not None and high is not None:
                    await self._ask(
                        {
                            "change": "set-price-band",
                            "lowest_ueur_per_kwh": low,
                            "highest_ueur_per_kwh": high,
                        }
                    )

            button(t("authority.show"), set_band)
        with fold(t("authority.set_spread")):
            text(t("authority.spread_about"), "p", "pc-quiet")
            spread = Field(
                t("authority.largest_spread"), hint=t("authority.price_hint"), mode="decimal"
            )

            async def set_spread() -> None:
                asked = price_of(spread, t("authority.price_wrong"), visit=self.visit)
                if asked is not None:
                    await self._ask({"change": "set-largest-spread", "spread_ueur_per_kwh": asked})

            button(t("authority.show"), set_spread)

    def _lot_forms(self) -> None:
        t = self.visit.text
        with fold(t("authority.set_lot")):
            lot = Field(t("authority.lot"), mode="numeric")
            account = Field(
                t("authority.account"), hint=t("authority.account_hint"), mode="numeric"
            )

            async def set_lot() -> None:
                number = whole_of(lot, t("authority.whole_number"), most=2**16 - 1)
                to = whole_of(account, t("authority.whole_number"), most=2**32 - 1)
                if number is not None and to is not None:
                    await self._ask({"change": "set-lot", "lot": number, "account": to})

            button(t("authority.show"), set_lot)

    def _aggregator_form(self) -> None:
        t = self.visit.text
        with fold(t("authority.set_aggregator")):
            address = Field(t("authority.address"), hint=t("authority.address_hint"))
            does = {name: t(f"authority.{name}") for name in ("admit", "dismiss")}
            chosen = Chooser(t("authority.what"), does)

            async def set_aggregator() -> None:
                is_in = chosen.value == "admit"
                asked = address_of(address, t("authority.address_wrong"))
                if asked is not None:
                    await self._ask(
                        {"change": "set-aggregator", "aggregator": asked, "admitted": is_in}
                    )

            button(t("authority.show"), set_aggregator)

    def _hand_over_form(self) -> None:
        t = self.visit.text
        with fold(t("authority.propose")):
            address = Field(t("authority.address"), hint=t("authority.propose_hint"))

            async def propose() -> None:
                # Left empty, it takes an offer back.
                to = address_of(address, t("authority.address_wrong")) if address.value else None
                if to is not None or not address.value:
                    await self._ask({"change": "propose-authority", "proposed": to})

            button(t("authority.show"), propose)

    async def _pause(self) -> None:
        await self._ask({"change": "pause"})

    async def _unpause(self) -> None:
        await self._ask({"change": "unpause"})

    # ------------------------------------------------------------------ shown, then sent

    async def _ask(self, change: Change) -> None:
        """Show what a change would send and do, and ask once."""
        t = self.visit.text
        title = t(f"authority.does_{change['change'].replace('-', '_')}")
        try:
            shown = await self.visit.send("POST", "/consortium/changes/preview", change)
        except Problem as error:
            with self.dialog.show(title):
                refusal(t("shell.refused"), error)
            return

        async def send() -> None:
            await self._send(title, change, shown["digest"])

        with self.dialog.show(title):
            if not shown["is_accepted"]:
                notice(t("authority.would_refuse", why=shown["refusal"]), kind="bad")
            self._differences(shown["differences"], is_accepted=shown["is_accepted"])
            self._call(shown)
            if shown["is_accepted"] and shown["is_sent_here"]:
                text(t("authority.ask"), "p")
                self.dialog.once(t("authority.send"), send)
            elif shown["is_accepted"]:
                text(t("authority.send_elsewhere"), "p")
                code(shown["command"])

    async def _send(self, title: str, change: Change, digest: str) -> None:
        t = self.visit.text
        try:
            sent = await self.visit.send(
                "POST", "/consortium/changes", {"change": change, "digest": digest}
            )
        except Problem as error:
            with self.dialog.instead(title):
                refusal(t("shell.refused"), error)
            return
        with self.dialog.instead(title):
            text(t("authority.sent", block=sent["block"]), "p")
            self._differences(sent["differences"], is_accepted=True)
            code(sent["transaction"])

    def _differences(self, differences: list[dict[str, Any]], *, is_accepted: bool) -> None:
        t = self.visit.text
        if not differences:
            if is_accepted:
                text(t("authority.no_difference"), "p")
            return
        table = Rows(
            t("authority.differences"),
            [t(f"authority.{one}") for one in ("fact", "before", "after")],
            nothing="",
        )
        table.show(
            [
                [
                    t(f"authority.fact_{one['fact']}", of=_brief(one["of"])),
                    self._value(one["fact"], one["before"]),
                    self._value(one["fact"], one["after"]),
                ]
                for one in differences
            ]
        )

    def _call(self, shown: dict[str, Any]) -> None:
        """Every part of what would be sent."""
        t, call = self.visit.text, shown["call"]
        with fold(t("authority.call")):
            rows = Rows(
                t("authority.call"), [t("authority.part"), t("authority.value")], nothing=""
            )
            rows.show(
                [
                    [t("authority.contract"), call["contract"]],
                    [t("authority.function"), call["function"]],
                    *(
                        [f"{one['name'].rstrip('_')} ({one['type']})", one["value"]]
                        for one in call["arguments"]
                    ),
                    [t("authority.sender"), call["sender"]],
                    [t("authority.gas"), self.visit.shown.number(call["gas"])],
                    [t("authority.chain"), str(shown["chain_id"])],
                    [t("authority.calldata"), call["calldata"]],
                    [t("authority.digest"), shown["digest"]],
                ]
            )

    def _value(self, fact: str, value: str | None) -> str:
        if value is None:
            return self.visit.text("authority.none")
        if fact in PRICES:
            return self._price(int(value))
        if value in ("yes", "no"):
            return self.visit.text(f"authority.{value}")
        return value

    def _price(self, price_ueur_per_kwh: int) -> str:
        """A price with every digit of it: it is what will be sent."""
        digits = len(f"{price_ueur_per_kwh % UEUR_PER_EUR:06d}".rstrip("0"))
        shown = self.visit.shown.number(price_ueur_per_kwh / UEUR_PER_EUR, max(digits, 2))
        return f"{shown} EUR/kWh"

    # ------------------------------------------------------------------ what there is

    async def refresh(self) -> None:
        """Bring everything up to date, if anything is different."""
        visit = self.visit
        consortium = await visit.get("/consortium")
        operators = await visit.rows("/operators")
        page = await visit.get("/consortium/changes", order="desc", limit=LATEST)
        seen = ({**consortium, "head": None}, operators, page["items"])
        if seen == self._seen:
            return
        self._seen = seen
        self._show_figures(consortium)
        self._show_operators(operators)
        self._show_aggregators(consortium["aggregators"])
        t = visit.text
        self.lots.show(
            [
                [
                    str(one["lot"]),
                    str(one["account"]),
                    t("authority.open" if one["is_open"] else "authority.closed"),
                ]
                for one in consortium["lots"]
            ]
        )
        is_paused = consortium["is_paused"]
        say(self.pause_said, t("authority.is_paused" if is_paused else "authority.pause_about"))
        self.pause.set_visibility(self.is_connected and not is_paused)
        self.unpause.set_visibility(self.is_connected and is_paused)
        pending = consortium["pending_authority"]
        say(
            self.offered,
            t("authority.offered", address=pending) if pending else t("authority.propose_about"),
        )
        self.changes.show([self._change_row(one) for one in page["items"]])

    def _show_figures(self, found: dict[str, Any]) -> None:
        t = self.visit.text
        values = {
            "quorum": t("authority.of", n=found["quorum"], all=found["n_operators"]),
            "price_band": f"{self._price(found['lowest_price_ueur_per_kwh']).split(' ')[0]} – "
            f"{self._price(found['highest_price_ueur_per_kwh'])}",
            "largest_spread": self._price(found["largest_spread_ueur_per_kwh"]),
            "state": t("authority.paused" if found["is_paused"] else "authority.in_force"),
            "authority": short(found["authority"]),
        }
        for name, value in values.items():
            say(self.figures[t(f"authority.{name}")], value)

    def _show_operators(self, operators: list[dict[str, Any]]) -> None:
        t, shown = self.visit.text, self.visit.shown
        there = {(one["seat"], one["address"]): one for one in operators}
        if there.keys() != self._rows.keys():
            self._seat(there)
        for key, one in there.items():
            votes = t(
                "authority.votes",
                confirmations=shown.number(one["confirmations"]),
                rejections=shown.number(one["rejections"]),
                time=shown.moment(one["last_vote_at"]),
            )
            say(self._rows[key].votes, votes)

    def _seat(self, there: Mapping[tuple[int, str], dict[str, Any]]) -> None:
        """Give each operator its row; who stays keeps it, and a button of it the focus."""
        t = self.visit.text
        for key in self._rows.keys() - there.keys():
            self._rows.pop(key).row.delete()
        for at, (key, one) in enumerate(there.items()):
            if key not in self._rows:
                with self.operators, tag("li") as row:
                    with tag("div"):
                        text(t("authority.seat", n=one["seat"]), "strong")
                        code(one["address"])
                        votes = text("", "p", "pc-quiet")
                    if self.is_connected:
                        self._remove_button(one)
                row.move(target_index=at)
                self._rows[key] = _Operator(row, votes)
        if self.is_connected:
            self.rotated.offer(
                {
                    address: f"{t('authority.seat', n=seat)}, {short(address)}"
                    for seat, address in there
                }
            )

    def _remove_button(self, operator: dict[str, Any]) -> None:
        t = self.visit.text

        async def remove() -> None:
            await self._ask({"change": "remove-operator", "operator": operator["address"]})

        said = t("authority.remove_seat", n=operator["seat"])
        button(t("authority.remove"), remove, kind="bad").props["aria-label"] = said

    def _show_aggregators(self, addresses: list[str]) -> None:
        self.aggregators.clear()
        with self.aggregators:
            for one in addresses:
                with tag("li"):
                    code(one)
            if not addresses:
                text(self.visit.text("authority.no_aggregators"), "li", "pc-quiet")

    def _change_row(self, one: dict[str, Any]) -> list[str]:
        arguments = ", ".join(
            self.visit.text(
                "authority.argument",
                name=self.visit.text(f"authority.argument_{name}"),
                value=self._argument(name, value),
            )
            for name, value in one["arguments"].items()
        )
        return [
            self.visit.shown.moment(one["time"]),
            self.visit.text(f"authority.event_{one['name']}"),
            arguments or "–",
            str(one["block"]),
        ]

    def _argument(self, name: str, value: Any) -> str:
        if name in ("lowest", "highest", "spread"):
            return self._price(int(value))
        if isinstance(value, bool):
            return self.visit.text(f"authority.{'yes' if value else 'no'}")
        if value == NOBODY:
            return self.visit.text("authority.none")
        return str(value)


_FIGURES = ("quorum", "price_band", "largest_spread", "state", "authority")


def _brief(of: str) -> str:
    return short(of) if of.startswith("0x") else of


async def _build(visit: Visit) -> None:
    await AuthorityView(visit).build()


PAGE = Page(
    name="authority",
    path="/authority",
    icon="account_balance",
    roles=frozenset({Role.AUTHORITY}),
    build=_build,
)
