"""Trades as they move from order to settlement, and the path of each."""

from __future__ import annotations

from trading.pages.site import Page, Visit
from trading.web.auth import Role


async def _build(visit: Visit) -> None:
    pass


PAGE = Page(name="trades", path="/trades", icon="swap_horiz", roles=frozenset(Role), build=_build)
