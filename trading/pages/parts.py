"""The small parts of which pages are made: plain HTML elements with text and attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from trading.web.problems import Problem


def tag(name: str, classes: str = "", **attributes: str | bool) -> Element:
    """An element to put others into; `_` in an attribute's name stands for `-`."""
    return _with(Element(name), classes, attributes)


def text(
    content: str, name: str = "span", classes: str = "", **attributes: str | bool
) -> TextElement:
    """An element that holds a text, never HTML."""
    found = TextElement(tag=name, text=content)
    _with(found, classes, attributes)
    return found


def say(element: TextElement, content: str) -> None:
    """Let an element hold another text; nothing is sent where it is the same."""
    if element.text != content:
        element.set_text(content)


def focus(element: Element) -> None:
    """Let the keyboard go on from an element, once the browser shows it."""
    # By the element's own page: what was pressed may be gone from it.
    element.client.run_javascript(
        f"setTimeout(() => document.getElementById('{element.html_id}')?.focus(), 50)"
    )


def link(content: str, to: str, classes: str = "") -> Element:
    """A link to a page of ours."""
    return text(content, "a", classes, href=to)


def button(content: str, act: Callable[..., Any], kind: str = "") -> Element:
    """A button with words.

    Args:
        content: what it says.
        act: called when it is pressed.
        kind: `main`, `bad` or nothing.
    """
    classes = f"pc-button pc-{kind}-act" if kind else "pc-button"
    found = text(content, "button", classes, type="button")
    return found.on("click", act)


def icon(name: str) -> Element:
    """An icon beside words that say the same."""
    return ui.icon(name).props('aria-hidden="true"')


def _with(element: Element, classes: str, attributes: dict[str, str | bool]) -> Element:
    if classes:
        element.classes(classes)
    for name, value in attributes.items():
        element.props[name.rstrip("_").replace("_", "-")] = value
    return element


def empty(message: str, hint: str = "") -> Element:
    """Nothing to show, and what would change that."""
    with tag("div", "pc-empty") as found:
        text(message, "p")
        if hint:
            text(hint, "p", "pc-quiet")
    return found


def refusal(title: str, error: Problem) -> Element:
    """What went wrong, and what to do."""
    with tag("div", "pc-notice") as found:
        icon("error_outline")
        with tag("div"):
            text(title, "strong")
            said = ". ".join(part.rstrip(".") for part in (error.detail, error.hint) if part)
            # The API speaks English, on whatever page it is told.
            text(said + ".", "p", lang="en")
    return found


def figures(values: dict[str, str]) -> dict[str, TextElement]:
    """A row of numbers, each under its name; gives the elements of the numbers by name."""
    found = {}
    with tag("dl", "pc-figures"):
        for name, value in values.items():
            with tag("div"):
                text(name, "dt")
                found[name] = text(value, "dd")
    return found


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table that is more than a text.

    Attributes:
        text: what it says.
        href: a page of ours that it leads to.
        chip: `good`, `bad`, `wait` or `plain`: set as a state.
        title: more, on request.
    """

    text: str
    href: str = ""
    chip: str = ""
    title: str = ""


class Rows(Element, component="static/rows.js"):
    """A table; `show` gives it other rows."""

    def __init__(self, caption: str, columns: Sequence[str], *, nothing: str) -> None:
        """An empty table.

        Args:
            caption: what it holds, for those who do not see it.
            columns: their names.
            nothing: said where there are no rows.
        """
        super().__init__()
        self.props.update(caption=caption, columns=list(columns), rows=[], nothing=nothing)

    def show(self, rows: Sequence[Sequence[str | Cell]]) -> None:
        """Show these rows; nothing is sent where they are the same."""
        told = [[one if isinstance(one, str) else asdict(one) for one in row] for row in rows]
        if told != self.props["rows"]:
            self.props["rows"] = told
            self.update()


class PageChooser(Element, component="static/page_chooser.js"):
    """A select of the browser that leads to another page, or to this one as one likes it.

    Who looks through it with arrow keys goes nowhere before Enter, or before leaving it; the page
    that comes gives it the focus again.
    """

    def __init__(
        self,
        name: str,
        label: str,
        options: Mapping[str, str],
        value: str,
        *,
        href: Callable[[str], str] | None = None,
        cookie: str = "",
    ) -> None:
        """Choose among `options`, shown text by name.

        Args:
            name: of the chooser, the same on every page that has it.
            label: beside it.
            options: what is shown, by value.
            value: what is chosen now.
            href: the page that a value leads to.
            cookie: keeps a value instead, and this page is loaded again.
        """
        super().__init__()
        self.props.update(
            name=name, label=label, value=value, cookie=cookie,
            options=[
                {"value": one, "label": shown, "href": href(one) if href else ""}
                for one, shown in options.items()
            ],
        )  # fmt: skip
