"""The settlement token: an ERC-20 with six decimals, so that one unit is a micro-euro."""

from __future__ import annotations

from trading.chain import artifacts
from trading.chain.contract import Contract
from trading.chain.keys import Key
from trading.chain.reach import reaching
from trading.chain.records import Receipt
from trading.errors import WrongLedgerError


class Token(Contract):
    """The token that a consortium settles in; `mint` works for the demonstration euro only."""

    artifact_name = "DemoEuro"

    def must_be_demonstration(self) -> None:
        """Refuse any token but the demonstration euro, whose authority can create more of it.

        Raises:
            WrongLedgerError: it is another token.
        """
        with reaching(self.network.name):
            code = bytes(self.network.w3.eth.get_code(self.address))
        if not artifacts.load(self.artifact_name).is_at(code):
            raise WrongLedgerError(
                f"the settlement token {self.address} is not the demonstration euro: nobody can "
                "create it from here; get it from its issuer."
            )

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
