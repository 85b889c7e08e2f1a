"""Parameters that a route does not have: refused, not ignored."""

from __future__ import annotations

from fastapi import Request
from fastapi.dependencies.models import Dependant

from trading.web.problems import Problem


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a filter that is misspelt or told twice, which would choose other rows than meant.

    Raises:
        Problem: 422, with the names that there are.
    """
    known = _names(request.scope["route"].dependant)
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            expected = "one of " + ", ".join(known) if known else "no parameters"
            raise Problem(422, f"query: expected {expected}, found another name")
        if names.count(name) > 1:
            raise Problem(422, f"query.{name}: expected once, found {names.count(name)} times")


def _names(dependant: Dependant) -> list[str]:
    own = [field.alias for field in dependant.query_params]
    return own + [name for part in dependant.dependencies for name in _names(part)]
