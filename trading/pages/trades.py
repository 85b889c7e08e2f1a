"""Trades as they move from order to settlement, the latest first."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response
from nicegui.element import Element

from trading.pages.client import SignedIn
from trading.pages.files import file_at, files, given
from trading.pages.parts import Cell, PageChooser, Rows, empty, link, tag
from trading.pages.site import Page, Site, Visit
from trading.web.auth import Role
from trading.web.problems import Problem

SHOWN = 50
STATES = (
    "written", "pending", "confirmed", "settled", "rejected", "expired", "cancelled", "refused",
)  # fmt: skip
CHIPS = {
    "written": "wait", "pending": "wait", "confirmed": "good", "settled": "good",
    "rejected": "bad", "expired": "bad", "cancelled": "bad", "refused": "bad",
}  # fmt: skip
"""How a state is set off; its name says it, too."""
PAID, EARNED = "−", "+"


def short(number: str) -> str:
    """A long number as people compare it: how it begins and ends.

    >>> short("0x1234567890abcdef")
    '0x1234…cdef'
    """
    return number if len(number) <= 14 else f"{number[:6]}…{number[-4:]}"


def party(visit: Visit, trade: dict[str, Any], side: Literal["buyer", "seller"]) -> str:
    """Who bought or sold, by as much of its name as the visitor may know."""
    name, account = trade[f"{side}_id"], trade[f"{side}_account"]
    if name:
        return str(name)
    if account is not None:
        return visit.text("trades.account", n=account)
    return visit.text("trades.somebody")


def sums(visit: Visit, trade: dict[str, Any]) -> dict[str, str]:
    """The prices and amounts of a trade that concern the visitor, by their names.

    Who sees just its own vehicles sees what these paid or got; others see what the buyer paid.
    """
    t, shown = visit.text, visit.shown
    bought = shown.price(trade["price_ueur_per_kwh"]), shown.money(trade["cost_ueur"])
    if visit.who.principal.sees_trades:
        return {t("trades.buyer_price"): bought[0], t("trades.buyer_pays"): bought[1]}
    sold = shown.price(trade["seller_price_ueur_per_kwh"]), shown.money(trade["income_ueur"])
    sides = [
        (price, sign + amount)
        for is_own, (price, amount), sign in (
            (trade["buyer_id"], bought, PAID),
            (trade["seller_id"], sold, EARNED),
        )
        if is_own
    ]
    prices, amounts = zip(*sides, strict=True) if sides else ((), ())
    return {t("trades.price"): " / ".join(prices), t("trades.amount"): " / ".join(amounts)}


class _Turn:
    """The ways to other trades, and to all of them as a file."""

    def __init__(self, visit: Visit, label: str, *, newest: str, csv: str, classes: str) -> None:
        """Nothing of it is seen before something is known.

        Args:
            visit: who looks.
            label: of its own, as there are two.
            newest: the address of the latest trades; empty where they are shown.
            csv: of the file.
            classes: where it is seen.
        """
        with tag("nav", f"pc-actions {classes}", aria_label=label) as self.box:
            if newest:
                link(visit.text("trades.newest"), newest, "pc-button")
            self._older = link(visit.text("trades.older"), newest, "pc-button")
            link(visit.text("trades.csv"), csv, "pc-button")
        self.box.set_visibility(False)

    def show(self, older: str | None) -> None:
        """Lead to the trades before, if there are any."""
        self.box.set_visibility(True)
        self._older.set_visibility(older is not None)
        if older is not None and self._older.props["href"] != older:
            self._older.props["href"] = older
            self._older.update()


class _Trades:
    """One visitor's list."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        asked = visit.request.query_params.get("state", "")
        self.state: str | None = asked if asked in STATES else None
        self.cursor = visit.request.query_params.get("cursor")
        self._is_refused = False

    async def build(self) -> None:
        t = self.visit.text
        with tag("div", "pc-bar"):
            PageChooser(
                "state",
                t("trades.which"),
                {name: t(f"trades.{name or 'all'}") for name in ("", *STATES)},
                self.state or "",
                href=lambda name: f"/trades?state={name}" if name else "/trades",
            )
        self.none = self._none()
        above = self._turn(t("trades.turn_above"), "pc-on-phone")
        with tag("section", "pc-card") as self.card:
            is_own = not self.visit.who.principal.sees_trades
            money = ("price", "amount") if is_own else ("buyer_price", "buyer_pays")
            names = ("interval", "buyer", "seller", "energy", *money, "state")
            columns = [t(f"trades.{name}") for name in names]
            self.rows = Rows(t("trades.title"), columns, nothing="")
        self.turns = (above, self._turn(t("trades.turn")))
        # What there is is not known yet.
        self.none.set_visibility(False)
        self.card.set_visibility(False)
        await self.visit.every(self.refresh)

    def _turn(self, label: str, classes: str = "") -> _Turn:
        newest = self._place() if self.cursor else ""
        csv = self._place("/trades.csv")
        return _Turn(self.visit, label, newest=newest, csv=csv, classes=classes)

    def _none(self) -> Element:
        """What is said where there are no rows."""
        t = self.visit.text
        if self.cursor:
            with empty(t("trades.none_earlier")) as found:
                link(t("trades.newest"), self._place(), "pc-button")
            return found
        if self.state:
            return empty(t("trades.none_in_state"))
        return empty(t("trades.none"), t("trades.none_hint"))

    async def refresh(self) -> None:
        if self._is_refused:
            return
        try:
            page = await self.visit.get(
                "/trades", order="desc", limit=SHOWN, state=self.state, cursor=self.cursor
            )
        except Problem as error:
            if not self.cursor or error.status not in _NO_CURSOR:
                raise
            # It is of another list, or of an address that somebody typed; it never gets better.
            self._is_refused = True
            page = {"items": [], "next": None}
        rows, cursor = page["items"], page["next"]
        older = None if cursor is None else self._place(cursor=cursor)
        self.none.set_visibility(not rows)
        self.card.set_visibility(bool(rows))
        for turn in self.turns:
            if rows:
                turn.show(older)
            else:
                turn.box.set_visibility(False)
        self.rows.show([self._row(one) for one in rows])

    def _place(self, path: str = "/trades", *, cursor: str | None = None) -> str:
        asked = {"state": self.state, "cursor": cursor}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{path}?{query}" if query else path

    def _row(self, one: dict[str, Any]) -> list[str | Cell]:
        t, shown = self.visit.text, self.visit.shown
        return [
            Cell(
                shown.moment(one["interval_start"]),
                href=f"/trades/{quote(one['trade_id'], safe='')}",
                title=t("trades.open"),
            ),
            party(self.visit, one, "buyer"),
            party(self.visit, one, "seller"),
            shown.energy(one["energy_wh"]),
            *sums(self.visit, one).values(),
            Cell(t(f"trades.{one['state']}"), chip=CHIPS[one["state"]]),
        ]


_NO_CURSOR = (404, 422)
"""What a list answers to a cursor that is none of its own."""


def router(site: Site) -> APIRouter:
    """All trades that a visitor may see as one file, for a browser, which has no token."""
    found = files()

    @file_at(found, "/trades.csv")
    async def csv(request: Request, state: str | None = None) -> Response:
        async def give(who: SignedIn) -> Response:
            return await site.api.csv(
                who, "/trades", name="trades.csv", is_asked=request.method != "HEAD", state=state
            )

        back = PAGE.path + (f"?{urlencode({'state': state})}" if state else "")
        return await given(site, request, give, back=back)

    return found


async def _build(visit: Visit) -> None:
    await _Trades(visit).build()


PAGE = Page(name="trades", path="/trades", icon="swap_horiz", roles=frozenset(Role), build=_build)
