"""Batches to submit, good and bad, drawn from the model's present state.

Every maker of acts takes the twin and a source of chance. Those that promise a good one make it
valid by construction wherever the state has room for one; the model, not the maker, says what is to
come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.contract.draws import anyone, bundle_of
from tests.contract.founding import MONTHS_S
from tests.contract.twin import Act, Twin
from tests.reference_consortium import MAX_SEQUENCE_STEP
from tests.reference_governance import MAX_LIFETIME_S
from tests.reference_records import Account, Mandate, Trade, batch_id, trades_hash

MAX_U32 = 2**32 - 1
ENOUGH_UEUR = MAX_U32 // 1000 + 1
"""What 1 Wh costs at the highest price a word can hold."""

INTERVAL = 26_205_120
"""An interval of the model's day, in minutes since 1970; the contract keeps it and asks nothing."""


def good_batch(twin: Twin, chance: Random) -> Act:
    """Trades between parties whose mandates allow them, paid from what the buyers have free.

    Where no two parties can trade, it is the act that brings them nearer to it.
    """
    if twin.model.is_paused or not twin.model.open_lots:
        return _opened(twin)
    pairs = _pairs(twin)
    if not pairs:
        return _enabled(twin, chance)
    by = chance.choice(sorted(pairs))
    return Act(
        "submit", twin.people[by], (_trades(twin, chance, pairs[by]), _deadline(twin, chance))
    )


def good_batch_with_signatures(twin: Twin, chance: Random) -> Act:
    """The same, with the confirmations of a random bundle of operators at once."""
    act = good_batch(twin, chance)
    if act.function != "submit":
        return act
    trades, deadline = act.arguments
    identity = batch_id(twin.model.domain, act.by.address, deadline, trades_hash(trades))
    bundle = bundle_of(twin, chance, identity, sorted(twin.model.seats))
    return Act("submit_with_signatures", act.by, (trades, deadline, bundle))


def bad_batch(twin: Twin, chance: Random) -> Act:
    """A good batch with one thing wrong, or on the edge of wrong."""
    act = good_batch(twin, chance)
    if act.function != "submit":
        return act
    if chance.random() < 0.3 and (wrong := _not_quite(twin, chance)):
        return wrong
    trades, deadline = act.arguments
    now = twin.network.now() + 1
    match chance.randint(0, 9):
        case 0:
            return replace(act, arguments=((), deadline))
        case 1:
            edges = (0, now - 1, now, now + MAX_LIFETIME_S + 1, 2**40 - 1)
            return replace(act, arguments=(trades, chance.choice(edges)))
        case 2:
            return replace(act, by=anyone(twin, chance))
        case 3 if twin.model.batches:
            again = chance.choice(list(twin.model.batches.values()))
            by = twin.people[again.submitter] if chance.random() < 0.7 else act.by
            return Act("submit", by, (again.trades, again.deadline))
        case 4:
            return replace(act, arguments=((*trades, chance.choice(trades)), deadline))
    at = chance.randrange(len(trades))
    changed = chance.choice(SPOILERS)(twin, chance, trades[at])
    return replace(act, arguments=((*trades[:at], changed, *trades[at + 1 :]), deadline))


def _opened(twin: Twin) -> Act:
    """What the authority does so that anyone can trade at all."""
    authority = twin.people[twin.model.authority]
    if twin.model.is_paused:
        return Act("unpause", authority)
    return Act("set_lot", authority, (1, 1))


def _enabled(twin: Twin, chance: Random) -> Act:
    """Money or wide limits for an account, so that two parties come together."""
    model = twin.model
    number = chance.choice(list(model.accounts))
    owner = twin.people[model.accounts[number].owner]
    if model.accounts[number].free < ENOUGH_UEUR:
        whale = next(key for key in twin.people.values() if key.name == "whale")
        return Act("deposit", whale, (number, 100_000_000))
    wide = Mandate(
        max_buy_price=MAX_U32,
        min_sell_price=0,
        valid_until=twin.network.now() + MONTHS_S,
        open_to_buyers=True,
    )
    return Act("set_mandate", owner, (number, wide))


def _pairs(twin: Twin) -> dict[str, list[tuple[int, int]]]:
    """Buyers and sellers that can trade, by who may submit it."""
    model, now = twin.model, twin.network.now() + 1
    valid = {
        number: account
        for number, account in model.accounts.items()
        if account.mandate and account.mandate.valid_until >= now
    }
    pairs: dict[str, list[tuple[int, int]]] = {}
    for buyer, paying in valid.items():
        for seller, earning in valid.items():
            if buyer == seller or paying.free < ENOUGH_UEUR:
                continue
            if _price_range(twin, paying, earning) is None:
                continue
            engine = earning.mandate.aggregator
            if model.is_aggregator(engine) and engine in (paying.mandate.aggregator, paying.owner):
                pairs.setdefault(engine, []).append((buyer, seller))
            if earning.mandate.open_to_buyers:
                pairs.setdefault(paying.owner, []).append((buyer, seller))
    return pairs


def _not_quite(twin: Twin, chance: Random) -> Act | None:
    """Trades that only their submitter is wrong for: the engine the buyer named is dismissed, or
    the seller named another, though it may be open to buyers.
    """
    now = twin.network.now() + 1
    accounts = {
        number: account
        for number, account in twin.model.accounts.items()
        if account.mandate and account.mandate.valid_until >= now
    }
    pairs: dict[str, list[tuple[int, int]]] = {}
    for buyer, paying in accounts.items():
        for seller, earning in accounts.items():
            fits = buyer != seller and paying.free >= ENOUGH_UEUR
            engine = paying.mandate.aggregator
            if fits and engine in twin.people and _price_range(twin, paying, earning):
                both = earning.mandate.aggregator == engine
                if not both or not twin.model.is_aggregator(engine):
                    pairs.setdefault(engine, []).append((buyer, seller))
    if not pairs:
        return None
    by = chance.choice(sorted(pairs))
    trades = _trades(twin, chance, pairs[by])
    return Act("submit", twin.people[by], (trades, _deadline(twin, chance)))


