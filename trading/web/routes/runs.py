"""Finished runs: their summaries, tables, figures and reports."""

from __future__ import annotations

from pathlib import PurePath

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from trading.web.formats import (
    CSV,
    LIST_ANSWERS,
    PARQUET,
    TABLES,
    accepted,
    answer_frame,
    answer_list,
    pieces_of_file,
    pieces_of_frame,
)
from trading.web.pages import CutQuery, Page, page_of_rows
from trading.web.problems import Problem, documented
from trading.web.routes.common import Consortium, From, Name, topic
from trading.web.rows import RunOut, RunRow
from trading.web.runs import CSV_ENDING, PARQUET_ENDING, PICTURES, Runs
from trading.web.source import Source

router = topic("runs")

_REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A report is a page by itself, and so is a figure: style and pictures are in it, nothing runs."""
_KINDS = {CSV_ENDING: CSV, PARQUET_ENDING: PARQUET}


@router.get("/runs", response_model=Page[RunRow], responses=LIST_ANSWERS)
def list_runs(request: Request, _who: Consortium, source: From, cut: CutQuery) -> Response:
    """Runs by name; empty where the service was given no folder of runs."""
    rows = source.runs.listed() if source.runs is not None else []
    return answer_list(request, RunRow, page_of_rows(rows, lambda row: (row.name,), cut))


@router.get("/runs/{run}", responses=documented(404, 409))
def one_run(run: Name, _who: Consortium, source: From) -> RunOut:
    """One run with its summary."""
    runs = _runs(source)
    return RunOut(**runs.run(run).model_dump(), summary=runs.summary(run))


@router.get(
    "/runs/{run}/tables/{table}",
    response_model=Page[dict[str, object]],
    responses={**LIST_ANSWERS, **documented(404, 406, 409)},
)
def run_table(
    request: Request, run: Name, table: Name, _who: Consortium, source: From, cut: CutQuery
) -> Response:
    """A table of a run, such as `trades.csv`, in any of the formats; by row."""
    frame, written_ns = _runs(source).table(run, table)
    # A cursor of the table as it was before does not hold.
    after = cut.after_key([int, int])
    if after is not None and after[0] != written_ns:
        raise Problem(409, "the table was written anew", "Begin again without a cursor.")
    rows = range(len(frame)) if after is None else (
        range(int(after[1])) if cut.is_descending else range(int(after[1]) + 1, len(frame))
    )  # fmt: skip
    ordered = list(reversed(rows)) if cut.is_descending else list(rows)
    shown = ordered[: cut.limit]
    has_more = len(ordered) > len(shown)
    cursor = cut.cursor((written_ns, shown[-1])) if has_more else None
    return answer_frame(request, frame.iloc[shown], cursor)


@router.get(
    "/runs/{run}/tables/{table}/whole",
    response_model=Page[dict[str, object]],
    responses={200: {"content": LIST_ANSWERS[200]["content"]}, **documented(404, 406, 409)},
)
def whole_table(
    request: Request, run: Name, table: Name, _who: Consortium, source: From
) -> Response:
    """All rows of a table in one answer, in any of the formats; in its own as it was written."""
    kind, runs = accepted(request, TABLES), _runs(source)
    if kind == _KINDS.get(PurePath(table).suffix):
        pieces = pieces_of_file(runs.file(run, table))
    else:
        pieces = pieces_of_frame(runs.table(run, table)[0], kind)
    return StreamingResponse(pieces, media_type=kind)


@router.get(
    "/runs/{run}/figures/{figure}",
    response_class=Response,
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in PICTURES.values()
            }
        },
        **documented(404),
    },
)
def run_figure(run: Name, figure: Name, _who: Consortium, source: From) -> Response:
    """A figure of a run, PNG or SVG by its name."""
    return Response(
        _runs(source).figure(run, figure),
        headers={"Content-Security-Policy": _REPORT_POLICY},
        media_type=PICTURES[PurePath(figure).suffix],
    )


@router.get(
    "/runs/{run}/report",
    response_class=Response,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **documented(404),
    },
)
def run_report(run: Name, _who: Consortium, source: From) -> Response:
    """The report of a run, one HTML page without scripts."""
    return Response(
        _runs(source).report(run),
        headers={"Content-Security-Policy": _REPORT_POLICY},
        media_type="text/html",
    )


def _runs(source: Source) -> Runs:
    if source.runs is None:
        raise Problem(404, "this service was given no runs",
                      "Whoever runs it starts it with --runs DIR.")  # fmt: skip
    return source.runs
