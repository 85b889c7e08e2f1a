"""Where a batch stands, in the order of the contract's `BatchState`."""

from __future__ import annotations

from enum import StrEnum


class BatchState(StrEnum):
    """None -> pending -> confirmed -> settled, or rejected, cancelled or expired -> refunded."""

    NONE = "none"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    SETTLED = "settled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    EXPIRED = "expired"

    @classmethod
    def of(cls, number: int) -> BatchState:
        """The state that the contract calls `number`."""
        return tuple(cls)[number]