def _trades(twin: Twin, chance: Random, pairs: list[tuple[int, int]]) -> tuple[Trade, ...]:
    free = {number: account.free for number, account in twin.model.accounts.items()}
    last = {number: account.sequence for number, account in twin.model.accounts.items()}
    trades: list[Trade] = []
    for _ in range(chance.choice((1, 1, 2, 3, 4))):
        paying = [pair for pair in pairs if free[pair[0]] >= ENOUGH_UEUR]
        if not paying:
            break
        buyer, seller = chance.choice(paying)
        trade = _good_trade(twin, chance, buyer, seller, free, last)
        free[buyer] -= trade.cost
        last[buyer] = trade.sequence
        trades.append(trade)
    return tuple(trades)


def _good_trade(
    twin: Twin,
    chance: Random,
    buyer: int,
    seller: int,
    free: dict[int, int],
    last: dict[int, int],
) -> Trade:
    model = twin.model
    lowest, highest = _price_range(twin, model.accounts[buyer], model.accounts[seller])
    got = chance.choice((lowest, highest, chance.randint(lowest, highest)))
    most = min(highest, got + model.largest_spread)
    paid = chance.choice((got, most, chance.randint(got, most)))
    # The least energy that costs anything, and the most that the free balance covers.
    least = -(-1000 // max(paid, 1))
    most_wh = max(least, min(((free[buyer] + 1) * 1000 - 1) // max(paid, 1), MAX_U32))
    energy = min(chance.choice((least, most_wh, 777, 1_500, 1_500, 20_001)), most_wh)
    step = chance.choice((1, 1, 1, 2, 1_000, MAX_SEQUENCE_STEP))
    return Trade(
        buyer=buyer,
        seller=seller,
        energy_wh=max(energy, least),
        buyer_price=paid,
        seller_price=got,
        sequence=min(last[buyer] + step, MAX_U32),
        interval=INTERVAL + chance.choice((0, 15, 30)),
        lot=chance.choice(sorted(model.open_lots) or [1]),
    )


def _price_range(twin: Twin, buyer: Account, seller: Account) -> tuple[int, int] | None:
    """The prices that band and both mandates leave, or None."""
    if buyer.mandate is None or seller.mandate is None:
        return None
    lowest = max(twin.model.band[0], seller.mandate.min_sell_price, 1)
    highest = min(twin.model.band[1], buyer.mandate.max_buy_price)
    return (lowest, highest) if lowest <= highest else None


def _deadline(twin: Twin, chance: Random) -> int:
    return twin.network.now() + 1 + chance.choice((3_600, 3_600, 600, 30, 1, MAX_LIFETIME_S))


def _limit(twin: Twin, number: int, name: str) -> int:
    mandate = twin.model.accounts[number].mandate
    return getattr(mandate, name) if mandate else 0


def _costlier(twin: Twin, _chance: Random, trade: Trade) -> Trade:
    """Just more than the buyer has free."""
    free, price = twin.model.accounts[trade.buyer].free, max(trade.buyer_price, 1)
    return replace(trade, energy_wh=min(-(-(free + 1) * 1000 // price), MAX_U32))


def _next_to(**edges: Callable[[Twin, Trade], list[int]]) -> Callable[[Twin, Random, Trade], Trade]:
    def spoil(twin: Twin, chance: Random, trade: Trade) -> Trade:
        found = {name: chance.choice(edge(twin, trade)) for name, edge in edges.items()}
        return replace(trade, **{name: value % 2**32 for name, value in found.items()})

    return spoil


SPOILERS: tuple[Callable[[Twin, Random, Trade], Trade], ...] = (
    lambda _, chance, trade: replace(trade, spare=chance.choice((1, 2**15))),
    lambda _, chance, trade: replace(trade, lot=chance.choice((0, 1, 2, 3, 2**16 - 1))),
    _costlier,
    _next_to(buyer=lambda twin, _: [0, len(twin.model.accounts) + 1, MAX_U32]),
    _next_to(seller=lambda twin, _: [0, len(twin.model.accounts) + 1, MAX_U32]),
    _next_to(seller=lambda _, trade: [trade.buyer]),
    _next_to(buyer=lambda twin, _: list(twin.model.accounts)),
    _next_to(seller=lambda twin, _: list(twin.model.accounts)),
    _next_to(energy_wh=lambda _, __: [0, MAX_U32]),
    _next_to(
        energy_wh=lambda _, __: [1],
        buyer_price=lambda _, __: [999, 1, 0],
        seller_price=lambda _, __: [0],
    ),
    _next_to(buyer_price=lambda twin, t: [_limit(twin, t.buyer, "max_buy_price") + 1]),
    _next_to(seller_price=lambda twin, t: [_limit(twin, t.seller, "min_sell_price") - 1]),
    _next_to(seller_price=lambda _, trade: [trade.buyer_price + 1]),
    _next_to(buyer_price=lambda twin, _: [twin.model.band[1] + 1, MAX_U32]),
    _next_to(seller_price=lambda twin, _: [twin.model.band[0] - 1]),
    _next_to(seller_price=lambda twin, t: [t.buyer_price - twin.model.largest_spread - 1]),
    _next_to(
        sequence=lambda twin, t: [
            (last := twin.model.accounts[t.buyer].sequence),
            last + MAX_SEQUENCE_STEP + 1,
            0,
            MAX_U32,
        ]
    ),
)
