"""A driver's wallet as a page knows it: the chain is asked seldom, it answers one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from trading.pages.site import Visit
from trading.web.problems import Problem

KEPT_S = 30.0
"""What moves tokens without the account is seen so much later."""
AWAY_S = 5.0
"""A chain that did not answer is left alone for so long."""

Way = Literal["open", "away", "none"]


class Wallet:
    """Who holds an account's key, and its tokens, as they were last seen.

    Attributes:
        found: as the API has it; None where it is not known.
        way: to the chain: it answers, it does not just now, or this service has none.
    """

    def __init__(
        self, visit: Visit, *, is_connected: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is asked yet; `is_connected` as the consortium's row has it."""
        self._visit, self._clock = visit, clock
        self.found: dict[str, Any] | None = None
        self.way: Way = "open" if is_connected else "none"
        self._account: dict[str, Any] | None = None
        self._ask_at = 0.0

    def forget(self) -> None:
        """Ask again with the next look: something was sent."""
        self._account = None

    async def look(self, account: dict[str, Any]) -> None:
        """Ask, if the account is another than at the last look or that is long ago.

        Raises:
            Problem: what the API refuses with, but for a chain that does not answer.
        """
        now = self._clock()
        if self.way == "none" or (account == self._account and now < self._ask_at):
            return
        self._account = account
        try:
            self.found = await self._visit.get(f"/accounts/{account['account']}/wallet")
        except Problem as error:
            if error.status != 503:
                raise
            self.found, self.way, self._ask_at = None, "away", now + AWAY_S
        else:
            self.way, self._ask_at = "open", now + KEPT_S
