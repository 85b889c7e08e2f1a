"""Pages of a list: an opaque cursor holds the key of the last row, never its number.

A list is ordered by a key that no row ever changes. So while rows are added, whoever follows
cursors sees each row at most once, and every row that was there at the first page and still is.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Connection, Row, Select, String, literal, tuple_

from trading.web.problems import Problem

MOST_ROWS = 1000
DEFAULT_ROWS = 100

T = TypeVar("T")
KeyPart = int | str
_KEY_BITS = 63


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T] = Field(description="The rows.")
    next: str | None = Field(description="The cursor of the next page; null on the last.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which page is asked for.

    Attributes:
        limit: rows at most.
        after: key of the last row before it; None for the first page.
        is_descending: whether the last rows come first.
        scope: what the cursor belongs to: a list, its filters and its order.
    """

    limit: int
    after: tuple[KeyPart, ...] | None
    is_descending: bool
    scope: str

    def cursor(self, key: Sequence[KeyPart]) -> str:
        """The cursor of the page after the row with this key."""
        told = json.dumps([self.scope, *key], separators=(",", ":"))
        return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")

    def after_key(self, kinds: Sequence[type]) -> tuple[KeyPart, ...] | None:
        """`after`, if it is a key of these types.

        Raises:
            Problem: 404, it is not.
        """
        if self.after is None:
            return None
        if [type(part) for part in self.after] != list(kinds):
            raise _unknown_cursor()
        return self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged(Generic[T]):
    """The rows of one page, and the cursor of the next."""

    rows: list[T]
    next: str | None


async def _cut(
    request: Request,
    limit: Annotated[
        int, Query(ge=1, le=MOST_ROWS, description="The most rows of a page.")
    ] = DEFAULT_ROWS,
    order: Annotated[
        Literal["asc", "desc"], Query(description="`desc` gives the last rows first.")
    ] = "asc",
    cursor: Annotated[
        str | None,
        Query(
            max_length=2000,
            description="`next` of the page before, with the same filters; 404 for any other.",
        ),
    ] = None,
) -> Cut:
    filters = sorted(
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in ("cursor", "limit")
    )
    told = json.dumps([request.url.path, filters])
    scope = blake2b(told.encode(errors="replace"), digest_size=6).hexdigest()
    return Cut(
        limit=limit,
        after=None if cursor is None else _key_in(cursor, scope),
        is_descending=order == "desc",
        scope=scope,
    )


CutQuery = Annotated[Cut, Depends(_cut)]


def _key_in(cursor: str, scope: str) -> tuple[KeyPart, ...]:
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        found = json.loads(raw)
    except (UnicodeError, binascii.Error, ValueError, RecursionError):
        raise _unknown_cursor() from None
    if not isinstance(found, list) or not found or found[0] != scope:
        raise _unknown_cursor()
    key = found[1:]
    if not all(_is_key_part(part) for part in key):
        raise _unknown_cursor()
    return tuple(key)


def _is_key_part(part: object) -> bool:
    if isinstance(part, str):
        # What no database takes: half of a character, or the end of a text in C.
        return "\0" not in part and not any("\ud800" <= sign <= "\udfff" for sign in part)
    return type(part) is int and part.bit_length() <= _KEY_BITS


def _unknown_cursor() -> Problem:
    return Problem(
        404,
        "the cursor is of no page of this list with these filters",
        "Take `next` of the page before and keep all other parameters, or begin without a cursor.",
    )


def page_of_query(
    connection: Connection,
    query: Select[Any],
    key: Sequence[ColumnElement[Any]],
    cut: Cut,
) -> Paged[Row[Any]]:
    """A page of a query's rows.

    Args:
        connection: to the database.
        query: without order or limit; its columns hold those of `key` by their names. Texts are
            in the order of their code points, whatever the language of the database.
        key: columns that together name a row, and that never change; whole numbers or texts.
        cut: which page.
    """
    after = cut.after_key([column.type.python_type for column in key])
    ordered = [plainly(connection, column) for column in key]
    if after is not None:
        here = tuple_(*ordered)
        there = tuple_(*(literal(v, c.type) for v, c in zip(after, key, strict=True)))
        query = query.where(here < there if cut.is_descending else here > there)
    query = query.order_by(*(one.desc() if cut.is_descending else one for one in ordered))
    rows = list(connection.execute(query.limit(cut.limit + 1)))
    names = [str(column.key) for column in key]
    return _paged(rows, lambda row: tuple(getattr(row, name) for name in names), cut)


def plainly(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column whose texts are compared as SQLite compares them: by their code points."""
    is_text = isinstance(column.type, String)
    return column.collate("C") if is_text and connection.dialect.name == "postgresql" else column


def page_of_rows(
    rows: Sequence[T], key_of: Callable[[T], tuple[KeyPart, ...]], cut: Cut
) -> Paged[T]:
    """A page of rows that are in memory; their keys are of one shape and differ."""
    ordered = sorted(rows, key=key_of, reverse=cut.is_descending)
    if ordered and cut.after is not None:
        after = cut.after_key([type(part) for part in key_of(ordered[0])])
        assert after is not None
        ordered = [
            row for row in ordered if (key_of(row) < after if cut.is_descending
                                       else key_of(row) > after)
        ]  # fmt: skip
    return _paged(ordered[: cut.limit + 1], key_of, cut)


def _paged(rows: list[T], key_of: Callable[[T], tuple[KeyPart, ...]], cut: Cut) -> Paged[T]:
    shown = rows[: cut.limit]
    has_more = len(rows) > cut.limit
    return Paged(rows=shown, next=cut.cursor(key_of(shown[-1])) if has_more else None)
