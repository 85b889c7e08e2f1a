"""Forms: labelled fields of the browser, buttons, and a question before something is sent."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from trading.chain.fields import checked_address
from trading.errors import OptionError
from trading.pages.parts import button, focus, icon, tag, text
from trading.units import amount_ueur, price_ueur_per_kwh

if TYPE_CHECKING:
    from trading.pages.site import Visit

AT_FIRST = "^value"
"""What a field holds at first. Were it `value`, every drawing would put it in again, over what a
visitor is typing (Vue sets that property each time)."""


class Field:
    """A text that a visitor types.

    Attributes:
        value: what it is now.
    """

    def __init__(self, label: str, *, value: str = "", hint: str = "", mode: str = "text") -> None:
        """A field with its label; `mode` is the keyboard that a phone shows."""
        self.value = value
        with tag("div", "pc-field"):
            with tag("label"):
                text(label)
                self._input = tag(
                    "input", type="text", inputmode=mode, autocomplete="off", spellcheck="false",
                    **{AT_FIRST: value},
                ).on("change", self._typed, js_handler="e => emit(e.target.value)")  # fmt: skip
                if hint:
                    text(hint, classes="pc-quiet pc-hint")
            self._complaint: Any = text("", "p", "pc-complaint", role="alert")
            self._complaint.set_visibility(False)

    def _typed(self, event: GenericEventArguments) -> None:
        self.value = str(event.args).strip()
        self.complain("")

    def complain(self, sentence: str) -> None:
        """Say what is wrong with it; an empty text for nothing."""
        self._complaint.set_text(sentence)
        self._complaint.set_visibility(bool(sentence))
        self._input.props["aria-invalid"] = "true" if sentence else "false"


class Chooser:
    """A select of the browser.

    Attributes:
        value: name of what is chosen.
    """

    def __init__(self, label: str, options: Mapping[str, str], *, value: str = "") -> None:
        """Choose among `options`, shown text by name; `value` is the first unless given."""
        self.value = value or next(iter(options), "")
        with tag("div", "pc-field"), tag("label"):
            text(label)
            self._select = tag("select").on(
                "change", self._chosen, js_handler="e => emit(e.target.value)"
            )
        self.offer(options)

    def _chosen(self, event: GenericEventArguments) -> None:
        self.value = str(event.args)

    def offer(self, options: Mapping[str, str]) -> None:
        """Let other options be chosen; the choice stays where it is among them."""
        if self.value not in options:
            self.value = next(iter(options), "")
        self._select.clear()
        with self._select:
            for name, shown in options.items():
                option = text(shown, "option", value=name)
                if name == self.value:
                    option.props["selected"] = True


@contextmanager
def fold(title: str) -> Iterator[None]:
    """A part that opens on demand."""
    with tag("details", "pc-fold"):
        text(title, "summary")
        yield


_OPEN = """(box) => {
  if (!box || box.open) return;
  const from = document.activeElement, section = from && from.closest("section");
  if (section) Object.assign(box, {from, heading: section.querySelector("h2")});
  box.showModal();
  const until = Date.now() + 30000;
  const look = () => {
    const at = document.activeElement, {from, heading} = box;
    const isGone = !from.isConnected || !from.getClientRects().length;
    if (at !== document.body && at !== from) return;
    if (isGone && heading) {
      heading.tabIndex = -1;
      heading.focus();
    } else if (Date.now() < until && !box.open) setTimeout(look, 100);
  };
  box.onclose = () => box.from && setTimeout(look, 0);
}"""
"""Opens a dialog. The browser gives the focus back to what opened it; where that is gone by then,
or goes soon after because of what was sent, the keyboard goes on from its section's heading."""


