"""What the pages say: one TOML file a language. A translation is one file and nothing else.

Keys are `[page] name`, values are format strings. English is complete; where another language lacks
a text, the English one is shown, and a test fails.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

DEFAULT = "en"


class Texts:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        """Read a language's texts; `language` is one of `languages()`."""
        self.language = language
        self._own, self._english = _read(language), _read(DEFAULT)

    def __call__(self, key: str, /, **values: Any) -> str:
        """The text `page.name`, with values put in.

        Raises:
            KeyError: no language has it.
        """
        text = self._own.get(key) or self._english[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self._english


@cache
def languages() -> dict[str, str]:
    """Every language by its two letters: what it calls itself; English first."""
    found = sorted(
        one.name.removesuffix(".toml")
        for one in files(__name__).iterdir()
        if one.name.endswith(".toml")
    )
    return {name: _read(name)["shell.language_name"] for name in sorted(found, key=_default_first)}


def preferred(accept_language: str, *, among: Sequence[str]) -> str:
    """The language that a header Accept-Language likes best.

    >>> preferred("da-DK,da;q=0.9,en;q=0.8", among=["en", "da"])
    'da'
    >>> preferred("fr", among=["en", "da"])
    'en'
    """
    wished: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            wished.append((-float(weight or 1), name[:2].lower()))
        except ValueError:
            continue
    ranked = [name for _, name in sorted(wished, key=lambda one: one[0])]
    return next((name for name in ranked if name in among), DEFAULT)


def _default_first(name: str) -> tuple[bool, str]:
    return name != DEFAULT, name


@cache
def _read(language: str) -> dict[str, str]:
    raw = files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return {
        f"{page}.{name}": text
        for page, named in tomllib.loads(raw).items()
        for name, text in named.items()
    }
