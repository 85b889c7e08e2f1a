"""The consortium that the model's tests start from, founded through the twin itself."""

from __future__ import annotations

from collections import Counter

from tests.contract.twin import Act, Twin
from tests.contract.world import BAND, LARGEST_SPREAD, SEED
from tests.reference_consortium import ReferenceConsortium
from tests.reference_records import DAY_S, Domain, Mandate
from trading.chain import Key, Network, deploy

N_OPERATORS = 5
QUORUM = 3
TOKENS_UEUR = 5_000_000_000
DEPOSIT_UEUR = 500_000_000
WHALE_UEUR = 2**57
MONTHS_S = 400 * DAY_S
"""Longer than a run travels, so that parties are not all lost to time."""

HOLDERS = ("buyer", "other buyer", "seller", "other seller", "lot operator", "prosumer")
OPERATORS = tuple(f"operator {number}" for number in range(9))
"""More keys than seats at first, for those who join, and new keys of those who rotate."""

ROLES = (
    "authority",
    "successor",
    *OPERATORS,
    "engine",
    "other engine",
    *HOLDERS,
    "owner without gas",
    "whale",
    "stranger",
)


def found(network: Network, *, n_operators: int = N_OPERATORS) -> Twin:
    """A consortium with operators, lots, engines, and holders who have money and mandates.

    Args:
        network: where.
        n_operators: with more than the named keys, the others' seats are held by nobody who acts.
    """
    keys = {role: Key.demonstration(SEED, role) for role in ROLES}
    named = [keys[role].address for role in OPERATORS[:N_OPERATORS]]
    silent = [Key.demonstration(SEED, f"silent {n}").address for n in range(n_operators)]
    operators = [*named, *silent[: n_operators - N_OPERATORS]]
    authority = keys["authority"]
    consortium = deploy(
        network,
        authority=authority,
        operators=operators,
        quorum=QUORUM,
        band=BAND,
        largest_spread_ueur_per_kwh=LARGEST_SPREAD,
    )
    model = ReferenceConsortium(
        Domain(chain=network.chain_id, contract=consortium.address),
        authority=authority.address,
        operators=operators,
        quorum=QUORUM,
        band=(BAND.lowest_ueur_per_kwh, BAND.highest_ueur_per_kwh),
        largest_spread=LARGEST_SPREAD,
        now=network.now(),
    )
    twin = Twin(consortium, model, {key.address: key for key in keys.values()}, Counter())
    for act in _first_acts(keys, consortium.address, network.now()):
        assert twin.do(act) is None, act
    return twin


def _first_acts(keys: dict[str, Key], contract: str, now: int) -> list[Act]:
    authority, engine = keys["authority"], keys["engine"]
    acts = [
        Act("set_aggregator", authority, (keys[role].address, True))
        for role in ("engine", "other engine")
    ]
    for number, role in enumerate(HOLDERS, start=1):
        holder = keys[role]
        mandate = Mandate(
            max_buy_price=500_000,
            min_sell_price=200_000,
            valid_until=now + MONTHS_S,
            aggregator=engine.address,
            open_to_buyers=number % 2 == 0,
        )
        acts += [
            Act("mint", authority, (holder.address, TOKENS_UEUR)),
            Act("approve", holder, (contract, 2**255)),
            Act("register", holder, (f"0x{number:064x}",)),
            Act("set_mandate", holder, (number, mandate)),
            Act("deposit", holder, (number, DEPOSIT_UEUR)),
        ]
    whale = keys["whale"]
    lot_account = HOLDERS.index("lot operator") + 1
    return [
        *acts,
        Act("mint", authority, (whale.address, WHALE_UEUR)),
        Act("approve", whale, (contract, 2**255)),
        Act("set_lot", authority, (1, lot_account)),
        Act("set_lot", authority, (2, lot_account - 1)),
    ]
