"""Many trades through the durable engine on a running network, and an audit of all of them.

Unlike `benchmarks.chain`, which sends as fast as it can and keeps nothing, this goes the way of the
service: each batch is written to a database before it is sent, an indexer follows the chain, three
of four operators sign what they see written, the clerk hands their signatures in, settles, and
closes. Operators' checks of a batch are left out, as trades here are made up; `peercharge operator`
has them.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import select

from benchmarks.chain import INTERVAL, LOT, QUORUM, BenchmarkError, Desk
from trading.chain import SeatSignature
from trading.engine.audit import audit
from trading.engine.clerk import Clerk
from trading.store import Mirror, Outbox, open_database
from trading.store.schema import BATCHES

LIFETIME_S = 86_400
SILENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What a soak came to; latencies run from a batch's writing to the look that saw it settled."""

    trades: int
    seconds: float
    trades_per_s: float
    p50_s: float
    p99_s: float
    audit_seconds: float
    audit_differences: int
    database_mb: float


def soak(desk: Desk, folder: Path, *, trades: int, batch: int, in_flight: int) -> Soak:
    """Trade through the durable engine until `trades` are settled, then audit.

    Raises:
        BenchmarkError: nothing moved for a minute.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    consortium = desk.consortium
    file = folder / "soak.db"
    with open_database(str(file)) as database:
        mirror = Mirror(database, consortium)
        outbox = Outbox(database, consortium, desk.engine, resend_after_s=30.0)
        clerk = Clerk(database, consortium, desk.engine, mirror=mirror, outbox=outbox)
        mirror.follow()
        deadline = consortium.network.now() + LIFETIME_S
        began = last_news = time.perf_counter()
        written: dict[str, float] = {}
        latencies: list[float] = []
        sent = 0
        while sent < trades or written:
            while sent < trades and len(written) < in_flight:
                at = time.perf_counter()
                size = min(batch, trades - sent)
                with database.begin() as connection:
                    (batch_id,) = clerk.submit(
                        connection,
                        _named(desk, size, sent),
                        lot=LOT,
                        start_s=int(INTERVAL.timestamp()),
                        deadline=deadline,
                        settle_from_s=0,
                    )
                for seat, key in enumerate(desk.operators[:QUORUM]):
                    signed = SeatSignature.by(key, consortium.domain, batch_id=batch_id, seat=seat)
                    why = clerk.take(signed)
                    if why:
                        raise BenchmarkError(why)
                written[batch_id] = at
                sent += size
                outbox.push()
            clerk.step(time.time())
            now = time.perf_counter()
            with database.begin() as connection:
                closed = set(
                    connection.execute(
                        select(BATCHES.c.batch_id).where(
                            BATCHES.c.batch_id.in_(list(written)), BATCHES.c.is_closed
                        )
                    ).scalars()
                )
            latencies += [now - written.pop(one) for one in closed]
            if closed:
                last_news = now
            if now - last_news > SILENCE_S:
                raise BenchmarkError(f"no batch came to its end for {SILENCE_S:.0f} s")
        took = time.perf_counter() - began
        checked_from = time.perf_counter()
        found = audit(consortium, database=database)
        ranked = sorted(latencies)
        if found.trades != trades:
            raise BenchmarkError(f"{found.trades} of {trades} trades are on the chain")
        return Soak(
            trades=found.trades,
            seconds=round(took, 2),
            trades_per_s=round(trades / took, 1),
            p50_s=round(statistics.median(ranked), 3),
            p99_s=round(ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))], 3),
            audit_seconds=round(time.perf_counter() - checked_from, 2),
            audit_differences=len(found.differences),
            database_mb=round(file.stat().st_size / 1e6, 1),
        )


def _named(desk: Desk, size: int, first: int):  # type: ignore[no-untyped-def]
    """The next trades with the names that a lot's would have."""
    table = desk.batch(size)
    return table.assign(
        trade_id=[f"soak-{number:07d}" for number in range(first, first + size)],
        buyer_id=[f"vehicle {account}" for account in table["buyer_account"]],
        seller_id=[f"vehicle {account}" for account in table["seller_account"]],
    )
