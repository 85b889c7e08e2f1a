"""Acts over the API: the authority's changes, a driver's limits and money, on a chain that runs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from structlog.testing import capture_logs

from tests.durable.small import small_sessions
from tests.live.lot import opened, trade
from tests.tools import PATIENCE_S
from trading.chain import Key
from trading.errors import LedgerUnreachableError
from trading.live import DRIVER_TOKENS_UEUR, LiveLot
from trading.lot import LotRules, Terms, accounts_of, simulate_lot
from trading.market import MECHANISMS
from trading.units import MAX_U32

CHANGES = "/consortium/changes"
STRANGER = Key.demonstration(0, "somebody").address


@dataclass(frozen=True)
class Caller:
    """Somebody who calls the API of a lot."""

    lot: LiveLot
    role: str
    sessions: tuple[str, ...] = ()

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        token = self.lot.issuer.token(self.role, sessions=self.sessions)
        return httpx.request(
            method,
            f"{self.lot.address}/api/v1{path}",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=PATIENCE_S,
            **more,
        )

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.call("POST", path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def change(self, body: dict[str, Any]) -> Any:
        """Look at a change, then send it."""
        shown = self.post(f"{CHANGES}/preview", body)
        return self.post(CHANGES, {"change": body, "digest": shown["digest"]})

    @property
    def account(self) -> dict[str, Any]:
        """A driver's account, as the mirror has it now."""
        self.lot.look()
        return self.get("/accounts")["items"][0]


@pytest.fixture(scope="module")
def lot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLot]:
    """A lot whose day is over."""
    with opened(tmp_path_factory.mktemp("live")) as found:
        trade(found)
        yield found


@pytest.fixture
def authority(lot: LiveLot) -> Caller:
    return Caller(lot, "authority")


@pytest.fixture
def buyer(lot: LiveLot) -> Caller:
    return Caller(lot, "driver", ("b-1",))


# ---------------------------------------------------------------------- the authority


def test_a_change_is_shown_in_every_part_and_sent_as_it_was_shown(
    lot: LiveLot, authority: Caller
) -> None:
    body = {"change": "set-largest-spread", "spread_ueur_per_kwh": 40_000}
    shown = authority.post(f"{CHANGES}/preview", body)
    data, gas = lot.consortium.encoded("setLargestSpread", 40_000)
    assert shown["call"] == {
        "contract": lot.consortium.address,
        "function": "setLargestSpread",
        "arguments": [{"name": "spread", "type": "uint32", "value": "40000"}],
        "calldata": "0x" + data.hex(),
        "sender": lot.cast.authority.address,
        "gas": gas,
    }
    assert (shown["is_accepted"], shown["is_sent_here"], shown["refusal"]) == (True, True, "")
    assert shown["command"] == "peercharge admin set-spread 0.04"
    before = str(lot.consortium.largest_spread())
    other = {"fact": "largest_spread", "of": "", "before": before, "after": "40000"}
    assert shown["differences"] == [other]
    with capture_logs() as logs:
        sent = authority.post(CHANGES, {"change": body, "digest": shown["digest"]})
    assert sent["differences"] == [other]
    assert lot.consortium.largest_spread() == 40_000
    told = next(line for line in logs if line["event"] == "change sent")
    assert told["who"] == "development-authority"
    assert told["transaction"] == sent["transaction"]
    lot.look()
    assert authority.get("/consortium")["largest_spread_ueur_per_kwh"] == 40_000
    newest = authority.get(f"{CHANGES}?limit=1000")["items"][-1]
    assert (newest["name"], newest["arguments"]) == ("LargestSpreadSet", {"spread": 40_000})
    assert newest["transaction"] == sent["transaction"]


def test_every_attempt_at_a_change_leaves_a_line_with_who_and_why_not(
    lot: LiveLot, authority: Caller
) -> None:
    body = {"change": "set-quorum", "quorum": 3}
    shown = authority.post(f"{CHANGES}/preview", body)
    given = {"change": body, "digest": shown["digest"]}
    chain = lot.source.chain
    assert chain is not None

    class Away:
        """A network that does not answer, once it is to be used."""

        def __enter__(self) -> None:
            raise LedgerUnreachableError("no answer")

        def __exit__(self, *_: object) -> None:
            pass

    with capture_logs() as logs:
        authority.post(CHANGES, {"change": {"change": "pause"}, "digest": shown["digest"]}, 409)
        for other in (replace(chain, authority=None), replace(chain, lock=Away())):
            lot.source.chain = other
            try:
                authority.post(CHANGES, given, 503)
            finally:
                lot.source.chain = chain
    told = [line for line in logs if line["event"] == "change not sent"]
    assert [(line["who"], line["status"]) for line in told] == [
        ("development-authority", status) for status in (409, 503, 503)
    ]
    assert [line["change"]["change"] for line in told] == ["pause", "set-quorum", "set-quorum"]
    assert all(line["problem"] for line in told)


