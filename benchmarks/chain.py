"""Trades a second on one network, from submission to settled; `benchmarks.throughput` calls it.

What is timed: batches of `--batch` trades among 200 enrolled accounts, every check of the contract
on, three of four operators' signatures aggregated. For each batch the trades are encoded, three
confirmations and two transactions signed, `submitWithSignatures` and `settle` sent one behind the
other, and the receipt of the settlement's block seen. Signing is inside; enrolment is not. As many
batches as `--in-flight` are under way at once; a batch's latency runs from its encoding to the
moment this program has seen the block that settled it.

After the run the contract is asked for the state of every batch that was sent, and the money of
every buyer and seller is compared with the trades.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from hexbytes import HexBytes

from trading.chain import (
    BatchState,
    Consortium,
    Key,
    Mandate,
    Network,
    PriceBand,
    SeatSignature,
    deploy,
    sign_enrollment,
)
from trading.chain.sender import send

PARTIES = 100
QUORUM = 3
LOT = 1
BUYER_PRICE, SELLER_PRICE = 300_000, 290_000
DEPOSIT_UEUR = 1_000_000_000_000
ENERGY_WH = 1_000
POLL_S = 0.005
SILENCE_S = 60.0
AT_ONCE = 100
INTERVAL = pd.Timestamp("2026-06-01T18:00Z")


class BenchmarkError(Exception):
    """The benchmark cannot run, or what it measured is not what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a run came to."""

    trades: int
    batches: int
    seconds: float
    trades_per_s: float
    p50_s: float
    p99_s: float
    blocks: int
    gas_per_s: float
    differences: int


@dataclass(slots=True, kw_only=True)
class Desk:
    """A consortium with everything that a batch needs, and who signs."""

    consortium: Consortium
    engine: Key
    operators: tuple[Key, ...]
    buyers: list[int]
    sellers: list[int]
    sequence: int = 0

    def batch(self, size: int) -> pd.DataFrame:
        """The next `size` trades, a fifth as many buyers as trades, as in benchmarks/gas.py."""
        parties = max(1, min(PARTIES, size // 5))
        at = np.arange(size)
        buyer = at * parties // size
        frame = pd.DataFrame(
            {
                "buyer_account": np.asarray(self.buyers)[buyer],
                "seller_account": np.asarray(self.sellers)[(buyer + at) % parties],
                "energy_wh": np.full(size, ENERGY_WH),
                "price_ueur_per_kwh": np.full(size, BUYER_PRICE),
                "seller_price_ueur_per_kwh": np.full(size, SELLER_PRICE),
                "sequence": self.sequence + 1 + at,
                "interval_start": pd.DatetimeIndex([INTERVAL]).as_unit("us").repeat(size),
                "lot": np.full(size, LOT),
            }
        )
        self.sequence += size
        return frame

    def send(self, size: int, deadline: int) -> tuple[str, str]:
        """Sign and send one batch and its settlement; returns batch id and last transaction."""
        trades = self.batch(size)
        batch_id = self.consortium.batch_id_of(
            trades, deadline=deadline, submitter=self.engine.address
        )
        signatures = [
            SeatSignature.by(key, self.consortium.domain, batch_id=batch_id, seat=seat)
            for seat, key in enumerate(self.operators[:QUORUM])
        ]
        signatures.sort(key=lambda signature: int(signature.signer, 16))
        words = [signature.words() for signature in signatures]
        call = self.consortium.call
        by = self.engine
        sent = send(
            self.consortium.network,
            [
                call("submitWithSignatures", trades, deadline, words, by=by),
                call("settle", by.address, deadline, trades, by=by),
            ],
        )
        return batch_id, sent[-1].transaction


def open_desk(network: Network, *, seed: int = 11) -> Desk:
    """Deploy a consortium and enrol its parties."""
    authority, engine = Key.demonstration(seed, "authority"), Key.demonstration(seed, "engine")
    operators = tuple(Key.demonstration(seed, f"operator {n}") for n in range(4))
    for key in (authority, engine, *operators):
        network.fund(key.address)
    consortium = deploy(
        network,
        authority=authority,
        operators=[key.address for key in operators],
        quorum=QUORUM,
        band=PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=1_000_000),
        largest_spread_ueur_per_kwh=20_000,
    )
    consortium.set_aggregator(engine.address, True, by=authority)
    lot_account = consortium.register(b"\0" * 32, by=authority).account
    consortium.set_lot(LOT, lot_account, by=authority)
    consortium.token.mint(engine.address, PARTIES * DEPOSIT_UEUR, by=authority)
    consortium.token.approve(consortium.address, PARTIES * DEPOSIT_UEUR, by=engine)
    until = network.now() + 30 * 86_400
    accounts = _enrol(consortium, engine, until, seed)
    buyers, sellers = accounts[:PARTIES], accounts[PARTIES:]
    consortium.send_all(
        [consortium.call("deposit", buyer, DEPOSIT_UEUR, by=engine) for buyer in buyers]
    )
    return Desk(
        consortium=consortium,
        engine=engine,
        operators=operators,
        buyers=buyers,
        sellers=sellers,
    )


def _enrol(consortium: Consortium, engine: Key, until: int, seed: int) -> list[int]:
    mandate = Mandate(
        max_buy_ueur_per_kwh=400_000,
        min_sell_ueur_per_kwh=0,
        valid_until=until,
        aggregator=engine.address,
    )
    calls = []
    for number in range(2 * PARTIES):
        driver = Key.demonstration(seed, f"driver {number}")
        tag = f"0x{number + 1:064x}"
        signature = sign_enrollment(
            driver, consortium.domain, tag=tag, mandate=mandate, nonce=0, deadline=until
        )
        calls.append(consortium.call("enroll", driver, tag, mandate, until, signature, by=engine))
    found = []
    for first in range(0, len(calls), AT_ONCE):
        found += consortium.send_all(calls[first : first + AT_ONCE])
    return [receipt.account for receipt in found]  # type: ignore[attr-defined]


def run(desk: Desk, *, seconds: float, batch: int, in_flight: int) -> Rate:
    """Send batches for `seconds`, await the last, then check all of them.

    Raises:
        BenchmarkError: no block came for a minute, or a batch is not settled.
    """
    consortium, network = desk.consortium, desk.consortium.network
    settled_before = {
        number: consortium.account(number) for number in (*desk.buyers, *desk.sellers)
    }
    first_block = network.block_number() + 1
    deadline = network.now() + 86_400
    waiting: dict[str, tuple[str, float]] = {}
    ids: list[str] = []
    latencies: list[float] = []
    gas = 0
    seen = first_block - 1
    began = last_news = time.perf_counter()
    while waiting or time.perf_counter() - began < seconds:
        if time.perf_counter() - began < seconds and len(waiting) < in_flight:
            at = time.perf_counter()
            batch_id, transaction = desk.send(batch, deadline)
            ids.append(batch_id)
            waiting[transaction] = batch_id, at
        else:
            time.sleep(POLL_S)
        latest = network.block_number()
        for number in range(seen + 1, latest + 1):
            block = network.w3.eth.get_block(number)
            gas += int(block["gasUsed"])
            now = last_news = time.perf_counter()
            hashes = [HexBytes(found).to_0x_hex() for found in block["transactions"]]
            mined = [found for found in hashes if found in waiting]
            latencies += [now - waiting.pop(found)[1] for found in mined]
        seen = max(seen, latest)
        if time.perf_counter() - last_news > SILENCE_S:
            raise BenchmarkError(f"no block for {SILENCE_S:.0f} s at block {seen}")
    took = time.perf_counter() - began
    settled = sum(consortium.state_of(batch_id) == BatchState.SETTLED for batch_id in ids)
    if settled != len(ids):
        raise BenchmarkError(f"{len(ids) - settled} of {len(ids)} batches are not settled")
    ranked = sorted(latencies)
    return Rate(
        trades=batch * len(ids),
        batches=len(ids),
        seconds=round(took, 2),
        trades_per_s=round(batch * len(ids) / took, 1),
        p50_s=round(statistics.median(ranked), 3),
        p99_s=round(ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))], 3),
        blocks=seen - first_block + 1,
        gas_per_s=round(gas / took),
        differences=_differences(desk, settled_before, batch, len(ids)),
    )


def _differences(desk: Desk, before: dict[int, object], size: int, batches: int) -> int:
    """Accounts whose money is not what the trades say."""
    trades = desk.batch(size)
    desk.sequence -= size
    cost = ENERGY_WH * BUYER_PRICE // 1_000
    income = ENERGY_WH * SELLER_PRICE // 1_000
    bought = trades["buyer_account"].value_counts() * batches * cost
    sold = trades["seller_account"].value_counts() * batches * income
    wrong = 0
    for number, old in before.items():
        new = desk.consortium.account(number)
        change = new.free_ueur - old.free_ueur  # type: ignore[attr-defined]
        expected = int(sold.get(number, 0)) - int(bought.get(number, 0))
        wrong += change != expected or new.locked_ueur != 0
    return wrong
