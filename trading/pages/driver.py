"""A driver's page: the car now and at departure, what it earns and pays, limits and money."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from nicegui import ui
from nicegui.element import Element

from trading.pages.forms import (
    Chooser,
    Dialog,
    Field,
    amount_of,
    code,
    fold,
    notice,
    price_of,
)
from trading.pages.parts import PageChooser, Rows, button, empty, figures, refusal, say, tag, text
from trading.pages.site import Page, Visit
from trading.pages.trades import short
from trading.pages.wallet import Wallet
from trading.units import MAX_U32, UEUR_PER_EUR, eur_text
from trading.web.auth import Role
from trading.web.problems import Problem

SHOWN = 20
HOURS = (4, 12, 24, 168)
SIGN_WAIT_S = 300.0
_SIGN = """
const wallet = window.ethereum;
if (!wallet) return {{problem: 'none'}};
try {{
  await wallet.request({{method: 'eth_requestAccounts'}});
  const signature = await wallet.request(
    {{method: 'eth_signTypedData_v4', params: [{owner}, {data}]}});
  return {{signature}};
}} catch (error) {{
  return {{problem: String(error && error.message || error)}};
}}
"""
"""Lets a wallet in the browser show and sign what an owner wants (EIP-1193, EIP-712)."""

Act = dict[str, Any]


class DriverView:
    """One driver's look at one of its sessions."""

    def __init__(self, visit: Visit, session_id: str) -> None:
        self.visit, self.session_id = visit, session_id
        self._seen: Any = None
        self._account: dict[str, Any] | None = None

    async def build(self) -> None:
        """Put the page into its frame, and keep it up to date."""
        t = self.visit.text
        consortium = await self.visit.get("/consortium")
        is_connected = consortium["is_connected"]
        self.wallet = Wallet(self.visit, is_connected=is_connected)
        self.revoke: Element | None = None
        self.dialog = Dialog(t("driver.leave"))
        if (await self.visit.get("/lot"))["is_replay"]:
            text(t("shell.two_clocks"), "p", "pc-quiet")
        with tag("p", "pc-about"):
            self.phase = text("", "span", "pc-chip", role="status")
            self.stay = text("")
        self.car = figures(dict.fromkeys((t(f"driver.{one}") for one in _CAR), "–"))
        with tag("section", "pc-card"):
            text(t("driver.comes_to"), "h2")
            self.basis = text("", "p", "pc-quiet")
            self.books = Rows(
                t("driver.comes_to"),
                ["", t("driver.with_trading"), t("driver.without")],
                nothing="",
            )
            self.saved = text("", "p", "pc-strong")
            text(t("driver.rounded"), "p", "pc-quiet")
        self.no_account = empty(t("driver.no_account"), t("driver.no_account_hint"))
        with tag("div", "pc-two") as self.has_account:
            with tag("section", "pc-card"):
                text(t("driver.limits"), "h2")
                self.limits = text("", "p")
                if is_connected:
                    self._limit_form(consortium["aggregators"])
            with tag("section", "pc-card"):
                text(t("driver.money"), "h2")
                self.money = figures(dict.fromkeys((t(f"driver.{one}") for one in _MONEY), "–"))
                self.whose = text("", "p", "pc-quiet")
                if is_connected:
                    self._money_forms()
        with tag("section", "pc-card") as self.moved:
            text(t("driver.movements"), "h2")
            self.movements = Rows(
                t("driver.movements"),
                [t(f"driver.{one}") for one in ("time", "kind", "amount", "counterparty", "block")],
                nothing=t("driver.no_movements"),
            )
        # Until the account is known there is nothing to act on.
        for part in (self.has_account, self.moved, self.no_account):
            part.set_visibility(False)
        await self.visit.every(self.refresh)

    # ------------------------------------------------------------------ forms

    def _limit_form(self, aggregators: list[str]) -> None:
        t = self.visit.text
        with fold(t("driver.set_limits")):
            hint = t("driver.price_hint")
            self.buys = Field(t("driver.max_buy"), hint=hint, mode="decimal")
            self.sells = Field(t("driver.min_sell"), hint=hint, mode="decimal")
            hours = {str(one): t(f"driver.hours_{one}") for one in HOURS}
            self.lasts = Chooser(t("driver.valid_for"), hours, value="24")
            through = {one: t("driver.aggregator", address=short(one)) for one in aggregators}
            self.through = Chooser(t("driver.through"), through | {"": t("driver.nobody")})
            button(t("driver.show"), self._ask_mandate)
        self.revoke = button(t("driver.revoke"), self._ask_revocation, kind="bad")

    def _money_forms(self) -> None:
        t = self.visit.text
        with fold(t("driver.deposit")):
            self.paid_in = Field(t("driver.amount"), hint=t("driver.amount_hint"), mode="decimal")
            button(t("driver.show"), self._ask_deposit)
        with fold(t("driver.withdraw")):
            self.paid_out = Field(
                t("driver.amount"), hint=t("driver.amount_all_hint"), mode="decimal"
            )
            button(t("driver.show"), self._ask_withdrawal)

    async def _ask_mandate(self) -> None:
        t, account = self.visit.text, self._account
        if account is None:
            return
        most, least = 0, MAX_U32
        if self.buys.value:
            asked = price_of(self.buys, t("driver.price_wrong"), visit=self.visit)
            if asked is None:
                return
            most = asked
        if self.sells.value:
            asked = price_of(self.sells, t("driver.price_wrong"), visit=self.visit)
            if asked is None:
                return
            least = asked
        if not self.buys.value and not self.sells.value:
            self.buys.complain(t("driver.price_missing"))
            return
        until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=int(self.lasts.value))
        mandate = {
            "max_buy_ueur_per_kwh": most,
            "min_sell_ueur_per_kwh": least,
            "valid_until": int(until.timestamp()),
            "aggregator": self.through.value or None,
        }
        said = self._limits_said(mandate | {"valid_until": until.isoformat()}, account["account"])
        await self._ask(
            t("driver.set_limits"),
            {"act": "mandate", "account": account["account"], "mandate": mandate},
            said,
        )

    async def _ask_revocation(self) -> None:
        if self._account is not None:
            number = self._account["account"]
            said = self.visit.text("driver.revoke_said", account=number)
            act = {"act": "revocation", "account": number}
            await self._ask(self.visit.text("driver.revoke"), act, said)

    async def _ask_withdrawal(self) -> None:
        t, account = self.visit.text, self._account
        if account is None:
            return
        amount: int | None = account["free_ueur"]
        if self.paid_out.value:
            amount = amount_of(self.paid_out, t("driver.amount_wrong"), visit=self.visit)
        if not amount:
            if amount == 0:
                self.paid_out.complain(t("driver.nothing_free"))
            return
        said = t(
            "driver.withdraw_said",
            amount=self._money(amount),
            account=account["account"],
            to=account["owner"],
        )
        act = {
            "act": "withdrawal",
            "account": account["account"],
            "amount_ueur": amount,
            "to": account["owner"],
        }
        await self._ask(t("driver.withdraw"), act, said)

    # ------------------------------------------------------------------ shown, signed, sent

    async def _ask(self, title: str, act: Act, said: str) -> None:
        """Show what will be signed, and ask once."""
        t = self.visit.text
        try:
            shown = await self.visit.send("POST", "/acts/preview", act)
        except Problem as error:
            with self.dialog.show(title):
                refusal(t("shell.refused"), error)
            return
        is_simulated = shown["wallet"] == "simulated"

        async def sign() -> None:
            if is_simulated:
                await self._send(title, "/acts/simulated", act)
            else:
                await self._sign_in_browser(title, act, shown)

        with self.dialog.show(title):
            if not shown["is_accepted"]:
                notice(t("driver.would_refuse", why=shown["refusal"]), kind="bad")
            text(said, "p")
            with fold(t("driver.typed_data")):
                code(json.dumps(shown["typed_data"], indent=1)).classes("pc-block")
            if not shown["is_accepted"]:
                return
            if is_simulated:
                notice(t("driver.simulated_wallet"))
                self.dialog.once(t("driver.sign_simulated"), sign)
                return
            text(t("driver.sign_until", time=self.visit.shown.moment(shown["deadline"])), "p")
            self.dialog.once(t("driver.sign_browser"), sign)
            text(t("driver.sign_command"), "p")
            code(shown["command"])

    async def _ask_deposit(self) -> None:
        t, account = self.visit.text, self._account
        if account is None:
            return
        amount = amount_of(self.paid_in, t("driver.amount_wrong"), visit=self.visit)
        if amount is None:
            return
        title, number = t("driver.deposit"), account["account"]
        given = {"account": number, "amount_ueur": amount}
        try:
            shown = await self.visit.send("POST", "/deposits/preview", given)
        except Problem as error:
            with self.dialog.show(title):
                refusal(t("shell.refused"), error)
            return

        async def pay() -> None:
            await self._send(title, "/deposits/simulated", given | {"key": shown["key"]})

        with self.dialog.show(title):
            if not shown["is_accepted"]:
                notice(t("driver.would_refuse", why=shown["refusal"]), kind="bad")
            said = t(
                "driver.deposit_said",
                amount=self._money(amount),
                account=number,
                payer=shown["payer"],
            )
            text(said, "p")
            with fold(t("driver.two_calls")):
                rows = Rows(
                    t("driver.two_calls"),
                    [t(f"driver.{one}") for one in ("contract", "function", "calldata")],
                    nothing="",
                )
                rows.show(
                    [[one["contract"], one["function"], one["calldata"]] for one in shown["calls"]]
                )
            if not shown["is_accepted"]:
                return
            if shown["wallet"] == "simulated":
                notice(t("driver.simulated_wallet"))
                self.dialog.once(t("driver.pay_simulated"), pay)
            else:
                text(t("driver.pay_command"), "p")
                code(shown["command"])

    async def _sign_in_browser(self, title: str, act: Act, shown: dict[str, Any]) -> None:
        t, data = self.visit.text, shown["typed_data"]
        script = _SIGN.format(owner=json.dumps(shown["owner"]), data=json.dumps(json.dumps(data)))
        told = await ui.run_javascript(script, timeout=SIGN_WAIT_S)
        signature = told.get("signature") if isinstance(told, dict) else None
        if not signature:
            why = told.get("problem", "") if isinstance(told, dict) else ""
            with self.dialog.instead(title):
                sentence = t("driver.no_wallet") if why == "none" else t("driver.not_signed")
                notice(sentence if why in ("", "none") else f"{sentence} {why}", kind="bad")
                code(shown["command"])
            return
        signed = act | {
            "chain_id": int(data["domain"]["chainId"]),
            "contract": data["domain"]["verifyingContract"],
            "owner": shown["owner"],
            "deadline": int(data["message"]["deadline"]),
            "signature": str(signature).lower(),
        }
        await self._send(title, "/acts", signed)

    async def _send(self, title: str, path: str, content: Any) -> None:
        t = self.visit.text
        try:
            sent = await self.visit.send("POST", path, content)
        except Problem as error:
            with self.dialog.instead(title):
                refusal(t("shell.refused"), error)
            return
        finally:
            # Also where it is refused: a transaction may be on its way.
            self.wallet.forget()
        with self.dialog.instead(title):
            who = t("driver.by_simulated" if sent["signed_by"] != "owner" else "driver.by_owner")
            text(t("driver.sent", block=sent["block"], who=who), "p")
            code(sent["transaction"])

    # ------------------------------------------------------------------ what there is

    async def refresh(self) -> None:
        """Bring everything up to date, if anything is different."""
        visit = self.visit
        outlook = await visit.get(f"/sessions/{quote(self.session_id, safe='')}/outlook")
        number = outlook["account"]
        account: dict[str, Any] | None = None
        moves: list[dict[str, Any]] = []
        if number is not None:
            account = await visit.get(f"/accounts/{number}")
            await self.wallet.look(account)
            page = await visit.get("/movements", account=number, order="desc", limit=SHOWN)
            moves = page["items"]
        self._account = account
        seen = (outlook, account, self.wallet.found, self.wallet.way, moves)
        if seen == self._seen:
            return
        self._seen = seen
        self._show_car(outlook)
        self._show_books(outlook)
        for part in (self.has_account, self.moved):
            part.set_visibility(account is not None)
        self.no_account.set_visibility(account is None)
        if account is not None:
            self._show_account(account)
            self.movements.show([self._movement(one) for one in moves])

    def _show_car(self, found: dict[str, Any]) -> None:
        t, shown = self.visit.text, self.visit.shown
        say(self.phase, t(f"driver.phase_{found['phase']}"))
        say(
            self.stay,
            " "
            + t(
                "driver.stay",
                role=t(f"lot.{found['role']}"),
                arrival=shown.moment(found["arrival"]),
                departure=shown.moment(found["departure"]),
                now=shown.moment(found["at"]),
            ),
        )
        now, end = found["now"], found["at_departure"]
        values = {
            "soc_now": shown.share(now["soc"]) if now else "–",
            "soc_departure": shown.share(end["soc"]),
            "battery": shown.energy(found["battery_capacity_wh"]),
            "need": shown.energy(found["need_wh"]),
            "drawn": shown.energy(now["drawn_wh"]) if now else "–",
            "missing": shown.energy(end["missing_wh"]),
        }
        for name, value in values.items():
            say(self.car[t(f"driver.{name}")], value)

    def _show_books(self, found: dict[str, Any]) -> None:
        t, shown = self.visit.text, self.visit.shown
        with_, without = found["at_departure"], found["grid_only"]
        is_over = not found["is_estimate"]
        say(self.basis, t("driver.is_over" if is_over else "driver.is_estimate"))
        self.books.show(
            [
                [
                    t(f"driver.{label}"),
                    *(say(end[name]) for end in (with_, without)),
                ]
                for label, name, say in (
                    ("soc_departure", "soc", shown.share),
                    ("from_grid", "from_grid_wh", shown.energy),
                    ("from_peers", "from_peers_wh", shown.energy),
                    ("to_peers", "to_peers_wh", shown.energy),
                    ("paid_grid", "paid_grid_ueur", shown.money),
                    ("paid_peers", "paid_peers_ueur", shown.money),
                    ("earned", "earned_ueur", shown.money),
                    ("missing", "missing_wh", shown.energy),
                    ("replacement", "replacement_cost_ueur", shown.money),
                    ("wear", "wear_ueur", shown.money),
                    ("net", "net_cost_ueur", shown.money),
                )
            ]
        )
        saved = found["saved_ueur"]
        key = "saved" if saved > 0 else "lost" if saved < 0 else "same"
        say(self.saved, t(f"driver.trading_{key}", amount=shown.money(abs(saved))))

    def _show_account(self, account: dict[str, Any]) -> None:
        t, shown, wallet = self.visit.text, self.visit.shown, self.wallet.found
        is_in_force = account["is_in_force"]
        if account["valid_until"] is None:
            say(self.limits, t("driver.no_limits"))
        elif is_in_force:
            say(self.limits, self._limits_said(account, account["account"]))
        else:
            ended = shown.moment(account["valid_until"])
            say(self.limits, t("driver.limits_ended", time=ended))
        if self.revoke is not None:
            self.revoke.set_visibility(is_in_force)
        values = {
            "free": shown.money(account["free_ueur"]),
            "locked": shown.money(account["locked_ueur"]),
            "held": shown.money(wallet["held_ueur"]) if wallet else "–",
        }
        for name, value in values.items():
            say(self.money[t(f"driver.{name}")], value)
        if wallet is None:
            say(self.whose, t("driver.no_chain" if self.wallet.way == "none" else "driver.away"))
        else:
            key = "simulated_wallet" if wallet["wallet"] == "simulated" else "own_wallet"
            say(self.whose, t(f"driver.{key}"))

    def _limits_said(self, limits: dict[str, Any], account: int) -> str:
        t, shown = self.visit.text, self.visit.shown
        most, least = limits["max_buy_ueur_per_kwh"], limits["min_sell_ueur_per_kwh"]
        through = limits["aggregator"]
        return t(
            "driver.limits_said",
            account=account,
            buys=t("driver.buys_to", price=self._price(most)) if most else t("driver.buys_nothing"),
            sells=t("driver.sells_nothing")
            if least == MAX_U32
            else t("driver.sells_from", price=self._price(least)),
            time=shown.moment(limits["valid_until"]),
            through=t("driver.nobody") if through is None else short(through),
        )

    def _price(self, price_ueur_per_kwh: int) -> str:
        """A price with every digit of it: it is what will be signed."""
        digits = len(eur_text(price_ueur_per_kwh).partition(".")[2])
        shown = self.visit.shown.number(price_ueur_per_kwh / UEUR_PER_EUR, max(digits, 2))
        return f"{shown} EUR/kWh"

    def _money(self, amount_ueur: int) -> str:
        """An amount with every digit of it."""
        digits = len(eur_text(amount_ueur).partition(".")[2])
        return f"{self.visit.shown.number(amount_ueur / UEUR_PER_EUR, max(digits, 2))} EUR"

    def _movement(self, one: dict[str, Any]) -> list[str]:
        t, shown = self.visit.text, self.visit.shown
        return [
            shown.moment(one["time"]),
            t(f"driver.{one['kind']}"),
            shown.money(one["amount_ueur"]),
            short(one["counterparty"]),
            str(one["block"]),
        ]


