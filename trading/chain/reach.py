"""What it means when a node does not answer, or answers what no node would.

Every call to a node runs inside `reaching`, so that a lost connection looks the same whatever
library noticed it: one `LedgerUnreachableError` with one sentence that names the network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
from eth_utils.exceptions import ValidationError
from web3._utils.threads import Timeout as IpcTimeout
from web3.exceptions import (
    BadFunctionCallOutput,
    BadResponseFormat,
    CannotHandleRequest,
    ProviderConnectionError,
    RequestTimedOut,
    TimeExhausted,
    TooManyRequests,
    Web3RPCError,
)

from trading.errors import LedgerError, LedgerUnreachableError, PeerchargeError

_NOT_THERE = (
    requests.exceptions.ConnectionError,
    ProviderConnectionError,
    ConnectionError,
    FileNotFoundError,
)
_TOO_LATE = (
    requests.exceptions.Timeout,
    RequestTimedOut,
    TimeExhausted,
    IpcTimeout,
    TimeoutError,
    TooManyRequests,
)
_NOT_A_NODE = (
    json.JSONDecodeError,
    UnicodeDecodeError,
    requests.exceptions.RequestException,
    BadResponseFormat,
    CannotHandleRequest,
    BadFunctionCallOutput,
)

_WRONG_SHAPE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What libraries raise where an answer is null, or a text where a number belongs."""


def shown(endpoint: str) -> str:
    """An endpoint without user, password, path and query, any of which may hold a secret.

    >>> shown("https://user:secret@node.example:8545/v3/token?key=1")
    'https://node.example:8545'
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https"):
        return endpoint
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


@contextmanager
def reaching(network: str) -> Iterator[None]:
    """Turn every failure to get an answer from `network` into the errors of this project.

    Raises:
        LedgerUnreachableError: no connection, no answer in time, or not the answer of a node.
        LedgerError: the node answered that it refuses the request.
    """
    try:
        yield
    except PeerchargeError:
        raise
    # A read timeout is also a connection error to requests, hence first.
    except _TOO_LATE as error:
        raise LedgerUnreachableError(
            f"{network} did not answer in time; it may be overloaded or still starting, try again."
        ) from error
    except _NOT_THERE as error:
        raise LedgerUnreachableError(
            f"{network} cannot be reached; check the address and that the node is running."
        ) from error
    except _NOT_A_NODE as error:
        raise LedgerUnreachableError(
            f"{network} answers, but not as an Ethereum node does; check that the address is its "
            "JSON-RPC endpoint."
        ) from error
    except Web3RPCError as error:
        raise LedgerError(f"{network} refused the request: {rpc_message(error)}") from error
    except ValidationError as error:
        raise LedgerError(f"{network} refused the transaction: {error}") from error
    except _WRONG_SHAPE as error:
        raise LedgerUnreachableError(
            f"{network} gave an answer of another shape than an Ethereum node gives "
            f"({type(error).__name__}: {error}); it is asked again, or give the address of another "
            "node."
        ) from error


def rpc_message(error: Web3RPCError) -> str:
    """What the node said, without the wrapping."""
    response = error.rpc_response
    if isinstance(response, dict):
        said = response.get("error")
        if isinstance(said, dict) and said.get("message"):
            return str(said["message"])
    return str(error)
