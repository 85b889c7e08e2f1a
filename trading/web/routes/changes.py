"""What the authority changes: shown before it is sent, and sent as it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import Body, Request, Response
from sqlalchemy import select

from trading.chain.changes import Change, Difference, command_of, differences_of, preview
from trading.chain.rebuild import Ledger
from trading.store.schema import MIRROR_EVENTS
from trading.web.act_rows import (
    ChangeIn,
    ChangePreviewOut,
    ChangeRow,
    ChangeSentOut,
    DifferenceOut,
)
from trading.web.auth import Principal, Role, allow
from trading.web.chain import governance_with
from trading.web.formats import LIST_ANSWERS, answer_list
from trading.web.pages import CutQuery, Page, Paged, page_of_query
from trading.web.problems import Problem, documented
from trading.web.routes.common import Anyone, Chain, From, Since, Until, call_out, topic
from trading.web.source import GOVERNANCE, Source, event_of
from trading.web.views import unix_s, utc
from trading.web.writes import Write

router = topic("changes")

Authority = Annotated[Principal, allow(Role.AUTHORITY)]


@router.get("/consortium/changes", response_model=Page[ChangeRow], responses=LIST_ANSWERS)
def list_changes(
    request: Request,
    _who: Anyone,
    source: From,
    cut: CutQuery,
    since: Since = None,
    until: Until = None,
) -> Response:
    """What the authority changed so far, in the order of the chain."""
    columns = MIRROR_EVENTS.c
    query = select(MIRROR_EVENTS).where(columns.name.in_(GOVERNANCE))
    if since is not None:
        query = query.where(columns.time >= unix_s(since))
    if until is not None:
        query = query.where(columns.time < unix_s(until))
    with source.look() as connection:
        page = page_of_query(connection, query, [columns.block, columns.position], cut)
    rows = [
        ChangeRow(
            time=utc(event.time),
            name=event.name,
            arguments=event.arguments,
            actor=event.actor,
            block=event.block,
            position=event.position,
            transaction=event.transaction,
        )
        for event in map(event_of, page.rows)
    ]
    return answer_list(request, ChangeRow, Paged(rows=rows, next=page.next))


@router.post("/consortium/changes/preview", responses=documented(400, 413))
def preview_change(
    change: Annotated[Change, Body(discriminator="change")],
    _who: Authority,
    source: From,
    chain: Chain,
) -> ChangePreviewOut:
    """What a change would do, were it sent now, and every part of what would be sent.

    Nothing is sent. What the contract would refuse is told with the reason, under `refusal`.
    """
    known = _known(source)
    with chain.use() as consortium:
        shown = preview(consortium, change, governance_with(consortium, known, change))
        return ChangePreviewOut(
            change=change,
            about=str(type(change).__doc__),
            digest=shown.digest,
            chain_id=consortium.domain.chain_id,
            call=call_out(consortium, change.function, *change.arguments(), sender=shown.sender),
            is_accepted=shown.refusal is None,
            refusal=str(shown.refusal or ""),
            differences=_told(shown.differences),
            is_sent_here=chain.holds(shown.sender),
            command=f"peercharge {command_of(change)}",
        )


@router.post("/consortium/changes", responses=documented(400, 409, 413))
def send_change(
    given: ChangeIn, _who: Authority, source: From, chain: Chain, write: Write
) -> ChangeSentOut:
    """Send a change with the authority's key, once it was shown.

    What is sent is what was shown: where anything is another since, it is refused with 409.
    """
    change = given.change
    told = {"change": change.model_dump(), "digest": given.digest}
    write.is_to("change sent", "change not sent", **told)
    known = _known(source)
    with chain.use() as consortium:
        shown = preview(consortium, change, governance_with(consortium, known, change))
        if shown.digest != given.digest:
            raise Problem(
                409,
                "what was shown is not what would be sent now: something changed since",
                "Look at the change again, then send it with the new digest.",
            )
        if shown.refusal is not None:
            raise shown.refusal
        key = chain.authority
        if key is None or key.address != shown.sender:
            raise Problem(
                503,
                f"this service does not hold the key of the authority, {shown.sender}",
                f"Whoever holds it sends the same with `peercharge {command_of(change)}`.",
            )
        call = consortium.call(change.function, *change.arguments(), by=key)
        receipt = consortium.send_all([call])[0]
    write.came(transaction=receipt.transaction, block=receipt.block)
    chain.sent()
    # It is sent, whatever becomes of the look at what it did.
    with chain.use() as consortium:
        after = governance_with(consortium, known, change)
    return ChangeSentOut(
        transaction=receipt.transaction,
        block=receipt.block,
        time=utc(receipt.time),
        gas_used=receipt.gas_used,
        differences=_told(differences_of(shown.before, after)),
    )


def _known(source: Source) -> Ledger:
    with source.look() as connection:
        return source.consortium(connection)


def _told(differences: Sequence[Difference]) -> list[DifferenceOut]:
    return [DifferenceOut(**asdict(one)) for one in differences]
