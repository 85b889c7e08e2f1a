"""Trades as they move from order to settlement, the latest first."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from trading.pages.parts import Cell, PageChooser, Rows, empty, link, tag
from trading.pages.site import Page, Site, Visit
from trading.web.auth import Role
from trading.web.problems import Problem

SHOWN = 50
STATES = ("pending", "confirmed", "settled", "rejected", "expired", "cancelled", "refused")
CHIPS = {
    "written": "wait", "pending": "wait", "confirmed": "good", "settled": "good",
    "rejected": "bad", "expired": "bad", "cancelled": "bad", "refused": "bad",
}  # fmt: skip
"""How a state is set off; its name says it, too."""


def short(number: str) -> str:
    """A long number as people compare it: how it begins and ends.

    >>> short("0x1234567890abcdef")
    '0x1234…cdef'
    """
    return number if len(number) <= 14 else f"{number[:6]}…{number[-4:]}"


class _Trades:
    """One visitor's list."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        asked = visit.request.query_params.get("state", "")
        self.state: str | None = asked if asked in STATES else None
        self.cursor = visit.request.query_params.get("cursor")

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
        self.none = empty(t("trades.none"), t("trades.none_hint"))
        with tag("section", "pc-card") as self.card:
            names = ("interval", "buyer", "seller", "energy", "price", "cost", "state")
            columns = [t(f"trades.{name}") for name in names]
            self.rows = Rows(t("trades.title"), columns, nothing="")
            with tag("nav", "pc-actions", aria_label=t("trades.turn")):
                if self.cursor:
                    link(t("trades.newest"), self._place(), "pc-button")
                self.older = link(t("trades.older"), "", "pc-button")
                link(t("trades.csv"), self._place("/trades.csv"), "pc-button")
        await self.visit.every(self.refresh)

    async def refresh(self) -> None:
        page = await self.visit.get(
            "/trades", order="desc", limit=SHOWN, state=self.state, cursor=self.cursor
        )
        rows = page["items"]
        self.older.set_visibility(page["next"] is not None)
        older = self._place(cursor=page["next"])
        if self.older.props["href"] != older:
            self.older.props["href"] = older
            self.older.update()
        self.none.set_visibility(not rows)
        self.card.set_visibility(bool(rows))
        self.rows.show([self._row(one) for one in rows])

    def _place(self, path: str = "/trades", *, cursor: str | None = None) -> str:
        asked = {"state": self.state, "cursor": cursor}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{path}?{query}" if query else path

    def _row(self, one: dict[str, Any]) -> list[str | Cell]:
        t, shown = self.visit.text, self.visit.shown
        somebody = t("trades.somebody")
        return [
            Cell(
                shown.moment(one["interval_start"]),
                href=f"/trades/{quote(one['trade_id'], safe='')}",
                title=t("trades.open"),
            ),
            one["buyer_id"] or somebody,
            one["seller_id"] or somebody,
            shown.energy(one["energy_wh"]),
            shown.price(one["price_ueur_per_kwh"]),
            shown.money(one["cost_ueur"]),
            Cell(t(f"trades.{one['state']}"), chip=CHIPS[one["state"]]),
        ]


def router(site: Site) -> APIRouter:
    """All trades that a visitor may see as one file, for a browser, which has no token."""
    found = APIRouter(include_in_schema=False)

    @found.get("/trades.csv")
    async def csv(request: Request, state: str | None = None) -> Response:
        who = await site.door.visitor(request)
        if who is None:
            raise Problem(401, "this needs a sign-in")
        return await site.api.csv(who, "/trades", name="trades.csv", state=state)

    return found


async def _build(visit: Visit) -> None:
    await _Trades(visit).build()


PAGE = Page(name="trades", path="/trades", icon="swap_horiz", roles=frozenset(Role), build=_build)
