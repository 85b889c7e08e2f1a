"""An operator's page: what waits for a person, what was decided, how the others and the chain are.

All of it comes from the operator's own node and from the chain, by the API.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any
from urllib.parse import quote

from trading.pages.parts import Cell, PageChooser, Rows, empty, figures, focus, say, tag, text
from trading.pages.question import Question, Vote, ending, rule_name
from trading.pages.site import Page, Visit
from trading.pages.trades import CHIPS, short
from trading.web.auth import Role

SHOWN = 12
MOST = 100
NODE_CHIPS = {"ok": "good", "failing": "bad", "unreachable": "bad", "unknown": "plain"}
_FIGURES = ("questions", "waiting", "head", "age", "quorum")
_OPERATORS = (
    "seat", "operator", "node", "asks", "open", "seen", "confirmations", "rejections", "last_vote",
)  # fmt: skip
_DECIDED = ("interval", "energy", "decision", "by", "reason", "state")


class Desk:
    """One visitor's page."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._node: str | None = None
        self._cards: dict[str, Question] = {}
        self._turn = asyncio.Lock()

    async def build(self) -> None:
        """Put all of it onto the page."""
        visit, t = self.visit, self.visit.text
        if (await visit.get("/lot"))["is_replay"]:
            text(t("shell.two_clocks"), "p", "pc-quiet")
        nodes = await visit.rows("/operator-nodes")
        self._choose(nodes)
        self._away = tag("div")
        self._told = text("", "p", "pc-told", role="status", tabindex="-1")
        self._figures = figures(dict.fromkeys((t(f"operator.{name}") for name in _FIGURES), "–"))
        with tag("section") as self._queue:
            text(t("operator.queue"), "h2")
            self._none = empty(t("operator.none"), t("operator.none_hint"))
            self._list = tag("div")
        with tag("section", "pc-card") as self._lately:
            text(t("operator.lately"), "h2")
            self._decided = Rows(
                t("operator.lately"),
                [t(f"operator.{name}") for name in _DECIDED],
                nothing=t("operator.nothing_decided"),
            )
        with tag("section", "pc-card"):
            text(t("operator.operators"), "h2")
            self._operators = Rows(
                t("operator.operators"),
                [t(f"operator.{name}") for name in _OPERATORS],
                nothing=t("operator.no_operators"),
            )
            text(t("operator.operators_about"), "p", "pc-quiet")
        await visit.every(self.refresh)

    def _choose(self, nodes: list[dict[str, Any]]) -> None:
        """Which node is looked at: the one in the address, else the first of one's own."""
        own = [one["operator"] for one in nodes if one["is_own"] and one["operator"]]
        asked = self.visit.request.query_params.get("node", "").lower()
        self._node = next((one for one in own if one.lower() == asked), own[0] if own else None)
        if len(own) > 1:
            with tag("div", "pc-bar"):
                PageChooser(
                    "node",
                    self.visit.text("operator.which"),
                    {one: short(one) for one in own},
                    self._node or "",
                    href=lambda one: f"/operator?node={one}",
                )

    async def refresh(self) -> None:
        """Bring everything up to date; one after another, or two would show one batch twice."""
        async with self._turn:
            await self._refresh()

    async def _refresh(self) -> None:
        visit = self.visit
        nodes = await visit.rows("/operator-nodes")
        operators = await visit.rows("/operators")
        consortium = await visit.get("/consortium")
        if self._node is None:
            # Its node may have come back.
            self._node = next(
                (one["operator"] for one in nodes if one["is_own"] and one["operator"]), None
            )
        mine = next((one for one in nodes if one["operator"] == self._node), None)
        self._show_operators(operators, nodes)
        self._show_node(mine)
        self._show_figures(mine, nodes, consortium)
        if mine is not None and mine["status"] != "unreachable":
            await self._show_batches()

    async def _show_batches(self) -> None:
        told = await self.visit.get(f"/operator-nodes/{self._node}/batches", limit=MOST)
        now = dt.datetime.fromisoformat(told["now"])
        pending = {one["batch_id"]: one for one in told["items"] if one["state"] == "pending"}
        others = [one for one in told["items"] if one["state"] != "pending"]
        by_id = {one["batch_id"]: one for one in told["items"]}
        for batch_id, card in list(self._cards.items()):
            batch = by_id.get(batch_id)
            is_same = batch_id in pending and pending[batch_id]["said"] == card.batch["said"]
            if not card.is_gone and (is_same or card.is_over or card.is_sending):
                continue
            if batch is not None and card.batch["said"] == "asked" and card.is_begun:
                card.end(batch)
                continue
            if not card.is_gone:
                card.remove()
            del self._cards[batch_id]
        for batch_id in pending:
            if batch_id not in self._cards:
                full = await self.visit.get(f"/operator-nodes/{self._node}/batches/{batch_id}")
                with self._list:
                    self._cards[batch_id] = Question(
                        self.visit, full, self._answer, self._decided_one
                    )
        for card in self._cards.values():
            card.show_time(now)
        self._none.set_visibility(not self._cards)
        asked = sum(one["said"] == "asked" for one in pending.values())
        key = {0: "operator.told_none", 1: "operator.told_one"}.get(asked, "operator.told")
        say(self._told, self.visit.text(key, n=self.visit.shown.number(asked)))
        self._decided.show([self._decision(one) for one in others[:SHOWN]])

    async def _answer(self, batch_id: str, vote: Vote, reason: str) -> None:
        path = f"/operator-nodes/{self._node}/batches/{quote(batch_id, safe='')}/answer"
        await self.visit.send("POST", path, {"vote": vote, "reason": reason})

    async def _decided_one(self) -> None:
        await self.refresh()
        focus(self._told)

    # ------------------------------------------------------------------ tables and figures

    def _show_node(self, mine: dict[str, Any] | None) -> None:
        t = self.visit.text
        is_away = mine is None or mine["status"] == "unreachable"
        self._queue.set_visibility(not is_away)
        self._lately.set_visibility(not is_away)
        if is_away:
            # What waits is not known.
            say(self._told, "")
        said: tuple[str, str] | None = None
        if mine is None:
            said = t("operator.no_node"), t("operator.no_node_hint")
        elif is_away:
            said = t("operator.away"), t("operator.away_hint")
        elif mine["problem"]:
            said = t("operator.problem", problem=mine["problem"]), t("operator.problem_hint")
        elif mine["has_same_market"] is False:
            said = t("operator.other_market"), t("operator.other_market_hint")
        elif mine["asks"] == "nothing":
            said = t("operator.by_itself"), t("operator.by_itself_hint")
        if said != getattr(self, "_said", None):
            self._said = said
            self._away.clear()
            if said is not None:
                with self._away:
                    empty(*said)

    def _show_figures(
        self,
        mine: dict[str, Any] | None,
        nodes: list[dict[str, Any]],
        consortium: dict[str, Any],
    ) -> None:
        t, shown = self.visit.text, self.visit.shown
        ages = [one["chain_age_s"] for one in nodes if one["chain_age_s"] is not None]
        head = max([consortium["head"] or 0, *(one["head"] or 0 for one in nodes)])
        values = {
            "questions": _count(self.visit, mine, "open_questions"),
            "waiting": _count(self.visit, mine, "open_batches"),
            "head": shown.number(head),
            "age": t("operator.seconds", n=shown.number(max(min(ages), 0))) if ages else "–",
            "quorum": t(
                "operator.paused" if consortium["is_paused"] else "operator.of",
                quorum=consortium["quorum"],
                n=consortium["n_operators"],
            ),
        }
        for name, value in values.items():
            say(self._figures[t(f"operator.{name}")], value)

    def _show_operators(self, operators: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> None:
        by_address = {one["operator"]: one for one in nodes if one["operator"]}
        rows = [self._operator(one, by_address.pop(one["address"], None)) for one in operators]
        # A node whose operator holds no seat, and one that never answered.
        nobody = {"seat": None, "confirmations": 0, "rejections": 0, "last_vote_at": None}
        rows += [
            self._operator({**nobody, "address": one["operator"]}, one)
            for one in nodes
            if one["operator"] is None or one["operator"] in by_address
        ]
        self._operators.show(rows)

    def _operator(self, one: dict[str, Any], node: dict[str, Any] | None) -> list[str | Cell]:
        t, shown = self.visit.text, self.visit.shown
        status = "unknown" if node is None else node["status"]
        seen = t("operator.nobody_knows")
        if node is not None and node["head"] is not None:
            seen = t(
                "operator.seen_at",
                head=shown.number(node["head"]),
                n="–" if node["lag_s"] is None else shown.number(node["lag_s"]),
            )
        is_own = node is not None and node["is_own"]
        name = t("operator.no_address") if one["address"] is None else short(one["address"])
        return [
            t("operator.no_seat") if one["seat"] is None else str(one["seat"]),
            Cell(
                f"{name} ({t('operator.you')})" if is_own else name,
                title=one["address"] or "",
            ),
            Cell(t(f"operator.node_{status}"), chip=NODE_CHIPS[status]),
            "–" if node is None or node["asks"] is None else t(f"operator.asks_{node['asks']}"),
            "–" if node is None else _count(self.visit, node, "open_batches"),
            seen,
            shown.number(one["confirmations"]),
            shown.number(one["rejections"]),
            shown.moment(one["last_vote_at"]),
        ]

    def _decision(self, one: dict[str, Any]) -> list[str | Cell]:
        t, shown = self.visit.text, self.visit.shown
        chip = {"confirmed": "good", "rejected": "bad"}.get(one["said"], "plain")
        broken = ", ".join(rule_name(self.visit, rule) for rule in one["broken"])
        question = one["question"]
        none = t("operator.no_fault") if one["said"] == "confirmed" else "–"
        reason = (question["reason"] if question else "") or broken or none
        return [
            shown.moment(one["interval_start"]),
            shown.energy(one["energy_wh"]),
            Cell(t(f"operator.said_{one['said']}"), chip=chip),
            ending(self.visit, one),
            Cell(reason, title=one["reason"]),
            Cell(t(f"trades.{one['state']}"), chip=CHIPS[one["state"]]),
        ]


def _count(visit: Visit, node: dict[str, Any] | None, name: str) -> str:
    found = None if node is None else node[name]
    return "–" if found is None else visit.shown.number(found)


async def _build(visit: Visit) -> None:
    await Desk(visit).build()


PAGE = Page(
    name="operator",
    path="/operator",
    icon="fact_check",
    roles=frozenset({Role.OPERATOR}),
    build=_build,
)