_CAR = ("soc_now", "soc_departure", "battery", "need", "drawn", "missing")
_MONEY = ("free", "locked", "held")


def current_stay(stays: Sequence[Mapping[str, Any]], now: dt.datetime) -> Mapping[str, Any]:
    """The stay that a driver most likely comes for, of rows of `/sessions`, at least one.

    The one that is here; else the next to come; else the last that left.
    """

    def when(name: str) -> Callable[[Mapping[str, Any]], dt.datetime]:
        return lambda stay: dt.datetime.fromisoformat(stay[name])

    arrival, departure = when("arrival"), when("departure")
    here = [one for one in stays if arrival(one) <= now < departure(one)]
    if here:
        return max(here, key=arrival)
    to_come = [one for one in stays if arrival(one) > now]
    return min(to_come, key=arrival) if to_come else max(stays, key=departure)


async def _build(visit: Visit) -> None:
    t, shown = visit.text, visit.shown
    mine = set((await visit.get("/me"))["sessions"])
    # Who sees all vehicles besides is told of others, too.
    stays = {
        one["session_id"]: one
        for one in (await visit.rows("/sessions") if mine else [])
        if one["session_id"] in mine
    }
    if not stays:
        empty(t("driver.no_session"), t("driver.no_session_hint"))
        return
    chosen = visit.request.query_params.get("session", "")
    if chosen not in stays:
        now = dt.datetime.fromisoformat((await visit.get("/lot"))["now"])
        chosen = str(current_stay(list(stays.values()), now)["session_id"])
    if len(stays) > 1:
        latest_first = sorted(stays.values(), key=lambda one: str(one["arrival"]), reverse=True)
        with tag("div", "pc-bar"):
            PageChooser(
                "stay",
                t("driver.which"),
                {
                    one["session_id"]: f"{shown.day(one['arrival'])} · {one['session_id']}"
                    for one in latest_first
                },
                chosen,
                href=lambda name: f"/driver?session={quote(name, safe='')}",
            )
    await DriverView(visit, chosen).build()


PAGE = Page(
    name="driver",
    path="/driver",
    icon="directions_car",
    roles=frozenset({Role.DRIVER}),
    build=_build,
    says_pause=True,
)