def test_nothing_is_sent_but_what_was_shown(lot: LiveLot, authority: Caller) -> None:
    body = {"change": "set-quorum", "quorum": 3}
    shown = authority.post(f"{CHANGES}/preview", body)
    blocks = lot.network.block_number()
    for other in ({**body, "quorum": 1}, {"change": "pause"}):
        told = authority.post(CHANGES, {"change": other, "digest": shown["digest"]}, 409)
        assert "shown" in told["detail"]
    assert lot.network.block_number() == blocks
    authority.change({"change": "set-price-band", "lowest_ueur_per_kwh": 0,
                      "highest_ueur_per_kwh": 900_000})  # fmt: skip
    # The same change, but what there is is another.
    authority.post(CHANGES, {"change": body, "digest": shown["digest"]}, 409)
    assert lot.consortium.quorum() == 2


def test_what_the_contract_refuses_is_told_and_not_sent(lot: LiveLot, authority: Caller) -> None:
    body = {"change": "set-quorum", "quorum": 4}
    shown = authority.post(f"{CHANGES}/preview", body)
    assert (shown["is_accepted"], shown["differences"]) == (False, [])
    assert "a quorum of 4 does not fit 3 operators" in shown["refusal"]
    told = authority.post(CHANGES, {"change": body, "digest": shown["digest"]}, 409)
    assert "a quorum of 4 does not fit 3 operators" in told["detail"]


def test_operators_come_and_go(lot: LiveLot, authority: Caller) -> None:
    leaving = lot.cast.operators[0].address
    gone = authority.change({"change": "remove-operator", "operator": leaving})
    assert gone["differences"] == [
        {"fact": "operator", "of": "0", "before": leaving, "after": None}
    ]
    came = authority.change({"change": "add-operator", "operator": STRANGER.lower()})
    assert came["differences"][0]["after"] == STRANGER
    lot.look()
    seats = {row["address"] for row in authority.get("/operators")["items"]}
    assert leaving not in seats
    assert STRANGER in seats
    back = {"change": "rotate-operator", "old": STRANGER, "new": leaving}
    # An operator takes no seat again that it held, so that old votes cannot count twice.
    authority.change(back)
    assert lot.consortium.is_operator(leaving)


def test_a_pause_is_in_force_at_once(lot: LiveLot, authority: Caller, buyer: Caller) -> None:
    number = buyer.account["account"]
    authority.change({"change": "pause"})
    told = buyer.post("/deposits/preview", {"account": number, "amount_ueur": 1_000_000})
    assert "paused" in told["refusal"]
    buyer.post("/deposits/simulated", {"account": number, "amount_ueur": 1_000_000}, 409)
    authority.change({"change": "unpause"})
    assert not lot.consortium.paused()


def test_without_the_key_the_command_is_named(lot: LiveLot, authority: Caller) -> None:
    chain = lot.source.chain
    assert chain is not None
    body = {"change": "set-aggregator", "aggregator": STRANGER, "admitted": True}
    for key in (None, lot.cast.engine):
        lot.source.chain = replace(chain, authority=key)
        try:
            shown = authority.post(f"{CHANGES}/preview", body)
            told = authority.post(CHANGES, {"change": body, "digest": shown["digest"]}, 503)
        finally:
            lot.source.chain = chain
        assert not shown["is_sent_here"]
        assert shown["is_accepted"]
        assert f"peercharge admin set-aggregator {STRANGER}" in told["hint"]
    assert not lot.consortium.is_aggregator(STRANGER)


def test_without_a_way_to_the_chain_it_says_so(lot: LiveLot, authority: Caller) -> None:
    chain, lot.source.chain = lot.source.chain, None
    try:
        told = authority.post(f"{CHANGES}/preview", {"change": "pause"}, 503)
    finally:
        lot.source.chain = chain
    assert "--deployment" in told["hint"]


