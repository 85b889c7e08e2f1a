"""Operators' nodes: how each is, what it found, and what people decide for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from trading.operators.batches import (
    MOST_BATCHES,
    AnsweredOut,
    AnswerIn,
    NodeBatches,
    NodeBatchOut,
    Said,
)
from trading.operators.node import REASON_BYTES
from trading.operators.questions import LONGEST_WHO, Decision
from trading.web.auth import OWNER_CLAIM, Principal
from trading.web.formats import LIST_ANSWERS, answer_list
from trading.web.nodes import NodeRow, Nodes, OperatorDoor
from trading.web.pages import CutQuery, Page, page_of_rows
from trading.web.problems import Problem, documented
from trading.web.routes.common import From, Operator, topic
from trading.web.source import Source
from trading.web.writes import Write

router = topic("operator nodes")

OperatorAddress = Annotated[str, Path(pattern="^0x[0-9a-fA-F]{40}$")]
PathBatchId = Annotated[str, Path(pattern="^0x[0-9a-f]{64}$")]


class DecisionIn(BaseModel):
    """What a person decides on a batch; who it is follows from the token."""

    model_config = ConfigDict(extra="forbid")

    vote: Decision
    reason: Annotated[str, Field(strict=True, max_length=REASON_BYTES)] = Field(
        default="",
        description="One line; may be empty where the vote is the node's own. That of a rejection "
        "stands on the chain for good.",
    )


@router.get("/operator-nodes", response_model=Page[NodeRow], responses=LIST_ANSWERS)
def list_nodes(request: Request, who: Operator, source: From, cut: CutQuery) -> Response:
    """The nodes that this service reaches, and how each is; one that does not answer says so."""
    nodes = source.nodes
    rows: list[NodeRow] = []
    if nodes is not None:
        rows = source.kept.get(
            ("nodes", who.owners),
            lambda: nodes.rows(owners=who.owners, market=source.publication.digest),
        )
    return answer_list(request, NodeRow, page_of_rows(rows, lambda row: (row.node,), cut))


@router.get("/operator-nodes/{operator}/batches", responses=documented(404))
def list_node_batches(
    operator: OperatorAddress,
    who: Operator,
    source: From,
    said: Said | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_BATCHES)] = 50,
) -> NodeBatches:
    """A node's batches: those on which people are asked first, then the latest."""
    return _own_door(source, who, operator).batches(said=said, limit=limit)


@router.get("/operator-nodes/{operator}/batches/{batch_id}", responses=documented(404))
def one_node_batch(
    operator: OperatorAddress, batch_id: PathBatchId, who: Operator, source: From
) -> NodeBatchOut:
    """A batch as a node sees it: what became of each rule, and who trades what in it."""
    return _own_door(source, who, operator).batch(batch_id)


@router.post(
    "/operator-nodes/{operator}/batches/{batch_id}/answer",
    responses=documented(400, 404, 409, 413),
)
def answer_node(
    operator: OperatorAddress,
    batch_id: PathBatchId,
    decision: DecisionIn,
    who: Operator,
    source: From,
    write: Write,
) -> AnsweredOut:
    """Confirm or reject a batch on which the node asks people.

    What is decided counts also against what the node found, and is stored by the node before this
    answers; the vote follows. The same again does no harm.
    """
    told = {"operator": operator, "batch": batch_id, "vote": decision.vote}
    write.is_to("batch answered", "batch not answered", **told)
    door = _own_door(source, who, operator)
    if len(who.subject) > LONGEST_WHO or not who.subject.isprintable():
        raise Problem(
            403,
            "the token's subject cannot be kept as a name",
            f"Have the issuer give a subject of at most {LONGEST_WHO} printable characters.",
        )
    given = AnswerIn(vote=decision.vote, reason=decision.reason, who=who.subject)
    answered = door.answer(batch_id, given)
    write.came(reason=decision.reason, is_new=answered.is_new)
    return answered


def _own_door(source: Source, who: Principal, operator: str) -> OperatorDoor:
    """The door to a node that the caller may act for.

    Raises:
        Problem: 403, it is another's; 404, it is not reached here; 503, none is.
    """
    if operator.lower() not in who.owners:
        raise Problem(
            403,
            "this node is of another operator than the token is",
            f"Use a token with the node's address in its claim {OWNER_CLAIM}.",
        )
    nodes: Nodes | None = source.nodes
    if nodes is None:
        raise Problem(
            503,
            "this service reaches no operators' nodes",
            "Whoever runs it starts it with --operator URL and PEERCHARGE_OPERATOR_TOKEN.",
        )
    return nodes.door(operator)
