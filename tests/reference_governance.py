"""The reference model, first part: who governs, who votes, what trades may cost, lots, pause.

Written from CONTRACT.md and the notes of `IEnergyConsortium.sol`, as plainly as possible; it shares
no code with the contract or with `trading.chain`.
"""

from __future__ import annotations

from typing import Any

from tests.reference_records import DAY_S, NOBODY, Account, Domain, Event, Refusal

MAX_SEATS = 96
MAX_LIFETIME_S = DAY_S
MAX_AGGREGATORS = 2**14 - 1


class Governance:
    """Settings that the authority changes, and what stands and falls with them.

    Attributes:
        now: Unix seconds of the block that holds the call; the caller sets it.
        events: emitted by the call at hand.
        seats: operator by seat, occupied ones only.
        vacated: when a seat was last left, by seat.
        held: the seats that a key ever had, by key.
        aggregators: admitted or not, for every address that once was.
        lots: account by lot, kept when the lot is removed; `open_lots` are the admitted ones.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        authority: str,
        operators: list[str],
        quorum: int,
        band: tuple[int, int],
        largest_spread: int,
        now: int,
    ) -> None:
        self.domain = domain
        self.now = now
        self.events: list[Event] = []
        self.authority = authority
        self.pending_authority = NOBODY
        self.seats: dict[int, str] = {}
        self.vacated: dict[int, int] = {}
        self.held: dict[str, set[int]] = {}
        self.aggregators: dict[str, bool] = {}
        self.lots: dict[int, int] = {}
        self.open_lots: set[int] = set()
        self.accounts: dict[int, Account] = {}
        self.is_paused = False
        self.quorum = quorum
        self.band = band
        self.largest_spread = largest_spread
        for operator in operators:
            self._take_seat(operator)

    def emit(self, name: str, **arguments: Any) -> None:
        self.events.append(Event(name, arguments))

    # The authority

    def propose_authority(self, by: str, proposed: str) -> None:
        self._only_authority(by)
        self.pending_authority = proposed
        self.emit("AuthorityProposed", authority=by, proposed=proposed)

    def accept_authority(self, by: str) -> None:
        if by != self.pending_authority:
            raise Refusal(
                "PendingAuthorityOnly", caller=by, pendingAuthority=self.pending_authority
            )
        self.emit("AuthorityTransferred", previous=self.authority, authority=by)
        self.authority, self.pending_authority = by, NOBODY

    # Operators, their seats, the quorum

    def add_operator(self, by: str, operator: str) -> None:
        self._only_authority(by)
        seat = self._take_seat(operator)
        self.emit("OperatorAdded", operator=operator, seat=seat)

    def remove_operator(self, by: str, operator: str) -> None:
        self._only_authority(by)
        seat = self.seat_of(operator)
        if len(self.seats) - 1 < self.quorum:
            raise Refusal("QuorumOutOfRange", quorum=self.quorum, operators=len(self.seats) - 1)
        del self.seats[seat]
        self.vacated[seat] = self.now
        self.emit("OperatorRemoved", operator=operator, seat=seat)

    def rotate_operator(self, by: str, old: str, new: str) -> None:
        self._only_authority(by)
        old_seat = self.seat_of(old)
        left = {seat: holder for seat, holder in self.seats.items() if seat != old_seat}
        vacated = self.vacated | {old_seat: self.now}
        new_seat = self._find_seat(new, left, vacated)
        self.seats, self.vacated = left | {new_seat: new}, vacated
        self.held.setdefault(new, set()).add(new_seat)
        # `from` is a word of Python, hence no keywords.
        names = {"from": old, "to": new, "oldSeat": old_seat, "newSeat": new_seat}
        self.events.append(Event("OperatorRotated", names))

    def set_quorum(self, by: str, quorum: int) -> None:
        self._only_authority(by)
        if not 1 <= quorum <= len(self.seats):
            raise Refusal("QuorumOutOfRange", quorum=quorum, operators=len(self.seats))
        self.quorum = quorum
        self.emit("QuorumSet", quorum=quorum)

    def seat_of(self, operator: str) -> int:
        for seat, holder in self.seats.items():
            if holder == operator:
                return seat
        raise Refusal("OperatorUnknown", operator=operator)

    def _take_seat(self, operator: str) -> int:
        seat = self._find_seat(operator, self.seats, self.vacated)
        self.seats[seat] = operator
        self.held.setdefault(operator, set()).add(seat)
        return seat

    def _find_seat(self, operator: str, seats: dict[int, str], vacated: dict[int, int]) -> int:
        """The lowest seat that is empty, was never this key's, and whose old votes are all dead."""
        if operator == NOBODY:
            raise Refusal("OperatorInvalid", operator=operator)
        for seat, holder in seats.items():
            if holder == operator:
                raise Refusal("OperatorSeated", operator=operator, seat=seat)
        waiting = []
        for seat in range(MAX_SEATS):
            if seat in seats or seat in self.held.get(operator, set()):
                continue
            if seat not in vacated:
                return seat
            # A batch submitted in the second in which the seat was left can be voted on, and its
            # former votes counted, until MAX_LIFETIME later, that second included.
            available_from = vacated[seat] + MAX_LIFETIME_S + 1
            if self.now >= available_from:
                return seat
            waiting.append(available_from)
        raise Refusal("SeatsExhausted", availableFrom=min(waiting, default=0))

    # What trades may be

    def set_price_band(self, by: str, lowest: int, highest: int) -> None:
        self._only_authority(by)
        if lowest > highest:
            raise Refusal("PriceBandInvalid", lowest=lowest, highest=highest)
        self.band = (lowest, highest)
        self.emit("PriceBandSet", lowest=lowest, highest=highest)

    def set_largest_spread(self, by: str, spread: int) -> None:
        self._only_authority(by)
        self.largest_spread = spread
        self.emit("LargestSpreadSet", spread=spread)

    def set_lot(self, by: str, lot: int, account: int) -> None:
        self._only_authority(by)
        if account == 0:
            self.open_lots.discard(lot)
        elif account in self.accounts:
            self.lots[lot] = account
            self.open_lots.add(lot)
        else:
            raise Refusal("AccountUnknown", account=account)
        self.emit("LotSet", lot=lot, account=account)

    def set_aggregator(self, by: str, aggregator: str, admitted: bool) -> None:
        self._only_authority(by)
        if aggregator == NOBODY:
            raise Refusal("AggregatorInvalid", aggregator=aggregator)
        if admitted and aggregator not in self.aggregators:
            if len(self.aggregators) == MAX_AGGREGATORS:
                raise Refusal("AggregatorsExhausted", largest=MAX_AGGREGATORS)
            self.aggregators[aggregator] = True
        elif aggregator in self.aggregators:
            self.aggregators[aggregator] = admitted
        self.emit("AggregatorSet", aggregator=aggregator, admitted=admitted)

    def is_aggregator(self, address: str) -> bool:
        return self.aggregators.get(address, False)

    # The pause

    def pause(self, by: str) -> None:
        self._only_authority(by)
        self._not_paused()
        self.is_paused = True
        self.emit("Paused", authority=by)

    def unpause(self, by: str) -> None:
        self._only_authority(by)
        if not self.is_paused:
            raise Refusal("ConsortiumNotPaused")
        self.is_paused = False
        self.emit("Unpaused", authority=by)

    def _only_authority(self, by: str) -> None:
        if by != self.authority:
            raise Refusal("AuthorityOnly", caller=by, authority=self.authority)

    def _not_paused(self) -> None:
        if self.is_paused:
            raise Refusal("ConsortiumPaused")
