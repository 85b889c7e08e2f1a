"""What all pages share, and the frame around each: head, navigation, language, theme, errors."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from nicegui import ui
from nicegui.element import Element

from trading.errors import PeerchargeError
from trading.pages.client import Api, Drawings, SignedIn
from trading.pages.parts import PageChooser, empty, icon, link, refusal, tag, text
from trading.pages.shown import Shown
from trading.pages.signin import (
    LANGUAGE,
    OUT,
    START,
    DevelopmentDoor,
    Door,
    language_of,
    plain_page,
)
from trading.pages.standing import Standing
from trading.pages.texts import Texts, languages
from trading.web.auth import Role, unauthorized
from trading.web.limits import RateLimit
from trading.web.problems import Problem

THEME, ZONE = "peercharge_theme", "peercharge_zone"
THEMES = ("auto", "light", "dark")
REFRESH_S = 1.0
LOADS_PER_S, LOADS_AT_ONCE = 10.0, 200
"""Pages that one visitor may open; each takes some 0.4 MB until it is closed, or for a minute."""
STANDING_S = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: what its file registers.

    Attributes:
        name: also of its texts: `<name>.title` and `<name>.about`.
        path: of its address.
        icon: of the Material set.
        roles: who may see it.
        build: puts its content into the frame.
        in_navigation: whether the head leads to it.
        says_pause: whether it says above all else that the consortium is paused.
    """

    name: str
    path: str
    icon: str
    roles: frozenset[Role]
    build: Callable[[Visit], Awaitable[None]]
    in_navigation: bool = True
    says_pause: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all pages share.

    Attributes:
        api: what they ask.
        door: how one signs in.
        pages: all of them, in the order of the navigation.
        note_key: of the text that says what is simulated here.
        drawings: what visitors share of what is made of answers.
        loads: how many pages one visitor may open; each takes room here until it is closed.
    """

    api: Api
    door: Door
    pages: tuple[Page, ...]
    note_key: str = "shell.note"
    drawings: Drawings = field(default_factory=Drawings)
    loads: RateLimit = field(default_factory=lambda: RateLimit(LOADS_PER_S, LOADS_AT_ONCE))


class Visit:
    """One visitor on one page: whom to ask as, which words, which zone.

    Attributes:
        who: the visitor.
        texts: of its language.
        shown: how it reads numbers and times.
        request: that opened the page.
    """

    def __init__(self, site: Site, who: SignedIn, request: Request, *, shown: Shown) -> None:
        self.site, self.who, self.request, self.shown = site, who, request, shown
        self.texts = Texts(shown.language)
        self._banner: Element | None = None

    def text(self, key: str, /, **values: Any) -> str:
        """A text of the page's language."""
        return self.texts(key, **values)

    async def get(self, path: str, **query: Any) -> Any:
        """See `Api.get`."""
        return await self.site.api.get(await self._still(), path, **query)

    async def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """See `Api.rows`."""
        return await self.site.api.rows(await self._still(), path, **query)

    def drawn(self, key: Hashable, answers: Sequence[Any], make: Callable[[], T]) -> T:
        """See `Drawings.get`; made once for all visitors of this language and zone."""
        of_all = (self.shown.language, str(self.shown.zone), key)
        return self.site.drawings.get(of_all, answers, make)

    async def send(self, method: str, path: str, content: Any = None) -> Any:
        """See `Api.send`."""
        return await self.site.api.send(await self._still(), method, path, content)

    async def _still(self) -> SignedIn:
        """The visitor, as long as this browser is signed in as it was when the page was opened.

        Raises:
            Problem: 401, it signed out, or is somebody else now; 503, that cannot be said now.
        """
        if await self.site.door.visitor(self.request) is not self.who:
            raise unauthorized("this page was opened by somebody who is not signed in any more")
        return self.who

    async def every(
        self, refresh: Callable[[], Awaitable[None]], *, seconds: float = REFRESH_S
    ) -> None:
        """Call `refresh` now and again and again; what the API refuses is shown until it is over.

        Args:
            refresh: brings the page up to date.
            seconds: between two calls.
        """

        async def look() -> None:
            try:
                await refresh()
            except Problem as error:
                self._tell(error)
            else:
                self._tell(None)

        await look()
        ui.timer(seconds, look, immediate=False)

    def forget_banner(self) -> None:
        """Where the page is built anew, what it told went with it."""
        self._banner = None

    def _tell(self, error: Problem | None) -> None:
        if self._banner is None:
            self._banner = tag("div", "pc-banner", role="alert")
        self._banner.set_visibility(error is not None)
        if error is not None:
            self._banner.clear()
            with self._banner:
                self.refusal(error)

    def refusal(self, error: Problem) -> Element:
        """What the API refuses, and what to do."""
        if error.status != 401:
            return refusal(self.text("shell.refused"), error)
        with tag("div", "pc-notice") as found:
            icon("lock_clock")
            with tag("div"):
                text(self.text("shell.ended"), "strong")
                with tag("p"):
                    link(self.text("shell.ended_hint"), _here(self.request))
        return found


