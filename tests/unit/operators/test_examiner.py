"""A batch judged from all sessions that came finds what an operator of the whole day finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import MappingProxyType

import pandas as pd
import pytest

from trading.chain import BatchState, Mandate, PriceBand, Submission, encode
from trading.chain.rebuild import Account, Ledger, RebuiltBatch
from trading.data import load_sessions, sample_path
from trading.engine.live import interval_trades
from trading.lot import Stays, simulate_lot
from trading.market import MECHANISMS
from trading.operators import RULES, Finding, Pseudonyms, demonstration_salts
from trading.operators.examiner import Examiner, judge, sequences_before
from trading.publication import read_publication
from trading.units import cost_ueur

BAND = PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=1_000_000)
SPREAD = 50_000
MARKET = read_publication(None)
PSEUDONYMS = Pseudonyms(demonstration_salts(MARKET.rules.seed))


class Book:
    """A ledger that is kept by hand: an account a session, a batch an interval."""

    def __init__(self, sessions: pd.DataFrame) -> None:
        ids = sorted(map(str, sessions["session_id"]))
        self.number = {name: at + 1 for at, name in enumerate(ids)}
        self.accounts = {
            at: Account(
                number=at,
                owner="0x" + "0" * 40,
                free_ueur=0,
                locked_ueur=0,
                sequence=0,
                tag=PSEUDONYMS.tag(name),
                mandate=None,
            )
            for name, at in self.number.items()
        }
        self.batches: dict[str, RebuiltBatch] = {}
        self.sequence: Counter[int] = Counter()

    def ledger(self) -> Ledger:
        return Ledger(
            accounts=MappingProxyType(self.accounts),
            batches=MappingProxyType(self.batches),
            seats={},
            lots={},
            open_lots=frozenset(),
            aggregators=frozenset(),
            nonces={},
            tracked_ueur=0,
            authority="",
            pending_authority=None,
            quorum=1,
            band=BAND,
            largest_spread_ueur_per_kwh=SPREAD,
            is_paused=False,
        )

    def submission(self, trades: pd.DataFrame, *, deadline: int) -> Submission:
        buyers = trades["buyer_id"].map(self.number)
        sequence = []
        for account in buyers:
            self.sequence[account] += 1
            sequence.append(self.sequence[account])
        words = encode(
            trades.assign(
                buyer_account=buyers,
                seller_account=trades["seller_id"].map(self.number),
                sequence=sequence,
                lot=MARKET.lot,
            )
        )
        energy, price = trades["energy_wh"], trades["price_ueur_per_kwh"]
        return Submission(
            batch_id=f"0x{len(self.batches):064x}{deadline}{int(energy.sum())}",
            submitter="0x" + "1" * 40,
            deadline=deadline,
            words=tuple(words),
            locked_ueur=int(cost_ueur(energy.to_numpy(), price.to_numpy()).sum()),
            block=1,
            time=0,
        )


def told(found: tuple[Finding, ...]) -> list[tuple[str, int | None]]:
    return [(one.rule, one.trade_index) for one in found]


def test_judge_finds_what_an_operator_of_the_whole_day_finds() -> None:
    sessions = load_sessions(sample_path(), format="acn", date="2019-10-29").frame.head(30)
    book = Book(sessions)
    stays = Stays(sessions, MARKET.rules)
    whole = Examiner(
        stays,
        MARKET.terms,
        lot=MARKET.lot,
        mechanism=MARKET.mechanism,
        trusted_soc=MARKET.trusted_soc,
        code_of_account={number: stays.code_of(name) for name, number in book.number.items()},
    )
    faults: Counter[str] = Counter()
    last = None

    def compared(submission: Submission) -> tuple[Finding, ...]:
        expected = whole.findings(
            submission,
            band=BAND,
            largest_spread=SPREAD,
            keeps_lot_time=True,
            last_sequence=sequences_before(book.ledger(), submission),
        )
        found = judge(MARKET, sessions, book.ledger(), submission, tag_of=PSEUDONYMS.find).findings
        assert told(found) == told(expected)
        return found

    def agree(start_s: int, trades: pd.DataFrame) -> pd.DataFrame:
        nonlocal last
        energy = trades["energy_wh"].copy()
        energy.iloc[-1] += 7_000
        false = book.submission(trades.assign(energy_wh=energy), deadline=start_s)
        faults.update({one.rule for one in compared(false)})
        book.sequence.subtract(trades["buyer_id"].map(book.number).tolist())
        if last is not None:
            faults.update({one.rule for one in compared(replace(last, batch_id="0xagain"))})
        honest = book.submission(trades, deadline=start_s)
        assert compared(honest) == ()
        whole.count(honest)
        book.batches[honest.batch_id] = RebuiltBatch(submission=honest, stored=BatchState.CONFIRMED)
        last = honest
        return trades

    simulate_lot(
        sessions,
        rules=MARKET.rules,
        terms=MARKET.terms,
        mechanism=MECHANISMS[MARKET.mechanism],
        agree=agree,
    )
    assert len(book.batches) >= 10
    assert {"power", "duplicate energy", "sequence"} <= set(faults)


def test_a_batch_that_this_operator_promised_counts_before_the_chain_has_it() -> None:
    sessions = load_sessions(sample_path(), format="acn", date="2019-10-29").frame.head(16)
    book = Book(sessions)
    seen: list[tuple[Submission, pd.DataFrame]] = []

    def agree(start_s: int, trades: pd.DataFrame) -> pd.DataFrame:
        seen.append((book.submission(trades, deadline=start_s), trades))
        return trades.iloc[:0]

    simulate_lot(
        sessions,
        rules=MARKET.rules,
        terms=MARKET.terms,
        mechanism=MECHANISMS[MARKET.mechanism],
        agree=agree,
    )
    first, trades = seen[0]
    again = book.submission(trades, deadline=first.deadline)
    book.batches[first.batch_id] = RebuiltBatch(submission=first)
    book.batches["0xother"] = RebuiltBatch(submission=replace(again, batch_id="0xother"))
    other = book.batches["0xother"].submission
    ledger = book.ledger()
    alone = judge(MARKET, sessions, ledger, other, tag_of=PSEUDONYMS.find)
    assert alone.findings == ()
    assert {check.outcome for check in alone.checks} == {"held"}
    assert sum(alone.sources.values()) == trades["seller_id"].nunique()
    promised = judge(
        MARKET, sessions, ledger, other, tag_of=PSEUDONYMS.find, promised={first.batch_id}
    )
    broken = {check.rule for check in promised.checks if check.outcome == "broken"}
    assert {"duplicate energy", "power"} <= broken
    assert broken == {one.rule for one in promised.findings}


def test_without_a_session_of_that_time_the_batch_is_of_nobody() -> None:
    sessions = load_sessions(sample_path(), format="acn", date="2019-10-29").frame.head(16)
    book = Book(sessions)
    trades = pd.DataFrame(
        {
            "buyer_id": [str(sessions["session_id"].iloc[0])],
            "seller_id": [str(sessions["session_id"].iloc[1])],
            "energy_wh": [1_000],
            "price_ueur_per_kwh": [400_000],
            "seller_price_ueur_per_kwh": [390_000],
            "interval_start": [pd.Timestamp("2030-01-01T12:00Z")],
        }
    )
    batch = book.submission(trades, deadline=1_893_499_200)
    told = judge(MARKET, sessions, book.ledger(), batch, tag_of=PSEUDONYMS.find)
    assert [one.rule for one in told.findings] == ["parties"]
    assert [check.rule for check in told.checks] == list(RULES)
    assert {check.outcome for check in told.checks if check.rule != "parties"} == {"unchecked"}


@pytest.mark.parametrize("mechanism", ["pro-rata", "uniform-price"])
def test_what_an_engine_trades_passes_though_some_have_no_account_or_tell_their_charge(
    mechanism: str,
) -> None:
    market = replace(MARKET, mechanism=mechanism, trusted_soc=("charger", "inferred"))
    sessions = load_sessions(sample_path(), format="acn", date="2019-10-29").frame.head(24)
    told_by_driver = sessions.index % 2 == 0
    sessions = sessions.assign(soc_source=sessions["soc_source"].mask(told_by_driver, "declared"))
    book = Book(sessions)
    valid = Mandate(max_buy_ueur_per_kwh=0, min_sell_ueur_per_kwh=0, valid_until=2**40 - 1)
    book.accounts = {
        number: replace(account, mandate=valid)
        for number, account in book.accounts.items()
        if number % 5
    }
    first = int(sessions["arrival"].min().timestamp()) // 900 * 900
    for start_s in range(first, first + 86_400, 900):
        trades = interval_trades(
            market, sessions, book.ledger(), tag_of=PSEUDONYMS.find, start_s=start_s
        )
        if trades is None:
            continue
        batch = book.submission(trades, deadline=start_s)
        told = judge(market, sessions, book.ledger(), batch, tag_of=PSEUDONYMS.find)
        assert told.findings == ()
        book.batches[batch.batch_id] = RebuiltBatch(submission=batch, stored=BatchState.CONFIRMED)
    assert len(book.batches) >= 5
