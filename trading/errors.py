"""One tree of errors: what happened, where, what was expected, what to do.

PeerchargeError
├── InputError (ValueError)          bad input; the command exits with 2
│   ├── TableError                   rows of a table: file, row, column, value, expected
│   ├── OptionError                  one argument or option: name, value, expected
│   └── ConfigError                  keys of a configuration file: file, key, value, expected
├── SweepError (RuntimeError)        the machines that run a sweep failed, not its scenarios
├── StoreError (RuntimeError)        a database cannot be used: locked, full, of another version
├── QuestionError (RuntimeError)     a person's answer comes too late, or nobody was asked
├── SolverError (RuntimeError)       an optimisation ended without the answer that it must have
├── NodeError (RuntimeError)         a validator on this machine or its binary is not as it must
└── LedgerError (RuntimeError)       anything the ledger says or fails to say
    ├── LedgerUnreachableError       no answer from the node; retryable
    │   └── OutcomeUnknownError      a transaction was sent and may still be mined; says which
    ├── WrongLedgerError             another chain, no contract or another version there
    └── LedgerRevertedError          the contract refused; carries the error's name and arguments
        ├── NotAllowedError          the caller lacks the role
        ├── WrongStateError          the batch, operator or account is not in a state for this
        ├── BadTradeError            one trade of a batch is at fault; says which
        ├── BalanceError             not enough free balance, or the token did not deliver
        └── BadArgumentError         an argument is outside what the contract accepts
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class PeerchargeError(Exception):
    """Root of everything this package raises on purpose."""


class InputError(PeerchargeError, ValueError):
    """What the user gave cannot be used; nothing was computed or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a table. `row` is the line of the file when `file` is known."""

    expected: str
    column: str | None = None
    row: int | None = None
    value: object = None

    def __str__(self) -> str:
        where = [f"row {self.row}"] if self.row is not None else []
        where += [f"column {self.column!r}"] if self.column is not None else []
        found = f" found {self.value!r}," if self.row is not None else ""
        return f"{', '.join(where)}:{found} expected {self.expected}" if where else self.expected


class TableError(InputError):
    """A table breaks its schema; all faults in one raise.

    Attributes:
        source: the file, or the name of the table when it did not come from one.
        faults: every fault found, in row order.
    """

    SHOWN = 5

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.source = source
        self.faults = tuple(faults)
        shown = [f"{source}: {fault}" for fault in self.faults[: self.SHOWN]]
        more = len(self.faults) - len(shown)
        if more:
            shown.append(f"{source}: and {more} more of the kind")
        super().__init__("\n".join(shown))


class OptionError(InputError):
    """One argument is outside what is accepted."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        self.name = name
        self.value = value
        self.expected = expected
        super().__init__(f"{name}={value!r}: expected {expected}")


class SolverError(PeerchargeError, RuntimeError):
    """An optimisation ended without the answer it must have: a fault of ours or the solver's."""


class NodeError(PeerchargeError, RuntimeError):
    """A validator cannot be built, started or brought to health here; says what to do."""


class ConfigError(InputError):
    """A configuration file cannot be used; all faults in one raise.

    Attributes:
        source: the file.
        faults: every fault found; each names its key with dots, as in `grid.v2g_share[1]`.
    """

    SHOWN = 5

    def __init__(self, source: str, faults: Sequence[OptionError | str]) -> None:
        self.source = source
        self.faults = tuple(faults)
        shown = [f"{source}: {fault}" for fault in self.faults[: self.SHOWN]]
        more = len(self.faults) - len(shown)
        if more:
            shown.append(f"{source}: and {more} more")
        super().__init__("\n".join(shown))


class SweepError(PeerchargeError, RuntimeError):
    """A sweep cannot go on; what it has computed is kept, and the same call goes on from there."""


class StoreError(PeerchargeError, RuntimeError):
    """A database cannot be used as it is; what was committed to it is kept."""


class QuestionError(PeerchargeError, RuntimeError):
    """An operator's node takes no answer on a batch: it was decided, or nobody was asked.

    Attributes:
        batch_id: of the batch.
        why: as a sentence.
    """

    def __init__(self, batch_id: str, why: str) -> None:
        self.batch_id, self.why = batch_id, why
        super().__init__(f"batch {batch_id}: {why}")


class LedgerError(PeerchargeError, RuntimeError):
    """Something between this process and the chain went wrong.

    Attributes:
        retryable: True if the same call may succeed later without a change.
    """

    retryable: bool = False


class LedgerUnreachableError(LedgerError):
    """The node gave no answer, or not the answer of a node."""

    retryable = True


class OutcomeUnknownError(LedgerUnreachableError):
    """A transaction went out and what became of it is not known.

    It may still be mined: before it is sent again, look for its receipt, or use the same nonce.

    Attributes:
        transaction: its hash, `0x` and 64 digits.
    """

    def __init__(self, transaction: str, message: str) -> None:
        self.transaction = transaction
        super().__init__(message)


class WrongLedgerError(LedgerError):
    """The node answers, but it is another chain, or holds no contract of this version."""


class LedgerRevertedError(LedgerError):
    """The contract refused the call; nothing changed on chain.

    Attributes:
        name: the Solidity error's name.
        arguments: its arguments by name.
        transaction: hash of the transaction that was mined and failed; None for a call that was
            only asked.
    """

    transaction: str | None = None

    def __init__(self, name: str, arguments: Mapping[str, Any], sentence: str) -> None:
        self.name = name
        self.arguments = dict(arguments)
        super().__init__(sentence)


class NotAllowedError(LedgerRevertedError):
    """The caller lacks the role that the call needs."""


class WrongStateError(LedgerRevertedError):
    """The batch, operator, account or contract is not in a state for this call."""


class BalanceError(LedgerRevertedError):
    """Not enough free balance, or the token did not move as asked."""


class BadArgumentError(LedgerRevertedError):
    """An argument is outside what the contract accepts."""


class BadTradeError(LedgerRevertedError):
    """One trade of a batch is at fault.

    Attributes:
        trade_index: its position in the batch, from 0; people read of trade 1, 2, 3.
    """

    @property
    def trade_index(self) -> int:
        """Position of the trade in the batch that was submitted, from 0."""
        return int(self.arguments["index"])


FATAL = (WrongLedgerError, NotAllowedError, BalanceError)
"""What no waiting mends: a service ends with it. Other failures of the ledger may pass."""
