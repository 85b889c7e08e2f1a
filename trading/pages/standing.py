"""What stands above a page: that the engine stands still, that the consortium is paused."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from trading.pages.parts import icon, say, tag, text
from trading.web.problems import Problem

if TYPE_CHECKING:
    from trading.pages.site import Visit

STILL_S = 60.0
"""An engine tells every ten seconds that it looked; one that did not for a minute stands still."""


class Standing:
    """Two sentences, each there as long as it is true."""

    def __init__(
        self, visit: Visit, *, says_pause: bool, clock: Callable[[], float] = time.time
    ) -> None:
        """Both, and neither shown yet.

        Args:
            visit: whose page it is.
            says_pause: whether the page is told of a pause; the authority's says it by itself.
            clock: Unix seconds.
        """
        self.visit, self._says_pause, self._clock = visit, says_pause, clock
        # They are there before what they say, so that a screen reader says that it came.
        with tag("div", role="status"):
            self._still, self._still_said = _notice("pc-bad-notice")
            self._paused, self._paused_said = _notice("pc-wait-notice")
            say(self._paused_said, visit.text("shell.paused"))

    async def look(self) -> None:
        """Bring both up to date; where nothing can be known, the page itself says so."""
        try:
            lot = await self.visit.get("/lot")
            consortium = await self.visit.get("/consortium")
        except Problem:
            return
        looked_at = consortium["looked_at"]
        is_still = (
            looked_at is not None
            # A day that is over needs no engine.
            and not lot["is_over"]
            and self._clock() - dt.datetime.fromisoformat(looked_at).timestamp() > STILL_S
        )
        if is_still:
            since = self.visit.shown.moment(looked_at)
            say(self._still_said, self.visit.text("shell.still", time=since))
        self._still.set_visibility(is_still)
        self._paused.set_visibility(self._says_pause and consortium["is_paused"])


def _notice(kind: str) -> tuple[Element, TextElement]:
    with tag("div", f"pc-notice {kind}") as found:
        icon("info")
        said = text("", "p")
    found.set_visibility(False)
    return found, said
