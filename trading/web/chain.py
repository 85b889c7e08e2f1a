"""The service's way to the chain: what the web shows before it is sent, and what it then sends.

Everything else that the service knows of the chain it reads in the engine's database. A service
that holds no key shows changes and acts all the same, and says which command sends them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from trading.chain import Consortium, Key
from trading.chain.changes import Change, SetAggregator, SetLot
from trading.chain.governance import Governance, governance_of
from trading.chain.rebuild import Ledger
from trading.errors import (
    LedgerError,
    LedgerRevertedError,
    LedgerUnreachableError,
    OutcomeUnknownError,
    WrongLedgerError,
)
from trading.web.once import Once
from trading.web.problems import Problem

log = structlog.get_logger(__name__)

SIGNED_FOR_S = 3_600
"""How long what an owner signs here may be handed in."""


@dataclass(kw_only=True)
class ChainDoor:
    """The consortium, and the keys that this service holds.

    Attributes:
        consortium: on its network.
        authority: key of the authority; None where somebody else holds it.
        sender: key that hands in what owners signed; None where nothing is handed in.
        wallet_of: key of a simulated driver by its session's id; None where drivers hold their own.
        lock: held by whoever speaks to the network, where that is for one thread at a time.
        sent: told after each transaction.
        deposits: those that were paid in from here.
    """

    consortium: Consortium
    authority: Key | None = None
    sender: Key | None = None
    wallet_of: Callable[[str], Key] | None = None
    lock: AbstractContextManager[object] = field(default_factory=threading.RLock)
    sent: Callable[[], None] = lambda: None
    deposits: Once[Any] = field(default_factory=Once)

    @contextmanager
    def use(self) -> Iterator[Consortium]:
        """The consortium, for this thread; what goes wrong becomes an answer.

        Raises:
            Problem: 409, the contract refuses; 422, it was signed for another contract; 503, the
                network does not answer.
        """
        try:
            with self.lock:
                yield self.consortium
        except LedgerRevertedError as error:
            raise Problem(
                409, f"the contract refuses: {error}", "Nothing was changed; look at it again."
            ) from None
        except WrongLedgerError as error:
            raise Problem(422, str(error)) from None
        except OutcomeUnknownError as error:
            log.error("outcome unknown", transaction=error.transaction, problem=str(error))
            raise Problem(
                503,
                f"transaction {error.transaction} went out, and what became of it is not known",
                "Look whether it is among the events before you send it again.",
            ) from None
        except LedgerUnreachableError as error:
            # The sentence names a node's address.
            log.error("network does not answer", problem=str(error))
            raise Problem(503, "the network does not answer; nothing was sent") from None
        except LedgerError as error:
            log.error("network refuses", problem=str(error))
            raise Problem(503, "the network refuses this just now") from None

    def holds(self, authority: str) -> bool:
        """Whether this service can send as the authority."""
        return self.authority is not None and self.authority.address == authority


def governance_with(consortium: Consortium, known: Ledger, change: Change) -> Governance:
    """What the authority decided as of now, with whatever a change is about.

    Args:
        consortium: whose.
        known: as the engine's mirror has it, for the lots and aggregators that there are.
        change: which may name another.
    """
    lots, aggregators = set(known.lots), set(known.aggregators)
    if isinstance(change, SetLot):
        lots.add(change.lot)
    if isinstance(change, SetAggregator):
        aggregators.add(change.aggregator)
    return governance_of(consortium, lots=lots, aggregators=aggregators)