class Dialog:
    """A dialog that shows what will be sent, and asks once; Escape leaves it."""

    def __init__(self, close: str) -> None:
        """A dialog that is not open; `close` is the text of the button that leaves it."""
        self._close = close
        self._box = tag("dialog", "pc-dialog")

    @contextmanager
    def show(self, title: str) -> Iterator[None]:
        """Open it with what is built in this context."""
        self._box.clear()
        self._box.props["aria-label"] = title
        with self._box:
            text(title, "h2", tabindex="-1", autofocus=True)
            yield
            with tag("div", "pc-actions"):
                button(self._close, self.leave)
        self._open()

    def once(self, label: str, act: Callable[[], Awaitable[None]]) -> Element:
        """A button that sends what is shown: pressed again while that goes on, it does nothing."""
        is_sending = False

        async def send() -> None:
            nonlocal is_sending
            # The second press of a double click is on its way before the browser knows.
            if is_sending:
                return
            is_sending = True
            found.props["disabled"] = True
            try:
                await act()
            finally:
                is_sending = False
                if not found.is_deleted:
                    found.props["disabled"] = False

        found = button(label, send, kind="main")
        return found

    @contextmanager
    def instead(self, title: str) -> Iterator[None]:
        """Put something else in; where somebody left meanwhile, it opens again to say so."""
        self._box.clear()
        self._box.props["aria-label"] = title
        with self._box:
            heading = text(title, "h2", tabindex="-1")
            with tag("div", role="status"):
                yield
            with tag("div", "pc-actions"):
                button(self._close, self.leave)
        self._open()
        # What was pressed is gone, and the keyboard must not begin at the top of the page.
        focus(heading)

    def _open(self) -> None:
        self._box.client.run_javascript(
            f"({_OPEN})(document.getElementById('{self._box.html_id}'))"
        )

    async def leave(self) -> None:
        """Close it."""
        self._box.run_method("close")


def code(content: str) -> Element:
    """Something to be copied as it stands."""
    return text(content, "code", "pc-code")


def notice(sentence: str, *, kind: str = "wait") -> Element:
    """A sentence that is set off."""
    with tag("div", f"pc-notice pc-{kind}-notice") as found:
        icon("info" if kind != "bad" else "error_outline")
        text(sentence, "p")
    return found


def price_of(field: Field, wrong: str, *, visit: Visit) -> int | None:
    """A price in EUR/kWh as typed, in micro-euro; None after a complaint of `wrong`.

    A number that the visitor's language reads as thousands is complained of, too.
    """
    if _is_either(field, visit):
        return None
    try:
        return price_ueur_per_kwh(_point(field.value))
    except OptionError:
        field.complain(wrong)
        return None


def amount_of(field: Field, wrong: str, *, visit: Visit) -> int | None:
    """An amount in EUR as typed, in micro-euro; None after a complaint of `wrong`.

    A number that the visitor's language reads as thousands is complained of, too.
    """
    if _is_either(field, visit):
        return None
    try:
        return amount_ueur(_point(field.value))
    except OptionError:
        field.complain(wrong)
        return None


def address_of(field: Field, wrong: str) -> str | None:
    """An address as typed, with its checksum; None after a complaint of `wrong`."""
    try:
        return checked_address(field.value)
    except ValueError:
        field.complain(wrong)
        return None


def whole_of(field: Field, wrong: str, *, most: int) -> int | None:
    """A whole number from 0 to `most` as typed; None after a complaint of `wrong`."""
    if field.value.isascii() and field.value.isdecimal() and int(field.value) <= most:
        return int(field.value)
    field.complain(wrong)
    return None


def _is_either(field: Field, visit: Visit) -> bool:
    """Whether a number is a thousandfold by one reading: then both are named, and none is taken.

    In English 1,000 is a thousand, and one with decimals for many who read English; 0,350 is not.
    """
    group, decimal = visit.shown.group_symbol, visit.shown.decimal_symbol
    typed = field.value
    if not re.fullmatch(rf"[1-9][0-9]{{0,2}}{re.escape(group)}[0-9]{{3}}", typed):
        return False
    whole, part = typed.replace(group, ""), typed.replace(group, decimal)
    field.complain(visit.text("shell.either", typed=typed, whole=whole, part=part))
    return True


def _point(number: str) -> str:
    """A number with a decimal comma or point, with a point."""
    return number.replace(",", ".") if number.count(",") == 1 and "." not in number else number