def test_a_mistyped_address_is_refused(authority: Caller) -> None:
    wrong = next(
        STRANGER[:at] + letter.swapcase() + STRANGER[at + 1 :]
        for at, letter in enumerate(STRANGER)
        if at > 1 and letter.isalpha()
    )
    told = authority.post(f"{CHANGES}/preview", {"change": "add-operator", "operator": wrong}, 422)
    assert "mistyped" in told["detail"]


# ---------------------------------------------------------------------- drivers


def test_a_driver_sets_its_limits_and_withdraws_them(lot: LiveLot, buyer: Caller) -> None:
    number = buyer.account["account"]
    until = lot.network.now() + 7_200
    limits = {"max_buy_ueur_per_kwh": 410_000, "min_sell_ueur_per_kwh": MAX_U32,
              "valid_until": until, "aggregator": lot.cast.engine.address}  # fmt: skip
    act = {"act": "mandate", "account": number, "mandate": limits}
    shown = buyer.post("/acts/preview", act)
    assert (shown["is_accepted"], shown["wallet"]) == (True, "simulated")
    assert f"account mandate {number} --max-buy 0.41" in shown["command"]
    with capture_logs() as logs:
        done = buyer.post("/acts/simulated", act)
    assert done["signed_by"] == "simulated wallet"
    told = next(line for line in logs if line["event"] == "act done")
    assert (told["who"], told["account"]) == ("development-driver", number)
    assert told["mandate"]["max_buy_ueur_per_kwh"] == 410_000
    assert (told["transaction"], told["signed_by"]) == (done["transaction"], "simulated wallet")
    assert buyer.account["max_buy_ueur_per_kwh"] == 410_000
    buyer.post("/acts/simulated", {"act": "revocation", "account": number})
    assert buyer.account["max_buy_ueur_per_kwh"] is None


def test_what_a_wallet_signs_is_handed_in_once(lot: LiveLot) -> None:
    seller = Caller(lot, "driver", ("s-1",))
    before = seller.account
    number, owner = before["account"], before["owner"]
    act = {"act": "withdrawal", "account": number, "amount_ueur": 1_000, "to": owner}
    shown = seller.post("/acts/preview", act)
    # As a wallet of the owner's does it, that knows nothing but the typed data.
    key = Key.demonstration(0, "driver s-1")
    signature = Account.sign_typed_data(key._account.key, full_message=shown["typed_data"])
    message = shown["typed_data"]["message"]
    signed = {
        **act, "chain_id": lot.network.chain_id, "contract": lot.consortium.address,
        "owner": owner, "deadline": message["deadline"],
        "signature": "0x" + bytes(signature.signature).hex(),
    }  # fmt: skip
    done = seller.post("/acts", signed)
    assert done["signed_by"] == "owner"
    assert seller.account["free_ueur"] == before["free_ueur"] - 1_000
    moves = seller.get(f"/movements?account={number}&kind=withdrawal")["items"]
    assert moves[-1]["transaction"] == done["transaction"]
    again = seller.post("/acts", signed, 409)
    assert "contract refuses" in again["detail"]
    elsewhere = seller.post("/acts", {**signed, "chain_id": 1}, 422)
    assert "signed for the contract" in elsewhere["detail"]


def test_money_goes_in_and_out(lot: LiveLot) -> None:
    driver = Caller(lot, "driver", ("b-2",))
    before = driver.account
    number = before["account"]
    held = driver.get(f"/accounts/{number}/wallet")
    assert (held["held_ueur"], held["wallet"]) == (DRIVER_TOKENS_UEUR, "simulated")
    shown = driver.post("/deposits/preview", {"account": number, "amount_ueur": 2_500_000})
    assert [call["function"] for call in shown["calls"]] == ["approve", "deposit"]
    assert shown["command"] == f"peercharge account fund {number} 2.5"
    driver.post("/deposits/simulated", {"account": number, "amount_ueur": 2_500_000})
    assert driver.account["free_ueur"] == before["free_ueur"] + 2_500_000
    out = {"act": "withdrawal", "account": number, "amount_ueur": before["free_ueur"] + 2_500_000,
           "to": before["owner"]}  # fmt: skip
    driver.post("/acts/simulated", out)
    assert driver.account["free_ueur"] == 0
    now = driver.get(f"/accounts/{number}/wallet")["held_ueur"]
    assert now == DRIVER_TOKENS_UEUR + before["free_ueur"]
    assert lot.consortium.token.allowance(before["owner"], lot.consortium.address) == 0
    too_much = {**out, "amount_ueur": 1}
    assert "free" in driver.post("/acts/preview", too_much)["refusal"]
    assert "free" in driver.post("/acts/simulated", too_much, 409)["detail"]
    beyond = {"account": number, "amount_ueur": now + 1}
    assert not driver.post("/deposits/preview", beyond)["is_accepted"]
    driver.post("/deposits/simulated", beyond, 409)


