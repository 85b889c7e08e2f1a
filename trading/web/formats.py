"""One list, three formats: JSON, CSV or Parquet, by the header Accept.

CSV and Parquet hold the rows alone; the cursor of the next page is in the header Link in all three.
What is nested in a row is JSON in a cell of theirs.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import tempfile
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import Request, Response
from pydantic import BaseModel

from trading.serving import PROBLEM
from trading.web.pages import Paged
from trading.web.problems import Problem, documented

JSON = "application/json"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
EVENTS = "text/event-stream"
TABLES = (JSON, CSV, PARQUET)
"""What a list and a table come as."""
_PIECE_ROWS = 5_000
_PIECE_BYTES = 1 << 18

_KINDS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    dt.datetime: pa.timestamp("us", tz="UTC"),
}

LIST_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": {
                "description": 'The next page, `rel="next"`; not on the last.',
                "schema": {"type": "string"},
            }
        },
        "content": {
            CSV: {"schema": {"type": "string"}},
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        },
    },
    **documented(404, 406),
}
"""What every list declares besides its rows."""


def accepted(request: Request, offered: Sequence[str]) -> str:
    """The media type to answer with: of those offered, the one that the client likes best.

    Raises:
        Problem: 406, it likes none of them.
    """
    ranges = [_range(part) for part in request.headers.get("accept", "*/*").split(",")]
    best, best_quality = "", 0.0
    for kind in offered:
        fitting = [found for found in ranges if found[0] in (kind, _any_of(kind), "*/*")]
        # The most particular range counts, not the most generous.
        quality = max(fitting, key=lambda found: found[0].count("*") * -1)[1] if fitting else 0.0
        if quality > best_quality:
            best, best_quality = kind, quality
    if not best:
        raise Problem(406, "none of the media types in Accept is offered here",
                      "Accept one of " + ", ".join(offered) + ".")  # fmt: skip
    return best


def answer_list(request: Request, model: type[BaseModel], page: Paged[Any]) -> Response:
    """Rows of a model in the format that was asked for."""
    kind = accepted(request, TABLES)
    headers = _link(request, page.next)
    if kind == JSON:
        rows = ",".join(row.model_dump_json() for row in page.rows)
        content = f'{{"items":[{rows}],"next":{json.dumps(page.next)}}}'
        return Response(content, headers=headers, media_type=JSON)
    names = list(model.model_fields)
    plain = [row.model_dump() for row in page.rows]
    if kind == CSV:
        return Response(_csv(names, plain), headers=headers, media_type=CSV)
    schema = pa.schema([(name, _arrow(model.model_fields[name].annotation)) for name in names])
    cells = [
        {n: _json(v) if isinstance(v, list | dict) else v for n, v in row.items()} for row in plain
    ]
    return _parquet(pa.Table.from_pylist(cells, schema=schema), headers)


def answer_frame(request: Request, frame: pd.DataFrame, next_cursor: str | None) -> Response:
    """A frame of any columns in the format that was asked for."""
    kind = accepted(request, TABLES)
    headers = _link(request, next_cursor)
    if kind == JSON:
        content = f'{{"items":{_json_rows(frame)},"next":{json.dumps(next_cursor)}}}'
        return Response(content, headers=headers, media_type=JSON)
    if kind == CSV:
        text = frame.to_csv(index=False, lineterminator="\n")
        return Response(text, headers=headers, media_type=CSV)
    return _parquet(pa.Table.from_pandas(frame, preserve_index=False), headers)


def pieces_of_file(file: BinaryIO) -> Iterator[bytes]:
    """What an open file holds from here on, a piece at a time; it is closed at the end."""
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def pieces_of_frame(frame: pd.DataFrame, kind: str) -> Iterator[bytes]:
    """A whole frame in one of `TABLES`, a piece at a time; the shape is that of `answer_frame`."""
    starts = range(0, max(len(frame), 1), _PIECE_ROWS)
    parts = (frame.iloc[start : start + _PIECE_ROWS] for start in starts)
    if kind == PARQUET:
        return _parquet_pieces(frame, parts)
    return (text.encode() for text in (_json_pieces(parts) if kind == JSON else _csv_pieces(parts)))


def _csv_pieces(parts: Iterable[pd.DataFrame]) -> Iterator[str]:
    for number, part in enumerate(parts):
        yield part.to_csv(index=False, header=number == 0, lineterminator="\n")


def _json_pieces(parts: Iterable[pd.DataFrame]) -> Iterator[str]:
    yield '{"items":['
    for number, part in enumerate(parts):
        if not part.empty:
            yield ("," if number else "") + _json_rows(part)[1:-1]
    yield '],"next":null}'


def _parquet_pieces(frame: pd.DataFrame, parts: Iterable[pd.DataFrame]) -> Iterator[bytes]:
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    with tempfile.TemporaryFile() as file:
        with pq.ParquetWriter(file, schema) as writer:
            for part in parts:
                writer.write_table(pa.Table.from_pandas(part, schema, preserve_index=False))
        file.seek(0)
        yield from pieces_of_file(file)


def _json_rows(frame: pd.DataFrame) -> str:
    return frame.to_json(orient="records", date_format="iso", double_precision=15)


def time_text(time: dt.datetime) -> str:
    """A time as in our files: ISO 8601 with Z, a fraction only where there is one."""
    return time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _range(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return kind or "*/*", quality if 0 <= quality <= 1 else 0.0


def _any_of(kind: str) -> str:
    return kind.split("/")[0] + "/*"


def _link(request: Request, cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    place = request.url.include_query_params(cursor=cursor)
    return {"Link": f'<{place.path}?{place.query}>; rel="next"'}


def _csv(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, dt.datetime):
        return time_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    return _json(value) if isinstance(value, list | dict) else value


def _json(value: object) -> str:
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    assert isinstance(value, dt.datetime)
    return time_text(value)


def _arrow(annotation: Any) -> pa.DataType:
    if isinstance(annotation, types.UnionType):
        annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, str):
        annotation = str
    return _KINDS.get(annotation, pa.string())


def _parquet(table: Any, headers: dict[str, str]) -> Response:
    out = io.BytesIO()
    pq.write_table(table, out)
    return Response(out.getvalue(), headers=headers, media_type=PARQUET)


__all__ = ["CSV", "EVENTS", "JSON", "LIST_ANSWERS", "PARQUET", "PROBLEM", "TABLES", "accepted",
           "answer_frame", "answer_list", "pieces_of_file", "pieces_of_frame",
           "time_text"]  # fmt: skip
