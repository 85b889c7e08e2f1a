"""A pending batch on an operator's page: what the node found in it, and a person's decision.

Deciding takes two steps: a choice, then one look at what it will do. Nothing is sent before the
second. What somebody has typed stays while the page goes on; a question that ends meanwhile says
so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from trading.pages.parts import Cell, Rows, button, focus, say, tag, text
from trading.pages.site import Visit
from trading.web.problems import Problem

Vote = Literal["confirmed", "rejected"]
VOTES: tuple[Vote, ...] = ("confirmed", "rejected")
OUTCOMES = {"held": "good", "broken": "bad", "unchecked": "wait", "unknown": "plain"}
LONGEST_REASON_BYTES = 256
SECONDS_PER_MINUTE = 60

Send = Callable[[str, Vote, str], Awaitable[None]]
"""Sends a decision: batch, vote, reason."""


class Question:
    """One pending batch; a form is in it while the node asks about it.

    Attributes:
        batch_id: of the batch.
        is_begun: whether the visitor has typed or chosen something.
        is_sending: whether a decision is on its way.
        is_over: whether the question ended before the eyes of a visitor who had begun.
        is_gone: whether it is off the page.
    """

    def __init__(
        self,
        visit: Visit,
        batch: dict[str, Any],
        send: Send,
        done: Callable[[], Awaitable[None]],
    ) -> None:
        """Put a batch onto the page.

        Args:
            visit: who looks.
            batch: with its checks and trades, as the API has it.
            send: hands a decision on.
            done: called when one was taken.
        """
        self.visit, self.batch, self._send, self._done = visit, batch, send, done
        self.batch_id = str(batch["batch_id"])
        self.is_sending = self.is_over = self.is_gone = False
        self._reason, self._vote = "", VOTES[0]
        self._is_sure = False
        self.card = tag("article", "pc-card")
        with self.card:
            self._build()

    @property
    def is_begun(self) -> bool:
        """Whether the visitor has typed or chosen something."""
        return self._is_sure or bool(self._reason)

    def remove(self) -> None:
        """Take it off the page."""
        self.is_gone = True
        self.card.delete()

    def show_time(self, now: dt.datetime) -> None:
        """Say how much time is left to answer."""
        t, shown = self.visit.text, self.visit.shown
        question = self.batch["question"]
        if question is None or self.is_over:
            return
        until = dt.datetime.fromisoformat(question["answer_by"])
        left_s = max(int((until - now).total_seconds()), 0)
        left = (
            t("operator.left_s", n=left_s)
            if left_s < 2 * SECONDS_PER_MINUTE
            else t("operator.left_min", n=left_s // SECONDS_PER_MINUTE)
        )
        own = t(f"operator.then_{question['own_vote']}")
        say(self._time, t("operator.answer_by", time=shown.second(until), left=left, own=own))

    def end(self, batch: dict[str, Any]) -> None:
        """The question has ended; what it was is said in its place."""
        self.is_over, self.batch = True, {**self.batch, **batch}
        self._form.clear()
        with self._form:
            text(ending(self.visit, self.batch) + ".", "p", "pc-against", role="alert")
            button(self.visit.text("operator.put_away"), self.remove)
        say(self._time, "")

    # ------------------------------------------------------------------ what it shows

    def _build(self) -> None:
        visit, t, shown = self.visit, self.visit.text, self.visit.shown
        batch = self.batch
        heading = text(
            t(
                "operator.batch",
                interval=shown.moment(batch["interval_start"]),
                n=shown.number(batch["n_trades"]),
                energy=shown.energy(batch["energy_wh"]),
                money=shown.money(batch["locked_ueur"]),
            ),
            "h3",
        )
        self.card.props["aria-labelledby"] = heading.html_id
        with tag("p", "pc-chips"):
            own = batch["question"]["own_vote"] if batch["question"] else None
            if own is not None:
                text(t(f"operator.would_{own}"), classes=f"pc-chip pc-{_chip(own)}")
            else:
                text(t(f"operator.said_{batch['said']}"), classes=f"pc-chip {_said(batch)}")
            for rule in batch["broken"]:
                text(rule_name(visit, rule), classes="pc-chip pc-bad")
        self._time = text("", "p")
        self._findings()
        with tag("details"):
            text(t("operator.all_rules", n=shown.number(len(batch["checks"]))), "summary")
            names = ("rule", "holds", "outcome")
            rules = Rows(
                t("operator.rules"),
                [t(f"operator.{name}") for name in names],
                nothing=t("operator.not_judged"),
            )
            rules.show([self._rule(one) for one in batch["checks"]])
        with tag("details"):
            text(t("operator.its_trades", n=shown.number(batch["n_trades"])), "summary")
            columns = ("number", "buyer", "seller", "energy", "price", "cost")
            trades = Rows(
                t("operator.trades"),
                [t(f"operator.{name}") for name in columns],
                nothing="",
            )
            trades.show([self._trade(one) for one in batch["trades"]])
        self._form = tag("div")
        if batch["said"] == "asked":
            with self._form:
                self._ask()

    def _findings(self) -> None:
        t = self.visit.text
        found = [(check["rule"], one) for check in self.batch["checks"] for one in check["found"]]
        if not self.batch["checks"]:
            text(self.batch["reason"] or t("operator.not_judged"), "p")
        elif not found:
            text(t("operator.nothing_found"), "p")
        else:
            with tag("ul", "pc-found"):
                for rule, one in found:
                    with tag("li"):
                        where = (
                            t("operator.whole_batch")
                            if one["trade"] is None
                            else t("operator.trade", n=one["trade"] + 1)
                        )
                        text(f"{rule_name(self.visit, rule)}, {where}: ", "strong")
                        # The node's own sentence, as it would go to the chain.
                        text(one["sentence"], lang="en")

    def _rule(self, check: dict[str, Any]) -> list[str | Cell]:
        t, outcome = self.visit.text, check["outcome"]
        return [
            rule_name(self.visit, check["rule"]),
            rule_sentence(self.visit, check),
            Cell(t(f"operator.outcome_{outcome}"), chip=OUTCOMES[outcome]),
        ]

    def _trade(self, one: dict[str, Any]) -> list[str | Cell]:
        t, shown = self.visit.text, self.visit.shown
        unknown = t("operator.unknown_stay")
        return [
            shown.number(one["position"] + 1),
            one["buyer_id"] or f"{unknown} ({one['buyer_account']})",
            one["seller_id"] or f"{unknown} ({one['seller_account']})",
            shown.energy(one["energy_wh"]),
            shown.price(one["price_ueur_per_kwh"]),
            shown.money(one["cost_ueur"]),
        ]

    # ------------------------------------------------------------------ what one decides

    def _ask(self) -> None:
        t = self.visit.text
        self._choice = tag("div", "pc-decide")
        with self._choice:
            with tag("label", "pc-field"):
                text(t("operator.reason"))
                self._input = tag(
                    "input", type="text", maxlength=str(LONGEST_REASON_BYTES), autocomplete="off"
                )
                self._input.on("input", self._typed, js_handler="e => emit(e.target.value)")
            hint = text(t("operator.reason_hint"), "p", "pc-quiet")
            self._input.props["aria-describedby"] = hint.html_id
            with tag("div", "pc-acts"):
                button(t("operator.confirm"), lambda: self._choose("confirmed"))
                button(t("operator.reject"), lambda: self._choose("rejected"), "bad")
        self._sure = tag("div", "pc-sure", role="group")
        self._sure.set_visibility(False)
        self._alert = tag("div", role="alert")

    def _typed(self, event: Any) -> None:
        self._reason = str(event.args or "").strip()

    def _choose(self, vote: Vote) -> None:
        """Show once what a choice will do."""
        t, own = self.visit.text, self.batch["question"]["own_vote"]
        self._alert.clear()
        if vote != own and not self._reason:
            self._complain(t(f"operator.needs_reason_{own}"))
            return
        if len(self._reason.encode()) > LONGEST_REASON_BYTES:
            self._complain(t("operator.too_long", n=LONGEST_REASON_BYTES))
            return
        self._vote, self._is_sure = vote, True
        self._choice.set_visibility(False)
        self._sure.clear()
        with self._sure:
            heading = text(t(f"operator.sure_{vote}"), "h4", tabindex="-1")
            text(t(f"operator.sure_{vote}_what"), "p")
            if vote != own:
                text(t(f"operator.against_{own}"), "p", "pc-against")
            if vote == "rejected":
                shown = self._reason or self.batch["question"]["own_reason"]
                text(t("operator.to_chain", reason=shown), "p")
            elif self._reason:
                text(t("operator.kept_here", reason=self._reason), "p")
            with tag("div", "pc-acts"):
                kind = "main" if vote == "confirmed" else "bad"
                button(t(f"operator.yes_{vote}"), self._decide, kind)
                button(t("operator.back"), self._back)
        self._sure.props["aria-labelledby"] = heading.html_id
        self._sure.set_visibility(True)
        focus(heading)

    def _back(self) -> None:
        self._is_sure = False
        self._sure.set_visibility(False)
        self._choice.set_visibility(True)
        focus(self._input)

    def _complain(self, said: str) -> None:
        with self._alert:
            text(said, "p", "pc-against")
        focus(self._input)

    async def _decide(self) -> None:
        """Send what was chosen, once."""
        if self.is_sending:
            return
        self.is_sending = True
        self._sure.props["inert"] = True
        try:
            await self._send(self.batch_id, self._vote, self._reason)
        except Problem as error:
            self._sure.props["inert"] = False
            self._back()
            with self._alert:
                self.visit.refusal(error)
            return
        finally:
            self.is_sending = False
        self._reason, self._is_sure = "", False
        await self._done()


def ending(visit: Visit, batch: dict[str, Any]) -> str:
    """How the question about a batch ended, as a sentence."""
    question = batch["question"]
    if question is None:
        return visit.text("operator.by_node")
    if question["ending"] == "answered":
        return visit.text(f"operator.answered_{batch['said']}", who=question["who"])
    if question["ending"] == "unanswered":
        return visit.text(f"operator.unanswered_{batch['said']}")
    return visit.text(f"operator.ended_{question['ending']}")


def rule_name(visit: Visit, rule: str) -> str:
    """A rule's name in the visitor's language."""
    key = f"operator.rule_{_slug(rule)}"
    return visit.text(key) if visit.texts.has(key) else rule


def rule_sentence(visit: Visit, check: dict[str, Any]) -> str:
    """What a rule holds a batch to, in the visitor's language where it is known."""
    key = f"operator.what_{_slug(check['rule'])}"
    return visit.text(key) if visit.texts.has(key) else str(check["description"])


def _slug(rule: str) -> str:
    return rule.replace(" ", "_")


def _chip(vote: str) -> str:
    return "good" if vote == "confirmed" else "bad"


def _said(batch: dict[str, Any]) -> str:
    return {"confirmed": "pc-good", "rejected": "pc-bad"}.get(batch["said"], "pc-wait")
