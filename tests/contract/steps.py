"""The steps a random run is made of, each with its share, for hypothesis and for fixed seeds."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.contract import account_acts, batch_acts, governance_acts, trade_acts
from tests.contract.twin import Act, Twin

Maker = Callable[[Twin, Random], Act]

SHARES: dict[str, tuple[int, Maker]] = {
    "submit": (6, trade_acts.good_batch),
    "submit with signatures": (2, trade_acts.good_batch_with_signatures),
    "submit badly": (6, trade_acts.bad_batch),
    "vote": (5, batch_acts.good_vote),
    "reject": (4, batch_acts.good_rejection),
    "vote again": (2, batch_acts.second_vote),
    "hand in a bundle": (3, batch_acts.good_bundle),
    "vote badly": (1, batch_acts.bad_vote),
    "hand in a bad bundle": (4, batch_acts.bad_bundle),
    "settle": (5, batch_acts.settle),
    "refund": (5, batch_acts.refund),
    "close wrongly": (2, batch_acts.close_wrongly),
    "cancel": (2, batch_acts.cancel),
    "finalize": (6, batch_acts.finalize),
    "move money": (3, account_acts.money),
    "donate": (1, account_acts.donate),
    "allow": (1, account_acts.allow),
    "set limits": (2, account_acts.good_mandate),
    "set bad limits": (1, account_acts.bad_mandate),
    "revoke limits": (1, account_acts.revoke),
    "open an account": (1, account_acts.open_account),
    "by signature": (3, account_acts.by_signature),
    "by bad signature": (3, account_acts.by_bad_signature),
    "change seats": (4, governance_acts.seat),
    "change seats badly": (1, governance_acts.bad_seat),
    "change the quorum": (2, governance_acts.quorum),
    "change the terms": (3, governance_acts.terms),
    "pause": (1, governance_acts.pause),
    "hand over": (2, governance_acts.hand_over),
}
"""Step to its share and who makes the act.

Every other step or so is meant to succeed on a batch: refusals are cheap to reach, and a batch that
is settled after a change of governance is not.
"""

PASS_TIME = "pass time"
GIVE_SEAT_AGAIN = "give a seat again"

WEIGHTED = [
    *(name for name, (share, _) in SHARES.items() for _ in range(share)),
    *(PASS_TIME,) * 3,
    *(GIVE_SEAT_AGAIN,) * 2,
]
"""Every step as often as its share."""


def take(twin: Twin, step: str, chance: Random) -> tuple[Act | None, str | None]:
    """Take a step; returns the act and the refusal, each None where there was none."""
    if step == PASS_TIME:
        twin.travel_to(governance_acts.good_second(twin, chance))
        return None, None
    if step == GIVE_SEAT_AGAIN and twin.model.vacated:
        # A day passes, so whatever is pending is lost: hence the small share.
        twin.travel_to(governance_acts.second_of_reuse(twin, chance))
    maker = governance_acts.newcomer if step == GIVE_SEAT_AGAIN else SHARES[step][1]
    act = maker(twin, chance)
    return act, twin.do(act)
