"""What each refusal of the contracts means: its class in `trading.errors`, and one sentence.

Every error of the ABIs stands here, inherited ones and the compiler's own included; a test
compares both lists, and `docs/errors.md` has an entry for each. A template names the error's
arguments as the ABI does; what follows the colon says how a value is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from string import Formatter
from typing import Any

from trading.chain.states import BatchState
from trading.errors import (
    BadArgumentError,
    BadTradeError,
    BalanceError,
    LedgerRevertedError,
    NotAllowedError,
    WrongStateError,
)

SENTENCES: dict[str, tuple[type[LedgerRevertedError], str]] = {
    # governance
    "AuthorityOnly": (
        NotAllowedError,
        "{caller} is not the authority of the consortium; send this with the key of {authority}.",
    ),
    "PendingAuthorityOnly": (
        NotAllowedError,
        "{caller} has not been offered the authority, {pendingAuthority} has; accept with its key.",
    ),
    "AuthorityInvalid": (
        BadArgumentError,
        "{authority} cannot be the authority; name an address that someone holds the key of.",
    ),
    "TokenInvalid": (
        BadArgumentError,
        "{token} cannot be the settlement token: it has {decimals} decimals and {needed} are "
        "needed; deploy with a token contract of {needed} decimals.",
    ),
    "ConsortiumPaused": (
        WrongStateError,
        "the consortium is paused: deposits, submissions and new mandates wait until the authority "
        "ends the pause.",
    ),
    "ConsortiumNotPaused": (
        WrongStateError,
        "the consortium is not paused; there is nothing to end.",
    ),
    "OperatorUnknown": (
        NotAllowedError,
        "{operator} holds no seat of the consortium; use the key of a current operator, or have "
        "the authority add it.",
    ),
    "OperatorSeated": (
        WrongStateError,
        "{operator} already holds seat {seat}; nothing needs to be done.",
    ),
    "OperatorInvalid": (
        BadArgumentError,
        "{operator} cannot be an operator; name an address that someone holds the key of.",
    ),
    "SeatsExhausted": (
        WrongStateError,
        "no seat can be given {availableFrom:seat}.",
    ),
    "QuorumOutOfRange": (
        BadArgumentError,
        "a quorum of {quorum} does not fit {operators} operators; it must be at least 1 and at "
        "most their number, so add operators or lower the quorum first.",
    ),
    "PriceBandInvalid": (
        BadArgumentError,
        "the lowest price {lowest:price} is above the highest {highest:price}; exchange them.",
    ),
    "AggregatorInvalid": (
        BadArgumentError,
        "{aggregator} is not an admitted aggregator; have the authority admit it, or name another.",
    ),
    "AggregatorsExhausted": (
        WrongStateError,
        "no more than {largest} aggregators can ever be admitted; deploy a further contract.",
    ),
    # accounts
    "AccountUnknown": (
        BadArgumentError,
        "there is no account {account}; register it first, or correct the number.",
    ),
    "AccountOwnerOnly": (
        NotAllowedError,
        "account {account} belongs to {owner}, not to {caller}; send this with the owner's key.",
    ),
    "AccountsExhausted": (
        WrongStateError,
        "no more than {largest} accounts can be numbered; deploy a further contract.",
    ),
    "AccountBalanceTooLow": (
        BalanceError,
        "account {account} has {free:money} free and {needed:money} are needed; deposit more, ask "
        "for less, or wait until open batches are settled or refunded.",
    ),
    "AmountZero": (
        BadArgumentError,
        "an amount of 0 for account {account} moves nothing; give an amount above 0.",
    ),
    "DepositTooLarge": (
        BadArgumentError,
        "{amount:money} more would take all deposits from {tracked:money} above the "
        "{largest:money} that the ledger can hold; deposit less.",
    ),
    "DepositMismatch": (
        BalanceError,
        "the token delivered {received:money} instead of {asked:money}; a token that takes a fee "
        "cannot be used for settlement.",
    ),
    "RecipientInvalid": (
        BadArgumentError,
        "tokens cannot be sent to {to}; name the address of a person or a treasury.",
    ),
    "MandateExpired": (
        BadArgumentError,
        "the mandate of account {account} would end at {validUntil:time}, and it is "
        "{timestamp:time}; choose a later end.",
    ),
    # owners' signatures
    "SignatureExpired": (
        BadArgumentError,
        "the signature of {owner} could be used until {deadline:time}, and it is {timestamp:time}; "
        "have the owner sign again with a later deadline.",
    ),
    "SignatureInvalid": (
        NotAllowedError,
        "{owner} did not sign this with nonce {nonce} for this contract and chain; have the owner "
        "sign exactly what is sent, with that nonce.",
    ),
    # batches
    "BatchSizeOutOfRange": (
        BadArgumentError,
        "a batch of {size} trades is outside 1 to {largest}; split it.",
    ),
    "BatchDeadlineOutOfRange": (
        BadArgumentError,
        "the deadline {deadline:time} is outside {earliest:time} to {latest:time}; choose one "
        "between them, by chain time.",
    ),
    "BatchUnexpectedState": (
        WrongStateError,
        "batch {batchId} is {current:state} and this needs it to be {accepted:states}; look up its "
        "state before the next step.",
    ),
    "BatchAlreadyVoted": (
        WrongStateError,
        "seat {seat} of {operator} has already voted on batch {batchId} (to confirm: {confirmed}); "
        "a vote is final.",
    ),
    "ConfirmationsMissing": (
        BadArgumentError,
        "no signature came with the confirmation of batch {batchId}; send at least one.",
    ),
    "ConfirmationsUnsorted": (
        BadArgumentError,
        "signature {position}, for seat {seat}, is by {signer} and follows {previous}: signers "
        "must ascend and none may come twice; sort them, and leave out one that no key can have "
        "made (its signer is the zero address).",
    ),
    "ConfirmationSignerInvalid": (
        NotAllowedError,
        "signature {position} is by {signer}, and seat {seat} is held by {holder}; leave it out, "
        "or have the holder sign this batch and seat for this contract and chain.",
    ),
    "BatchUndecided": (
        WrongStateError,
        "batch {batchId} is not decided: {confirmations} current seats confirmed it, {possible} "
        "still can or did, {quorum} are needed; wait for more votes or for its deadline.",
    ),
    "BatchSubmitterOnly": (
        NotAllowedError,
        "{caller} did not submit batch {batchId} with trades of hash {tradesHash}; cancel with the "
        "submitter's key and the trades that were submitted.",
    ),
    "BatchReasonTooLong": (
        BadArgumentError,
        "a reason of {length} bytes is longer than {largest}; shorten it.",
    ),
    # trades of a batch; each begins with the trade's place
    "TradeSpareNotZero": (
        BadTradeError,
        "trade {index}: the spare bits of its word are {spare}; they must be 0.",
    ),
    "TradePartyUnknown": (
        BadTradeError,
        "trade {index}: there is no account {account}; register it first, or correct the number.",
    ),
    "TradePartiesEqual": (
        BadTradeError,
        "trade {index}: account {account} is both buyer and seller; leave the trade out.",
    ),
    "TradeMandateExpired": (
        BadTradeError,
        "trade {index}: account {account} {validUntil:mandate}, and it is {timestamp:time}; its "
        "owner must set a new one.",
    ),
    "TradeSubmitterNotAllowed": (
        BadTradeError,
        "trade {index}: the mandate of account {account} does not let {submitter} name it; its "
        "owner must name this aggregator, or be open to buyers for a batch of the buyer's own.",
    ),
    "TradeBuyerPriceTooHigh": (
        BadTradeError,
        "trade {index}: {price:price} is above the {highest:price} that buyer {buyer} pays at "
        "most; lower the price or leave the trade out.",
    ),
    "TradeSellerPriceTooLow": (
        BadTradeError,
        "trade {index}: {price:price} is below the {lowest:price} that seller {seller} takes at "
        "least; raise the price or leave the trade out.",
    ),
    "TradeLotUnknown": (
        BadTradeError,
        "trade {index}: lot {lot} is not admitted; have the authority set its account.",
    ),
    "TradeEnergyZero": (
        BadTradeError,
        "trade {index}: it moves no energy; leave it out.",
    ),
    "TradeCostZero": (
        BadTradeError,
        "trade {index}: {energyWh} Wh at {price:price} cost less than a micro-euro; leave it out.",
    ),
    "TradePriceOutOfBand": (
        BadTradeError,
        "trade {index}: {price:price} is outside the band of {lowest:price} to {highest:price}; "
        "price it inside the band.",
    ),
    "TradePricesCrossed": (
        BadTradeError,
        "trade {index}: the seller's {sellerPrice:price} is above the buyer's {buyerPrice:price}; "
        "the seller can get at most what the buyer pays.",
    ),
    "TradeSpreadTooLarge": (
        BadTradeError,
        "trade {index}: its prices are {spread:price} apart and {largest:price} are allowed; bring "
        "them closer.",
    ),
    "TradeSequenceOutOfRange": (
        BadTradeError,
        "trade {index}: sequence {sequence} of buyer {buyer} is outside {lowest} to {highest}; "
        "read the account's last sequence and number its trades from there.",
    ),
    "TradeBuyerBalanceTooLow": (
        BadTradeError,
        "trade {index}: buyer {buyer} has {free:money} free and the trade costs {needed:money}; "
        "deposit more or leave the trade out.",
    ),
    # the settlement token and what the contracts inherit
    "MinterOnly": (
        NotAllowedError,
        "{caller} may not create demonstration tokens; use the key of {minter}, who deployed them.",
    ),
    "ERC20InsufficientAllowance": (
        BalanceError,
        "{spender} may take {allowance:money} of the caller's tokens and {needed:money} are "
        "needed; approve them first.",
    ),
    "ERC20InsufficientBalance": (
        BalanceError,
        "{sender} holds {balance:money} of the token and {needed:money} are needed; get more "
        "tokens or move fewer.",
    ),
    "ERC20InvalidApprover": (BadArgumentError, "{approver} cannot approve tokens."),
    "ERC20InvalidReceiver": (
        BadArgumentError,
        "tokens cannot be sent to {receiver}; name another address.",
    ),
    "ERC20InvalidSender": (BadArgumentError, "tokens cannot be sent from {sender}."),
    "ERC20InvalidSpender": (
        BadArgumentError,
        "{spender} cannot be approved for tokens; name another address.",
    ),
    "InvalidShortString": (
        BadArgumentError,
        "the name the contract signs under is not stored as it should be; deploy it again.",
    ),
    "StringTooLong": (
        BadArgumentError,
        "the name {str} that the contract signs under is longer than 31 bytes; shorten it.",
    ),
    "SafeCastOverflowedUintDowncast": (
        BadArgumentError,
        "{value} does not fit {bits} bits; give a smaller value.",
    ),
    "SafeERC20FailedOperation": (
        BalanceError,
        "the settlement token {token} refused a transfer; see what it asks of its holders.",
    ),
    "ReentrancyGuardReentrantCall": (
        WrongStateError,
        "the settlement token called back into the consortium; use a token that does not.",
    ),
    # the compiler's own, and what a node reports without data
    "Error": (WrongStateError, "the contract refused: {message}."),
    "Panic": (
        WrongStateError,
        "the contract failed a check of its own (panic {code:hex}); this is a fault of the "
        "contract, report it.",
    ),
    "OutOfGas": (
        BadArgumentError,
        "the transaction used up its {gas} units of gas; send a smaller batch.",
    ),
    "Unknown": (
        WrongStateError,
        "the contract refused without saying why (data {data}); check that its version is the one "
        "this program was built for.",
    ),
}
"""Solidity error to class and sentence; `OutOfGas` and `Unknown` are refusals without one."""


class _Shown(Formatter):
    """Formats arguments as people read them; what it can do stands in `_SHOW`."""

    def format_field(self, value: Any, format_spec: str) -> str:
        show = _SHOW.get(format_spec)
        return show(value) if show else str(super().format_field(value, format_spec))


def sentence(name: str, arguments: Mapping[str, Any]) -> str:
    """The sentence of an error with its arguments filled in.

    An `index` is a trade's place in its batch: the contract counts from 0, people from 1.

    >>> sentence("TradeEnergyZero", {"index": 3})
    'trade 4: it moves no energy; leave it out.'
    """
    _, template = SENTENCES[name]
    shown = {key: value + 1 if key == "index" else value for key, value in arguments.items()}
    return _Shown().vformat(template, (), shown)


def time_text(seconds: int) -> str:
    """Unix seconds as ISO 8601 in UTC; a number that is no date is left as it is.

    >>> time_text(1_572_307_200)
    '2019-10-29T00:00:00Z'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _free_from(seconds: int) -> str:
    if seconds == 0:
        return "while all are occupied; remove an operator first"
    return f"before {time_text(seconds)}, as votes of former holders may still count; wait"


def _ended(seconds: int) -> str:
    return f"has a mandate that ended at {time_text(seconds)}" if seconds else "has no mandate"


def _states(bits: int) -> str:
    return " or ".join(state for number, state in enumerate(BatchState) if bits >> number & 1)


_SHOW = {
    "time": time_text,
    "money": lambda ueur: f"{ueur} ueur",
    "price": lambda price: f"{price} ueur/kWh",
    "state": lambda number: list(BatchState)[number].value,
    "states": _states,
    "hex": hex,
    "seat": _free_from,
    "mandate": _ended,
}
