"""Votes on batches and the ways out of them, drawn from the model's present state."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.contract.draws import any_identity, anyone, bundle_of, identities, seat_signature_of
from tests.contract.trade_acts import bad_batch, good_batch, good_batch_with_signatures
from tests.contract.twin import Act, Twin
from tests.reference_consortium import MAX_REASON_BYTES
from tests.reference_records import Batch, State, trades_hash

# Voting


def _undecided(twin: Twin, chance: Random) -> tuple[str, Batch] | None:
    """A pending batch: more often a new one, and most often one with votes of seats since left."""
    pending = identities(twin, State.PENDING)
    if not pending:
        return None
    batches, seats = twin.model.batches, twin.model.seats.keys()
    stale = [n for n in pending if (batches[n].confirmed_by | batches[n].rejected_by) - seats]
    identity = chance.choice([*pending, *pending[-2:], *stale * 3])
    return identity, batches[identity]


def _open_seats(twin: Twin, batch: Batch) -> list[int]:
    """Seats of keys that act here and have not voted on the batch."""
    return [
        seat
        for seat, holder in sorted(twin.model.seats.items())
        if holder in twin.people and seat not in batch.confirmed_by | batch.rejected_by
    ]


def good_vote(twin: Twin, chance: Random) -> Act:
    """A first vote of an operator on a pending batch, as far as there is one."""
    found = _undecided(twin, chance)
    if found is None:
        return good_batch(twin, chance)
    identity, batch = found
    seats = _open_seats(twin, batch)
    if not seats:
        return Act("finalize", anyone(twin, chance), (identity,))
    by = twin.people[twin.model.seats[chance.choice(seats)]]
    if chance.random() < 0.5:
        return Act("confirm", by, (identity,))
    return Act("reject", by, (identity, chance.choice(("too late", "no", "", "ü" * 128))))


def good_rejection(twin: Twin, chance: Random) -> Act:
    """A first vote against the pending batch that already has most of them."""
    pending = identities(twin, State.PENDING)
    if not pending:
        return good_batch(twin, chance)
    batches = twin.model.batches
    identity = max(pending, key=lambda found: len(batches[found].rejected_by))
    seats = _open_seats(twin, batches[identity])
    if not seats:
        return Act("finalize", anyone(twin, chance), (identity,))
    by = twin.people[twin.model.seats[chance.choice(seats)]]
    return Act("reject", by, (identity, "not enough energy"))


def second_vote(twin: Twin, chance: Random) -> Act:
    """A vote of an operator that has voted on the batch, directly or by signature."""
    model = twin.model
    voted = [
        (identity, holder)
        for identity in identities(twin, State.PENDING)
        for seat, holder in sorted(model.seats.items())
        if seat in model.batches[identity].confirmed_by | model.batches[identity].rejected_by
        and holder in twin.people
    ]
    if not voted:
        return good_vote(twin, chance)
    identity, holder = chance.choice(voted)
    by = twin.people[holder]
    match chance.randint(0, 2):
        case 0:
            return Act("confirm", by, (identity,))
        case 1:
            return Act("reject", by, (identity, "changed its mind"))
    signed = seat_signature_of(twin, by, identity, model.seat_of(holder))
    return Act("confirm_with_signatures", anyone(twin, chance), (identity, (signed,)))


def good_bundle(twin: Twin, chance: Random) -> Act:
    """Signatures of operators on a pending batch, in the order the contract asks for."""
    found = _undecided(twin, chance)
    if found is None:
        return good_batch_with_signatures(twin, chance)
    identity, batch = found
    seats = _open_seats(twin, batch)
    if not seats or chance.random() < 0.4:
        # Those who have voted too: they are to be passed over, whichever way they voted.
        seats = sorted(twin.model.seats)
    return _hand_in(twin, chance, identity, seats)


def bad_vote(twin: Twin, chance: Random) -> Act:
    """Anyone's vote on anything, or a reason that may be too long."""
    if chance.random() < 0.5:
        return Act("confirm", anyone(twin, chance), (any_identity(twin, chance),))
    reason = chance.choice(("no", "x" * MAX_REASON_BYTES, "x" * (MAX_REASON_BYTES + 1), "ü" * 129))
    return Act("reject", anyone(twin, chance), (any_identity(twin, chance), reason))


