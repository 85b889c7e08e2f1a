"""Each refusal of the contracts, provoked through Python: its class, arguments and sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.world import BAND, DAY_S, DEPOSIT_UEUR, LOT, World, key
from trading import errors
from trading.chain import PriceBand, SeatSignature, sign_revocation
from trading.chain.contract import NOBODY
from trading.chain.sender import transact
from trading.chain.sentences import SENTENCES
from trading.errors import BadTradeError, LedgerRevertedError
from trading.units import MAX_U32

HUGE = 2**56 - 1

NOT_FROM_PYTHON = {
    "AuthorityInvalid": "deploy takes a key, and no key has the zero address",
    "AggregatorsExhausted": "needs 16,383 aggregators; tested in Solidity",
    "AccountsExhausted": "needs 2^32 - 1 accounts; tested in Solidity",
    "DepositMismatch": "needs a token that takes a fee; tested in Solidity",
    "SafeERC20FailedOperation": "needs a token that returns false; tested in Solidity",
    "ReentrancyGuardReentrantCall": "needs a token that calls back; tested in Solidity",
    "ERC20InvalidApprover": "needs the zero address as caller",
    "ERC20InvalidSender": "needs the zero address as caller",
    "StringTooLong": "the name that is signed under is a constant of 31 bytes at most",
    "InvalidShortString": "the name that is signed under is a constant of 31 bytes at most",
    "SafeCastOverflowedUintDowncast": "every cast is of a value that was bounded before",
    "Error": "no contract of ours reverts with a text; see tests/unit/chain/test_reverts.py",
    "Panic": "a fault of the contract; see tests/unit/chain/test_reverts.py",
    "Unknown": "another contract's error; see tests/unit/chain/test_reverts.py",
}


def _bundle(w: World, *, seat: int | None = None, by: int = 0, again: bool = False) -> None:
    batch = w.pending()
    operator = w.operators[by]
    voted = w.consortium.seat_of(operator.address) if seat is None else seat
    signed = SeatSignature.by(operator, w.consortium.domain, batch_id=batch.batch_id, seat=voted)
    bundle = [signed, signed] if again else [signed]
    w.consortium.confirm_with_signatures(batch.batch_id, bundle, by=w.engine)


def _revoke_signed(w: World, *, deadline: int, nonce: int) -> None:
    account = w.account(w.buyer)
    signature = sign_revocation(
        w.buyer, w.consortium.domain, account=account, nonce=nonce, deadline=deadline
    )
    w.consortium.revoke_mandate_by_signature(
        account, deadline=deadline, signature=signature, by=w.engine
    )


def _seats_exhausted(w: World) -> None:
    full = w.deploy(operators=[key(f"seat {n}").address for n in range(96)])
    full.add_operator(w.stranger.address, by=w.authority)


def _voted_twice(w: World) -> None:
    batch = w.pending()
    w.consortium.confirm(batch.batch_id, by=w.operators[1])
    w.consortium.reject(batch.batch_id, "changed its mind", by=w.operators[1])


def _deposit_too_large(w: World) -> None:
    w.token.mint(w.stranger.address, HUGE, by=w.authority)
    w.token.approve(w.consortium.address, HUGE, by=w.stranger)
    w.consortium.deposit(1, HUGE, by=w.stranger)


def _paused(w: World) -> None:
    w.consortium.pause(by=w.authority)
    w.submit()


def _mandate_expired(w: World) -> None:
    w.set_mandate(w.seller, valid_until=w.network.now() + 60)
    w.network.travel_to(w.network.now() + 120)
    w.submit()


def _no_mandate(w: World) -> None:
    w.consortium.revoke_mandate(w.account(w.buyer), by=w.buyer)
    w.submit()


def _not_open_to_buyers(w: World) -> None:
    w.set_mandate(w.seller, open_to_buyers=False)
    w.submit(by=w.buyer)


def _spare_bits(w: World) -> None:
    words = [1 << 224 | 3 << 192 | 1_500 << 160 | 5]
    w.consortium.send_all([w.consortium.call("submit", words, w.deadline(), by=w.engine)])


def _out_of_gas(w: World) -> None:
    call = w.consortium.call("register", bytes(32), by=w.stranger)
    transact(w.network, dataclasses.replace(call, gas=30_000))


def _trade(**changes: Any) -> Callable[[World], object]:
    """A batch of three whose second trade is at fault."""

    def submit(w: World) -> None:
        trades = w.trades(3)
        for name, value in changes.items():
            trades.loc[1, name] = w.account(getattr(w, value)) if isinstance(value, str) else value
        w.submit(trades)

    return submit


REFUSALS: dict[str, tuple[Callable[[World], object], dict[str, Any]]] = {
    "AuthorityOnly": (lambda w: w.consortium.pause(by=w.stranger), {}),
    "PendingAuthorityOnly": (lambda w: w.consortium.accept_authority(by=w.stranger), {}),
    "TokenInvalid": (lambda w: w.deploy(token=w.stranger.address), {"needed": 6}),
    "ConsortiumPaused": (_paused, {}),
    "ConsortiumNotPaused": (lambda w: w.consortium.unpause(by=w.authority), {}),
    "OperatorUnknown": (
        lambda w: w.consortium.confirm(w.pending().batch_id, by=w.stranger),
        {"operator": key("stranger").address},
    ),
    "OperatorSeated": (
        lambda w: w.consortium.add_operator(w.operators[2].address, by=w.authority),
        {"seat": 2},
    ),
    "OperatorInvalid": (
        lambda w: w.consortium.add_operator(NOBODY, by=w.authority),
        {"operator": NOBODY},
    ),
    "SeatsExhausted": (_seats_exhausted, {"availableFrom": 0}),
    "QuorumOutOfRange": (
        lambda w: w.consortium.set_quorum(5, by=w.authority),
        {"quorum": 5, "operators": 4},
    ),
    "PriceBandInvalid": (
        lambda w: w.consortium.set_price_band(
            PriceBand(lowest_ueur_per_kwh=2, highest_ueur_per_kwh=1), by=w.authority
        ),
        {"lowest": 2, "highest": 1},
    ),
    "AggregatorInvalid": (
        lambda w: w.set_mandate(w.buyer, aggregator=w.stranger.address),
        {"aggregator": key("stranger").address},
    ),
    "AccountUnknown": (lambda w: w.consortium.deposit(99, 1, by=w.buyer), {"account": 99}),
    "AccountOwnerOnly": (
        lambda w: w.consortium.revoke_mandate(w.account(w.buyer), by=w.stranger),
        {"account": 1, "caller": key("stranger").address, "owner": key("buyer").address},
    ),
    "AccountBalanceTooLow": (
        lambda w: w.consortium.withdraw(1, DEPOSIT_UEUR + 1, to=w.buyer.address, by=w.buyer),
        {"account": 1, "free": DEPOSIT_UEUR, "needed": DEPOSIT_UEUR + 1},
    ),
    "AmountZero": (lambda w: w.consortium.deposit(1, 0, by=w.buyer), {"account": 1}),
    "DepositTooLarge": (_deposit_too_large, {"amount": HUGE, "largest": HUGE}),
    "RecipientInvalid": (
        lambda w: w.consortium.withdraw(1, 1, to=NOBODY, by=w.buyer),
        {"to": NOBODY},
    ),
    "MandateExpired": (
        lambda w: w.set_mandate(w.buyer, valid_until=w.network.now() - 1),
        {"account": 1},
    ),
    "BatchSizeOutOfRange": (lambda w: w.submit(w.trades(513)), {"size": 513, "largest": 512}),
    "BatchDeadlineOutOfRange": (
        lambda w: w.consortium.submit(
            w.trades(), deadline=w.network.now() + 2 * DAY_S, by=w.engine
        ),
        {},
    ),
    "BatchUnexpectedState": (
        lambda w: w.consortium.settle(w.pending(), by=w.engine),
        {"current": 1, "accepted": 1 << 2},
    ),
    "BatchAlreadyVoted": (_voted_twice, {"seat": 1, "confirmed": True}),
    "BatchUndecided": (
        lambda w: w.consortium.finalize(w.pending().batch_id, by=w.stranger),
        {"confirmations": 0, "possible": 4, "quorum": 3},
    ),
    "BatchSubmitterOnly": (lambda w: w.consortium.cancel(w.pending(), by=w.stranger), {}),
    "BatchReasonTooLong": (
        lambda w: w.consortium.reject(w.pending().batch_id, "x" * 257, by=w.operators[0]),
        {"length": 257, "largest": 256},
    ),
    "TradeSpareNotZero": (_spare_bits, {"index": 0, "spare": 5}),
    "TradePartyUnknown": (_trade(seller_account=77), {"index": 1, "account": 77}),
    "TradePartiesEqual": (_trade(seller_account="buyer"), {"index": 1, "account": 1}),
    "TradeMandateExpired": (_mandate_expired, {"index": 0, "account": 3}),
    "TradeSubmitterNotAllowed": (_not_open_to_buyers, {"index": 0, "account": 3}),
    "TradeBuyerPriceTooHigh": (
        _trade(price_ueur_per_kwh=500_001, seller_price_ueur_per_kwh=490_000),
        {"index": 1, "buyer": 1, "price": 500_001, "highest": 500_000},
    ),
    "TradeSellerPriceTooLow": (
        _trade(price_ueur_per_kwh=310_000, seller_price_ueur_per_kwh=299_999),
        {"index": 1, "seller": 3, "price": 299_999, "lowest": 300_000},
    ),
    "TradeLotUnknown": (_trade(lot=LOT + 1), {"index": 1, "lot": LOT + 1}),
    "TradeEnergyZero": (_trade(energy_wh=0), {"index": 1}),
    "TradeCostZero": (
        lambda w: _cost_zero(w),
        {"index": 0, "energyWh": 1, "price": 100},
    ),
    "TradePriceOutOfBand": (
        lambda w: _out_of_band(w),
        {"index": 0, "price": 600_001, "lowest": 100_000, "highest": 600_000},
    ),
    "TradePricesCrossed": (
        _trade(price_ueur_per_kwh=380_000),
        {"index": 1, "buyerPrice": 380_000, "sellerPrice": 390_000},
    ),
    "TradeSpreadTooLarge": (
        _trade(seller_price_ueur_per_kwh=349_999),
        {"index": 1, "spread": 50_001, "largest": 50_000},
    ),
    "TradeSequenceOutOfRange": (
        _trade(sequence=1),
        {"index": 1, "buyer": 1, "sequence": 1, "lowest": 2},
    ),
    "TradeBuyerBalanceTooLow": (
        _trade(energy_wh=2_000_000_000),
        {"index": 1, "buyer": 1, "needed": 800_000_000_000},
    ),
    "ConfirmationsMissing": (
        lambda w: w.consortium.confirm_with_signatures(w.pending().batch_id, [], by=w.engine),
        {},
    ),
    "ConfirmationsUnsorted": (lambda w: _bundle(w, again=True), {"position": 1, "seat": 0}),
    "ConfirmationSignerInvalid": (lambda w: _bundle(w, seat=3), {"position": 0, "seat": 3}),
    "SignatureExpired": (
        lambda w: _revoke_signed(w, deadline=w.network.now() - 1, nonce=1),
        {},
    ),
    "SignatureInvalid": (
        lambda w: _revoke_signed(w, deadline=w.deadline(), nonce=77),
        {},
    ),
    "MinterOnly": (lambda w: w.token.mint(w.stranger.address, 1, by=w.stranger), {}),
    "ERC20InsufficientAllowance": (
        lambda w: w.consortium.deposit(1, 1, by=w.stranger),
        {"allowance": 0, "needed": 1},
    ),
    "ERC20InsufficientBalance": (
        lambda w: w.token.transfer(w.buyer.address, 2**60, by=w.lot_operator),
        {"needed": 2**60},
    ),
    "ERC20InvalidReceiver": (lambda w: w.token.transfer(NOBODY, 0, by=w.buyer), {}),
    "ERC20InvalidSpender": (lambda w: w.token.approve(NOBODY, 1, by=w.buyer), {}),
    "OutOfGas": (_out_of_gas, {"gas": 30_000}),
}


def _cost_zero(w: World) -> None:
    low = dataclasses.replace(BAND, lowest_ueur_per_kwh=0)
    w.consortium.set_price_band(low, by=w.authority)
    w.set_mandate(w.seller, min_sell_ueur_per_kwh=0)
    w.submit(w.trades(1, energy_wh=1, price_ueur_per_kwh=100, seller_price_ueur_per_kwh=100))


def _out_of_band(w: World) -> None:
    w.set_mandate(w.buyer, max_buy_ueur_per_kwh=MAX_U32)
    w.submit(w.trades(1, price_ueur_per_kwh=600_001, seller_price_ueur_per_kwh=590_000))


def test_every_error_is_provoked_or_says_why_not() -> None:
    assert REFUSALS.keys() | NOT_FROM_PYTHON.keys() == SENTENCES.keys()
    assert not REFUSALS.keys() & NOT_FROM_PYTHON.keys()


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_becomes_its_error(world: World, name: str) -> None:
    provoke, expected = REFUSALS[name]
    with pytest.raises(LedgerRevertedError) as caught:
        provoke(world)
    error = caught.value
    assert error.name == name, str(error)
    assert type(error) is SENTENCES[name][0]
    assert expected.items() <= error.arguments.items()
    assert error.transaction is not None
    if isinstance(error, BadTradeError):
        assert error.trade_index == expected["index"]
        assert str(error).startswith(f"trade {expected['index'] + 1}: ")


def test_missing_mandate_is_told_from_an_expired_one(world: World) -> None:
    with pytest.raises(BadTradeError, match="trade 1: account 1 has no mandate"):
        _no_mandate(world)


def test_refused_batch_changes_nothing(world: World) -> None:
    before = world.consortium.accounts()
    with pytest.raises(BadTradeError):
        _trade(energy_wh=0)(world)
    assert world.consortium.accounts().equals(before)


def test_the_rest_stands_when_one_of_many_is_refused(world: World) -> None:
    calls = [
        world.consortium.call("register", bytes(32), by=world.stranger),
        world.consortium.call("pause", by=world.stranger),
        world.consortium.call("register", bytes(32), by=world.stranger),
    ]
    before = world.consortium.account_count()
    with pytest.raises(errors.NotAllowedError):
        world.consortium.send_all(calls)
    assert world.consortium.account_count() == before + 2


def test_unknown_account_is_an_error_not_zeros(world: World) -> None:
    with pytest.raises(errors.BadArgumentError, match="there is no account 99"):
        world.consortium.account(99)


def test_view_that_reverts_becomes_the_same_error(world: World) -> None:
    with pytest.raises(errors.NotAllowedError) as caught:
        world.consortium.seat_of(world.stranger.address)
    assert caught.value.arguments == {"operator": world.stranger.address}
    assert caught.value.transaction is None
