"""The one door to the ledger: networks, the contract, its events and its refusals.

Knows nothing of markets beyond the table of trades that a batch carries.
"""

from __future__ import annotations

import os

# Before anything imports web3: C instead of Python hashing makes a batch a tenth faster.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