def test_a_deposit_counts_once_under_the_key_of_its_preview(lot: LiveLot, buyer: Caller) -> None:
    number = buyer.account["account"]
    given = {"account": number, "amount_ueur": 10_000}
    shown = buyer.post("/deposits/preview", given)
    assert buyer.post("/deposits/preview", given)["key"] != shown["key"]
    before = buyer.account["free_ueur"]
    keyed = given | {"key": shown["key"]}
    with capture_logs() as logs, ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: buyer.post("/deposits/simulated", keyed), range(2))
    assert first == second == buyer.post("/deposits/simulated", keyed)
    assert buyer.account["free_ueur"] == before + 10_000
    told = [line for line in logs if line["event"] == "act done"]
    assert sorted(line["is_new"] for line in told) == [False, True]
    assert {(line["amount_ueur"], line["transaction"]) for line in told} == {
        (10_000, first["transaction"])
    }
    other = buyer.post("/deposits/simulated", keyed | {"amount_ueur": 20_000}, 409)
    assert "something else" in other["detail"]
    again = buyer.post("/deposits/preview", given)["key"]
    buyer.post("/deposits/simulated", given | {"key": again})
    assert buyer.account["free_ueur"] == before + 20_000


def test_every_attempt_at_an_act_leaves_a_line_with_who_and_why_not(
    lot: LiveLot, buyer: Caller
) -> None:
    other = Caller(lot, "driver", ("s-2",)).account["account"]
    with capture_logs() as logs:
        buyer.post("/deposits/simulated", {"account": other, "amount_ueur": 7}, 404)
        buyer.post("/acts/simulated", {"act": "revocation", "account": other}, 404)
    told = [line for line in logs if line["event"] == "act not done"]
    assert [(one["who"], one["act"], one["account"], one["status"]) for one in told] == [
        ("development-driver", act, other, 404) for act in ("deposit", "revocation")
    ]
    assert told[0]["amount_ueur"] == 7


def test_a_driver_acts_for_its_own_account_alone(lot: LiveLot, buyer: Caller) -> None:
    other = Caller(lot, "driver", ("s-2",)).account["account"]
    for path, body in (
        ("/acts/preview", {"act": "revocation", "account": other}),
        ("/acts/simulated", {"act": "revocation", "account": other}),
        ("/deposits/preview", {"account": other, "amount_ueur": 1}),
        ("/deposits/simulated", {"account": other, "amount_ueur": 1}),
    ):
        buyer.post(path, body, 404)
    assert buyer.call("GET", f"/accounts/{other}/wallet").status_code == 404
    assert buyer.call("GET", "/sessions/s-2/outlook").status_code == 404
    assert lot.consortium.mandate_of(other) is not None


def test_nobody_signs_for_a_driver_who_holds_its_key(lot: LiveLot) -> None:
    seller = Caller(lot, "driver", ("s-2",))
    number = seller.account["account"]
    chain = lot.source.chain
    assert chain is not None
    lot.source.chain = replace(chain, wallet_of=None)
    try:
        shown = seller.post("/acts/preview", {"act": "revocation", "account": number})
        seller.post("/acts/simulated", {"act": "revocation", "account": number}, 409)
        seller.post("/deposits/simulated", {"account": number, "amount_ueur": 1}, 409)
        lot.source.chain = replace(chain, wallet_of=None, sender=None)
    finally:
        lot.source.chain = chain
    assert shown["wallet"] == "own"
    assert lot.consortium.mandate_of(number) is not None


