"""The settlement token: an ERC-20 with six decimals, so that one unit is a micro-euro."""

from __future__ import annotations

from trading.chain.contract import Contract
from trading.chain.keys import Key
from trading.chain.records import Receipt


class Token(Contract):
    """The token that a consortium settles in; `mint` works for the demonstration euro only."""

    artifact_name = "DemoEuro"

    def mint(self, to: str, amount_ueur: int, *, by: Key) -> Receipt:
        """Create demonstration tokens, by whoever deployed them."""
        return self._transact("mint", to, amount_ueur, by=by)

    def approve(self, spender: str, amount_ueur: int, *, by: Key) -> Receipt:
        """Let `spender` take up to this amount of the caller's tokens."""
        return self._transact("approve", spender, amount_ueur, by=by)

    def transfer(self, to: str, amount_ueur: int, *, by: Key) -> Receipt:
        """Move the caller's tokens."""
        return self._transact("transfer", to, amount_ueur, by=by)

    def balance_of(self, holder: str) -> int:
        """Tokens that an address holds, in micro-euro."""
        return int(self._read("balanceOf", holder))

    def allowance(self, holder: str, spender: str) -> int:
        """What `spender` may still take of the holder's tokens, in micro-euro."""
        return int(self._read("allowance", holder, spender))
