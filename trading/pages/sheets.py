"""CSV that people open in a spreadsheet: no cell of it is taken for a formula.

What others call their vehicles or comparisons is in the cells of files that we hand out, and a
spreadsheet computes what begins with `=`, `+`, `-` or `@`. A `'` before such a text keeps it a
text; numbers stay as they are. Programs that ask the API get every cell as it is.
"""

from __future__ import annotations

import re

_NUMBER = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_IS_FORMULA = rb"[=+\-@\t\r]"
_QUOTED = rb'"[^"]*(?:""[^"]*)*"'
_FORMULA = re.compile(
    # A quoted cell is taken as a whole: a comma in it begins no cell.
    rb"(?P<quoted>" + _QUOTED + rb")|(?:(?<=[,\n])|\A)(?="
    + _IS_FORMULA + rb")(?!" + _NUMBER + rb"\r?(?:[,\n]|\Z))"
)  # fmt: skip
_QUOTED_FORMULA = re.compile(rb'\A"(?=' + _IS_FORMULA + rb")(?!" + _NUMBER + rb'")')


class Sheet:
    """A CSV file that comes in pieces, cut anywhere: rows end in a line feed, quotes are double.

    >>> sheet = Sheet()
    >>> for piece in (b"who,gain", b"=1+1,-2.5"):
    ...     print(sheet.take(piece + bytes([10])).decode(), end="")
    who,gain
    '=1+1,-2.5
    """

    def __init__(self) -> None:
        self._rest = b""

    def take(self, piece: bytes) -> bytes:
        """What can be handed on once `piece` came: whole rows."""
        self._rest += piece
        end = self._rest.rfind(b"\n") + 1
        # A line that ends within quotes ends no row.
        while end and self._rest.count(b'"', 0, end) % 2:
            end = self._rest.rfind(b"\n", 0, end - 1) + 1
        rows, self._rest = self._rest[:end], self._rest[end:]
        return as_texts(rows)

    def end(self) -> bytes:
        """What is left when no more comes."""
        rows, self._rest = self._rest, b""
        return as_texts(rows)


def as_texts(rows: bytes) -> bytes:
    """Whole rows of CSV, with a `'` before each text that a spreadsheet would compute."""
    return _FORMULA.sub(_marked, rows)


def _marked(found: re.Match[bytes]) -> bytes:
    quoted = found["quoted"]
    return b"'" if quoted is None else _QUOTED_FORMULA.sub(b"\"'", quoted)