def bad_bundle(twin: Twin, chance: Random) -> Act:
    """A bundle with a signature that is stolen, misplaced, repeated, missing or out of order."""
    found = _undecided(twin, chance)
    identity = found[0] if found and chance.random() < 0.8 else any_identity(twin, chance)
    bundle = list(bundle_of(twin, chance, identity, sorted(twin.model.seats)))
    at = chance.randrange(len(bundle)) if bundle else 0
    spoiled = chance.randint(0, 8)
    if not bundle or spoiled == 0:
        bundle = []
    elif spoiled == 1:
        bundle.reverse()
    elif spoiled == 2:
        bundle.insert(at, bundle[at])
    elif spoiled == 3:
        seat = chance.choice((*range(8), 95, 96, 255))
        bundle[at] = replace(bundle[at], seat=seat)
    elif spoiled == 4:
        other = any_identity(twin, chance)
        bundle[at] = seat_signature_of(twin, anyone(twin, chance), other, bundle[at].seat)
    elif spoiled == 5:
        bundle[at] = seat_signature_of(twin, anyone(twin, chance), identity, bundle[at].seat)
    elif spoiled == 6:
        blank = replace(bundle[at].signature, is_spoiled=True)
        bundle[at] = replace(bundle[at], signature=blank)
    else:
        domain = twin.model.domain
        elsewhere = (
            replace(domain, chain=domain.chain + 1)
            if spoiled == 7
            else replace(domain, contract=twin.model.authority)
        )
        moved = replace(bundle[at].signature.statement, domain=elsewhere)
        there = replace(bundle[at].signature, statement=moved)
        bundle[at] = replace(bundle[at], signature=there)
    return Act("confirm_with_signatures", anyone(twin, chance), (identity, tuple(bundle)))


def _hand_in(twin: Twin, chance: Random, identity: str, seats: list[int]) -> Act:
    bundle = bundle_of(twin, chance, identity, seats)
    return Act("confirm_with_signatures", anyone(twin, chance), (identity, bundle))


# Ways out


def settle(twin: Twin, chance: Random) -> Act:
    return _close(twin, chance, "settle", State.CONFIRMED)


def refund(twin: Twin, chance: Random) -> Act:
    return _close(twin, chance, "refund", State.REJECTED, State.CANCELLED, State.EXPIRED)


def close_wrongly(twin: Twin, chance: Random) -> Act:
    """Settle or refund a batch in whatever state, or with other trades than it has."""
    if not twin.model.batches:
        return bad_batch(twin, chance)
    batch = chance.choice(list(twin.model.batches.values()))
    trades, by = batch.trades, batch.submitter
    match chance.randint(0, 5):
        case 0:
            trades = trades[:-1]
        case 1:
            trades = (*trades, trades[-1])
        case 2:
            by = anyone(twin, chance).address
        case 3:
            trades = (replace(trades[0], seller_price=trades[0].buyer_price), *trades[1:])
    function = chance.choice(("settle", "refund"))
    return Act(function, anyone(twin, chance), (by, batch.deadline, trades))


def cancel(twin: Twin, chance: Random) -> Act:
    """By the submitter with the right hash, mostly."""
    found = _undecided(twin, chance)
    if found is None or chance.random() < 0.2:
        identity = any_identity(twin, chance)
        some_hash = chance.choice(("0x" + "11" * 32, identity))
        known = twin.model.batches.get(identity)
        right = trades_hash(known.trades) if known else some_hash
        hashes = chance.choice((some_hash, right))
        return Act("cancel", anyone(twin, chance), (identity, hashes))
    identity, batch = found
    return Act("cancel", twin.people[batch.submitter], (identity, trades_hash(batch.trades)))


def finalize(twin: Twin, chance: Random) -> Act:
    """A pending batch that the votes decide by now; where there is none, what would make one so."""
    pending = identities(twin, State.PENDING)
    ready = [identity for identity in pending if _is_decided(twin, identity)]
    voted = [found for found in pending if _tally(twin, found) != (0, len(twin.model.seats))]
    if not ready and voted and chance.random() < 0.6:
        confirmed, possible = _tally(twin, chance.choice(voted))
        quorum = confirmed or min(possible + 1, len(twin.model.seats))
        return Act("set_quorum", twin.people[twin.model.authority], (quorum,))
    found = _undecided(twin, chance)
    identity = chance.choice(ready or [found[0] if found else any_identity(twin, chance)])
    return Act("finalize", anyone(twin, chance), (identity,))


def _is_decided(twin: Twin, identity: str) -> bool:
    confirmed, possible = _tally(twin, identity)
    return confirmed >= twin.model.quorum or possible < twin.model.quorum


def _tally(twin: Twin, identity: str) -> tuple[int, int]:
    model, batch = twin.model, twin.model.batches[identity]
    confirmed = sum(seat in batch.confirmed_by for seat in model.seats)
    return confirmed, sum(seat not in batch.rejected_by for seat in model.seats)


def _close(twin: Twin, chance: Random, function: str, *states: State) -> Act:
    ready = identities(twin, *states)
    if not ready:
        return good_vote(twin, chance)
    batch = twin.model.batches[chance.choice(ready)]
    arguments = (batch.submitter, batch.deadline, batch.trades)
    return Act(function, anyone(twin, chance), arguments)
