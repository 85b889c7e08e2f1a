"""The path of one trade: order, match, batch, each operator's check, block, settlement."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from trading.pages.parts import empty, figures, icon, link, tag, text
from trading.pages.site import Page, Visit
from trading.pages.trades import party, short, sums
from trading.web.auth import Role
from trading.web.problems import Problem

Standing = Literal["done", "waits", "failed"]
_ICONS = {"done": "check_circle", "waits": "hourglass_empty", "failed": "cancel"}
_COUNTED = ("confirmed", "settled")
_ENDED = ("rejected", "cancelled", "expired", "refused")


@dataclass(slots=True)
class _Step:
    """One step, and how far it is.

    Attributes:
        name: of its title: what it is for, or where it ended otherwise, what became of it.
        standing: how far it is.
        said: sentences; a `Quoted` one ends in words of others.
    """

    name: str
    standing: Standing
    said: list[str | Quoted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Quoted:
    """Words of an operator, the engine or the chain, which are English, after words of the page."""

    said: str
    quote: str


class _Path:
    """One visitor's look at one trade."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.trade_id = str(visit.request.path_params["trade_id"])
        self._seen: Any = None

    async def build(self) -> None:
        visit = self.visit
        link(visit.text("trade.back"), "/trades")
        try:
            await self._read()
        except Problem as error:
            if error.status != 404:
                raise
            empty(visit.text("trade.unknown"))
            return
        if (await visit.get("/lot"))["is_replay"]:
            text(visit.text("shell.two_clocks"), "p", "pc-quiet")
        self.numbers = tag("div")
        with tag("section", "pc-card"):
            self.steps = tag("ol", "pc-path")
        await visit.every(self.refresh)

    async def refresh(self) -> None:
        read = await self._read()
        if read == self._seen:
            return
        self._seen = read
        self.numbers.clear()
        with self.numbers:
            self._figures(read[0])
        self.steps.clear()
        with self.steps:
            for step in self._path(*read):
                self._show(step)

    async def _read(self) -> tuple[dict[str, Any], dict[str, Any] | None, list[Any], int]:
        """The trade, its batch and its orders, as far as they are the visitor's to see."""
        visit, roles = self.visit, self.visit.who.principal.roles
        trade = await visit.get(f"/trades/{quote(self.trade_id, safe='')}")
        batch = None
        if roles - {Role.DRIVER}:
            batch = await visit.get(f"/batches/{trade['batch_id']}")
        orders: list[Any] = []
        if roles - {Role.AUTHORITY}:
            start = dt.datetime.fromisoformat(trade["interval_start"])
            before = (start - dt.timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            parties = (trade["buyer_id"], trade["seller_id"])
            orders = [
                one
                for one in await visit.rows("/orders", at=before)
                if one["session_id"] in parties
            ]
        quorum = (await visit.get("/consortium"))["quorum"]
        return trade, batch, orders, quorum

    def _figures(self, trade: dict[str, Any]) -> None:
        t, shown = self.visit.text, self.visit.shown
        told = {
            t("trades.state"): t(f"trades.{trade['state']}"),
            t("trades.interval"): shown.moment(trade["interval_start"]),
            t("trades.energy"): shown.energy(trade["energy_wh"]),
            **sums(self.visit, trade),
        }
        if self.visit.who.principal.sees_trades:
            told |= {
                t("trades.seller_price"): shown.price(trade["seller_price_ueur_per_kwh"]),
                t("trades.seller_gets"): shown.money(trade["income_ueur"]),
            }
        figures(told)

    def _show(self, step: _Step) -> None:
        t = self.visit.text
        with tag("li", f"pc-step pc-{step.standing}"):
            icon(_ICONS[step.standing])
            with tag("div"):
                with tag("h2"):
                    text(t(f"trade.{step.name}"))
                    text(f" ({t(f'trade.{step.standing}')})", classes="pc-quiet")
                for sentence in step.said:
                    if isinstance(sentence, str):
                        text(sentence, "p")
                        continue
                    with tag("p"):
                        text(sentence.said)
                        text(f" {sentence.quote}", lang="en")

    # ------------------------------------------------------------------ the steps

    def _path(
        self, trade: dict[str, Any], batch: dict[str, Any] | None, orders: list[Any], quorum: int
    ) -> list[_Step]:
        events: dict[str, dict[str, Any]] = {one["event"]: one for one in trade["history"]}
        return [
            _Step("order", "done", self._orders(orders)),
            _Step("match", "done", [self._match(trade)]),
            self._batch(batch, events),
            self._checks(trade, quorum),
            self._block(trade, events),
            self._settlement(trade, events),
        ]

    def _orders(self, orders: list[Any]) -> list[str | Quoted]:
        t, shown = self.visit.text, self.visit.shown
        said: list[str | Quoted] = []
        for one in orders:
            limit = one["limit_price_ueur_per_kwh"]
            said.append(
                t(
                    "trade.order_bid" if one["side"] == "buy" else "trade.order_ask",
                    who=one["session_id"],
                    energy=shown.energy(one["energy_wh"]),
                    price=t("trade.any_price") if limit is None else shown.price(limit),
                )
            )
        if said:
            return said
        is_hidden = not self.visit.who.principal.sees_vehicles
        return [t("trade.order_hidden" if is_hidden else "trade.order_gone")]

    def _match(self, trade: dict[str, Any]) -> str:
        t, shown = self.visit.text, self.visit.shown
        return t(
            "trade.match_said",
            energy=shown.energy(trade["energy_wh"]),
            seller=party(self.visit, trade, "seller"),
            buyer=party(self.visit, trade, "buyer"),
            price=shown.price(trade["price_ueur_per_kwh"]),
            cost=shown.money(trade["cost_ueur"]),
            seller_price=shown.price(trade["seller_price_ueur_per_kwh"]),
            income=shown.money(trade["income_ueur"]),
        )

    def _batch(self, batch: dict[str, Any] | None, events: dict[str, Any]) -> _Step:
        t, shown = self.visit.text, self.visit.shown
        said: list[str | Quoted] = []
        if batch is not None:
            said.append(
                t(
                    "trade.batch_said",
                    time=shown.instant(batch["written_at"]),
                    batch=short(batch["batch_id"]),
                    n=batch["n_trades"],
                )
            )
            if batch["why"]:
                said.append(Quoted("", batch["why"]))
        submitted = events.get("BatchSubmitted")
        if submitted is not None:
            return _Step("batch", "done", [*said, t("trade.submitted_said", **_place(submitted))])
        refused = events.get("Refused") or events.get("LeftOut")
        if refused is not None:
            return _Step("batch", "failed", [*said, Quoted("", refused["reason"])])
        return _Step("batch", "waits", [*said, t("trade.batch_waits")])

    def _checks(self, trade: dict[str, Any], quorum: int) -> _Step:
        t = self.visit.text
        said: list[str | Quoted] = []
        confirmed = 0
        for one in trade["history"]:
            if one["event"] not in ("BatchConfirmedBy", "BatchRejectedBy"):
                continue
            is_confirmation = one["event"] == "BatchConfirmedBy"
            confirmed += is_confirmation
            what = "trade.check_confirmed" if is_confirmation else "trade.check_rejected"
            voted = t(what, seat=one["seat"], operator=short(one["operator"] or ""))
            reason = "" if is_confirmation else one["reason"]
            said.append(Quoted(voted, reason) if reason else voted)
        state = trade["state"]
        if state in ("written", "pending"):
            said.append(t("trade.check_waits", n=confirmed, quorum=quorum))
        standing: Standing = (
            "done" if state in _COUNTED else "failed" if state in _ENDED else "waits"
        )
        return _Step("checks", standing, said)

    def _block(self, trade: dict[str, Any], events: dict[str, Any]) -> _Step:
        t, shown = self.visit.text, self.visit.shown
        confirmed, rejected = events.get("BatchConfirmed"), events.get("BatchRejected")
        refunded = events.get("BatchRefunded")
        if confirmed is not None:
            time = shown.instant(confirmed["time"])
            return _Step("block", "done", [t("trade.block_said", time=time, **_place(confirmed))])
        if rejected is None and trade["state"] not in _ENDED:
            return _Step("block", "waits", [t("trade.block_waits")])
        if rejected is not None:
            said = t(
                "trade.block_rejected",
                time=shown.instant(rejected["time"]),
                **_place(rejected),
            )
        else:
            said = t("trade.block_ended", state=t(f"trades.{trade['state']}"))
        back = refunded or rejected
        paid = shown.money(trade["cost_ueur"])
        more = [t("trade.block_refunded", cost=paid, **_place(back))] if back else []
        # Its name says what became of it; why stands with the operators' checks.
        ended = "rejected" if rejected is not None else "unconfirmed"
        return _Step(ended, "failed", [said, *more])

    def _settlement(self, trade: dict[str, Any], events: dict[str, Any]) -> _Step:
        t, shown = self.visit.text, self.visit.shown
        settled = events.get("BatchSettled")
        if settled is not None:
            said = t(
                "trade.settlement_said",
                time=shown.instant(settled["time"]),
                income=shown.money(trade["income_ueur"]),
                **_place(settled),
            )
            return _Step("settlement", "done", [said])
        if trade["state"] in _ENDED:
            return _Step("settlement", "failed", [t("trade.settlement_never")])
        return _Step("settlement", "waits", [t("trade.settlement_waits")])


def _place(event: dict[str, Any]) -> dict[str, Any]:
    return {"block": event["block"]}


async def _build(visit: Visit) -> None:
    await _Path(visit).build()


PAGE = Page(
    name="trade",
    path="/trades/{trade_id:path}",
    icon="route",
    roles=frozenset(Role),
    build=_build,
    in_navigation=False,
)
