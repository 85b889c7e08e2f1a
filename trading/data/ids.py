"""What a session may be called, wherever it comes from.

An id is a part of addresses (`/sessions/ID`, `/car/ID`), and servers and browsers split those at
`/` and resolve `.` and `..` before anybody is asked.
"""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

LONGEST_ID = 200
FIT_ID: Final = f"1 to {LONGEST_ID} printable characters without /, other than . and .."
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no id holds: PostgreSQL keeps no NUL, UTF-8 has no half of a pair."""


def unfit(session_id: str) -> str:
    """Why no session may be called so, said of its id; empty where it may.

    >>> unfit("2_39_139_28_2019-10-28 15:09:59.979671"), unfit("a/b")
    ('', 'holds /, which parts addresses')
    """
    if not session_id:
        return "is empty"
    if len(session_id) > LONGEST_ID:
        return f"is longer than {LONGEST_ID} characters"
    if _UNPRINTABLE.search(session_id):
        return "holds a character that cannot be printed"
    if "/" in session_id:
        return "holds /, which parts addresses"
    if session_id in (".", ".."):
        return "is . or .., which an address cannot end with"
    return ""


def are_fit(session_ids: pd.Series[str]) -> pd.Series[bool]:
    """Of each id, whether a session may be called so."""
    return session_ids.map(lambda one: not unfit(one)).astype(bool)
