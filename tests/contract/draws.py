"""What all makers of acts draw from: batches by state, people, operators' signatures.

A source of chance is `random.Random`: hypothesis has one that shrinks, a fixed seed another.
"""

from __future__ import annotations

from random import Random

from tests.contract.twin import Twin
from tests.reference_records import SeatSignature, Signature, State, Statement
from trading.chain import Key


def identities(twin: Twin, *states: State) -> list[str]:
    """Ids of the batches in these states, oldest first."""
    now = twin.network.now() + 1
    found = twin.model.batches.items()
    return [identity for identity, batch in found if batch.state(now) in states]


def any_identity(twin: Twin, chance: Random) -> str:
    """Any batch, or none."""
    return chance.choice([*twin.model.batches, "0x" + "99" * 32])


def anyone(twin: Twin, chance: Random) -> Key:
    return chance.choice(list(twin.people.values()))


def seat_signature_of(twin: Twin, key: Key, identity: str, seat: int) -> SeatSignature:
    """What an operator signs for its seat."""
    statement = Statement(domain=twin.model.domain, kind="Confirmation", content=(identity, seat))
    return SeatSignature(seat=seat, signature=Signature(signer=key.address, statement=statement))


def bundle_of(
    twin: Twin, chance: Random, identity: str, seats: list[int]
) -> tuple[SeatSignature, ...]:
    """Signatures of some of these seats, the quorum more often than not, ascending by signer."""
    holders = [twin.model.seats[seat] for seat in seats]
    known = [(int(h, 16), s, h) for h, s in zip(holders, seats, strict=True) if h in twin.people]
    if not known:
        return ()
    enough = min(twin.model.quorum, len(known))
    size = chance.choice((enough, enough, len(known), chance.randint(1, len(known))))
    chosen = sorted(chance.sample(known, size))
    return tuple(
        seat_signature_of(twin, twin.people[holder], identity, seat) for _, seat, holder in chosen
    )
