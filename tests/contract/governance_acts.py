"""What the authority does, what others try in its place, and how time passes."""

from __future__ import annotations

from random import Random

from tests.contract.draws import anyone, identities
from tests.contract.founding import OPERATORS
from tests.contract.twin import Act, Twin
from tests.reference_governance import MAX_LIFETIME_S
from tests.reference_records import NOBODY, State
from trading.chain import Key


def authority(twin: Twin) -> Key:
    return twin.people[twin.model.authority]


def seat(twin: Twin, chance: Random) -> Act:
    """An operator joins, leaves or changes its key."""
    seated = [holder for holder in twin.model.seats.values() if holder in twin.people]
    # Those who have voted on something pending first: what becomes of their votes is the question.
    pending = identities(twin, State.PENDING)
    voted = {
        holder
        for identity in pending
        for seat, holder in twin.model.seats.items()
        if seat
        in twin.model.batches[identity].confirmed_by | twin.model.batches[identity].rejected_by
    }
    seated = [holder for holder in seated if holder in voted] or seated
    waiting = _waiting(twin) or [twin.people[seated[0]].address]
    arguments: dict[str, tuple[str, ...]] = {
        "add_operator": (chance.choice(waiting),),
        "remove_operator": (chance.choice(seated or waiting),),
        "rotate_operator": (chance.choice(seated or waiting), chance.choice(waiting)),
    }
    leaving = ["remove_operator"] if len(twin.model.seats) > twin.model.quorum else []
    function = chance.choice(["add_operator", "rotate_operator", *leaving])
    return Act(function, authority(twin), arguments[function])


def bad_seat(twin: Twin, chance: Random) -> Act:
    """The same with anyone as anyone, the address of nobody included."""
    people = [*twin.people, *twin.model.seats.values(), NOBODY]
    function = chance.choice(("add_operator", "remove_operator", "rotate_operator"))
    arguments = tuple(
        chance.choice(people) for _ in range(2 if function == "rotate_operator" else 1)
    )
    by = authority(twin) if chance.random() < 0.7 else anyone(twin, chance)
    return Act(function, by, arguments)


def quorum(twin: Twin, chance: Random) -> Act:
    """1 more or 1 less, which is where votes already cast come to decide; or out of range."""
    now, most = twin.model.quorum, len(twin.model.seats)
    near = [max(now - 1, 1), min(now + 1, most)]
    wanted = chance.choice([*near, *near, 2, 3, 0, most, most + 1, 255])
    return Act("set_quorum", authority(twin), (wanted,))


def terms(twin: Twin, chance: Random) -> Act:
    """The band, the spread, a lot or an aggregator."""
    accounts = list(twin.model.accounts)
    engine, other_engine = _of(twin, "engine"), _of(twin, "other engine")
    function, arguments = chance.choice(
        (
            ("set_price_band", (chance.choice((0, 100_000, 200_000)), 600_000)),
            ("set_price_band", (chance.choice((0, 600_000)), chance.choice((500_000, 2**32 - 1)))),
            ("set_largest_spread", (chance.choice((0, 1, 50_000, 2**32 - 1)),)),
            ("set_lot", (chance.choice((1, 2, 3)), chance.choice(accounts))),
            ("set_lot", (chance.choice((1, 2, 3)), chance.choice((0, len(accounts) + 1)))),
            # Where trades still have their spread to pay.
            ("set_lot", (chance.choice(_lots_in_use(twin) or [1]), 0)),
            ("set_lot", (chance.choice(_lots_in_use(twin) or [1]), 0)),
            # Back and forth, with the mandates that name them in place.
            ("set_aggregator", (engine, not twin.model.is_aggregator(engine))),
            ("set_aggregator", (other_engine, not twin.model.is_aggregator(other_engine))),
            ("set_aggregator", (chance.choice((NOBODY, *twin.people)), chance.random() < 0.5)),
        )
    )
    by = authority(twin) if chance.random() < 0.9 else anyone(twin, chance)
    return Act(function, by, arguments)


def pause(twin: Twin, chance: Random) -> Act:
    """Pause, or end the pause; seldom what is so already, or not for this one to do."""
    wanted = ("unpause", "pause") if twin.model.is_paused else ("pause", "unpause")
    function = wanted[chance.random() < 0.15]
    by = authority(twin) if chance.random() < 0.9 else anyone(twin, chance)
    return Act(function, by)


def hand_over(twin: Twin, chance: Random) -> Act:
    """Offer the authority, take the offer back, accept it, or try to."""
    pending = twin.model.pending_authority
    if pending in twin.people and chance.random() < 0.5:
        return Act("accept_authority", twin.people[pending])
    if chance.random() < 0.2:
        return Act("accept_authority", anyone(twin, chance))
    offered = chance.choice((_of(twin, "successor"), _of(twin, "authority"), NOBODY))
    return Act("propose_authority", authority(twin), (offered,))


def good_second(twin: Twin, chance: Random) -> int:
    """Where time may go next: mostly a little on, else to where the next call meets an edge."""
    model, now = twin.model, twin.network.now()
    deadlines = [batch.deadline for batch in model.batches.values()]
    ends = [a.mandate.valid_until for a in model.accounts.values() if a.mandate]
    nearest = sorted(second for second in (*deadlines, *ends) if now < second < now + 86_400)
    # The next call comes one second later: at the last second, or the first after it.
    edges = [second + shift for second in nearest[:2] for shift in (-1, 0)]
    return chance.choice([now + 1, now + 60, now + chance.randint(1, 900), *edges])


def second_of_reuse(twin: Twin, chance: Random) -> int:
    """Just before a seat that was left can be given again, or when it can."""
    free = [second for seat, second in twin.model.vacated.items() if seat not in twin.model.seats]
    left = min(free, default=twin.network.now())
    return left + MAX_LIFETIME_S + chance.choice((-1, 0, 0, 1))


def newcomer(twin: Twin, chance: Random) -> Act:
    """A key without a seat takes one, the kind that never had one first."""
    waiting = _waiting(twin)
    fresh = [address for address in waiting if address not in twin.model.held]
    return Act("add_operator", authority(twin), (chance.choice(fresh or waiting or [NOBODY]),))


def _lots_in_use(twin: Twin) -> list[int]:
    open_batches = identities(twin, State.PENDING, State.CONFIRMED)
    return sorted({t.lot for found in open_batches for t in twin.model.batches[found].trades})


def _waiting(twin: Twin) -> list[str]:
    seated = set(twin.model.seats.values())
    return [_of(twin, role) for role in OPERATORS if _of(twin, role) not in seated]


def _of(twin: Twin, role: str) -> str:
    return next(key.address for key in twin.people.values() if key.name == role)
