"""The one door to the ledger: networks, the contract, its events and its refusals.

Knows nothing of markets beyond the table of trades that a batch carries. Importing it takes a
second, for web3: a program that may not need a ledger imports it where it does.
"""

from __future__ import annotations

import os
import sys

# Before anything imports web3: C instead of Python hashing makes a batch a tenth faster.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")

from trading.chain.consortium import Consortium
from trading.chain.deployment import attach, deploy
from trading.chain.deployments import (
    Deployment,
    open_deployment,
    read_deployment,
    write_deployment,
)
from trading.chain.keys import Key
from trading.chain.networks import Network, Standstill, open_network
from trading.chain.records import (
    RECORD_COLUMNS,
    Account,
    Batch,
    LedgerEvent,
    Limits,
    Mandate,
    Operator,
    PriceBand,
    Receipt,
    RegisterReceipt,
    SeatReceipt,
    Submission,
    SubmitReceipt,
)
from trading.chain.sender import Call
from trading.chain.states import BatchState
from trading.chain.token import Token
from trading.chain.typed import (
    Domain,
    SeatSignature,
    sign_enrollment,
    sign_mandate,
    sign_revocation,
    sign_withdrawal,
)
from trading.chain.words import CHAIN, decode, encode

# py-evm and py-ecc raise the limit to 100,000 where they are imported. Nothing here recurses so
# deep, and with it the standard JSON parser overflows the C stack on a body of brackets, which ends
# the process, instead of raising an error. So Python's own limit again.
sys.setrecursionlimit(1_000)

__all__ = [
    "CHAIN",
    "RECORD_COLUMNS",
    "Account",
    "Batch",
    "BatchState",
    "Call",
    "Consortium",
    "Deployment",
    "Domain",
    "Key",
    "LedgerEvent",
    "Limits",
    "Mandate",
    "Network",
    "Operator",
    "PriceBand",
    "Receipt",
    "RegisterReceipt",
    "SeatReceipt",
    "SeatSignature",
    "Standstill",
    "Submission",
    "SubmitReceipt",
    "Token",
    "attach",
    "decode",
    "deploy",
    "encode",
    "open_deployment",
    "open_network",
    "read_deployment",
    "sign_enrollment",
    "sign_mandate",
    "sign_revocation",
    "sign_withdrawal",
    "write_deployment",
]
