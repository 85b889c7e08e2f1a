"""The settlement desk: takes an interval's trades to the ledger and brings back what was agreed.

For each interval the desk submits its trades as batches before power flows (gate closure), lets the
operators decide, and answers which trades are agreed. Confirmed batches are settled once their
interval is over; rejected and expired ones are refunded. It keeps no state that the chain lacks but
the table of its own trades.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trading.chain import BatchState, Consortium, Key, SeatSignature, Submission
from trading.engine.faults import EngineFault, tamper
from trading.engine.result import BATCH_COLUMNS, TRADE_COLUMNS
from trading.errors import NotAllowedError
from trading.lot import Stays, Terms
from trading.operators import OperatorNode

CLOCK_STEP_S = 0.5
LIVE_LIFETIME_S = 120
"""How long operators may vote where the chain's clock is not the lot's."""
TAMPERED_EVERY = 4
"""A dishonest engine slips a wrong trade into every fourth batch, from the first on."""


@dataclass(slots=True, kw_only=True)
class _Batch:
    submission: Submission
    trades: pd.DataFrame
    interval_start: pd.Timestamp
    settle_from_s: int
    pending_at: pd.Timestamp
    status: str = "pending"
    decided_at: pd.Timestamp | None = None


class SettlementDesk:
    """Follows every batch of one lot from pending to its end.

    Call `agree` for each interval in turn (it is what `simulate_lot` takes), then `close`.

    Attributes:
        tampered: how many batches hold a wrong trade that a dishonest engine slipped in.
        gas_used: by submitting, handing in signatures, settling and refunding.
    """

    def __init__(
        self,
        *,
        consortium: Consortium,
        engine: Key,
        accounts: Mapping[str, int],
        operators: Sequence[OperatorNode],
        stays: Stays,
        terms: Terms,
        lot: int,
        fault: EngineFault | None = None,
    ) -> None:
        """Bind the desk to a consortium.

        Args:
            consortium: the contract.
            engine: signs submissions; an admitted aggregator.
            accounts: account number of each session that may trade.
            operators: the nodes that are to look at each batch.
            stays: the sessions, for their interval and gate closure.
            terms: what a dishonest engine bends.
            lot: number of the lot.
            fault: what a dishonest engine does to some batches; None for an honest one.
        """
        self._consortium = consortium
        self._engine = engine
        self._accounts = dict(accounts)
        self._operators = list(operators)
        self._stays = stays
        self._terms = terms
        self._lot = lot
        self._fault = fault
        self._sequence: dict[int, int] = {}
        self._batches: list[_Batch] = []
        self.tampered = 0
        self.gas_used = 0

    # ------------------------------------------------------------------ during the day

    def agree(self, start_s: int, trades: pd.DataFrame) -> pd.DataFrame:
        """Submit an interval's trades, let the operators vote, and return those agreed to.

        Args:
            start_s: start of the interval, Unix seconds.
            trades: TRADES columns after `interval_start` and `trade_id`.

        Raises:
            LedgerRevertedError: the contract refused the batch; says which trade is at fault.
        """
        self._open(start_s)
        agreed = []
        for part in self._parts(trades):
            batch = self._submit(start_s, part)
            self._ask_operators()
            agreed.append(self._agreed(batch))
        return pd.concat(agreed)

    def agree_by_buyer(self, start_s: int, trades: pd.DataFrame) -> pd.DataFrame:
        """As `agree`, with a batch a buyer, all of them pending before the first vote."""
        self._open(start_s)
        batches = [
            self._submit(start_s, part)
            for _, of_buyer in trades.groupby("buyer_id")
            for part in self._parts(of_buyer)
        ]
        self._ask_operators()
        return pd.concat([self._agreed(batch) for batch in batches]).sort_index()

    def _open(self, start_s: int) -> None:
        """Go to the gate closure of the interval that begins at `start_s`."""
        gate_s = start_s - self._stays.rules.gate_lead_s
        self._travel(gate_s)
        self._finish(gate_s)

    def _parts(self, trades: pd.DataFrame) -> list[pd.DataFrame]:
        most = self._consortium.limits.max_trades
        return [trades.iloc[first : first + most] for first in range(0, len(trades), most)]

    def _ask_operators(self) -> None:
        turn = len(self._batches) % max(len(self._operators), 1)
        gathered: dict[str, dict[int, SeatSignature]] = {}
        for node in self._operators[turn:] + self._operators[:turn]:
            for signed in node.poll():
                if self._is_of_its_seat(signed):
                    gathered.setdefault(signed.batch_id, {}).setdefault(signed.seat, signed)
        quorum = self._consortium.quorum()
        for batch_id, by_seat in gathered.items():
            stored = self._consortium.batch(batch_id)
            # Who has voted on chain counts there, whatever it signed besides.
            voted = {*stored.confirmed_by, *stored.rejected_by}
            signatures = [signed for seat, signed in by_seat.items() if seat not in voted]
            needed = quorum - len(stored.confirmed_by)
            # More than the quorum would only cost gas; fewer decide nothing.
            if stored.state == BatchState.PENDING and 0 < needed <= len(signatures):
                receipt = self._consortium.confirm_with_signatures(
                    batch_id, signatures[:needed], by=self._engine
                )
                self.gas_used += receipt.gas_used

    def _is_of_its_seat(self, signed: SeatSignature) -> bool:
        """Whether the one who signed holds the seat that it names, so that the bundle stands."""
        if not signed.is_valid(self._consortium.domain):
            return False
        try:
            return self._consortium.seat_of(signed.signer) == signed.seat
        except NotAllowedError:
            return False

    def _agreed(self, batch: _Batch) -> pd.DataFrame:
        """The trades of a batch as submitted if it was confirmed, else none of them."""
        state = self._consortium.state_of(batch.submission.batch_id)
        if state != BatchState.PENDING:
            self._mark(batch, state)
            return batch.trades if state == BatchState.CONFIRMED else batch.trades.iloc[:0]
        # Nobody decided: power must not flow, so the batch has to run out before its interval.
        self._wait_past(batch.submission.deadline)
        self._mark(batch, BatchState.EXPIRED)
        return batch.trades.iloc[:0]

    def _submit(self, start_s: int, trades: pd.DataFrame) -> _Batch:
        wanted = self._tampered(start_s, trades)
        words = self._chain_table(wanted)
        receipt = self._consortium.submit(words, deadline=self._deadline(start_s), by=self._engine)
        self.gas_used += receipt.gas_used
        batch = _Batch(
            submission=receipt.batch,
            trades=wanted,
            interval_start=wanted["interval_start"].iloc[0],
            settle_from_s=self._stays.rules.settled_from_s(start_s),
            pending_at=_utc(receipt.time),
        )
        self._batches.append(batch)
        return batch

    def _tampered(self, start_s: int, trades: pd.DataFrame) -> pd.DataFrame:
        if self._fault is None or len(self._batches) % TAMPERED_EVERY:
            return trades
        wrong = tamper(self._fault, trades, stays=self._stays, terms=self._terms, start_s=start_s)
        if wrong is None:
            return trades
        self.tampered += 1
        return wrong

    def _chain_table(self, trades: pd.DataFrame) -> pd.DataFrame:
        buyers = trades["buyer_id"].map(self._accounts)
        sequence = []
        for account in buyers:
            self._sequence[account] = self._sequence.get(account, 0) + 1
            sequence.append(self._sequence[account])
        return pd.DataFrame(
            {
                "buyer_account": buyers.astype("int64"),
                "seller_account": trades["seller_id"].map(self._accounts).astype("int64"),
                "energy_wh": trades["energy_wh"],
                "price_ueur_per_kwh": trades["price_ueur_per_kwh"],
                "seller_price_ueur_per_kwh": trades["seller_price_ueur_per_kwh"],
                "sequence": np.array(sequence, dtype=np.int64),
                "interval_start": trades["interval_start"],
                "lot": self._lot,
            }
        )

    def _deadline(self, start_s: int) -> int:
        if self._consortium.network.can_travel:
            return start_s
        return self._consortium.network.now() + LIVE_LIFETIME_S

    # ------------------------------------------------------------------ after an interval

    def close(self) -> None:
        """Settle and refund everything that is left; call it after the last interval."""
        if self._batches:
            last_s = max(batch.settle_from_s for batch in self._batches)
            self._travel(last_s)
            self._finish(last_s)

    def _finish(self, lot_time_s: int) -> None:
        """Settle confirmed batches whose interval is over at `lot_time_s`."""
        for batch in self._batches:
            if batch.status == "confirmed" and batch.settle_from_s <= lot_time_s:
                receipt = self._consortium.settle(batch.submission, by=self._engine)
                self.gas_used += receipt.gas_used
                batch.status = "settled"

    def _mark(self, batch: _Batch, state: BatchState) -> None:
        batch.status = state.name.lower()
        batch.decided_at = _utc(self._consortium.network.now())
        if state in (BatchState.REJECTED, BatchState.CANCELLED, BatchState.EXPIRED):
            receipt = self._consortium.refund(batch.submission, by=self._engine)
            self.gas_used += receipt.gas_used

    def _travel(self, to_s: int) -> None:
        network = self._consortium.network
        if network.can_travel and to_s > network.now():
            network.travel_to(to_s)

    def _wait_past(self, deadline_s: int) -> None:
        """Let the deadline pass; a running chain may be without blocks, so both clocks count."""
        network = self._consortium.network
        self._travel(deadline_s + 1)
        while max(network.now(), time.time()) <= deadline_s + 1:
            time.sleep(CLOCK_STEP_S)

    # ------------------------------------------------------------------ what is left behind

    def trades(self) -> pd.DataFrame:
        """Every trade as submitted, with `batch_id` and its final `status`."""
        tables = [
            batch.trades.assign(batch_id=batch.submission.batch_id, status=batch.status)
            for batch in self._batches
        ]
        table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
        return table.reindex(columns=list(TRADE_COLUMNS))

    def batches(self) -> pd.DataFrame:
        """One row a batch, in order of submission."""
        rows = []
        for batch in self._batches:
            stored = self._consortium.batch(batch.submission.batch_id)
            rows.append(
                {
                    "batch_id": batch.submission.batch_id,
                    "interval_start": batch.interval_start,
                    "trades": len(batch.trades),
                    "energy_wh": int(batch.trades["energy_wh"].sum()),
                    "status": batch.status,
                    "pending_at": batch.pending_at,
                    "decided_at": batch.decided_at,
                    "confirmations": len(stored.confirmed_by),
                    "rejections": len(stored.rejected_by),
                }
            )
        return pd.DataFrame(rows, columns=list(BATCH_COLUMNS))


def _utc(at_s: int) -> pd.Timestamp:
    return pd.Timestamp(at_s, unit="s", tz="UTC")
