"""Who governs a consortium and by which rules, in one look: what the authority may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trading.chain.consortium import Consortium
from trading.chain.records import Operator, PriceBand


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """Everything that the authority decides.

    Attributes:
        authority: who governs.
        pending_authority: who was offered the authority and has not accepted.
        operators: in the order of their seats.
        quorum: how many of them must confirm a batch.
        band: the prices that a trade may have.
        largest_spread_ueur_per_kwh: between a trade's two prices.
        lots: account by admitted lot, in the order of lots.
        aggregators: admitted addresses, sorted.
        is_paused: whether deposits, submissions and new mandates are stopped.
    """

    authority: str
    pending_authority: str | None
    operators: tuple[Operator, ...]
    quorum: int
    band: PriceBand
    largest_spread_ueur_per_kwh: int
    lots: Mapping[int, int]
    aggregators: tuple[str, ...]
    is_paused: bool


def governance_of(consortium: Consortium) -> Governance:
    """Ask a consortium; lots and aggregators, of which it keeps no list, come from its events."""
    lots: dict[int, int] = {}
    admitted: dict[str, bool] = {}
    for event in consortium.events(names=("LotSet", "AggregatorSet")):
        if event.name == "LotSet":
            lots[event.arguments["lot"]] = event.arguments["account"]
        else:
            admitted[event.arguments["aggregator"]] = event.arguments["admitted"]
    return Governance(
        authority=consortium.authority(),
        pending_authority=consortium.pending_authority(),
        operators=consortium.operators(),
        quorum=consortium.quorum(),
        band=consortium.price_band(),
        largest_spread_ueur_per_kwh=consortium.largest_spread(),
        lots={lot: account for lot, account in sorted(lots.items()) if account},
        aggregators=tuple(sorted(address for address, is_in in admitted.items() if is_in)),
        is_paused=consortium.paused(),
    )