def test_an_outlook_of_a_day_that_is_over_is_its_books(lot: LiveLot) -> None:
    run = simulate_lot(
        small_sessions(), rules=LotRules(), terms=Terms(), mechanism=MECHANISMS["pro-rata"]
    )
    books = accounts_of(run)
    gain = 0
    for row in books.vehicles.to_dict(orient="records"):
        name = row["session_id"]
        told = Caller(lot, "driver", (name,)).get(f"/sessions/{name}/outlook")
        end = told["at_departure"]
        for ours, theirs in (
            ("soc", "soc_departure"), ("missing_wh", "missing_wh"),
            ("from_grid_wh", "from_grid_wh"), ("from_peers_wh", "from_peers_wh"),
            ("to_peers_wh", "to_peers_wh"), ("paid_grid_ueur", "paid_grid_ueur"),
            ("paid_peers_ueur", "paid_peers_ueur"), ("earned_ueur", "earned_ueur"),
            ("replacement_cost_ueur", "replacement_cost_ueur"),
        ):  # fmt: skip
            assert end[ours] == row[theirs], (name, ours)
        gain += told["saved_ueur"]
    assert gain == books.buyers_gain_ueur + books.sellers_gain_ueur
    assert Caller(lot, "operator").call("GET", "/sessions/none/outlook").status_code == 404


def test_an_outlook_says_what_it_knows_while_the_day_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as lot:
        while lot.engine.heartbeat.traded < 4:
            if not lot.look():
                lot.engine.wake.wait(0.02)
        driver = Caller(lot, "driver", ("s-1",))
        told = driver.get("/sessions/s-1/outlook")
        assert told["phase"] == "here"
        assert told["is_estimate"]
        assert told["now"]["to_peers_wh"] > 0
        # What is confirmed is in the estimate; what is not traded yet is not.
        assert told["at_departure"]["to_peers_wh"] >= told["now"]["to_peers_wh"]
        assert told["at_departure"]["soc"] <= told["now"]["soc"]
        assert told["grid_only"]["soc"] == told["soc_arrival"]


def test_a_driver_who_took_everything_out_holds_up_nobody(tmp_path: Path) -> None:
    with opened(tmp_path) as lot:
        trade(lot)
        buyer = Caller(lot, "driver", ("b-1",))
        account = buyer.account
        out = {"act": "withdrawal", "account": account["account"],
               "amount_ueur": account["free_ueur"], "to": account["owner"]}  # fmt: skip
        buyer.post("/acts/simulated", out)
        frame = small_sessions().head(1)
        late = {
            "session_id": "late", "arrival": "2019-10-29T18:30:00Z",
            "departure": "2019-10-29T19:30:00Z", "estimated_departure": None,
            "battery_capacity_wh": 60_000, "soc_arrival": 0.4, "soc_source": "charger",
            "need_wh": 5_000, "charge_power_w": int(frame["charge_power_w"].iloc[0]),
            "discharge_power_w": 0, "reserve_soc": 0.2,
        }  # fmt: skip
        Caller(lot, "aggregator").post("/sessions", late)
        assert not lot.engine.look(), "the new session has to be taken in first"
        trade(lot)
        assert Caller(lot, "driver", ("late",)).account["free_ueur"] > 0


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ({"change": "pause"}, {"change": "unpause"}),
        (
            {"change": "set-largest-spread", "spread_ueur_per_kwh": 1},
            {"change": "set-largest-spread", "spread_ueur_per_kwh": 50_000},
        ),
        (
            {"change": "set-lot", "lot": 1, "account": 0},
            {"change": "set-lot", "lot": 1, "account": 1},
        ),
    ],
    ids=lambda one: one["change"],
)
def test_the_day_goes_on_after_what_stops_trading(
    tmp_path: Path, change: dict[str, Any], back: dict[str, Any]
) -> None:
    with opened(tmp_path) as lot:
        authority = Caller(lot, "authority")
        while lot.engine.heartbeat.traded < 2:
            if not lot.look():
                lot.engine.wake.wait(0.02)
        authority.change(change)
        refused = lot.engine.heartbeat.traded + 2
        while lot.engine.heartbeat.traded < refused:
            if not lot.look():
                lot.engine.wake.wait(0.02)
        authority.change(back)
        traded = trade(lot)
        locked = lot.consortium.accounts()["locked_ueur"].sum()
    assert set(traded["status"]) == {"settled"}
    assert traded["batch_id"].nunique() >= 2
    assert locked == 0
