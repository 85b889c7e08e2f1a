"""The loop of a service that follows a chain: look, wait, look again; and how it is meanwhile.

What a look does is the service's business. Here is what engine and operators have in common: a node
that does not answer is asked again, ever more slowly, and nothing else stops them but a fault that
waiting cannot mend.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from trading.errors import FATAL, LedgerError

log = structlog.get_logger(__name__)

POLL_S = 0.5
SLOWEST_RETRY_S = 30.0


@dataclass(slots=True)
class Beat:
    """What health shows of any service.

    Attributes:
        looked_at: Unix seconds of the last complete look; 0 before the first.
        problem: what keeps it from going on; empty if nothing does.
        head: last block seen.
    """

    looked_at: float = 0.0
    problem: str = ""
    head: int = 0

    def lag_s(self, now_s: float) -> float | None:
        """Seconds since the last complete look; None before the first."""
        return now_s - self.looked_at if self.looked_at else None

    def is_well(self, now_s: float, *, stale_s: float) -> bool:
        """Whether nothing keeps it from going on, and it has looked within `stale_s`."""
        lag_s = self.lag_s(now_s)
        return not self.problem and lag_s is not None and lag_s < stale_s


def keep_looking(
    look: Callable[[], bool],
    *,
    beat: Beat,
    stop: threading.Event,
    wake: threading.Event,
    poll_s: float,
    is_done: Callable[[], bool] = lambda: False,
) -> None:
    """Look until `stop` is set, or until it is done.

    Args:
        look: does what is due; True to look again at once.
        beat: is told what keeps the service from looking.
        stop: ends it.
        wake: ends the pause between two looks.
        poll_s: that pause.
        is_done: asked after each look.

    Raises:
        PeerchargeError: `look` failed, and waiting could not mend it.
    """
    pause_s = poll_s
    while not stop.is_set():
        try:
            moved = look()
        except FATAL:
            raise
        except LedgerError as error:
            beat.problem = str(error)
            pause_s = min(pause_s * 2, SLOWEST_RETRY_S)
            log.warning("ledger does not answer", problem=str(error), again_in_s=pause_s)
            stop.wait(pause_s)
            continue
        if is_done():
            return
        pause_s = poll_s
        if not moved:
            wake.wait(pause_s)
            wake.clear()