def register(site: Site, page: Page) -> None:
    """Serve a page."""

    async def serve(request: Request) -> Response | None:
        try:
            who = await site.door.visitor(request)
        except Problem as error:
            return plain_page(request, "shell.refused", error)
        if who is None:
            return RedirectResponse(f"{START}?to={quote(_here(request), safe='')}", 303)
        wait_s = site.loads.take(who.principal.subject)
        if wait_s:
            soon = {"Retry-After": str(round(wait_s + 1))}
            return plain_page(
                request, "shell.refused", Problem(429, "too many pages at once", headers=soon)
            )
        language = language_of(request)
        zone = _zone(request.cookies.get(ZONE, ""))
        visit = Visit(site, who, request, shown=Shown(language, zone or ZoneInfo("UTC")))
        _head(visit, page)
        with _frame(visit, page):
            if not who.principal.roles & page.roles:
                _not_yours(visit, page)
                return None
            if zone is None:
                await ui.context.client.connected()
                told = await ui.run_javascript(_ZONE_OF_BROWSER)
                visit.shown = Shown(language, _zone(str(told)) or ZoneInfo("UTC"))
            standing = Standing(visit, says_pause=page.says_pause)
            await standing.look()
            ui.timer(STANDING_S, standing.look, immediate=False)
            await _build(visit, page, tag("div"))
        return None

    ui.page(page.path, title="peercharge", response_timeout=20)(serve)


async def _build(visit: Visit, page: Page, place: Element) -> None:
    """Put a page's content into its place; where it is refused, say so and try again."""
    place.clear()
    visit.forget_banner()
    with place:
        try:
            await page.build(visit)
        except PeerchargeError as error:
            visit.refusal(Problem(500, str(error)))
        except Problem as error:
            place.clear()
            visit.refusal(error)
            if error.status in _PASSING:
                with place.parent_slot or place:
                    ui.timer(AGAIN_S, lambda: _build(visit, page, place), once=True)


_PASSING = (429, 500, 502, 503, 504)
AGAIN_S = 3.0
_ZONE_OF_BROWSER = "return Intl.DateTimeFormat().resolvedOptions().timeZone"


def _here(request: Request) -> str:
    """The path of a page, with its query."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _head(visit: Visit, page: Page) -> None:
    language = visit.shown.language
    title = f"{visit.text(page.name + '.title')} · peercharge"
    ui.add_head_html(
        '<link rel="stylesheet" href="/pages/static/pages.css">'
        f"<script>document.documentElement.lang={json.dumps(language)};"
        f"document.title={json.dumps(title)};"
        f'document.cookie="{ZONE}="+encodeURIComponent('
        "Intl.DateTimeFormat().resolvedOptions().timeZone)"
        '+";path=/;samesite=lax;max-age=31536000"</script>'
    )
    theme = visit.request.cookies.get(THEME, "auto")
    ui.dark_mode({"light": False, "dark": True}.get(theme))
    ui.colors(primary="#00639c", secondary="#8a5200", accent="#00639c")


def _frame(visit: Visit, page: Page) -> Element:
    """The page around its content; gives the element for the content."""
    ui.query(".nicegui-content").classes("pc-page")
    main = tag("div", "pc-main")
    # NiceGUI's frame holds one `main` for the content; head and foot stand beside it.
    with ui.context.client.layout:
        head, foot = tag("header", "pc-head"), tag("footer", "pc-foot")
    head.move(target_index=0)
    ui.skip_link(visit.text("shell.skip"), target=main)
    with head:
        link("peercharge", "/", "pc-brand")
        with tag("nav", aria_label=visit.text("shell.pages")):
            for one in visit.site.pages:
                if one.in_navigation and visit.who.principal.roles & one.roles:
                    with tag("a", href=one.path) as leads:
                        icon(one.icon)
                        text(visit.text(f"{one.name}.title"))
                    if one is page:
                        leads.props["aria-current"] = "page"
        _settings(visit)
    with main:
        text(visit.text(f"{page.name}.title"), "h1")
        text(visit.text(f"{page.name}.about"), "p", "pc-about")
    with foot:
        text(visit.text(visit.site.note_key), "p")
        link(visit.text("shell.api"), "/api/v1/openapi.json")
    return main


def _settings(visit: Visit) -> None:
    """Whom one acts as, language and theme."""
    with tag("div", "pc-settings"):
        door, who = visit.site.door, visit.who.principal
        if isinstance(door, DevelopmentDoor):
            options = {
                one.name: " ".join((visit.text(f"role.{one.role}"), one.label)).strip()
                for one in door.identities()
            }
            options.setdefault(who.subject, who.subject)
            here = quote(visit.request.url.path, safe="")
            PageChooser(
                "acting as",
                visit.text("shell.acting_as"),
                options,
                who.subject,
                href=lambda name: f"{START}?as={quote(name, safe='')}&to={here}",
            )
        else:
            roles = ", ".join(visit.text(f"role.{role}") for role in sorted(who.roles))
            text(f"{who.name or who.subject} ({roles})", classes="pc-quiet")
            link(visit.text("shell.sign_out"), OUT)
        named = {name: visit.text(f"shell.theme_{name}") for name in THEMES}
        theme = visit.request.cookies.get(THEME, "auto")
        language = visit.shown.language
        PageChooser(
            "language", visit.text("shell.language"), languages(), language, cookie=LANGUAGE
        )
        PageChooser("theme", visit.text("shell.theme"), named, theme, cookie=THEME)


def _not_yours(visit: Visit, page: Page) -> None:
    roles = ", ".join(visit.text(f"role.{role}") for role in sorted(page.roles))
    empty(visit.text("shell.not_yours", roles=roles), visit.text("shell.not_yours_hint"))


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name.replace("%2F", "/")) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
