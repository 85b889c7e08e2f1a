"""Comparisons of mechanisms: what can be compared, asking for one, how far it is, ending it.

What one found is a run: its tables, figures and report are under `/runs/{run}`.
"""

from __future__ import annotations

from fastapi import Request, Response

from trading.web.formats import LIST_ANSWERS, answer_list
from trading.web.pages import CutQuery, Page, page_of_rows
from trading.web.problems import Problem, documented
from trading.web.routes.common import Consortium, From, Name, topic
from trading.web.source import Source
from trading.web.studies import Studies
from trading.web.study_rows import StudyIn, StudyOptionsOut, StudyOut, StudyRow
from trading.web.writes import Write

router = topic("studies")


@router.get("/studies/options", responses=documented(404))
def study_options(_who: Consortium, source: From) -> StudyOptionsOut:
    """What can be compared here."""
    return _studies(source).options()


@router.get("/studies", response_model=Page[StudyRow], responses=LIST_ANSWERS)
def list_studies(request: Request, _who: Consortium, source: From, cut: CutQuery) -> Response:
    """Comparisons by id, and so by when they were asked for; empty where none can be run."""
    rows = source.studies.listed() if source.studies is not None else []
    return answer_list(request, StudyRow, page_of_rows(rows, lambda row: (row.study,), cut))


@router.post("/studies", status_code=201, responses=documented(400, 404, 409, 413))
def start_study(asked: StudyIn, _who: Consortium, source: From, write: Write) -> StudyOut:
    """Ask for a comparison. It runs as soon as those before it have ended."""
    write.is_to("comparison asked for", "comparison not taken")
    started = _studies(source).start(asked)
    write.came(study=started.study)
    return started


@router.get("/studies/{study}", responses=documented(404))
def one_study(study: Name, _who: Consortium, source: From) -> StudyOut:
    """One comparison: what was asked for, and how far it is in counted steps."""
    return _studies(source).study(study)


@router.post("/studies/{study}/cancel", responses=documented(404))
def cancel_study(study: Name, _who: Consortium, source: From, write: Write) -> StudyOut:
    """End a comparison that waits or runs; it leaves nothing. What has ended stays."""
    write.is_to("comparison cancelled", "comparison not cancelled", study=study)
    return _studies(source).cancel(study)


def _studies(source: Source) -> Studies:
    if source.studies is None:
        raise Problem(404, "this service runs no comparisons",
                      "Whoever runs it starts it with --runs DIR.")  # fmt: skip
    return source.studies
