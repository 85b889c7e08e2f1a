"""One place that turns the refusal of any backend into one family of errors.

eth-tester raises its own `TransactionFailed` with the repr of the data, nodes answer with the data
in an error that web3 turns into one of several, and a transaction with explicit gas raises nothing
at all and has status 0: its call is then repeated with `eth_call` to get the data.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from eth_tester.exceptions import TransactionFailed
from hexbytes import HexBytes
from web3.exceptions import ContractLogicError, Web3RPCError

from trading.chain.abi import Interface
from trading.chain.sentences import SENTENCES, sentence
from trading.errors import LedgerRevertedError

_BYTES_REPR = re.compile(r"""b(['"]).*\1""", re.DOTALL)
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_REVERTED = ("revert", "invalid opcode", "vm execution error", "out of gas")

REFUSALS = (TransactionFailed, ContractLogicError, Web3RPCError)
"""What the backends raise when a call is refused; a `Web3RPCError` may also mean something else."""


def refusal(cause: Exception | bytes, interface: Interface) -> LedgerRevertedError | None:
    """The error of this project for what a backend raised, or for bare revert data.

    Args:
        cause: one of `REFUSALS`, or the data that the contract reverted with.
        interface: whose errors the data may hold.

    Returns:
        None when `cause` is not the refusal of a contract, such as a node that lacks a method.
    """
    data = cause if isinstance(cause, bytes) else _data(cause)
    if data:
        named = interface.decode_error(data)
        if named is not None and named[0] in SENTENCES:
            return as_error(*named)
        return as_error("Unknown", {"data": "0x" + data.hex()})
    if isinstance(cause, bytes):
        return as_error("Unknown", {"data": "0x"})
    message = _message(cause)
    if isinstance(cause, Web3RPCError) and not any(said in message.lower() for said in _REVERTED):
        return None
    reason = re.sub(r"^(execution reverted:?|revert(ed)?:?)\s*", "", message).strip().rstrip(".")
    if reason:
        return as_error("Error", {"message": reason})
    return as_error("Unknown", {"data": "0x"})


def as_error(name: str, arguments: dict[str, Any]) -> LedgerRevertedError:
    """The Python error of a Solidity error by its name and arguments."""
    kind, _ = SENTENCES[name]
    return kind(name, arguments, sentence(name, arguments))


def _data(cause: Exception) -> bytes | None:
    """The revert data inside what a backend raised, wherever that backend puts it."""
    if isinstance(cause, TransactionFailed):
        found = _BYTES_REPR.search(str(cause))
        return _literal(found.group()) if found else None
    if isinstance(cause, ContractLogicError):
        return _hex_inside(cause.data)
    if isinstance(cause, Web3RPCError) and isinstance(cause.rpc_response, dict):
        error = cause.rpc_response.get("error")
        return _hex_inside(error.get("data")) if isinstance(error, dict) else None
    return None


def _literal(text: str) -> bytes | None:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return None
    return value if isinstance(value, bytes) else None


def _hex_inside(value: Any) -> bytes | None:
    """The first hexadecimal text of at least a selector: plain, prefixed, or nested in objects."""
    if isinstance(value, dict):
        return next((data for part in value.values() if (data := _hex_inside(part))), None)
    if not isinstance(value, str):
        return None
    found = _HEX.search(value)
    data = bytes(HexBytes(found.group())) if found else b""
    return data if len(data) >= 4 else None


def _message(cause: Exception) -> str:
    if isinstance(cause, ContractLogicError):
        return str(cause.message or "")
    if isinstance(cause, Web3RPCError) and isinstance(cause.rpc_response, dict):
        error = cause.rpc_response.get("error")
        if isinstance(error, dict):
            return str(error.get("message", ""))
    return str(cause)
