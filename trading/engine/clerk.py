"""The clerk follows every batch of an engine from the database to its end on the chain.

A batch is written down with its first transaction, before anything is sent. From then on `step`
looks where the chain has it and writes what is to be done next, if that is not under way already.
Nothing in memory decides anything, so it can be ended at any moment and started again.

written -> pending -> confirmed -> settled, or rejected or expired -> refunded. A batch that the
contract refuses because of one trade is written again without it.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import structlog
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from trading.chain import BatchState, Consortium, Key, SeatSignature, Submission
from trading.chain import words as trade_words
from trading.chain.rebuild import RebuiltBatch, fate
from trading.engine.result import TRADE_COLUMNS
from trading.store import Database, Ended, Mirror, Outbox, journal
from trading.store.schema import (
    BATCHES,
    LEFT_OUT,
    MIRROR_BATCHES,
    MIRROR_OPERATORS,
    SEQUENCES,
    SIGNATURES,
    TRADES,
    TRANSACTIONS,
)
from trading.units import cost_ueur

log = structlog.get_logger(__name__)

TRIES = 3
"""How often the contract refuses the same step of a batch before the batch is called stuck."""

SLOWEST_TRY_S = 60.0
"""A refused step is tried again after 2, 4, 8, ... seconds, and never more slowly than this."""

GRACE_S = 5
"""How far this machine's clock may be ahead of a chain that makes no blocks of its own accord."""

