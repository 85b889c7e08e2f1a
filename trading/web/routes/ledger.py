"""The consortium's side: accounts and what moved in and out, operators, the rules in force."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Request, Response
from sqlalchemy import Row, case, func, select

from trading.store.schema import MIRROR_ACCOUNTS, MIRROR_EVENTS, MIRROR_OPERATORS, MIRROR_VOTES
from trading.web.auth import Principal
from trading.web.formats import LIST_ANSWERS, answer_list
from trading.web.pages import CutQuery, Page, Paged, page_of_query, page_of_rows
from trading.web.problems import Problem, documented
from trading.web.routes.common import Address, Anyone, From, Since, Text, Until, Whole, topic
from trading.web.rows import AccountRow, ConsortiumOut, LotOut, MovementRow, OperatorRow
from trading.web.source import Own, event_of, json_whole
from trading.web.views import unix_s, utc

router = topic("ledger")

_MOVES: dict[str, tuple[Literal["deposit", "withdrawal"], str]] = {
    "Deposited": ("deposit", "from"),
    "Withdrawn": ("withdrawal", "to"),
}
"""By event: what it is, and the argument that names the other side."""

AccountNumber = Annotated[int, Path(ge=0, le=2**32 - 1)]


@router.get("/accounts", response_model=Page[AccountRow], responses=LIST_ANSWERS)
def list_accounts(
    request: Request,
    who: Anyone,
    source: From,
    cut: CutQuery,
    owner: Address = None,
    session_id: Text = None,
) -> Response:
    """Accounts by number, with balances and limits."""
    columns = MIRROR_ACCOUNTS.c
    with source.look() as connection:
        own = source.own(connection, who)
        names = source.sessions_by_tag(connection)
        query = select(MIRROR_ACCOUNTS)
        if not who.sees_trades:
            query = query.where(columns.account.in_(own.accounts))
        if owner is not None:
            query = query.where(func.lower(columns.owner) == owner.lower())
        if session_id is not None:
            is_hidden = not who.sees_vehicles and session_id not in own.sessions
            tag = None if is_hidden else source.tag_of(session_id)
            query = query.where(columns.tag == tag)
        page = page_of_query(connection, query, [columns.account], cut)
        now_s = source.chain_time_s(connection)
    rows = [_account(row, who, own, names, now_s) for row in page.rows]
    return answer_list(request, AccountRow, Paged(rows=rows, next=page.next))


@router.get("/accounts/{account}", responses=documented(404))
def one_account(account: AccountNumber, who: Anyone, source: From) -> AccountRow:
    """One account; for a driver another's does not exist."""
    columns = MIRROR_ACCOUNTS.c
    with source.look() as connection:
        own = source.own(connection, who)
        names = source.sessions_by_tag(connection)
        row = connection.execute(select(MIRROR_ACCOUNTS).where(columns.account == account)).first()
        now_s = source.chain_time_s(connection)
    if row is None or not (who.sees_trades or account in own.accounts):
        raise Problem(404, "there is no such account")
    return _account(row, who, own, names, now_s)


