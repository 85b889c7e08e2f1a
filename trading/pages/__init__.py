"""The pages: what people look at, on the application of the API.

Each page is one file that registers a `Page`; `PAGES` lists them in the order of the navigation.
They read and write nothing but the API (`trading.pages.client`).
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request, Response
from nicegui import app as nicegui_app
from nicegui import core, ui
from starlette.routing import Match, Mount
from starlette.types import Scope

from trading.pages import authority, driver, lot, operator, study, trade, trades
from trading.pages.client import Api
from trading.pages.missing import missing_page
from trading.pages.oidc import IssuerClient
from trading.pages.signin import DevelopmentDoor, Door, Identity, OidcDoor
from trading.pages.site import Page, Site, register
from trading.pages.socket import guard
from trading.web.limits import FOR_PROGRAMS

__all__ = [
    "PAGES", "DevelopmentDoor", "Door", "Identity", "IssuerClient", "OidcDoor", "attach_pages",
]  # fmt: skip

PAGES: tuple[Page, ...] = (
    lot.PAGE,
    trades.PAGE,
    trade.PAGE,
    operator.PAGE,
    authority.PAGE,
    driver.PAGE,
    study.PAGE,
    study.FOUND,
)
STATIC = Path(__file__).parent / "static"
RECONNECT_S = 10.0


def attach_pages(app: FastAPI, door: Door, *, note_key: str = "shell.note") -> None:
    """Serve the pages on the application of the API; once a process, for NiceGUI has one app.

    Args:
        app: of `trading.web.create_app`, before it is served.
        door: how visitors sign in.
        note_key: of the text at the foot of each page that says what is simulated.
    """
    site = Site(api=Api(app), door=door, pages=PAGES, note_key=note_key)
    app.include_router(door.router())
    app.include_router(trades.router(site))
    app.include_router(study.router(site))
    nicegui_app.add_static_files("/pages/static", STATIC)
    nicegui_app.add_exception_handler(404, _missing)
    for page in PAGES:
        register(site, page)
    # A bar without a name, which tells nobody anything: pages say themselves what they wait for.
    nicegui_app.config.quasar_config["loadingBar"]["skipHijack"] = True
    # Other sites have no business on the pages' socket.
    core.sio.eio.cors_allowed_origins = None
    guard(core.sio)
    ui.run_with(
        app,
        title="peercharge",
        favicon=STATIC / "favicon.svg",
        tailwind=False,
        reconnect_timeout=RECONNECT_S,
        show_welcome_message=False,
        binding_refresh_interval=None,
    )
    # The last route is now the pages', for every path there is.
    app.router.routes[-1] = _Pages("/", app=core.app)


async def _missing(request: Request, _error: Exception) -> Response:
    return missing_page(request)


class _Pages(Mount):
    """All paths but those of programs: a path that the API lacks is refused as the API refuses."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `starlette.routing.Mount`."""
        if str(scope.get("path", "")).startswith(FOR_PROGRAMS):
            return Match.NONE, {}
        return super().matches(scope)
