"""A small consortium: who is who, and the trades they make."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trading.chain import Consortium, Key, Mandate, Network, PriceBand, Submission, deploy
from trading.chain.records import SubmitReceipt

GENESIS_TIME = 1_572_307_200
SEED = 7
DAY_S = 86_400
DEPOSIT_UEUR = 50_000_000
LOT = 1
PRICE = 400_000
SELLER_PRICE = 390_000
BAND = PriceBand(lowest_ueur_per_kwh=100_000, highest_ueur_per_kwh=600_000)
LARGEST_SPREAD = 50_000
QUORUM = 3


def key(role: str) -> Key:
    return Key.demonstration(SEED, role)


class World:
    """Four operators of which three must confirm, two buyers, two sellers, one lot, one engine."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.authority = key("authority")
        self.operators = [key(f"operator {number}") for number in range(4)]
        self.engine = key("engine")
        self.stranger = key("stranger")
        self.buyer, self.other_buyer = key("buyer"), key("other buyer")
        self.seller, self.other_seller = key("seller"), key("other seller")
        self.lot_operator = key("lot operator")
        self.consortium = self.deploy()
        self.token = self.consortium.token
        owners = [
            self.buyer,
            self.other_buyer,
            self.seller,
            self.other_seller,
            self.lot_operator,
        ]
        call = self.consortium.call
        self.consortium.set_aggregator(self.engine.address, True, by=self.authority)
        # One after another: a node may mine those of different keys in another order, and tests
        # know accounts by number.
        self.accounts = {
            owner.name: self.consortium.register(bytes([number]) * 32, by=owner).account
            for number, owner in enumerate(owners, 1)
        }
        buyers = [self.buyer, self.other_buyer]
        self.consortium.send_all(
            [
                call("setLot", LOT, self.account(self.lot_operator), by=self.authority),
                *(
                    call("setMandate", self.account(owner), self.mandate(), by=owner)
                    for owner in owners[:4]
                ),
                *(
                    self.token.call("mint", buyer, DEPOSIT_UEUR, by=self.authority)
                    for buyer in buyers
                ),
                *(
                    self.token.call("approve", self.consortium.address, DEPOSIT_UEUR, by=buyer)
                    for buyer in buyers
                ),
            ]
        )
        self.consortium.send_all(
            [call("deposit", self.account(buyer), DEPOSIT_UEUR, by=buyer) for buyer in buyers]
        )

    def deploy(self, **changes: Any) -> Consortium:
        arguments: dict[str, Any] = {
            "authority": self.authority,
            "operators": [operator.address for operator in self.operators],
            "quorum": QUORUM,
            "band": BAND,
            "largest_spread_ueur_per_kwh": LARGEST_SPREAD,
        }
        return deploy(self.network, **(arguments | changes))

    def account(self, owner: Key) -> int:
        return self.accounts[owner.name]

    def mandate(self, **changes: Any) -> Mandate:
        limits: dict[str, Any] = {
            "max_buy_ueur_per_kwh": 500_000,
            "min_sell_ueur_per_kwh": 300_000,
            "valid_until": self.network.now() + 30 * DAY_S,
            "aggregator": self.engine.address,
            "open_to_buyers": True,
        }
        return Mandate(**(limits | changes))

    def set_mandate(self, owner: Key, **changes: Any) -> None:
        self.consortium.set_mandate(self.account(owner), self.mandate(**changes), by=owner)

    def trades(self, count: int = 2, **changes: Any) -> pd.DataFrame:
        """Trades of the buyer with the seller, numbered from 1; `changes` replace columns."""
        frame = pd.DataFrame(
            {
                "buyer_account": self.account(self.buyer),
                "seller_account": self.account(self.seller),
                "energy_wh": 1_500,
                "price_ueur_per_kwh": PRICE,
                "seller_price_ueur_per_kwh": SELLER_PRICE,
                "sequence": range(1, count + 1),
                "interval_start": pd.Timestamp("2019-10-29T07:15Z"),
                "lot": LOT,
            }
        )
        return frame.assign(**changes)

    def deadline(self, lifetime_s: int = 3_600) -> int:
        return self.network.now() + lifetime_s

    def submit(self, trades: pd.DataFrame | None = None, *, by: Key | None = None) -> SubmitReceipt:
        return self.consortium.submit(
            self.trades() if trades is None else trades,
            deadline=self.deadline(),
            by=by or self.engine,
        )

    def pending(self) -> Submission:
        return self.submit().batch

    def confirmed(self) -> Submission:
        batch = self.pending()
        for operator in self.operators[:QUORUM]:
            self.consortium.confirm(batch.batch_id, by=operator)
        return batch

    def rejected(self) -> Submission:
        batch = self.pending()
        for operator in self.operators[:2]:
            self.consortium.reject(batch.batch_id, "the seller has left", by=operator)
        return batch

    def free(self, owner: Key) -> int:
        return self.consortium.account(self.account(owner)).free_ueur

    def locked(self, owner: Key) -> int:
        return self.consortium.account(self.account(owner)).locked_ueur

    def check_money(self) -> None:
        """Invariant 1: what the accounts hold is what was deposited, and the contract has it."""
        accounts = self.consortium.accounts()
        held = int(accounts["free_ueur"].sum() + accounts["locked_ueur"].sum())
        assert held == self.consortium.tracked_deposits()
        assert held <= self.token.balance_of(self.consortium.address)