@router.get("/movements", response_model=Page[MovementRow], responses=LIST_ANSWERS)
def list_movements(
    request: Request,
    who: Anyone,
    source: From,
    cut: CutQuery,
    account: Whole = None,
    kind: Literal["deposit", "withdrawal"] | None = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Deposits and withdrawals in the order of the chain."""
    columns = MIRROR_EVENTS.c
    wanted = [name for name, (what, _) in _MOVES.items() if kind in (None, what)]
    with source.look() as connection:
        number = json_whole(connection, columns.arguments, "account")
        query = select(MIRROR_EVENTS).where(columns.name.in_(wanted))
        if not who.sees_trades:
            query = query.where(number.in_(source.own(connection, who).accounts))
        if account is not None:
            query = query.where(number == account)
        if since is not None:
            query = query.where(columns.time >= unix_s(since))
        if until is not None:
            query = query.where(columns.time < unix_s(until))
        page = page_of_query(connection, query, [columns.block, columns.position], cut)
    rows = [_movement(row) for row in page.rows]
    return answer_list(request, MovementRow, Paged(rows=rows, next=page.next))


@router.get("/operators", response_model=Page[OperatorRow], responses=LIST_ANSWERS)
def list_operators(request: Request, _who: Anyone, source: From, cut: CutQuery) -> Response:
    """Operators by seat, with how often each confirmed and rejected."""
    votes, seats = MIRROR_VOTES.c, MIRROR_OPERATORS.c
    record = (
        select(
            votes.operator,
            func.sum(case((votes.is_confirmation, 1), else_=0)).label("confirmations"),
            func.sum(case((votes.is_confirmation, 0), else_=1)).label("rejections"),
            func.max(votes.voted_at).label("last_vote_at"),
        )
        .group_by(votes.operator)
        .subquery()
    )
    query = select(seats.seat, seats.address, record).outerjoin_from(
        MIRROR_OPERATORS, record, seats.address == record.c.operator
    )
    with source.look() as connection:
        found = connection.execute(query).all()
    rows = [
        OperatorRow(
            seat=row.seat,
            address=row.address,
            confirmations=int(row.confirmations or 0),
            rejections=int(row.rejections or 0),
            last_vote_at=None if row.last_vote_at is None else utc(row.last_vote_at),
        )
        for row in found
    ]
    return answer_list(request, OperatorRow, page_of_rows(rows, lambda row: (row.seat,), cut))


@router.get("/consortium")
def consortium(_who: Anyone, source: From) -> ConsortiumOut:
    """What the authority set: quorum, price band, who takes part."""
    with source.look() as connection:
        ledger, identity = source.consortium(connection), source.identity(connection)
        head, looked_at = source.head(connection), source.looked_at(connection)
    return ConsortiumOut(
        chain_id=int(identity.get("chain", 0)),
        contract=identity.get("contract", ""),
        authority=ledger.authority,
        pending_authority=ledger.pending_authority,
        quorum=ledger.quorum,
        n_operators=len(ledger.seats),
        lowest_price_ueur_per_kwh=ledger.band.lowest_ueur_per_kwh,
        highest_price_ueur_per_kwh=ledger.band.highest_ueur_per_kwh,
        largest_spread_ueur_per_kwh=ledger.largest_spread_ueur_per_kwh,
        is_paused=ledger.is_paused,
        aggregators=sorted(ledger.aggregators),
        lots=[
            LotOut(lot=lot, account=account, is_open=lot in ledger.open_lots)
            for lot, account in sorted(ledger.lots.items())
        ],
        head=head,
        looked_at=None if looked_at is None else utc(looked_at),
        is_connected=source.chain is not None,
    )


def _account(
    row: Row[Any], who: Principal, own: Own, names: dict[str, str], now_s: int
) -> AccountRow:
    name = names.get(row.tag)
    is_seen = who.sees_vehicles or name in own.sessions
    return AccountRow(
        account=row.account,
        owner=row.owner,
        tag=row.tag,
        session_id=name if is_seen else None,
        free_ueur=row.free_ueur,
        locked_ueur=row.locked_ueur,
        sequence=row.sequence,
        max_buy_ueur_per_kwh=row.max_buy_ueur_per_kwh,
        min_sell_ueur_per_kwh=row.min_sell_ueur_per_kwh,
        valid_until=None if row.valid_until is None else utc(row.valid_until),
        # As the contract has it: their last second is theirs.
        is_in_force=row.valid_until is not None and row.valid_until >= now_s,
        aggregator=row.aggregator,
        open_to_buyers=row.open_to_buyers,
    )


def _movement(row: Row[Any]) -> MovementRow:
    event = event_of(row)
    kind, other = _MOVES[event.name]
    return MovementRow(
        time=utc(event.time),
        account=event.arguments["account"],
        kind=kind,
        amount_ueur=event.arguments["amount"],
        counterparty=event.arguments[other],
        block=event.block,
        position=event.position,
        transaction=event.transaction,
    )