Step = Literal["confirmWithSignatures", "finalize", "settle", "refund"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides the next step of a batch.

    Attributes:
        state: where the chain has it; expiry included.
        signatures: how many that would count are at hand.
        missing: how many confirmations it still needs.
        is_over: whether its settlement may begin.
    """

    state: BatchState
    signatures: int
    missing: int
    is_over: bool


def next_step(facts: Facts) -> Step | None:
    """What is to be done with a batch; None to wait.

    >>> next_step(Facts(state=BatchState.CONFIRMED, signatures=0, missing=0, is_over=True))
    'settle'
    """
    match facts.state:
        case BatchState.PENDING if facts.missing <= 0:
            # The quorum was lowered, or a seat left: the votes that are there decide.
            return "finalize"
        case BatchState.PENDING if facts.missing <= facts.signatures:
            return "confirmWithSignatures"
        case BatchState.CONFIRMED if facts.is_over:
            return "settle"
        case BatchState.REJECTED | BatchState.CANCELLED | BatchState.EXPIRED:
            return "refund"
    return None


class Clerk:
    """Follows the batches of one engine; call `step` again and again."""

    def __init__(
        self,
        database: Database,
        consortium: Consortium,
        engine: Key,
        *,
        mirror: Mirror,
        outbox: Outbox,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take up the batches that the database holds.

        Args:
            database: of this engine.
            consortium: the contract.
            engine: submits, settles and refunds; an admitted aggregator.
            mirror: of the contract, in the same database.
            outbox: of `engine`, in the same database.
            clock: Unix seconds.
        """
        self._database = database
        self._consortium = consortium
        self._engine = engine
        self._mirror = mirror
        self._outbox = outbox
        self._clock = clock
        self._most_trades = consortium.limits.max_trades
        self._reorganisations = mirror.reorganisations
        self._compared = 0

    # ------------------------------------------------------------------ a batch begins

    def submit(
        self,
        connection: Connection,
        trades: pd.DataFrame,
        *,
        lot: int,
        start_s: int,
        deadline: int,
        settle_from_s: int,
    ) -> list[str]:
        """Write an interval's trades as batches, each with the transaction that submits it.

        Args:
            connection: the SQL transaction in which the interval is marked as traded.
            trades: `trade_id`, `buyer_id`, `seller_id`, `buyer_account`, `seller_account`,
                `energy_wh`, both prices per kWh and `interval_start`.
            lot: number of the lot.
            start_s: start of the interval, Unix seconds.
            deadline: last second in which operators may vote.
            settle_from_s: from when it may be settled, in the lot's time.

        Returns:
            ids of the batches.
        """
        return [
            self._write(
                connection,
                trades.iloc[first : first + self._most_trades],
                lot=lot,
                start_s=start_s,
                deadline=deadline,
                settle_from_s=settle_from_s,
            )
            for first in range(0, len(trades), self._most_trades)
        ]

    def _write(
        self,
        connection: Connection,
        trades: pd.DataFrame,
        *,
        lot: int,
        start_s: int,
        deadline: int,
        settle_from_s: int,
    ) -> str:
        table = trades.assign(
            lot=lot, sequence=self._sequences(connection, trades["buyer_account"].tolist())
        )
        packed = trade_words.encode(table)
        batch_id = trade_words.batch_id(
            chain_id=self._consortium.network.chain_id,
            contract=self._consortium.address,
            submitter=self._engine.address,
            deadline=deadline,
            words=packed,
        )
        locked = cost_ueur(table["energy_wh"].to_numpy(), table["price_ueur_per_kwh"].to_numpy())
        self._keep(
            connection,
            table,
            batch_id=batch_id,
            lot=lot,
            start_s=start_s,
            settle_from_s=settle_from_s,
            deadline=deadline,
            words=_packed(packed),
            locked_ueur=int(locked.sum()),
        )
        call = self._consortium.call("submit", packed, deadline, by=self._engine)
        self._outbox.write(connection, call, subject=batch_id)
        log.info("batch written", batch=batch_id, trades=len(table), interval=start_s)
        return batch_id

    def _keep(
        self, connection: Connection, trades: pd.DataFrame, *, batch_id: str, **values: Any
    ) -> None:
        """Write down a batch and who is who in it: `trade_id`, `buyer_id` and `seller_id`."""
        connection.execute(
            insert(BATCHES).values(
                batch_id=batch_id,
                submitter=self._engine.address,
                written_at=self._clock(),
                **values,
            )
        )
        rows = zip(trades["trade_id"], trades["buyer_id"], trades["seller_id"], strict=True)
        connection.execute(
            insert(TRADES),
            [
                {
                    "batch_id": batch_id,
                    "position": position,
                    "trade_id": str(trade),
                    "buyer_id": str(buyer),
                    "seller_id": str(seller),
                }
                for position, (trade, buyer, seller) in enumerate(rows)
            ],
        )
        entry = {"batch_id": batch_id, "lot": values["lot"], "start_s": values["start_s"]}
        journal.note(connection, "BatchWritten", entry, at=self._clock())

    # ------------------------------------------------------------------ a batch is found again

    def strangers(self) -> list[Submission]:
        """Batches of this engine on the chain that its database does not hold, in chain order.

        A batch is written down before it is sent, so there are none but after an older backup was
        restored.
        """
        batches = self._mirror.ledger.batches
        if len(batches) == self._compared:
            return []
        joined = MIRROR_BATCHES.outerjoin(BATCHES, MIRROR_BATCHES.c.batch_id == BATCHES.c.batch_id)
        with self._database.begin() as connection:
            rows = connection.execute(
                select(MIRROR_BATCHES.c.batch_id)
                .select_from(joined)
                .where(
                    MIRROR_BATCHES.c.submitter == self._engine.address,
                    BATCHES.c.batch_id.is_(None),
                )
            )
            unknown = {row.batch_id for row in rows}
        self._compared = len(batches)
        return [batches[name].submission for name in batches if name in unknown]

    def take_up(
        self,
        connection: Connection,
        submission: Submission,
        *,
        start_s: int,
        settle_from_s: int,
        session_of: Mapping[int, str],
    ) -> None:
        """Write down a batch that is on the chain only, so that it is followed to its end.

        Args:
            connection: the SQL transaction in which its interval is marked as traded.
            submission: the batch, one of `strangers`.
            start_s: start of its interval, Unix seconds.
            settle_from_s: from when it may be settled, in the lot's time.
            session_of: session by account; a party that is not in it is called by its account.
        """
        table = submission.trades
        before = connection.execute(
            select(func.count())
            .select_from(TRADES.join(BATCHES))
            .where(BATCHES.c.start_s == start_s, BATCHES.c.outcome != "refused")
        ).scalar_one()
        stamp = dt.datetime.fromtimestamp(start_s, dt.UTC).strftime("%Y%m%dT%H%MZ")
        names = {
            f"{side}_id": [
                session_of.get(int(account), f"account {account}")
                for account in table[f"{side}_account"]
            ]
            for side in ("buyer", "seller")
        }
        numbers = [f"{stamp}-{before + at:03d}" for at in range(len(table))]
        self._keep(
            connection,
            table.assign(trade_id=numbers, **names),
            batch_id=submission.batch_id,
            lot=int(table["lot"].iloc[0]),
            start_s=start_s,
            settle_from_s=settle_from_s,
            deadline=submission.deadline,
            words=_packed(submission.words),
            locked_ueur=submission.locked_ueur,
        )
        log.warning("batch taken up from the chain", batch=submission.batch_id, interval=start_s)

    def _sequences(self, connection: Connection, buyers: Sequence[int]) -> list[int]:
        """The next number of each buyer's trades; given once, whatever becomes of the batch."""
        wanted = sorted(set(buyers))
        rows = connection.execute(select(SEQUENCES).where(SEQUENCES.c.account.in_(wanted)))
        last = {row.account: row.last for row in rows}
        accounts = self._mirror.ledger.accounts
        found = []
        for account in buyers:
            on_chain = accounts[account].sequence if account in accounts else 0
            last[account] = max(last.get(account, 0), on_chain) + 1
            found.append(last[account])
        connection.execute(delete(SEQUENCES).where(SEQUENCES.c.account.in_(wanted)))
        connection.execute(
            insert(SEQUENCES), [{"account": one, "last": last[one]} for one in wanted]
        )
        return found

    # ------------------------------------------------------------------ a batch goes on

    def take(self, signed: SeatSignature) -> str:
        """Keep an operator's signature for a batch of this engine.

        Any thread may call it: it looks at the database alone, where the mirror stands whole.

        Returns:
            an empty text, or why it is not taken, as a sentence.
        """
        if not signed.is_valid(self._consortium.domain):
            return "the signature is not the signer's for this batch, seat, contract and chain"
        with self._database.begin() as connection:
            holder = connection.execute(
                select(MIRROR_OPERATORS.c.address).where(MIRROR_OPERATORS.c.seat == signed.seat)
            ).scalar()
            if holder != signed.signer:
                return f"seat {signed.seat} is not held by {signed.signer}"
            batch = connection.execute(
                select(BATCHES.c.is_closed).where(BATCHES.c.batch_id == signed.batch_id)
            ).first()
            if batch is None:
                return "no batch of this engine has this id"
            if batch.is_closed:
                return "the batch is at its end already"
            which = (SIGNATURES.c.batch_id == signed.batch_id) & (SIGNATURES.c.seat == signed.seat)
            connection.execute(delete(SIGNATURES).where(which))
            connection.execute(
                insert(SIGNATURES).values(
                    batch_id=signed.batch_id,
                    seat=signed.seat,
                    signer=signed.signer,
                    r=signed.r,
                    vs=signed.vs,
                    received_at=self._clock(),
                )
            )
        log.info("signature", batch=signed.batch_id, seat=signed.seat, operator=signed.signer)
        return ""

    def step(self, lot_time_s: float) -> None:
        """Look at the chain once, and bring every open batch on by what is due.

        Args:
            lot_time_s: now in the lot, Unix seconds: batches whose settlement is due are settled.

        Raises:
            LedgerError: the node cannot be reached or refuses; the same call later goes on.
            StoreError: the database failed.
        """
        # Receipts first: what they tell, the mirror has seen then, and no step is written twice.
        self._outbox.collect(self._ended)
        self._mirror.follow()
        self._reopen()
        chain_time_s = max(self._consortium.network.now(), 0)
        with self._database.begin() as connection:
            for row in self._open(connection):
                self._advance(connection, row, lot_time_s=lot_time_s, chain_time_s=chain_time_s)
        self._outbox.push()

    def _advance(
        self, connection: Connection, row: Row[Any], *, lot_time_s: float, chain_time_s: int
    ) -> None:
        batch = self._mirror.ledger.batches.get(row.batch_id)
        if batch is None:
            return
        if batch.stored in (BatchState.SETTLED, BatchState.REFUNDED):
            self._end(connection, row.batch_id, batch.stored.value)
            return
        signatures = self._usable(connection, batch)
        state = batch.stored
        # A chain without blocks stands still, so the wall's clock tells when a deadline is over.
        is_late = chain_time_s > row.deadline or self._clock() > row.deadline + GRACE_S
        if state is BatchState.PENDING and is_late:
            state = BatchState.EXPIRED
        step = next_step(
            Facts(
                state=state,
                signatures=len(signatures),
                missing=self._mirror.ledger.quorum - len(self._standing_votes(batch)),
                is_over=lot_time_s >= row.settle_from_s,
            )
        )
        if step is None or self._outbox.has_open(connection, row.batch_id, step):
            return
        if self._rests(connection, row.batch_id, step):
            return
        arguments: tuple[Any, ...]
        if step == "confirmWithSignatures":
            missing = self._mirror.ledger.quorum - len(self._standing_votes(batch))
            # More than the quorum would only cost gas.
            chosen = sorted(signatures[:missing], key=lambda one: int(one.signer, 16))
            arguments = (row.batch_id, [one.words() for one in chosen])
        elif step == "finalize":
            arguments = (row.batch_id,)
        else:
            arguments = (row.submitter, row.deadline, _unpacked(row.words))
        log.info("next step", batch=row.batch_id, step=step)
        call = self._consortium.call(step, *arguments, by=self._engine)
        self._outbox.write(connection, call, subject=row.batch_id)

    def _standing_votes(self, batch: RebuiltBatch) -> list[int]:
        """Seats whose confirmation counts: they are still taken."""
        return [seat for seat in batch.confirmed_by if seat in self._mirror.ledger.seats]

    def _usable(self, connection: Connection, batch: RebuiltBatch) -> list[SeatSignature]:
        """Signatures of seats that have not voted on chain, where their own vote counts."""
        batch_id = batch.submission.batch_id
        voted = {*batch.confirmed_by, *batch.rejected_by}
        rows = connection.execute(
            select(SIGNATURES)
            .where(SIGNATURES.c.batch_id == batch_id)
            .order_by(SIGNATURES.c.received_at, SIGNATURES.c.seat)
        )
        return [
            SeatSignature(batch_id=batch_id, seat=row.seat, signer=row.signer, r=row.r, vs=row.vs)
            for row in rows
            if row.seat not in voted and self._mirror.ledger.seats.get(row.seat) == row.signer
        ]

    def _rests(self, connection: Connection, batch_id: str, step: str) -> bool:
        """Whether the contract has refused this step so lately that it is not tried just now."""
        columns = TRANSACTIONS.c
        which = (columns.subject == batch_id) & (columns.purpose == step)
        refused = connection.execute(
            select(
                func.count(), func.max(func.coalesce(columns.sent_at, columns.written_at))
            ).where(which, columns.state == "refused")
        ).one()
        pause_s = min(2.0 ** min(refused[0], 16), SLOWEST_TRY_S)
        return bool(refused[0] and self._clock() - refused[1] < pause_s)

    # ------------------------------------------------------------------ a batch ends

    def _ended(self, connection: Connection, ended: Ended) -> None:
        """What a transaction's end means for its batch, in the SQL transaction that notes it."""
        if ended.succeeded:
            return
        log.warning(
            "contract refused", batch=ended.subject, step=ended.purpose, reason=ended.refusal
        )
        if ended.purpose != "submit":
            # Where the chain has the batch now decides what is done next.
            return
        row = connection.execute(select(BATCHES).where(BATCHES.c.batch_id == ended.subject)).one()
        if row.batch_id in self._mirror.ledger.batches:
            # It was sent twice, and the chain took one of the two.
            return
        index = ended.arguments.get("index")
        if isinstance(index, int) and ended.error.startswith("Trade"):
            self._without(connection, row, index, ended.refusal)
        self._end(connection, row.batch_id, "refused", note=ended.refusal)
        entry = {"batch_id": row.batch_id, "lot": row.lot, "start_s": row.start_s}
        journal.note(connection, "BatchRefused", entry, at=self._clock())

    def _without(self, connection: Connection, row: Row[Any], index: int, reason: str) -> None:
        """Leave out one trade of a refused batch, and write the others again."""
        trades = batch_trades(connection, row)
        out = trades.iloc[index]
        connection.execute(
            insert(LEFT_OUT).values(
                trade_id=out["trade_id"],
                batch_id=row.batch_id,
                reason=reason,
                content=json.dumps({name: str(value) for name, value in out.items()}),
            )
        )
        log.warning("trade left out", batch=row.batch_id, trade=out["trade_id"], reason=reason)
        rest = trades.drop(index=trades.index[index])
        if len(rest) and self._clock() < row.deadline:
            self._write(
                connection,
                rest.reset_index(drop=True),
                lot=row.lot,
                start_s=row.start_s,
                deadline=row.deadline,
                settle_from_s=row.settle_from_s,
            )

    def _end(self, connection: Connection, batch_id: str, outcome: str, *, note: str = "") -> None:
        connection.execute(
            update(BATCHES)
            .where(BATCHES.c.batch_id == batch_id)
            .values(is_closed=True, outcome=outcome, note=note)
        )
        log.info("batch closed", batch=batch_id, outcome=outcome)

    def _reopen(self) -> None:
        """Take batches up again whose end left the chain with the block that held it."""
        if self._reorganisations == self._mirror.reorganisations:
            return
        self._reorganisations = self._mirror.reorganisations
        with self._database.begin() as connection:
            rows = connection.execute(
                select(BATCHES.c.batch_id, BATCHES.c.outcome).where(
                    BATCHES.c.outcome.in_(["settled", "refunded"])
                )
            ).all()
            batches = self._mirror.ledger.batches
            for row in rows:
                batch = batches.get(row.batch_id)
                if batch is None or batch.stored.value != row.outcome:
                    log.warning("batch reopened", batch=row.batch_id, outcome=row.outcome)
                    connection.execute(
                        update(BATCHES)
                        .where(BATCHES.c.batch_id == row.batch_id)
                        .values(is_closed=False, outcome="", note="")
                    )

    # ------------------------------------------------------------------ what is left

    def _open(self, connection: Connection) -> list[Row[Any]]:
        return list(
            connection.execute(
                select(BATCHES)
                .where(BATCHES.c.is_closed.is_(False))
                .order_by(BATCHES.c.start_s, BATCHES.c.written_at)
            )
        )

    def undecided(self) -> int:
        """How many batches neither flow nor are refused yet: what the next interval waits for."""
        with self._database.begin() as connection:
            waiting = self._open(connection)
        ledger = self._mirror.ledger
        return sum(
            row.batch_id not in ledger.batches
            or ledger.batches[row.batch_id].stored is BatchState.PENDING
            for row in waiting
        )

    def open_count(self) -> int:
        """How many batches have not come to their end."""
        with self._database.begin() as connection:
            return len(self._open(connection))


def batch_trades(connection: Connection, row: Row[Any]) -> pd.DataFrame:
    """The trades of a batch: a CHAIN table with `trade_id`, `buyer_id` and `seller_id` besides."""
    table = trade_words.decode(_unpacked(row.words))
    names = connection.execute(
        select(TRADES.c.trade_id, TRADES.c.buyer_id, TRADES.c.seller_id)
        .where(TRADES.c.batch_id == row.batch_id)
        .order_by(TRADES.c.position)
    ).all()
    return table.assign(
        trade_id=[name.trade_id for name in names],
        buyer_id=[name.buyer_id for name in names],
        seller_id=[name.seller_id for name in names],
    )


def trades_of(connection: Connection) -> pd.DataFrame:
    """Every trade of an engine's database, with its batch and status; columns `TRADE_COLUMNS`.

    Batches that the contract refused are left out: their trades were written again, or left to the
    grid. What is not on the chain yet is `written`.
    """
    rows = connection.execute(
        select(BATCHES, MIRROR_BATCHES.c.state, MIRROR_BATCHES.c.was)
        .outerjoin(MIRROR_BATCHES, BATCHES.c.batch_id == MIRROR_BATCHES.c.batch_id)
        .where(BATCHES.c.outcome != "refused")
        .order_by(BATCHES.c.start_s, BATCHES.c.written_at)
    ).all()
    tables = []
    for row in rows:
        trades = batch_trades(connection, row)
        energy = trades["energy_wh"].to_numpy()
        status = "written" if row.state is None else fate(row.state, row.was)
        tables.append(
            trades.assign(
                batch_id=row.batch_id,
                cost_ueur=cost_ueur(energy, trades["price_ueur_per_kwh"].to_numpy()),
                income_ueur=cost_ueur(energy, trades["seller_price_ueur_per_kwh"].to_numpy()),
                status=status,
            )
        )
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.reindex(columns=list(TRADE_COLUMNS))


def _packed(packed: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(trade_words.WORD_BYTES, "big") for word in packed)


def _unpacked(packed: bytes) -> list[int]:
    step = trade_words.WORD_BYTES
    return [int.from_bytes(packed[at : at + step], "big") for at in range(0, len(packed), step)]
