"""Before the first trade: a consortium, its seats, a lot, and drivers with accounts and mandates.

Drivers hold no gas and send nothing: each signs its enrolment and its withdrawal off chain, and the
lot's engine hands both in (EIP-712). Keys, salts, wallets and money are a demonstration's: computed
from the seed, worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from trading.chain import (
    Consortium,
    Key,
    Mandate,
    Network,
    PriceBand,
    RegisterReceipt,
    deploy,
    sign_enrollment,
    sign_withdrawal,
)
from trading.engine.faults import SKIM_UEUR
from trading.lot import Stays, Terms
from trading.market import PeerPrice
from trading.operators import Pseudonyms, demonstration_salts
from trading.units import MAX_U32, UEUR_PER_EUR, WH_PER_KWH

LOT = 1
DAY_S = 86_400
NO_TAG = b"\0" * 32
DRIVERS_AT_ONCE = 25
LOT_OPERATOR = "lot operator"
SPREAD_ROOM_UEUR = 4 * SKIM_UEUR
"""Assumption: the authority allows spreads up to this much above the posted lot fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everyone with a key.

    Attributes:
        authority: the system operator (DSO or TSO).
        operators: infrastructure operators, one seat each.
        engine: the lot's engine, an admitted aggregator.
        lot_operator: receives the spread.
        drivers: by session id; only those who may trade.
        pseudonyms: the drivers' tags.
    """

    authority: Key
    operators: tuple[Key, ...]
    engine: Key
    lot_operator: Key
    drivers: dict[str, Key]
    pseudonyms: Pseudonyms

    @classmethod
    def demonstration(cls, seed: int, *, operators: int, stays: Stays) -> Cast:
        """Keys computed from the seed: the same run has the same addresses everywhere."""
        traders = [
            str(name)
            for name, bid, ask in zip(stays.ids, stays.bid_cap_wh, stays.may_sell, strict=True)
            if bid or ask
        ]
        return cls(
            authority=Key.demonstration(seed, "authority"),
            operators=tuple(Key.demonstration(seed, f"operator {n + 1}") for n in range(operators)),
            engine=Key.demonstration(seed, "engine"),
            lot_operator=Key.demonstration(seed, "lot operator"),
            drivers={name: Key.demonstration(seed, f"driver {name}") for name in traders},
            pseudonyms=Pseudonyms(demonstration_salts(seed)),
        )

    def senders(self) -> list[Key]:
        """The keys that send transactions: all but the drivers'."""
        return [self.authority, *self.operators, self.engine, self.lot_operator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """An account on chain and what was paid into it."""

    key: Key
    account: int
    deposited_ueur: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A consortium that is ready to trade.

    Attributes:
        consortium: the deployed contract.
        wallets: by session id.
        lot_wallet: the lot operator's.
    """

    consortium: Consortium
    wallets: dict[str, Wallet]
    lot_wallet: Wallet

    def accounts(self) -> dict[str, int]:
        """Account number of each session that may trade."""
        return {session: wallet.account for session, wallet in self.wallets.items()}


def found(
    network: Network,
    cast: Cast,
    *,
    stays: Stays,
    terms: Terms,
    price: PeerPrice,
    is_posted: bool = True,
    quorum: int,
    progress: Callable[[int, int], None] | None = None,
) -> Enrolment:
    """Deploy and govern a consortium, admit the lot, and enrol its drivers.

    For every buyer twice what it could spend in its stay and 10 EUR more is deposited, so that its
    balance is never what decides a trade; a mandate holds the driver's own limits.
    """
    consortium, lot_account = governed(
        network, cast, terms=terms, price=price, is_posted=is_posted, quorum=quorum
    )
    return Enrolment(
        consortium=consortium,
        wallets=_enrol(consortium, cast, stays=stays, terms=terms, price=price, tell=progress),
        lot_wallet=Wallet(key=cast.lot_operator, account=lot_account, deposited_ueur=0),
    )


def governed(
    network: Network,
    cast: Cast,
    *,
    terms: Terms,
    price: PeerPrice,
    is_posted: bool = True,
    quorum: int,
) -> tuple[Consortium, int]:
    """Deploy and govern a consortium and admit the lot; gives it and the lot's account.

    An auction's surplus may be as large as any price, so the spread then is bounded by the band
    alone.
    """
    for key in cast.senders():
        network.fund(key.address)
    highest = min(2 * max(terms.ceiling(), price.buyer_ueur_per_kwh), MAX_U32)
    spread = min(terms.lot_fee + SPREAD_ROOM_UEUR, MAX_U32) if is_posted else highest
    consortium = deploy(
        network,
        authority=cast.authority,
        operators=[key.address for key in cast.operators],
        quorum=quorum,
        band=PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=highest),
        largest_spread_ueur_per_kwh=spread,
    )
    consortium.set_aggregator(cast.engine.address, True, by=cast.authority)
    lot_account = consortium.register(NO_TAG, by=cast.lot_operator).account
    consortium.set_lot(LOT, lot_account, by=cast.authority)
    return consortium, lot_account


def _enrol(
    consortium: Consortium,
    cast: Cast,
    *,
    stays: Stays,
    terms: Terms,
    price: PeerPrice,
    tell: Callable[[int, int], None] | None,
) -> dict[str, Wallet]:
    """Open, limit and fund every driver's account, a few drivers at a time.

    Each wave of transactions needs only what the one before it left on chain, so a network of
    nodes can take a whole wave at once.
    """
    valid_until, deadline = _latest_s(consortium.network, stays), _deadline_s(consortium.network)
    wallets: dict[str, Wallet] = {}
    drivers = list(cast.drivers.items())
    amounts = {session: deposit_ueur(session, stays, terms, price) for session in cast.drivers}
    # The demonstration's bank: drivers pay it in euro, it deposits for them.
    consortium.token.mint(cast.engine.address, sum(amounts.values()), by=cast.authority)
    consortium.token.approve(consortium.address, sum(amounts.values()), by=cast.engine)
    for first in range(0, len(drivers), DRIVERS_AT_ONCE):
        some = drivers[first : first + DRIVERS_AT_ONCE]
        accounts = _open(
            consortium,
            cast.engine,
            cast.pseudonyms,
            {
                session: (
                    key,
                    demonstration_mandate(session, stays, terms, price, cast.engine, valid_until),
                )
                for session, key in some
            },
            deadline=deadline,
        )
        consortium.send_all(
            [
                consortium.call("deposit", accounts[session], amounts[session], by=cast.engine)
                for session, _ in some
                if amounts[session]
            ]
        )
        for session, key in some:
            wallets[session] = Wallet(
                key=key, account=accounts[session], deposited_ueur=amounts[session]
            )
        if tell is not None:
            tell(len(wallets), len(drivers))
    return wallets


def _open(
    consortium: Consortium,
    engine: Key,
    pseudonyms: Pseudonyms,
    drivers: Mapping[str, tuple[Key, Mandate]],
    *,
    deadline: int,
) -> dict[str, int]:
    """Hand in what drivers signed; returns each session's account."""
    calls = []
    for session, (key, mandate) in drivers.items():
        tag = pseudonyms.tag(session)
        signature = sign_enrollment(
            key, consortium.domain, tag=tag, mandate=mandate, nonce=0, deadline=deadline
        )
        calls.append(consortium.call("enroll", key, tag, mandate, deadline, signature, by=engine))
    return {
        session: receipt.account
        for session, receipt in zip(drivers, consortium.send_all(calls), strict=True)
        if isinstance(receipt, RegisterReceipt)
    }


def demonstration_mandate(
    session: str, stays: Stays, terms: Terms, price: PeerPrice, engine: Key, valid_until: int
) -> Mandate:
    """The driver's own limits: a buyer's ceiling or a seller's floor, for the lot's engine."""
    buys = bool(stays.is_buyer[stays.code_of(session)])
    replacements = terms.replacements(stays.ids[[stays.code_of(session)]], stays.rules.seed)
    rules = stays.rules
    floor = int(terms.floors(replacements, rules.guarantee, rules.efficiency)[0])
    return Mandate(
        max_buy_ueur_per_kwh=max(terms.ceiling(), price.buyer_ueur_per_kwh) if buys else 0,
        min_sell_ueur_per_kwh=MAX_U32 if buys else _least(floor, terms, price),
        valid_until=valid_until,
        aggregator=engine.address,
    )


def _least(floor: int, terms: Terms, price: PeerPrice) -> int:
    """The least a driver takes: its floor, or where limits do not count whatever is posted."""
    if terms.limits:
        return min(floor, MAX_U32)
    return 0 if terms.pricing or terms.tariff else min(floor, price.seller_ueur_per_kwh)


def deposit_ueur(session: str, stays: Stays, terms: Terms, price: PeerPrice) -> int:
    """What a buyer pays in; 0 for a seller."""
    most_wh = int(stays.bid_cap_wh[stays.code_of(session)])
    if not most_wh:
        return 0
    highest = max(price.buyer_ueur_per_kwh, terms.ceiling() if terms.limits else 0)
    return 2 * (most_wh * highest // WH_PER_KWH) + 10 * UEUR_PER_EUR


def _deadline_s(network: Network) -> int:
    return network.now() + DAY_S


def _latest_s(network: Network, stays: Stays) -> int:
    return max(network.now(), int(stays.departure_s.max())) + DAY_S


def pay_out(enrolment: Enrolment, engine: Key) -> pd.DataFrame:
    """Everybody withdraws all it has: `account`, `session_id`, deposits and withdrawals in ueur.

    Drivers sign their withdrawals and the engine hands them in; the lot operator sends its own.
    """
    consortium = enrolment.consortium
    deadline = _deadline_s(consortium.network)
    wallets = [*enrolment.wallets.items(), (LOT_OPERATOR, enrolment.lot_wallet)]
    free = {session: consortium.account(w.account).free_ueur for session, w in wallets}
    calls = []
    for session, wallet in wallets:
        amount, to = free[session], wallet.key.address
        if not amount:
            continue
        if session == LOT_OPERATOR:
            calls.append(consortium.call("withdraw", wallet.account, amount, to, by=wallet.key))
            continue
        signature = sign_withdrawal(
            wallet.key,
            consortium.domain,
            account=wallet.account,
            amount_ueur=amount,
            to=to,
            nonce=consortium.nonce_of(to),
            deadline=deadline,
        )
        arguments = (wallet.account, amount, to, deadline, signature)
        calls.append(consortium.call("withdrawBySignature", *arguments, by=engine))
    consortium.send_all(calls)
    return pd.DataFrame(
        [
            {
                "account": wallet.account,
                "session_id": session,
                "deposited_ueur": wallet.deposited_ueur,
                "withdrawn_ueur": free[session],
            }
            for session, wallet in wallets
        ]
    )
