"""The lot now: vehicles and their roles, orders of the coming interval, load and price."""

from __future__ import annotations

from typing import Literal

from fastapi import Request, Response

from trading.web.formats import LIST_ANSWERS, answer_list
from trading.web.pages import CutQuery, Page, page_of_rows
from trading.web.routes.common import Anyone, At, From, LotParty, Since, Text, Until, topic
from trading.web.rows import LoadRow, LotNowOut, OrderRow, PriceRow, SavingsOut, VehicleRow
from trading.web.views import (
    load_between,
    lot_now,
    orders_at,
    prices_between,
    savings_between,
    unix_s,
    vehicles_at,
    window,
)

router = topic("market")


@router.get("/lot")
def the_lot(_who: Anyone, source: From) -> LotNowOut:
    """The lot and its clock."""
    with source.look() as connection:
        found: LotNowOut = source.kept.get("lot", lambda: lot_now(source, connection))
    return found


@router.get("/savings")
def savings(_who: Anyone, source: From, since: Since = None, until: Until = None) -> SavingsOut:
    """What trading moved; at most seven days at a time."""
    with source.look() as connection:
        between = window(source, connection, since, until)
        found: SavingsOut = source.kept.get(
            ("savings", between), lambda: savings_between(source, connection, *between)
        )
    return found


@router.get("/vehicles", response_model=Page[VehicleRow], responses=LIST_ANSWERS)
def list_vehicles(
    request: Request,
    who: LotParty,
    source: From,
    cut: CutQuery,
    at: At = None,
    role: Literal["buyer", "seller", "neutral"] | None = None,
    session_id: Text = None,
) -> Response:
    """Vehicles that stand in the lot, by session id."""
    with source.look() as connection:
        at_s = source.lot_time_s(connection) if at is None else unix_s(at)
        rows: list[VehicleRow] = source.kept.get(
            ("vehicles", at_s), lambda: vehicles_at(source, connection, at_s)
        )
        if not who.sees_vehicles:
            own = source.own(connection, who).sessions
            rows = [row for row in rows if row.session_id in own]
    rows = [
        row for row in rows
        if role in (None, row.role) and session_id in (None, row.session_id)
    ]  # fmt: skip
    page = page_of_rows(rows, lambda row: (row.session_id,), cut)
    return answer_list(request, VehicleRow, page)


@router.get("/orders", response_model=Page[OrderRow], responses=LIST_ANSWERS)
def list_orders(
    request: Request,
    who: LotParty,
    source: From,
    cut: CutQuery,
    at: At = None,
    side: Literal["buy", "sell"] | None = None,
) -> Response:
    """What is bid and asked for the coming interval, by session id.

    Without both bids and asks there is no market, and the list is empty. Before the gate of the
    interval closes it is a preview.
    """
    with source.look() as connection:
        at_s = source.lot_time_s(connection) if at is None else unix_s(at)
        step = source.publication.rules.interval_s
        rows: list[OrderRow] = source.kept.get(
            ("orders", at_s // step), lambda: orders_at(source, connection, at_s)
        )
        if not who.sees_vehicles:
            own = source.own(connection, who).sessions
            rows = [row for row in rows if row.session_id in own]
    rows = [row for row in rows if side in (None, row.side)]
    page = page_of_rows(rows, lambda row: (row.session_id,), cut)
    return answer_list(request, OrderRow, page)


@router.get("/load", response_model=Page[LoadRow], responses=LIST_ANSWERS)
def list_load(
    request: Request,
    _who: Anyone,
    source: From,
    cut: CutQuery,
    since: Since = None,
    until: Until = None,
) -> Response:
    """The lot's load by meter interval, with trading and without; at most seven days at a time.

    It is computed from sessions and confirmed trades, as operators compute it; where sessions are
    there before they come, as in a replay, so is the load. While nobody stands in the lot it is 0.
    """
    with source.look() as connection:
        between = window(source, connection, since, until)
        rows: list[LoadRow] = source.kept.get(
            ("load", between), lambda: load_between(source, connection, *between)
        )
    return answer_list(
        request, LoadRow, page_of_rows(rows, lambda row: (int(row.time.timestamp()),), cut)
    )


@router.get("/prices", response_model=Page[PriceRow], responses=LIST_ANSWERS)
def list_prices(
    request: Request,
    _who: Anyone,
    source: From,
    cut: CutQuery,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Tariff and peers' prices by market interval; at most seven days at a time."""
    with source.look() as connection:
        between = window(source, connection, since, until)
        rows: list[PriceRow] = source.kept.get(
            ("prices", between), lambda: prices_between(source, connection, *between)
        )
    page = page_of_rows(rows, lambda row: (int(row.interval_start.timestamp()),), cut)
    return answer_list(request, PriceRow, page)
