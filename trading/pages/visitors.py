"""Who is signed in, and stays so: visitors by the number in their cookie, tokens renewed in time.

An access token of an issuer holds for minutes, a sign-in for hours. So the token is renewed here,
a while before it ends, whenever the visitor looks; its number and its open pages stay as they are.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from fastapi import Request

from trading.pages.client import SignedIn
from trading.pages.oidc import Grant
from trading.web.auth import Principal
from trading.web.problems import Problem

log = structlog.get_logger(__name__)

COOKIE = "peercharge_visit"
MOST_VISITORS = 10_000
UNUSED_S = 12 * 3600.0
"""How long somebody is remembered who does not look."""
EARLY_S = 60.0
"""How long before its end a token is renewed; a short one in its last quarter."""
AGAIN_S = 5.0
"""How long after an issuer did not answer it is asked again."""


class Renews(Protocol):
    """Whoever can renew a grant."""

    async def renewed(self, old: Grant) -> Grant:
        """The next grant.

        Raises:
            Problem: 503 for now; 403, the sign-in is over.
        """

    async def whose(self, token: str) -> Principal:
        """Whose access token it is.

        Raises:
            Problem: 503 for now; 401, it is not valid, or not yet; 403, it is of no use.
        """


@dataclass(slots=True, eq=False)
class _Kept:
    """One visitor."""

    who: SignedIn
    grant: Grant | None
    used_at: float
    renew_at: float = math.inf
    renewal: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def is_renewing(self) -> bool:
        return self.renewal is not None and not self.renewal.done()


class SignIns:
    """The visitors that are signed in; of one event loop."""

    def __init__(
        self, renews: Renews | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Nobody yet.

        Args:
            renews: renews grants that have a refresh token.
            clock: Unix seconds.
        """
        self._renews, self._clock = renews, clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def add(self, request: Request, who: SignedIn, grant: Grant | None = None) -> str:
        """Remember who signed in with this request; the number to put into a cookie.

        Whoever signs in again, as in a second tab, keeps the number; somebody else in the same
        browser gets another, and pages of the former end.
        """
        now = self._clock()
        number = request.cookies.get(COOKIE, "")
        kept = self._kept.get(number)
        if kept is None or kept.who.principal.subject != who.principal.subject:
            self._kept.pop(number, None)
            number = secrets.token_urlsafe(32)
            kept = self._kept[number] = _Kept(who, grant, now)
        kept.who.principal, kept.who.token, kept.grant = who.principal, who.token, grant
        kept.renew_at = self._renewal_time(kept)
        self._used(number, kept)
        while len(self._kept) > MOST_VISITORS or self._oldest().used_at < now - UNUSED_S:
            self._kept.popitem(last=False)
        return number

    async def of(self, request: Request) -> SignedIn | None:
        """Whose request it is; None for nobody's, and where the sign-in has ended.

        A token that ends soon is renewed; nobody waits for that as long as it still holds. All
        requests of one visitor share a renewal, so that no refresh token is used twice.

        Raises:
            Problem: 503, the token has ended, and the issuer does not answer.
        """
        number = request.cookies.get(COOKIE, "")
        kept = self._kept.get(number)
        if kept is None:
            return None
        now = self._used(number, kept)
        if now >= kept.renew_at and not kept.is_renewing:
            kept.renewal = asyncio.create_task(self._renew(number, kept))
        if now < kept.who.principal.expires_at:
            return kept.who
        if kept.is_renewing and kept.renewal is not None:
            # A browser that leaves must not end what others wait for, nor lose a token on its way.
            await asyncio.shield(kept.renewal)
        elif kept.renew_at == math.inf:
            self._forget(number, kept)
        if self._kept.get(number) is not kept:
            return None
        if self._clock() >= kept.who.principal.expires_at:
            raise Problem(503, "the issuer does not renew this sign-in now")
        return kept.who

    async def drop(self, request: Request) -> Grant | None:
        """Forget whoever sends this request; the last grant that there was."""
        kept = self._kept.pop(request.cookies.get(COOKIE, ""), None)
        if kept is None:
            return None
        if kept.is_renewing and kept.renewal is not None:
            await asyncio.shield(kept.renewal)
        return kept.grant

    async def _renew(self, number: str, kept: _Kept) -> None:
        mine, renews, subject = kept.grant, self._renews, kept.who.principal.subject
        if mine is None or renews is None:
            return
        try:
            new = await renews.renewed(mine)
            if kept.grant is not mine:
                return
            # The old refresh token may be used up, whatever becomes of the new access token.
            mine = kept.grant = new
            principal = await renews.whose(new.access)
            if principal.subject != subject:
                raise Problem(403, "the issuer renewed the token of somebody else")
        except Problem as error:
            if kept.grant is not mine:
                return
            now = self._clock()
            # Of a key that the issuer has just changed to, verifiers may not know yet (401).
            is_new_key = error.status == 401 and now < kept.who.principal.expires_at
            if error.status == 503 or is_new_key:
                kept.renew_at = now + AGAIN_S
                return
            log.info("sign-in ended by its issuer", who=subject, problem=error.detail)
            self._forget(number, kept)
            return
        # Who signed in again meanwhile has a newer one.
        if kept.grant is mine:
            kept.who.principal, kept.who.token = principal, new.access
            kept.renew_at = self._renewal_time(kept)

    def _renewal_time(self, kept: _Kept) -> float:
        if kept.grant is None or kept.grant.refresh is None or self._renews is None:
            return math.inf
        now, ends = self._clock(), kept.who.principal.expires_at
        early_s = min(EARLY_S, (ends - now) / 4)
        return max(ends - early_s, now + 1.0)

    def _used(self, number: str, kept: _Kept) -> float:
        kept.used_at = self._clock()
        self._kept.move_to_end(number)
        return kept.used_at

    def _oldest(self) -> _Kept:
        return next(iter(self._kept.values()))

    def _forget(self, number: str, kept: _Kept) -> None:
        if self._kept.get(number) is kept:
            del self._kept[number]
