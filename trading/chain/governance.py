"""Who governs a consortium and by which rules, in one look: what the authority may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def governance_of(
    consortium: Consortium,
    *,
    lots: Iterable[int] | None = None,
    aggregators: Iterable[str] | None = None,
) -> Governance:
    """Ask a consortium.

    Args:
        consortium: which.
        lots: those that may be admitted, such as all that a mirror knows. The contract keeps no
            list of them: without these, all its events are read.
        aggregators: the same of aggregators.
    """
    if lots is None or aggregators is None:
        events = consortium.events(names=("LotSet", "AggregatorSet"))
        lots = {e.arguments["lot"] for e in events if e.name == "LotSet"}
        aggregators = {e.arguments["aggregator"] for e in events if e.name == "AggregatorSet"}
    accounts = {lot: consortium.lot_account(lot) for lot in sorted(set(lots))}
    return Governance(
        authority=consortium.authority(),
        pending_authority=consortium.pending_authority(),
        operators=consortium.operators(),
        quorum=consortium.quorum(),
        band=consortium.price_band(),
        largest_spread_ueur_per_kwh=consortium.largest_spread(),
        lots={lot: account for lot, account in accounts.items() if account is not None},
        aggregators=tuple(sorted(one for one in set(aggregators) if consortium.is_aggregator(one))),
        is_paused=consortium.paused(),
    )
